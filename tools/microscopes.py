"""Open files of microscopes, and compare all voxels with what other libraries read of them.

Needs the network, for packages that are no part of the tests: it makes an environment of them
beside the installed one, and looks at::

    ND2   a recording of a Nikon A1, in the source of pims-nd2 1.1    nd2, bioio-nd2
    LIF   written as the tests write it                              readlif, bioio-lif
    DV    written by mrc                                             bioio-dv

Run by hand: ``.venv/bin/python tools/microscopes.py``.  Prints a line a comparison; the exit code
is 1 if one of them differs.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCE = "pims-nd2==1.1"
RECORDING = "pims_nd2-1.1/pims_nd2/cluster.nd2"
PACKAGES = ("bioio>=3.6", "bioio-nd2", "bioio-lif", "bioio-dv", "mrc", "readlif", "nd2", "liffile")
Compared = tuple[str, NDArray[Any], NDArray[Any]]
"""What is compared, what scutoid reads, and what the other library does."""


def main() -> int:
    """Make the environment, and compare inside it."""
    if "--inside" in sys.argv:
        return compare(Path(sys.argv[-1]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = environment(folder / "venv")
        pip = [python, "-m", "pip", "-q"]
        options = ["--no-deps", "--no-binary", ":all:", "-d", folder]
        subprocess.run([*pip, "download", *options, SOURCE], check=True)
        (packed,) = folder.glob("*.tar.gz")
        with tarfile.open(packed) as archive:
            archive.extract(RECORDING, folder, filter="data")
        return subprocess.run([python, __file__, "--inside", folder], check=False).returncode


def environment(folder: Path) -> Path:
    """Make an environment of what is installed here and of the other libraries."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    installed = [sysconfig.get_path("purelib"), str(Path(__file__).parents[1] / "src")]
    place = folder / "lib" / version / "site-packages" / "installed.pth"
    place.write_text("\n".join(installed))
    subprocess.run([python, "-m", "pip", "-q", "install", "setuptools", *PACKAGES], check=True)
    return python


def compare(folder: Path) -> int:
    """Print each comparison; return 1 if one of them differs."""
    n_wrong = 0
    for what, ours, theirs in (*of_nd2(folder), *of_lif(folder), *of_dv(folder)):
        is_same = ours.shape == theirs.shape and np.array_equal(ours, theirs)
        n_wrong += not is_same
        print(f"{'same' if is_same else 'DIFFERS'}  {what}  {ours.shape} {ours.dtype}")
    return int(n_wrong > 0)


def of_nd2(folder: Path) -> Iterator[Compared]:
    """Read the recording."""
    import nd2
    from bioio import BioImage

    import scutoid as sc

    path = folder / RECORDING
    image = sc.open(path)
    print(image, image.channels)
    yield "ND2 by nd2", image.read(), nd2.imread(path).transpose(0, 2, 1, 3, 4)
    yield "ND2 by bioio-nd2", image.read(), BioImage(path).data
    yield "a region of it", image[1, :, 2:5, 3:9].read(), BioImage(path).data[1, :, 2:5, 3:9]


def of_lif(folder: Path) -> Iterator[Compared]:
    """Read a file of two images."""
    from bioio import BioImage
    from readlif.reader import LifFile

    import scutoid as sc

    files = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "microscope_files.py"))
    truth = np.random.default_rng(0).integers(0, 60000, (2, 3, 4, 30, 40)).astype("uint16")
    sizes = {"t": 2, "z": 1e-6, "y": 5e-7, "x": 5e-7}
    images = {"one": files["lif_image"]("one", truth, "tczyx", sizes=sizes)}
    images["two"] = files["lif_image"]("two", truth[0], "czyx")
    path = files["write_lif"](folder / "a.lif", images)
    for number, image in enumerate(LifFile(str(path)).get_iter_image()):
        shape = image.dims.t, image.channels, image.dims.z
        frames = [np.asarray(image.get_frame(t=t, c=c, z=z)) for t, c, z in np.ndindex(*shape)]
        theirs = np.reshape(frames, (*shape, 30, 40)).squeeze()
        yield f"LIF by readlif, image {number}", sc.open(path, series=number).read(), theirs
    yield "LIF by bioio-lif", sc.open(path, series=0).read(), BioImage(path).data


def of_dv(folder: Path) -> Iterator[Compared]:
    """Read a file of two channels, through bioio."""
    import mrc

    import scutoid as sc

    truth = np.random.default_rng(0).integers(0, 4000, (2, 4, 30, 40)).astype("int16")
    mrc.imsave(os.fspath(folder / "a.dv"), truth, resolution=(0.1, 0.1, 0.3))
    yield "DeltaVision by what was written", sc.open(folder / "a.dv").read(), truth


if __name__ == "__main__":
    sys.exit(main())

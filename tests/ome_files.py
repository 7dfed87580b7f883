"""OME-TIFFs as microscopes write them: sets of files, several images, companions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tifffile

SPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
PLANES = np.random.default_rng(1).integers(1, 60000, (12, 24, 32)).astype("uint16")
SIZES = 'PhysicalSizeX="0.5" PhysicalSizeY="0.5" PhysicalSizeZ="2"'


def data(z: int, page: int, name: str = "", c: int = 0) -> str:
    """Say where a plane lies."""
    uuid = f'<UUID FileName="{name}">urn:uuid:{name}</UUID>' if name else ""
    return f'<TiffData FirstZ="{z}" FirstC="{c}" IFD="{page}" PlaneCount="1">{uuid}</TiffData>'


def image(planes: Iterable[str], n_z: int, *, number: int = 0, name: str = "", n_c: int = 1) -> str:
    """Describe an image."""
    channels = "".join(
        f'<Channel ID="Channel:{number}:{c}" SamplesPerPixel="1"/>' for c in range(n_c)
    )
    return (
        f'<Image ID="Image:{number}" Name="{name}"><Pixels ID="Pixels:{number}" '
        f'DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="24" SizeZ="{n_z}" SizeC="{n_c}" '
        f'SizeT="1" {SIZES}>{channels}{"".join(planes)}</Pixels></Image>'
    )


def xml(*images: str, uuid: str = "") -> str:
    own = f' UUID="urn:uuid:{uuid}"' if uuid else ""
    return f'<?xml version="1.0"?><OME xmlns="{SPACE}"{own}>{"".join(images)}</OME>'


def write(path: Path, planes: np.ndarray, text: str | None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = None if text is None else text.encode()
    tifffile.imwrite(path, planes, photometric="minisblack", metadata=None, description=said)
    return path


def plane_files(folder: Path, n_z: int = 5, ending: str = ".ome.tif") -> list[Path]:
    """Write a volume, a file a plane, each of which names all."""
    names = [f"z{z}{ending}" for z in range(n_z)]
    planes = [data(z, 0, name) for z, name in enumerate(names)]
    return [
        write(folder / name, PLANES[z], xml(image(planes, n_z), uuid=name))
        for z, name in enumerate(names)
    ]


def companion(folder: Path, n_z: int = 4) -> Path:
    """Write a volume, a file a plane, which point to a file that says how they belong together."""
    names = [f"p{z}.ome.tif" for z in range(n_z)]
    for z, name in enumerate(names):
        only = f'<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:{name}"/>'
        write(folder / name, PLANES[z], xml(only, uuid=name))
    planes = [data(z, 0, name) for z, name in enumerate(names)]
    path = folder / "a.companion.ome"
    path.write_text(xml(image(planes, n_z), uuid="companion"))
    return path


def positions(path: Path, names: Iterable[str] = ("left", "right"), n_z: int = 3) -> Path:
    """Write a file of several images."""
    listed = list(names)
    images = [
        image([data(z, n * n_z + z) for z in range(n_z)], n_z, number=n, name=name)
        for n, name in enumerate(listed)
    ]
    return write(path, PLANES[: n_z * len(listed)], xml(*images))

"""Let other programs write images that scutoid opens, and read what scutoid has written.

daisy's tests and a task of volara's run with scutoid in daisy's place (``tools/peers/suites.py``).

Each program lives in an environment of its own, with its version pinned, below ``--envs``, for they
want other versions of the same packages::

    .venv/bin/python tools/peers.py [--envs .venv-peers] [PEER ...]

Each program is driven by a script in ``tools/peers``, which runs in its environment and exchanges
claims with this one (``tools/peers/claims.py``): what lies where, its axes, sizes, units, channels,
and voxels.  Printed is a line for each program and direction; differences stand below.  The exit
code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import scutoid as sc

SCRIPTS = Path(__file__).parent / "peers"
sys.path.insert(0, str(SCRIPTS))
from claims import Claim, differences, load, noise, save  # noqa: E402
from suites import ROOT, Outcome, suite_of_daisy, task_of_volara  # noqa: E402


@dataclass(frozen=True)
class Peer:
    """Another program."""

    name: str
    """As its package is called; the first requirement pins it."""
    requirements: tuple[str, ...]
    """What its environment holds."""
    why: str
    """Why it has an environment of its own."""
    does: tuple[str, ...] = ("wrote",)
    """What is asked of it, by the names of `ASKED`."""
    not_asked: str = ""
    """Why something is not asked of it."""
    uses_scutoid: bool = False
    """Whether its environment holds scutoid too, which it runs on."""

    @property
    def version(self) -> str:
        """Its version."""
        return self.requirements[0].partition("==")[2]

    @property
    def script(self) -> Path:
        """The script that drives it."""
        return SCRIPTS / f"with_{self.name.replace('-', '_')}.py"


PEERS = (
    Peer(
        "ngio",
        ("ngio==1.1.3", "zarr==3.1.6"),
        "wants pandas below 3",
        ("wrote", "read"),
    ),
    Peer(
        "spatialdata",
        ("spatialdata==0.7.3", "zarr==3.1.6"),
        "wants pandas below 3, dask below 2026.2 and ome-zarr below 0.16",
        not_asked="reads images of its own stores alone",
    ),
    Peer(
        "acquire-zarr",
        ("acquire-zarr==0.10.0", "numpy"),
        "is compiled, for some systems alone",
        not_asked="reads nothing",
    ),
    Peer(
        "iohub",
        ("iohub==0.2.3.post1", "setuptools<81"),
        "wants zarr 2",
        not_asked="reads zarr 2 alone, which scutoid does not write",
    ),
    Peer(
        "daisy",
        ("daisy==1.2.3", "pytest==8.4.2", "filelock==3.20.0"),
        "is what scutoid is in the place of",
        ("suite",),
        uses_scutoid=True,
    ),
    Peer(
        "volara",
        ("volara==1.0.5",),
        "wants many packages that nothing else needs",
        ("task",),
        uses_scutoid=True,
    ),
)


@dataclass(frozen=True)
class Answer:
    """What came out of one thing that was asked of a program."""

    n_images: int
    """Number of images that were compared."""
    differences: Sequence[str]
    """In what the two sides differ."""

    @property
    def words(self) -> str:
        """What was compared, and whether all is right."""
        n = len(self.differences)
        told = f"{n} difference{'s' * (n > 1)}" if n else "all right"
        return f"{self.n_images} images, {told}"

    @property
    def notes(self) -> Sequence[str]:
        """Nothing is to be said besides."""
        return ()


# ---- environments


def environment(peer: Peer, envs: Path) -> Path:
    """Return the Python of a program's environment, made where it is not there."""
    digest = hashlib.sha256("\n".join((sys.version, *peer.requirements)).encode()).hexdigest()
    folder = envs / f"{peer.name}-{digest[:8]}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{peer.name}: setting up {folder}", file=sys.stderr)
        uv = shutil.which("uv")
        venv.create(folder, with_pip=uv is None)
        install = [uv, "pip"] if uv else [str(python), "-m", "pip", "--disable-pip-version-check"]
        target = ["--python", str(python)] if uv else []
        own = ["--editable", str(ROOT)] if peer.uses_scutoid else []
        wanted = [*peer.requirements, *own]
        subprocess.run([*install, "install", "--quiet", *target, *wanted], check=True)
        (folder / "ready").touch()
    return python


def drive(peer: Peer, python: Path, work: str, source: Path, target: Path) -> dict[str, Claim]:
    """Run a program's script, and return what it claims."""
    target.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-W", "ignore", str(peer.script), work, str(source), str(target)]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=own)
    if done.returncode:
        message = f"{peer.script.name} {work} failed:\n{done.stderr}"
        raise RuntimeError(message)
    return load(target)


# ---- what is asked


def wrote(peer: Peer, python: Path, folder: Path) -> Answer:
    """Let a program write, and compare what it meant with what scutoid opens."""
    theirs = folder / "theirs"
    said = drive(peer, python, "write", theirs, theirs)
    found = {place: seen(place, theirs) for place in said}
    unlisted = set(_listed(said, theirs)) - set(said)
    lines = differences(said, found)
    return Answer(len(said), [*lines, *(f"{place}: unexpected" for place in sorted(unlisted))])


def read(peer: Peer, python: Path, folder: Path) -> Answer:
    """Let a program read what scutoid has written, and compare it with what was meant."""
    ours = folder / "ours"
    ours.mkdir()
    said = {claim.place: claim for claim in write_ours(ours)}
    save(said.values(), ours)
    found = drive(peer, python, "read", ours, folder / "found")
    return Answer(len(said), differences(said, found, knows_all=False))


def suite(peer: Peer, python: Path, folder: Path) -> Outcome:
    """Run daisy's own tests on scutoid."""
    return suite_of_daisy(peer.version, python, folder)


def task(peer: Peer, python: Path, folder: Path) -> Outcome:  # noqa: ARG001 - as all that is asked
    """Run a task of volara's on scutoid."""
    return task_of_volara(python, folder)


ASKED: dict[str, Callable[[Peer, Path, Path], Answer | Outcome]] = {
    "wrote": wrote,
    "read": read,
    "suite": suite,
    "task": task,
}


def seen(place: str, folder: Path) -> Claim:
    """Open an image with scutoid, and say what it is."""
    path, _, key = place.partition(":")
    key, _, labels = key.partition("#")
    path, _, level = path.partition("@")
    if not key:
        return described(place, sc.open(folder / path, level=int(level or 0)))
    members = sc.open_folder(folder / path, labels=labels or None)
    return described(place, members[key], members.groups.loc[key].to_dict())


def _listed(said: dict[str, Claim], folder: Path) -> Iterator[str]:
    """Go through all members of the collections that are claimed."""
    for each in dict.fromkeys(place.partition(":")[0] for place in said if ":" in place):
        yield from (f"{each}:{key}" for key in sc.open_folder(folder / each).keys)


def described(place: str, image: sc.Image, columns: dict[str, object] | None = None) -> Claim:
    """Say what scutoid knows of an image."""
    spatial = [letter for letter in image.axes if letter in "zyx"]
    sizes = dict(zip(spatial, image.voxel_size or (), strict=False))
    units = dict.fromkeys(spatial, image.unit) if image.unit else {}
    if image.time is not None:
        sizes["t"] = image.time.interval
        units |= {"t": image.time.unit} if image.time.unit else {}
    voxels = np.asarray(image)
    plain = {
        name: value if isinstance(value, str) else int(value)
        for name, value in (columns or {}).items()
    }
    return Claim(place, image.axes, voxels, sizes, units, image.channels, plain)


# ---- what scutoid writes


def write_ours(folder: Path) -> Iterator[Claim]:
    """Write images of all axes, with labels and with levels, and a plate with labels and tables."""
    five = noise((2, 2, 6, 32, 40))
    whole = sc.open(
        five, axes="tczyx", voxel_size=(2, 0.5, 0.25), unit="um", origin=(10, 5, 1), time=(3, "s")
    )
    pictures = {"yx": whole[0, 0, 0], "zyx": whole[0, 0], "cyx": whole[0, :, 0], "tczyx": whole}
    for axes, image in pictures.items():
        sc.export(image, folder / f"{axes}.ome.zarr")
        yield described(f"{axes}.ome.zarr", image)
    volume = pictures["zyx"]
    objects = sc.label(volume > 30000)
    sc.export(volume, folder / "labelled.ome.zarr", labels={"bright": objects})
    yield described("labelled.ome.zarr", volume)
    yield described("labelled.ome.zarr/labels/bright", objects)
    pyramid = sc.pyramid(volume, levels=3)
    sc.run(pyramid, store=folder / "store", executor="serial")
    path = sc.export(pyramid, folder / "levels.ome.zarr")
    for level in range(3):
        yield described(f"levels.ome.zarr@{level}", sc.open(path, level=level))
    yield from _our_plate(folder, five)


def _our_plate(folder: Path, five: np.ndarray) -> Iterator[Claim]:
    files = folder / "files"
    files.mkdir()
    for number, name in enumerate(("B03_s1", "B03_s2", "C12_s1")):
        np.save(files / f"{name}.npy", five[0, :, number])
    fields = sc.open_folder(files / "{well}_s{site:d}.npy", axes="cyx", voxel_size=0.5, unit="um")
    bright = sc.label(fields.channel(0) > 30000)
    cells = sc.measure(bright, intensity=fields.channel(1))
    sc.export(fields, folder / "plate.ome.zarr", labels={"bright": bright}, tables={"cells": cells})
    for own in fields.keys:
        well, site = str(fields.groups.at[own, "well"]), int(fields.groups.at[own, "site"])
        key = f"{well[0]}/{well[1:]}/{site}"
        yield described(f"plate.ome.zarr:{key}", fields[own])
        yield described(f"plate.ome.zarr:{key}#bright", bright[own])
        numbers = cells[own].to_pandas().set_index("label").select_dtypes("number")
        names, values = ",".join(sorted(numbers)), numbers[sorted(numbers)].to_numpy(float)
        yield Claim(f"plate.ome.zarr:{key}!cells", names, values)


# ---- the table


def ask(peer: Peer, envs: Path) -> Iterator[tuple[str, str, Sequence[str], Sequence[str]]]:
    """Ask all of a program: yield what, in a word what came of it, what is wrong, and notes."""
    python = environment(peer, envs)
    for name in peer.does:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                answer = ASKED[name](peer, python, Path(scratch))
            except (RuntimeError, sc.errors.ScutoidError, subprocess.SubprocessError) as error:
                yield name, "failed", str(error).splitlines(), ()
                continue
        yield name, answer.words, answer.differences, answer.notes


def main() -> int:
    """Ask the programs that are named, or all, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    known = {peer.name: peer for peer in PEERS}
    parser.add_argument("peers", nargs="*", help=f"some of {', '.join(known)}; default: all")
    parser.add_argument("--envs", type=Path, default=Path(".venv-peers"))
    chosen = parser.parse_args()
    unknown = [name for name in chosen.peers if name not in known]
    if unknown:
        parser.error(f"no program {', '.join(unknown)}; there are {', '.join(known)}")
    warnings.simplefilter("ignore")  # of what is assumed, which the claims hold
    n_wrong = 0
    print(f"{'program':<14} {'version':<13} {'':<6} outcome")
    for name in chosen.peers or known:
        peer = known[name]
        for asked, word, lines, notes in ask(peer, chosen.envs.resolve()):
            print(f"{peer.name:<14} {peer.version:<13} {asked:<6} {word}", flush=True)
            for line in (*lines, *notes):
                print(f"    {line}")
            n_wrong += bool(lines)
        if peer.not_asked:
            print(f"{peer.name:<14} {peer.version:<13} {'read':<6} not asked: {peer.not_asked}")
    print("all right" if not n_wrong else f"{n_wrong} with differences")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())

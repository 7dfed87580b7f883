"""Compare the CPU time of two checkouts, in pairs of runs that take turns.

Both run the same work with the same Python, which is the one that scutoid is installed for; only
``PYTHONPATH`` differs::

    .venv/bin/python tools/paired.py OLD NEW [--pairs 9] [CASE ...]

Each run is a fresh interpreter with ``PYTHONPATH=<checkout>/src``; which checkout comes first
changes from pair to pair.  A run measures itself: user and system time of the process, of all its
threads and of the processes that it started, from the begin of the work to its end, so what it
imports, reads and writes first does not count; what its processes import does.  One run of each
checkout comes before the pairs and is not counted: it compiles modules and fills the store of a
case that needs one.

Printed are the medians, their ratio, and a 95% interval of the median of the pairs' ratios new /
old (bootstrap of the pairs).  The exit code is 1 if the lower end is above 1.05 for any case: then
the new checkout is slower by more than what chance explains.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 1.05
"""How many times the old checkout's CPU time the new one may take."""
WORK = "--work"
_N_IMAGES = 200
_N_MEMBERS = 100_000
_PER_FOLDER = 1000
_GRID = (25, 25, 32)  # 20,000 blocks
_N_ENGINE = 8
_N_IMPORTS = 8
_N_WARM = 80
_RESAMPLES = 10_000
# Files in memory where the system has that: a disk's pace says nothing of a checkout
_SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# The hash of a file that was written within so many seconds is not remembered
_SETTLED = 2.5
# All that has a name in the library, whether a checkout loads it at once or when it is asked for
_LOAD = """
import scutoid
for name in scutoid.__all__:
    if name not in ("Progress", "view"):
        getattr(scutoid, name)
"""
_IMPORT = f"""
import time, numpy
begun = time.process_time()
{_LOAD}
print(time.process_time() - begun)
"""


@dataclass(frozen=True)
class Case:
    """A piece of work that both checkouts do."""

    prepare: Callable[[Path], None]
    """Writes the input into a folder that both checkouts read; uses nothing of scutoid."""
    work: Callable[[Path, Path], float]
    """Does the work and returns its CPU seconds, given the input and the checkout's own folder."""


@dataclass(frozen=True)
class Comparison:
    """What came of the pairs of one case, in CPU seconds."""

    old: tuple[float, ...]
    """One a pair."""
    new: tuple[float, ...]
    """One a pair."""

    @property
    def ratio(self) -> float:
        """New / old, of the medians."""
        return statistics.median(self.new) / statistics.median(self.old)

    @property
    def interval(self) -> tuple[float, float]:
        """A 95% interval of the median of new / old, pair by pair."""
        ratios = np.array(self.new) / np.array(self.old)
        drawn = np.random.default_rng(0).choice(ratios, (_RESAMPLES, len(ratios)))
        low, high = np.percentile(np.median(drawn, axis=1), (2.5, 97.5))
        return float(low), float(high)


class Timer:
    """CPU seconds between begin and end of a ``with``, of this process and those it waited for."""

    seconds: float = 0.0

    @staticmethod
    def now() -> float:
        """Return the CPU seconds so far."""
        of_all = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return sum(used.ru_utime + used.ru_stime for used in of_all)


@contextmanager
def timed() -> Iterator[Timer]:
    """Measure what runs inside."""
    timer = Timer()
    begun = timer.now()
    yield timer
    timer.seconds = timer.now() - begun


def nothing(_: object) -> None:
    """Do nothing: a case without input, or a block without work."""


def write_volume(folder: Path, side: int, sigma: float) -> None:
    """Write smoothed noise, ``side`` voxels an axis, as ``image.zarr`` with chunks of 64."""
    import zarr
    from scipy import ndimage

    noise = np.random.default_rng(0).normal(size=(side,) * 3).astype("float32")
    smooth = ndimage.gaussian_filter(noise, sigma)
    scaled = 1000 + 200 * smooth / smooth.std()
    zarr.create_array(folder / "image.zarr", data=scaled.astype("uint16"), chunks=(64,) * 3)


def smoothing(data: Path, own: Path) -> float:
    """Smooth a volume by a little and by more, two threads."""
    import scutoid as sc

    image = sc.open(data / "image.zarr")
    with tempfile.TemporaryDirectory(dir=own) as scratch, timed() as timer:
        for sigma in (2, 4):
            smooth, store = sc.gaussian(image, sigma=sigma), Path(scratch) / str(sigma)
            sc.run(smooth, store=store, block=64, executor="threads", workers=2)
    return timer.seconds


def objects(data: Path, own: Path) -> float:
    """Label and measure what is brighter than a level, one block after the other."""
    import scutoid as sc

    image = sc.open(data / "image.zarr")
    labels = sc.label(sc.threshold(image, level=1200))
    table = sc.measure(labels, intensity=image)
    with tempfile.TemporaryDirectory(dir=own) as store, timed() as timer:
        sc.run(labels, table, store=store, block=64, executor="serial")
    return timer.seconds


def write_images(folder: Path) -> None:
    """Write small images of noise."""
    import tifffile

    rng = np.random.default_rng(0)
    for number in range(_N_IMAGES):
        image = rng.integers(0, 2**12, (256, 256), "uint16")
        tifffile.imwrite(folder / f"{number:04}.tif", image)
    time.sleep(_SETTLED)


def smooth_image(image: Any) -> Any:
    """Smooth one image."""
    from scipy import ndimage

    return ndimage.gaussian_filter(image.astype("float32"), 1)


def mask_image(image: Any) -> Any:
    """Mark what is bright."""
    return image > 2100


def count_image(mask: Any) -> int:
    """Count the objects of a mask."""
    from scipy import ndimage

    return int(ndimage.label(mask)[1])


def run_images(data: Path, store: str | Path, executor: str) -> None:
    """Three steps over a folder."""
    import scutoid as sc

    images = sc.open_folder(data / "*.tif")
    smooth = sc.step(out="image", dtype="float32")(smooth_image)(images)
    mask = sc.step(out="image", dtype=bool)(mask_image)(smooth)
    counts = sc.step(count_image)(mask)
    sc.run(counts, mask, smooth, store=store, executor=executor, workers=2)


def images_cold(data: Path, own: Path) -> float:
    """Three steps over a folder, two processes."""
    with tempfile.TemporaryDirectory(dir=own) as store, timed() as timer:
        run_images(data, store, "processes")
    return timer.seconds


def images_warm(data: Path, own: Path) -> float:
    """The same where nothing has changed, some times over."""
    run_images(data, own / "store", "serial")
    with timed() as timer:
        for _ in range(_N_WARM):
            run_images(data, own / "store", "serial")
    return timer.seconds


def engine(_data: Path, _own: Path) -> float:
    """Run blocks that do nothing: independent ones, then as many that wait for their neighbours."""
    from scutoid.blocks import BlockGrid, BlockTask, run_blocks
    from scutoid.geometry import Roi

    total = Roi((0, 0, 0), _GRID)
    first = BlockTask("first", nothing, BlockGrid(total, 1))
    second = BlockTask("second", nothing, BlockGrid(total, 1, halo=1), after="first")
    with timed() as timer:
        for _ in range(_N_ENGINE):
            run_blocks([first, second], executor="serial")
    return timer.seconds


def write_members(folder: Path) -> None:
    """Write images of four pixels, a thousand a folder."""
    np.save(folder / "one.npy", np.zeros((2, 2), "uint64"))
    header = (folder / "one.npy").read_bytes()[:-32]
    (folder / "one.npy").unlink()
    for number in range(_N_MEMBERS):
        inside = folder / f"{number // _PER_FOLDER:04}"
        if number % _PER_FOLDER == 0:
            inside.mkdir()
        (inside / f"{number:07}.npy").write_bytes(header + number.to_bytes(8, "little") * 4)
    time.sleep(_SETTLED)


def plan_100k(data: Path, own: Path) -> float:
    """Plan two steps over many files whose hashes are remembered."""
    import scutoid as sc

    images = sc.open_folder(data / "*" / "*.npy")
    mask = sc.step(out="image", dtype=bool)(mask_image)(images)
    counts = sc.step(count_image)(mask)
    with timed() as timer:
        sc.plan(counts, store=own / "store")
    return timer.seconds


def importing(_data: Path, _own: Path) -> float:
    """Import scutoid in fresh interpreters that have numpy already."""
    command = [sys.executable, "-c", _IMPORT]
    runs = (
        subprocess.run(command, capture_output=True, text=True, check=True)
        for _ in range(_N_IMPORTS)
    )
    return sum(float(done.stdout) for done in runs)


CASES: Mapping[str, Case] = {
    "smoothing": Case(lambda folder: write_volume(folder, 192, 1.5), smoothing),
    "objects": Case(lambda folder: write_volume(folder, 160, 3.0), objects),
    "images_cold": Case(write_images, images_cold),
    "images_warm": Case(write_images, images_warm),
    "engine": Case(nothing, engine),
    "plan_100k": Case(write_members, plan_100k),
    "import": Case(nothing, importing),
}


def measured(name: str, checkout: Path, data: Path, own: Path) -> float:
    """Return the CPU seconds of one run of a case, in a fresh interpreter."""
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    source = checkout / "src"
    done = subprocess.run(
        [sys.executable, __file__, WORK, name, str(data), str(own)],
        capture_output=True,
        text=True,
        check=False,
        env={**settings, "PYTHONPATH": str(source)},
    )
    if done.returncode:
        raise SystemExit(f"{name} failed in {checkout}\n{done.stderr}")
    seconds, used = done.stdout.splitlines()[-1].split(maxsplit=1)
    if not Path(used).is_relative_to(source):
        raise SystemExit(f"{name} ran {used}, which is not in {source}")
    return float(seconds)


def compare(name: str, old: Path, new: Path, pairs: int, scratch: Path) -> Comparison:
    """Run a case in pairs."""
    data = scratch / "data"
    data.mkdir()
    CASES[name].prepare(data)
    checkouts = {"old": old, "new": new}
    seconds: dict[str, list[float]] = {side: [] for side in checkouts}
    for side, checkout in checkouts.items():
        (scratch / side).mkdir()
        measured(name, checkout, data, scratch / side)
    for pair in range(pairs):
        for side in sorted(checkouts, reverse=pair % 2 == 0):
            seconds[side].append(measured(name, checkouts[side], data, scratch / side))
    return Comparison(tuple(seconds["old"]), tuple(seconds["new"]))


def main(arguments: Sequence[str]) -> int:
    """Compare two checkouts, print a line a case, and fail above the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--pairs", type=int, default=9)
    given = parser.parse_intermixed_args(arguments)
    if unknown := set(given.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    for root in (given.old, given.new):  # what is not compiled yet is no part of any case
        compileall.compile_dir(root / "src", quiet=2)
    too_slow = []
    print(f"{'CPU seconds':12}  {'old':>6}  {'new':>6}  {'ratio':>6}  95% interval", flush=True)
    for name in given.cases or CASES:
        with tempfile.TemporaryDirectory(dir=_SCRATCH) as scratch:
            found = compare(
                name, given.old.resolve(), given.new.resolve(), given.pairs, Path(scratch)
            )
        low, high = found.interval
        old, new = statistics.median(found.old), statistics.median(found.new)
        print(
            f"{name:12}  {old:6.2f}  {new:6.2f}  {found.ratio:6.3f}  {low:.3f} to {high:.3f}",
            flush=True,
        )
        if low > LIMIT:
            too_slow.append(name)
    if too_slow:
        print(f"slower than {LIMIT} times the old: {', '.join(too_slow)}", file=sys.stderr)
    return 1 if too_slow else 0


def work(name: str, data: str, own: str) -> None:
    """Do the work of a case with the scutoid of this interpreter; print its seconds and place."""
    import scutoid

    exec(_LOAD)  # noqa: S102 - a text for the sake of the case of imports
    seconds = CASES[name].work(Path(data), Path(own))

    print(seconds, scutoid.__file__)


if __name__ == "__main__":
    if sys.argv[1:2] == [WORK]:
        work(*sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))

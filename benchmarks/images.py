"""Counting objects in a folder of images: scutoid and others beside a bare loop, in turn.

    python benchmarks/images.py [--images 1000] [--peers 200] [--repeats 3] [--quick]

``--peers`` is the number of images for the comparison with the slow ones, 0 leaves it out;
``--quick`` is a smoke run of a few images, which prints its tables and leaves RESULTS.md alone.

Each peer runs in a virtual environment of its own; one that is not there is left out.  They are
made by::

    for peer in joblib luigi redun "prefect==3.7.8 fastapi==0.139.2"; do
        place=benchmarks/scratch/peers-${peer%% *}; place=${place%%=*}
        python -m venv $place
        $place/bin/pip install numpy scipy tifffile imagecodecs setuptools $peer
    done
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import WORK, report, run
from images_kernels import out_of, prepare

SCRIPT = Path(__file__).parent / "images_work.py"
BARE = "bare"
OURS = (BARE, "synced", "scutoid")
FAST = (*OURS, "joblib", "luigi")
SLOW = ("redun", "prefect")
NAMES = {
    BARE: "bare loop, 2 processes",
    "synced": "bare loop that waits for the disk",
    "scutoid": "scutoid, 2 processes",
    "joblib": "joblib.Memory, 2 processes",
    "luigi": "luigi, 2 workers",
    "redun": "redun, 2 processes",
    "prefect": "Prefect 3, 2 threads",
}


def python_of(way):
    """The interpreter that runs a way; None if its environment is not there."""
    if way in OURS:
        return Path(sys.executable)
    python = WORK / f"peers-{way}" / "bin" / "python"
    return python if python.exists() else None


@dataclass(frozen=True)
class Timed:
    """One run of a way."""

    seconds: float
    cpu: float
    peak_mb: float
    said: str


def timed(command):
    """Run a command; beside the clock, count the processor time of all its processes."""
    os.sync()  # what the run before left to be written would be written during this one
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    sample = run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(sample.seconds, cpu, sample.peak_mb, sample.said.splitlines()[-1])


def both(way, n):
    """Run a way on a clean place, and once more."""
    command = [python_of(way), SCRIPT, way, n]
    shutil.rmtree(out_of(way, n), ignore_errors=True)
    pair = timed(command), timed(command)
    shutil.rmtree(out_of(way, n), ignore_errors=True)
    return pair


def measure(ways, n, repeats):
    """Run the ways in turn; give the cold and warm run of each turn, and check what they found."""
    prepare(n)
    found = {way: [] for way in ways}
    for _ in range(repeats):
        for way in ways:
            found[way].append(both(way, n))
    said = {one.said for pairs in found.values() for pair in pairs for one in pair}
    if len(said) != 1:
        raise SystemExit(f"the ways count differently: {sorted(said)}")
    return found


def cells_of(runs, n):
    """Seconds of whole processes, then milliseconds an image, on the clock and of processors."""
    seconds = [one.seconds for one in runs]
    middle, cpu = statistics.median(seconds), statistics.median(one.cpu for one in runs)
    return [
        f"{middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
        f"{1000 * middle / n:.2f}",
        f"{1000 * cpu / n:.2f}",
    ]


def ratio(runs, reference, what):
    """By how much runs take longer than those of the bare loop, one by one."""
    pairs = zip(runs, reference, strict=True)
    return f"{statistics.median(getattr(a, what) / getattr(b, what) for a, b in pairs):.2f}"


def compare(ways, n, repeats):
    """Return a table of the ways that are there."""
    ways = [way for way in ways if python_of(way)]
    found, single = measure(ways, n, repeats), measure(ways, 1, 1)
    spent = ["s (range)", "ms an image", "CPU ms an image"]
    heads = [f"{n:,} images", f"cold: {spent[0]}", *spent[1:], "ratio to the bare loop"]
    heads += ["ratio of CPU", "with one image: s", f"warm: {spent[0]}", *spent[1:], "peak MB"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    reference = [cold for cold, _ in found[BARE]]
    for way in ways:
        cold, warm = zip(*found[way], strict=True)
        cells = [NAMES[way], *cells_of(cold, n)]
        cells += [ratio(cold, reference, what) for what in ("seconds", "cpu")]
        cells += [f"{single[way][0][0].seconds:.2f}", *cells_of(warm, n)]
        cells += [f"{max(one.peak_mb for one in (*cold, *warm)):.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--peers", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    n, n_peers, repeats = given.images, given.peers, given.repeats
    if given.quick:
        n, n_peers, repeats = 20, min(10, n_peers), 1
    about = (
        "Images of 512 x 512 uint16: a Gaussian of sigma 1 (float32), the mask of what is above a "
        "level, the number of objects in it. All write the smoothed images, the masks and a table "
        f"of the numbers, and find the same. Whole processes; medians of {repeats} runs in turn; "
        "ratios are taken run by run; CPU is that of all processes, which other load on the "
        "machine changes less; peak memory of the process tree. Warm is a second run with "
        "nothing changed. The bare loop reads and writes plain TIFF, keeps no keys, and "
        "warm looks only whether each result is newer than its image; scutoid keys images by "
        "content and syncs what it writes. joblib and Prefect keep results as pickles, "
        "luigi and redun as plain TIFF."
    )
    tables = [compare(FAST, n, repeats)]
    if n_peers:
        tables.append(compare((*FAST, *SLOW), n_peers, repeats))
    report("Images of a folder", "\n\n".join([about, *tables]), keep=not given.quick)


if __name__ == "__main__":
    main()

"""Every operation beside the whole-array call of scipy or scikit-image, zarr to zarr, in turn.

    python benchmarks/operations.py [--sizes 256 512] [--repeats 3] [--rows NAME ...]
                                    [--against CHECKOUT] [--workers 2] [--quick]
    python benchmarks/operations.py --growth [--sizes 128 256 512 1024] [--repeats 3]

Each measurement is a process of its own, which imports all it needs, and does the same on a tiny
image, before the clock starts.  `--against` takes the folder of another checkout of scutoid, such
as a worktree of an earlier commit, which is measured in the same turns.  `--growth` measures some
operations by the image's size and by the block's, and draws a plot for the docs.  `--quick` is a
smoke run of 64^3, which prints its tables and leaves all files alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from harness import WORK, report
from operations_growth import growth
from operations_measure import DEFAULT, REFERENCE, commit_of, measure, ratio, ways_of
from operations_rows import ROWS
from operations_work import TINY, prepare


def cells(found):
    """What stands in a row of the table: the reference, and each way beside it."""
    named = {way.said: costs for way, costs in found.items()}
    reference = named[REFERENCE]
    wall, cpu, mb = (
        statistics.median(getattr(c, what) for c in reference) for what in ("wall", "cpu", "mb")
    )
    shown = [f"{wall:.2f}, {cpu:.2f}, {mb:.0f}"]
    for said, costs in named.items():
        if said != REFERENCE:
            mb = statistics.median(c.mb for c in costs)
            both = f"{ratio(costs, reference):.2f} ({ratio(costs, reference, 'cpu'):.2f})"
            shown.append(f"{both}, {mb:.0f}")
    fastest = [
        min(pair, key=lambda c: c.wall)
        for pair in zip(named["threads"], named["processes"], strict=True)
    ]
    shown.append(f"{ratio(named[DEFAULT], fastest):.2f}")
    then = [said for said in named if said.endswith((" default", " threads"))]
    return shown + [f"{ratio(named[DEFAULT], named[said]):.2f}" for said in then]


def table(side, found):
    """Return the table of a size, and a line on what was found and on the start."""
    ways = list(next(iter(found.values())))
    then = [way.said for way in ways if " " in way.said]
    heads = [f"{side}^3", "reference: s, CPU s, MB"]
    heads += [way.said for way in ways if way.said != REFERENCE]
    heads += ["default to the faster of threads and processes"]
    heads += [f"default to {said}" for said in then]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {row} | {' | '.join(cells(costs))} |" for row, costs in found.items()]
    return "\n".join(lines) + f"\n\n{starts(ways, found)} {numbers(found)}"


def starts(ways, found):
    """In a line, what comes before the clock starts."""
    middle = {
        way.said: statistics.median(c.start for costs in found.values() for c in costs[way])
        for way in ways
    }
    shown = ", ".join(f"{said} {seconds:.2f}" for said, seconds in middle.items())
    return f"Seconds of imports and a tiny image before, median of all rows: {shown}."


def numbers(found):
    """In a line, what both found where it is not the same."""
    shown = []
    for row, costs in found.items():
        if not ROWS[row].is_equal:
            by = {way.said: runs[0].number for way, runs in costs.items()}
            shown.append(f"{row} {by[DEFAULT]:,} and {by[REFERENCE]:,}")
    equal = sum(ROWS[row].is_equal for row in found)
    apart = (
        f" Found by scutoid and by the reference elsewhere: {'; '.join(shown)}." if shown else ""
    )
    return f"Equal to the reference's, voxel by voxel or object by object: {equal} rows.{apart}"


def about(repeats, workers, against):
    """Say what was measured."""
    then = ""
    if against is not None:
        then = f" The columns of {commit_of(against)} are of that commit, in the same turns."
    return (
        "From a zarr of uint16 (blobs on noise, zstd, chunks of 128^3; or the mask of what is "
        "above a level) to a zarr, a table or a number. The reference reads it whole, calls scipy "
        "or scikit-image, and writes. Work alone: imports and a tiny image come before. Columns of "
        "ways: wall time to the reference's (processor time to the reference's), MB. MB are the "
        "peak of the proportional set size of the process tree above that of the idle process, "
        "and of idle workers where there are any; they are less than 0 where it takes no more than "
        f"these and a tiny image. {workers} workers, started within the time; medians of {repeats} "
        f"turns, ratios turn by turn.{then}"
    )


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--against", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    repeats = 1 if given.quick else given.repeats
    WORK.mkdir(exist_ok=True)
    prepare(TINY)
    if given.growth:
        sizes = [48, 64] if given.quick else sorted(given.sizes or [128, 256, 512])
        title = "Growth of operations"
        text = growth(sizes, repeats, given.workers, is_drawn=not given.quick)
    else:
        against = given.against and given.against.resolve()
        parts = [about(repeats, given.workers, against)]
        for side in [64] if given.quick else given.sizes or [256, 512]:
            prepare(side)
            found = {}
            for row in given.rows:
                found[row] = measure(
                    row, ways_of(against), side, repeats=repeats, workers=given.workers
                )
                print(row, *cells(found[row]), sep=" | ", file=sys.stderr)
            parts.append(table(side, found))
        title, text = "Operations", "\n\n".join(parts)
    report(title, text, keep=not given.quick and given.rows == list(ROWS))


if __name__ == "__main__":
    main()

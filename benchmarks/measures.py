"""Measuring many small objects: scutoid beside scikit-image on the whole array, in turn.

    python benchmarks/measures.py [--repeats 3] [--quick]

``--quick`` is a smoke run of a small volume, which prints its table and leaves RESULTS.md alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from harness import WORK, interleaved, report, run, table

SCRIPT = Path(__file__).parent / "measures_work.py"
WAYS = {
    "regionprops_table, whole array": "skimage",
    "scutoid, 2 threads": "threads",
    "scutoid, 2 processes": "processes",
}


def compare(side, repeats):
    """Measure all ways in turn on a volume of such a side."""
    run([sys.executable, SCRIPT, "prepare", side])
    commands = {name: [sys.executable, SCRIPT, way, side] for name, way in WAYS.items()}
    samples = interleaved(commands, repeats)
    found = json.loads(run([sys.executable, SCRIPT, "check", side]).said)
    off = {column: value for columns in found["off"].values() for column, value in columns.items()}
    apart = ", ".join(f"{name} by up to {value:.1g}" for name, value in off.items())
    return (
        f"{found['objects']} objects in {side}^3, {repeats} runs in turn:\n\n"
        f"{table(samples, next(iter(commands)))}\n\n"
        f"Columns that differ: {apart or 'none'}."
    )


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    sizes = {128: 1} if given.quick else {240: given.repeats, 512: 1}
    WORK.mkdir(exist_ok=True)
    about = (
        "From labels (uint32) and an intensity (uint16), both zarr of chunks of 128^3, to a table "
        "in Parquet: label, number of voxels, centroid, bounding box, mean, min, max and std; "
        "scutoid's has more columns. Whole processes, start-up included; the limit in the table is "
        "scikit-image; peak memory of the process tree."
    )
    tables = [compare(side, repeats) for side, repeats in sizes.items()]
    report("Measures of objects", "\n\n".join([about, *tables]), keep=not given.quick)


if __name__ == "__main__":
    main()

"""Making a pyramid: scutoid, dask, ome-zarr-py and ngff-zarr beside a bare loop, in turn.

    python benchmarks/pyramids.py [--repeats 5] [--quick]

``--quick`` is a smoke run of a small volume, which prints its table and leaves RESULTS.md alone.

Peers run in a virtual environment ``benchmarks/scratch/peers-pyramids``, made by::

    python -m venv benchmarks/scratch/peers-pyramids
    benchmarks/scratch/peers-pyramids/bin/pip install ome-zarr ngff-zarr "dask[array]" zarr
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from harness import WORK, interleaved, report, run, table

SCRIPT = Path(__file__).parent / "pyramids_work.py"
OURS = {
    "limit (bare loop, 2 threads)": "limit",
    "scutoid, 2 threads": "threads",
    "scutoid, 2 processes": "processes",
}
PEERS = {
    "dask coarsen, threads": "dask",
    "ngff-zarr, bin shrink": "ngff-zarr",
    "ome-zarr-py, local mean": "ome-zarr",
}


def disagreements(side):
    """In a line, by how much the levels of each way differ from the limit's."""
    off = json.loads(run([sys.executable, SCRIPT, "check", side]).said)
    equal = [way for way, apart in off.items() if not any(apart)]
    others = [
        f"{way}'s by up to {', '.join(map(str, apart))}" for way, apart in off.items() if any(apart)
    ]
    return (
        f"All levels equal to the limit's, ties rounded to even: {', '.join(equal)}. Not equal, in "
        f"grey values level by level: {'; '.join(others) or 'none'}."
    )


def main():
    """Measure, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    side, repeats = (256, 1) if given.quick else (512, given.repeats)
    WORK.mkdir(exist_ok=True)
    run([sys.executable, SCRIPT, "prepare", side])
    for old in WORK.glob(f"pyramid_*_{side}"):
        shutil.rmtree(old)
    commands = {name: [sys.executable, SCRIPT, way, side] for name, way in OURS.items()}
    peers = WORK / "peers-pyramids" / "bin" / "python"
    if peers.exists():
        commands |= {name: [peers, SCRIPT, way, side] for name, way in PEERS.items()}
    samples = interleaved(commands, repeats)
    about = (
        f"Four levels of {side}^3 uint16 (zarr, zstd, chunks of 128^3) by the mean of 2^3 voxels, "
        "the first level a copy. Whole processes, start-up included; peak memory of the process "
        "tree."
    )
    text = (
        f"{about}\n\n{repeats} runs in turn:\n\n{table(samples, next(iter(commands)))}\n\n"
        f"{disagreements(side)}"
    )
    report("Pyramids", text, keep=not given.quick)


if __name__ == "__main__":
    main()

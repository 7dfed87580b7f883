"""Smoothing a zarr: scutoid, dask, daisy and cubed beside a bare loop, in one interleaved run.

    python benchmarks/smoothing.py [--repeats 5] [--quick]

``--quick`` is a smoke run of a small image in about a minute, which prints its tables and leaves
RESULTS.md alone.

Peers run in a virtual environment ``benchmarks/scratch/peers``, made by::

    python -m venv benchmarks/scratch/peers
    benchmarks/scratch/peers/bin/pip install daisy cubed "dask[array]" distributed zarr scipy \
        cloudpickle matplotlib
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from harness import WORK, interleaved, report, run, table

SCRIPT = Path(__file__).parent / "smoothing_work.py"


def disagreements(chunk, side):
    """In a line, which results differ from the limit's, and by how much."""
    off = json.loads(run([sys.executable, SCRIPT, "check", chunk, side]).said)
    apart = [
        f"{way}'s by up to {whole:.1g} grey values at the image's faces, {inner:.1g} elsewhere"
        for way, (inner, whole) in off.items()
        if whole > 0
    ]
    equal = [way for way, (_, whole) in off.items() if whole == 0]
    return (
        f"Equal to the limit's result: {'; '.join(equal) or 'none'}. "
        f"Not equal: {'; '.join(apart) or 'none'}."
    )


def compare(chunk, side, repeats):
    """Run all systems in turn on an input with such chunks."""
    peers = WORK / "peers" / "bin" / "python"
    run([sys.executable, SCRIPT, "prepare", chunk, side])
    ways = {
        "limit (bare loop, two threads)": (sys.executable, "limit"),
        "scutoid, 2 threads": (sys.executable, "threads"),
        "scutoid, 2 processes": (sys.executable, "processes"),
    }
    if peers.exists():
        ways |= {
            "dask, threads": (peers, "dask"),
            "daisy, 2 processes": (peers, "daisy"),
            "dask distributed, 2 processes": (peers, "distributed"),
            "cubed, 2 processes": (peers, "cubed"),
        }
    commands = {name: [python, SCRIPT, way, chunk, side] for name, (python, way) in ways.items()}
    samples = interleaved(commands, repeats)
    return (
        f"Input chunks of {chunk}^3, {repeats} runs in turn:\n\n"
        f"{table(samples, next(iter(commands)))}\n\n{disagreements(chunk, side)}"
    )


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    side, repeats = (256, 1) if given.quick else (512, given.repeats)
    WORK.mkdir(exist_ok=True)
    about = (
        f"Gaussian of sigma 2 on {side}^3 uint16 (zstd) to float32, blocks of 128^3 with a halo of "
        "8. Whole processes, start-up included; the limit decodes each chunk once and writes whole "
        "chunks; peak memory of the process tree."
    )
    tables = [compare(chunk, side, repeats) for chunk in (64, 128)]
    report("Smoothing", "\n\n".join([about, *tables]), keep=not given.quick)


if __name__ == "__main__":
    main()

"""Smoothing a zarr: scutoid, dask, daisy and cubed beside a bare loop, in one interleaved run.

    python benchmarks/smoothing.py [--repeats 5]

Peers run in a virtual environment ``benchmarks/scratch/peers``, made by::

    python -m venv benchmarks/scratch/peers
    benchmarks/scratch/peers/bin/pip install daisy cubed "dask[array]" distributed zarr scipy \
        cloudpickle matplotlib
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness import WORK, interleaved, run, table, write_section

SCRIPT = Path(__file__).parent / "smoothing_work.py"


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    peers = WORK / "peers" / "bin" / "python"
    text = []
    for chunk in (64, 128):
        WORK.mkdir(exist_ok=True)
        run([sys.executable, SCRIPT, "prepare", chunk])
        commands = {
            "limit (bare loop, two threads)": [sys.executable, SCRIPT, "limit", chunk],
            "scutoid, 2 threads": [sys.executable, SCRIPT, "threads", chunk],
            "scutoid, 2 processes": [sys.executable, SCRIPT, "processes", chunk],
        }
        if peers.exists():
            commands["dask, threads"] = [peers, SCRIPT, "dask", chunk]
            commands["daisy, 2 processes"] = [peers, SCRIPT, "daisy", chunk]
            commands["dask distributed, 2 processes"] = [peers, SCRIPT, "distributed", chunk]
            commands["cubed, 2 processes"] = [peers, SCRIPT, "cubed", chunk]
        samples = interleaved(commands, repeats)
        first = next(iter(commands))
        text.append(
            f"Input chunks of {chunk}^3, {repeats} runs in turn:\n\n{table(samples, first)}"
        )
    about = (
        "Gaussian of sigma 2 on 512^3 uint16 (zstd) to float32, blocks of 128^3 with a halo of 8. "
        "Whole processes, start-up included; the limit decodes each chunk once and writes whole "
        "chunks; peak memory of the process tree."
    )
    write_section("Smoothing", "\n\n".join([about, *text]))


if __name__ == "__main__":
    main()

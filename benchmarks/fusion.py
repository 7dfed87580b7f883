"""A chain of three steps, fused and with every step kept, beside a bare loop and dask, in turn.

    python benchmarks/fusion.py [--repeats 5] [--quick]

``--quick`` is a smoke run of a small volume, which prints its table and leaves RESULTS.md alone.
Dask runs in the environment ``benchmarks/scratch/peers``, which ``objects.py`` says how to make.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from harness import WORK, interleaved, report, run, table

SCRIPT = Path(__file__).parent / "fusion_work.py"
WAYS = {
    "limit (bare loop, 2 threads)": "limit",
    "scutoid fused, 2 threads": "fused-threads",
    "scutoid fused, 2 processes": "fused-processes",
    "scutoid, every step kept, 2 threads": "kept-threads",
    "scutoid, every step kept, 2 processes": "kept-processes",
}


def main():
    """Measure, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    side, repeats = (256, 1) if given.quick else (512, given.repeats)
    WORK.mkdir(exist_ok=True)
    run([sys.executable, SCRIPT, "prepare", side])
    commands = {name: [sys.executable, SCRIPT, way, side] for name, way in WAYS.items()}
    peers = WORK / "peers" / "bin" / "python"
    if peers.exists():
        commands["dask, threads"] = [peers, SCRIPT, "dask", side]
    samples = interleaved(commands, repeats)
    found = json.loads(run([sys.executable, SCRIPT, "check", side]).said)
    apart = {way: n for way, n in found["labels"].items() if way not in found["same"]}
    about = (
        f"Gaussian of sigma 2 on {side}^3 uint16 (zarr, zstd, chunks of 128^3) to float32, "
        "threshold, labels of each block of 128^3, whose outer planes are kept. Whole processes, "
        "start-up included; peak memory of the process tree."
    )
    checked = (
        f"Labels in every block as in the limit's: {', '.join(found['same'])}. "
        f"Not: {', '.join(f'{way} ({n} in all)' for way, n in apart.items()) or 'none'}."
    )
    text = (
        f"{about}\n\n{repeats} runs in turn:\n\n{table(samples, next(iter(commands)))}\n\n{checked}"
    )
    report("Fused chain", text, keep=not given.quick)


if __name__ == "__main__":
    main()

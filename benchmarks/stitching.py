"""A segmenter tile by tile, and one number an object over all tiles, beside patchworks, in turn.

    python -m venv benchmarks/scratch/patchworks
    benchmarks/scratch/patchworks/bin/pip install patchworks==3.3.0
    python benchmarks/stitching.py [--repeats 5] [--quick]

``--quick`` is a smoke run, which prints its table and leaves RESULTS.md alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from harness import WORK, report, run

SCRIPT = Path(__file__).parent / "stitching_work.py"
PATCHWORKS = WORK / "patchworks" / "bin" / "python"
WAYS = {
    "whole array, no tiles": "whole",
    "scutoid, 2 threads": "threads",
    "scutoid, 2 processes": "processes",
    "patchworks 3.3.0, touching labels": "patchworks",
}


def measured(side, repeats):
    """Measure each way in turn; return its seconds, its seconds of the processors, and its MB."""
    ways = [way for way in WAYS.values() if way != "patchworks" or PATCHWORKS.exists()]
    found = {way: [] for way in ways}
    for _ in range(repeats):
        for way, costs in found.items():
            python = PATCHWORKS if way == "patchworks" else sys.executable
            sample = run([python, SCRIPT, way, side])
            said = json.loads(sample.said)
            costs.append((said["wall"], said["cpu"], sample.peak_mb))
    return found


def table(found):
    """Return a Markdown table of medians, and of ratios turn by turn."""
    lines = ["| | s | CPU s | CPU beside patchworks | peak MB |", "|---|---|---|---|---|"]
    for name, way in WAYS.items():
        if way not in found:
            continue
        wall, cpu, mb = (statistics.median(one) for one in zip(*found[way], strict=True))
        ratio = "not measured"
        if "patchworks" in found:
            pairs = zip(found[way], found["patchworks"], strict=True)
            ratio = f"{statistics.median(ours[1] / theirs[1] for ours, theirs in pairs):.2f}"
        lines.append(f"| {name} | {wall:.2f} | {cpu:.2f} | {ratio} | {mb:.0f} |")
    return "\n".join(lines)


def main():
    """Measure, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    side, repeats = (256, 1) if given.quick else (512, given.repeats)
    WORK.mkdir(exist_ok=True)
    run([sys.executable, SCRIPT, "prepare", side])
    found = measured(side, repeats)
    checked = json.loads(run([sys.executable, SCRIPT, "check", side]).said)
    others = sorted(set(checked["made"]) - set(checked["same"]))
    text = (
        f"Gaussian of sigma 1 of {side}^3 uint16 (zarr, zstd, chunks of 128^3), threshold and "
        "labels in tiles of 128^3 with a halo of 16, united over the tiles, to zarr. The work "
        "alone, imports not counted; peak memory of the process tree.\n\n"
        f"{repeats} runs in turn:\n\n{table(found)}\n\n{checked['n']} objects; the same, by "
        f"{', '.join(checked['same'])}. Others: {', '.join(others) or 'none'}."
    )
    report("Stitching", text, keep=not given.quick)


if __name__ == "__main__":
    main()

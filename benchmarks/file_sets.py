"""What members of two files cost beside members of one: opening and planning 10,000 of each.

    python benchmarks/file_sets.py [--members 10000] [--repeats 9] [--quick]

``--quick`` is a smoke run of small sizes, which prints its table and leaves RESULTS.md alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from pathlib import Path

from file_sets_work import CHANNELS, WORK, prepare
from harness import report, run

SCRIPT = Path(__file__).parent / "file_sets_work.py"
WAYS = {
    "plain": "one file a member, `*.npy`",
    "groups": "the same, `{well}_s{site:d}_w{channel}.npy`",
    "stacked": "two files a member, the same pattern and `stack=`",
    "table": "the same, listed in a CSV",
}
SETTLED_SECONDS = 2.1


def told(way, n, store):
    """Open and plan in a process of its own; return what it says."""
    return json.loads(run([sys.executable, SCRIPT, way, n, store]).said.splitlines()[-1])


def measured(n, repeats):
    """Measure all ways in turn: the first plan, and one whose hashes are known."""
    found = {(way, state): [] for way in WAYS for state in ("first", "known")}
    for _ in range(repeats):
        for way in WAYS:
            store = WORK / f"file_sets_{way}"
            shutil.rmtree(store, ignore_errors=True)
            for state in ("first", "known"):
                found[way, state].append(told(way, n, store))
            shutil.rmtree(store, ignore_errors=True)
    return found


def row(title, runs, plain):
    """A line of the table."""
    middle = {
        part: statistics.median(one[part] for one in runs) for part in ("open", "plan", "both")
    }
    ratios = [a["both"] / b["both"] for a, b in zip(runs, plain, strict=True)]
    shown = " | ".join(f"{seconds:.2f}" for seconds in middle.values())
    return f"| {title} | {shown} | {statistics.median(ratios):.2f} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    n, repeats = (500, 1) if given.quick else (given.members, given.repeats)
    WORK.mkdir(exist_ok=True)
    for n_channels in (1, len(CHANNELS)):
        prepare(n, n_channels)
    time.sleep(SETTLED_SECONDS)  # the hash of a file that was just written is not remembered
    found = measured(n, repeats)
    about = (
        f"{n:,} members of images of four voxels; medians of {repeats} processes in turn; the "
        "ratio is that of opening and planning to plain members, pair by pair."
    )
    lines = [
        about,
        "",
        "| | open, s | plan, s | both, s | ratio |",
        "|---|---|---|---|---|",
    ]
    for state, said in (("first", "first plan"), ("known", "hashes known")):
        plain = found["plain", state]
        lines += [row(f"{WAYS[way]}; {said}", found[way, state], plain) for way in WAYS]
    report("Members of several files", "\n".join(lines), keep=not given.quick)


if __name__ == "__main__":
    main()

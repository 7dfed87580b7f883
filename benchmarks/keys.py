"""What keys cost: 100,000 small members, a large file, a zarr of 10,000 chunks.

    python benchmarks/keys.py [--members 100000] [--gb 4] [--chunks 10000] [--repeats 3] [--quick]

``--quick`` is a smoke run of small sizes, which prints its tables and leaves RESULTS.md alone.
xxh3 and blake3 run in a virtual environment, and are left out without it::

    python -m venv benchmarks/scratch/peers-hashes
    benchmarks/scratch/peers-hashes/bin/pip install xxhash blake3
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from pathlib import Path

from harness import WORK, interleaved, report, run
from keys_work import MEMO, STORE, prepare_large, prepare_members, prepare_zarr

SCRIPT = Path(__file__).parent / "keys_work.py"
PEERS = WORK / "peers-hashes" / "bin" / "python"
SETTLED_SECONDS = 2.1
STAGES = {
    "plan, first": "plan",
    "plan, hashes known": "plan",
    "run, hashes known": "run",
    "plan, all made": "plan",
    "run, all made": "run",
}


def command(*what, python=sys.executable):
    return [python, SCRIPT, *what]


def told(sample):
    """What a process said of itself, and what was seen from outside."""
    return json.loads(sample.said.splitlines()[-1]) | {
        "whole": sample.seconds,
        "mb": sample.peak_mb,
    }


def median(runs, name):
    """Median and range of one of the times; a dash where it was not taken."""
    found = [run[name] for run in runs if name in run]
    if not found:
        return "-"
    return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def members(n, repeats):
    """From the first plan of many members to a run that has nothing to do."""
    prepare_members(n)
    time.sleep(SETTLED_SECONDS)  # the hash of a file that was just written is not remembered
    floors = interleaved({what: command(what, n) for what in ("walk", "digest")}, repeats)
    found = {name: [told(sample) for sample in samples] for name, samples in floors.items()}
    stages = {name: [] for name in STAGES}
    for _ in range(repeats):
        shutil.rmtree(STORE, ignore_errors=True)
        for name, what in STAGES.items():
            stages[name].append(told(run(command(what, n))))
    if stages["plan, all made"][0]["n_done"] != n or stages["run, all made"][0]["n_cached"] != n:
        raise SystemExit("members that were made are not found")
    shutil.rmtree(STORE, ignore_errors=True)
    opened = [one for what in STAGES for one in stages[what] if "open" in one]
    lines = [
        f"| {n:,} members | s (range) | whole process: s (range) | peak MB |",
        "|---|---|---|---|",
    ]
    names = {
        "walk": ("list and stat each, nothing else", "seconds"),
        "digest": ("read and hash each, nothing else", "seconds"),
    }
    names |= {
        name: (f"`sc.{what}`{name.removeprefix(what)}", what) for name, what in STAGES.items()
    }
    for name, (title, which) in names.items():
        runs = {**found, **stages}[name]
        peak = max(one["mb"] for one in runs)
        lines.append(f"| {title} | {median(runs, which)} | {median(runs, 'whole')} | {peak:.0f} |")
    lines.insert(4, f"| `sc.open_folder` | {median(opened, 'open')} | | |")
    return "\n".join(lines)


def large_file(gb, repeats):
    """Reading and hashing, from memory and from the disk."""
    prepare_large(gb)
    ways = {
        "reading alone": ("read", sys.executable),
        "`key_of_path`": ("scutoid", sys.executable),
        "`sha256sum`": ("sha256sum", sys.executable),
    }
    if PEERS.exists():
        ways |= {"xxh3, one thread": ("xxh3", PEERS), "blake3, one thread": ("blake3", PEERS)}
    commands = {
        (name, kind): command(kind, way, gb, python=python)
        for name, (way, python) in ways.items()
        for kind in ("hash", "cold")
    }
    found = interleaved(commands, repeats)

    def speed(name, kind):
        rates = [gb / told(sample)["seconds"] for sample in found[name, kind]]
        return f"{statistics.median(rates):.2f} ({min(rates):.2f} to {max(rates):.2f})"

    lines = [
        f"| a file of {gb} GB | in memory: GB/s (range) | from the disk: GB/s (range) |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {speed(name, 'hash')} | {speed(name, 'cold')} |" for name in ways]
    return "\n".join(lines)


def chunks(n, repeats):
    """A zarr of many chunks of 32 KiB."""
    prepare_zarr(n)
    time.sleep(SETTLED_SECONDS)
    MEMO.unlink(missing_ok=True)
    hows = {
        "listing": "by names, sizes and times of chunks",
        "content": "by content",
        "known": "by content, hashes known",
    }
    found = interleaved({how: command("zarr", how, n) for how in hows}, repeats)
    lines = [f"| a zarr of {n:,} chunks | s (range) |", "|---|---|"]
    for how, name in hows.items():
        lines.append(f"| {name} | {median([told(one) for one in found[how]], 'seconds')} |")
    return "\n".join(lines)


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--gb", type=int, default=4)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    n_members, gb, n_chunks, repeats = given.members, given.gb, given.chunks, given.repeats
    if given.quick:
        n_members, gb, n_chunks, repeats = 1000, 1, 1000, 1
    WORK.mkdir(exist_ok=True)
    about = (
        f"Medians of {repeats} runs in turn. Members are images of four voxels in files of 160 "
        "bytes, a thousand a folder, in memory; the step returns a number; two processes. A "
        "plan's time is that of `sc.plan` alone, a run's that of `sc.run`, both with the folder "
        "opened. Chunks are 32 KiB each, in memory. From the disk means that the system was told "
        "to forget the file; the disk itself may remember."
    )
    parts = [members(n_members, repeats), large_file(gb, repeats), chunks(n_chunks, repeats)]
    report("Keys", "\n\n".join([about, *parts]), keep=not given.quick)


if __name__ == "__main__":
    main()

"""What a block costs: the block engine beside daisy, dask distributed and concurrent.futures.

    python benchmarks/engine.py [--repeats 3] [--long] [--quick]

``--long`` adds daisy at 10^6 blocks, some minutes a run; ``--quick`` is a smoke run of small sizes
in about a minute, which prints its tables and leaves RESULTS.md alone.  Peers run in the
environment that `smoothing.py` describes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from harness import WORK, interleaved, report

SCRIPT = Path(__file__).parent / "engine_work.py"
PEERS = WORK / "peers" / "bin" / "python"
SCUTOID = "scutoid-processes"
OURS = (SCUTOID, "scutoid-threads", "scutoid-dask")
WHAT = {
    "none": "independent blocks",
    "conflict": "neighbours in conflict",
    "one": "chain, one to one",
    "27": "chain, 27 to one",
    "all": "one block after all others",
    "whole": "one block that reads all others",
}


def measure(cases, repeats):
    """Run (system, kind, n) in turn; give what each run said, with its peak memory."""
    commands = {
        case: [PEERS if case[0] in ("daisy", "dask") else sys.executable, SCRIPT, *case]
        for case in cases
    }
    return {
        case: [json.loads(s.said.splitlines()[-1]) | {"mb": s.peak_mb} for s in samples]
        for case, samples in interleaved(commands, repeats).items()
    }


def median(runs, name):
    """Median of one of the times, in seconds."""
    return statistics.median(run[name] for run in runs)


def cost(runs):
    """Microseconds a block while blocks run."""
    return statistics.median(run["busy"] / run["n"] * 1e6 for run in runs)


def ratio(runs, reference):
    """By how much a block costs more than in the reference, run by run."""
    pairs = zip(runs, reference, strict=True)
    return statistics.median((a["busy"] / a["n"]) / (b["busy"] / b["n"]) for a, b in pairs)


def power(n):
    """A power of ten as text."""
    return f"10^{len(str(n)) - 1}"


def costs(sizes, repeats, *, long):
    """Independent blocks: what a block costs, and what start and end take beside."""
    slow = {"dask": 10**4, "scutoid-dask": 10**6, "daisy": 10**6 if long else 10**5}
    systems = [*OURS, "futures", *(["daisy", "dask"] if PEERS.exists() else [])]
    cases = [(s, "none", n) for s in systems for n in sizes if n <= slow.get(s, n)]
    found = measure(cases, repeats)
    lines = [
        f"| us a block (ratio to first) | {' | '.join(map(power, sizes))} | start, s | end, s |",
        "|---|" + "---|" * (len(sizes) + 2),
    ]
    for system in systems:
        cells = []
        for n in sizes:
            runs = found.get((system, "none", n))
            cells.append(
                f"{cost(runs):.2f} ({ratio(runs, found[SCUTOID, 'none', n]):.2f})" if runs else "-"
            )
        runs = found[system, "none", min(sizes)]
        cells += [f"{median(runs, 'start'):.2f}", f"{median(runs, 'end'):.2f}"]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)


def kinds(n, n_peer, repeats):
    """What dependencies and conflicts cost, large by ourselves and smaller beside daisy."""
    cases = [(SCUTOID, kind, n) for kind in WHAT]
    if PEERS.exists():
        for kind in ("none", "conflict", "one", "27"):
            cases += [(system, kind, n_peer) for system in (SCUTOID, "daisy")]
    found = measure(cases, repeats)
    peer = f"{power(n_peer)} a task: us | daisy: us | ratio"
    lines = [
        f"| {power(n)} blocks a task | us a block | blocks a second | peak MB | {peer} |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, what in WHAT.items():
        runs = found[SCUTOID, kind, n]
        cells = [f"{cost(runs):.2f}", f"{1e6 / cost(runs):,.0f}", f"{median(runs, 'mb'):.0f}"]
        ours, theirs = (found.get((s, kind, n_peer)) for s in (SCUTOID, "daisy"))
        if theirs:
            cells += [f"{cost(ours):.1f}", f"{cost(theirs):.1f}", f"{ratio(theirs, ours):.0f}"]
        else:
            cells += ["", "", ""]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def starts(sizes, repeats):
    """How soon the first block begins, whatever their number."""
    peers = ["daisy"] if PEERS.exists() else []
    cases = [(s, "none", n) for s in (SCUTOID, *peers) for n in sizes if s == SCUTOID or n < 10**6]
    found = measure(cases, repeats)
    lines = [
        "| blocks | worker up, s | first block, s later | daisy: first block, s after the call |",
        "|---|---|---|---|",
    ]
    for n in sizes:
        runs = found[SCUTOID, "none", n]
        later = statistics.median(run["start"] - run["up"] for run in runs)
        theirs = found.get(("daisy", "none", n))
        peer = f"{median(theirs, 'start'):.3f}" if theirs else "-"
        lines.append(f"| {power(n)} | {median(runs, 'up'):.3f} | {later:.4f} | {peer} |")
    return "\n".join(lines)


def resumes(n, repeats):
    """A journal that names all blocks but one."""
    cases = [(system, "resume", n) for system in ("scutoid-serial", SCUTOID)]
    found = measure(cases, repeats)
    lines = [f"| {power(n)} blocks, all but one in the journal | call to return, s |", "|---|---|"]
    lines += [f"| {case[0]} | {median(found[case], 'seconds'):.3f} |" for case in cases]
    return "\n".join(lines)


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    repeats = 1 if given.quick else given.repeats
    sizes = [10**3, 10**4] if given.quick else [10**3, 10**4, 10**5, 10**6]
    WORK.mkdir(exist_ok=True)
    about = (
        "Blocks that do nothing, two workers, in grids of three axes (10^4 stands for 22^3, 10^5 "
        f"for 46^3); medians of {repeats} runs in turn. A block's cost is counted from the begin "
        "of the first block until the driver knows of the last; start is from the call to the "
        f"first block, end from the last to the call's return, both at {power(min(sizes))} blocks. "
        "daisy does not say when it knows of the last block, so that its end counts as cost; it "
        "has two workers for each task of a chain. `futures` is ProcessPoolExecutor.map with "
        "chunks of up to 1,000, `dask` is client.map."
    )
    parts = [
        about,
        costs(sizes, repeats, long=given.long),
        kinds(max(sizes), 10**3 if given.quick else 10**4, repeats),
        starts(sizes if given.quick else [10**3, 10**5, 10**6, 10**7], repeats),
        resumes(max(sizes), repeats),
    ]
    report("The block engine", "\n\n".join(parts), keep=not given.quick)


if __name__ == "__main__":
    main()

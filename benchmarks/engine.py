"""What a block costs: the block engine beside daisy, dask distributed and concurrent.futures.

    python benchmarks/engine.py [--repeats 3] [--quick]

Peers run in the environment that `smoothing.py` describes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from harness import WORK, interleaved, write_section

SCRIPT = Path(__file__).parent / "engine_work.py"
PEERS = WORK / "peers" / "bin" / "python"
OURS = ("scutoid-processes", "scutoid-threads", "scutoid-dask")
WHAT = {
    "none": "independent blocks",
    "conflict": "neighbours in conflict",
    "one": "chain, one to one",
    "27": "chain, 27 to one",
    "all": "one block after all others",
}


def measure(cases, repeats):
    """Run (system, kind, n) in turn; give the medians of what they said, and the peak memory."""
    commands = {
        case: [sys.executable if case[0] in (*OURS, "futures") else PEERS, SCRIPT, *map(str, case)]
        for case in cases
    }
    found = {}
    for case, samples in interleaved(commands, repeats).items():
        said = [json.loads(sample.said.splitlines()[-1]) for sample in samples]
        found[case] = {name: statistics.median(s[name] for s in said) for name in said[0]}
        found[case]["mb"] = max(sample.peak_mb for sample in samples)
    return found


def micros(said):
    """Microseconds a block, from the call to its return."""
    return said["seconds"] / said["n"] * 1e6


def costs(sizes, repeats):
    """Independent blocks, by system and number."""
    slow = {"dask": 10**4, "daisy": 10**5}
    systems = [*OURS, "futures", *(["daisy", "dask"] if PEERS.exists() else [])]
    cases = [(s, "none", n) for s in systems for n in sizes if n <= slow.get(s, n)]
    found = measure(cases, repeats)
    lines = [
        f"| us a block, by number of blocks | {' | '.join(f'{n:.0e}' for n in sizes)} |",
        "|---|" + "---|" * len(sizes),
    ]
    for system in systems:
        cells = [
            f"{micros(found[system, 'none', n]):.2f}" if (system, "none", n) in found else "-"
            for n in sizes
        ]
        lines.append(f"| {system}, 2 workers | {' | '.join(cells)} |")
    return "\n".join(lines)


def kinds(n, n_peer, repeats):
    """What dependencies and conflicts cost, large by ourselves and smaller beside daisy."""
    cases = [("scutoid-processes", kind, n) for kind in WHAT]
    if PEERS.exists():
        for kind in ("none", "conflict", "one", "27"):
            cases += [(system, kind, n_peer) for system in ("scutoid-processes", "daisy")]
    found = measure(cases, repeats)
    lines = [
        f"| | scutoid, {n:.0e} blocks a task: us, blocks/s, MB | {n_peer:,}: us | daisy | ratio |",
        "|---|---|---|---|---|",
    ]
    for kind, what in WHAT.items():
        ours = found["scutoid-processes", kind, n]
        cells = f"{micros(ours):.2f}, {ours['n'] / ours['seconds']:,.0f}, {ours['mb']:.0f}"
        if ("daisy", kind, n_peer) in found:
            a, b = (micros(found[s, kind, n_peer]) for s in ("scutoid-processes", "daisy"))
            cells += f" | {a:.1f} | {b:.1f} | {b / a:.0f} |"
        else:
            cells += " | | | |"
        lines.append(f"| {what} | {cells}")
    return "\n".join(lines)


def starts(sizes, repeats):
    """How soon the first block is done, and what is left of a journal."""
    system = "scutoid-processes"
    cases = [*((system, "none", n) for n in sizes), (system, "resume", 10**6)]
    found = measure(cases, repeats)
    lines = [
        "| blocks | first worker up, s | first block, s later | all but one in a journal: s |",
        "|---|---|---|---|",
    ]
    for n in sizes:
        said = found[system, "none", n]
        rest = f"{found[system, 'resume', n]['seconds']:.2f}" if n == 10**6 else ""
        lines.append(f"| {n:.0e} | {said['up']:.2f} | {said['first']:.3f} | {rest} |")
    return "\n".join(lines)


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    sizes = [10**3, 10**4] if given.quick else [10**3, 10**4, 10**5, 10**6]
    large = 10**4 if given.quick else 10**6
    WORK.mkdir(exist_ok=True)
    about = (
        "Blocks that do nothing; time from the call to its return in one process, workers started "
        f"and ended included; medians of {given.repeats} runs in turn. `futures` is "
        "ProcessPoolExecutor.map with chunks of 1,000, `dask` is client.map."
    )
    parts = [
        about,
        costs(sizes, given.repeats),
        kinds(large, 10**3 if given.quick else 27_000, given.repeats),
        starts([10**3, 10**6] if given.quick else [10**3, 10**6, 10**7], 1),
    ]
    write_section("The block engine", "\n\n".join(parts))


if __name__ == "__main__":
    main()

"""The scheduler alone, without workers: microseconds a block and peak memory, to 10^7 blocks.

    python benchmarks/state_machine.py [--quick]

Each case runs in a process of its own, once.  A plot is drawn where matplotlib is installed in
``benchmarks/scratch/peers``.  ``--quick`` is a smoke run of small sizes in some seconds, which
prints its table and leaves RESULTS.md alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

from harness import WORK, report, run

PEERS = WORK / "peers" / "bin" / "python"
IN_FLIGHT = 8
WHAT = {
    "none": "independent",
    "one": "chain, 1 to 1",
    "27": "chain, 27 to 1",
    "conflict": "conflicts",
    "all": "one after all, counted",
    "whole": "one that reads all",
}


def nothing(block):
    """Do nothing."""


def case(kind, side, batch):
    """Run one case here; batches come back in another order than they went out."""
    import numpy as np

    from scutoid.blocks import After, BlockGrid, BlockStatus, BlockTask, Scheduler
    from scutoid.geometry import Roi

    rng = np.random.default_rng(0)
    total = Roi((0, 0, 0), (side,) * 3)
    plain, haloed = BlockGrid(total, 1), BlockGrid(total, 1, halo=1)
    first = BlockTask("a", nothing, plain)
    tasks = {
        "none": [first],
        "one": [first, BlockTask("b", nothing, plain, after="a")],
        "27": [first, BlockTask("b", nothing, haloed, after="a")],
        "conflict": [BlockTask("a", nothing, haloed, conflict=True)],
        "all": [
            first,
            BlockTask("b", nothing, BlockGrid(Roi((0,), (1,)), 1), after=After.all("a", 3)),
        ],
        "whole": [first, BlockTask("b", nothing, BlockGrid(total, side), after="a")],
    }[kind]
    started = time.perf_counter()
    scheduler = Scheduler(tasks)
    out, n = [], 0
    while True:
        while len(out) < IN_FLIGHT and (found := scheduler.next(batch)) is not None:
            out.append(found)
        if not out:
            break
        done = out.pop(int(rng.integers(len(out))))
        statuses = np.full(len(done.indices), BlockStatus.WRITTEN, np.uint8)
        scheduler.finished(done.task, done.indices, statuses)
        n += len(done.indices)
    seconds = time.perf_counter() - started
    assert scheduler.is_complete
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"n": n, "seconds": seconds, "mb": peak}))


PLOT = """
import json, sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
said = json.loads(open(sys.argv[1]).read())
names, found = said["names"], said["found"]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for place, batch in zip(axes, (1, 256)):
    for kind, name in names.items():
        points = sorted((f["n"], f["seconds"] / f["n"] * 1e6) for f in found
                        if (f["kind"], f["batch"]) == (kind, batch))
        place.plot(*zip(*points), marker="o", label=name)
    place.set(xscale="log", yscale="log", xlabel="blocks", title=f"batches of {batch}")
    place.grid(alpha=0.3)
axes[0].set_ylabel("us a block")
axes[0].legend(fontsize=8, loc="lower left")
figure.savefig(sys.argv[2], dpi=80)
"""


def main():
    """Measure all cases, write the table and the plot."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", nargs=3)
    given = parser.parse_args()
    if given.case:
        case(given.case[0], int(given.case[1]), int(given.case[2]))
        return
    sides = [22, 46] if given.quick else [22, 46, 100, 215]
    found = []
    for kind in WHAT:
        for batch in (1, 256, 1024):
            for side in sides if batch > 1 else sides[:3]:
                sample = run([sys.executable, __file__, "--case", kind, side, batch])
                found.append({"kind": kind, "batch": batch, "side": side} | json.loads(sample.said))
    lines = [
        "| | blocks | batch 1 | batch 256 | batch 1024 | 1024: s in all | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, what in WHAT.items():
        for side in sides:
            rows = {f["batch"]: f for f in found if (f["kind"], f["side"]) == (kind, side)}
            costs = [
                f"{rows[b]['seconds'] / rows[b]['n'] * 1e6:.2f}" if b in rows else "-"
                for b in (1, 256, 1024)
            ]
            last = rows[1024]
            whole = f"{last['seconds']:.1f} | {last['mb']:.0f}"
            lines.append(f"| {what} | {last['n']:,} | {' | '.join(costs)} | {whole} |")
    about = (
        "The scheduler alone, microseconds a block; eight batches under way, coming back in random "
        "order; making the scheduler included; peak memory of the whole process, numpy included "
        "(35 MB). Chains of 27 to 1 and conflicts have a halo of one block."
    )
    text = "\n".join([about, "", *lines])
    if PEERS.exists() and not given.quick:
        WORK.mkdir(exist_ok=True)
        data = WORK / "state_machine.json"
        data.write_text(json.dumps({"names": WHAT, "found": found}))
        picture = Path(__file__).parent / "state_machine.png"
        run([PEERS, "-c", PLOT, data, picture])
        text += f"\n\n![cost a block against the number of blocks]({picture.name})"
    report("The scheduler alone", text, keep=not given.quick)


if __name__ == "__main__":
    main()

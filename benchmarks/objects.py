"""From voxels to a table of objects: scutoid and others beside a bare loop, in turn.

    python benchmarks/objects.py [--repeats 5] [--peers 2] [--growth] [--quick]

``--peers`` is the number of runs beside the slow ones, 0 leaves them out; ``--growth`` adds the
peak memory from 256^3 to 1024^3; ``--quick`` is a smoke run of a small volume, which prints its
tables and leaves RESULTS.md alone.

Peers run in virtual environments; those that are not there are left out.  They are made by::

    python -m venv benchmarks/scratch/peers
    benchmarks/scratch/peers/bin/pip install daisy dask-image connected-components-3d \
        "dask[array]" zarr scipy pandas pyarrow cloudpickle
    python -m venv benchmarks/scratch/peers-igneous
    benchmarks/scratch/peers-igneous/bin/pip install igneous-pipeline compresso zarr pandas
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from harness import WORK, interleaved, report, run, table

HERE = Path(__file__).parent
OURS, PEERS = HERE / "objects_work.py", HERE / "objects_peers.py"
FAST = {
    "limit (bare loop, 2 processes)": "limit",
    "limit's loop, 2 threads": "limit-threads",
    "scutoid, 2 processes": "processes",
    "scutoid, 2 threads": "threads",
}
DASK_SIDE = 256  # at 512^3 dask-image does not end within two minutes


def python_of(environment):
    """The interpreter of an environment; None if it is not there."""
    python = WORK / environment / "bin" / "python"
    return python if python.exists() else None


def slow_ways(hops, side):
    """The commands of the slow peers that are there."""
    peers, igneous = python_of("peers"), python_of("peers-igneous")
    ways = {}
    if peers:
        ways["daisy, its tutorial's two tasks, 2 processes"] = [peers, PEERS, "daisy"]
        if side <= DASK_SIDE:
            ways["dask-image, threads: labels only"] = [peers, PEERS, "dask-image"]
    if igneous and hops == 1:
        ways["igneous, 2 processes: labels only"] = [igneous, PEERS, "igneous"]
    return {name: [*command, hops, side] for name, command in ways.items()}


def check(hops, side):
    """In a line, whether all labelled alike."""
    if (WORK / f"objects_igneous_{hops}_{side}").exists():
        run([python_of("peers-igneous"), PEERS, "check-igneous", hops, side])
    found = json.loads(run([sys.executable, OURS, "check", hops, side]).said)
    apart = [name for name, same in found["same"].items() if not same]
    assert not apart, f"these found other objects: {apart}"
    return f"{found['objects']} objects; the same, by all: {', '.join(found['same'])}."


def compare(hops, side, repeats, peers):
    """Run all in turn, the fast ones more often."""
    run([sys.executable, OURS, "prepare", hops, side])
    for old in WORK.glob(f"objects_*_{hops}_{side}"):
        shutil.rmtree(old)
    if peers and hops == 1 and python_of("peers-igneous"):
        run([python_of("peers-igneous"), PEERS, "precomputed", hops, side])
    fast = {name: [sys.executable, OURS, way, hops, side] for name, way in FAST.items()}
    limit = next(iter(fast))
    parts = [
        f"{'6' if hops == 1 else '26'}-connected, {side}^3, {repeats} runs in turn:",
        table(interleaved(fast, repeats), limit),
    ]
    slow = slow_ways(hops, side) if peers else {}
    if slow:
        samples = interleaved({limit: fast[limit], **slow}, peers)
        parts += [f"Slow ones, {peers} runs in turn:", table(samples, limit)]
    return "\n\n".join([*parts, check(hops, side)])


def growth(sides):
    """A table of time and peak memory by the volume's size."""
    lines = ["| side | ways: s, peak MB |", "|---|---|"]
    for side in sides:
        run([sys.executable, OURS, "prepare", 1, side])
        cells = []
        for name in (
            "limit (bare loop, 2 processes)",
            "scutoid, 2 threads",
            "scutoid, 2 processes",
        ):
            sample = run([sys.executable, OURS, FAST[name], 1, side])
            cells.append(f"{name}: {sample.seconds:.1f}, {sample.peak_mb:.0f}")
        lines.append(f"| {side} | {'; '.join(cells)} |")
    return "\n".join(["Growth with the volume, 6-connected, one run each:", "", *lines])


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", type=int, default=2)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    side, repeats, peers = (
        (256, 1, min(given.peers, 1))
        if given.quick
        else (
            512,
            given.repeats,
            given.peers,
        )
    )
    WORK.mkdir(exist_ok=True)
    about = (
        "Threshold, labels over all blocks of 128^3 (uint32, zarr) and a table (voxels, centroid, "
        "bounding box, mean intensity) from uint16 blobs on noise (zarr, zstd, chunks of 128^3). "
        "Whole processes, start-up included; peak memory of the process tree. The limit reads the "
        "volume twice and keeps no intermediate image; its numbers depend on the blocks, those of "
        "scutoid are scipy's."
    )
    parts = [about, *(compare(hops, side, repeats, peers) for hops in (1, 3))]
    if peers and side > DASK_SIDE:
        parts.append(compare(1, DASK_SIDE, peers, peers))
    if given.growth:
        parts.append(growth((256, 512) if given.quick else (256, 512, 1024)))
    report("Objects", "\n\n".join(parts), keep=not given.quick)


if __name__ == "__main__":
    main()

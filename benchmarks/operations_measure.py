"""One measurement of an operation: a process of its own, its time, and its memory above idle."""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import WORK, Proportional, run
from operations_rows import ROWS
from operations_work import TINY

HERE = Path(__file__).parent
SCRIPT = HERE / "operations_work.py"
REFERENCE, DEFAULT = "reference", "default"
EXECUTORS = ("serial", "threads", "processes")
THEN = (DEFAULT, "threads")
"""What is measured of another checkout."""


@dataclass(frozen=True)
class Way:
    """Who does it, and how."""

    name: str
    checkout: Path
    said: str
    """What it is called in a table."""


@dataclass(frozen=True)
class Cost:
    """What one measurement found."""

    wall: float
    cpu: float
    mb: float
    """Peak above the idle process, or above it and idle workers."""
    start: float
    """Seconds to import what is needed, and to do a tiny image."""
    digest: str
    number: float


def ways_of(against):
    """List who is measured; of another checkout the default and threads."""
    here = HERE.parent
    ways = [Way(name, here, name) for name in (REFERENCE, *EXECUTORS, DEFAULT)]
    if against is not None:
        name = commit_of(against)
        ways += [Way(way, against, f"{name} {way}") for way in THEN]
    return ways


def commit_of(checkout):
    """Name what a checkout holds: its commit, or its folder where git knows none."""
    done = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or checkout.name


def timed(row, way, side, *, workers, more=()):
    """Carry out a row one way in a process; return what it said, and its memory meanwhile."""
    place = WORK / "operations"
    command = [sys.executable, SCRIPT, row, way.name, side, place, "--workers", workers, *more]
    path = os.pathsep.join([str(way.checkout / "src"), os.environ.get("PYTHONPATH", "")])
    sample = run(command, memory=Proportional(), more={"PYTHONPATH": path})
    said = json.loads(sample.said.splitlines()[-1])
    return said, sample.within(said["begin"], said["end"])


@functools.cache
def idle_workers(row, way, workers):
    """MB of workers that have imported what a row needs: those of a run of a tiny image.

    In blocks, for one block would be done by one worker.
    """
    said, sample = timed(row, way, 0, workers=workers, more=["--idle", "--block", TINY // 2])
    return max(sample.peak_mb - said["idle"], 0.0)


def cost(row, way, side, *, workers=2, more=()):
    """Measure a row one way, once."""
    said, sample = timed(row, way, side, workers=workers, more=more)
    above = max(sample.peak_mb - said["idle"], 0.0)  # work may end between two looks at it
    if any(one.n_processes > 1 for one in sample.memory):
        above -= idle_workers(row, way, workers)
    kept = {name: said[name] for name in ("cpu", "start", "digest", "number")}
    return Cost(wall=sample.seconds, mb=above, **kept)


def measure(row, ways, side, *, repeats, workers):
    """Measure the ways of a row in turn, and check that all of scutoid found the same."""
    found = {way: [] for way in ways}
    for _ in range(repeats):
        for way in ways:
            found[way].append(cost(row, way, side, workers=workers))
    ours = {c.digest for way, costs in found.items() if way.name != REFERENCE for c in costs}
    theirs = {c.digest for way, costs in found.items() if way.name == REFERENCE for c in costs}
    if len(ours) > 1:
        raise SystemExit(f"{row}, {side}^3: the ways of scutoid differ: {sorted(ours)}")
    if ROWS[row].is_equal and ours and theirs and ours != theirs:
        raise SystemExit(f"{row}, {side}^3: {ours} is not the reference's {theirs}")
    return found


def ratio(costs, others, what="wall"):
    """Median of how much more one takes than another, turn by turn."""
    pairs = zip(costs, others, strict=True)
    return statistics.median(getattr(a, what) / max(getattr(b, what), 0.01) for a, b in pairs)

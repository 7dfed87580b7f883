"""Run chains of blocks while workers and drivers are killed at random, and check what is left.

Each run has a folder and a seed: a driver process works through three tasks with a journal, and is
begun again with the same journal whenever it has been killed::

    source (n blocks) --27 to 1--> fold (n blocks, which see their neighbours) --n to 1--> total

At the end every file must hold what a plain loop computes, every block must be journalled once,
none may have run again after that, and no process may be left.  Linux only::

    .venv/bin/python tools/soak.py --runs 200 --seed 0 --jobs 2

A run with faults keeps its folder; ``--runs 1 --seed N`` draws the same plan and the same kills
again, though not to the same instant.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scutoid.blocks import After, Block, BlockGrid, BlockTask, Journal, run_blocks
from scutoid.geometry import Roi
from scutoid.records import RecordLog

TASKS = ("source", "fold", "total")
STALLED = 90.0
"""After so many seconds in which no other block is called a run counts as hanging."""
LEAVING = 60.0
"""So many seconds a process may outlive its driver."""
_POLL = 0.01
_BLOCK = 2
# What a journal's record says of a block: number, attempt, status.
_ENTRY = np.dtype([("index", "<u8"), ("attempt", "u1"), ("status", "u1")])


@dataclass(frozen=True)
class Plan:
    """What one run computes, drawn from its seed."""

    seed: int
    shape: tuple[int, ...]
    """Blocks an axis."""
    workers: int
    kills: tuple[tuple[str, float], ...]
    """Whom to kill, "worker" or "driver", and how many seconds after the kill before it, or after
    the first block of a driver."""

    @classmethod
    def drawn(cls, seed: int) -> Plan:
        """Draw the plan of a seed."""
        rng = np.random.default_rng(seed)
        shape = tuple(int(n) for n in rng.integers(4, 8, size=3))
        whom = ["worker"] * int(rng.integers(0, 7)) + ["driver"] * int(rng.integers(0, 4))
        rng.shuffle(whom)
        pauses = rng.exponential(0.15, len(whom)).tolist()
        workers = int(rng.integers(2, 5))
        return cls(seed, shape, workers, tuple(zip(whom, pauses, strict=True)))

    @property
    def n_blocks(self) -> int:
        """Blocks of each of the first two tasks."""
        return math.prod(self.shape)

    def grid(self, halo: int = 0) -> BlockGrid:
        """The blocks of the first two tasks."""
        shape = [n * _BLOCK for n in self.shape]
        return BlockGrid(Roi((0,) * len(shape), shape), _BLOCK, halo=halo)


def source_value(seed: int, index: int) -> int:
    """What the first task computes."""
    return zlib.crc32(f"{seed} {index}".encode())


def folded_value(sources: list[int], neighbours: list[int]) -> int:
    """What the second task computes from the sources around a block, and its lower neighbours."""
    return zlib.crc32(repr((sources, neighbours)).encode())


@dataclass(frozen=True)
class Site:
    """The folder of a run, and what its blocks do there."""

    folder: Path
    plan: Plan

    def tasks(self) -> list[BlockTask]:
        """The chain; every kill is charged to a block, so blocks may be tried often."""
        one = BlockGrid(Roi((0,), (1,)), 1)
        return [
            BlockTask("source", self.source, self.plan.grid(), retries=50),
            BlockTask(
                "fold", self.fold, self.plan.grid(1), after=("source",), conflict=True, retries=50
            ),
            BlockTask("total", self.total, one, after=(After.all("fold", 3),), retries=50),
        ]

    def source(self, block: Block) -> None:
        """Write a number that depends on the block alone."""
        self.begin(block)
        self.write(block, source_value(self.plan.seed, block.index))

    def fold(self, block: Block) -> None:
        """Write a number that depends on the sources around, and on neighbours of lower level."""
        self.begin(block)
        grid = self.plan.grid(1)
        sources = [self.read("source", index) for index in grid.blocks_in(block.read_roi)]
        lower = [index for roi in block.neighbours for index in grid.blocks_in(roi)]
        neighbours = [self.read("fold", index) for index in sorted(lower)]
        self.write(block, folded_value(sources, neighbours))

    def total(self, block: Block) -> None:
        """Write the sum of all."""
        self.begin(block)
        self.write(block, sum(self.read("fold", index) for index in range(self.plan.n_blocks)))

    def begin(self, block: Block) -> None:
        """Count the call; a block that is journalled already must not be called."""
        with (self.folder / "calls" / f"{block.task}-{block.index}").open("ab") as file:
            file.write(b"x")
        if block.index in self.journalled(block.task):
            (self.folder / "again" / f"{block.task}-{block.index}").touch()
        # As long as real blocks take, and each another time
        time.sleep(zlib.crc32(f"{block.task} {block.index}".encode()) % 24 / 1000)

    def read(self, task: str, index: int) -> int:
        """What a block has written."""
        return int((self.folder / task / str(index)).read_text())

    def write(self, block: Block, value: int) -> None:
        """Write beside, then rename."""
        beside = self.folder / "beside" / f"{block.task}-{block.index}-{os.getpid()}"
        beside.write_text(str(value))
        beside.replace(self.folder / block.task / str(block.index))

    def n_calls(self, task: str, index: int) -> int:
        """How often a block has been called."""
        path = self.folder / "calls" / f"{task}-{index}"
        return path.stat().st_size if path.exists() else 0

    def journalled(self, task: str) -> set[int]:
        """Numbers of the blocks that are journalled."""
        path = self.folder / "journal" / f"{task}.journal"
        return set(np.flatnonzero(Journal.read(path)).tolist()) if path.exists() else set()

    def prepare(self) -> None:
        """Make the folders."""
        for name in (*TASKS, "calls", "again", "beside", "journal"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "plan.json").write_text(json.dumps(dataclasses.asdict(self.plan)))


def drive(folder: Path) -> None:
    """Be the driver: run what is left of the tasks of a folder."""
    site = Site(folder, Plan.drawn(json.loads((folder / "plan.json").read_text())["seed"]))
    run_blocks(site.tasks(), workers=site.plan.workers, journal=folder / "journal")


def expected(plan: Plan) -> dict[tuple[str, int], int]:
    """What a plain loop computes, level after level."""
    sides = [range(n) for n in plan.shape]
    places = list(itertools.product(*sides))
    number = {place: index for index, place in enumerate(places)}
    colour = {place: tuple(at % 2 for at in place) for place in places}
    sources = {place: source_value(plan.seed, number[place]) for place in places}
    folds: dict[tuple[int, ...], int] = {}
    for place in sorted(places, key=colour.__getitem__):
        beside = itertools.product(*([at - 1, at, at + 1] for at in place))
        near = [other for other in beside if other in number]
        lower = [other for other in near if colour[other] < colour[place]]
        folds[place] = folded_value([sources[p] for p in near], [folds[p] for p in lower])
    found = {("source", number[place]): value for place, value in sources.items()}
    found |= {("fold", number[place]): value for place, value in folds.items()}
    return found | {("total", 0): sum(folds.values())}


@dataclass
class Tally:
    """What happened in a run, or in many."""

    workers_killed: int = 0
    drivers_killed: int = 0
    torn: int = 0
    """Journals that got a torn tail."""
    resumes: int = 0
    twice: int = 0
    """Calls of blocks beyond the first."""
    faults: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Sum up."""
        for each in dataclasses.fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class FaultyRun:
    """One run from its first driver to the check of what it leaves.

    Parameters
    ----------
    site : Site
        Where it runs.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.tally = Tally()
        self._rng = np.random.default_rng([site.plan.seed, 1])
        self._kills = list(site.plan.kills)
        self._before: dict[tuple[str, int], int] = {}

    def run(self) -> Tally:
        """Run to the end, with all kills on the way, and check."""
        self.site.prepare()
        while True:
            code = self._one_driver()
            self._check_left()
            self._check_calls()
            if code == 0 or self.tally.faults:
                break
            self.tally.resumes += 1
        if not self.tally.faults:
            self._check_files()
            self._check_journals()
        return self.tally

    def _one_driver(self) -> int:
        """Begin a driver, kill what is to be killed, and see to its end."""
        n_killed = self.tally.drivers_killed
        with (self.site.folder / "driver.log").open("ab") as log:
            driver = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), "--drive", str(self.site.folder)],
                # By this the processes of a run are told from all others.
                cwd=self.site.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._kill_as_planned(driver)
        finally:
            driver.kill()
            code = driver.wait()
        was_killed = code == -signal.SIGKILL and self.tally.drivers_killed > n_killed
        if code != 0 and not was_killed and not self.tally.faults:
            self._fault(f"a driver left with status {code}: see driver.log")
        return code

    def _kill_as_planned(self, driver: subprocess.Popen[bytes]) -> None:
        """Kill workers and the driver as planned; returns when the driver has ended."""
        first = seen = self._n_begun()
        since = time.monotonic()
        # Most time goes to starting up, where there is less to go wrong.
        due = math.inf if self._rng.random() < 0.8 else since + self._pause()
        while driver.poll() is None:
            now, n_begun = time.monotonic(), self._n_begun()
            if n_begun != seen:
                if seen == first and due == math.inf:
                    due = now + self._pause()
                seen, since = n_begun, now
            if now >= due and self._kill_next(driver):
                due = now + self._pause()
            if now - since > STALLED:
                self._fault(f"no other block was called for {STALLED:g} s")
                return
            time.sleep(_POLL)

    def _n_begun(self) -> int:
        """How many blocks have been called, by whatever driver."""
        return sum(1 for _ in (self.site.folder / "calls").iterdir())

    def _pause(self) -> float:
        """How long until the next kill, in seconds."""
        return self._kills[0][1] if self._kills else math.inf

    def _kill_next(self, driver: subprocess.Popen[bytes]) -> bool:
        """Kill whom the plan names next, if there is one to kill."""
        if self._kills[0][0] == "worker":
            workers = self._processes(driver.pid)
            if not workers:
                return False
            with suppress(ProcessLookupError):
                os.kill(int(self._rng.choice(workers)), signal.SIGKILL)
                self.tally.workers_killed += 1
        else:
            driver.kill()
            driver.wait()
            self.tally.drivers_killed += 1
            self._tear()
        self._kills.pop(0)
        return True

    def _tear(self) -> None:
        """Leave a record half written now and then, as a machine that goes down may."""
        paths = sorted((self.site.folder / "journal").iterdir())
        if paths and self._rng.random() < 0.3:
            with paths[int(self._rng.integers(len(paths)))].open("ab") as file:
                file.write(self._rng.bytes(int(self._rng.integers(1, 24))))
            self.tally.torn += 1

    def _processes(self, parent: int | None = None) -> list[int]:
        """Numbers of the living processes of this run, or of those that one of them has started."""
        found = []
        for number, started_by, state in _living():
            if state != "Z" and parent in (None, started_by):
                with suppress(OSError):
                    if Path(f"/proc/{number}/cwd").readlink() == self.site.folder:
                        found.append(number)
        return found

    def _fault(self, what: str) -> None:
        self.tally.faults.append(what)

    def _check_left(self) -> None:
        """A process that outlives its driver is a fault, and is ended."""
        end = time.monotonic() + LEAVING
        while (left := self._processes()) and time.monotonic() < end:
            time.sleep(_POLL)
        for number in left:
            self._fault(f"process {number} was left by its driver")
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def _check_calls(self) -> None:
        """What was journalled when the last driver ended has not been called since."""
        for (task, index), n in self._before.items():
            if self.site.n_calls(task, index) != n:
                self._fault(f"{task} {index} was journalled, and was called again")
        for again in sorted((self.site.folder / "again").iterdir()):
            self._fault(f"{again.name} was called when it was journalled")
        for task in TASKS:
            for index in self.site.journalled(task):
                self._before[task, index] = self.site.n_calls(task, index)

    def _check_files(self) -> None:
        """Every file holds what the plain loop computes, and there are no others."""
        right = expected(self.site.plan)
        for (task, index), value in right.items():
            path = self.site.folder / task / str(index)
            found = path.read_text() if path.exists() else "nothing"
            if found != str(value):
                self._fault(f"{task} {index} holds {found}, not {value}")
            n = self.site.n_calls(task, index)
            if n == 0:
                self._fault(f"{task} {index} was never called")
            self.tally.twice += max(n - 1, 0)
        n_files = sum(len(list((self.site.folder / task).iterdir())) for task in TASKS)
        if n_files != len(right):
            self._fault(f"there are {n_files} results of {len(right)} blocks")

    def _check_journals(self) -> None:
        """Every block is recorded, and recorded once."""
        for task in TASKS:
            _, payloads = RecordLog.read(self.site.folder / "journal" / f"{task}.journal")
            times = Counter(np.frombuffer(b"".join(payloads), dtype=_ENTRY)["index"].tolist())
            n_blocks = 1 if task == "total" else self.site.plan.n_blocks
            for index in set(range(n_blocks)) | set(times):
                if times[index] != 1 or index >= n_blocks:
                    self._fault(f"{task} {index} is journalled {times[index]} times")


def _living() -> Iterator[tuple[int, int, str]]:
    """Number, parent's number and state of each process that may be looked at."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                # The name in brackets may hold blanks and brackets.
                rest = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), int(rest[1]), rest[0]


def soak(seed: int, folder: Path) -> tuple[Plan, Tally]:
    """Make one run below a folder; its own folder stays only if there was a fault."""
    plan = Plan.drawn(seed)
    own = folder.resolve() / f"seed-{seed}"
    tally = FaultyRun(Site(own, plan)).run()
    if not tally.faults:
        shutil.rmtree(own)
    return plan, tally


def main(arguments: list[str] | None = None) -> int:
    """Make the runs, print a line for each and a summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; then one more each")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.drive is not None:
        drive(given.drive)
        return 0
    folder = Path(tempfile.mkdtemp(prefix="scutoid-soak-"))
    total, faulty, began = Tally(), [], time.monotonic()
    with ThreadPoolExecutor(given.jobs) as pool:
        seeds = range(given.seed, given.seed + given.runs)
        futures = {pool.submit(soak, seed, folder): seed for seed in seeds}
        for number, future in enumerate(as_completed(futures), start=1):
            plan, tally = future.result()
            total.add(tally)
            print(
                f"run {number:>4} of {given.runs}  seed {plan.seed}  {2 * plan.n_blocks + 1} "
                f"blocks  {plan.workers} workers  killed {tally.workers_killed} workers, "
                f"{tally.drivers_killed} drivers  {tally.twice} blocks twice  "
                f"{'FAULT' if tally.faults else 'ok'}",
                flush=True,
            )
            if tally.faults:
                faulty.append(plan.seed)
                for fault in tally.faults[:5]:
                    print(f"    {fault}")
                print(f"    kept: {folder}/seed-{plan.seed}", flush=True)
    print(
        f"{given.runs} runs in {time.monotonic() - began:.0f} s: {total.workers_killed} workers "
        f"killed, {total.drivers_killed} drivers killed, {total.torn} journals torn, "
        f"{total.resumes} resumes, {total.twice} blocks called more than once; "
        f"{len(total.faults)} faults"
    )
    if faulty:
        print(f"again: python tools/soak.py --runs 1 --seed {faulty[0]}", file=sys.stderr)
        return 1
    folder.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main())

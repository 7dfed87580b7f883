"""How far a run is, from its events: counts, rates and the time left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scutoid.events import (
    BatchDone,
    BlockFailed,
    BlocksOrphaned,
    Event,
    RunStarted,
    TaskDone,
    TaskInfo,
)
from scutoid.folding import fold

FINISH = ":finish"
"""Ends the name of the task that joins the values of a step."""


@dataclass(slots=True)
class Count:
    """Blocks and times of a step, or of all steps that are shown as one."""

    total: int = 0
    """Blocks that are to be done, those that were done before included."""
    cached: int = 0
    """Those that were done before."""
    done: int = 0
    """Those that are done."""
    failed: int = 0
    """Those that failed at every attempt."""
    orphaned: int = 0
    """Those that do not run, because what they need failed."""
    work: float = 0.0
    """Seconds that workers took for those of this run."""
    first: float = 0.0
    """When the first began, in seconds since 1970; 0 before that."""
    taken: int = 0
    """Those that were taken over from an earlier result in this run, for they read the same."""

    @property
    def ran(self) -> int:
        """Blocks that were done in this run."""
        return self.done - self.cached

    @property
    def open(self) -> int:
        """Blocks that are still to be done."""
        return max(self.total - self.done - self.failed - self.orphaned, 0)

    def rate(self, now: float) -> float:
        """Blocks a second since the first one began; 0 if unknown."""
        seconds = now - self.first
        return self.ran / seconds if self.first and seconds > 0 else 0.0

    def left(self, now: float) -> float | None:
        """Seconds for the open blocks at the rate so far; None if unknown."""
        rate = self.rate(now)
        return self.open / rate if rate else None

    def add(self, other: Count) -> None:
        """Count another step too."""
        self.total += other.total
        self.cached += other.cached
        self.taken += other.taken
        self.done += other.done
        self.failed += other.failed
        self.orphaned += other.orphaned
        self.work += other.work
        self.first = min(filter(None, (self.first, other.first)), default=0.0)


class RunCounts:
    """Follows a run by its events.

    Steps that an operation made count as the one that makes its result; see `scutoid.folding`.

    Examples
    --------
    >>> counts = RunCounts()
    >>> counts.on_event(RunStarted(0.0, (TaskInfo("smooth", 10, 0),), workers=2))
    >>> counts.on_event(BatchDone(2.0, "smooth", n_done=4, n_empty=0, seconds=2.0, worker=0))
    >>> counts.on_event(BatchDone(2.0, "smooth", n_done=4, n_empty=0, seconds=2.0, worker=1))
    >>> counts.left(2.0)  # 2 blocks of half a second, on 2 workers
    0.5
    """

    def __init__(self) -> None:
        self.started = 0.0
        self._tasks: dict[str, Count] = {}
        self._rows: dict[str, str] = {}
        self._of_row: dict[str, list[Count]] = {}

    def on_event(self, event: Event) -> None:
        """Count an event of the run."""
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, BatchDone):
            self._batch(event)
        elif isinstance(event, BlockFailed) and not event.will_retry:
            self._count(event.task).failed += 1
        elif isinstance(event, BlocksOrphaned):
            self._count(event.task).orphaned += event.n

    def row_of(self, task: str) -> str:
        """Return the name under which a task is shown."""
        name = task.removesuffix(FINISH)
        return self._rows.get(name, name)

    @property
    def rows(self) -> tuple[str, ...]:
        """The names that are shown, in the order of the run."""
        return tuple(self._of_row)

    def row(self, name: str) -> Count:
        """Return the counts of what is shown under a name."""
        return _sum(self._of_row.get(name, ()))

    def total(self) -> Count:
        """Return the counts of the whole run."""
        return _sum(self._tasks.values())

    def ends(self, event: TaskDone) -> bool:
        """Whether an event is the end of all that is shown under a name."""
        return not event.task.endswith(FINISH) and self.row(self.row_of(event.task)).open == 0

    def left(self, now: float) -> float | None:
        """Seconds until the run is over, estimated; None while no block is done.

        A block that is open takes as long as those of its step have taken, one of a step without
        any as long as the mean of the other steps; and blocks run side by side as they did since
        the first began: what workers take to start is over.
        """
        known = [each.work / each.ran for each in self._tasks.values() if each.ran]
        spent = sum(each.work for each in self._tasks.values())
        began = self.total().first or self.started
        if not known or spent <= 0 or now <= began:
            return None
        typical = sum(known) / len(known)
        work = sum(
            each.open * (each.work / each.ran if each.ran else typical)
            for each in self._tasks.values()
        )
        side_by_side = spent / (now - began)
        return work / side_by_side

    def _start(self, event: RunStarted) -> None:
        self.started = self.started or event.time
        self._tasks, self._rows, self._of_row = {}, {}, {}
        tasks = [task for task in event.tasks if not task.name.endswith(FINISH)]
        for task, row in _rows(tasks):
            self._rows[task.name] = row
            total = task.n_blocks - task.n_skipped
            count = self._tasks[task.name] = Count(total, task.n_cached, task.n_cached)
            self._of_row.setdefault(row, []).append(count)

    def _batch(self, event: BatchDone) -> None:
        if event.task.endswith(FINISH):
            return
        count = self._count(event.task)
        count.first = count.first or event.time - event.seconds
        count.done += event.n_done
        count.taken += event.n_taken
        count.work += event.seconds

    def _count(self, task: str) -> Count:
        name = task.removesuffix(FINISH)
        if name not in self._tasks:
            self._rows[name] = name
            self._of_row[name] = [self._tasks.setdefault(name, Count(total=1))]
        return self._tasks[name]


def _sum(counts: Iterable[Count]) -> Count:
    found = Count()
    for count in counts:
        found.add(count)
    return found


def _rows(tasks: list[TaskInfo]) -> Iterator[tuple[TaskInfo, str]]:
    folded = fold(tasks)
    row = {task.name: head.name for head, under in folded for task in (*under, head)}
    return ((task, row[task.name]) for task in tasks)

"""The progress of the tasks of a run, and the events that listeners receive about it."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from scutoid import events
from scutoid.blocks._batch import Batch
from scutoid.blocks._batch_sizer import BatchSizer
from scutoid.blocks._block import BlockStatus
from scutoid.blocks._idle_time import IdleTime
from scutoid.blocks._report import BlockTime, Failure, TaskReport
from scutoid.blocks._scheduler import Scheduler
from scutoid.blocks._task import BlockTask
from scutoid.errors import UnwritableStore
from scutoid.executors import ItemFailure, Outcome
from scutoid.spent import NOTHING, Spent

_logger = logging.getLogger(__name__)

_MOST_FAILURES = 1000
_MOST_SLOW = 10


def runs_of(numbers: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Write numbers of blocks as runs, in their order: the first number, and how many.

    Examples
    --------
    >>> runs_of(np.array([4, 5, 6, 9, 2, 3]))
    ((4, 3), (9, 1), (2, 2))
    """
    runs: list[tuple[int, int]] = []
    begin, n = 0, 0
    for number in numbers.tolist():  # of the few of a batch numpy would take longer
        if n and number == begin + n:
            n += 1
            continue
        if n:
            runs.append((begin, n))
        begin, n = number, 1
    return (*runs, (begin, n)) if n else ()


@dataclass(slots=True)
class TaskProgress:
    """The progress of one task."""

    task: BlockTask
    """The task."""
    n_cached: int
    """Blocks that were done before."""
    n_taken: int = 0
    """Blocks that were taken over from an earlier result."""
    sizer: BatchSizer = field(default_factory=BatchSizer)
    """The size of its batches."""
    failures: list[Failure] = field(default_factory=list)
    """The first failures."""
    setup_failures: int = 0
    """Number of times that its set-up has failed."""
    slowest: list[tuple[float, int]] = field(default_factory=list)
    """Seconds and number of the blocks that took longest, a heap with the fastest of them first."""
    begun: float | None = None
    """When its first batch was handed out, by `time.perf_counter`."""
    ended: float | None = None
    """When its last batch came back."""
    given_up: str = ""
    """Why the task was given up, if its workers kept dying."""
    spent: Spent = NOTHING
    """What workers spent their time on at its blocks."""
    is_over: bool = False
    """Whether its end has been reported."""

    @property
    def seconds(self) -> float:
        """Time from the first batch to the last, in seconds."""
        return 0.0 if self.begun is None or self.ended is None else self.ended - self.begun

    def take_time(self, index: int, seconds: float) -> None:
        """Keep the time of a block if it is one of the slowest."""
        put = heapq.heappush if len(self.slowest) < _MOST_SLOW else heapq.heappushpop
        put(self.slowest, (seconds, index))

    def report(self, tally: Mapping[BlockStatus, int], idle: Spent) -> TaskReport:
        """The task's report; `idle` is the time in which workers had none of its blocks."""
        done = (BlockStatus.WRITTEN, BlockStatus.EMPTY, BlockStatus.FOUND)
        return TaskReport(
            n_blocks=self.task.grid.n_blocks,
            n_done=sum(tally[status] for status in done),
            n_cached=self.n_cached,
            n_taken=self.n_taken,
            n_failed=tally[BlockStatus.FAILED],
            n_orphaned=tally[BlockStatus.ORPHANED],
            n_skipped=tally[BlockStatus.SKIPPED],
            seconds=self.seconds,
            failures=tuple(sorted(self.failures, key=attrgetter("index"))),
            slowest=tuple(
                BlockTime(index, seconds) for seconds, index in sorted(self.slowest, reverse=True)
            ),
            given_up=self.given_up,
            spent=self.spent + idle,
        )


class RunProgress:
    """The progress of all tasks of a run, reported to its listeners.

    Parameters
    ----------
    tasks : sequence of BlockTask
        The tasks.
    scheduler : Scheduler
        Knows the status of all blocks.
    listeners : iterable of Listener
        Receive each event; one that raises is left out from then on.
    """

    def __init__(
        self,
        tasks: Sequence[BlockTask],
        scheduler: Scheduler,
        listeners: Iterable[events.Listener],
    ) -> None:
        self._scheduler = scheduler
        self._listeners = list(listeners)
        self._by_task = []
        for number, task in enumerate(tasks):
            tally = scheduler.tally(number)
            n_done = sum(tally[s] for s in (BlockStatus.WRITTEN, BlockStatus.EMPTY))
            self._by_task.append(TaskProgress(task, n_done + tally[BlockStatus.FOUND]))
        self.n_failed = 0
        self.idle = IdleTime(len(tasks))
        self.unwritable: UnwritableStore | None = None
        """What kept a listener from writing down what it was told."""
        self._started = time.perf_counter()

    @property
    def sizers(self) -> list[BatchSizer]:
        """By task, the size of its batches."""
        return [progress.sizer for progress in self._by_task]

    @property
    def seconds(self) -> float:
        """Time since the beginning of the run, in seconds."""
        return time.perf_counter() - self._started

    def begin(self, workers: int) -> None:
        """Report that the run begins."""
        infos = tuple(
            events.TaskInfo(
                *(progress.task.name, progress.task.grid.n_blocks, progress.n_cached),
                self._scheduler.tally(number)[BlockStatus.SKIPPED],
                progress.task.within,
            )
            for number, progress in enumerate(self._by_task)
        )
        self.tell(events.RunStarted(time.time(), infos, workers))

    def handed_out(self, batch: Batch, worker: int) -> None:
        """Note that a batch was handed to a worker."""
        progress = self._by_task[batch.task]
        if progress.begun is None:
            progress.begun = time.perf_counter()
            self.idle.begin(batch.task)
        blocks = runs_of(batch.indices)
        self.tell(events.BatchStarted(time.time(), progress.task.name, worker, blocks))

    def came_back(self, batch: Batch, outcome: Outcome, n_taken: int = 0) -> None:
        """Note a batch that has come back, and whose finished blocks are journalled."""
        progress = self._by_task[batch.task]
        progress.ended = time.perf_counter()
        tally = np.bincount(outcome.statuses, minlength=len(BlockStatus)).tolist()
        n_begun = len(batch.indices) - tally[BlockStatus.WAITING] + len(outcome.failures)
        progress.sizer.note(n_begun, outcome.seconds)
        progress.spent += outcome.spent
        progress.n_cached += tally[BlockStatus.FOUND]
        progress.n_taken += n_taken
        n_done = len(batch.indices) - tally[BlockStatus.WAITING]
        slowest = tuple((int(batch.indices[at]), seconds) for at, seconds in outcome.slowest)
        for index, seconds in slowest:
            progress.take_time(index, seconds)
        if n_done:
            # Workers come and go over hours; only set-ups that fail in a row mean something.
            if progress.setup_failures <= progress.task.retries:
                progress.setup_failures = 0
            self.tell(
                events.BatchDone(
                    *(time.time(), progress.task.name, n_done, tally[BlockStatus.EMPTY]),
                    *(outcome.seconds, outcome.worker, slowest),
                    runs_of(batch.indices[outcome.statuses != BlockStatus.WAITING]),
                    n_taken,
                    outcome.spent.rounded(),
                )
            )

    def block_failed(
        self, batch: Batch, index: int, failure: ItemFailure, *, will_retry: bool
    ) -> None:
        """Note an attempt at a block that has failed."""
        progress = self._by_task[batch.task]
        progress.ended = time.perf_counter()
        self._tell_failure(progress, failure, index, batch.attempt, will_retry=will_retry)
        if not will_retry:
            self._record(progress, failure, index, batch.attempt)

    def setup_failed(self, task: int, failure: ItemFailure) -> bool:
        """Note a failed set-up; return whether that was its last try, as for a block.

        Batches that were already with workers may bring it again; that is not reported again.
        """
        progress = self._by_task[task]
        progress.ended = time.perf_counter()
        progress.setup_failures += 1
        tries = progress.task.retries + 1
        if progress.setup_failures > tries:
            return False
        is_last = progress.setup_failures == tries
        self._tell_failure(progress, failure, -1, progress.setup_failures, will_retry=not is_last)
        if is_last:
            self._record(progress, failure, -1, progress.setup_failures)
        return is_last

    def given_up(self, task: int, reason: str) -> None:
        """Note that a task was given up, because its workers kept dying."""
        self._by_task[task].given_up = reason
        self._by_task[task].ended = time.perf_counter()

    def orphaned(self, orphans: Mapping[int, int]) -> None:
        """Report blocks that will not run, by task how many."""
        for task, n in orphans.items():
            self.tell(events.BlocksOrphaned(time.time(), self._by_task[task].task.name, n))

    def note_ends(self) -> None:
        """Report the tasks that are over."""
        for number, progress in enumerate(self._by_task):
            if (
                progress.begun is not None
                and not progress.is_over
                and not self._scheduler.n_open(number)
            ):
                progress.is_over = True
                self.idle.note()
                self.tell(events.TaskDone(time.time(), progress.task.name, progress.seconds))
                self.idle.note((number,))
                self.idle.end(number)

    def end(self) -> dict[str, TaskReport]:
        """Report the end of the run; return the reports by task's name."""
        reports = {
            progress.task.name: progress.report(
                self._scheduler.tally(number),
                Spent(writing=self.idle.keeping[number], waiting=self.idle.waiting[number]),
            )
            for number, progress in enumerate(self._by_task)
        }
        ok = all(report.ok for report in reports.values())
        self.tell(events.RunDone(time.time(), ok, self.seconds))
        return reports

    def tell(self, event: events.Event) -> None:
        """Send an event to the listeners."""
        for listener in list(self._listeners):
            try:
                listener.on_event(event)
            except UnwritableStore as error:
                self._listeners.remove(listener)
                self.unwritable = self.unwritable or error
            except Exception:
                # A progress bar must not end a run of many hours; it is left out.
                _logger.exception("a listener failed and is left out from here on")
                self._listeners.remove(listener)

    def _tell_failure(
        self,
        progress: TaskProgress,
        failure: ItemFailure,
        index: int,
        attempt: int,
        *,
        will_retry: bool,
    ) -> None:
        self.tell(
            events.BlockFailed(
                *(time.time(), progress.task.name, index, attempt, will_retry),
                *(failure.error, failure.traceback),
            )
        )

    def _record(
        self, progress: TaskProgress, failure: ItemFailure, index: int, attempt: int
    ) -> None:
        self.n_failed += 1
        if len(progress.failures) < _MOST_FAILURES:
            roi = progress.task.grid.write_roi(index) if index >= 0 else None
            progress.failures.append(
                Failure(progress.task.name, index, attempt, failure.error, failure.traceback, roi)
            )

"""How each task of a run gets on, and what the listeners hear of it."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scutoid import events
from scutoid.blocks._batch_sizer import Pace
from scutoid.blocks._block import BlockStatus
from scutoid.blocks._report import BlockTime, Failure, TaskReport
from scutoid.blocks._scheduler import Batch, Scheduler
from scutoid.blocks._task import BlockTask
from scutoid.executors import ItemFailure, Outcome

_logger = logging.getLogger(__name__)

_MOST_FAILURES = 1000
_MOST_SLOW = 10


@dataclass(slots=True)
class Course:
    """How one task is getting on."""

    task: BlockTask
    """The task."""
    n_cached: int
    """Blocks that were done before."""
    pace: Pace = field(default_factory=Pace)
    """What its blocks cost."""
    failures: list[Failure] = field(default_factory=list)
    """The first failures."""
    setup_failures: int = 0
    """How often its set-up has failed."""
    slowest: list[tuple[float, int]] = field(default_factory=list)
    """Seconds and number of the blocks that took longest, a heap with the fastest of them first."""
    begun: float | None = None
    """When its first batch was handed out, by `time.perf_counter`."""
    ended: float | None = None
    """When its last batch came back."""
    is_over: bool = False
    """Whether its end has been told."""

    @property
    def seconds(self) -> float:
        """From the first batch to the last."""
        return 0.0 if self.begun is None or self.ended is None else self.ended - self.begun

    def take_time(self, index: int, seconds: float) -> None:
        """Keep the time of a block if it is one of the slowest."""
        put = heapq.heappush if len(self.slowest) < _MOST_SLOW else heapq.heappushpop
        put(self.slowest, (seconds, index))

    def report(self, tally: Mapping[BlockStatus, int]) -> TaskReport:
        """Sum up."""
        done = (BlockStatus.WRITTEN, BlockStatus.EMPTY, BlockStatus.FOUND)
        return TaskReport(
            n_blocks=self.task.grid.n_blocks,
            n_done=sum(tally[status] for status in done),
            n_cached=self.n_cached,
            n_failed=tally[BlockStatus.FAILED],
            n_orphaned=tally[BlockStatus.ORPHANED],
            n_skipped=tally[BlockStatus.SKIPPED],
            seconds=self.seconds,
            failures=tuple(self.failures),
            slowest=tuple(
                BlockTime(index, seconds) for seconds, index in sorted(self.slowest, reverse=True)
            ),
        )


class Courses:
    """All tasks' courses, and the listeners that are told of them.

    Parameters
    ----------
    tasks : sequence of BlockTask
        The tasks.
    scheduler : Scheduler
        Knows what is done.
    listeners : iterable of Listener
        Told of each event; one that raises is heard no more.
    """

    def __init__(
        self,
        tasks: Sequence[BlockTask],
        scheduler: Scheduler,
        listeners: Iterable[events.Listener],
    ) -> None:
        self._scheduler = scheduler
        self._listeners = list(listeners)
        self._courses = []
        for number, task in enumerate(tasks):
            tally = scheduler.tally(number)
            n_done = sum(tally[s] for s in (BlockStatus.WRITTEN, BlockStatus.EMPTY))
            self._courses.append(Course(task, n_done + tally[BlockStatus.FOUND]))
        self.n_failed = 0
        self._started = time.perf_counter()

    @property
    def paces(self) -> list[Pace]:
        """By task, what its blocks cost."""
        return [course.pace for course in self._courses]

    @property
    def seconds(self) -> float:
        """Since the beginning of the run."""
        return time.perf_counter() - self._started

    def begin(self, workers: int) -> None:
        """The run begins."""
        infos = tuple(
            events.TaskInfo(
                *(course.task.name, course.task.grid.n_blocks, course.n_cached),
                self._scheduler.tally(number)[BlockStatus.SKIPPED],
            )
            for number, course in enumerate(self._courses)
        )
        self.tell(events.RunStarted(time.time(), infos, workers))

    def handed_out(self, task: int) -> None:
        """A batch of a task is under way."""
        course = self._courses[task]
        if course.begun is None:
            course.begun = time.perf_counter()

    def came_back(self, batch: Batch, outcome: Outcome) -> None:
        """A batch has come back, and what succeeded in it is journalled."""
        course = self._courses[batch.task]
        course.ended = time.perf_counter()
        course.pace.note(len(batch.indices), outcome.seconds)
        tally = np.bincount(outcome.statuses, minlength=len(BlockStatus)).tolist()
        course.n_cached += tally[BlockStatus.FOUND]
        n_done = len(batch.indices) - tally[BlockStatus.WAITING]
        slowest = tuple((int(batch.indices[at]), seconds) for at, seconds in outcome.slowest)
        for index, seconds in slowest:
            course.take_time(index, seconds)
        if n_done:
            # Workers come and go over hours; only set-ups that fail in a row mean something.
            if course.setup_failures <= course.task.retries:
                course.setup_failures = 0
            self.tell(
                events.BatchDone(
                    *(time.time(), course.task.name, n_done, tally[BlockStatus.EMPTY]),
                    *(outcome.seconds, outcome.worker, slowest),
                )
            )

    def block_failed(
        self, batch: Batch, index: int, failure: ItemFailure, *, will_retry: bool
    ) -> None:
        """An attempt at a block has failed."""
        course = self._courses[batch.task]
        course.ended = time.perf_counter()
        self._tell_failure(course, failure, index, batch.attempt, will_retry=will_retry)
        if not will_retry:
            self._record(course, failure, index, batch.attempt)

    def setup_failed(self, task: int, failure: ItemFailure) -> bool:
        """A set-up has failed; it is tried as often as a block.  Gives whether that was the last.

        Batches that were already with workers may bring it again; that is told no more.
        """
        course = self._courses[task]
        course.ended = time.perf_counter()
        course.setup_failures += 1
        tries = course.task.retries + 1
        if course.setup_failures > tries:
            return False
        is_last = course.setup_failures == tries
        self._tell_failure(course, failure, -1, course.setup_failures, will_retry=not is_last)
        if is_last:
            self._record(course, failure, -1, course.setup_failures)
        return is_last

    def orphaned(self, orphans: Mapping[int, int]) -> None:
        """Blocks, by task how many, will not run."""
        for task, n in orphans.items():
            self.tell(events.BlocksOrphaned(time.time(), self._courses[task].task.name, n))

    def note_ends(self) -> None:
        """Tell of the tasks that are over."""
        for number, course in enumerate(self._courses):
            if (
                course.begun is not None
                and not course.is_over
                and not self._scheduler.n_open(number)
            ):
                course.is_over = True
                self.tell(events.TaskDone(time.time(), course.task.name, course.seconds))

    def end(self) -> dict[str, TaskReport]:
        """The run is over; sums up by task's name."""
        reports = {
            course.task.name: course.report(self._scheduler.tally(number))
            for number, course in enumerate(self._courses)
        }
        ok = all(report.ok for report in reports.values())
        self.tell(events.RunDone(time.time(), ok, self.seconds))
        return reports

    def tell(self, event: events.Event) -> None:
        """Tell the listeners."""
        for listener in list(self._listeners):
            try:
                listener.on_event(event)
            except Exception:
                # A progress bar must not end a run of many hours; it is heard no more.
                _logger.exception("a listener failed and is left out from here on")
                self._listeners.remove(listener)

    def _tell_failure(
        self, course: Course, failure: ItemFailure, index: int, attempt: int, *, will_retry: bool
    ) -> None:
        self.tell(
            events.BlockFailed(
                *(time.time(), course.task.name, index, attempt, will_retry),
                *(failure.error, failure.traceback),
            )
        )

    def _record(self, course: Course, failure: ItemFailure, index: int, attempt: int) -> None:
        self.n_failed += 1
        if len(course.failures) < _MOST_FAILURES:
            roi = course.task.grid.write_roi(index) if index >= 0 else None
            course.failures.append(
                Failure(course.task.name, index, attempt, failure.error, failure.traceback, roi)
            )

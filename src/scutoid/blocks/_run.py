"""Running tasks: asks the scheduler, keeps the workers busy, writes down what is done."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from scutoid import events
from scutoid.blocks._block import Block, BlockStatus, blocks_of
from scutoid.blocks._budget import Budget, parse_bytes
from scutoid.blocks._check import check_abilities, check_tasks
from scutoid.blocks._journal import Journal
from scutoid.blocks._pace import Pace
from scutoid.blocks._report import Failure, Report, TaskReport
from scutoid.blocks._scheduler import Batch, Scheduler
from scutoid.blocks._task import BlockTask
from scutoid.errors import ParameterError, RunFailed
from scutoid.executors import Crew, ItemFailure, Job, Joined, Lost, Outcome, Work, find_executor
from scutoid.geometry import BlockGrid

_logger = logging.getLogger(__name__)

OnFailure = Literal["raise", "return"] | int

_MOST_FAILURES = 1000
# At the end, workers have time to leave their set-ups; after Ctrl-C, little.
_GRACE_SECONDS = 60.0
_HASTE_SECONDS = 2.0
_WAIT_SECONDS = 1.0


def run_blocks(
    tasks: BlockTask | Iterable[BlockTask],
    *,
    workers: int = 1,
    executor: object = "processes",
    journal: str | Path | None = None,
    memory: int | str | None = None,
    on_failure: OnFailure = "raise",
    listeners: Iterable[events.Listener] = (),
    resources: Mapping[str, int] | None = None,
    logs: str | Path | None = None,
) -> Report:
    """Call the tasks' functions once for each of their blocks, in an order that is allowed.

    Parameters
    ----------
    tasks : BlockTask or iterable of BlockTask
        In any order.
    workers : int, optional
        How many blocks run at once; "serial" has one worker, whatever is asked.
    executor : str, concurrent.futures.Executor or Executor, optional
        "serial", "threads", "processes", or a name that another package brings.
    journal : path-like, optional
        A folder that keeps ``<task>.journal`` for each task: a later run with the same folder does
        not run again what is done.
    memory : int or str, optional
        Bytes, or a text such as "4GB", for all blocks that run at once (one always may); counted
        by the tasks' `bytes_per_block`.
    on_failure : {"raise", "return"} or int, optional
        Raise `RunFailed` at the end if blocks failed, or return the report all the same, or stop
        after so many failed blocks, and raise.
    listeners : iterable of Listener, optional
        Told of each event.
    resources : mapping of str to int, optional
        Amounts of what the tasks' `requires` name; what is not given is there once.
    logs : path-like, optional
        A folder for what worker processes print; by default they print where the caller does.

    Returns
    -------
    Report
        What came of each task.

    Raises
    ------
    RunFailed
        If blocks failed, or did not run for that reason; it carries the `report`.
    ParameterError, PipelineError, GeometryError
        If the tasks cannot be run as they are; before any work.
    WorkerError
        If workers keep dying, or cannot be started.
    StoreError
        If a journal belongs to something else, or cannot be written.

    Examples
    --------
    >>> from scutoid.geometry import Roi
    >>> sizes = []
    >>> grid = BlockGrid(Roi((0,), (10,)), 4)
    >>> task = BlockTask("sizes", lambda block: sizes.append(block.write_roi.shape[0]), grid)
    >>> run_blocks([task], executor="serial").tasks["sizes"].n_done
    3
    >>> sizes
    [4, 4, 2]
    """
    if on_failure not in ("raise", "return") and (
        isinstance(on_failure, (bool, str)) or on_failure < 1
    ):
        raise ParameterError(
            "on_failure is 'raise', 'return', or a number of failed blocks to stop at",
            value=on_failure,
        )
    ordered = check_tasks([tasks] if isinstance(tasks, BlockTask) else tasks)
    how = find_executor(executor)
    budget = Budget(None if memory is None else parse_bytes(memory), dict(resources or {}))
    check_abilities(ordered, how, workers, budget)
    folder = None if journal is None else Path(journal)
    with ExitStack() as stack:
        journals = [_open_journal(stack, task, folder) for task in ordered]
        run = _Run(ordered, journals, budget, list(listeners), on_failure)
        if not run.scheduler.is_complete:
            n_workers = min(workers, sum(map(run.scheduler.n_open, range(len(ordered)))))
            run.begin(n_workers)
            works = [_work(task) for task in ordered]
            crew = how.open(works, n_workers, logs=None if logs is None else Path(logs))
            run.work(crew, n_workers)
        else:
            run.begin(0)
    report = run.end()
    if not report.ok and on_failure != "return":
        error = RunFailed(
            "every block is done at the end of a run",
            value=report.summary(),
            remedy="correct the cause and run again: what is done is kept where there is a journal",
        )
        error.report = report
        raise error
    return report


def _open_journal(stack: ExitStack, task: BlockTask, folder: Path | None) -> Journal | None:
    path = task.journal
    if path is None and folder is not None:
        path = folder / f"{quote(task.name, safe=' ')}.journal"
    if path is None:
        return None
    # a journal that a task brings is known by its place: the task may be named otherwise next time
    name = task.name if task.journal is None else ""
    return stack.enter_context(Journal.open(path, name, task.grid))


@dataclass(frozen=True, slots=True)
class _Call:
    """Runs one block in a worker, and says what became of it."""

    function: Callable[..., object]
    is_done: Callable[[Block], bool] | None

    def __call__(self, block: object, values: Mapping[str, object]) -> tuple[int, object]:
        if self.is_done is not None and self.is_done(block):  # type: ignore[arg-type]
            return int(BlockStatus.FOUND), None
        value = self.function(block, **values)
        status = BlockStatus.EMPTY if value is BlockStatus.EMPTY else BlockStatus.WRITTEN
        return int(status), value


@dataclass(frozen=True, slots=True)
class _Items:
    """Makes a task's blocks in a worker."""

    task: str
    grid: BlockGrid

    def __call__(self, indices: NDArray[np.int64]) -> Iterator[object]:
        return blocks_of(self.task, self.grid, indices)


def _work(task: BlockTask) -> Work:
    return Work(
        task.name,
        _Call(task.function, task.is_done),
        _Items(task.name, task.grid),
        tuple((task.setup or {}).items()),
        task.timeout,
        task.collect is not None,
    )


@dataclass(slots=True)
class _Course:
    """How one task is getting on."""

    pace: Pace = field(default_factory=Pace)
    n_cached: int = 0
    failures: list[Failure] = field(default_factory=list)
    setup_failures: int = 0
    begun: float | None = None
    ended: float | None = None
    is_over: bool = False

    @property
    def seconds(self) -> float:
        return 0.0 if self.begun is None or self.ended is None else self.ended - self.begun


_Success = tuple[NDArray[np.int64], NDArray[np.uint8], int]


class _Run:
    """One run from its first batch to its report."""

    def __init__(
        self,
        tasks: list[BlockTask],
        journals: Sequence[Journal | None],
        budget: Budget,
        listeners: list[events.Listener],
        on_failure: OnFailure,
    ) -> None:
        self.scheduler = Scheduler(
            tasks, [None if journal is None else journal.statuses for journal in journals]
        )
        self._tasks = tasks
        self._journals = journals
        self._budget = budget if budget.limits(tasks) else None
        self._listeners = listeners
        self._most_failures = on_failure if isinstance(on_failure, int) else None
        self._courses = [_Course(n_cached=self._n_done(number)) for number in range(len(tasks))]
        self._seats: dict[int, dict[int, Batch]] = {}
        self._avoid: dict[tuple[int, int], int] = {}
        self._held: list[Batch] = []
        self._next_job = 0
        self._n_failed = 0
        self._started = time.perf_counter()

    def begin(self, workers: int) -> None:
        """Tell the listeners what there is to do."""
        infos = tuple(
            events.TaskInfo(task.name, task.grid.n_blocks, course.n_cached)
            for task, course in zip(self._tasks, self._courses, strict=True)
        )
        self._tell(events.RunStarted(time.time(), infos, workers))

    def work(self, crew: Crew, workers: int) -> None:
        """Hand out blocks until none is left, or too many have failed; ends the workers."""
        grace = _HASTE_SECONDS
        try:
            while True:
                if not self._is_stopping:
                    self._hand_out(crew, workers)
                if self.scheduler.is_complete or (self._is_stopping and not self._n_out):
                    break
                if self._seats and not self._n_out:
                    # Edges that cannot be met are orphans, so this is a fault of the scheduler.
                    raise RuntimeError("no block can run, and some are left")
                self._take_in(crew.wait(_WAIT_SECONDS))
            grace = _GRACE_SECONDS
        finally:
            _stop(crew, grace)

    def end(self) -> Report:
        """Tell the listeners that it is over, and sum up."""
        seconds = time.perf_counter() - self._started
        reports = {task.name: self._sum_up(number) for number, task in enumerate(self._tasks)}
        ok = all(report.ok for report in reports.values())
        self._tell(events.RunDone(time.time(), ok, seconds))
        return Report(ok, seconds, reports)

    @property
    def _is_stopping(self) -> bool:
        return self._most_failures is not None and self._n_failed >= self._most_failures

    @property
    def _n_out(self) -> int:
        return sum(map(len, self._seats.values()))

    def _hand_out(self, crew: Crew, workers: int) -> None:
        """Give each worker something to do: first one batch each, then one to follow."""
        for level in range(crew.depth):
            for worker, jobs in list(self._seats.items()):
                if len(jobs) == level:
                    batch = self._choose(worker, workers)
                    if batch is not None:
                        self._submit(crew, worker, batch)

    def _choose(self, worker: int, workers: int) -> Batch | None:
        """The next batch for a worker; one that failed there waits for another, if there is one."""
        for place, batch in enumerate(self._held):
            if self._suits(batch, worker) and self._admits(worker, batch.task):
                return self._held.pop(place)
        while (fresh := self.scheduler.next(self._limits(worker, workers))) is not None:
            if self._suits(fresh, worker):
                return fresh
            self._held.append(fresh)
        return None

    def _suits(self, batch: Batch, worker: int) -> bool:
        if batch.attempt == 1 or len(self._seats) < 2:
            return True
        return self._avoid.get((batch.task, int(batch.indices[0]))) != worker

    def _limits(self, worker: int, workers: int) -> list[int]:
        is_second = bool(self._seats[worker])
        limits = []
        for number, course in enumerate(self._courses):
            n_ready = self.scheduler.n_ready(number)
            if n_ready == 0 or (is_second and not course.pace.may_queue(n_ready, workers)):
                limits.append(0)
            else:
                allowed = self._admits(worker, number)
                limits.append(course.pace.size(n_ready, workers) if allowed else 0)
        return limits

    def _admits(self, worker: int, task: int) -> bool:
        if self._budget is None:
            return True
        held = {
            other: [self._tasks[batch.task] for batch in jobs.values()]
            for other, jobs in self._seats.items()
            if jobs or other == worker
        }
        own = held.pop(worker)
        return self._budget.admits(self._tasks[task], own, list(held.values()))

    def _submit(self, crew: Crew, worker: int, batch: Batch) -> None:
        course = self._courses[batch.task]
        if course.begun is None:
            course.begun = time.perf_counter()
        number = self._next_job
        self._next_job += 1
        self._seats[worker][number] = batch
        crew.submit(worker, Job(number, batch.task, batch.indices))

    def _take_in(self, messages: Iterable[object]) -> None:
        """Journal all that has come in at once, then let the scheduler know."""
        done: dict[int, list[_Success]] = defaultdict(list)
        outcomes: list[tuple[Batch, Outcome]] = []
        for message in messages:
            match message:
                case Joined():
                    self._seats[message.worker] = {}
                    self._tell(events.WorkerStarted(time.time(), message.worker))
                case Outcome():
                    batch = self._seats[message.worker].pop(message.job)
                    if message.setup_failure is not None:
                        self._fail_setup(batch, message.setup_failure)
                    else:
                        done[batch.task].append(self._collect(batch, message))
                        outcomes.append((batch, message))
                case Lost():
                    self._lose(message)
        for task, successes in done.items():
            journal = self._journals[task]
            recorded = [success for success in successes if len(success[0])]
            if journal is not None and recorded:
                journal.append(recorded)
            for indices, statuses, _ in successes:
                self.scheduler.finished(task, indices, statuses)
        for batch, outcome in outcomes:
            self._note(batch, outcome)
        self._note_ends()

    def _collect(self, batch: Batch, outcome: Outcome) -> _Success:
        """What of an outcome succeeded; its values are durable when this returns."""
        is_done = outcome.statuses != BlockStatus.WAITING
        indices, statuses = batch.indices[is_done], outcome.statuses[is_done]
        collect = self._tasks[batch.task].collect
        if collect is not None and outcome.values is not None:
            written = np.flatnonzero(outcome.statuses == BlockStatus.WRITTEN).tolist()
            if written:
                collect([(int(batch.indices[at]), outcome.values[at]) for at in written])
        return indices, statuses, batch.attempt

    def _note(self, batch: Batch, outcome: Outcome) -> None:
        course = self._courses[batch.task]
        course.ended = time.perf_counter()
        course.pace.note(len(batch.indices), outcome.seconds)
        tally = np.bincount(outcome.statuses, minlength=len(BlockStatus)).tolist()
        course.n_cached += tally[BlockStatus.FOUND]
        n_done = len(batch.indices) - tally[BlockStatus.WAITING]
        name = self._tasks[batch.task].name
        if n_done:
            n_empty = tally[BlockStatus.EMPTY]
            self._tell(
                events.BatchDone(
                    time.time(), name, n_done, n_empty, outcome.seconds, outcome.worker
                )
            )
        for failure in outcome.failures:
            self._fail(batch, failure, outcome.worker)

    def _fail(self, batch: Batch, failure: ItemFailure, worker: int) -> None:
        """Charge a block with a failed attempt."""
        index = int(batch.indices[failure.position])
        setback = self.scheduler.failed(batch.task, index)
        self._tell(
            events.BlockFailed(
                *(time.time(), self._tasks[batch.task].name, index, batch.attempt),
                *(setback.will_retry, failure.error, failure.traceback),
            )
        )
        if setback.will_retry:
            self._avoid[batch.task, index] = worker
            return
        self._avoid.pop((batch.task, index), None)
        roi = self._tasks[batch.task].grid.write_roi(index)
        self._record(batch.task, failure, index, batch.attempt, roi)
        self._tell_orphans(setback.orphans)

    def _fail_setup(self, batch: Batch, failure: ItemFailure) -> None:
        """Try the set-up again, as often as a block; then the task as a whole has failed."""
        course, task = self._courses[batch.task], self._tasks[batch.task]
        course.ended = time.perf_counter()
        course.setup_failures += 1
        gives_up = course.setup_failures == task.retries + 1
        will_retry = course.setup_failures <= task.retries
        if will_retry or gives_up:
            self._tell(
                events.BlockFailed(
                    *(time.time(), task.name, -1, course.setup_failures),
                    *(will_retry, failure.error, failure.traceback),
                )
            )
        if gives_up:
            self._record(batch.task, failure, -1, course.setup_failures, None)
            self._held = [
                held for held in self._held if held.task != batch.task or self._back(held)
            ]
            self._tell_orphans(self.scheduler.abandon(batch.task))
        self._back(batch)

    def _back(self, batch: Batch) -> bool:
        """Give a batch back uncharged."""
        self._tell_orphans(self.scheduler.returned(batch, batch.indices))
        return False

    def _record(
        self, task: int, failure: ItemFailure, index: int, attempt: int, roi: object
    ) -> None:
        self._n_failed += 1
        failures = self._courses[task].failures
        if len(failures) < _MOST_FAILURES:
            name = self._tasks[task].name
            error, text = failure.error, failure.traceback
            failures.append(Failure(name, index, attempt, error, text, roi))  # type: ignore[arg-type]

    def _lose(self, lost: Lost) -> None:
        """A worker is gone: charge the block that it was at, and hand out the rest again."""
        jobs = self._seats.pop(lost.worker, {})
        self._tell(events.WorkerLost(time.time(), lost.worker, lost.reason))
        for number, batch in jobs.items():
            if lost.charged is None or lost.charged[0] != number:
                self._back(batch)
                continue
            failure = lost.charged[1]
            if failure.position < 0:
                self._fail_setup(batch, failure)
                continue
            rest = np.delete(batch.indices, failure.position)
            self._tell_orphans(self.scheduler.returned(batch, rest))
            self._courses[batch.task].ended = time.perf_counter()
            self._fail(batch, failure, lost.worker)

    def _note_ends(self) -> None:
        for number, course in enumerate(self._courses):
            if (
                course.begun is not None
                and not course.is_over
                and not self.scheduler.n_open(number)
            ):
                course.is_over = True
                name = self._tasks[number].name
                self._tell(events.TaskDone(time.time(), name, course.seconds))

    def _tell_orphans(self, orphans: Mapping[int, int]) -> None:
        for task, n in orphans.items():
            self._tell(events.BlocksOrphaned(time.time(), self._tasks[task].name, n))

    def _tell(self, event: events.Event) -> None:
        for listener in list(self._listeners):
            try:
                listener.on_event(event)
            except Exception:
                # A progress bar must not end a run of many hours; it is heard no more.
                _logger.exception("a listener failed and is left out from here on")
                self._listeners.remove(listener)

    def _n_done(self, task: int) -> int:
        tally = self.scheduler.tally(task)
        done = (BlockStatus.WRITTEN, BlockStatus.EMPTY, BlockStatus.FOUND)
        return sum(tally[status] for status in done)

    def _sum_up(self, task: int) -> TaskReport:
        tally, course = self.scheduler.tally(task), self._courses[task]
        return TaskReport(
            n_blocks=self._tasks[task].grid.n_blocks,
            n_done=self._n_done(task),
            n_cached=course.n_cached,
            n_failed=tally[BlockStatus.FAILED],
            n_orphaned=tally[BlockStatus.ORPHANED],
            n_skipped=tally[BlockStatus.SKIPPED],
            seconds=course.seconds,
            failures=tuple(course.failures),
        )


def _stop(crew: Crew, grace: float) -> None:
    try:
        crew.stop(grace=grace)
    except BaseException:
        # A second Ctrl-C: no more waiting, but no worker is left behind either.
        crew.stop(grace=0)
        raise

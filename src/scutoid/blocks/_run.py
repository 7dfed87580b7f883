"""Run tasks: ask the scheduler, keep the workers busy, journal finished blocks."""

from __future__ import annotations

import itertools
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from scutoid import events
from scutoid.blocks._at_once import most_at_once
from scutoid.blocks._batch import Batch
from scutoid.blocks._block import BlockStatus
from scutoid.blocks._budget import Budget, parse_bytes
from scutoid.blocks._check import check_abilities, check_tasks
from scutoid.blocks._dispatch import Dispatcher
from scutoid.blocks._going_along import CameBack, at, came_back, obstacle_of
from scutoid.blocks._journal import Journal
from scutoid.blocks._keeping import Keeping, Success
from scutoid.blocks._report import Report
from scutoid.blocks._scheduler import Scheduler
from scutoid.blocks._task import BlockTask
from scutoid.blocks._task_progress import RunProgress
from scutoid.blocks._work import work_of
from scutoid.errors import (
    ParameterError,
    RunFailed,
    RunStopped,
    ScutoidError,
    UnwritableStore,
    WorkerError,
)
from scutoid.executors import (
    GivenUp,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Outcome,
    Waiting,
    WorkerPool,
    find_executor,
)
from scutoid.stopping import Stop, ends_by_signals

OnFailure = Literal["raise", "return"] | int
_Kept = tuple[Success, int]

_MEMORY_ERROR = re.compile(r"(\w+\.)*\w*MemoryError\b")
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
    should_stop: Callable[[], bool] | None = None,
) -> Report:
    """Call the tasks' functions once for each of their blocks, in an order that their edges allow.

    Parameters
    ----------
    tasks : BlockTask or iterable of BlockTask
        In any order.
    workers : int, optional
        Number of blocks that run at once; "serial" has one worker, whatever the number.
    executor : str, concurrent.futures.Executor or Executor, optional
        "serial", "threads", "processes", or a name that another package brings.
    journal : path-like, optional
        A folder that keeps ``<task>.journal`` for each task: a later run with the same folder does
        not run again what is done.
    memory : int or str, optional
        Bytes, or a text such as "4GB", for all blocks that run at once (one always may); counted
        by the tasks' `bytes_per_block`.  Where it is not given, a block may not need more than any
        worker of a Dask cluster has.
    on_failure : {"raise", "return"} or int, optional
        Raise `RunFailed` at the end if blocks failed, or return the report all the same, or stop
        after so many failed blocks, and raise.
    listeners : iterable of Listener, optional
        Told of each event.
    resources : mapping of str to int, optional
        Amounts of the resources that the tasks' `requires` name; by default 1 of each.
    logs : path-like, optional
        A folder for the output of worker processes; by default it goes where the caller's goes.
    should_stop : callable, optional
        Asked again and again, without arguments: once it says yes no block is begun, those in
        flight end, and what was not begun is reported as neither done nor failed.

    Returns
    -------
    Report
        The report of each task.

    Raises
    ------
    RunFailed
        If blocks failed, or did not run for that reason; it carries the `report`.
    ParameterError, PipelineError, GeometryError
        If the tasks cannot be run as they are; before any work.
    MemoryLimitError
        If a block needs more memory than any worker of a Dask cluster has; before any work.
    WorkerError
        If workers keep dying, or cannot be started.  A task whose workers keep dying is given up,
        and those that need not wait for it are finished before; the error carries the `report`.
    StoreError
        If a journal belongs to something else, or cannot be written.
    UnwritableStore
        If a disk that blocks, journals or listeners write to is full, over its quota or read-only:
        no other block is begun then, and what was finished is kept.
    RunStopped
        If SIGTERM or SIGHUP ends it, in the main thread: no block is begun any more, those in
        flight have the time that ``SCUTOID_GRACE`` says (10s), and it carries the `report`.

    Examples
    --------
    >>> from scutoid.geometry import BlockGrid, Roi
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
    resolved = find_executor(executor)
    budget = Budget(
        None if memory is None else parse_bytes(memory),
        resources or {},
        is_by_worker=getattr(resolved, "handles_resources", False),
    )
    check_abilities(ordered, resolved, workers, budget)
    folder = None if journal is None else Path(journal)
    with ExitStack() as stack:
        stop = stack.enter_context(ends_by_signals())
        journals = [_open_journal(stack, task, folder) for task in ordered]
        run = _Run(ordered, journals, listeners, on_failure, should_stop, stop)
        n_workers = min(workers, most_at_once(ordered, run.scheduler.states))
        run.progress.begin(n_workers)
        if not run.scheduler.is_complete:
            works = [work_of(task, is_memory_given=memory is not None) for task in ordered]
            pool = resolved.open(works, n_workers, logs=None if logs is None else Path(logs))
            try:
                run.work(pool, budget, n_workers)
            except RunStopped:  # also of a second signal, or one while workers leave
                if stop.signal is None:
                    raise
        with stop.noted():
            seconds, reports = run.progress.seconds, run.progress.end()
        ok = all(each.ok for each in reports.values())
        report = Report(
            *(ok, seconds, reports, None if logs is None else Path(logs)),
            mean_workers=run.progress.idle.mean_workers,
        )
        if stop.signal is not None:
            stopped = stop.error
            stopped.report = report
            raise stopped
    for trouble in run.given_up.values():
        trouble.report = report
        raise trouble
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
    return stack.enter_context(Journal.open(path, name, task.grid, key=task.key))


class _Run:
    """One run from its first batch to its report."""

    def __init__(
        self,
        tasks: list[BlockTask],
        journals: Sequence[Journal | None],
        listeners: Iterable[events.Listener],
        on_failure: OnFailure,
        should_stop: Callable[[], bool] | None,
        stop: Stop,
    ) -> None:
        self.scheduler = Scheduler(
            tasks, [None if journal is None else journal.statuses for journal in journals]
        )
        self.progress = RunProgress(tasks, self.scheduler, listeners)
        self._tasks = tasks
        self._keeping = Keeping(tasks, journals)
        self._stop = stop
        self._most_failures = on_failure if isinstance(on_failure, int) else None
        self._should_stop = should_stop
        self._numbers = itertools.count()
        self.given_up: dict[int, WorkerError] = {}
        self._unwritable: UnwritableStore | None = None

    def work(self, pool: WorkerPool, budget: Budget, workers: int) -> None:
        """Hand out blocks until none is left, too many have failed, or a signal ends the run.

        It ends the workers.

        Raises
        ------
        UnwritableStore
            If nothing more can be written; what is with workers then is waited for, and kept as far
            as there is room.
        """
        grace = _HASTE_SECONDS
        try:
            with self._stop.noted(getattr(pool, "halt", None)):
                self._dispatcher = Dispatcher(
                    *(self.scheduler, self._tasks, budget, self.progress.sizers),
                    *(workers, pool.most_items),
                    is_one_memory=pool.is_one_memory,
                    has_chains=getattr(pool, "takes_chains", False),
                )
                self.progress.idle.workers = self._dispatcher
                self._work(pool)
                self._keeping.try_again()
            if self._obstacle is not None:
                raise self._obstacle
            if self._stop.signal is None:
                grace = _GRACE_SECONDS
        finally:
            _stop(pool, 0.0 if self._stop.is_overdue else grace)

    def _work(self, pool: WorkerPool) -> None:
        while True:
            self.progress.idle.note()
            if not self._is_stopping:
                self._hand_out(pool)
            n_out = self._dispatcher.n_out
            if self.scheduler.is_complete or (self._is_stopping and not n_out):
                return
            if self._dispatcher.is_stuck:
                # Edges that cannot be met are orphans, so this is a fault of the scheduler.
                raise RuntimeError("no block can run, and some are left")
            try:
                self.progress.idle.note()
                messages = pool.wait(_WAIT_SECONDS)
                self.progress.idle.note()
                self._take_in(messages)
            except WorkerError:
                if self._stop.signal is None:
                    raise
                return  # the signal has reached them too
            if self._stop.is_overdue:
                return

    @property
    def _is_stopping(self) -> bool:
        if self._stop.signal is not None:
            return True
        if self._should_stop is not None and self._should_stop():
            return True
        most = self._most_failures
        has_failed = most is not None and self.progress.n_failed >= most
        return has_failed or self._obstacle is not None

    @property
    def _obstacle(self) -> UnwritableStore | None:
        """What keeps the run from writing anything more."""
        return self._unwritable or self._keeping.obstacle or self.progress.unwritable

    def _hand_out(self, pool: WorkerPool) -> None:
        for worker, batch in self._dispatcher.batches(pool.depth):
            for each in (batch, *batch.then):
                self.progress.handed_out(each, worker)
                self._keeping.begin(each)
            number = next(self._numbers)
            self._dispatcher.seat(worker, number, batch)
            then = tuple(Job(number, each.task, each.indices) for each in batch.then)
            pool.submit(worker, Job(number, batch.task, batch.indices, then))

    def _take_in(self, messages: Iterable[object]) -> None:
        """Journal all results that have arrived, then tell the scheduler."""
        done: dict[int, list[Success]] = defaultdict(list)
        makers: dict[int, list[int | None]] = defaultdict(list)
        outcomes: list[tuple[Batch, Outcome, Sequence[ItemFailure], int]] = []
        for message in messages:
            match message:
                case Outcome():
                    share = self._dispatcher.share_of(message.worker)
                    for (batch, outcome), refused, (success, n_taken) in self._kept(message):
                        done[batch.task].append(success)
                        makers[batch.task].append(share)
                        outcomes.append((batch, outcome, refused, n_taken))
                case _:
                    self._take_note(message)
        for task, successes in done.items():
            self._keeping.journal(task, successes)
            for (indices, statuses, _), share in zip(successes, makers[task], strict=True):
                self.scheduler.finished(task, indices, statuses, share=share)
        self.progress.idle.note(tuple(done))
        for batch, outcome, refused, n_taken in outcomes:
            self.progress.came_back(batch, outcome, n_taken)
            self._dispatcher.note_success(batch)
            for failure in outcome.failures:
                self._fail(batch, failure, outcome.worker)
            for failure in refused:
                self._fail(batch, failure, outcome.worker, is_final=True)
        self.progress.note_ends()

    def _kept(self, message: Outcome) -> Iterator[tuple[CameBack, Sequence[ItemFailure], _Kept]]:
        """Keep what came back of a batch and of what went along with it, as far as it counts."""
        parts = self._take_back(message)
        trouble = parts[0].outcome.setup_failure
        if trouble is not None:
            self._fail_setup(parts[0].batch, trouble)
            return
        lost: NDArray[np.int64] = parts[0].batch.indices[:0]
        for came in parts:
            part = self._without_lost(came, lost) if len(lost) else came
            counts, refused = self._checked(part)
            kept = self._keeping.collect(*counts)
            yield counts, refused, kept
            if len(parts) > 1 and len(kept[0][0]) < len(part.batch.indices):
                lost = np.union1d(lost, np.setdiff1d(part.batch.indices, kept[0][0]))

    def _without_lost(self, part: CameBack, lost: NDArray[np.int64]) -> CameBack:
        """Have blocks wait again that went along with others which do not count."""
        is_lost = np.isin(part.batch.indices, lost)
        self._not_begun(part.batch, is_lost & part.is_begun)
        return part.without(is_lost)

    def _not_begun(self, batch: Batch, is_back: NDArray[np.bool_]) -> None:
        """Have blocks that went along with others wait again."""
        if is_back.any():
            self.progress.orphaned(self.scheduler.not_begun(batch.task, batch.indices[is_back]))

    def _take_note(self, message: object) -> None:
        """Handle what is said of a worker, or of a task as a whole."""
        match message:
            case Joined():
                self._dispatcher.join(message.worker, message.serves)
                self.progress.tell(events.WorkerStarted(time.time(), message.worker))
            case Lost():
                self._lose(message)
            case GivenUp():
                self._give_up(message.work, message.error)
            case Waiting(wanted, seconds, why):
                self.progress.tell(events.WorkersAwaited(time.time(), wanted, seconds, why))

    def _take_back(self, outcome: Outcome) -> list[CameBack]:
        """Return the batch of an outcome and what went along with it, each with its outcome.

        Blocks that were refused by a store that cannot be written, or not begun for that reason or
        because of a signal, go back to the scheduler: they have not failed.
        """
        batch = self._dispatcher.take_back(outcome.worker, outcome.job)
        parts = came_back(batch, outcome)
        found = obstacle_of(parts)
        if found is not None:
            self._unwritable = found
            parts = [part.without_unwritable() for part in parts]
        for part in parts[1:]:  # before what they wait for may be given up
            self._not_begun(part.batch, ~part.is_begun)
        is_back = ~parts[0].is_begun
        if parts[0].outcome.setup_failure is None and is_back.any():
            self.progress.orphaned(self.scheduler.returned(batch, batch.indices[is_back]))
        return parts

    def _checked(self, part: CameBack) -> tuple[CameBack, Sequence[ItemFailure]]:
        """Return a part without the blocks that do not count after all, and their failures."""
        check = self._tasks[part.batch.task].check
        if check is None:
            return part, ()
        try:
            return part.checked(check)
        except ScutoidError as error:
            self.progress.orphaned(self.scheduler.abandon(part.batch.task))
            return part.refused(dict.fromkeys(part.done, error))

    def _fail(
        self,
        batch: Batch,
        failure: ItemFailure,
        worker: int,
        *,
        was_killed: bool = False,
        is_final: bool = False,
    ) -> None:
        """Charge a block with a failed attempt."""
        index = int(batch.indices[failure.position])
        block = (batch.task, index)
        consequence = self.scheduler.failed(*block, is_final=is_final)
        self.progress.block_failed(batch, index, failure, will_retry=consequence.will_retry)
        self.progress.orphaned(consequence.orphans)
        if not consequence.will_retry:
            self._dispatcher.note_end(block)
            return
        self._dispatcher.note_failure(block, worker)
        if was_killed or _MEMORY_ERROR.match(failure.error):
            self._dispatcher.note_kill(block, others=self._dispatcher.n_others_busy(worker))

    def _fail_setup(self, batch: Batch, failure: ItemFailure) -> None:
        """Try the set-up again, as often as a block; then the task as a whole has failed."""
        if self.progress.setup_failed(batch.task, failure):
            for held in self._dispatcher.drop_held(batch.task):
                self._back(held)
            self.progress.orphaned(self.scheduler.abandon(batch.task))
        self._back(batch)

    def _give_up(self, task: int, error: WorkerError) -> None:
        """Give up a task for which no worker lives long enough; others go on."""
        if task in self.given_up or not self.scheduler.n_open(task):
            return
        self.given_up[task] = error
        self.progress.given_up(task, str(error))
        for held in self._dispatcher.drop_held(task):
            self._back(held)
        self.progress.orphaned(self.scheduler.abandon(task, BlockStatus.ORPHANED))

    def _back(self, batch: Batch) -> None:
        """Return a batch to the scheduler without counting an attempt."""
        for each in batch.then:
            self._not_begun(each, np.ones(len(each.indices), dtype=np.bool_))
        self.progress.orphaned(self.scheduler.returned(batch, batch.indices))

    def _lose(self, lost: Lost) -> None:
        """Handle a lost worker: charge its current block, and hand out the rest again."""
        jobs = self._dispatcher.leave(lost.worker)
        self.progress.tell(events.WorkerLost(time.time(), lost.worker, lost.reason))
        for number, batch in jobs.items():
            is_charged = lost.charged is not None and lost.charged[0] == number
            if self._stop.signal is not None or not is_charged:  # a signal has reached it too
                self._back(batch)
            elif lost.charged is not None:
                self._lose_at(batch, lost.charged[1], lost)

    def _lose_at(self, batch: Batch, failure: ItemFailure, lost: Lost) -> None:
        """Charge the block that a lost worker was at, and hand out the rest again."""
        if failure.position < 0:
            self._fail_setup(batch, failure)
            return
        charged, place = at(batch, failure.position)
        index = charged.indices[place]
        if batch.then:
            self._dispatcher.no_chains()
        for each in batch.then:
            self._not_begun(each, (each.indices != index) | (each is not charged))
        is_back = (batch.indices != index) | (batch is not charged)
        self.progress.orphaned(self.scheduler.returned(batch, batch.indices[is_back]))
        failure = replace(failure, position=place)
        self._fail(charged, failure, lost.worker, was_killed=lost.was_killed)


def _stop(pool: WorkerPool, grace: float) -> None:
    try:
        pool.stop(grace=grace)
    except BaseException:
        # A second Ctrl-C: do not wait, but leave no worker behind.
        pool.stop(grace=0)
        raise

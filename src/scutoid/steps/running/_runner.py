"""Run a plan: begin entries, hand blocks to the engine, commit results."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scutoid.blocks import BlockTask, Journal, Report
from scutoid.cached import cached_property
from scutoid.durable import beside, store_error
from scutoid.errors import (
    RunStopped,
    SourceError,
    StoreError,
    UnwritableStore,
)
from scutoid.events import Event, Listener, TaskDone
from scutoid.executors import computing_there, is_auto, quiet_executor
from scutoid.steps.graph import (
    Call,
    MappedCall,
)
from scutoid.steps.handles import LATEST
from scutoid.steps.planning import (
    PlannedCall,
    PlannedRun,
    notes_of_images,
    warnings_of,
)
from scutoid.steps.results import (
    ITEMS,
    LOGS,
    RUN,
    RUNS,
    RunRecord,
    RunStepRecord,
    StoredResult,
    announcing,
    dead_locks,
)
from scutoid.steps.running._collections import record_collection
from scutoid.steps.running._failures import write_failures
from scutoid.steps.running._outcome import Run, RunStep
from scutoid.steps.running._process import command_of_process, memory_of_process
from scutoid.steps.running._recorded_inputs import recorded_inputs
from scutoid.steps.running._step_outcomes import record_of, step_of, with_changed_inputs
from scutoid.steps.running._stored_results import StoredResults
from scutoid.steps.running._told import Told
from scutoid.stopping import Stop, ends_by_signals
from scutoid.store import Pack

if TYPE_CHECKING:
    from scutoid.steps.running._tasks import TaskBuilder

EVENTS = "events.jsonl"


def _remove_empty(logs: Path) -> None:
    """Remove the logs of workers that printed nothing."""
    if not logs.is_dir():
        return
    for log in logs.iterdir():
        if log.stat().st_size == 0:
            log.unlink()
    with suppress(OSError):
        logs.rmdir()


class Runner:
    """Turns planned steps into tasks of the block engine, and their outcome into results.

    Parameters
    ----------
    planned : PlannedRun
        What is to be done.
    before : sequence of RunStepRecord, optional
        Steps of the run that this one goes on from: its record has them too.
    part_of : str, optional
        Name of the folder of the first part of the run, if this is not the first.
    is_read_only : bool
        Whether the store cannot be written; then nothing is written down.
    check_halo : bool
        Whether some voxels of each step that is new are computed anew in other blocks.
    array : str, optional
        The job array that this process is an element of.
    """

    def __init__(
        self,
        planned: PlannedRun,
        before: Sequence[RunStepRecord] = (),
        *,
        part_of: str | None = None,
        is_read_only: bool = False,
        check_halo: bool = True,
        array: str | None = None,
    ) -> None:
        self.planned = planned
        self.before = tuple(before)
        self.part_of = part_of
        self.array = array
        self.is_read_only = is_read_only
        self.check_halo = check_halo
        self.store = planned.store
        self._by_task = {each.finish_task: each for each in planned}
        self._changed: dict[PlannedCall, SourceError] = {}
        run_id = f"{time.strftime('%Y-%m-%dT%H-%M-%S')}_{uuid.uuid4().hex[:4]}"
        self.folder = self.store.path / RUNS / run_id
        self.started = time.time()
        self._began = time.monotonic()
        self.warnings = warnings_of(planned)
        self.heard = notes_of_images(planned)
        self._told = Told(planned, ())
        self._stopped: BaseException | None = None
        self._is_open = False
        self.mean_workers = 0.0
        """Workers that were there on average while blocks were run."""

    @cached_property
    def _builder(self) -> TaskBuilder:
        """What makes tasks, which a run that has nothing to do does not load."""
        from scutoid.steps.running._tasks import TaskBuilder

        return TaskBuilder(self.planned)

    def run(
        self, *, listeners: Sequence[Listener], memory: int | str | None, **options: Any
    ) -> Run:
        """Run what is not cached, and write down what came of it.

        Raises
        ------
        RunStopped
            If a signal has ended it; its `run` is what came of it until then.
        """
        for each in self.planned:
            if each.accepted is not None:
                each.accepted.record()
        self._told = Told(self.planned, listeners)
        for each in self.planned:
            if each.is_cached:
                self._told.of(each)
        with ends_by_signals() as stop:
            try:
                report = self._compute(listeners=listeners, memory=memory, **options)
            except RunStopped as stopped:
                if not isinstance(stopped.report, Report):
                    raise
                self._stopped, report = stopped, stopped.report
            with stop.noted():
                self._record_collections()
            with computing_there(options.get("executor")):
                self._compare(report, stop)
            with stop.noted():
                done = self._written_down(report, self._began)
            if self._stopped is None and stop.signal is not None:
                self._stopped = stop.error
            if isinstance(self._stopped, RunStopped):
                self._stopped.run = done
            if self._stopped is not None:
                raise self._stopped
        for step, each in zip(done.steps, self.planned, strict=True):
            if step.has_all_blocks and not step.is_stored and not done.met_damage:
                raise _not_committed(each)
        return done

    def _compare(self, report: Report | None, stop: Stop) -> None:
        """Compare voxels of steps that are new across the faces of blocks."""
        if self.check_halo and report is not None and stop.signal is None:
            from scutoid.steps.running._comparison import Comparison

            try:
                self.warnings += Comparison(self.planned, report).warnings()
            except (KeyboardInterrupt, RunStopped) as stopped:
                self._stopped = stopped  # the results are there, and are written down first

    def _written_down(self, report: Report | None, started: float) -> Run:
        """Return what came of the run, which is written down."""
        steps = [self._with_change(self.step(each, report), each) for each in self.planned]
        self.mean_workers = 0.0 if report is None else report.mean_workers
        return self.written_down(steps, time.monotonic() - started)

    def written_down(self, steps: Sequence[RunStep], seconds: float | None = None) -> Run:
        """Write down what came of each step, and return it.

        Parameters
        ----------
        steps : sequence of RunStep
            In the order of the plan.
        seconds : float, optional
            How long it took; default: since the run has begun.
        """
        shown = set(self.planned.calls)
        by_node = self.planned.by_node.items()
        tasks = {node: each.task for node, each in by_node if each in shown}
        took = time.time() - self.started if seconds is None else seconds
        done = Run(
            steps,
            self.results(),
            took,
            self.store.url or self.store.path,
            self.folder,
            tasks,
            self.warnings,
            self.mean_workers * took,
        )
        self.record(done)
        if not self.is_read_only:
            write_failures(done.steps, self.folder / LOGS)
        return done

    def _compute(
        self, *, listeners: Sequence[Listener], memory: int | str | None, **options: Any
    ) -> Report | None:
        with self._settling():
            tasks = self._tasks()
            if not tasks:
                return None
            name = options.get("executor")
            if is_auto(name):
                from scutoid.steps.planning import choose_executor

                choice = choose_executor(self.planned)
                if choice.executor != "processes":
                    name = choice.executor
                    options["executor"] = quiet_executor(name)
            from scutoid.blocks import run_blocks

            with self._sending(name), self._log() as log:
                return run_blocks(
                    tasks,
                    memory=memory,
                    listeners=[self, log, *listeners],
                    logs=self.folder / LOGS,
                    **options,
                )

    def _sending(self, executor: object) -> AbstractContextManager[None]:
        """Have the user's code sent as it is here, to workers that are other processes."""
        if executor in ("serial", "threads"):
            return nullcontext()
        from scutoid.steps.running._sending import sending_own_code

        return sending_own_code([each.call.spec for each in self.planned])

    def _log(self) -> AbstractContextManager[Listener]:
        """Return what writes the events down."""
        from scutoid.blocks import EventLog

        return EventLog(self.folder / EVENTS)

    @contextmanager
    def _settling(self) -> Iterator[None]:
        """Settle what there is at the end of a run, or of one that is broken off.

        What broke it off is raised, whatever else then fails for the same reason.
        """
        settling = ExitStack()
        settling.callback(self._remember)
        for each in self.planned:
            settling.callback(self._forget_changed, each)
        for each in reversed(self.planned.calls):
            settling.callback(self._finish, each)
        settling.callback(self._close_builder)
        settling.callback(_remove_empty, self.folder / LOGS)
        with ends_by_signals() as stop:
            try:
                yield
            except UnwritableStore:
                with suppress(OSError), stop.noted():
                    settling.close()
                raise
            except BaseException:
                with stop.noted():
                    settling.close()
                raise
            with stop.noted():
                settling.close()

    def _close_builder(self) -> None:
        if "_builder" in vars(self):
            self._builder.close()

    def _tasks(self) -> list[BlockTask]:
        """Begin the entries of what is to be made, and return its tasks."""
        to_make = (each for each in self.planned if not each.is_cached and each.is_kept)
        return [task for each in to_make for task in self._builder.tasks(each)]

    def on_event(self, event: Event) -> None:
        """Commit a step when its last task is done, and tell who wants its result."""
        if isinstance(event, TaskDone) and event.task in self._by_task:
            each = self._by_task[event.task]
            self._commit(each, event.seconds)
            self._told.of(each)

    def _commit(self, each: PlannedCall, seconds: float) -> None:
        """Commit the image of a step whose blocks are all journalled; others are by their task."""
        if not self._is_settled(each) or each.step is None or each.has_finish:
            return
        n_done = int((Journal.read(each.entry.journal, key=each.key.key) != 0).sum())
        chosen = each.step.chosen()
        n_skipped = 0 if chosen is None else int((~chosen).sum())
        if n_done + n_skipped == each.n_blocks:
            from scutoid.steps.results import JOURNALLED, settle_display, settle_notes, shard_record

            settle_notes(each.entry)
            settle_display(each.entry)
            record = {"seconds": seconds, JOURNALLED: n_done}
            each.entry.commit({**record, **shard_record(each.entry)})

    def _is_settled(self, each: PlannedCall) -> bool:
        """See whether the inputs of a step are still as they were when the run was planned."""
        watch = self._builder.watches.of(each)
        try:
            watch.look()
        except SourceError as error:
            self._changed[each] = error
            return False
        watch.is_settled = True
        return True

    def _forget_changed(self, each: PlannedCall) -> None:
        """Take back the blocks that were kept since the inputs of their step were last as planned.

        Most are refused as they come back; these came between two looks that cost much.
        """
        if each not in self._changed:
            return
        blocks = self._builder.watches.of(each).unsettled
        items, journal = each.entry.path / ITEMS, each.entry.journal
        is_collection = isinstance(each.call, MappedCall)
        try:
            if is_collection:
                with Pack(items, "a") as pack:
                    pack.forget(each.member_keys[number] for number in blocks)
                if blocks:  # segments have them as well
                    each.entry.reopen()
            elif journal.exists():
                Journal.forget(journal, np.array(blocks, dtype=np.int64))
                if blocks and each.entry.remote is not None:  # segments have them as well
                    each.entry.remote.abandon()
        except UnwritableStore:  # removing needs no room; all of them are made again
            record = Pack(items).index_path if is_collection else journal
            record.unlink(missing_ok=True)

    def _remember(self) -> None:
        """Have this process read from now on what is stored, all calls of one key alike."""
        for node, each in self.planned.by_node.items():
            if isinstance(node, MappedCall):
                LATEST.enter_members(node, each.items)
            elif isinstance(node, Call) and each.entry.status == "complete":
                LATEST.enter(node, StoredResult(each.entry, is_finished=True))

    def _finish(self, each: PlannedCall) -> None:
        """Commit what a stopped run did not."""
        if each.is_cached or not each.is_kept:
            return
        if isinstance(each.call, MappedCall):
            self._is_settled(each)
        elif each.entry.status == "partial":
            self._commit(each, 0.0)  # all its blocks were done, and a stopped run did not say so

    def step(self, each: PlannedCall, report: Report | None) -> RunStep:
        """Return what came of a step."""
        return step_of(each, report)

    def _with_change(self, step: RunStep, each: PlannedCall) -> RunStep:
        """Say of a step all of whose blocks came back that its inputs have changed meanwhile."""
        error = self._changed.get(each)
        if error is None:
            return step
        return with_changed_inputs(step, error, len(self._builder.watches.of(each).unsettled))

    def results(self) -> dict[str, Any]:
        """Return the results by the names of their steps; each reads this run's store for ever."""
        results = StoredResults(self.planned)
        return {each.task: results.of(each) for each in self.planned}

    def record(self, done: Run) -> None:
        """Write down the run, where the store can be written."""
        if self.is_read_only:
            return
        self._is_open = False
        steps = (*self.before, *self.steps_of(done))
        is_ok = done.ok and not self.before  # it goes on where a run before had failures
        seconds = round(done.seconds, 3)
        self._write(
            RunRecord(
                self.started,
                steps,
                is_ok,
                seconds,
                self.warnings,
                self.part_of,
                command_of_process(),
                memory_of_process(),
                self.array,
                round(done.worker_seconds, 3) or None,
            )
        )
        self.store.publish(self.folder)

    def broken_off(self, *error: object) -> None:
        """Write down a run that was announced, and ended before anything came of it.

        Without an outcome it would look like one that goes on, or was killed.
        """
        del error
        if self._is_open:
            with ends_by_signals() as stop, stop.noted(), suppress(OSError):
                self._written_down(None, self._began)

    def steps_of(self, done: Run) -> tuple[RunStepRecord, ...]:
        """Return what the record of the run says of its steps."""
        return tuple(
            replace(self._planned_step(each), outcome=record_of(step))
            for step, each in zip(done.steps, self.planned, strict=True)
        )

    def _record_collections(self) -> None:
        """Write down the members of collections, and their joined tables."""
        for each in self.planned:
            if isinstance(each.call, MappedCall) and (not each.is_cached or each.is_relisted):
                self.warnings += tuple(record_collection(each, each.call, self.planned))

    def announce(self) -> bool:
        """Write down which results the run needs, so that nobody takes them away.

        Returns
        -------
        bool
            Whether those that the plan has found are still there.
        """
        with announcing(self.store):
            own = tuple(self._planned_step(each) for each in self.planned)
            steps = (*self.before, *own)
            record = RunRecord(
                self.started,
                steps,
                warnings=self.warnings,
                part_of=self.part_of,
                command=command_of_process(),
                array=self.array,
            )
            self._is_open = True
            self._write(record)
            self.store.publish(self.folder)
            for lock in dead_locks(self.store.path / RUNS):
                lock.unlink(missing_ok=True)
            return all(each.entry.path.is_dir() for each in self.planned if each.is_cached)

    def _planned_step(self, each: PlannedCall) -> RunStepRecord:
        return RunStepRecord(
            name=each.task,
            key=each.key.key,
            entry=str(each.entry.path.relative_to(self.store.path)),
            status=each.status,
            reason=each.reason,
            within=each.within,
            inputs=recorded_inputs(each, self.planned),
            view=each.call.spec.options.view,
        )

    def _write(self, record: RunRecord) -> None:
        new = beside(self.folder / RUN)  # whole to who reads it, and no disk is waited for
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            new.write_text(record.to_json())
            new.replace(self.folder / RUN)
        except OSError as error:
            with suppress(OSError):
                new.unlink()
            rule = "a run is written down in its store"
            raise store_error(error, self.folder, rule=rule) from error


def _not_committed(each: PlannedCall) -> StoreError:
    return StoreError(
        "a step all of whose blocks are done has a complete result in the store",
        value=f"{each.n_blocks} blocks done, the result is {each.entry.status}",
        place=str(each.entry.path),
        remedy="see whether something else writes there, and run again: blocks that are done stay",
    )

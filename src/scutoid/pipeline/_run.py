"""Running a plan: entries are begun, blocks are handed to the engine, results are committed."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from scutoid.blocks import (
    BlockTask,
    EventLog,
    Journal,
    Report,
    parse_bytes,
    run_blocks,
)
from scutoid.errors import DamagedResult, RunFailed, StoreError
from scutoid.events import Event, Listener, TaskDone
from scutoid.pipeline._call import MappedCall
from scutoid.pipeline._claim import claim
from scutoid.pipeline._collections import handle_of
from scutoid.pipeline._garbage import RUN, RUNS, announcing, dead_locks
from scutoid.pipeline._latest import LATEST
from scutoid.pipeline._losses import JOURNALLED, shard_record
from scutoid.pipeline._nodes import CollectionFromStore, FromStore
from scutoid.pipeline._outcome import LOGS, Run, RunStep
from scutoid.pipeline._plan import Plan
from scutoid.pipeline._planned import PlannedCall, PlannedRun
from scutoid.pipeline._planner import Planner
from scutoid.pipeline._refs import CollectionRef, Ref, refs_of
from scutoid.pipeline._sending import sending_own_code
from scutoid.pipeline._single import Lazy
from scutoid.pipeline._stored import MEMBERS, StoredResult, output_names
from scutoid.pipeline._summary import summarize
from scutoid.pipeline._tables import concatenate
from scutoid.pipeline._targets import refs_in
from scutoid.pipeline._tasks import TaskBuilder
from scutoid.store import EntryStore, Lock

_NOTED = 100
_ATTEMPTS = 3
EVENTS = "events.jsonl"


def plan(
    *targets: Any,
    store: str | os.PathLike[str],
    block: object = None,
    memory: int | str | None = None,
    force: Iterable[str] = (),
    accept: Iterable[str] = (),
    paranoid: bool = False,
) -> Plan:
    """Say what a run would do, and why; nothing is computed.

    Parameters
    ----------
    *targets : Image, Table, Value or a collection of these
        Results of steps.
    store : path
        Folder of the results.
    block : int or sequence, optional
        Block shape for all steps that do not give one.
    memory : int or str, optional
        Bytes that a worker may take, such as "4GB".
    force : iterable of str
        Names of steps to run again.
    accept : iterable of str
        Names of steps whose nearest earlier result is taken as good although its key differs.
    paranoid : bool
        Whether all input files are read again, also those of the same size, time and inode as when
        they were last read.

    Returns
    -------
    Plan
        `.steps`, each with `.name`, `.status`, `.reason`, `.n_blocks`, `.n_done`.

    Raises
    ------
    ScutoidError
        If the pipeline cannot run as it stands.
    """
    planner = Planner(
        EntryStore(store),
        block=block,
        force=force,
        accept=accept,
        memory=_bytes(memory),
        paranoid=paranoid,
    )
    planned = planner.plan(refs_in(targets))
    planner.memo.save()
    return summarize(planned)


def run(
    *targets: Any,
    store: str | os.PathLike[str],
    workers: int | None = None,
    executor: Any = "processes",
    memory: int | str | None = None,
    block: object = None,
    on_failure: str | int = "raise",
    force: Iterable[str] = (),
    accept: Iterable[str] = (),
    paranoid: bool = False,
    resources: Mapping[str, int] | None = None,
    listeners: Sequence[Listener] = (),
) -> Run:
    """Compute results into a store; only what is missing or changed runs.

    Parameters
    ----------
    *targets : Image, Table, Value or a collection of these
        Results of steps; afterwards they read from the store.
    store : path
        Folder of the results; it is made if it does not exist.
    workers : int, optional
        1 or more; default: the cores that this process may use.
    executor : {"processes", "threads", "serial", "dask"}, Dask client or cluster, or Executor
        Where blocks are computed; a text with ``://`` is the address of a Dask scheduler.
    memory : int or str, optional
        Bytes that all running blocks may take together, such as "4GB".
    block : int or sequence, optional
        Block shape for all steps that do not give one; rounded up to whole voxels of the coarsest
        level where an image is stored with levels.
    on_failure : {"raise", "return"} or int
        "raise" raises `RunFailed` at the end; a number stops at that many failures.
    force : iterable of str
        Names of steps to run again.
    accept : iterable of str
        Names of steps whose nearest earlier result is taken as good although its key differs, such
        as after a change of code that changes no value.  The store keeps a record of it.
    paranoid : bool
        Whether all input files are read again, also those of the same size, time and inode as when
        they were last read.
    resources : mapping of str to int, optional
        How much there is of what steps say that they require, such as ``{"gpu": 2}``; what is not
        given is there once.
    listeners : sequence of Listener
        Get the events of the run, such as `scutoid.Progress`.

    Returns
    -------
    Run

    Raises
    ------
    RunFailed
        If blocks failed and `on_failure` is "raise"; what was computed is kept.
    """
    entry_store = EntryStore(store)
    entry_store.check_writable()
    forced = tuple(force)

    def new_planner() -> Planner:
        return Planner(
            entry_store,
            block=block,
            force=forced,
            accept=accept,
            memory=_bytes(memory),
            paranoid=paranoid,
        )

    for attempt in range(1, _ATTEMPTS + 1):
        with ExitStack() as held:
            runner = _begin(held, new_planner, refs_in(targets), listeners)
            try:
                done = runner.run(
                    workers=len(os.sched_getaffinity(0)) if workers is None else workers,
                    executor=executor,
                    memory=memory,
                    on_failure=on_failure if isinstance(on_failure, int) else "return",
                    resources=resources,
                    listeners=listeners,
                )
            except DamagedResult:
                if attempt == _ATTEMPTS:
                    raise
                continue
        if not done.met_damage:
            break
        forced = tuple(name for name in forced if not done.step(name).is_done)
    if not done.ok and on_failure != "return":
        error = RunFailed(
            "a run ends without failed blocks",
            value=done.summary(),
            place=str(entry_store.path),
            remedy="mend the cause and run again: what was computed is kept",
        )
        error.run = done  # type: ignore[attr-defined]
        raise error
    return done


def _begin(
    held: ExitStack,
    new_planner: Callable[[], Planner],
    targets: Sequence[Ref | CollectionRef],
    listeners: Sequence[Listener],
) -> _Runner:
    """Plan, and hold what is to be made and what was found until `held` is closed."""
    while True:
        with ExitStack() as taken:
            runner = _Runner(claim(taken, new_planner, targets, listeners))
            taken.enter_context(Lock(runner.folder))
            if runner.announce():
                held.push(taken.pop_all())
                return runner


def _bytes(memory: int | str | None) -> int | None:
    return None if memory is None else parse_bytes(memory)


def _remove_empty(logs: Path) -> None:
    """Remove the logs of workers that printed nothing."""
    if not logs.is_dir():
        return
    for log in logs.iterdir():
        if log.stat().st_size == 0:
            log.unlink()
    with suppress(OSError):
        logs.rmdir()


class _Runner:
    """Turns planned steps into tasks of the block engine, and their outcome into results."""

    def __init__(self, planned: PlannedRun) -> None:
        self.planned = planned
        self.store = planned.store
        self._builder = TaskBuilder(planned)
        self._by_task = {each.finish_task: each for each in planned}
        run_id = f"{time.strftime('%Y-%m-%dT%H-%M-%S')}_{uuid.uuid4().hex[:4]}"
        self.folder = self.store.path / RUNS / run_id
        self.started = time.time()

    def run(
        self, *, listeners: Sequence[Listener], memory: int | str | None, **options: Any
    ) -> Run:
        """Run what is not cached, and write down what came of it."""
        started = time.monotonic()
        for each in self.planned:
            if each.accepted is not None:
                each.accepted.record()
        report = self._compute(listeners=listeners, memory=memory, **options)
        self._record_collections()
        steps = [self.step(each, report) for each in self.planned]
        seconds = time.monotonic() - started
        done = Run(steps, self.results(), seconds, self.store.path, self.folder)
        self.record(done)
        for step, each in zip(steps, self.planned, strict=True):
            if step.has_all_blocks and not step.is_stored and not done.met_damage:
                raise _not_committed(each)
        return done

    def _compute(
        self, *, listeners: Sequence[Listener], memory: int | str | None, **options: Any
    ) -> Report | None:
        tasks: list[BlockTask] = []
        try:
            for each in self.planned:
                if not each.is_cached and each.is_kept:
                    tasks.extend(self._builder.tasks(each))
            if not tasks:
                return None
            specs = [each.call.spec for each in self.planned]
            with sending_own_code(specs), EventLog(self.folder / EVENTS) as log:
                return run_blocks(
                    tasks,
                    memory=memory,
                    listeners=[self, log, *listeners],
                    logs=self.folder / LOGS,
                    **options,
                )
        finally:
            _remove_empty(self.folder / LOGS)
            self._builder.close()
            for each in self.planned:
                self._finish(each)

    def on_event(self, event: Event) -> None:
        """Commit a step when its last task is done."""
        if isinstance(event, TaskDone) and event.task in self._by_task:
            self._commit(self._by_task[event.task], event.seconds)

    def _commit(self, each: PlannedCall, seconds: float) -> None:
        """Commit the image of a step whose blocks are all journalled; others commit themselves."""
        if each.step is None or each.has_finish:
            return
        n_done = int((Journal.read(each.entry.journal) != 0).sum())
        chosen = each.step.chosen()
        n_skipped = 0 if chosen is None else int((~chosen).sum())
        if n_done + n_skipped == each.n_blocks:
            record = {"seconds": seconds, JOURNALLED: n_done}
            each.entry.commit({**record, **shard_record(each.entry)})

    def _finish(self, each: PlannedCall) -> None:
        """Commit what a stopped run did not, and have this process read the result from now on."""
        if isinstance(each.call, MappedCall):
            LATEST.enter_members(each.call, each.items)
            return
        if not each.is_cached and each.is_kept and each.entry.status == "partial":
            self._commit(each, 0.0)  # all its blocks were done, and a stopped run did not say so
        if each.entry.status == "complete":
            LATEST.enter(each.call, StoredResult(each.entry))

    def step(self, each: PlannedCall, report: Report | None) -> RunStep:
        """Return what came of a step."""
        if report is None or each.task not in report.tasks:
            if not each.is_kept:
                return RunStep(each.task, each.n_blocks, each.n_blocks, 0, 0, 0, 0.0)
            n_done = each.n_blocks if each.is_cached else 0
            return RunStep(each.task, each.n_blocks, n_done, n_done, 0, 0, 0.0)
        task = report.tasks[each.task]
        n_failed, n_orphaned, seconds = task.n_failed, task.n_orphaned, task.seconds
        failures = task.failures
        if each.has_finish:
            end = report.tasks[each.finish_task]
            n_failed += end.n_failed
            failures += end.failures
            seconds += end.seconds
        return RunStep(
            each.task,
            task.n_blocks,
            task.n_done + task.n_skipped,
            task.n_cached,
            n_failed,
            n_orphaned,
            seconds,
            failures,
            task.slowest,
            each.call.keys or (),
            is_stored=_is_stored(each),
        )

    def results(self) -> dict[str, Any]:
        """Return the results by the names of their steps; each reads this run's store for ever."""
        return {each.task: _results_of(each) for each in self.planned}

    def record(self, done: Run) -> None:
        """Write down the run."""
        steps = [
            {
                **self._described(each),
                "n_blocks": step.n_blocks,
                "n_done": step.n_done,
                "n_cached": step.n_cached,
                "n_failed": step.n_failed,
                "n_orphaned": step.n_orphaned,
                "seconds": round(step.seconds, 3),
                "failures": [f"{step.place(f)}: {f.error}" for f in step.failures[:_NOTED]],
                "slowest": [
                    {"block": each.index, "seconds": round(each.seconds, 3)}
                    for each in step.slowest
                ],
            }
            for step, each in zip(done.steps, self.planned, strict=True)
        ]
        self._write({"ok": done.ok, "seconds": round(done.seconds, 3), "steps": steps})

    def _record_collections(self) -> None:
        """Write down the members of collections, and their joined tables."""
        for each in self.planned:
            if isinstance(each.call, MappedCall) and (not each.is_cached or each.is_relisted):
                self._record_collection(each, each.call)

    def announce(self) -> bool:
        """Write down which results the run needs, so that nobody takes them away.

        Returns
        -------
        bool
            Whether those that the plan has found are still there.
        """
        with announcing(self.store):
            steps = [self._described(each) for each in self.planned]
            self._write({"ok": None, "seconds": None, "steps": steps})
            for lock in dead_locks(self.store.path / RUNS):
                lock.unlink(missing_ok=True)
            return all(each.entry.path.is_dir() for each in self.planned if each.is_cached)

    def _described(self, each: PlannedCall) -> dict[str, Any]:
        return {
            "name": each.task,
            "key": each.key.key,
            "entry": str(each.entry.path.relative_to(self.store.path)),
            "status": each.status,
            "reason": each.reason,
        }

    def _write(self, record: Mapping[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"started": self.started, **record}, indent=1)
            (self.folder / RUN).write_text(text + "\n")
        except OSError as error:
            raise StoreError(
                "a run is written down in its store", value=str(error), place=str(self.folder)
            ) from error

    def _record_collection(self, each: PlannedCall, call: MappedCall) -> None:
        """Write which members belong together, and tables in one piece for people to read."""
        items, outputs = each.items, call.spec.outputs
        members = {key: member for key, member in items.member_keys.items() if items.has(key)}
        if each.entry.recipe is None:
            each.entry.begin(self.planned.recipe(each).stamped(), keeps_items=True)
        each.entry.distrust()
        text = json.dumps({"outputs": list(outputs), "members": members}, indent=0)
        each.entry.write(MEMBERS, text.encode())
        for output, (kind, name) in enumerate(zip(outputs, output_names(outputs), strict=True)):
            if kind == "table":
                rows = ((key, items.existing(key).value(output)) for key in members)
                each.entry.save(concatenate(rows, call.groups), name)
        if len(members) == len(call.keys):
            each.entry.commit()


def _is_stored(each: PlannedCall) -> bool:
    """Whether the result of a step is complete in the store, where it is kept there as a whole."""
    is_part = each.needed is not None and not bool(each.needed.all())
    return is_part or not each.is_kept or each.entry.status == "complete"


def _not_committed(each: PlannedCall) -> StoreError:
    return StoreError(
        "a step all of whose blocks are done has a complete result in the store",
        value=f"{each.n_blocks} blocks done, the result is {each.entry.status}",
        place=str(each.entry.path),
        remedy="see whether something else writes there, and run again: blocks that are done stay",
    )


def _results_of(each: PlannedCall) -> Any:
    """Return the results of a step as handles that read the store of this run."""
    call, kinds = each.call, each.call.spec.outputs
    labels = tuple(call.is_labels(number) for number in range(len(kinds)))
    stored: Any = None
    if isinstance(call, MappedCall):
        stored = CollectionFromStore(
            call.name, each.key.key, each.items, kinds, labels, call.groups
        )
    elif each.entry.status == "complete":
        stored = FromStore(call.name, each.key.key, StoredResult(each.entry), kinds, labels)
    results: tuple[Lazy, ...] = tuple(handle_of(ref, stored) for ref in refs_of(call, kinds))
    return results if call.spec.packed else results[0]

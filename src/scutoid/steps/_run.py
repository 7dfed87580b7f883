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
from scutoid.steps._alone import plan_alone
from scutoid.steps._collections import COLLECTION
from scutoid.steps._garbage import RUN, RUNS, announcing, dead_locks
from scutoid.steps._lazy import SINGLE
from scutoid.steps._losses import JOURNALLED, shard_record
from scutoid.steps._outcome import LOGS, Run, RunStep
from scutoid.steps._plan import Plan
from scutoid.steps._planner import Planner, Work, flatten
from scutoid.steps._sending import sending_own_code
from scutoid.steps._stored import (
    MEMBERS,
    StoredItems,
    StoredResult,
    output_names,
)
from scutoid.steps._summary import summarize
from scutoid.steps._tables import concatenate
from scutoid.steps._tasks import TaskBuilder
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
    planner.plan(flatten(targets))
    planner.memo.save()
    return summarize(planner)


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
            runner = _begin(held, new_planner, flatten(targets), listeners)
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
    targets: Sequence[Any],
    listeners: Sequence[Listener],
) -> _Runner:
    """Plan, and hold what is to be made and what was found until `held` is closed."""
    while True:
        with ExitStack() as taken:
            planner, works = plan_alone(taken, new_planner, targets, listeners)
            runner = _Runner(planner, works)
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

    def __init__(self, planner: Planner, works: Sequence[Work]) -> None:
        self.store = planner.store
        self.works = list(works)
        self._builder = TaskBuilder(planner)
        self._by_task = {work.finish_task: work for work in works}
        run_id = f"{time.strftime('%Y-%m-%dT%H-%M-%S')}_{uuid.uuid4().hex[:4]}"
        self.folder = self.store.path / RUNS / run_id
        self.started = time.time()

    def run(
        self, *, listeners: Sequence[Listener], memory: int | str | None, **options: Any
    ) -> Run:
        """Run what is not cached, and write down what came of it."""
        started = time.monotonic()
        for work in self.works:
            if work.accepted is not None:
                work.accepted.record()
        report = self._compute(listeners=listeners, memory=memory, **options)
        steps = [self.step(work, report) for work in self.works]
        seconds = time.monotonic() - started
        done = Run(steps, self.results(), seconds, self.store.path, self.folder)
        self.record(done)
        return done

    def _compute(
        self, *, listeners: Sequence[Listener], memory: int | str | None, **options: Any
    ) -> Report | None:
        tasks: list[BlockTask] = []
        try:
            for work in self.works:
                if work.status != "cached" and work.is_kept:
                    tasks.extend(self._builder.tasks(work))
            if not tasks:
                return None
            specs = [work.call.spec for work in self.works]
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
            for work in self.works:
                self._bind(work)

    def on_event(self, event: Event) -> None:
        """Commit a step when its last task is done."""
        if isinstance(event, TaskDone) and event.task in self._by_task:
            self._commit(self._by_task[event.task], event.seconds)

    def _commit(self, work: Work, seconds: float) -> None:
        commits_itself = work.has_finish or work.call.spec.kind == "step"
        if work.call.keys is not None or commits_itself:
            return
        n_done = int((Journal.read(work.entry.journal) != 0).sum())
        if n_done + self._skipped(work) == work.n_blocks:
            said = {"seconds": seconds, JOURNALLED: n_done}
            work.entry.commit({**said, **shard_record(work.entry)})

    def _skipped(self, work: Work) -> int:
        chosen = work.call.block_step().chosen()
        return 0 if chosen is None else int((~chosen).sum())

    def _bind(self, work: Work) -> None:
        """Let the lazy results read from the store."""
        if work.call.keys is not None:
            by_key = dict(zip(work.call.keys, work.member_keys, strict=True))
            work.call.bind(StoredItems.of(work.entry, work.call.spec, by_key))
            return
        if work.status != "cached" and work.is_kept and work.entry.status == "partial":
            self._commit(work, 0.0)  # all its blocks were done, and a stopped run did not say so
        if work.entry.status == "complete":
            work.call.bind(StoredResult(work.entry))

    def step(self, work: Work, report: Report | None) -> RunStep:
        """Return what came of a step."""
        if report is None or work.task not in report.tasks:
            n_done = work.n_blocks if work.status == "cached" else 0
            if not work.is_kept:
                return RunStep(work.task, work.n_blocks, work.n_blocks, 0, 0, 0, 0.0)
            return RunStep(work.task, work.n_blocks, n_done, n_done, 0, 0, 0.0)
        task = report.tasks[work.task]
        n_failed, n_orphaned, seconds = task.n_failed, task.n_orphaned, task.seconds
        failures = task.failures
        if work.has_finish:
            end = report.tasks[work.finish_task]
            n_failed += end.n_failed
            failures += end.failures
            seconds += end.seconds
        return RunStep(
            work.task,
            task.n_blocks,
            task.n_done + task.n_skipped,
            task.n_cached,
            n_failed,
            n_orphaned,
            seconds,
            failures,
            task.slowest,
            work.call.keys or (),
        )

    def results(self) -> dict[str, Any]:
        """Return the results by the names of their steps."""
        found: dict[str, Any] = {}
        for work in self.works:
            call = work.call
            kinds = COLLECTION if call.keys is not None else SINGLE
            outputs = tuple(kinds[kind](call, n) for n, kind in enumerate(call.spec.outputs))
            found[work.task] = outputs if call.spec.packed else outputs[0]
        return found

    def record(self, done: Run) -> None:
        """Write down the run, and the joined tables of collections."""
        for work in self.works:
            if work.call.keys is not None and (work.status != "cached" or work.is_listed_anew):
                self._record_collection(work)
        steps = [
            {
                **self._said(work),
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
            for step, work in zip(done.steps, self.works, strict=True)
        ]
        self._write({"ok": done.ok, "seconds": round(done.seconds, 3), "steps": steps})

    def announce(self) -> bool:
        """Write down which results the run needs, so that nobody takes them away.

        Returns
        -------
        bool
            Whether those that the plan has found are still there.
        """
        with announcing(self.store):
            self._write({"ok": None, "seconds": None, "steps": [*map(self._said, self.works)]})
            for lock in dead_locks(self.store.path / RUNS):
                lock.unlink(missing_ok=True)
            found = (work.entry for work in self.works if work.status == "cached")
            return all(entry.path.is_dir() for entry in found)

    def _said(self, work: Work) -> dict[str, Any]:
        return {
            "name": work.task,
            "key": work.key.key,
            "entry": str(work.entry.path.relative_to(self.store.path)),
            "status": work.status,
            "reason": work.reason,
        }

    def _write(self, said: Mapping[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"started": self.started, **said}, indent=1)
            (self.folder / RUN).write_text(text + "\n")
        except OSError as error:
            raise StoreError(
                "a run is written down in its store", value=str(error), place=str(self.folder)
            ) from error

    def _record_collection(self, work: Work) -> None:
        """Write which members belong together, and tables in one piece for people to read."""
        call = work.call
        items = call.stored
        if not isinstance(items, StoredItems):
            return
        members = {key: member for key, member in items.member_keys.items() if items.has(key)}
        if work.entry.recipe is None:
            work.entry.begin(self._builder.planner.recipe(work).stamped(), keeps_items=True)
        work.entry.distrust()
        text = json.dumps({"outputs": list(call.spec.outputs), "members": members}, indent=0)
        work.entry.write(MEMBERS, text.encode())
        for output, kind in enumerate(call.spec.outputs):
            if kind != "table":
                continue
            rows = ((key, items.member(key).value(output)) for key in members)  # type: ignore[union-attr]
            work.entry.save(concatenate(rows, call.groups), output_names(call.spec.outputs)[output])
        if len(members) == len(call.keys or ()):
            work.entry.commit()

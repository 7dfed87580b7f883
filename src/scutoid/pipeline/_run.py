"""Running a plan: entries are begun, blocks are handed to the engine, results are committed."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid.blocks import (
    BlockTask,
    BlockTime,
    EventLog,
    Failure,
    Journal,
    Report,
    parse_bytes,
    run_blocks,
)
from scutoid.errors import PipelineError, RunFailed, StoreError
from scutoid.events import Event, Listener, StepAwaited, TaskDone
from scutoid.geometry import BlockGrid, Roi
from scutoid.pipeline._collections import COLLECTION
from scutoid.pipeline._evaluate import concatenate
from scutoid.pipeline._lazy import SINGLE
from scutoid.pipeline._plan import Plan
from scutoid.pipeline._planner import Planner, Work, flatten
from scutoid.pipeline._stored import (
    MEMBERS,
    StoredItems,
    StoredResult,
    output_names,
)
from scutoid.pipeline._tasks import TaskBuilder
from scutoid.store import EntryStore, Lock

_NOTED = 100
_PATIENCE_SECONDS = 60.0
_WORTH_TELLING = 1.0
EVENTS = "events.jsonl"
LOGS = "logs"
_ONE = BlockGrid(Roi((0,), (1,)), 1)


@dataclass(frozen=True, slots=True)
class RunStep:
    """What came of one step."""

    name: str
    """Name in the store and in reports."""
    n_blocks: int
    """Blocks, or members of a collection."""
    n_done: int
    """Those that are done now."""
    n_cached: int
    """Those of them that did not run, because they were done before."""
    n_failed: int
    """Those that failed at every attempt."""
    n_orphaned: int
    """Those that did not run, because what they depend on failed."""
    seconds: float
    """From the first batch to the last, in seconds."""
    failures: tuple[Failure, ...] = ()
    """The first failures."""
    slowest: tuple[BlockTime, ...] = ()
    """The blocks that took longest."""
    members: tuple[str, ...] = ()
    """Keys of the members, in the order of the blocks, where the step ran on a collection."""

    def label(self, index: int) -> str:
        """Name a block: by its number, or by the member that it is."""
        return f"member {self.members[index]!r}" if self.members else f"block {index}"

    def place(self, failure: Failure) -> str:
        """Say where a failure happened: which block, member or set-up."""
        if failure.index < 0:
            return "set-up"
        where = f" {failure.write_roi}" if failure.write_roi and not self.members else ""
        return f"{self.label(failure.index)}{where}"


class Run:
    """What came of a run; results are indexed by the names of their steps."""

    def __init__(
        self,
        steps: Sequence[RunStep],
        results: Mapping[str, Any],
        seconds: float,
        store: Path,
        folder: Path,
    ) -> None:
        self.steps = tuple(steps)
        self.seconds = seconds
        self.store = store
        self.folder = folder
        self._results = dict(results)

    @property
    def ok(self) -> bool:
        """Whether all that was asked for is done."""
        return all(
            s.n_failed == 0 and s.n_orphaned == 0 and s.n_done >= s.n_blocks for s in self.steps
        )

    def __getitem__(self, name: str) -> Any:
        if name not in self._results:
            raise PipelineError(
                "a run is indexed by the names of its steps",
                value=name,
                remedy=", ".join(self._results),
            )
        return self._results[name]

    def step(self, name: str) -> RunStep:
        """Return what came of one step."""
        return {step.name: step for step in self.steps}[name]

    def summary(self) -> str:
        """Return a line a step, then the first failures."""
        lines = []
        for step in self.steps:
            counts = [f"{step.n_done} of {step.n_blocks} blocks done"]
            for number, word in (
                (step.n_cached, "cached"),
                (step.n_failed, "failed"),
                (step.n_orphaned, "not run, because what they need failed"),
            ):
                if number:
                    counts.append(f"{number} {word}")
            lines.append(f"{step.name}: {', '.join(counts)}, {step.seconds:.1f} s")
            if step.slowest and step.slowest[0].seconds >= _WORTH_TELLING:
                slow = (f"{step.label(b.index)} ({b.seconds:.1f} s)" for b in step.slowest[:3])
                lines.append(f"    slowest: {', '.join(slow)}")
        for step in self.steps:
            for failure in step.failures[:3]:
                lines.append(f"{step.name}, {step.place(failure)}: {failure.error}")
                lines.extend(
                    f"    {line}" for line in failure.traceback.rstrip().splitlines()[-12:]
                )
        if not self.ok and (self.folder / LOGS).is_dir():
            lines.append(f"what the workers printed: {self.folder / LOGS}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        word = "done" if self.ok else "with failures"
        return f"Run({len(self.steps)} steps, {word}, {self.seconds:.1f} s)"


def plan(
    *targets: Any,
    store: str | os.PathLike[str],
    block: object = None,
    memory: int | str | None = None,
    force: Iterable[str] = (),
    accept: Iterable[str] = (),
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
        EntryStore(store), block=block, force=force, accept=accept, memory=_bytes(memory)
    )
    planner.plan(flatten(targets))
    planner.memo.save()
    return planner.summary()


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
        Block shape for all steps that do not give one.
    on_failure : {"raise", "return"} or int
        "raise" raises `RunFailed` at the end; a number stops at that many failures.
    force : iterable of str
        Names of steps to run again.
    accept : iterable of str
        Names of steps whose nearest earlier result is taken as good although its key differs, such
        as after a change of code that changes no value.  The store keeps a record of it.
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
    started = time.monotonic()
    entry_store = EntryStore(store)
    entry_store.check_writable()
    with ExitStack() as held:
        planner, works = _plan_alone(
            held,
            lambda: Planner(
                entry_store, block=block, force=force, accept=accept, memory=_bytes(memory)
            ),
            flatten(targets),
            listeners,
        )
        for work in works:
            if work.accepted is not None:
                work.accepted.record()
        runner = _Runner(planner, works)
        report = runner.run(
            workers=len(os.sched_getaffinity(0)) if workers is None else workers,
            executor=executor,
            memory=memory,
            on_failure=on_failure if isinstance(on_failure, int) else "return",
            resources=resources,
            listeners=listeners,
        )
        steps = [runner.step(work, report) for work in works]
        seconds = time.monotonic() - started
        done = Run(steps, runner.results(), seconds, entry_store.path, runner.folder)
        runner.record(done)
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


def _plan_alone(
    held: ExitStack,
    new_planner: Callable[[], Planner],
    targets: Sequence[Any],
    listeners: Sequence[Listener],
) -> tuple[Planner, list[Work]]:
    """Plan, and hold the locks of all that is to be made; first wait for who is making some of it.

    While it waits it holds nothing, so that two runs never wait for each other.
    """
    while True:
        planner = new_planner()
        works = planner.plan(targets)
        planner.memo.save()
        with ExitStack() as taken:
            busy = _take_locks(taken, works)
            if busy is None:
                held.push(taken.pop_all())
                return planner, works
        name, lock = busy
        for listener in listeners:
            listener.on_event(StepAwaited(time.time(), name, str(lock.owner)))
        while not lock.wait(_PATIENCE_SECONDS):
            pass


def _take_locks(taken: ExitStack, works: Sequence[Work]) -> tuple[str, Lock] | None:
    """Lock every result that is to be made; or give the first that another process makes."""
    to_make = {work.entry.path: work for work in works if work.status != "cached" and work.is_kept}
    for path in sorted(to_make):
        lock = Lock(path)
        if not lock.acquire():
            return to_make[path].task, lock
        taken.callback(lock.release)
    return None


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
        self.folder = self.store.path / "runs" / run_id

    def run(
        self, *, listeners: Sequence[Listener], memory: int | str | None, **options: Any
    ) -> Report | None:
        """Run what is not cached."""
        tasks: list[BlockTask] = []
        try:
            for work in self.works:
                if work.status != "cached" and work.is_kept:
                    tasks.extend(self._builder.tasks(work))
            if not tasks:
                return None
            with EventLog(self.folder / EVENTS) as log:
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
            work.entry.commit({"seconds": seconds})

    def _skipped(self, work: Work) -> int:
        chosen = work.call.block_step().chosen()
        return 0 if chosen is None else int((~chosen).sum())

    def _bind(self, work: Work) -> None:
        """Let the lazy results read from the store."""
        if work.call.keys is not None:
            by_key = dict(zip(work.call.keys, work.member_keys, strict=True))
            work.call.bind(StoredItems.of(work.entry, work.call.spec, by_key))
        elif work.entry.status == "complete":
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
            if work.call.keys is not None and work.status != "cached":
                self._record_collection(work)
        steps = [
            {
                "name": step.name,
                "key": work.key.key,
                "entry": str(work.entry.path.relative_to(self.store.path)),
                "status": work.status,
                "reason": work.reason,
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
        said = {"ok": done.ok, "seconds": round(done.seconds, 3), "steps": steps}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "run.json").write_text(json.dumps(said, indent=1) + "\n")
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
        text = json.dumps({"outputs": list(call.spec.outputs), "members": members}, indent=0)
        work.entry.write(MEMBERS, text.encode())
        for output, kind in enumerate(call.spec.outputs):
            if kind != "table":
                continue
            rows = ((key, items.member(key).value(output)) for key in members)  # type: ignore[union-attr]
            work.entry.save(concatenate(rows, call.groups), output_names(call.spec.outputs)[output])
        if len(members) == len(call.keys or ()):
            work.entry.commit()

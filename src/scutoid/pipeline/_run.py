"""Running a plan: entries are begun, blocks are handed to the engine, results are committed."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scutoid.arrays import SourceIdentity, create_image, open_source
from scutoid.blocks import (
    After,
    BlockTask,
    Failure,
    Journal,
    Report,
    parse_bytes,
    run_blocks,
)
from scutoid.errors import PipelineError, RunFailed, StoreError
from scutoid.events import Event, Listener, TaskDone
from scutoid.geometry import BlockGrid, Roi
from scutoid.pipeline._evaluate import concatenate
from scutoid.pipeline._lazy import COLLECTION, SINGLE, Collection, Gathered, Image, Lazy
from scutoid.pipeline._plan import Plan, Planner, Work, flatten, memory_of
from scutoid.pipeline._producers import (
    Call,
    Constant,
    ConstantCollection,
    Member,
    Opened,
    OpenedFolder,
)
from scutoid.pipeline._stored import (
    BLOCKS,
    ITEMS,
    MEMBERS,
    FromStore,
    StoredItem,
    StoredItems,
    StoredResult,
    image_file,
    output_names,
)
from scutoid.pipeline._view import ViewSource
from scutoid.pipeline._work import (
    BlockInputs,
    BlockWork,
    ComputedImage,
    FinishWork,
    FolderInput,
    GatheredMembers,
    Held,
    ItemInput,
    MemberWork,
    StepWork,
    ValueInput,
    WholeImage,
)
from scutoid.store import EntryStore, Pack

_NOTED = 100
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
    members: tuple[str, ...] = ()
    """Keys of the members, in the order of the blocks, where the step ran on a collection."""

    def place(self, failure: Failure) -> str:
        """Say where a failure happened: which block, member or set-up."""
        if failure.index < 0:
            return "set-up"
        if self.members:
            return f"member {self.members[failure.index]!r}"
        where = f" {failure.write_roi}" if failure.write_roi is not None else ""
        return f"block {failure.index}{where}"


class Run:
    """What came of a run; results are indexed by the names of their steps."""

    def __init__(
        self, steps: Sequence[RunStep], results: Mapping[str, Any], seconds: float, store: Path
    ) -> None:
        self.steps = tuple(steps)
        self.seconds = seconds
        self.store = store
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
        for step in self.steps:
            for failure in step.failures[:3]:
                lines.append(f"{step.name}, {step.place(failure)}: {failure.error}")
                lines.extend(
                    f"    {line}" for line in failure.traceback.rstrip().splitlines()[-12:]
                )
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

    Returns
    -------
    Plan
        `.steps`, each with `.name`, `.status`, `.reason`, `.n_blocks`, `.n_done`.

    Raises
    ------
    ScutoidError
        If the pipeline cannot run as it stands.
    """
    planner = Planner(EntryStore(store), block=block, force=force, memory=_bytes(memory))
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
        Default: the cores that this process may use.
    executor : {"processes", "threads", "serial"} or Executor
        Where blocks are computed.
    memory : int or str, optional
        Bytes that all running blocks may take together, such as "4GB".
    block : int or sequence, optional
        Block shape for all steps that do not give one.
    on_failure : {"raise", "return"} or int
        "raise" raises `RunFailed` at the end; a number stops at that many failures.
    force : iterable of str
        Names of steps to run again.
    accept : iterable of str
        Names of steps whose newest result is taken as good, although its key differs.
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
    planner = Planner(entry_store, block=block, force=force, memory=_bytes(memory))
    if tuple(accept):
        raise PipelineError(
            "results of other keys cannot be accepted yet",
            value=tuple(accept),
            remedy="run the steps again, or give them version=",
        )
    works = planner.plan(flatten(targets))
    planner.memo.save()
    runner = _Runner(planner, works)
    report = runner.run(
        workers=workers or len(os.sched_getaffinity(0)),
        executor=executor,
        memory=memory,
        on_failure=on_failure if isinstance(on_failure, int) else "return",
        listeners=listeners,
    )
    steps = [runner.step(work, report) for work in works]
    done = Run(steps, runner.results(), time.monotonic() - started, entry_store.path)
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


def _bytes(memory: int | str | None) -> int | None:
    return None if memory is None else parse_bytes(memory)


class _Runner:
    """Turns planned steps into tasks of the block engine, and their outcome into results."""

    def __init__(self, planner: Planner, works: Sequence[Work]) -> None:
        self.planner = planner
        self.store = planner.store
        self.works = list(works)
        self._by_task = {work.finish_task: work for work in works}
        self._packs: list[Pack] = []
        self._started: dict[str, float] = {}
        self._computed: dict[int, ComputedImage] = {}
        self._id = f"{time.strftime('%Y-%m-%dT%H-%M-%S')}_{uuid.uuid4().hex[:4]}"

    def run(
        self, *, listeners: Sequence[Listener], memory: int | str | None, **options: Any
    ) -> Report | None:
        """Run what is not cached."""
        tasks: list[BlockTask] = []
        try:
            for work in self.works:
                if work.status != "cached" and work.is_kept:
                    tasks.extend(self._tasks(work))
            if not tasks:
                return None
            return run_blocks(tasks, memory=memory, listeners=[self, *listeners], **options)
        finally:
            for pack in self._packs:
                pack.close()
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
        where = work.call.spec.options.where
        if where is None:
            return 0
        task = BlockTask("where", print, work.call.layout().grid, where=where)  # type: ignore[arg-type]
        chosen = task.chosen()
        return 0 if chosen is None else int((~chosen).sum())

    def _tasks(self, work: Work) -> list[BlockTask]:
        if work.call.keys is not None:
            return [self._member_task(work)]
        if work.restarts:
            work.entry.clear()
        work.entry.begin(self.planner.recipe(work).stamped())
        if work.call.spec.kind == "step":
            return [self._step_task(work)]
        return self._block_tasks(work)

    def _options(self, work: Work) -> dict[str, Any]:
        options = work.call.spec.options
        return {
            "retries": options.retries,
            "timeout": options.timeout,
            "requires": options.requires,
            "setup": dict(work.call.spec.setup) or None,
        }

    def _block_tasks(self, work: Work) -> list[BlockTask]:
        call, spec = work.call, work.call.spec
        layout = call.layout()
        frames = [
            call.framed(number) if kind == "image" else None
            for number, kind in enumerate(spec.outputs)
        ]
        packs = any(kind != "image" for kind in spec.outputs)
        pack = Pack(work.entry.path / BLOCKS, "a") if packs else None
        if pack is not None:
            self._packs.append(pack)
        task = BlockTask(
            work.task,
            BlockWork(
                self._block_inputs(call),
                tuple(self._writers(work)),
                tuple(None if f is None else f.spec.shape for f in frames),
                tuple(None if f is None else f.offset for f in frames),
            ),
            layout.grid,
            after=self._edges(call),
            where=spec.options.where,  # type: ignore[arg-type]
            journal=work.entry.journal,
            collect=None if pack is None else partial(_collect_blocks, pack),
            bytes_per_block=memory_of(work),
            **self._options(work),
        )
        if not work.has_finish:
            return [task]
        params = {name: self._held(value) for name, value in call.params.items()}
        finish = BlockTask(
            work.finish_task,
            FinishWork(call.block_step(), params, work.entry, Pack(work.entry.path / BLOCKS)),
            _ONE,
            after=(After.all(work.task, layout.grid.ndim),),
            retries=spec.options.retries,
        )
        return [task, finish]

    def _writers(self, work: Work) -> list[Any]:
        """Create the images of a step's entry, or open those that a stopped run began."""
        call, spec = work.call, work.call.spec
        storage = spec.options.storage
        image_format = storage.format or "zarr"
        writers: list[Any] = []
        for number, (kind, name) in enumerate(
            zip(spec.outputs, output_names(spec.outputs), strict=True)
        ):
            if kind != "image":
                writers.append(None)
                continue
            framed = call.framed(number)
            block = tuple(framed.spec.shape)
            if spec.kind != "step":
                layout = call.layout()
                full = layout.grid.block_shape
                sized = Roi(layout.grid.total.offset, full)
                block = tuple(layout.output_roi(sized, framed.spec.shape).shape)
            writers.append(
                create_image(
                    work.entry.path / image_file(name, image_format),
                    framed.spec,
                    format=image_format,
                    block=block,
                    storage=storage,
                    label=spec.labels and framed.spec.dtype != bool,
                )
            )
        return writers

    def _step_task(self, work: Work) -> BlockTask:
        call, spec = work.call, work.call.spec
        return BlockTask(
            work.task,
            StepWork(
                spec=spec,
                inputs=tuple(self._whole(item) for item in call.inputs),
                params={name: self._held(value) for name, value in call.params.items()},
                entry=work.entry,
                frames=tuple(
                    call.framed(n) if kind == "image" else None
                    for n, kind in enumerate(spec.outputs)
                ),
                writers=tuple(self._writers(work)),
                voxel_size=call.voxel_size,
                origin=call.origin,
                where=call.parts_grid,
                pack=work.entry.path / BLOCKS,
            ),
            _ONE,
            after=self._edges(call),
            bytes_per_block=memory_of(work),
            **self._options(work),
        )

    def _member_task(self, work: Work) -> BlockTask:
        call = work.call
        keys = call.keys or ()
        if work.entry.status == "absent":
            work.entry.begin(self.planner.recipe(work).stamped())
        pack = Pack(work.entry.path / ITEMS, "a")
        self._packs.append(pack)
        needed = None
        if work.needed is not None and work.done is not None:
            needed = work.needed | work.done
        return BlockTask(
            work.task,
            MemberWork(
                spec=call.spec,
                keys=keys,
                member_keys=work.member_keys,
                inputs=tuple(self._member_input(item, keys) for item in call.inputs),
                params={n: self._member_input(value, keys) for n, value in call.params.items()},
                folder=work.entry.path,
            ),
            BlockGrid(Roi((0,), (len(keys),)), 1),
            after=self._edges(call),
            done=work.done,
            where=needed,
            collect=partial(_collect_members, pack, work.member_keys),
            **self._options(work),
        )

    def _edges(self, call: Call) -> tuple[After, ...]:
        """Return what a call waits for."""
        edges: dict[str, After] = {}
        for item in (*call.inputs, *call.params.values()):
            lazy = item.collection if isinstance(item, Gathered) else item
            if isinstance(lazy, Lazy):
                for edge in self._edge(call, lazy, is_whole=isinstance(item, Gathered)):
                    known = edges.setdefault(edge.task, edge)
                    if known != edge:
                        edges[edge.task] = _wider(known, edge)
        return tuple(edges.values())

    def _edge(self, call: Call, lazy: Lazy, *, is_whole: bool) -> list[After]:
        work = self.planner.work(lazy)
        if work is None or work.status == "cached":
            return []
        upstream = work.call
        if not work.is_kept:
            return [_whole(edge) for edge in self._edges(upstream)]
        if upstream.keys is not None:
            aligned = not is_whole and call.keys == upstream.keys and isinstance(lazy, Collection)
            return [After(work.task) if aligned else After.all(work.task, 1)]
        if upstream.spec.kind == "step" or (
            work.has_finish and lazy.kind not in {"image", "parts"}
        ):
            return [After.all(work.finish_task, 1)]
        grid_axes = upstream.layout().axes
        if call.keys is not None or call.spec.kind == "step":
            return [After.all(work.task, len(grid_axes))]
        return [After(work.task, self._axes_map(call, upstream, lazy))]

    def _axes_map(self, call: Call, upstream: Call, lazy: Lazy) -> tuple[int | None, ...]:
        """Tell for each axis of the upstream grid which axis of this grid it is, in one frame."""
        layout, above = call.layout(), upstream.layout()
        found: list[int | None] = []
        for axis in above.axes:
            place = layout.axes.find(axis)
            same_frame = place >= 0
            if same_frame and isinstance(lazy, Image):
                same_frame = axis in lazy.axes and (
                    lazy.framed.offset[lazy.axes.index(axis)] == layout.image.offset[place]
                )
            found.append(place if same_frame else None)
        return tuple(found)

    def _block_inputs(self, call: Call) -> BlockInputs:
        step = call.block_step()
        inputs = []
        for position, item in enumerate(call.inputs):
            is_image = isinstance(item, Image) and step.layout.inputs[position] is not None
            inputs.append(self._readable(item) if is_image else self._held(item))  # type: ignore[arg-type]
        params = {name: self._held(value) for name, value in call.params.items()}
        return BlockInputs(step, tuple(inputs), params)

    def _readable(self, image: Image) -> Any:
        """Return what a worker reads an image from."""
        producer = image.producer
        source: Any
        if isinstance(producer, Member):
            return self._readable(Image(self._member(producer), image.output, image.view))
        if isinstance(producer, Opened):
            source = producer.source
        elif isinstance(producer, Call):
            work = self.planner.work(image)
            if work is not None and not work.is_kept and work.status != "cached":
                source = self._computed_image(work, image.output)
            elif work is not None:
                source = StoredResult(work.entry).image(image.output)
        else:
            source = producer.stored.image(image.output)  # type: ignore[attr-defined]
        return source if image.view is None else ViewSource(source, image.view)

    def _computed_image(self, work: Work, output: int) -> ComputedImage:
        if id(work) not in self._computed:
            framed = work.call.framed(output)
            given = self._block_inputs(work.call)
            self._computed[id(work)] = ComputedImage(given, output, framed.spec, framed.offset)
        return self._computed[id(work)]

    def _member(self, producer: Member) -> Any:
        """Return one member of a collection as a single producer."""
        collection = producer.collection
        if not isinstance(collection, Call):
            return producer.single
        work = self.planner.work(Lazy(producer))
        if work is None:
            raise PipelineError("a member belongs to a planned collection", value=producer.name)
        return FromStore(
            producer.name,
            self.planner.keys.member(collection, producer.key),
            StoredItem(
                work.entry.path,
                collection.spec.outputs,
                Pack(work.entry.path / ITEMS),
                self.planner.keys.member(collection, producer.key),
            ),
            collection.spec.outputs,
        )

    def _held(self, value: object) -> object:
        """Return a value as a worker gets it: loaded there if a step makes it."""
        if isinstance(value, Gathered):
            collection = value.collection
            given = self._member_input(collection, collection.keys)
            return Held(partial(GatheredMembers, given, collection.keys))
        if not isinstance(value, Lazy):
            return value
        producer = value.producer
        if isinstance(value, Image):
            return Held(WholeImage(self._readable(value), value.shape))
        if isinstance(producer, Member):
            producer = self._member(producer)
        if isinstance(producer, Constant):
            return producer.value
        if isinstance(producer, Call):
            work = self.planner.work(value)
            if work is None:
                raise PipelineError("a value belongs to a planned step", value=value.name)
            return Held(partial(StoredResult(work.entry).value, value.output))
        return Held(partial(producer.stored.value, value.output))  # type: ignore[attr-defined]

    def _whole(self, item: object) -> object:
        return self._held(item)

    def _items(self, collection: Collection) -> StoredItems | None:
        work = self.planner.work(collection)
        if work is None:
            return None
        by_key = dict(zip(work.call.keys or (), work.member_keys, strict=True))
        return StoredItems.of(work.entry, work.call.spec, by_key)

    def _member_input(self, item: object, keys: Sequence[str]) -> object:
        if not isinstance(item, Collection):
            return self._single_for_members(item)
        producer = item.producer
        if isinstance(producer, OpenedFolder):
            paths = tuple(producer.paths[key] for key in keys)
            return FolderInput(paths, partial(_open_file, producer.options, producer.reader))
        if isinstance(producer, ConstantCollection):
            return ValueInput(tuple(producer.by_key[key] for key in keys))
        if isinstance(producer, FromStore):
            return ItemInput(producer.stored, tuple(keys), item.kind, item.output)
        items = self._items(item)
        return ItemInput(items, tuple(keys), item.kind, item.output)

    def _single_for_members(self, item: object) -> object:
        """Return a single input that every member gets, as something that can be sent."""
        if isinstance(item, Image):
            return Image(Opened(_Sourced(self._readable(item), item.framed.spec), item.name))
        if isinstance(item, Lazy):
            held = self._held(item)
            if isinstance(held, Held):
                return SINGLE[item.kind](_HeldProducer(item.name, held))
            return held
        return item

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
        folder = self.store.path / "runs" / self._id
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
            }
            for step, work in zip(done.steps, self.works, strict=True)
        ]
        said = {"ok": done.ok, "seconds": round(done.seconds, 3), "steps": steps}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "run.json").write_text(json.dumps(said, indent=1) + "\n")
        except OSError as error:
            raise StoreError(
                "a run is written down in its store", value=str(error), place=str(folder)
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


def _collect_blocks(pack: Pack, results: Sequence[tuple[int, object]]) -> None:
    pack.append_many([(index, {}, payload) for index, payload in results])  # type: ignore[misc]


def _collect_members(
    pack: Pack, members: Sequence[str], results: Sequence[tuple[int, object]]
) -> None:
    pack.append_many([(members[index], *result) for index, result in results])  # type: ignore[misc]


def _open_file(options: Mapping[str, Any], read: Callable[[str], Any] | None, path: str) -> Opened:
    source = open_source(path if read is None else read(path), **options)
    return Opened(source, Path(path).name)


def _wider(a: After, b: After) -> After:
    """Return an edge that waits for what both wait for."""
    if a.axes is None or b.axes is None:
        return a if b.axes is None else b
    axes = tuple(x if x == y else None for x, y in zip(a.axes, b.axes, strict=True))
    return After(a.task, axes)


def _whole(edge: After) -> After:
    """Return an edge that waits for the whole of the same task."""
    return edge if edge.axes is None else After(edge.task, (None,) * len(edge.axes))


class _Sourced:
    """Something readable with a description, as an opened image wants it."""

    def __init__(self, source: Any, spec: Any) -> None:
        self.source = source
        self.spec = spec
        self.chunks = tuple(spec.shape)
        self.levels = 1
        self.identity = SourceIdentity("array")

    def read(self, roi: Roi) -> Any:
        """Read a region."""
        return self.source.read(roi)


class _HeldProducer(Constant):
    """A value that a worker loads when it first needs it, as a producer."""

    def __init__(self, name: str, held: Held) -> None:
        self.name = name
        self._held = held

    @property
    def value(self) -> object:  # type: ignore[override]
        """The value."""
        return self._held.load()

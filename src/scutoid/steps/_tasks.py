"""Planned steps as tasks of the block engine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from scutoid.arrays import create_image
from scutoid.blocks import After, BlockTask, Journal
from scutoid.errors import StoreError
from scutoid.geometry import BlockGrid, Roi
from scutoid.steps._edges import Edges
from scutoid.steps._handover import Handover
from scutoid.steps._inputs import WorkerInputs
from scutoid.steps._members import MemberWork
from scutoid.steps._needs import memory_of
from scutoid.steps._planner import Planner, Work
from scutoid.steps._stored import BLOCKS, ITEMS, image_file, output_names
from scutoid.steps._work import BlockWork, FinishWork, StepWork
from scutoid.store import Pack

_ONE = BlockGrid(Roi((0,), (1,)), 1)


class TaskBuilder:
    """Begins the entries of planned steps and makes their tasks.

    The packs that the driver writes stay open until `close`.
    """

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self._edges = Edges(planner)
        self._inputs = WorkerInputs(planner)
        self._packs: list[Pack] = []
        self._handovers: list[Handover] = []

    def close(self) -> None:
        """Close the packs, and forget what nobody has read."""
        for pack in self._packs:
            pack.close()
        for handover in self._handovers:
            handover.close()

    def tasks(self, work: Work) -> list[BlockTask]:
        """Begin the entry of a step, and return its tasks."""
        if work.call.keys is not None:
            return [self._member_task(work)]
        if work.restarts:
            work.entry.clear()
        elif work.lost is not None:
            Journal.forget(work.entry.journal, work.lost)
        work.entry.begin(self.planner.recipe(work).stamped())
        try:
            writers = tuple(self._writers(work))
        except StoreError:
            if work.restarts:
                raise
            # What a stopped run left cannot be continued, for its metadata are damaged.
            work.entry.clear()
            work.entry.begin(self.planner.recipe(work).stamped())
            writers = tuple(self._writers(work))
        if work.call.spec.kind == "step":
            return [self._step_task(work, writers)]
        return self._block_tasks(work, writers)

    def _options(self, work: Work) -> dict[str, Any]:
        options = work.call.spec.options
        return {
            "retries": options.retries,
            "timeout": options.timeout,
            "requires": options.requires,
            "setup": dict(work.call.spec.setup) or None,
        }

    def _block_tasks(self, work: Work, writers: tuple[Any, ...]) -> list[BlockTask]:
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
        handover = self._inputs.handover_of(work)
        if handover is not None:
            self._handovers.append(handover)
        task = BlockTask(
            work.task,
            BlockWork(
                self._inputs.of_blocks(call),
                writers,
                tuple(None if f is None else f.spec.shape for f in frames),
                tuple(None if f is None else f.offset for f in frames),
                self._own_image(work) if spec.sees_neighbours else None,
                handover,
            ),
            self._edges.grid(call),
            conflict=spec.sees_neighbours,
            after=self._edges.of(call),
            where=call.block_step().chosen(),
            journal=work.entry.journal,
            collect=None if pack is None else partial(_collect_blocks, pack),
            bytes_per_block=memory_of(work.call),
            **self._options(work),
        )
        if not work.has_finish:
            return [task]
        params = {name: self._inputs.held(value) for name, value in call.params.items()}
        finish = BlockTask(
            work.finish_task,
            FinishWork(call.block_step(), params, work.entry, Pack(work.entry.path / BLOCKS)),
            _ONE,
            after=(After.all(work.task, layout.grid.ndim),),
            retries=spec.options.retries,
        )
        return [task, finish]

    def _own_image(self, work: Work) -> str:
        """Where the image of a step lies that sees its neighbours."""
        outputs = work.call.spec.outputs
        name = output_names(outputs)[outputs.index("image")]
        image_format = work.call.spec.options.storage.format or "zarr"
        return str(work.entry.path / image_file(name, image_format))

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

    def _step_task(self, work: Work, writers: tuple[Any, ...]) -> BlockTask:
        call, spec = work.call, work.call.spec
        return BlockTask(
            work.task,
            StepWork(
                spec=spec,
                inputs=tuple(self._inputs.held(item) for item in call.inputs),
                params={name: self._inputs.held(value) for name, value in call.params.items()},
                entry=work.entry,
                frames=tuple(
                    call.framed(n) if kind == "image" else None
                    for n, kind in enumerate(spec.outputs)
                ),
                writers=writers,
                voxel_size=call.voxel_size,
                origin=call.origin,
                where=call.parts_grid,
                pack=work.entry.path / BLOCKS,
            ),
            _ONE,
            after=self._edges.of(call),
            bytes_per_block=memory_of(work.call),
            **self._options(work),
        )

    def _member_task(self, work: Work) -> BlockTask:
        call = work.call
        keys = call.keys or ()
        if work.entry.status == "absent":
            work.entry.begin(self.planner.recipe(work).stamped(), keeps_items=True)
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
                inputs=tuple(self._inputs.of_members(item, keys) for item in call.inputs),
                params={
                    n: self._inputs.of_members(value, keys) for n, value in call.params.items()
                },
                folder=work.entry.path,
            ),
            BlockGrid(Roi((0,), (len(keys),)), 1),
            after=self._edges.of(call),
            is_done=work.done,
            where=needed,
            collect=partial(_collect_members, pack, work.member_keys),
            **self._options(work),
        )


def _collect_blocks(pack: Pack, results: Sequence[tuple[int, object]]) -> None:
    pack.append_many([(index, {}, payload) for index, payload in results])  # type: ignore[misc]


def _collect_members(
    pack: Pack, members: Sequence[str], results: Sequence[tuple[int, object]]
) -> None:
    pack.append_many([(members[index], *result) for index, result in results])  # type: ignore[misc]

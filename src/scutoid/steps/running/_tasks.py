"""Planned steps as tasks of the block engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays import ImageWriter, ObjectWriter, create_image, writer_to_url
from scutoid.blocks import After, BlockTask, Journal
from scutoid.errors import StoreError
from scutoid.geometry import BlockGrid, Roi
from scutoid.steps.compute import own_columns
from scutoid.steps.graph import BlockCall, Call, MappedCall, memory_of
from scutoid.steps.layout import Framed
from scutoid.steps.planning import PlannedCall, PlannedRun
from scutoid.steps.results import (
    BLOCKS,
    ITEMS,
    BlockSegments,
    DigestWriter,
    NoteWriter,
    image_file,
    keep_noted_shards,
    notes_file,
    output_names,
    remove_misfits,
    settle_display,
    settle_notes,
    shard_record,
)
from scutoid.steps.running._collections import begin_members
from scutoid.steps.running._drafts import Drafts
from scutoid.steps.running._edges import Edges
from scutoid.steps.running._inputs import WorkerInputs
from scutoid.steps.running._watch import Watches
from scutoid.steps.work import (
    BlockWork,
    EarlierBlocks,
    FinishWork,
    Handover,
    ItemPlace,
    MemberHandover,
    MemberWork,
    StepWork,
)
from scutoid.store import JOURNAL, Claims, Entry, Pack, Segment, SegmentWriter, TakenOver

Check = Callable[[Sequence[int]], Mapping[int, Exception]]
_ONE = BlockGrid(Roi((0,), (1,)), 1)


class TaskBuilder:
    """Begins the entries of planned steps and makes their tasks.

    The packs that the driver writes stay open until `close`.

    Parameters
    ----------
    planned : PlannedRun
        What is to be done.
    segment : Segment or Claims, optional
        Where the one step of `share` records what is done; default: in the folder of its result.
    """

    def __init__(self, planned: PlannedRun, segment: Segment | Claims | None = None) -> None:
        self._planned = planned
        self._claims = segment if isinstance(segment, Claims) else None
        self._records = None if segment is None else segment.path
        self._layouts = planned.layouts
        self._edges = Edges(planned)
        self._inputs = WorkerInputs(planned)
        self._drafts = Drafts(planned, self._inputs, self._edges)
        self.watches = Watches(planned)
        """Look at the inputs of each step again before what came back counts."""
        self._packs: list[Pack] = []
        self._notes: list[NoteWriter] = []
        self._digests: list[DigestWriter] = []
        self._handovers: list[Handover | MemberHandover] = []

    def close(self) -> None:
        """Close the packs, and forget what nobody has read."""
        for pack in self._packs:
            pack.close()
        for notes in self._notes:
            notes.close()
        for digests in self._digests:
            digests.close()
        for handover in self._handovers:
            handover.close()
        self._drafts.close()

    def tasks(self, each: PlannedCall) -> list[BlockTask]:
        """Begin the entry of a step, and return its tasks."""
        call = each.call
        if isinstance(call, MappedCall):
            begin_members(each, self._planned)
            return [self._member_task(each, call)]
        if each.restarts:
            each.entry.clear()
        elif each.lost is not None:
            Journal.forget(each.entry.journal, each.lost)
            remove_misfits(each.entry)
        there = each.entry.remote
        goes_on = there is not None and bool(there.token)
        each.entry.begin(self._planned.stamped(each))
        if goes_on and not keep_noted_shards(each.entry):
            each.entry.clear()
            each.entry.begin(self._planned.stamped(each))
        try:
            writers = tuple(self._writers(each))
        except StoreError:
            if each.restarts:
                raise
            # What a stopped run left cannot be continued, for its metadata are damaged.
            each.entry.clear()
            each.entry.begin(self._planned.stamped(each))
            writers = tuple(self._writers(each))
        if isinstance(call, BlockCall):
            return self._block_tasks(each, call, writers)
        return [self._step_task(each, call, writers)]

    def share(self, each: PlannedCall, chosen: NDArray[np.bool_]) -> BlockTask:
        """Return the task of a step whose entry was begun, for who does some of its blocks."""
        if isinstance(each.call, MappedCall):
            return self._member_task(each, each.call)
        assert isinstance(each.call, BlockCall)  # noqa: S101 - a whole step has no shares
        writers = tuple(self._writers(each))
        if self._claims is not None:
            self._make_room(each, each.call, writers, np.flatnonzero(chosen).tolist())
        return self._block_tasks(each, each.call, writers)[0]

    def _make_room(
        self,
        each: PlannedCall,
        call: BlockCall,
        writers: Sequence[ImageWriter | None],
        blocks: Sequence[int],
    ) -> None:
        """Remove shards of blocks at a URL: what was left there is noted nowhere.

        It is of a process that was killed, of a try that failed, or of an input that was not the
        one it is now.
        """
        left = list(self._shards(call, writers, blocks))
        if self._claims is not None and self._claims.is_fenced:  # others may have noted them since
            raise TakenOver.of_share(each.entry.place)
        if self._claims is None and each.entry.remote is not None:
            each.entry.remote.refuse_if_taken_over()
        remote.remove(left)

    def _shards(
        self, call: BlockCall, writers: Sequence[ImageWriter | None], blocks: Sequence[int]
    ) -> Iterator[str]:
        """Yield the shards of blocks at a URL, on all levels, whether they are there."""
        layout, grid = self._layouts.of(call), self._edges.grid(call)
        for writer, framed in zip(writers, call.frames, strict=True):
            if not isinstance(writer, ObjectWriter) or framed is None:
                continue
            for block in blocks:
                region = layout.output_roi(grid.write_roi(block), framed.spec.shape)
                if not region.is_empty:
                    yield from writer.shards_of(region.shift(-framed.offset))

    def _options(self, each: PlannedCall) -> dict[str, Any]:
        options = each.call.spec.options
        return {
            "retries": options.retries,
            "timeout": options.timeout,
            "requires": options.requires,
            "setup": dict(each.call.spec.setup) or None,
            "within": each.within,
        }

    def _check(self, each: PlannedCall) -> Check | None:
        watch = self.watches.of(each)
        return None if watch.is_empty else watch.check

    def _check_all(self, each: PlannedCall) -> Check | None:
        """Check what is committed with its one block."""
        watch = self.watches.of(each)
        return None if watch.is_empty else watch.check_all

    def _block_tasks(
        self, each: PlannedCall, call: BlockCall, writers: tuple[ImageWriter | None, ...]
    ) -> list[BlockTask]:
        spec, step = call.spec, self._layouts.step(call)
        packs = any(kind != "image" for kind in spec.outputs)
        records = self._records or each.entry.path
        pack = Pack(records / BLOCKS, "a", key=each.entry.key) if packs else None
        if pack is not None:
            self._packs.append(pack)
        notes = NoteWriter(each.entry, self._zarrs(each), records)
        self._notes.append(notes)
        segments = None
        if each.entry.remote is not None:
            own = None if self._claims is None else self._claims.writer(each.entry.key)
            segments = BlockSegments(each.entry, self._zarrs(each), has_pack=packs, writer=own)
        digests = DigestWriter(each.entry, each.family, records) if each.family else None
        if digests is not None:
            self._digests.append(digests)
        handover = self._inputs.handover_of(each)
        if handover is not None:
            self._handovers.append(handover)
        given = self._inputs.of_blocks(call)
        task = BlockTask(
            each.task,
            BlockWork(
                given,
                writers,
                tuple(None if f is None else f.spec.shape for f in call.frames),
                tuple(None if f is None else f.offset for f in call.frames),
                self._own_image(each) if spec.sees_neighbours else None,
                handover,
                is_digested=digests is not None,
                earlier=self._earlier(each),
                drafting=self._drafts.made_by(each, given),
                drafts=self._drafts.read_by(each),
            ),
            self._edges.grid(call),
            conflict=spec.sees_neighbours,
            after=self._edges.of(call),
            where=step.chosen(),
            journal=records / JOURNAL,
            key="" if Journal.key_of(each.entry.journal) == "" else each.entry.key,
            collect=partial(_collect_blocks, pack, notes, digests, segments),
            record=None if segments is None else segments.record,
            again=None if segments is None else partial(self._make_room, each, call, writers),
            check=self._check(each),
            bytes_per_block=memory_of(call, self._layouts) + self._drafts.memory(each),
            **self._options(each),
        )
        if not each.has_finish:
            return [task]
        params = {name: self._inputs.deferred(value) for name, value in call.params.items()}
        finish = BlockTask(
            each.finish_task,
            FinishWork(step, params, each.entry),
            _ONE,
            after=(After.all(each.task, step.layout.grid.ndim),),
            retries=spec.options.retries,
            within=each.within,
            check=self._check_all(each),
            collect=partial(_commit, each.entry, ()),
        )
        return [task, finish]

    def _earlier(self, each: PlannedCall) -> EarlierBlocks | None:
        """Return what blocks of a step may be taken over from."""
        if each.earlier is None:
            return None
        has_pack = any(kind != "image" for kind in each.call.spec.outputs)
        return EarlierBlocks(each.earlier, each.family, self._zarrs(each), has_pack=has_pack)

    def _own_image(self, each: PlannedCall) -> str:
        """Where the image of a step lies that sees its neighbours."""
        outputs = each.call.spec.outputs
        name = output_names(outputs)[outputs.index("image")]
        image_format = each.call.spec.options.storage.format or "zarr"
        return each.entry.image(image_file(name, image_format))

    def _writers(self, each: PlannedCall) -> list[ImageWriter | None]:
        """Create the images of a step's entry, or open those that a stopped run began."""
        call, spec = each.call, each.call.spec
        storage = spec.options.storage
        image_format = storage.format or "zarr"
        writers: list[ImageWriter | None] = []
        for framed, name in zip(call.frames, output_names(spec.outputs), strict=True):
            if framed is None:
                writers.append(None)
                continue
            writers.append(
                self._published(
                    each,
                    image_file(name, image_format),
                    create_image(
                        each.entry.path / image_file(name, image_format),
                        framed.spec,
                        format=image_format,
                        block=self._block_of_image(call, framed),
                        storage=storage,
                        label=spec.labels and framed.spec.dtype != bool,
                    ),
                )
            )
        if each.entry.remote is not None and self._claims is None:
            each.entry.remote.announce()
        return writers

    def _published(self, each: PlannedCall, file: str, writer: ImageWriter) -> ImageWriter:
        """Return what writes an image: to its URL, if the store has one."""
        if each.entry.remote is None:
            return writer
        url, is_begun = each.entry.image(file), self._claims is not None
        return writer_to_url(writer, url, is_begun=is_begun)

    def _zarrs(self, each: PlannedCall) -> list[str | None]:
        """Return the file of each output that is a zarr."""
        spec = each.call.spec
        image_format = spec.options.storage.format or "zarr"
        return [
            image_file(name, image_format) if kind == "image" and image_format == "zarr" else None
            for kind, name in zip(spec.outputs, output_names(spec.outputs), strict=True)
        ]

    def _block_of_image(self, call: Call, framed: Framed) -> tuple[int, ...]:
        """Return what a full block writes of an image, in voxels of the image."""
        if not isinstance(call, BlockCall):
            return tuple(framed.spec.shape)
        layout = self._layouts.of(call)
        full = Roi(layout.grid.total.offset, layout.grid.block_shape)
        return tuple(layout.output_roi(full, framed.spec.shape).shape)

    def _step_task(
        self, each: PlannedCall, call: Call, writers: tuple[ImageWriter | None, ...]
    ) -> BlockTask:
        for file in filter(None, self._zarrs(each)):  # all of it is written anew
            (each.entry.path / notes_file(file)).unlink(missing_ok=True)
        return BlockTask(
            each.task,
            StepWork(
                spec=call.spec,
                inputs=tuple(self._inputs.deferred(item) for item in call.inputs),
                params={name: self._inputs.deferred(value) for name, value in call.params.items()},
                entry=each.entry,
                frames=call.frames,
                writers=writers,
                voxel_size=call.voxel_size,
                origin=call.origin,
                where=self._layouts.parts_grid(call),
            ),
            _ONE,
            after=self._edges.of(call),
            check=self._check_all(each),
            collect=partial(_commit, each.entry, self._zarrs(each)),
            again=None if each.entry.remote is None else partial(_begin_again, each.entry),
            bytes_per_block=memory_of(call, self._layouts),
            **self._options(each),
        )

    def _member_task(self, each: PlannedCall, call: MappedCall) -> BlockTask:
        pack = Pack((self._records or each.entry.path) / ITEMS, "a")
        self._packs.append(pack)
        there = each.entry.remote
        segments = None if there is None else there.segments(each.entry.key)
        needed = None
        if each.needed is not None and each.done is not None:
            needed = each.needed | each.done
        handover = self._inputs.handover_of_members(each)
        if handover is not None:
            self._handovers.append(handover)
        work = MemberWork(
            spec=call.spec,
            keys=call.keys,
            member_keys=each.member_keys,
            inputs=tuple(self._inputs.of_members(item, call.keys) for item in call.inputs),
            params={
                name: self._inputs.of_members(value, call.keys)
                for name, value in call.params.items()
            },
            place=ItemPlace.of(each.entry),
            own_columns=own_columns(call.groups),
            handover=handover,
        )
        return BlockTask(
            each.task,
            work,
            BlockGrid(Roi((0,), (len(call.keys),)), 1),
            after=self._edges.of(call),
            is_done=each.done,
            where=needed,
            check=self._check(each),
            collect=partial(_collect_members, pack, segments, each.member_keys),
            is_here=work.is_here if there is None else None,
            **self._options(each),
        )


def _commit(entry: Entry, zarrs: Sequence[str | None], results: Sequence[tuple[int, Any]]) -> None:
    """Commit what one block has made and saved."""
    for _, result in results:
        entry.receive(result.sent)
    with closing(NoteWriter(entry, zarrs)) as notes:
        notes.append([result.notes for _, result in results if result.notes])
    settle_notes(entry)
    settle_display(entry)
    entry.commit(shard_record(entry))


def _begin_again(entry: Entry, blocks: Sequence[int]) -> None:
    """Remove the shards that an earlier try at a whole step has left: none is noted yet."""
    del blocks
    keep_noted_shards(entry)


def _collect_blocks(
    pack: Pack | None,
    notes: NoteWriter,
    digests: DigestWriter | None,
    segments: BlockSegments | None,
    results: Sequence[tuple[int, Any]],
) -> None:
    if segments is not None:
        segments.collect(results)
    notes.append([result.notes for _, result in results])
    if digests is not None:
        digests.append([(index, one.digest, one.taken_from) for index, one in results])
    if pack is not None:
        pack.append_many([(index, {}, result.payload) for index, result in results])


def _collect_members(
    pack: Pack,
    segments: SegmentWriter | None,
    members: Sequence[str],
    results: Sequence[tuple[int, Any]],
) -> None:
    items = [(members[index], *result) for index, result in results]
    if segments is not None:
        segments.write({}, {}, members=items)
    pack.append_many(items)

"""What workers read: images, values and members, as descriptions that can be sent to them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scutoid.arrays import SourceIdentity
from scutoid.errors import PipelineError
from scutoid.geometry import Roi
from scutoid.steps._block_inputs import BlockInputs, Held
from scutoid.steps._collections import Collection, Gathered
from scutoid.steps._computed import ComputedImage
from scutoid.steps._handover import HandedImage, Handover
from scutoid.steps._lazy import SINGLE, Image, Lazy
from scutoid.steps._members import FolderInput, GatheredMembers, ItemInput, ValueInput
from scutoid.steps._planner import Planner, Work, is_computed
from scutoid.steps._producers import (
    Call,
    Constant,
    ConstantCollection,
    Member,
    Opened,
    OpenedFolder,
    Producer,
    open_member,
)
from scutoid.steps._spec import OutputKind
from scutoid.steps._stored import ITEMS, FromStore, StoredItem, StoredItems, StoredResult
from scutoid.steps._view import ViewSource
from scutoid.steps._work import WholeImage
from scutoid.store import Pack


class WorkerInputs:
    """Describes the inputs of planned calls for the workers."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self._computed: dict[tuple[int, bool], ComputedImage] = {}
        self._name = uuid.uuid4().hex

    def of_blocks(self, call: Call) -> BlockInputs:
        step = call.block_step()
        inputs = []
        for position, item in enumerate(call.inputs):
            is_image = isinstance(item, Image) and step.layout.inputs[position] is not None
            inputs.append(self._inside(call, item) if is_image else self.held(item))  # type: ignore[arg-type]
        params = {name: self.held(value) for name, value in call.params.items()}
        return BlockInputs(step, tuple(inputs), params)

    def _inside(self, call: Call, image: Image) -> Any:
        """Return what the blocks of a call read an image from; it may be computed in them."""
        producer = image.producer
        work = self.planner.work(image)
        if work is None or producer not in call.fused_inputs or not is_computed(work):
            source = self._readable(image)
            handover = self.handover(work, call) if work is not None else None
            return source if handover is None else HandedImage(source, handover)
        if (id(work), True) not in self._computed:
            self._computed[id(work), True] = self._computed_image(work, is_cut_anew=True)
        source = self._computed[id(work), True]
        return source if image.view is None else ViewSource(source, image.view)

    def handover(self, work: Work, reader: Call) -> Handover | None:
        """Return how blocks of a step go to a reader in memory, if it reads the very same ones."""
        call = work.call
        images = [item for item in reader.inputs if isinstance(item, Image)]
        read = [item for item in images if item.producer is call]
        if (
            work.status == "cached"
            or not work.is_kept
            or call.spec.kind != "blockwise"
            or call.spec.outputs.count("image") != 1
            or reader.spec.kind == "step"
            or len(read) != 1
            or read[0].view is not None
        ):
            return None
        layout, own = reader.layout(), call.layout()
        same = (
            layout.axes == own.axes == own.output_axes
            and layout.grid.total == own.grid.total
            and layout.grid.block_shape == own.grid.block_shape
            and layout.target is None
            and not any((*layout.grid.halo[0], *layout.grid.halo[1]))
        )
        return Handover(f"{self._name}/{work.task}") if same else None

    def handover_of(self, work: Work) -> Handover | None:
        """Return how blocks of a step go on in memory, if any step of the plan takes them."""
        found = (
            self.handover(work, other.call)
            for other in self.planner.works
            if other.status != "cached" and other.call.keys is None and other.is_kept
        )
        return next(filter(None, found), None)

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
                if (id(work), False) not in self._computed:
                    self._computed[id(work), False] = self._computed_image(work)
                source = self._computed[id(work), False]
            elif work is not None:
                source = StoredResult(work.entry).image(image.output)
        else:
            source = producer.stored.image(image.output)  # type: ignore[attr-defined]
        return source if image.view is None else ViewSource(source, image.view)

    def _computed_image(self, work: Work, *, is_cut_anew: bool = False) -> ComputedImage:
        call = work.call
        framed = call.framed(0)
        readers = sum(
            isinstance(item, Image) and item.producer is call
            for other in self.planner.works
            for item in other.call.inputs
        )
        return ComputedImage(
            self.of_blocks(call),
            0,
            framed.spec,
            framed.offset,
            is_cut_anew=is_cut_anew,
            is_shared=readers > 1,
        )

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

    def held(self, value: object) -> object:
        """Return a value as a worker gets it: loaded there if a step makes it."""
        if isinstance(value, Gathered):
            collection = value.collection
            given = self.of_members(collection, collection.keys)
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

    def _items(self, collection: Collection) -> StoredItems | None:
        work = self.planner.work(collection)
        if work is None:
            return None
        by_key = dict(zip(work.call.keys or (), work.member_keys, strict=True))
        return StoredItems.of(work.entry, work.call.spec, by_key)

    def of_members(self, item: object, keys: Sequence[str]) -> object:
        if not isinstance(item, Collection):
            return self._single_for_members(item)
        producer = item.producer
        if isinstance(producer, OpenedFolder):
            paths = tuple(producer.paths[key] for key in keys)
            how = (producer.options, producer.reader, producer.kind)
            return FolderInput(paths, partial(_open_file, *how), producer.kind)
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
            held = self.held(item)
            if isinstance(held, Held):
                return SINGLE[item.kind](_HeldProducer(item.name, held))
            return held
        return item


def _open_file(
    options: Mapping[str, Any], read: Callable[[str], Any] | None, kind: OutputKind, path: str
) -> Producer:
    return open_member(path, Path(path).name, options, read, kind)


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

"""What workers read: images, values and members, as descriptions that can be sent to them."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import ImageSpec, Readable, SourceIdentity
from scutoid.errors import PipelineError
from scutoid.geometry import Roi
from scutoid.steps.compute import RIM, BlockInputs, ComputedImage, Deferred, RecalledImage
from scutoid.steps.graph import (
    BlockCall,
    Call,
    CollectionFromStore,
    CollectionRef,
    Constant,
    ConstantCollection,
    DeferredConstant,
    FromStore,
    Gathered,
    ImageRef,
    MappedCall,
    Member,
    Node,
    Opened,
    OpenedFolder,
    Ref,
    StoredOutputs,
)
from scutoid.steps.layout import ViewSource
from scutoid.steps.planning import PlannedCall, PlannedRun, is_computed
from scutoid.steps.results import StoredItem, StoredResult
from scutoid.steps.work import (
    FolderInput,
    HandedImage,
    Handover,
    ItemInput,
    MemberHandover,
    MemberInput,
    PartInput,
    ValueInput,
    WholeImage,
    members_by_key,
)


class WorkerInputs:
    """Describes the inputs of planned calls for the workers."""

    def __init__(self, planned: PlannedRun) -> None:
        self._planned = planned
        self._layouts = planned.layouts
        self._computed: dict[tuple[PlannedCall, bool], ComputedImage] = {}
        self._recalled: dict[tuple[int, ImageRef, Handover | None], RecalledImage] = {}
        self._name = uuid.uuid4().hex

    def of_blocks(self, call: BlockCall) -> BlockInputs:
        """Return what the blocks of a call read."""
        step = self._layouts.step(call)
        inputs = []
        for position, item in enumerate(call.inputs):
            is_image = isinstance(item, ImageRef) and step.layout.inputs[position] is not None
            inputs.append(self._inside(call, position) if is_image else self.deferred(item))
        params = {name: self.deferred(value) for name, value in call.params.items()}
        return BlockInputs(step, tuple(inputs), params)

    def _inside(self, call: BlockCall, position: int) -> Readable:
        """Return what the blocks of a call read an image from; it may be computed in them."""
        image = call.inputs[position]
        assert isinstance(image, ImageRef)  # noqa: S101 - asked of images alone
        above = self._planned.of(image)
        if above is None or image.node not in call.fused_inputs or not is_computed(above):
            source = self._readable(image)
            if isinstance(source, ComputedImage) and self.reads_its_blocks(call, image.node):
                return source  # digested by what its block reads, as if it were fused
            handover = self.handover(above, call) if above is not None else None
            return self._recalled_image(position, image, source, handover)
        return _viewed(self._computed_image(above, is_cut_again=True), image)

    def _recalled_image(
        self, position: int, image: ImageRef, source: Readable, handover: Handover | None
    ) -> RecalledImage:
        """Return an image for blocks; the same one to steps that read it as the same input."""
        memo = (position, image, handover)
        if memo not in self._recalled:
            handed = source if handover is None else HandedImage(source, handover)
            self._recalled[memo] = RecalledImage(handed)
        return self._recalled[memo]

    def handover(self, above: PlannedCall, reader: Call) -> Handover | None:
        """Return how blocks of a step go to a reader in memory, if it reads the very same ones."""
        call = above.call
        if (
            above.is_cached
            or not above.is_kept
            or not isinstance(call, BlockCall)
            or call.spec.kind != "blockwise"
            or call.spec.outputs.count("image") != 1
            or not isinstance(reader, BlockCall)
        ):
            return None
        images = [image for image in reader.images if image.node is call]
        if len(images) != 1 or images[0].view is not None:
            return None
        as_runs = self._is_read_as_rim(above)
        is_read = self.reads_its_blocks(
            reader, call, with_halo=as_runs and _takes_rim(reader, call)
        )
        return Handover(self.way_to(above), as_runs) if is_read else None

    def _is_read_as_rim(self, above: PlannedCall) -> bool:
        """Whether a step of the plan takes of the image of another what lies around its blocks."""
        return any(
            not other.is_cached
            and isinstance(other.call, BlockCall)
            and _takes_rim(other.call, above.call)
            and self.reads_its_blocks(other.call, above.call, with_halo=True)
            for other in self._planned
        )

    def way_to(self, each: PlannedCall) -> str:
        """Name what goes to or from a step in memory, unlike all of other runs."""
        return f"{self._name}/{each.task}"

    def reads_its_blocks(self, reader: BlockCall, call: Node, *, with_halo: bool = False) -> bool:
        """Whether a step cuts an image, all of which it reads, into the blocks that it has."""
        if not isinstance(call, BlockCall):
            return False
        layout, own = self._layouts.of(reader), self._layouts.of(call)
        return (
            layout.axes == own.axes == own.output_axes
            and layout.grid.total == own.grid.total
            and layout.grid.block_shape == own.grid.block_shape
            and layout.target is None
            and (with_halo or not any((*layout.grid.halo[0], *layout.grid.halo[1])))
        )

    def handover_of(self, above: PlannedCall) -> Handover | None:
        """Return how blocks of a step go on in memory, if any step of the plan takes them."""
        handovers = (
            self.handover(above, other.call)
            for other in self._planned
            if not other.is_cached and other.is_kept
        )
        return next(filter(None, handovers), None)

    def handover_of_members(self, above: PlannedCall) -> MemberHandover | None:
        """Return how images of members go on in memory to the steps of the plan that read them."""
        if above.is_cached or not isinstance(above.call, MappedCall):
            return None
        readers = Counter(
            item.output
            for other in self._planned
            if not other.is_cached and isinstance(other.call, MappedCall)
            for item in (*other.call.inputs, *other.call.params.values())
            if isinstance(item, CollectionRef) and item.kind == "image"
            if self._planned.of(item) is above
        )
        return MemberHandover(f"{self._name}/{above.task}", dict(readers)) if readers else None

    def _readable(self, image: ImageRef) -> Readable:
        """Return what a worker reads an image from."""
        node = self._member(image.node) if isinstance(image.node, Member) else image.node
        above = self._planned.of(image) if isinstance(node, Call) else None
        source: Readable
        if isinstance(node, Opened):
            source = node.source
        elif isinstance(node, FromStore) and node is not image.node:
            source = MemberImage(node.stored, image.output)
        elif isinstance(node, FromStore):
            source = node.stored.image(image.output)
        elif above is None:
            raise PipelineError("an image belongs to a planned step", value=image.name)
        elif above.is_kept or above.is_cached:
            source = StoredResult(above.entry).image(image.output)
        else:
            source = self._computed_image(above)
        return _viewed(source, image)

    def _computed_image(self, above: PlannedCall, *, is_cut_again: bool = False) -> ComputedImage:
        """Return the image of a step that is not kept; the same one to all that read it."""
        call = above.call
        memo = (above, is_cut_again)
        if memo not in self._computed:
            if not isinstance(call, BlockCall):
                raise PipelineError("only images of blocks are computed in blocks", value=call.name)
            readers = [
                other.call
                for other in self._planned
                for image in other.call.images
                if image.node is call
            ]
            framed = call.framed(0)
            self._computed[memo] = ComputedImage(
                self.of_blocks(call),
                0,
                framed.spec,
                framed.offset,
                is_cut_again=is_cut_again,
                is_shared=len(readers) > 1,
                is_read_once=len(readers) == 1 and self._reads_blocks_whole(readers[0], call),
            )
        return self._computed[memo]

    def _reads_blocks_whole(self, reader: Call, call: BlockCall) -> bool:
        """Whether a step reads all of an image in the blocks that it has."""
        is_whole = all(image.view is None for image in reader.images if image.node is call)
        return isinstance(reader, BlockCall) and is_whole and self.reads_its_blocks(reader, call)

    def _member(self, member: Member) -> Node:
        """Return one member of a collection as a node of its own."""
        collection = member.collection
        if not isinstance(collection, MappedCall):
            return member.single
        above = self._planned.by_node.get(collection)
        if above is None:
            raise PipelineError("a member belongs to a planned collection", value=member.name)
        outputs = collection.spec.outputs
        key = self._planned.keys.member(collection, member.key)
        item = StoredItem.of(above.entry, outputs, key)
        labels = tuple(collection.is_labels(number) for number in range(len(outputs)))
        return FromStore(member.name, key, item, outputs, labels)

    def deferred(self, value: object) -> object:
        """Return a value as a worker gets it: loaded there if a step makes it."""
        if isinstance(value, Gathered):
            keys = value.keys
            given = self._members(value.collection, keys)
            return Deferred(partial(members_by_key, given, keys, value.missing))
        if isinstance(value, ImageRef):
            return Deferred(WholeImage(self._readable(value), value.shape))
        if not isinstance(value, Ref):
            return value
        node = self._member(value.node) if isinstance(value.node, Member) else value.node
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, FromStore):
            return Deferred(partial(node.stored.value, value.output))
        above = self._planned.of(value)
        if above is None:
            raise PipelineError("a value belongs to a planned step", value=value.name)
        return Deferred(partial(StoredResult(above.entry).value, value.output))

    def of_members(self, item: object, keys: Sequence[str]) -> object:
        """Return an input of a mapped call: one for each member, or one that all share."""
        if not isinstance(item, CollectionRef):
            return self._single_for_members(item)
        above = self._planned.of(item)
        if above is None or item.kind != "image":
            return self._members(item, keys)
        return self._members(item, keys, self.handover_of_members(above))

    def _members(
        self, item: CollectionRef, keys: Sequence[str], handover: MemberHandover | None = None
    ) -> MemberInput:
        """Return what gives each member of a collection, or the part that is taken of each."""
        given = self._whole_members(item, keys, handover)
        return PartInput(given, item.parts) if item.parts else given

    def _whole_members(
        self, item: CollectionRef, keys: Sequence[str], handover: MemberHandover | None
    ) -> MemberInput:
        node = item.node
        if isinstance(node, OpenedFolder):
            found = ((n, self._planned.keys.unreadable(node, key)) for n, key in enumerate(keys))
            unreadable = {number: error for number, error in found if error is not None}
            files = tuple(node.paths[key] for key in keys)
            return FolderInput(files, node.opening, unreadable)
        if isinstance(node, ConstantCollection):
            return ValueInput(tuple(node.by_key[key] for key in keys))
        if isinstance(node, CollectionFromStore):
            return ItemInput(node.stored, tuple(keys), item.kind, item.output)
        above = self._planned.of(item)
        if above is None:
            raise PipelineError("a collection belongs to a planned step", value=item.name)
        return ItemInput(above.items, tuple(keys), item.kind, item.output, handover)

    def _single_for_members(self, item: object) -> object:
        """Return a single input that every member gets, as something that can be sent."""
        if isinstance(item, ImageRef):
            return ImageRef(Opened(_Sourced(self._readable(item), item.framed.spec), item.name))
        deferred = self.deferred(item)
        if isinstance(item, Ref) and isinstance(deferred, Deferred):
            return Ref(DeferredConstant(item.name, deferred.load), item.kind)
        return deferred if isinstance(item, Ref) else item


@dataclass(frozen=True, slots=True)
class MemberImage:
    """The image of a member, which may have to be made first: it is opened where it is read."""

    stored: StoredOutputs
    """The member."""
    output: int
    """Which of its outputs."""

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region, in the image's own voxels."""
        return self.stored.image(self.output).read(roi)


def _takes_rim(reader: BlockCall, call: Node) -> bool:
    """Whether a step takes of the image of another what lies around its blocks."""
    names = reader.spec.parameters.inputs
    taken = (
        reader.inputs[names.index(name)] for name, how in reader.spec.sparse.items() if how == RIM
    )
    return any(isinstance(image, ImageRef) and image.node is call for image in taken)


def _viewed(source: Readable, image: ImageRef) -> Readable:
    return source if image.view is None else ViewSource(source, image.view)


class _Sourced:
    """Something readable with a description, as an opened image wants it."""

    def __init__(self, source: Readable, spec: ImageSpec) -> None:
        self.source = source
        self.spec = spec
        self.chunks = tuple(spec.shape)
        self.levels = 1
        self.identity = SourceIdentity("array")

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        return self.source.read(roi)

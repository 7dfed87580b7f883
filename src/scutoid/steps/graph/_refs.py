"""References: which output of which node, and what is known of it; nothing here reads a voxel.

::

    Node     makes outputs, numbered           Ref             one output of a node
    ├── Opened             an image            ├── ImageRef    with its shape, dtype, axes, place
    ├── Constant           a value or table    CollectionRef   outputs of one kind, one a key
    ├── ConstantCollection a value a key       Gathered        a collection as one input
    ├── OpenedFolder       files of a folder
    ├── Call               a step on inputs, which are references or values
    ├── Member             one key of a collection
    └── FromStore          a result in a store

Nodes and references are frozen: a plan, a run or a read writes nothing into them.  A node is equal
to itself alone, except a `Member`, which is its collection and its key; references are equal where
their parts are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

import numpy as np

from scutoid.arrays import ChannelDisplay, TimeScale
from scutoid.cached import cached_property
from scutoid.errors import GeometryError, PipelineError
from scutoid.geometry import Roi, RoiLike
from scutoid.steps.compute import Groups
from scutoid.steps.declaration import OutputKind
from scutoid.steps.graph._parts_of_members import ChannelOf, IndexOf, PartOfMember
from scutoid.steps.layout import Framed, PartsGrid, View

_JOIN: ContextVar[str | None] = ContextVar("join", default=None)


class Node:
    """Makes one or more outputs, or one of each for every key of a collection."""

    if TYPE_CHECKING:

        @property
        def name(self) -> str:
            """The step's name, or the file's."""

        @property
        def keys(self) -> tuple[str, ...] | None:
            """Keys of a collection; None for a single result."""

        @property
        def groups(self) -> Groups | None:
            """Columns that belong to the keys of a collection, indexed by key."""

    else:  # a property here would be taken as the default of a field of that name
        keys = None
        groups = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of the members of a collection that a run did not finish, in order."""
        return ()

    @cached_property
    def members(self) -> WeakValueDictionary[str, Member]:
        """Members that somebody holds: each is made once, so that what they share is too."""
        return WeakValueDictionary()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "members"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Number of each key."""
        return {key: number for number, key in enumerate(self.keys or ())}

    @property
    def parts_grid(self) -> PartsGrid | None:
        """The blocks that its parts belong to."""
        return None

    def framed(self, output: int) -> Framed:
        """Describe an output that is an image."""
        raise PipelineError("only images have a shape", value=self.name)

    def levels(self, output: int) -> int:
        """Number of pyramid levels."""
        return 1

    def is_labels(self, output: int) -> bool:
        """Whether an image holds object numbers."""
        return False

    def member(self, key: str) -> Node:
        """Return the node that makes one member of this collection."""
        raise PipelineError("only collections have members", value=self.name)


@dataclass(frozen=True)
class Ref:
    """One output of a node."""

    node: Node
    """What makes it."""
    kind: OutputKind
    """What it is."""
    output: int = 0
    """Its number among the outputs of the node."""

    @property
    def name(self) -> str:
        """The step's name, or the file's."""
        return self.node.name

    @property
    def holds_labels(self) -> bool:
        """Whether an image is said to hold object numbers, whatever its dtype is."""
        return self.node.is_labels(self.output)

    def on(self, node: Node) -> Self:
        """Return the same output of another node."""
        return replace(self, node=node)


class Described:
    """What is known of an image before a voxel is read; references and handles have it."""

    if TYPE_CHECKING:

        @property
        def framed(self) -> Framed:
            """The description and the place in the frame of the uncropped image."""

        @property
        def name(self) -> str:
            """The step's name, or the file's."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels on each axis."""
        return self.framed.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel."""
        return self.framed.spec.dtype

    @property
    def axes(self) -> str:
        """One letter an axis."""
        return self.framed.spec.axes

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self.framed.spec.size

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels, uncompressed."""
        return self.framed.spec.nbytes

    @property
    def voxel_size(self) -> tuple[float, ...] | None:
        """Size of a voxel along each spatial axis, in `unit`; None if unknown."""
        return self.framed.spec.voxel_size

    @property
    def unit(self) -> str | None:
        """Unit of the spatial axes."""
        return self.framed.spec.unit

    @property
    def origin(self) -> tuple[float, ...]:
        """World position of the centre of the first voxel along each spatial axis, in `unit`."""
        spec = self.framed.spec
        return spec.origin or (0.0,) * len(spec.spatial_axes)

    @property
    def time(self) -> TimeScale | None:
        """When the places along "t" were recorded; None if unknown."""
        return self.framed.spec.time

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, where they are known."""
        return self.framed.spec.channels

    @property
    def display(self) -> tuple[ChannelDisplay, ...]:
        """How each channel is shown, its colour and its window, where that is known."""
        return self.framed.spec.display

    @property
    def roi(self) -> Roi:
        """The image's region in the frame of the uncropped image, in voxels."""
        return self.framed.roi


@dataclass(frozen=True)
class ImageRef(Described, Ref):
    """An image: an output of a node, or a part of it."""

    kind: OutputKind = "image"
    """What it is."""
    view: View | None = None
    """What is taken of it; None: all."""

    @cached_property
    def framed(self) -> Framed:
        """The description and the place in the frame of the uncropped image."""
        framed = self.node.framed(self.output)
        return framed if self.view is None else self.view.apply(framed)

    @property
    def is_labels(self) -> bool:
        """Whether voxels are object numbers rather than intensities."""
        return self.holds_labels and self.dtype != bool

    def narrow(self, index: object) -> ImageRef:
        """Take a part by a numpy index of slices, integers and an ellipsis."""
        view = self.view or View.whole(self.node.framed(self.output).spec.shape)
        return replace(self, view=view.narrow(index))

    def channel(self, which: str | int) -> ImageRef:
        """Take one channel, by name or number; its axis goes.

        Raises
        ------
        PipelineError
            If the image has no channel axis, no such channel, or several of this name.
        """
        if "c" not in self.axes:
            raise PipelineError(
                "an image with an axis 'c' has channels", value=self.axes, place=repr(self.name)
            )
        if isinstance(which, str) and which not in self.channels:
            raise PipelineError(
                f"the image's channels are {', '.join(self.channels) or 'not named'}",
                value=which,
                place=repr(self.name),
                remedy="give a channel's number",
            )
        if isinstance(which, str) and self.channels.count(which) > 1:
            raise PipelineError(
                "a channel that is taken by its name is the only one of it",
                value=f"{which!r} among {', '.join(self.channels)}",
                place=repr(self.name),
                remedy="give a channel's number",
            )
        number = self.channels.index(which) if isinstance(which, str) else which
        return self.narrow((*[slice(None)] * self.axes.index("c"), number))

    def part(self, part: PartOfMember) -> ImageRef:
        """Take what is taken of each image of a collection."""
        if isinstance(part, ChannelOf):
            return self.channel(part.which)
        return self.narrow(part.index if isinstance(part, IndexOf) else self.crop_index(part.roi))

    def crop_index(self, roi: RoiLike) -> tuple[slice, ...]:
        """Return the index of a region that is given in the frame of the uncropped image.

        Raises
        ------
        GeometryError
            If the region is not inside the image.
        """
        region = Roi.of(roi)
        if not self.roi.contains(region):
            raise GeometryError(
                "a crop lies inside the image",
                value=region,
                place=f"{self.name!r} with region {self.roi}",
                remedy="intersect it with image.roi, or read(roi, fill=...)",
            )
        return region.to_slices(self.roi.offset)


@dataclass(frozen=True)
class CollectionRef:
    """Outputs of one kind, one for each key of a node."""

    node: Node
    """What makes them."""
    kind: OutputKind
    """What each is."""
    output: int = 0
    """Their number among the outputs of the node."""
    parts: tuple[PartOfMember, ...] = ()
    """What is taken of each, one after the other, where they are images; empty: all."""

    @property
    def name(self) -> str:
        """The step's name, or the folder's."""
        return self.node.name

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the members: relative paths, in natural order."""
        return self.node.keys or ()

    @property
    def holds_labels(self) -> bool:
        """Whether its images are said to hold object numbers, whatever their dtypes are."""
        return self.node.is_labels(self.output)

    def on(self, node: Node) -> CollectionRef:
        """Return the same output of another node."""
        return replace(self, node=node)

    def member(self, key: str) -> Ref:
        """Return one member.

        Raises
        ------
        PipelineError
            If there is no such key.
        """
        if key not in self.node.places:
            raise PipelineError(
                "a collection is indexed by its keys",
                value=key,
                place=f"{self.name!r} with {len(self.keys)} members",
                remedy=f"for example {self.keys[0]!r}" if self.keys else None,
            )
        return with_parts(ref_of(Member.of(self.node, key), self.kind, self.output), self.parts)

    def part(self, part: PartOfMember) -> CollectionRef:
        """Take a part of each."""
        return replace(self, parts=(*self.parts, part))


@dataclass(frozen=True)
class Gathered:
    """All members of a collection, for one call of a step."""

    collection: CollectionRef
    """The collection."""
    may_lack: bool = False
    """Whether the call is made without the members that a run did not finish."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of the members that the call is made without."""
        return self.collection.node.missing if self.may_lack else ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the members that the call gets."""
        missing = set(self.missing)
        return tuple(key for key in self.collection.keys if key not in missing)


@dataclass(frozen=True, repr=False)
class Member(Node):
    """One key of a collection."""

    collection: Node
    """The collection."""
    key: str
    """Which of its keys."""

    @classmethod
    def of(cls, collection: Node, key: str) -> Member:
        """Return the member of a collection, the same one to all who hold it."""
        member = collection.members.get(key)
        if member is None:
            member = collection.members[key] = cls(collection, key)
        return member

    @property
    def name(self) -> str:
        """The collection's name with the key."""
        return f"{self.collection.name}[{self.key!r}]"

    @cached_property
    def single(self) -> Node:
        """What makes this member alone: an opened file, a value, a call."""
        return self.collection.member(self.key)

    @property
    def parts_grid(self) -> PartsGrid | None:
        """The blocks that the member's parts belong to."""
        return self.single.parts_grid

    def framed(self, output: int) -> Framed:
        """Describe the member."""
        return self.single.framed(output)

    def levels(self, output: int) -> int:
        """Number of pyramid levels of the member."""
        return self.single.levels(output)

    def is_labels(self, output: int) -> bool:
        """Whether the member holds object numbers."""
        return self.collection.is_labels(output)


def ref_of(node: Node, kind: OutputKind, output: int = 0) -> Ref:
    """Return the reference to a single output of a node."""
    return ImageRef(node, output=output) if kind == "image" else Ref(node, kind, output)


def with_parts(ref: Ref, parts: Sequence[PartOfMember]) -> Ref:
    """Return what is taken of an image, one part after the other; all else as it is."""
    for part in parts:
        if isinstance(ref, ImageRef):
            ref = ref.part(part)
    return ref


def refs_of(node: Node, kinds: Sequence[OutputKind]) -> tuple[Ref | CollectionRef, ...]:
    """Return the references to all outputs of a node."""
    if node.keys is not None:
        return tuple(CollectionRef(node, kind, n) for n, kind in enumerate(kinds))
    return tuple(ref_of(node, kind, n) for n, kind in enumerate(kinds))


def planned_node(ref: Ref | CollectionRef) -> Node:
    """Return the node that a plan makes for a reference: of a member, its whole collection."""
    return ref.node.collection if isinstance(ref.node, Member) else ref.node


def dependencies_in(items: Iterable[object]) -> Iterator[Ref | CollectionRef]:
    """Go through the references among inputs and parameters, in their order."""
    for item in items:
        if isinstance(item, (Ref, CollectionRef)):
            yield item
        elif isinstance(item, Gathered):
            yield item.collection


@contextmanager
def joining(join: str | None) -> Iterator[None]:
    """Let steps that are called here join collections so, whatever their own options say."""
    token = _JOIN.set(join)
    try:
        yield
    finally:
        _JOIN.reset(token)


def zip_keys(collections: Sequence[CollectionRef], *, join: str, place: str) -> tuple[str, ...]:
    """Return the keys that several collections have in common; see `joining`.

    Raises
    ------
    PipelineError
        If they differ and `join` is not "inner", or they have none in common.
    """
    first = collections[0].keys
    join = _JOIN.get() or join
    for other in collections[1:]:
        if other.keys == first or set(other.keys) == set(first):
            continue
        shared = tuple(key for key in first if key in other.node.places)
        if join != "inner" or not shared:
            raise _other_keys(first, other.keys, place)
        first = shared
    return first


def _other_keys(first: Sequence[str], second: Sequence[str], place: str) -> PipelineError:
    alone = (_only_in(first, second), _only_in(second, first))
    shown = " and ".join(f"{keys[0]!r}" for keys in alone if keys)
    remedy = 'call members alike, by open_folder(..., keys="{well}_{site}"), made of columns that '
    remedy += 'both have, or keys="{key}", the path without its ending'
    if len(alone[0]) < len(first):
        remedy += '; or step.options(join="inner") takes those that are in both'
    return PipelineError(
        "collections in one step have the same keys",
        value=f"{sum(map(len, alone))} keys are in one of them only, such as {shown}",
        place=place,
        remedy=remedy,
    )


def _only_in(keys: Sequence[str], others: Sequence[str]) -> list[str]:
    known = set(others)
    return [key for key in keys if key not in known]

"""Where results come from: files, constants, calls of steps, members of collections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from scutoid.arrays import ArraySource, open_source, pyramid_levels
from scutoid.errors import PipelineError
from scutoid.geometry import Coordinate
from scutoid.steps._collections import COLLECTION, Collection, Gathered, zip_keys
from scutoid.steps._compute import BlockStep, trial
from scutoid.steps._fit import make_layout
from scutoid.steps._framing import frame_output
from scutoid.steps._grids import call_grid
from scutoid.steps._layout import Framed, Layout
from scutoid.steps._lazy import SINGLE, Image, Lazy, Parts
from scutoid.steps._parts import PartsGrid
from scutoid.steps._spec import OutputKind, StepSpec

if TYPE_CHECKING:
    import pandas as pd


_STAND_IN = 1


class Producer:
    """Makes one or more outputs."""

    name: str
    keys: tuple[str, ...] | None = None
    groups: pd.DataFrame | None = None

    @cached_property
    def places(self) -> dict[str, int]:
        """Number of each key."""
        return {key: number for number, key in enumerate(self.keys or ())}

    @cached_property
    def members(self) -> WeakValueDictionary[str, Member]:
        """Members that somebody holds: each is made once, so that what they share is too."""
        return WeakValueDictionary()

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


class Opened(Producer):
    """An image that was opened."""

    def __init__(self, source: ArraySource, name: str, offset: Coordinate | None = None) -> None:
        self.source = source
        self.name = name
        self.offset = offset or Coordinate.full(source.spec.ndim, 0)

    def framed(self, output: int) -> Framed:
        """Describe the image."""
        return Framed(self.source.spec, self.offset, tuple(self.source.chunks))

    def levels(self, output: int) -> int:
        """Number of pyramid levels of the container."""
        return self.source.levels

    def is_labels(self, output: int) -> bool:
        """Whether the file says that it holds object numbers."""
        return bool(getattr(self.source, "is_labels", False))


class Constant(Producer):
    """A value or table that the user gave."""

    def __init__(self, value: object, name: str = "constant") -> None:
        self.value = value
        self.name = name


class ConstantCollection(Producer):
    """A value for each key, such as a column of a user's table."""

    def __init__(self, values: Mapping[str, object], name: str) -> None:
        self.by_key = dict(values)
        self.keys = tuple(self.by_key)
        self.name = name


class OpenedFolder(Producer):
    """Files of a folder; each is opened when it is needed."""

    def __init__(
        self,
        name: str,
        paths: Mapping[str, str],
        options: Mapping[str, Any],
        read: Any = None,
        groups: pd.DataFrame | None = None,
        kind: OutputKind = "image",
    ) -> None:
        self.name = name
        self.kind = kind
        self.paths = dict(paths)
        self.keys = tuple(self.paths)
        self.options = dict(options)
        self.reader = read
        self.groups = groups

    def open(self, key: str) -> Producer:
        """Open one member."""
        return open_member(self.paths[key], key, self.options, self.reader, self.kind)


def kind_of(value: object) -> OutputKind:
    """What a value that was read is: an array is an image, a DataFrame a table.

    Examples
    --------
    >>> kind_of(np.zeros(3)), kind_of({"a": 1})
    ('image', 'value')
    """
    if isinstance(value, np.ndarray) and value.ndim:
        return "image"
    return "table" if type(value).__name__ == "DataFrame" else "value"


def open_member(
    path: str,
    name: str,
    options: Mapping[str, Any],
    read: Callable[[str], Any] | None,
    kind: OutputKind,
) -> Producer:
    """Open a file of a folder, as `read` does where there is one.

    Raises
    ------
    PipelineError
        If it gives something else than for the first of the files.
    """
    if read is None:
        return Opened(open_source(path, **options), name)
    value = read(path)
    if value is None or kind_of(value) != kind:
        raise PipelineError(
            f"read= returns for every file what it returned for the first, here {_SAID[kind]}",
            value=type(value).__name__,
            place=path,
        )
    return Opened(open_source(value, **options), name) if kind == "image" else Constant(value, name)


_SAID = {"image": "an array", "table": "a DataFrame", "value": "a value"}


class Call(Producer):
    """A step applied to inputs, on single results or mapped over collections."""

    def __init__(
        self,
        spec: StepSpec,
        inputs: Sequence[object],
        params: Mapping[str, object],
    ) -> None:
        self.spec = spec
        self.name = spec.label
        self.inputs = tuple(inputs)
        self.params = dict(params)
        collections = [
            x for x in (*self.inputs, *self.params.values()) if isinstance(x, Collection)
        ]
        if collections:
            place = f"step {self.name!r}"
            self.keys = zip_keys(collections, join=spec.options.join, place=place)
            self.groups = next((c.groups for c in collections if c.groups is not None), None)
        self.key: str | None = None
        self.folder: Path | None = None
        self._collection: Call | None = None
        self._stored: Any = None
        self.suggested_block: object = None
        self._layouts: dict[str, Layout] = {}

    def outputs(self) -> Any:
        """Return the lazy results, as the user sees them: one, or a tuple."""
        kinds = COLLECTION if self.keys is not None else SINGLE
        results = tuple(kinds[kind](self, n) for n, kind in enumerate(self.spec.outputs))
        return results if self.spec.packed else results[0]

    def member(self, key: str) -> Call:
        """Return the same call for one key of its collections."""

        def one(item: object) -> object:
            return item.member(key) if isinstance(item, Collection) else item

        params = {name: one(value) for name, value in self.params.items()}
        single = Call(self.spec, [one(item) for item in self.inputs], params)
        single.key = key
        single._collection = self
        return single

    @cached_property
    def is_fused(self) -> bool:
        """Whether its image is computed inside the blocks of whoever reads it, region by region."""
        spec = self.spec
        asks_for_its_block = "block" in spec.parameters.injected and not spec.block_invariant
        return (
            spec.options.keep is not True
            and spec.kind == "blockwise"
            and spec.outputs == ("image",)
            and self.keys is None
            and self.key is None
            and spec.options.where is None
            and not (spec.sees_neighbours or asks_for_its_block)
            and not any(isinstance(item, Parts) for item in self.inputs)
        )

    @cached_property
    def fused_inputs(self) -> tuple[Call, ...]:
        """The calls that are computed inside the blocks of this one."""
        if self.spec.kind == "step" or self.keys is not None or self.key is not None:
            return ()
        images = (item.producer for item in self.inputs if isinstance(item, Image))
        return tuple(call for call in images if isinstance(call, Call) and call.is_fused)

    @cached_property
    def is_block_invariant(self) -> bool:
        """Whether its results are the same for every block shape, what is fused included."""
        return self.spec.block_invariant and all(c.is_block_invariant for c in self.fused_inputs)

    @property
    def stored(self) -> Any:
        """Where the results are read from, once they are in a store; else None."""
        if self._collection is not None and self.key is not None:
            items = self._collection.stored
            return None if items is None else items.member(self.key)
        return self._stored

    def bind(self, stored: Any) -> None:
        """Read the results from a store from now on."""
        self._stored = stored

    def dependencies(self) -> list[Lazy]:
        """Return the lazy results that this call needs, in order of its arguments."""
        found: list[Lazy] = []
        for item in (*self.inputs, *self.params.values()):
            if isinstance(item, Lazy):
                found.append(item)
            elif isinstance(item, Gathered):
                found.append(item.collection)
        return found

    @property
    def parts_grid(self) -> PartsGrid | None:
        """The blocks that this call's parts belong to: its own, or those of the parts it gets."""
        if self.spec.kind != "step":
            return self.layout().parts_grid
        return self._given_parts_grid()

    def _given_parts_grid(self) -> PartsGrid | None:
        for item in self.inputs:
            if isinstance(item, Parts):
                return item.producer.parts_grid
        return None

    def layout(self) -> Layout:
        """Return the grid of a block-wise call.

        The block shape is that of the parts that it gets; else what the step asks for; else
        `suggested_block`; else what is chosen from inputs, halo and chunks.
        """
        given = self._given_parts_grid()
        block: object = None
        is_suggested = given is None and self.spec.options.block is None
        if given is not None:
            block = dict(zip(given.axes, given.grid.block_shape, strict=True))
        elif self.spec.options.block is not None:
            block = self.spec.options.block
        else:
            block = self.suggested_block
        memo = repr(block)
        if memo not in self._layouts:
            images = [item.framed if isinstance(item, Image) else None for item in self.inputs]
            target = None
            if self.spec.grid is not None:
                shown = [item for item in self.inputs if isinstance(item, Image)]
                target = call_grid(self.spec.grid, shown, self.params, f"step {self.name!r}")
            layout = make_layout(
                self.spec,
                self.params,
                images,
                block=block,
                is_suggested=is_suggested,
                target=target,
            )
            if given is not None and layout.grid.shape != given.grid.shape:
                raise PipelineError(
                    "parts are read on the grid on which they were made",
                    value=f"{layout.grid.shape} and {given.grid.shape} blocks",
                    place=f"step {self.name!r}",
                    remedy="give both steps images of the same shape, and the same axes",
                )
            self._layouts[memo] = layout
        return self._layouts[memo]

    def block_step(self) -> BlockStep:
        """Return what the workers need to compute one block."""
        layout = self.layout()
        dtypes = tuple(
            framed.spec.dtype if framed is not None else None for framed in self._framed_outputs
        )
        return BlockStep(self.spec, layout, dtypes, self.voxel_size, self.origin, self.unit)

    @property
    def voxel_size(self) -> tuple[float, ...] | None:
        """Voxel size along the function's spatial axes, from the first image that knows it."""
        return self._along_axes("voxel_size")

    @property
    def origin(self) -> tuple[float, ...] | None:
        """World position of voxel zero of the frame, from the first image that knows its scale."""
        return self._along_axes("origin")

    @property
    def unit(self) -> str | None:
        """Unit of the voxel size."""
        for item in self.inputs:
            if isinstance(item, Image) and item.voxel_size is not None:
                return item.framed.spec.unit
        return None

    def _along_axes(self, which: str) -> tuple[float, ...] | None:
        for item in self.inputs:
            if not isinstance(item, Image) or item.voxel_size is None:
                continue
            spec = item.framed.spec
            sizes = dict(zip(spec.spatial_axes, item.voxel_size, strict=True))
            first = dict(zip(spec.spatial_axes, item.origin, strict=True))
            start = dict(zip(spec.axes, item.framed.offset, strict=True))
            wanted = [axis for axis in self.spec.axes or spec.spatial_axes if axis in sizes]
            if which == "voxel_size":
                return tuple(sizes[axis] for axis in wanted)
            return tuple(first[axis] - start[axis] * sizes[axis] for axis in wanted)
        return None

    def framed(self, output: int) -> Framed:
        """Describe an image output, by the declared dtype or a trial call."""
        framed = self._framed_outputs[output]
        if framed is None:
            raise PipelineError("only images have a shape", value=self.name)
        return framed

    def levels(self, output: int) -> int:
        """Number of pyramid levels: those that are stored, or will be."""
        if self.stored is not None:
            return int(self.stored.image(output).levels)
        return len(pyramid_levels(self.framed(output).spec, self.spec.options.storage))

    def is_labels(self, output: int) -> bool:
        """Whether the step declared its images to hold object numbers."""
        return self.spec.labels

    @cached_property
    def _framed_outputs(self) -> tuple[Framed | None, ...]:
        if "image" not in self.spec.outputs:
            return (None,) * len(self.spec.outputs)
        if self.keys is not None:
            raise PipelineError(
                "the members of a collection have a shape each",
                value=self.name,
                remedy="take one member: images[key]",
            )
        if self.spec.kind == "step":
            return self._framed_step()
        layout = self.layout()
        known = next(i for i in self.inputs if isinstance(i, Image))
        declared = tuple(known.dtype if d == "same" else d for d in self.spec.dtypes)
        known_axes = {*layout.function_axes, *layout.new_sizes}
        new_axes = [a for a in layout.returned_axes if a not in known_axes]
        images: tuple[Any, ...] = ()
        if new_axes or any(
            d is None for k, d in zip(self.spec.outputs, declared, strict=True) if k == "image"
        ):
            images = self._trial(layout)
        framed: list[Framed | None] = []
        for number, kind in enumerate(self.spec.outputs):
            if kind != "image":
                framed.append(None)
                continue
            position = sum(k == "image" for k in self.spec.outputs[:number])
            sample = images[position] if images else None
            dtype = declared[number] if declared[number] is not None else sample.dtype  # type: ignore[union-attr]
            found: Any = dtype
            framed.append(frame_output(layout, known.framed, np.dtype(found), sample))
        return tuple(framed)

    def _trial(self, layout: Layout) -> tuple[Any, ...]:
        if self.spec.setup:
            raise PipelineError(
                "a step with setup= declares the dtype of its images",
                place=f"step {self.name!r}",
                remedy="give dtype= to the decorator",
            )
        dtypes = [item.dtype if isinstance(item, Image) else None for item in self.inputs]
        params = {k: _STAND_IN if isinstance(v, Lazy) else v for k, v in self.params.items()}
        return trial(self.spec, layout, dtypes, self.inputs, params, self.voxel_size)

    def _framed_step(self) -> tuple[Framed | None, ...]:
        """Images of a whole step: like the first image, but for their dtype."""
        known = next((i for i in self.inputs if isinstance(i, Image)), None)
        if known is None:
            raise PipelineError(
                "a step with out='image' has an image among its inputs, whose shape it keeps",
                place=f"step {self.name!r}",
            )
        framed: list[Framed | None] = []
        for kind, declared in zip(self.spec.outputs, self.spec.dtypes, strict=True):
            if kind != "image":
                framed.append(None)
                continue
            dtype: Any = declared
            if declared is None:
                layout = make_layout(
                    self.spec,
                    {},
                    [i.framed if isinstance(i, Image) else None for i in self.inputs],
                )
                dtype = self._trial(layout)[len([f for f in framed if f])].dtype
            spec = known.framed.spec.replace(dtype=np.dtype(dtype))
            framed.append(Framed(spec, known.framed.offset, known.framed.chunks))
        return tuple(framed)


class Member(Producer):
    """One key of a collection."""

    @classmethod
    def of(cls, collection: Producer, key: str) -> Member:
        """Return the member of a collection, the same one to all who hold it."""
        member = collection.members.get(key)
        if member is None:
            member = collection.members[key] = cls(collection, key)
        return member

    def __init__(self, collection: Producer, key: str) -> None:
        self.collection = collection
        self.key = key
        self.name = f"{collection.name}[{key!r}]"

    @cached_property
    def single(self) -> Producer:
        """The same as a single producer."""
        if isinstance(self.collection, OpenedFolder):
            return self.collection.open(self.key)
        if isinstance(self.collection, ConstantCollection):
            return Constant(self.collection.by_key[self.key], self.name)
        if isinstance(self.collection, Call):
            return self.collection.member(self.key)
        return self.collection.stored_member(self.key)  # type: ignore[attr-defined,no-any-return]

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


def is_lazy(value: object) -> bool:
    """Whether a value is a result that has yet to be read."""
    return isinstance(value, (Lazy, Gathered))

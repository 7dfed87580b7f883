"""One block of a block-wise step or a reduction: read, call, check, crop.

The same code serves a worker that writes to a store and a read in the user's own process, so that
both give the same voxels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import pad_to
from scutoid.blocks import lower_neighbours
from scutoid.errors import PipelineError, StepError
from scutoid.geometry import Coordinate, Roi
from scutoid.steps._layout import Layout
from scutoid.steps._spec import INJECTED, NEIGHBOURS, StepSpec
from scutoid.steps._where import chosen_blocks

_TRIAL_EDGE = 8


class Readable(Protocol):
    """An array that is read by region, in its own voxels."""

    def read(self, roi: Roi) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class StepBlock:
    """What a step's function gets when it asks for `block`."""

    index: int
    """Number of the block in its grid."""
    axes: str
    """Axes of the regions."""
    read_roi: Roi
    """What was read, in the frame of the uncropped image."""
    write_roi: Roi
    """What is written, in the same frame."""
    image_roi: Roi
    """The whole image, in the same frame."""
    function_axes: str
    """Axes of the arrays that the function gets."""
    sources: tuple[Roi | None, ...] = ()
    """For steps that write on another grid: what each array shows of its input, in that input's own
    voxels, over `function_axes`."""

    @property
    def inner(self) -> tuple[slice, ...]:
        """Slices of the write region in the arrays that the function gets."""
        local = self.write_roi.to_slices(self.read_roi.offset)
        return tuple(
            local[self.axes.index(axis)] if axis in self.axes else slice(0, 1)
            for axis in self.function_axes
        )

    @property
    def local_write(self) -> Roi:
        """What is written, over `function_axes` and from the first voxel of the whole image."""
        places = [self.axes.index(axis) for axis in self.function_axes]
        first, written = self.image_roi.offset, self.write_roi
        start = [written.offset[n] - first[n] for n in places]
        return Roi(start, [written.shape[n] for n in places])

    def source(self, number: int = 0) -> Roi:
        """What the array of an image shows of it; see `sources`."""
        found = self.sources[number]
        if found is None:
            raise TypeError(number)
        return found

    def coordinate(self, axis: str) -> int:
        """First voxel read along `axis`, in the frame of the uncropped image."""
        return self.read_roi.offset[self.axes.index(axis)]


@dataclass(frozen=True, slots=True, eq=False)
class BlockStep:
    """A step bound to its layout: all that one block needs but its inputs."""

    spec: StepSpec
    """The step."""
    layout: Layout
    """Axes and grid."""
    dtypes: tuple[np.dtype[Any] | None, ...]
    """dtype of each image output."""
    voxel_size: tuple[float, ...] | None
    """Voxel size along the function's spatial axes."""
    origin: tuple[float, ...] | None
    """World position of voxel zero of the frame, along the same axes."""
    unit: str | None = None
    """Of both."""

    def chosen(self) -> NDArray[np.bool_] | None:
        """Return which blocks run at all, shape (n_blocks,); None: all."""
        return chosen_blocks(
            self.spec.options.where,
            self.layout,
            voxel_size=self.voxel_size,
            origin=self.origin,
            unit=self.unit,
            place=f"where of step {self.spec.label!r}",
        )

    def indices(self) -> list[int]:
        """Return the numbers of the blocks that run."""
        chosen = self.chosen()
        n_blocks = self.layout.grid.n_blocks
        return list(range(n_blocks)) if chosen is None else np.flatnonzero(chosen).tolist()

    def injected(self) -> dict[str, object]:
        """Return what a function may ask for that holds for every block."""
        return {"voxel_size": self.voxel_size, "origin": self.origin}

    def block(self, index: int) -> StepBlock:
        """Describe block `index`."""
        return self.block_of(self.layout.grid.write_roi(index), index)

    def block_of(self, write: Roi, index: int = -1) -> StepBlock:
        """Describe a block that writes a region of its own."""
        layout = self.layout
        sources: tuple[Roi | None, ...] = ()
        if layout.target is not None:
            sources = tuple(
                None if placed is None else layout.source_of_function(position, write)
                for position, placed in enumerate(layout.inputs)
            )
        return StepBlock(
            index=index,
            axes=layout.axes,
            read_roi=layout.read_roi(write),
            write_roi=write,
            image_roi=layout.image,
            function_axes=layout.function_axes,
            sources=sources,
        )

    def compute(
        self,
        index: int,
        inputs: Sequence[object],
        params: Mapping[str, object],
        *,
        key: str | None = None,
        written: Readable | None = None,
    ) -> tuple[object, ...]:
        """Compute one block.

        Parameters
        ----------
        index : int
            Number of the block.
        inputs : sequence
            For each input: something with ``read(roi)`` where the layout knows an image, or the
            value itself.
        params : mapping
            Parameters and the values of the set-up.
        key : str, optional
            The member's key, in a collection.
        written : Readable, optional
            What is written of the image, in its own voxels, for a step that sees its neighbours.

        Returns
        -------
        tuple
            An entry an output: an array in the output's axes that covers the write region, a
            DataFrame, a dict of arrays, or a value.
        """
        return self.compute_block(self.block(index), inputs, params, key=key, written=written)

    def compute_block(
        self,
        block: StepBlock,
        inputs: Sequence[object],
        params: Mapping[str, object],
        *,
        key: str | None = None,
        written: Readable | None = None,
    ) -> tuple[object, ...]:
        """Compute one block, as `compute` does."""
        arrays = [
            self._read(position, source, block)  # type: ignore[arg-type]
            if position < len(self.layout.inputs) and self.layout.inputs[position]
            else source
            for position, source in enumerate(inputs)
        ]
        if written is not None:
            params = {**params, NEIGHBOURS: self._neighbours(block, written)}
        shape = self._returned_shape(block, arrays)
        result = call(self.spec, arrays, params, {**self.injected(), "block": block, "key": key})
        if self.spec.kind == "reduction":
            return (result,)
        return tuple(
            self._take(kind, item, dtype, block, shape)
            for kind, item, dtype in zip(
                self.spec.outputs, unpack(self.spec, result), self.dtypes, strict=True
            )
        )

    def _returned_shape(self, block: StepBlock, arrays: Sequence[object]) -> tuple[int, ...]:
        """Return the sizes on the function's axes that an image it returns may have."""
        layout = self.layout
        if layout.target is not None:
            made = layout.returned_roi(block.write_roi)
            sizes = dict(zip(layout.axes, made.shape, strict=True))
            return tuple(sizes.get(axis, 1) for axis in layout.function_axes)
        return next(
            array.shape
            for array, placed in zip(arrays, layout.inputs, strict=True)
            if placed and isinstance(array, np.ndarray)
        )

    def _neighbours(self, block: StepBlock, written: Readable) -> NDArray[Any]:
        """What blocks of lower level have written where this one reads, as the function gets it."""
        layout, region = self.layout, block.read_roi
        axes = layout.output_axes
        places = [layout.axes.index(axis) for axis in axes]
        dtype = self.dtypes[self.spec.outputs.index("image")]
        seen = np.zeros([region.shape[place] for place in places], dtype)
        grid = layout.grid
        for index in lower_neighbours(grid, block.index):
            part = grid.write_roi(index).intersect(region)
            inside = Roi([part.offset[p] for p in places], [part.shape[p] for p in places])
            total = Coordinate(*(grid.total.offset[p] for p in places))
            origin = Coordinate(*(region.offset[p] for p in places))
            seen[inside.to_slices(origin)] = written.read(inside.shift(-total))
        kept = axes[len(layout.iterated) :]
        seen = seen.reshape(seen.shape[len(layout.iterated) :])
        whole = tuple(slice(None) if a in kept else None for a in layout.function_axes)
        return seen[whole]

    def _read(self, position: int, source: Readable, block: StepBlock) -> NDArray[Any]:
        layout = self.layout
        wanted = layout.source(position, block.write_roi)
        array = source.read(wanted)
        if layout.target is None and layout.local(position, block.read_roi) != wanted:
            array = pad_to(
                array,
                wanted,
                layout.local(position, block.read_roi),
                layout.border,  # type: ignore[arg-type]
            )
        return layout.to_function(position, array)  # type: ignore[no-any-return]

    def _take(
        self,
        kind: str,
        item: object,
        dtype: np.dtype[Any] | None,
        block: StepBlock,
        shape: tuple[int, ...],
    ) -> object:
        if kind == "image":
            return self._take_image(item, dtype, block, shape)
        if kind == "table":
            return self._take_table(item, block)
        if kind == "parts":
            return check_parts(item, self.spec.label)
        return item

    def _take_image(
        self,
        item: object,
        dtype: np.dtype[Any] | None,
        block: StepBlock,
        shape: tuple[int, ...],
    ) -> NDArray[Any]:
        array = np.asarray(item)
        layout = self.layout
        sizes = {**dict(zip(layout.function_axes, shape, strict=True)), **layout.new_sizes}
        fits = array.ndim == len(layout.returned_axes) and all(
            sizes.get(axis, size) == size
            for axis, size in zip(layout.returned_axes, array.shape, strict=True)
        )
        if not fits:
            raise wrong_shape(self.spec, array.shape, sizes, layout.returned_axes)
        if dtype is not None and array.dtype != dtype:
            if self.spec.dtype is None:
                raise StepError(
                    "a step returns the same dtype for every block",
                    value=f"{array.dtype}; a trial call returned {dtype}",
                    place=f"step {self.spec.label!r}, block {block.index}",
                    remedy="give dtype= to the decorator",
                )
            array = array.astype(dtype)
        returned = layout.returned_roi(block.write_roi)
        return layout.from_function(array, returned, block.write_roi)  # type: ignore[no-any-return]

    def _take_table(self, item: object, block: StepBlock) -> object:
        import pandas as pd

        if not isinstance(item, pd.DataFrame):
            raise StepError(
                "a step with out='table' returns a DataFrame",
                value=type(item).__name__,
                place=f"step {self.spec.label!r}",
            )
        table = item
        if self.spec.position is not None:
            inside = np.ones(len(table), dtype=bool)
            moved = {}
            for axis, column in zip(self._position_axes(), self.spec.position, strict=True):
                values = table[column].to_numpy()
                bounds = block.inner[block.function_axes.index(axis)]
                nearest = np.floor(values + 0.5)
                inside &= (nearest >= bounds.start) & (nearest < bounds.stop)
                moved[column] = values + block.coordinate(axis)
            table = table.assign(**moved).loc[inside]
        for axis in self.layout.iterated:
            if axis not in table.columns:
                table = table.assign(**{axis: block.write_roi.offset[block.axes.index(axis)]})
        return table.reset_index(drop=True)

    def _position_axes(self) -> str:
        spatial = [a for a in self.layout.function_axes if a in "zyx"]
        columns = self.spec.position or ()
        return "".join(spatial[len(spatial) - len(columns) :])


def call(
    spec: StepSpec,
    inputs: Sequence[object],
    params: Mapping[str, object],
    injected: Mapping[str, object],
) -> object:
    """Call the user's function with what it asked for."""
    extra = {name: injected.get(name) for name in INJECTED if name in spec.parameters.injected}
    return spec.function(*inputs, **{**params, **extra})


def unpack(spec: StepSpec, result: object) -> tuple[object, ...]:
    """Return the outputs of a call as a tuple, an entry for each that was declared."""
    if not spec.packed:
        return (result,)
    if not isinstance(result, (tuple, list)) or len(result) != len(spec.outputs):
        raise StepError(
            f"a step with out={spec.outputs} returns a tuple of {len(spec.outputs)}",
            value=type(result).__name__,
            place=f"step {spec.label!r}",
        )
    return tuple(result)


def check_parts(item: object, label: str) -> dict[str, NDArray[Any]]:
    """Return `item` as a dict of arrays."""
    if not isinstance(item, Mapping) or not all(isinstance(name, str) for name in item):
        raise StepError(
            "a step with out='parts' returns a dict of arrays a block",
            value=type(item).__name__,
            place=f"step {label!r}",
        )
    return {name: np.asarray(array) for name, array in item.items()}


def wrong_shape(
    spec: StepSpec, shape: tuple[int, ...], sizes: Mapping[str, int], returned: str
) -> StepError:
    """Say that a step returned an image of a shape that does not fit what it was given."""
    expected = tuple(sizes.get(axis, "any") for axis in returned)
    return StepError(
        "a step returns an image of the shape that it was given, halo included",
        value=f"shape {shape}; expected {expected} for axes {returned!r}",
        place=f"step {spec.label!r}",
        remedy="do not crop the halo: scutoid does; give out_axes= if axes come or go",
    )


def trial(
    spec: StepSpec,
    layout: Layout,
    dtypes: Sequence[np.dtype[Any] | None],
    others: Sequence[object],
    params: Mapping[str, object],
    voxel_size: tuple[float, ...] | None,
) -> tuple[NDArray[Any], ...]:
    """Call a step on small arrays, to learn the dtype (and new axes) of its images.

    Parameters
    ----------
    dtypes : sequence
        dtype of each input that is an image, None for the others.
    others : sequence
        Values of the other inputs.

    Raises
    ------
    PipelineError
        If the call fails; the step must then say dtype= itself.
    """
    low, high = layout.grid.halo
    extent = dict(zip(layout.axes, layout.image.shape, strict=True))
    sizes = {}
    for axis in layout.function_axes:
        place = layout.axes.find(axis)
        wanted = _TRIAL_EDGE + (low[place] + high[place] if place >= 0 else 0)
        is_cut = axis in "zyx"
        sizes[axis] = min(extent.get(axis, 1), wanted) if is_cut else extent.get(axis, 1)
    shape = tuple(max(size, 1) for size in sizes.values())
    ramp = np.arange(int(np.prod(shape))).reshape(shape) % 97
    arrays: list[object] = []
    for entry, dtype, other in zip(layout.inputs, dtypes, others, strict=True):
        if entry is None or dtype is None:
            arrays.append(other)
            continue
        missing = tuple(slice(0, 1 if a not in entry[0] else None) for a in layout.function_axes)
        arrays.append(ramp[missing].astype(dtype))
    if spec.sees_neighbours:
        params = {**params, NEIGHBOURS: np.zeros(shape, spec.dtypes[spec.outputs.index("image")])}  # type: ignore[call-overload]
    region = Roi(layout.image.offset, [sizes.get(axis, 1) for axis in layout.axes])
    block = StepBlock(0, layout.axes, region, region, layout.image, layout.function_axes)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = call(spec, arrays, params, {"block": block, "voxel_size": voxel_size})
    except Exception as error:
        raise PipelineError(
            "the dtype of an image is declared, or found by calling the step on a small array",
            value=f"the call raised {type(error).__name__}: {error}",
            place=f"step {spec.label!r}, called on {shape}",
            remedy="give dtype= to the decorator, or mend the function",
        ) from error
    images = []
    for kind, item in zip(spec.outputs, unpack(spec, result), strict=True):
        if kind != "image":
            continue
        array = np.asarray(item)
        axes = layout.returned_axes
        expected = {**dict(zip(layout.function_axes, shape, strict=True)), **layout.new_sizes}
        fits = layout.target is not None or (
            array.ndim == len(axes)
            and all(expected.get(axis, n) == n for axis, n in zip(axes, array.shape, strict=True))
        )
        if not fits:
            raise wrong_shape(spec, array.shape, expected, axes)
        images.append(array)
    return tuple(images)


Merge = Callable[[Any, Any], Any]


def merge_in_order(values: Sequence[Any] | Any, merge: Merge) -> Any:
    """Merge values in a fixed binary tree over their order.

    The tree is that of a binary counter: it depends on the number of values alone, holds at most
    log2(n) of them at a time, and pairs neighbours first::

        0 1 2 3 4      ((0 1) (2 3)) 4

    Examples
    --------
    >>> merge_in_order(["a", "b", "c"], lambda a, b: f"({a}{b})")
    '((ab)c)'
    """
    waiting: list[tuple[int, Any]] = []
    for value in values:
        size, merged = 1, value
        while waiting and waiting[-1][0] == size:
            _, earlier = waiting.pop()
            merged = merge(earlier, merged)
            size *= 2
        waiting.append((size, merged))
    if not waiting:
        raise StepError("a reduction has at least one block", value="none")
    _, result = waiting.pop()
    while waiting:
        _, earlier = waiting.pop()
        result = merge(earlier, result)
    return result

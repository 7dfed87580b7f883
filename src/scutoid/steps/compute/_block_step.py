"""One block of a block-wise step or a reduction: read, call, check, crop.

The same code serves a worker that writes to a store and a read in the user's own process, so that
both give the same voxels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import Readable, TimeScale, pad_to
from scutoid.blocks import lower_neighbours
from scutoid.errors import StepError
from scutoid.geometry import Coordinate, Roi
from scutoid.kernels import Runs, SparseArray
from scutoid.spent import spending
from scutoid.steps.compute._calling import call, check_parts, unpack, wrong_shape
from scutoid.steps.compute._fitted import fitted, image_of
from scutoid.steps.compute._held import taken
from scutoid.steps.compute._sparse_inputs import sparse_inputs
from scutoid.steps.compute._tables import with_index
from scutoid.steps.declaration import NEIGHBOURS, Cropped, StepBlock, StepSpec, own
from scutoid.steps.layout import Layout, chosen_blocks


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
    channels: tuple[tuple[str, ...], ...] = ()
    """Names of the channels of each input; see `StepBlock`."""
    time: TimeScale | None = None
    """Times along "t", from place zero of the frame on."""

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
            channels=self.channels,
            unit=self.unit,
            time=self.time,
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
            Parameters, which the call may change in place, and the values of the set-up.
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
        sparse = self._sparse(inputs, block)
        arrays = [
            sparse[position]
            if position in sparse
            else self._read(position, source, block)  # type: ignore[arg-type]
            if position < len(self.layout.inputs) and self.layout.inputs[position]
            else own(source)
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
            returned = layout.returned_roi(block.write_roi)
            sizes = dict(zip(layout.axes, returned.shape, strict=True))
            return tuple(sizes.get(axis, 1) for axis in layout.function_axes)
        shapes = [
            array.shape
            for array, placed in zip(arrays, layout.inputs, strict=True)
            if placed and isinstance(array, (np.ndarray, SparseArray))
        ]
        return tuple(map(max, zip(*shapes, strict=True)))  # an axis that an image lacks is 1 there

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
            with spending("reading"):
                seen[inside.to_slices(origin)] = written.read(inside.shift(-total))
        kept = axes[len(layout.iterated) :]
        seen = seen.reshape(seen.shape[len(layout.iterated) :])
        whole = tuple(slice(None) if a in kept else None for a in layout.function_axes)
        return seen[whole]

    def _sparse(self, inputs: Sequence[object], block: StepBlock) -> dict[int, SparseArray | Runs]:
        """Return those inputs that are held sparsely, read now or for the digest of the block."""
        found: dict[int, SparseArray | Runs] = {}
        for each in sparse_inputs(self.spec, self.layout, inputs, block):
            source: Any = inputs[each.position]
            read = partial(each.read, self.layout, source, block, found)
            place = each, self.layout.source(each.position, block.write_roi)
            found[each.position] = taken(source, place, read)
        return found

    def _read(self, position: int, source: Readable, block: StepBlock) -> NDArray[Any]:
        layout = self.layout
        wanted = layout.source(position, block.write_roi)
        with spending("reading"):
            array = source.read(wanted)
        if layout.target is None and layout.local(position, block.read_roi) != wanted:
            array = pad_to(
                array,
                wanted,
                layout.local(position, block.read_roi),
                layout.border,  # type: ignore[arg-type]
            )
        return layout.to_function(position, array)

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
        layout = self.layout
        number = f", block {block.index}" if block.index >= 0 else ""
        place = f"step {self.spec.label!r}{number}, which writes {block.write_roi}"
        returned = layout.returned_roi(block.write_roi)
        if isinstance(item, Cropped):
            item, returned = item.array, block.write_roi
            lengths = dict(zip(layout.axes, returned.shape, strict=True))
            shape = tuple(lengths.get(axis, 1) for axis in layout.function_axes)
        array = image_of(item, place)
        sizes = {**dict(zip(layout.function_axes, shape, strict=True)), **layout.new_sizes}
        fits = array.ndim == len(layout.returned_axes) and all(
            sizes.get(axis, size) == size
            for axis, size in zip(layout.returned_axes, array.shape, strict=True)
        )
        if not fits:
            raise wrong_shape(self.spec, array.shape, sizes, layout.returned_axes)
        is_same = dtype is None or array.dtype.newbyteorder("=") == dtype
        rule = self.spec.dtype_rule
        if not is_same and self.spec.dtype is None:
            raise StepError(
                "a step returns the same dtype for every block",
                value=f"{array.dtype}; {'a trial call' if rule is None else 'dtype='} said {dtype}",
                place=place,
                remedy="give dtype= to the decorator",
            )
        written = layout.from_function(array, returned, block.write_roi)
        if dtype is None:
            return written
        return fitted(written, dtype, place)

    def _take_table(self, item: object, block: StepBlock) -> object:
        import pandas as pd

        if not isinstance(item, pd.DataFrame):
            raise StepError(
                "a step with out='table' returns a DataFrame",
                value=type(item).__name__,
                place=f"step {self.spec.label!r}",
            )
        table = with_index(item, f"step {self.spec.label!r}")
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

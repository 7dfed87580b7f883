"""The layout of a call: which axes its function gets, which are iterated, how they are cut.

::

    input "tczyx", function axes "zyx"            the grid runs over all five axes:
       t, c   iterated: blocks of one             t c | z y x
       z y x  the function's, cut into blocks     1 1 | 128 128 128

All regions are in the frame of the uncropped image, over the grid's axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import SPATIAL
from scutoid.geometry import BlockGrid, Roi
from scutoid.steps.layout._output_grid import OutputGrid, Scaled
from scutoid.steps.layout._placement import PartsGrid, Placed


@dataclass(frozen=True, slots=True)
class Layout:
    """The grid of one call, and the way between its blocks and the arrays of the function."""

    iterated: str
    """Axes that the function does not see: blocks of one."""
    function_axes: str
    """Axes of every array that the function gets, in order."""
    returned_axes: str
    """Axes of every image that the function returns, in order."""
    inputs: tuple[Placed | None, ...]
    """Where each input lies that is an image."""
    image: Roi
    """The true extent of the images, over the grid's axes; with a `target`, of the output."""
    grid: BlockGrid
    """Blocks over `iterated` and those `function_axes` that an input has."""
    border: object
    """What lies beyond the edge."""
    target: OutputGrid | None = None
    """The grid of the output, where it is another than that of the inputs."""
    new_sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of axes that the step adds, or whose size it changes."""

    @property
    def axes(self) -> str:
        """Axes of the grid."""
        present = "".join(placed.axes for placed in filter(None, self.inputs))
        return self.iterated + "".join(axis for axis in self.function_axes if axis in present)

    @property
    def output_axes(self) -> str:
        """Axes of an image output."""
        missing = set(self.function_axes) - set(self.axes) - set(self.new_sizes)
        return self.iterated + "".join(a for a in self.returned_axes if a not in missing)

    @property
    def parts_grid(self) -> PartsGrid:
        """The blocks as parts know them."""
        return PartsGrid(self.grid, self.axes, self.iterated)

    def read_roi(self, write: Roi) -> Roi:
        """What is read for a write region: its halo too, clipped unless the border pads.

        With a `target` it is the write region itself, for each input has a region of its own.
        """
        if self.target is not None:
            return write
        region = write.grow(*self.grid.halo)
        return region.intersect(self.image) if self.border in ("clip", "crop") else region

    def source(self, position: int, write: Roi) -> Roi:
        """The part of input `position` that a write region needs, in that input's own voxels."""
        if self.target is None:
            return self.local(position, self.needed(self.read_roi(write)))
        placed = self._placed(position)
        places = {axis: n for n, axis in enumerate(self.axes)}
        seen = [axis for axis in self.function_axes if axis in places]
        origin = self.grid.total.offset
        region = Roi(
            [write.offset[places[a]] - origin[places[a]] for a in seen],
            [write.shape[places[a]] for a in seen],
        )
        if region.is_empty:  # as what a reader takes of one of several images; nothing is asked
            return Roi((0,) * len(placed.shape), (0,) * len(placed.shape))
        region_read = self.target.source(position, region)
        offset = [
            region_read.offset[seen.index(a)]
            if a in seen
            else write.offset[places[a]] - origin[places[a]]
            for a in placed.axes
        ]
        shape = [
            region_read.shape[seen.index(a)] if a in seen else write.shape[places[a]]
            for a in placed.axes
        ]
        return Roi(offset, shape).intersect(Roi((0,) * len(placed.shape), placed.shape))

    def source_of_function(self, position: int, write: Roi) -> Roi:
        """The source over the function's axes; an axis that the input lacks is one voxel."""
        placed = self._placed(position)
        region = self.source(position, write)
        at = [placed.axes.find(axis) for axis in self.function_axes]
        return Roi(
            [region.offset[n] if n >= 0 else 0 for n in at],
            [region.shape[n] if n >= 0 else 1 for n in at],
        )

    def _placed(self, position: int) -> Placed:
        placed = self.inputs[position]
        if placed is None:
            raise TypeError(position)
        return placed

    def needed(self, region: Roi) -> Roi:
        """The part of the image that must be read for a region that may stick out of it.

        A border that mirrors shows as many voxels inside of the edge as the region sticks out.
        """
        inside = region.intersect(self.image)
        if inside == region or self.border not in ("reflect", "nearest"):
            return inside
        start, stop = [], []
        for low, high, a, b in zip(
            region.offset, region.end, self.image.offset, self.image.end, strict=True
        ):
            first, last = max(low, a), min(high, b)
            start.append(max(min(first, b - max(high - b, 0), b - 1), a))
            stop.append(min(max(last, a + max(a - low, 0), a + 1), b))
        return Roi(start, [max(d - c, 0) for c, d in zip(start, stop, strict=True)])

    def local(self, position: int, region: Roi) -> Roi:
        """The part of input `position` that lies under `region`, in that input's own voxels."""
        places = [self.axes.index(axis) for axis in self._placed(position).axes]
        return Roi(
            [region.offset[p] - self.image.offset[p] for p in places],
            [region.shape[p] for p in places],
        )

    def to_function(self, position: int, array: NDArray[Any]) -> NDArray[Any]:
        """Arrange what was read of an input as the function wants it."""
        axes = self._placed(position).axes
        kept = "".join(axis for axis in axes if axis in self.function_axes)
        array = array.reshape(
            [n for n, axis in zip(array.shape, axes, strict=True) if axis in self.function_axes]
        )
        array = array.transpose([kept.index(a) for a in self.function_axes if a in kept])
        index = tuple(slice(None) if a in kept else None for a in self.function_axes)
        return array[index]

    def returned_roi(self, write: Roi) -> Roi:
        """What the function returns for a write region, over the grid's axes."""
        if self.target is None:
            return self.read_roi(write)
        if not isinstance(self.target.source, Scaled):
            return write
        position = next(n for n, placed in enumerate(self.inputs) if placed is not None)
        seen = [axis for axis in self.function_axes if axis in self.axes]
        read = self.source_of_function(position, write)
        kept = [self.function_axes.index(axis) for axis in seen]
        returned = self.target.source.returned(
            Roi([read.offset[n] for n in kept], [read.shape[n] for n in kept])
        )
        origin = self.grid.total.offset
        offset = [
            returned.offset[seen.index(a)] + origin[n] if a in seen else write.offset[n]
            for n, a in enumerate(self.axes)
        ]
        return Roi(offset, [returned.shape[seen.index(a)] if a in seen else 1 for a in self.axes])

    def from_function(self, array: NDArray[Any], returned: Roi, write: Roi) -> NDArray[Any]:
        """Crop what the function returned to the write region, in the output's axes."""
        index: list[slice | int] = []
        for axis in self.returned_axes:
            if axis in self.new_sizes:
                index.append(slice(None))
            elif axis in self.axes and axis in self.function_axes:
                place = self.axes.index(axis)
                start = write.offset[place] - returned.offset[place]
                index.append(slice(start, start + write.shape[place]))
            elif axis in self.function_axes:
                index.append(0)
            else:
                index.append(slice(None))
        array = array[tuple(index)]
        return array.reshape((1,) * len(self.iterated) + array.shape)

    def is_cut(self, axis: str) -> bool:
        """Whether an axis of the function may be cut into blocks of any length."""
        return axis in SPATIAL and axis in self.returned_axes

    def whole_blocks(self, region: Roi) -> Iterator[Roi]:
        """Cut a region of the grid into what a function can be called for, as few as there are.

        One place at a time on the iterated axes, and all of the axes that blocks never cut.
        """
        total = self.grid.total
        offset, shape, places = [], [], []
        for n, axis in enumerate(self.axes):
            is_kept = axis in self.iterated or self.is_cut(axis)
            offset.append(region.offset[n] if is_kept else total.offset[n])
            shape.append(region.shape[n] if is_kept else total.shape[n])
            is_iterated = axis in self.iterated
            places.append(range(offset[n], offset[n] + shape[n]) if is_iterated else (offset[n],))
        size = [1 if axis in self.iterated else n for axis, n in zip(self.axes, shape, strict=True)]
        for place in itertools.product(*places):
            yield Roi(place, size)

    def grid_region(self, region: Roi) -> Roi:
        """The grid's region beneath a region of the output: the reverse of `output_roi`."""
        total = self.grid.total
        kept = ["" if axis in self.new_sizes else axis for axis in self.output_axes]
        places = [kept.index(axis) if axis in kept else -1 for axis in self.axes]
        return Roi(
            [region.offset[p] if p >= 0 else o for p, o in zip(places, total.offset, strict=True)],
            [region.shape[p] if p >= 0 else s for p, s in zip(places, total.shape, strict=True)],
        )

    def output_roi(self, region: Roi, shape: Sequence[int]) -> Roi:
        """The region of an output image, in its frame, that corresponds to a grid region."""
        offset, size = [], []
        for axis, extent in zip(self.output_axes, shape, strict=True):
            place = -1 if axis in self.new_sizes else self.axes.find(axis)
            offset.append(region.offset[place] if place >= 0 else 0)
            size.append(region.shape[place] if place >= 0 else extent)
        return Roi(offset, size)

"""Grids of blocks: a region cut into blocks by arithmetic, nothing is listed ahead.

::

    total  |--------------------------|       block_shape 8, halo 2
    fit="shrink"    |-------|-------|-------|--|     the last block is cut
    fit="valid"     |-------|-------|-------|        the remainder is left out
    fit="overhang"  |-------|-------|-------|-------|  the last block sticks out

    one block:   ..[=======]..      write region in brackets, halo in dots; the read region is both
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError
from scutoid.geometry._coordinate import Coordinate, as_int
from scutoid.geometry._roi import Roi, RoiLike

Fit = Literal["shrink", "valid", "overhang"]
HaloLike = SupportsIndex | Sequence[SupportsIndex | tuple[SupportsIndex, SupportsIndex]]


def halo_pair(halo: HaloLike, ndim: int) -> tuple[Coordinate, Coordinate]:
    """Read a halo as two coordinates, the voxels below and above a block.

    Parameters
    ----------
    halo : int or sequence
        One int for all sides; or one entry an axis, each an int or ``(low, high)``.
    ndim : int
        Number of axes.

    Examples
    --------
    >>> halo_pair([1, (2, 3)], 2)
    (Coordinate(1, 2), Coordinate(1, 3))
    """
    entries = list(halo) if isinstance(halo, Sequence) else [halo] * ndim
    if len(entries) != ndim:
        raise GeometryError(
            f"a halo is one int, or one entry for each of {ndim} axes",
            value=halo,
            remedy="write each entry as an int or as (low, high)",
        )
    pairs = [
        tuple(as_int(side, "a halo") for side in entry)
        if isinstance(entry, Sequence)
        else (as_int(entry, "a halo"),) * 2
        for entry in entries
    ]
    if any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise GeometryError("a halo is (low, high) of 0 or more on each axis", value=halo)
    return Coordinate(*(p[0] for p in pairs)), Coordinate(*(p[1] for p in pairs))


@dataclass(frozen=True, slots=True, init=False)
class BlockGrid:
    """A region tiled by blocks; each block also reads a halo around what it writes.

    Parameters
    ----------
    total : Roi
        The region that all blocks together write.
    block_shape : int or sequence of int
        Shape of what one block writes, in voxels, 1 or more on each axis.
    halo : int or sequence, optional
        Voxels read around each block: one int, or one entry an axis, an int or ``(low, high)``.
    fit : {"shrink", "valid", "overhang"}, optional
        Treatment of the remainder where `block_shape` does not divide `total`: the last blocks are
        cut to it, left out, or stick out.

    Notes
    -----
    Blocks are numbered in C order.  Read regions may lie outside `total`; a grid knows nothing of
    the image beneath it.

    Examples
    --------
    >>> grid = BlockGrid(Roi((0,), (10,)), 4, halo=1)
    >>> [grid.write_roi(i).shape[0] for i in range(grid.n_blocks)]
    [4, 4, 2]
    >>> grid.read_roi(2)
    Roi(offset=(7,), shape=(4,))
    """

    total: Roi
    """The region that all blocks together write."""
    block_shape: Coordinate
    """Shape of what one block writes, before `fit`."""
    halo: tuple[Coordinate, Coordinate] = field(kw_only=True)
    """Voxels read below and above each block."""
    fit: Fit = field(kw_only=True)
    """Treatment of the remainder where `block_shape` does not divide `total`."""
    shape: Coordinate = field(init=False, repr=False, compare=False)
    """Number of blocks on each axis."""

    def __init__(
        self,
        total: RoiLike,
        block_shape: SupportsIndex | Iterable[SupportsIndex],
        *,
        halo: HaloLike | tuple[Coordinate, Coordinate] = 0,
        fit: Fit = "shrink",
    ) -> None:
        total = Roi.of(total)
        block_shape = Coordinate.of(block_shape, total.ndim)
        if any(size < 1 for size in block_shape):
            raise GeometryError(
                "a block has 1 voxel or more on each axis", value=tuple(block_shape)
            )
        if fit not in ("shrink", "valid", "overhang"):
            raise GeometryError("a grid's fit is 'shrink', 'valid' or 'overhang'", value=fit)
        is_pair = isinstance(halo, tuple) and all(isinstance(side, Coordinate) for side in halo)
        pair = halo if is_pair and halo else halo_pair(halo, total.ndim)  # type: ignore[arg-type]
        count = total.shape // block_shape if fit == "valid" else -(-total.shape // block_shape)
        if total.is_empty:
            count = Coordinate.full(total.ndim, 0)
        for name, value in (
            ("total", total),
            ("block_shape", block_shape),
            ("halo", pair),
            ("fit", fit),
            ("shape", count),
        ):
            object.__setattr__(self, name, value)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.total.ndim

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.n_blocks

    def position(self, index: SupportsIndex) -> Coordinate:
        """The place of block `index` in the grid, one int an axis.

        Raises
        ------
        GeometryError
            If there is no such block.
        """
        number = as_int(index, "a block index")
        if not 0 <= number < self.n_blocks:
            raise GeometryError(f"the grid has blocks 0 to {self.n_blocks - 1}", value=number)
        place = []
        for count in reversed(self.shape):
            number, rest = divmod(number, count)
            place.append(rest)
        return Coordinate(*reversed(place))

    def index(self, position: Iterable[SupportsIndex]) -> int:
        """The number of the block at `position`; the reverse of `position`."""
        place = Coordinate.of(position, self.ndim)
        number = 0
        for axis, (at, count) in enumerate(zip(place, self.shape, strict=True)):
            if not 0 <= at < count:
                raise GeometryError(
                    f"the grid has places 0 to {count - 1} on axis {axis}", value=tuple(place)
                )
            number = number * count + at
        return number

    def write_roi(self, index: SupportsIndex) -> Roi:
        """The region that block `index` writes."""
        offset = self.total.offset + self.position(index) * self.block_shape
        region = Roi(offset, self.block_shape)
        return region.intersect(self.total) if self.fit == "shrink" else region

    def read_roi(self, index: SupportsIndex) -> Roi:
        """The region that block `index` reads: its write region and the halo."""
        return self.write_roi(index).grow(*self.halo)

    def block_at(self, point: Iterable[SupportsIndex]) -> int:
        """The number of the block that writes `point`."""
        return self.index((Coordinate.of(point, self.ndim) - self.total.offset) // self.block_shape)

    def ranges(self, region: RoiLike) -> tuple[range, ...]:
        """On each axis, the places of the blocks whose write regions meet `region`."""
        start, stop = self.range_bounds(
            np.array(Roi.of(region).offset, dtype=np.int64)[:, None],
            np.array(Roi.of(region).end, dtype=np.int64)[:, None],
        )
        return tuple(range(int(a), int(b)) for a, b in zip(start[:, 0], stop[:, 0], strict=True))

    def range_bounds(
        self, start: NDArray[np.int64], end: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Compute `ranges` for many regions at once.

        Parameters
        ----------
        start, end : ndarray of int64, shape (ndim, n)
            First voxel inside and first voxel outside of each region, an axis a row.

        Returns
        -------
        first, last : ndarray of int64, shape (ndim, n)
            Half-open ranges of places; empty ranges have ``first == last``.
        """
        offset = np.array(self.total.offset, dtype=np.int64)[:, None]
        block = np.array(self.block_shape, dtype=np.int64)[:, None]
        count = np.array(self.shape, dtype=np.int64)[:, None]
        limit = np.array(self.total.end, dtype=np.int64)[:, None]
        covered = (
            np.minimum(limit, offset + count * block)
            if self.fit != "overhang"
            else offset + count * block
        )
        low = np.maximum(start, offset)
        high = np.minimum(end, covered)
        first = np.clip((low - offset) // block, 0, count)
        last = np.clip(-((offset - high) // block), 0, count)
        empty = high <= low
        return first, np.where(empty, first, np.maximum(last, first))

    def blocks_in(self, region: RoiLike) -> Iterator[int]:
        """Numbers of the blocks whose write regions meet `region`, in order."""
        ranges = self.ranges(region)
        if any(len(places) == 0 for places in ranges):
            return
        strides = [math.prod(self.shape[axis + 1 :]) for axis in range(self.ndim)]
        starts = [0]
        for places, stride in zip(ranges, strides, strict=True):
            starts = [start + place * stride for start in starts for place in places]
        yield from starts

"""A block, the argument of a task's function: geometry and no pixels."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._levels import lower_neighbours
from scutoid.geometry import BlockGrid, Coordinate, Roi


class BlockStatus(enum.IntEnum):
    """The status of a block; a byte a block in the scheduler and the journal."""

    WAITING = 0
    """Not begun."""
    ACTIVE = 1
    """Ready to run, or running."""
    WRITTEN = 2
    """Done."""
    EMPTY = 3
    """Done with nothing to write: a block's function may return this very value."""
    FOUND = 4
    """Done before, according to the task's `is_done`."""
    FAILED = 5
    """Failed at its last attempt."""
    ORPHANED = 6
    """Will not run, because what it depends on failed."""
    SKIPPED = 7
    """Left out by the task's `where`; counts as done for those that depend on it."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a block's function may return to say more than its value.

    Examples
    --------
    >>> Done({"n": 3}).status, Done(None, is_empty=True).status
    (<BlockStatus.WRITTEN: 2>, <BlockStatus.EMPTY: 3>)
    """

    value: object
    """Goes to the task's `collect`, also of a block that had nothing to write."""
    is_empty: bool = False
    """Whether there was nothing to write."""
    is_taken: bool = False
    """Whether what was made before of equal inputs was taken over, and nothing computed."""

    @property
    def status(self) -> BlockStatus:
        """The status of the block."""
        return BlockStatus.EMPTY if self.is_empty else BlockStatus.WRITTEN


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a task.

    Examples
    --------
    >>> block = Block("smooth", 7, Roi((0, 4), (6, 8)), Roi((1, 5), (4, 6)))
    >>> block.write_roi.to_slices(block.read_roi.offset)
    (slice(1, 5, None), slice(1, 7, None))
    """

    task: str
    """The task's name."""
    index: int
    """The block's number in the grid, in C order."""
    read_roi: Roi
    """The region that it reads: write region and halo; may stick out of the image."""
    write_roi: Roi
    """The region that it writes."""
    conflicts_in: BlockGrid | None = field(default=None, repr=False, compare=False)
    """The grid, if the task is one with ``conflict=True``."""

    @property
    def neighbours(self) -> tuple[Roi, ...]:
        """The finished parts of its read region in its own task's output.

        These are written by neighbours of lower level, and are on the disk and journalled.
        Anything else in the read region was left behind by an interrupted run.  Empty without
        ``conflict=True``.
        """
        grid = self.conflicts_in
        if grid is None:
            return ()
        return tuple(
            grid.write_roi(index).intersect(self.read_roi)
            for index in lower_neighbours(grid, self.index)
        )


def blocks_of(
    task: str, grid: BlockGrid, indices: NDArray[np.int64], *, conflict: bool = False
) -> Iterator[Block]:
    """The blocks of a grid with these numbers, computed together.

    Parameters
    ----------
    task : str
        The task's name.
    grid : BlockGrid
        The grid.
    indices : ndarray of int64, shape (n,)
        Numbers of blocks, each in the grid.
    conflict : bool, optional
        Whether the blocks may read what others of the task have written.
    """
    own_grid = grid if conflict else None
    low, high = (np.array(side, dtype=np.int64) for side in grid.halo)
    places = np.stack(np.unravel_index(indices, tuple(grid.shape)), axis=1)
    start = np.array(grid.total.offset, dtype=np.int64) + places * np.array(grid.block_shape)
    stop = start + np.array(grid.block_shape, dtype=np.int64)
    if grid.fit == "shrink":
        stop = np.minimum(stop, np.array(grid.total.end, dtype=np.int64))
    columns = (start, stop - start, start - low, stop - start + low + high)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for index, (offset, shape, read_offset, read_shape) in zip(indices.tolist(), rows, strict=True):
        read, write = _roi(read_offset, read_shape), _roi(offset, shape)
        yield Block(task, index, read, write, own_grid)


def _roi(offset: list[int], shape: list[int]) -> Roi:
    """Make a region of ints that numpy has computed, without checking each number.

    A cheap block lasts some microseconds, and the checks would take forty.
    """
    roi = object.__new__(Roi)
    object.__setattr__(roi, "offset", tuple.__new__(Coordinate, offset))
    object.__setattr__(roi, "shape", tuple.__new__(Coordinate, shape))
    return roi

"""A block, the argument of a task's function: geometry and no pixels."""

from __future__ import annotations

import enum
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._levels import lower_neighbours
from scutoid.geometry import BlockGrid, Coordinate, Roi

_T = TypeVar("_T")
# So that a job of many cheap blocks does not hold all of them at once.
_TOGETHER = 512


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
    """The blocks of a grid with these numbers, some hundred computed together.

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
    parts = (indices[at : at + _TOGETHER] for at in range(0, len(indices), _TOGETHER))
    return itertools.chain.from_iterable(_made(task, grid, part, own_grid) for part in parts)


def _made(
    task: str, grid: BlockGrid, indices: NDArray[np.int64], own_grid: BlockGrid | None
) -> list[Block]:
    """Make blocks side by side: a cheap block lasts less than a microsecond, its checks forty."""
    low, high = (np.array(side, dtype=np.int64) for side in grid.halo)
    places = np.stack(np.unravel_index(indices, tuple(grid.shape)), axis=1)
    block_shape = np.array(grid.block_shape, dtype=np.int64)
    start = np.array(grid.total.offset, dtype=np.int64) + places * block_shape
    stop = start + block_shape
    if grid.fit == "shrink":
        stop = np.minimum(stop, np.array(grid.total.end, dtype=np.int64))
    writes = reads = _rois(start, stop - start)
    if low.any() or high.any():
        reads = _rois(start - low, stop - start + low + high)
    return _filled(
        Block,
        *(len(indices), itertools.repeat(task), indices.tolist()),
        *(reads, writes, itertools.repeat(own_grid)),
    )


def _rois(offsets: NDArray[np.int64], shapes: NDArray[np.int64]) -> list[Roi]:
    """Make regions of ints that numpy has computed, without checking each number."""
    n = len(offsets)
    same = n > 0 and bool((shapes == shapes[0]).all())
    sides = itertools.repeat(_points(shapes[:1])[0]) if same else _points(shapes)
    return _filled(Roi, n, _points(offsets), sides)


def _points(values: NDArray[np.int64]) -> list[Coordinate]:
    rows = zip(*values.T.tolist(), strict=True)
    return list(map(tuple.__new__, itertools.repeat(Coordinate), rows))


def _filled(kind: type[_T], n: int, *columns: Iterable[object]) -> list[_T]:
    """Make `n` instances of a frozen class with slots, and fill its fields, a column each."""
    made = list(map(object.__new__, itertools.repeat(kind, n)))
    for name, column in zip(kind.__slots__, columns, strict=True):  # type: ignore[attr-defined]
        deque(map(vars(kind)[name].__set__, made, column), maxlen=0)
    return made

"""A block with daisy's names."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable

from scutoid import blocks
from scutoid.errors import GeometryError, StepError
from scutoid.geometry import BlockGrid, RoiLike
from scutoid.integrations.daisy._geometry import Roi, ours, theirs


class BlockStatus(enum.Enum):
    """The status of a block."""

    CREATED = "created"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"


def number_at(place: Iterable[int]) -> int:
    """Number a place in a grid of blocks as daisy does, by Cantor's pairing.

    ::

        0  1  3  6        along the diagonals, so that the number of a place does not depend on the
        2  4  7 ..        size of the grid; with gaps where the grid ends
        5  8 ..

    Parameters
    ----------
    place : iterable of int
        The block's place on each axis, counted from 0.

    Examples
    --------
    >>> number_at((0, 3)), number_at((1, 2)), number_at((2, 0, 1))
    (6, 7, 15)
    """
    number = reach = 0
    for axis, at in enumerate(place, start=1):
        reach += at
        number += math.prod(range(reach, reach + axis)) // math.factorial(axis)
    return number


class MarkedAsFailed(StepError):
    """A function has returned, and said by the block's status that it failed."""


class Block:
    """A region to read, a region to write, and a number.

    Parameters
    ----------
    total_roi : Roi
        The total region that is read; the number is that of the write region's place in it.
    read_roi, write_roi : Roi
        The regions that the block reads and writes.
    block_id : int, optional
        Its number in its task, if it is another one.
    task_id : str, optional
        The task's name.  Without their keywords, name and number come in either order.

    Raises
    ------
    GeometryError
        If there is no number, and the write region has no voxel or other axes than the total.
    """

    def __init__(
        self,
        total_roi: RoiLike,
        read_roi: Roi,
        write_roi: Roi,
        block_id: int | str | None = None,
        task_id: str | int | None = None,
    ) -> None:
        if isinstance(block_id, str) or not isinstance(task_id, str | None):
            block_id, task_id = task_id, block_id  # daisy 1 has the number first, daisy 2 the name
        self.read_roi = read_roi
        self.write_roi = write_roi
        self.task_id = None if task_id is None else str(task_id)
        self.status = BlockStatus.CREATED
        self._grid: BlockGrid | None = None
        self._total_roi: RoiLike | None = total_roi
        self._number: int | None = (
            _number_in(total_roi, write_roi) if block_id is None else int(block_id)
        )

    @classmethod
    def of(cls, block: blocks.Block, grid: BlockGrid) -> Block:
        """Convert a block of the engine to daisy's terms."""
        converted = cls.__new__(cls)
        converted.read_roi, converted.write_roi = theirs(block.read_roi), theirs(block.write_roi)
        converted.task_id, converted.status = block.task, BlockStatus.PROCESSING
        # A cheap block lasts some microseconds: the rest is worked out if it is asked for.
        converted._grid = grid  # noqa: SLF001 - its own
        converted._total_roi = converted._number = None  # noqa: SLF001
        return converted

    @property
    def total_roi(self) -> RoiLike:
        """The total region that is read."""
        if self._total_roi is None and self._grid is not None:
            self._total_roi = theirs(self._grid.total.grow(*self._grid.halo))
        return self._total_roi  # type: ignore[return-value]

    @property
    def block_id(self) -> tuple[str | None, int]:
        """Name of the task, and the block's number in it."""
        if self._number is None and self._grid is not None:
            grid, (low, _) = self._grid, self._grid.halo
            sides = zip(
                *(self.write_roi.offset, grid.total.offset, low, grid.block_shape), strict=True
            )
            self._number = number_at((at - start + a) // size for at, start, a, size in sides)
        return self.task_id, self._number  # type: ignore[return-value]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and (
            (self.block_id, ours(self.write_roi)) == (other.block_id, ours(other.write_roi))
        )

    def __hash__(self) -> int:
        return hash(self.block_id)

    def __repr__(self) -> str:
        return f"Block({self.block_id}, read {self.read_roi}, write {self.write_roi})"


def _number_in(total_roi: RoiLike, write_roi: RoiLike) -> int:
    total, write = ours(total_roi), ours(write_roi)
    if total.ndim != write.ndim or write.is_empty:
        raise GeometryError(
            "a block is numbered by the place of its write region, of a voxel or more, in the "
            "total region",
            value=f"write {write}, total {total}",
            place="Block",
            remedy="give regions with the same axes, or the number by block_id=",
        )
    return number_at((write.offset - total.offset) // write.shape)

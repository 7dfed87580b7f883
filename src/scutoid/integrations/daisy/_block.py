"""A block with daisy's names."""

from __future__ import annotations

import enum

from scutoid import blocks
from scutoid.geometry import RoiLike
from scutoid.integrations.daisy._geometry import Roi, ours, theirs


class BlockStatus(enum.Enum):
    """The status of a block."""

    CREATED = "created"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"


class Block:
    """A region to read, a region to write, and a number.

    Parameters
    ----------
    total_roi : Roi
        The total region that is read; only kept.
    read_roi, write_roi : Roi
        The regions that the block reads and writes.
    block_id : int, optional
        Its number in its task.
    task_id : str, optional
        The task's name.
    """

    def __init__(
        self,
        total_roi: RoiLike,
        read_roi: Roi,
        write_roi: Roi,
        block_id: int | None = None,
        task_id: str | None = None,
    ) -> None:
        self.total_roi = total_roi
        self.read_roi = read_roi
        self.write_roi = write_roi
        self.task_id = task_id
        self.status = BlockStatus.CREATED
        self._number = 0 if block_id is None else int(block_id)

    @classmethod
    def of(cls, block: blocks.Block, total_roi: RoiLike | None = None) -> Block:
        """Convert a block of the engine to daisy's terms."""
        converted = cls(
            theirs(block.read_roi) if total_roi is None else total_roi,
            theirs(block.read_roi),
            theirs(block.write_roi),
            block.index,
            block.task,
        )
        converted.status = BlockStatus.PROCESSING
        return converted

    @property
    def block_id(self) -> tuple[str | None, int]:
        """Name of the task, and the block's number in it, counted from 0 without gaps."""
        return self.task_id, self._number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and (
            (self.block_id, ours(self.write_roi)) == (other.block_id, ours(other.write_roi))
        )

    def __hash__(self) -> int:
        return hash(self.block_id)

    def __repr__(self) -> str:
        return f"Block({self.block_id}, read {self.read_roi}, write {self.write_roi})"

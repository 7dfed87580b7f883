"""What a worker gets of a task: how its blocks are made, and how one is run.

Workers load this module, and none of those that run tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._block import Block, BlockStatus, Done, blocks_of
from scutoid.blocks._task import BlockTask
from scutoid.executors import Work
from scutoid.geometry import BlockGrid

# A look at an enumeration takes a tenth of what all else of a block that does nothing does.
_WAITING, _WRITTEN = int(BlockStatus.WAITING), int(BlockStatus.WRITTEN)
_EMPTY, _FOUND = int(BlockStatus.EMPTY), int(BlockStatus.FOUND)


@dataclass(frozen=True, slots=True)
class _Call:
    """Runs one block in a worker, and returns its status and value."""

    function: Callable[..., object] | None
    is_done: Callable[[Block], bool] | None

    def __call__(self, block: object, values: Mapping[str, object]) -> tuple[int, object]:
        if self.is_done is not None and self.is_done(block):  # type: ignore[arg-type]
            return _FOUND, None
        if self.function is None:
            return _WAITING, None
        value = self.function(block, **values)
        if value is None:
            return _WRITTEN, None
        if type(value) is Done:
            return int(value.status), value
        return _EMPTY if value is BlockStatus.EMPTY else _WRITTEN, value


@dataclass(frozen=True, slots=True)
class _Items:
    """Makes a task's blocks in a worker."""

    task: str
    grid: BlockGrid
    conflict: bool

    def __call__(self, indices: NDArray[np.int64]) -> Iterator[object]:
        return blocks_of(self.task, self.grid, indices, conflict=self.conflict)


def work_of(task: BlockTask, *, is_memory_given: bool) -> Work:
    """Return what a worker gets of a task.

    Parameters
    ----------
    task : BlockTask
        The task.
    is_memory_given : bool
        Whether the run is told how much memory its blocks may take, and looks after it.
    """
    return Work(
        task.name,
        _Call(task.function, None if isinstance(task.is_done, np.ndarray) else task.is_done),
        _Items(task.name, task.grid, task.conflict),
        tuple((task.setup or {}).items()),
        task.timeout,
        task.collect is not None,
        task.requires or {},
        task.function is None,
        0 if is_memory_given else task.bytes_per_block,
        task.is_here,  # type: ignore[arg-type]
    )

"""How many blocks of a run can be with workers at once: more workers are not worth their start.

::

    denoise     0 1        six blocks, in two chains of blocks that wait for one another:
    mask        0 1        at most one of each chain runs
    count       0 1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._block import BlockStatus
from scutoid.blocks._task import After, BlockTask


@dataclass(slots=True)
class _Chains:
    """Chains that together have all blocks of some tasks, each waiting for the one before it."""

    width: int
    """Number of the chains."""
    ends: NDArray[np.bool_]
    """By the numbers of the last task: whether a chain may go on with that block."""


def most_at_once(tasks: Sequence[BlockTask], states: Callable[[int], NDArray[np.uint8]]) -> int:
    """Return a number of blocks that is never exceeded by those that run at once.

    Parameters
    ----------
    tasks : sequence of BlockTask
        Each after all that it waits for.
    states : callable
        Returns the status of each block of a task, given its place.
    """
    numbers = {task.name: number for number, task in enumerate(tasks)}
    by_last: dict[int, _Chains] = {}
    for number, task in enumerate(tasks):
        is_open = states(number) <= BlockStatus.ACTIVE
        for edge in task.edges():
            earlier = numbers[edge.task]
            if earlier in by_last and (edge.is_whole or _is_alike(tasks[earlier], task, edge)):
                chains = by_last.pop(earlier)  # each goes on with one task alone
                if edge.is_whole:
                    chains.width = max(chains.width, int(is_open.sum()))
                else:
                    chains.width += int((is_open & ~chains.ends).sum())
                    is_open = is_open | chains.ends
                by_last[number] = _Chains(chains.width, is_open)
                break
        else:
            by_last[number] = _Chains(int(is_open.sum()), is_open)
    return sum(chains.width for chains in by_last.values())


def _is_alike(earlier: BlockTask, later: BlockTask, edge: After) -> bool:
    """Whether each block waits for the one of the same number."""
    a, b = earlier.grid, later.grid
    has_same_axes = edge.axes is None or edge.axes == tuple(range(b.ndim))
    is_same_scale = edge.scale == 1 or edge.scale == (1.0,) * b.ndim
    return (
        has_same_axes
        and is_same_scale
        and (a.total, a.block_shape, a.fit) == (b.total, b.block_shape, b.fit)
    )

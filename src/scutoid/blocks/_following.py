"""Blocks that go to a worker together with those of the same numbers that they wait for.

::

    denoise     0 1 2 3        a batch: 0 1 2
    mask        0 1 2 3        goes along: 0 1 2, for each waits for nothing else
    count       0 1 2 3        goes along: 0 1 2, for what they wait for goes along
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._block import BlockStatus
from scutoid.blocks._links import Link
from scutoid.blocks._task import BlockTask

Ints = NDArray[np.int64]


class Lane(Protocol):
    """What is known of the blocks of one task."""

    task: BlockTask
    states: NDArray[np.uint8]
    counts: NDArray[np.int32] | None
    gates: int
    links: list[tuple[int, Link]]
    attempts: NDArray[np.uint8] | None
    abandoned: BlockStatus | None


class Following:
    """Which tasks may go along with which.

    Parameters
    ----------
    lanes : sequence
        By task, each after those that it waits for.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._earlier = _earlier(lanes)
        self._behind = {number: self._all_behind(number) for number in range(len(lanes))}

    def _all_behind(self, head: int) -> tuple[int, ...]:
        chain = [head]
        for number, earlier in self._earlier.items():
            if number > head and earlier.intersection(chain):
                chain.append(number)
        return tuple(chain[1:])

    def behind(self, task: int) -> tuple[int, ...]:
        """Return the tasks whose blocks may go along with those of a task, in their order."""
        return self._behind[task]

    def of(self, task: int, indices: Ints, tasks: Sequence[int]) -> Mapping[int, Ints]:
        """Return by task the blocks that wait for nothing but these, and for what goes along."""
        going = {task: np.ones(len(indices), dtype=np.bool_)}
        for number in tasks:
            lane = self._lanes[number]
            if lane.counts is None or lane.gates or lane.abandoned is not None:
                continue
            earlier = [going[each] for each in self._earlier[number] if each in going]
            n_going = np.sum(earlier, axis=0, dtype=np.int32)
            is_free = (n_going > 0) & (lane.counts.reshape(-1)[indices] == n_going)
            is_free &= lane.states[indices] == BlockStatus.WAITING
            if lane.attempts is not None:  # one that failed before goes alone
                is_free &= lane.attempts[indices] == 0
            if is_free.any():
                going[number] = is_free
        return {number: indices[chosen] for number, chosen in going.items() if number != task}


def _earlier(lanes: Sequence[Lane]) -> dict[int, set[int]]:
    """Return by task that may go along those that its blocks wait for, number by number."""
    found: dict[int, set[int]] = {}
    for number, lane in enumerate(lanes):
        if lane.task.is_here is None:
            continue
        before = [n for n, other in enumerate(lanes) if any(to == number for to, _ in other.links)]
        found[number] = {n for n in before if _is_alike(lanes[n].task, lane.task)}
    return found


def _is_alike(a: BlockTask, b: BlockTask) -> bool:
    """Whether two tasks have the same row of single blocks, and nothing to look after but these."""
    return all(
        task.grid.ndim == 1
        and tuple(task.grid.block_shape) == (1,)
        and not any(map(any, task.grid.halo))
        and not task.conflict
        and task.function is not None
        and (task.timeout, task.workers, task.bytes_per_block) == (None, None, 0)
        and not task.setup
        and not task.requires
        for task in (a, b)
    ) and (a.grid.total == b.grid.total)

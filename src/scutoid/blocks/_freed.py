"""Blocks that wait for some others: a box of them where they lie close together, else a list.

::

    done      . # . # .
    a box     1 1 2 1 1        for how many of the done each waits, with a halo of one
    a list    0 1 2 2 3 4      each as often as it waits for one of the done
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Box = tuple[slice, ...]
Grid = NDArray[np.int32] | NDArray[np.uint8]

_ONE = np.int32(1)
_NONE = np.zeros(0, dtype=np.int64)


class Freed(Protocol):
    """Blocks that wait for some others."""

    def take_off(self, counts: NDArray[np.int32]) -> None:
        """Lower the counters of these blocks, shape of their grid, by how many they wait for."""

    def where(self, values: Grid, value: int) -> Ints:
        """Numbers of those of these blocks, each once, for which the grid holds a value."""


class FreedBox(NamedTuple):
    """Blocks in a box; those of weight 0 do not wait."""

    box: Box
    """One slice an axis."""
    weight: NDArray[np.int32] | int
    """For how many of the others each block of the box waits; broadcasts to the box."""

    def take_off(self, counts: NDArray[np.int32]) -> None:
        """Lower the counters of the box."""
        counts[self.box] -= self.weight

    def where(self, values: Grid, value: int) -> Ints:
        """Numbers of those for which the grid holds a value, in C order."""
        held = values[self.box]
        if value == 0 and held.all():  # almost always, where blocks come back one by one
            return _NONE
        found = held == value
        if not isinstance(self.weight, int):
            found &= self.weight > 0
        places = np.nonzero(found)
        numbers: Ints = np.ravel_multi_index(
            tuple(at + side.start for at, side in zip(places, self.box, strict=True)), values.shape
        )
        return numbers


class FreedList(NamedTuple):
    """Blocks one by one, each as often as it waits for one of the others."""

    numbers: Ints
    """Numbers of the blocks, shape (n,), int64, in any order."""

    def take_off(self, counts: NDArray[np.int32]) -> None:
        """Lower the counter of each block, for each time that it is listed."""
        # With a one of another type than the counters' it takes forty times as long.
        np.subtract.at(counts.reshape(-1, copy=False), self.numbers, _ONE)

    def where(self, values: Grid, value: int) -> Ints:
        """Numbers of those for which the grid holds a value, in C order."""
        found: Ints = self.numbers[values.reshape(-1)[self.numbers] == value]
        if not len(found):
            return found
        found.sort()
        is_first = np.ones(len(found), dtype=np.bool_)
        np.not_equal(found[1:], found[:-1], out=is_first[1:])
        distinct: Ints = found[is_first]
        return distinct

"""A queue of the blocks that are ready from the start, near ones together.

::

    tiles of some thousand blocks, one after the other;     1 2 | 5 6
    in a tile, small cubes of blocks, one after the other   3 4 | 7 8

Nothing is sorted or listed for the whole grid: a tile is computed when it is reached.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_TILE_BLOCKS = 4096
_CUBE_BLOCKS = 64


class TileWalk:
    """All blocks of a grid, each once, a tile at a time.

    Parameters
    ----------
    shape : tuple of int
        Number of blocks on each axis.

    Examples
    --------
    >>> [tile.tolist() for tile in TileWalk((2, 3))]
    [[0, 1, 2, 3, 4, 5]]
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._strides = np.array(
            [math.prod(shape[axis + 1 :]) for axis in range(len(shape))], dtype=np.int64
        )
        self._tile = _sides(shape, _TILE_BLOCKS)
        self._orders: dict[tuple[int, ...], Ints] = {}

    def __iter__(self) -> Iterator[Ints]:
        if 0 in self._shape:
            return
        starts = (range(0, n, side) for n, side in zip(self._shape, self._tile, strict=True))
        for start in itertools.product(*starts):
            size = tuple(
                min(side, n - at)
                for side, n, at in zip(self._tile, self._shape, start, strict=True)
            )
            if size not in self._orders:
                self._orders[size] = self._order(size)
            first = sum(at * int(step) for at, step in zip(start, self._strides, strict=True))
            yield self._orders[size] + first

    def _order(self, size: tuple[int, ...]) -> Ints:
        """Numbers of a tile's blocks from its first one, cube by cube."""
        places = np.indices(size, dtype=np.int64).reshape(len(size), -1)
        cube = np.array(_sides(size, _CUBE_BLOCKS), dtype=np.int64)[:, None]
        keys = [*(places // cube), *(places % cube)]
        order = np.lexsort(keys[::-1])
        offsets: Ints = (places * self._strides[:, None]).sum(axis=0)
        return offsets[order]


class ReadyQueue:
    """The blocks of a grid that pass a test, a tile at a time.

    Parameters
    ----------
    shape : tuple of int
        Number of blocks on each axis.
    test : callable
        Gets numbers of blocks, and gives a mask of those to take; asked once for each block.
    """

    def __init__(self, shape: tuple[int, ...], test: Callable[[Ints], NDArray[np.bool_]]) -> None:
        self._tiles = iter(TileWalk(shape))
        self._test = test

    def next_tile(self) -> Ints | None:
        """Blocks of the next tile that has any; None at the end."""
        for tile in self._tiles:
            passed = tile[self._test(tile)]
            if len(passed):
                return passed
        return None


def _sides(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Sides of a box of at most `most` blocks, as near to a cube as `shape` allows."""
    sides = [1] * len(shape)
    rest, left = most, len(shape)
    for axis in sorted(range(len(shape)), key=lambda axis: shape[axis]):
        sides[axis] = max(min(shape[axis], int(rest ** (1 / left) + 1e-9)), 1)
        rest //= sides[axis]
        left -= 1
    return tuple(sides)

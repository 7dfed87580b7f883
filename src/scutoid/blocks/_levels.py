"""The order of blocks that read each other's output: colours, compared axis by axis.

::

    reach 1 on both axes           the levels, run one after the other where blocks are near

    (0,0) (0,1) (0,0) (0,1)        1 2 1 2
    (1,0) (1,1) (1,0) (1,1)        3 4 3 4
    (0,0) (0,1) (0,0) (0,1)        1 2 1 2

Two blocks conflict if one reads what the other writes, the halo taken as wide on both sides of an
axis as on its wider side.  The order depends on the grid alone, and so does what a block sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.geometry import BlockGrid


def conflict_reach(grid: BlockGrid) -> tuple[int, ...]:
    """On each axis, the distance in blocks of the farthest one that may conflict with a block."""
    return tuple(
        min(max(-(-low // size), -(-high // size)), max(count - 1, 0))
        for low, high, size, count in zip(*grid.halo, grid.block_shape, grid.shape, strict=True)
    )


def _levels(grid: BlockGrid, numbers: Iterable[int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Number the levels of blocks from 0 in their order.

    Returns
    -------
    levels, numbers : ndarray of int64 or of Python's ints, shape (n,)
        The level and the number of each block.
    """
    reach = conflict_reach(grid)
    n_levels = math.prod(far + 1 for far in reach)
    # Where 64 bits are too few, numpy computes with Python's ints.
    dtype = np.int64 if n_levels * grid.n_blocks < 2**63 else object
    rest = numbers = np.array(numbers, dtype=dtype)
    levels = np.zeros_like(numbers)
    for axis, far in enumerate(reach):
        stride = math.prod(grid.shape[axis + 1 :])
        levels = levels * (far + 1) + rest // stride % (far + 1)
        rest = rest % stride
    return levels, numbers


def conflict_order(grid: BlockGrid, indices: Iterable[int]) -> list[int]:
    """Sort blocks by level, so that each comes after the neighbours that it sees.

    Raises
    ------
    GeometryError
        If there is no such block.
    """
    given = list(indices)
    n = grid.n_blocks
    if not given:
        return []
    if set(map(type, given)) != {int} or min(given) < 0 or max(given) >= n:
        given = [grid.index(grid.position(index)) for index in given]
    levels, numbers = _levels(grid, given)
    order: list[int] = (np.sort(levels * n + numbers) % n).tolist()
    return order


def lower_neighbours(grid: BlockGrid, index: int) -> list[int]:
    """Numbers of the blocks of lower level that write in the read region of a block.

    Examples
    --------
    >>> from scutoid.geometry import Roi
    >>> grid = BlockGrid(Roi((0,), (5,)), 1, halo=1)
    >>> [lower_neighbours(grid, index) for index in range(5)]
    [[], [0, 2], [], [2, 4], []]
    """
    near = list(grid.blocks_in(grid.read_roi(index)))
    levels, numbers = _levels(grid, [index, *near])
    is_lower = levels[1:] < levels[0]
    found: list[int] = numbers[1:][is_lower].tolist()
    return found

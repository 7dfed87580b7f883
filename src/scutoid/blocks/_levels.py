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

from collections.abc import Iterable

from scutoid.geometry import BlockGrid


def conflict_reach(grid: BlockGrid) -> tuple[int, ...]:
    """On each axis, the distance in blocks of the farthest one that may conflict with a block."""
    return tuple(
        min(max(-(-low // size), -(-high // size)), max(count - 1, 0))
        for low, high, size, count in zip(*grid.halo, grid.block_shape, grid.shape, strict=True)
    )


def _colours(grid: BlockGrid, index: int, reach: tuple[int, ...]) -> list[int]:
    places = grid.position(index)
    return [place % (far + 1) for place, far in zip(places, reach, strict=True)]


def conflict_order(grid: BlockGrid, indices: Iterable[int]) -> list[int]:
    """Sort blocks by level, so that each comes after the neighbours that it sees."""
    reach = conflict_reach(grid)
    return sorted(indices, key=lambda index: (_colours(grid, index, reach), index))


def lower_neighbours(grid: BlockGrid, index: int) -> list[int]:
    """Numbers of the blocks of lower level that write in the read region of a block.

    Examples
    --------
    >>> from scutoid.geometry import Roi
    >>> grid = BlockGrid(Roi((0,), (5,)), 1, halo=1)
    >>> [lower_neighbours(grid, index) for index in range(5)]
    [[], [0, 2], [], [2, 4], []]
    """
    reach = conflict_reach(grid)

    own = _colours(grid, index, reach)
    return [
        number
        for number in grid.blocks_in(grid.read_roi(index))
        if number != index and _colours(grid, number, reach) < own
    ]

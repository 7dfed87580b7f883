"""A map of the blocks of a step by state, of bounded size however many blocks there are.

::

    blocks (z, y, x)          cells                 planes beside one another
    1,000,000 bytes     ->    <= 30,000 bytes  ->   | z 0 | z 1 | z 2 |
                              (g x f x f blocks     | z 3 | ...
                               a cell)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

MOST_CELLS = 30_000
MOST_BLOCKS = 32 << 20
"""Above this, a step has no map: one byte a block is kept."""
_GAP = 255
_PARTLY = 16
_LEVELS = 15


class BlockState(IntEnum):
    """The state of a block, and of a cell of which all blocks are alike."""

    WAITING = 0
    RUNNING = 1
    DONE = 2
    CACHED = 3
    """Done before this run."""
    RETRYING = 4
    """Failed, and will be tried again."""
    FAILED = 5
    LEFT_OUT = 6
    """Chosen by nothing, so that there is nothing to do."""
    NOT_RUN = 7
    """The run is over, and it is not done."""


def set_runs(states: Bytes, runs: Iterable[Sequence[int]], state: BlockState) -> None:
    """Give blocks a state, in place; runs are pairs of a first number and how many.

    Raises
    ------
    ValueError
        If there are no such blocks.
    """
    for first, n in runs:
        if first < 0 or n < 0 or first + n > len(states):
            raise ValueError(f"blocks {first} to {first + n} of {len(states)}")
        states[first : first + n] = state


@dataclass(frozen=True, slots=True)
class BlockMap:
    """Cells of a picture of the blocks of a step."""

    cells: Bytes
    """Shape (rows, columns): a `BlockState`; 16 to 30 where blocks of the cell are partly done; 255
    between planes."""
    blocks: tuple[int, ...]
    """Blocks along each axis; one number where there is no grid."""
    factors: tuple[int, ...]
    """Blocks of a cell along each axis."""
    planes: int
    """Planes that lie beside one another."""
    across: int
    """Planes in a row of them; of a map of one axis the cells in a row."""


def block_map(states: Bytes, blocks: Sequence[int], *, most: int = MOST_CELLS) -> BlockMap:
    """Draw the states of blocks as cells.

    Parameters
    ----------
    states : ndarray of uint8, shape (n_blocks,)
        Values of `BlockState`, in C order of the grid.
    blocks : sequence of int
        Blocks along each axis.
    most : int
        The most cells, gaps apart.

    Examples
    --------
    >>> block_map(np.array([2, 2, 1, 0], dtype=np.uint8), (2, 2)).cells.tolist()
    [[2, 2], [1, 0]]
    """
    shape = tuple(blocks)
    if math.prod(shape) != len(states):
        shape = (len(states),)
    long = [size for size in shape if size > 1]
    if len(long) <= 1:
        return _line(states, most)
    planes, rows, columns = math.prod(shape[:-2]), shape[-2], shape[-1]
    depth, width = 1, 1
    while math.ceil(planes / depth) * math.ceil(rows / width) * math.ceil(columns / width) > most:
        depth, width = _coarser(depth, width, planes, rows, columns)
    cells = _reduced(states.reshape(planes, rows, columns), (depth, width, width))
    across = _across(*cells.shape)
    factors = (depth, width, width) if len(shape) > 2 else (width, width)
    shown = (planes, rows, columns) if len(shape) > 2 else (rows, columns)
    return BlockMap(_beside(cells, across), shown, factors, len(cells), across)


def _coarser(depth: int, width: int, planes: int, rows: int, columns: int) -> tuple[int, int]:
    """Make cells larger along the axes that have most of them."""
    if planes / depth > max(rows, columns) / width:
        return depth + 1, width
    return depth, width + 1


def _line(states: Bytes, most: int) -> BlockMap:
    """Wrap a line of blocks into rows."""
    n_blocks = len(states)
    factor = max(math.ceil(n_blocks / most), 1)
    cells = _reduced(states.reshape(1, 1, n_blocks), (1, 1, factor)).ravel()
    across = min(len(cells), max(32, math.ceil(math.sqrt(4 * len(cells))))) or 1
    padded = np.full(math.ceil(len(cells) / across) * across, _GAP, dtype=np.uint8)
    padded[: len(cells)] = cells
    return BlockMap(padded.reshape(-1, across), (n_blocks,), (factor,), 1, across)


def _across(planes: int, rows: int, columns: int) -> int:
    """Choose how many planes lie in a row, so that the whole is about twice as wide as high."""
    wanted = math.sqrt(2 * planes * (rows + 1) / (columns + 1))
    return min(max(round(wanted), 1), planes)


def _beside(cells: Bytes, across: int) -> Bytes:
    """Lay planes beside one another, with gaps."""
    planes, rows, columns = cells.shape
    down = math.ceil(planes / across)
    whole = np.full((down * (rows + 1) - 1, across * (columns + 1) - 1), _GAP, dtype=np.uint8)
    for number, plane in enumerate(cells):
        top, left = number // across * (rows + 1), number % across * (columns + 1)
        whole[top : top + rows, left : left + columns] = plane
    return whole


def _reduced(states: Bytes, factors: tuple[int, int, int]) -> Bytes:
    """Return a cell for each so many blocks: what needs to be seen most, else how much is done."""
    if max(factors) == 1:
        return states
    pads = [(0, -size % factor) for size, factor in zip(states.shape, factors, strict=True)]
    padded = np.pad(states, pads, constant_values=_GAP)
    parts = [(size // factor, factor) for size, factor in zip(padded.shape, factors, strict=True)]
    split = padded.reshape([number for part in parts for number in part])
    counts = {state: (split == state).sum(axis=(1, 3, 5)) for state in BlockState}
    n_done = counts[BlockState.DONE] + counts[BlockState.CACHED]
    n_other = counts[BlockState.WAITING] + counts[BlockState.NOT_RUN]
    level = np.ceil(_LEVELS * n_done / np.maximum(n_done + n_other, 1)) - 1
    is_cached = counts[BlockState.CACHED] >= counts[BlockState.DONE]
    chosen = [
        (counts[BlockState.FAILED] > 0, BlockState.FAILED),
        (counts[BlockState.RETRYING] > 0, BlockState.RETRYING),
        (counts[BlockState.RUNNING] > 0, BlockState.RUNNING),
        ((n_done > 0) & (n_other > 0), _PARTLY + np.minimum(level, _LEVELS - 1)),
        (n_done > 0, np.where(is_cached, BlockState.CACHED, BlockState.DONE)),
        (counts[BlockState.NOT_RUN] > 0, BlockState.NOT_RUN),
        (counts[BlockState.WAITING] > 0, BlockState.WAITING),
    ]
    conditions, values = zip(*chosen, strict=True)
    cells: Bytes = np.select(conditions, values, default=BlockState.LEFT_OUT).astype(np.uint8)
    return cells

"""Maps of blocks: bounded, and no failed block is hidden."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.serving._block_map import _GAP, BlockState, block_map, set_runs

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def blocks_of_cell(drawn, row, column, shape):
    """Return the numbers of the blocks of a cell, as the page works them out."""
    if len(drawn.blocks) == 1:
        first = (row * drawn.across + column) * drawn.factors[0]
        return list(range(first, min(first + drawn.factors[0], drawn.blocks[0])))
    high = math.ceil(drawn.blocks[-2] / drawn.factors[-2])
    wide = math.ceil(drawn.blocks[-1] / drawn.factors[-1])
    plane = row // (high + 1) * drawn.across + column // (wide + 1)
    cell = (row % (high + 1), column % (wide + 1))
    cell = cell if len(drawn.blocks) == 2 else (plane, *cell)
    ranges = [
        range(at * factor, min((at + 1) * factor, size))
        for at, factor, size in zip(cell, drawn.factors, drawn.blocks, strict=True)
    ]
    numbers = np.arange(math.prod(drawn.blocks)).reshape(drawn.blocks)
    return numbers[np.ix_(*ranges)].ravel().tolist()


@given(shape=shapes, most=st.integers(1, 60), data=st.data())
def test_each_block_is_in_one_cell_which_shows_what_matters_most(shape, most, data):
    n = math.prod(shape)
    states = np.array(data.draw(st.lists(st.integers(0, 7), min_size=n, max_size=n)), np.uint8)
    drawn = block_map(states, shape, most=most)
    assert (drawn.cells != _GAP).sum() <= most
    seen = []
    for row, column in zip(*np.nonzero(drawn.cells != _GAP), strict=True):
        numbers = blocks_of_cell(drawn, int(row), int(column), shape)
        seen += numbers
        own = set(states[numbers].tolist())
        shown = int(drawn.cells[row, column])
        for state in (BlockState.FAILED, BlockState.RETRYING, BlockState.RUNNING):
            if state in own:
                assert shown == state
                break
        else:
            is_done = bool(own & {BlockState.DONE, BlockState.CACHED})
            is_open = bool(own & {BlockState.WAITING, BlockState.NOT_RUN})
            assert (16 <= shown <= 30) == (is_done and is_open)
            if len(own) == 1:
                assert shown in own
    assert sorted(seen) == list(range(n))


@pytest.mark.parametrize("shape", [(10**6,), (100, 100, 100), (1000, 1000), (10**6, 1, 1)])
def test_a_million_blocks_are_some_ten_thousand_cells(shape):
    states = np.zeros(10**6, dtype=np.uint8)
    states[123_456] = BlockState.FAILED
    cells = block_map(states, shape).cells
    assert cells.size < 40_000
    assert (cells == BlockState.FAILED).sum() == 1


def test_a_grid_that_does_not_fit_is_a_line():
    assert block_map(np.zeros(7, dtype=np.uint8), (2, 3)).blocks == (7,)


@pytest.mark.parametrize("runs", [[(5, 6)], [(-1, 1)], [(0, -2)], [(10, 1)]])
def test_blocks_that_are_none_are_refused(runs):
    states = np.zeros(10, dtype=np.uint8)
    with pytest.raises(ValueError, match="of 10"):
        set_runs(states, runs, BlockState.DONE)
    assert not states.any()

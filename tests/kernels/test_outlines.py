"""Outlines go along the edges of voxels, and hold an object exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from scutoid.kernels import outlines

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))


def area(loop):
    x, y = loop.T
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def filled(loops, shape):
    """Set the pixels in whose row an odd number of edges lies to the left of the centre."""
    inside = np.zeros(shape, int)
    for loop in loops:
        for (x, y), (_, y2) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            for row in range(min(y, y2), max(y, y2)):
                inside[row, x:] += 1
    return inside % 2 == 1


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_what_is_inside_is_the_object(mask) -> None:
    loops = outlines(mask)
    np.testing.assert_array_equal(filled(loops, mask.shape), mask)
    assert sum(map(area, loops)) == mask.sum()
    _, n_parts = ndimage.label(mask)
    assert sum(area(loop) > 0 for loop in loops) == n_parts
    for loop in loops:
        steps = np.roll(loop, -1, axis=0) - loop
        assert np.all(np.count_nonzero(steps, axis=1) == 1)  # along an axis
        assert np.all((steps[:, 0] == 0) != (np.roll(steps, 1, axis=0)[:, 0] == 0))  # a turn each


@given(st.integers(1, 5), st.integers(1, 5))
def test_a_rectangle_has_four_corners(height, width) -> None:
    (loop,) = outlines(np.ones((height, width), bool))
    assert loop.tolist() == [[0, 0], [width, 0], [width, height], [0, height]]


def test_nothing_has_no_outline() -> None:
    assert outlines(np.zeros((3, 4), bool)) == []


@pytest.mark.parametrize("diagonal", [[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
def test_pixels_that_touch_at_a_corner_have_outlines_of_their_own(diagonal) -> None:
    assert [len(loop) for loop in outlines(np.array(diagonal, bool))] == [4, 4]

"""Footprints of radii are balls and ellipsoids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.morphology import ball, disk

from scutoid.errors import ParameterError
from scutoid.kernels import footprint_array, footprint_shape


@given(st.integers(0, 9))
def test_footprints_of_radii_are_those_of_scikit_image(radius) -> None:
    np.testing.assert_array_equal(footprint_array(radius, 2), disk(radius))
    np.testing.assert_array_equal(footprint_array([radius] * 3, 3), ball(radius))


@given(st.tuples(*[st.floats(0, 4)] * 3))
def test_an_ellipsoid_fills_its_box_and_no_more(radii) -> None:
    footprint = footprint_array(radii, 3)
    assert list(footprint.shape) == footprint_shape(radii)
    for axis, radius in enumerate(radii):
        others = tuple(n for n in range(3) if n != axis)
        inside = footprint.any(axis=others)
        assert inside.sum() in (2 * int(radius) + 1, 2 * int(radius) - 1, 1)
    assert footprint[tuple(side // 2 for side in footprint.shape)]


def test_an_array_stands_for_itself() -> None:
    given = np.array([[0, 2], [1, 0], [1, 1]])
    np.testing.assert_array_equal(footprint_array(given, 2), given != 0)
    np.testing.assert_array_equal(footprint_array(given.tolist(), 2), given != 0)
    np.testing.assert_array_equal(footprint_array(np.ones(3), 1), np.ones(3, bool))


def test_another_number_of_axes_is_refused() -> None:
    for footprint in ((1, 2), np.ones((3, 3))):
        with pytest.raises(ParameterError, match="one axis"):
            footprint_array(footprint, 3)

"""Limits of contrast, beside a loop over all voxels and those beside them."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from scutoid.kernels import contrast_limits

NUMBERS = st.sampled_from([0.0, 1.0, 2.5, -3.0, math.nan, math.inf, -math.inf])
PLANES = stn.arrays(
    "float64", stn.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4), elements=NUMBERS
)


def by_loops(planes):
    """Return the limits as the docstring has them."""
    known, larger, smaller = [], [], []
    for plane in planes:
        for y, x in np.ndindex(plane.shape):
            if math.isfinite(plane[y, x]):
                known.append(plane[y, x])
            for there in ((y + 1, x), (y, x + 1)):
                if there[0] < plane.shape[0] and there[1] < plane.shape[1]:
                    both = [v for v in (plane[y, x], plane[there]) if math.isfinite(v)]
                    if both:
                        larger.append(max(both))
                        smaller.append(min(both))
    low, high = (min(larger), max(smaller)) if larger else (0, 0)
    if not low < high:
        low, high = (min(known), max(known)) if known else (0, 0)
    return (low, high) if low < high else (low, low + 1)


@given(st.lists(PLANES, max_size=3))
def test_limits_are_what_two_voxels_side_by_side_reach(planes):
    assert contrast_limits(planes) == by_loops(planes)


def test_limits_of_all_types_of_numbers():
    for dtype in ("bool", "uint8", "int16", "float32", "complex64"):
        plane = np.array([[0, 0, 1], [1, 1, 0]]).astype(dtype)
        assert contrast_limits([plane]) == (0, 1)

"""What is interpolated axis by axis is what scipy adds up corner by corner, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scutoid.kernels import Affine, _along_axes, affine
from scutoid.kernels._along_axes import along_axes

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4"]


def axis_places(scales, shifts, shape):
    """Places along each axis, to be broadcast."""
    ndim = len(shape)
    return [
        (shift + scale * np.arange(n)).reshape([-1 if n == axis else 1 for n in range(ndim)])
        for axis, (scale, shift, n) in enumerate(zip(scales, shifts, shape, strict=True))
    ]


def by_scipy(image, places, shape):
    coordinates = np.stack([np.broadcast_to(place, shape) for place in places])
    return ndimage.map_coordinates(image, coordinates, output=image.dtype, order=1, mode="nearest")


@st.composite
def grids(draw):
    """Images of few values, whose sums often lie halfway between two integers, and of many."""
    ndim = draw(st.integers(1, 3))
    sides = {"min_dims": ndim, "max_dims": ndim, "min_side": 1}
    shape = draw(hnp.array_shapes(**sides, max_side=12))
    out = draw(hnp.array_shapes(**sides, max_side=14))
    scale = st.sampled_from([0.1, 0.3, 0.5, 0.65, 1, 1.25, 1.5, -0.7, 0]) | st.floats(-2, 2)
    scales = [draw(scale) for _ in shape]
    shifts = [draw(st.sampled_from([0, 0.25, -0.175, 3]) | st.floats(-3, 9)) for _ in shape]
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    low, high = (0, 1e6) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    image = rng.uniform(low, high, shape)
    if draw(st.booleans()):
        image = 5 * rng.integers(low // 1000, 25, shape).clip(-25)
    return image.astype(dtype), axis_places(scales, shifts, out), out


@settings(max_examples=300, deadline=None)
@given(grids())
def test_equals_scipy_bit_for_bit(case):
    image, places, shape = case
    found = np.empty(shape, image.dtype)
    if along_axes(image, places, found):
        assert found.tobytes() == by_scipy(image, places, shape).tobytes()


HALVES = {
    "integers in float32": ("u4", 0, 25),
    "integers in float64": ("u4", 0, 2**31),
    "floats": ("f4", 2**23, 2**24),  # numbers between whole ones are rounded there
}


@pytest.mark.parametrize(("dtype", "lowest", "highest"), HALVES.values(), ids=HALVES)
def test_halves_fall_to_the_side_that_they_fall_to_in_scipy(monkeypatch, dtype, lowest, highest):
    image = (lowest + np.random.default_rng(0).integers(0, 26, (24, 24, 24))).astype(dtype)
    image[-1, -1, -1] = highest
    places = axis_places([0.1] * 3, [0.0] * 3, (50, 50, 50))
    expected = by_scipy(image, places, (50, 50, 50))
    found = np.empty_like(expected)
    assert along_axes(image, places, found)
    assert np.array_equal(found, expected)

    precision = _along_axes._precision
    monkeypatch.setattr(_along_axes, "_precision", lambda *given: (precision(*given)[0], 0.0))
    along_axes(image, places, found)
    assert not np.array_equal(found, expected)  # they are there, and would be others


def test_sums_that_are_exact_are_taken_in_the_narrower_type_that_holds_them():
    small, large = np.full((8,), 255, "u1"), np.full((8,), 2**32 - 1, "u4")
    assert _along_axes._precision(small, 2) == (np.float32, 0)
    assert _along_axes._precision(large, 2) == (np.float64, 0)
    assert _along_axes._precision(large, 99)[1] > 0


def test_a_negative_zero_is_none_in_the_result():
    image = np.array([-0.0, -0.0, 1.0], "f4")
    places = axis_places([0.3], [0.0], (5,))
    found = np.empty(5, "f4")
    assert along_axes(image, places, found)
    assert not np.signbit(found).any()
    assert found.tobytes() == by_scipy(image, places, (5,)).tobytes()


@pytest.mark.parametrize("value", [-1, np.inf, np.nan])
def test_what_has_no_bound_of_its_own_is_left_to_scipy(value):
    image = np.array([1, value, 3, 4], "f4")
    places = axis_places([0.3], [0.1], (9,))
    assert not along_axes(image, places, np.empty(9, "f4"))
    found = affine(image, Affine.of([[0.3, 0.1]], 1), (0,), (9,), mode="nearest")
    assert found.tobytes() == by_scipy(image, places, (9,)).tobytes()


def test_too_many_halves_are_left_to_scipy():
    image = (5 * np.indices((60, 60))[1] % 10).astype("u1")
    places = axis_places([1.0, 0.1], [0.0, 0.0], (60, 500))
    assert not along_axes(image, places, np.empty((60, 500), "u1"))


@pytest.mark.parametrize("mode", ["constant", "voxel", "nearest"])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_a_scaled_image_takes_this_way(monkeypatch, mode, dtype):
    image = np.random.default_rng(0).integers(0, 4000, (9, 10, 11)).astype(dtype)
    transform = Affine.of([0.7, 0.7, 1.3], 3)
    given = (image, transform, (2, 0, 0), (14, 15, 10))
    found = affine(*given, mode=mode, cval=7)
    monkeypatch.setattr("scutoid.kernels._affine.along_axes", lambda *given: False)
    assert found.tobytes() == affine(*given, mode=mode, cval=7).tobytes()
    monkeypatch.setattr("scutoid.kernels._affine._linear", None)
    monkeypatch.setattr("scutoid.kernels._affine.along_axes", along_axes)
    assert found.tobytes() == affine(*given, mode=mode, cval=7).tobytes()

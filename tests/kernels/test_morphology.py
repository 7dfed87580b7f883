"""Erosion, dilation and opening by runs equal those of scipy bit for bit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scutoid.kernels import (
    _morphology,
    _packed_masks,
    dilate_mask,
    erode_mask,
    footprint_array,
    grey_opening,
)

DTYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"]


@pytest.fixture(scope="module", autouse=True)
def small_too():
    """Small images are not left to scipy here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_morphology, "_SMALL", 0)
        yield


def assert_same_bits(found, expected) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@st.composite
def arrays(draw, dtypes):
    """Axes of 1 and 2 voxels, steps and other orders of axes are among them."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    if dtype.kind == "b":
        values = rng.random(shape) < draw(st.floats(0.05, 0.95))
    elif dtype.kind == "f":
        values = rng.choice([-np.inf, -1.5, 0, 1e-40, 2, 2.5, np.inf], shape).astype(dtype)
    else:
        low, high = draw(st.sampled_from([(0, 3), (np.iinfo(dtype).min, np.iinfo(dtype).max)]))
        values = rng.integers(low, high, shape, dtype, endpoint=True)
    if draw(st.booleans()):
        values = np.flip(np.repeat(values, 2, axis=-1)[..., ::2], 0)
    return values.transpose(draw(st.permutations(range(values.ndim))))


@st.composite
def footprints(draw, ndim):
    """Balls, ellipsoids, boxes, and any cells, with the centre in them or not."""
    kind = draw(st.sampled_from(["radii", "box", "cells"]))
    if kind == "radii":
        return footprint_array(draw(st.tuples(*[st.floats(0, 4)] * ndim)), ndim)
    cells = np.ones(draw(st.tuples(*[st.integers(1, 5)] * ndim)), bool)
    if kind == "cells":
        cells = draw(hnp.arrays(np.bool_, cells.shape))
        cells.flat[draw(st.integers(0, cells.size - 1))] = True
    return cells


@given(arrays(DTYPES), st.data())
@settings(max_examples=100)
def test_an_opening_equals_that_of_scipy(image, data) -> None:
    footprint = data.draw(footprints(image.ndim))
    expected = ndimage.grey_opening(image, footprint=footprint)
    assert_same_bits(grey_opening(image, footprint), expected)


@given(arrays(["f4", "f8"]), st.data())
@settings(max_examples=30)
def test_not_a_number_and_zeros_of_both_signs_are_those_of_scipy(image, data) -> None:
    image = image.copy()
    odd = st.sampled_from([np.nan, -0.0, 0.0])
    for _ in range(data.draw(st.integers(1, 4))):
        image.flat[data.draw(st.integers(0, image.size - 1))] = data.draw(odd)
    footprint = data.draw(footprints(image.ndim))
    expected = ndimage.grey_opening(image, footprint=footprint)
    assert_same_bits(grey_opening(image, footprint), expected)


@given(arrays(["i8", "u8"]), st.data())
@settings(max_examples=30)
def test_integers_of_64_bits_are_compared_as_such(image, data) -> None:
    footprint = data.draw(footprints(image.ndim))
    known, ranks = np.unique(image, return_inverse=True)
    opened = ndimage.grey_opening(ranks.reshape(image.shape), footprint=footprint)
    assert_same_bits(grey_opening(image, footprint), known[opened])


@given(arrays(["bool"]), st.booleans(), st.data())
@settings(max_examples=100)
def test_masks_are_eroded_and_dilated_as_by_scipy(mask, border, data) -> None:
    footprint = data.draw(footprints(mask.ndim))
    eroded = ndimage.binary_erosion(mask, footprint, border_value=border)
    assert_same_bits(erode_mask(mask, footprint, border=border), eroded)
    dilated = ndimage.binary_dilation(mask, footprint, border_value=border)
    assert_same_bits(dilate_mask(mask, footprint, border=border), dilated)


@pytest.mark.parametrize("n_bytes", [80, 3000], ids=["plane by plane", "some planes together"])
@pytest.mark.parametrize("shape", [(70, 90), (5, 22, 33), (31, 8, 9)])
def test_tiles_join_without_a_seam(shape, n_bytes, monkeypatch) -> None:
    monkeypatch.setattr(_morphology, "_BYTES", n_bytes)
    monkeypatch.setattr(_morphology, "_COLUMNS", 5)
    image = np.random.default_rng(0).integers(0, 2**16, shape, "uint16")
    ball = footprint_array(2, image.ndim)
    assert_same_bits(grey_opening(image, ball), ndimage.grey_opening(image, footprint=ball))


@pytest.mark.parametrize("voxels", [64, 3000], ids=["some rows", "some planes"])
@pytest.mark.parametrize("shape", [(900,), (70, 90), (31, 8, 9)])
def test_parts_of_masks_join_without_a_seam(shape, voxels, monkeypatch) -> None:
    monkeypatch.setattr(_packed_masks, "_VOXELS", voxels)
    mask = np.random.default_rng(0).random(shape) < 0.9
    ball = footprint_array(2, mask.ndim)
    assert_same_bits(erode_mask(mask, ball), ndimage.binary_erosion(mask, ball))
    assert_same_bits(dilate_mask(~mask, ball), ndimage.binary_dilation(~mask, ball))


@pytest.mark.parametrize("length", [63, 64, 65, 128, 200])
@pytest.mark.parametrize("border", [False, True])
def test_windows_reach_across_words(length, border) -> None:
    mask = np.random.default_rng(0).random((3, 700)) < 0.995
    row = np.ones((1, length), bool)
    eroded = ndimage.binary_erosion(mask, row, border_value=border)
    assert_same_bits(erode_mask(mask, row, border=border), eroded)
    mask = np.random.default_rng(1).random((3, 700)) < 0.005
    dilated = ndimage.binary_dilation(mask, row, border_value=border)
    assert_same_bits(dilate_mask(mask, row, border=border), dilated)


def test_the_other_byte_order_has_the_same_values() -> None:
    image = np.random.default_rng(0).integers(-500, 500, (9, 12)).astype("i2")
    ball = footprint_array(2, 2)
    found = grey_opening(image.astype(image.dtype.newbyteorder()), ball)
    assert_same_bits(found, ndimage.grey_opening(image, footprint=ball))


def test_memory_beyond_two_images_does_not_grow_with_the_image() -> None:
    peaks = []
    for n_planes in (40, 120):  # more than are worked on together
        image = np.zeros((n_planes, 96, 96), "uint16")
        tracemalloc.start()
        result = grey_opening(image, footprint_array(2, 3))
        peaks.append(tracemalloc.get_traced_memory()[1] - 2 * result.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] + 2**14


def test_small_images_are_left_to_scipy(monkeypatch) -> None:
    def none(*args, **options):
        raise AssertionError

    monkeypatch.setattr(_morphology, "_SMALL", 8 * 3 + 1)
    monkeypatch.setattr(_morphology, "tiles", none)
    image, footprint = np.array([3, 9, 3, 5, 5, 0, 1, 2]), np.ones(3, bool)
    assert_same_bits(grey_opening(image, footprint), ndimage.grey_opening(image, 3))
    mask = image > 2
    assert_same_bits(erode_mask(mask, footprint), ndimage.binary_erosion(mask, footprint))
    assert_same_bits(dilate_mask(mask, footprint), ndimage.binary_dilation(mask, footprint))

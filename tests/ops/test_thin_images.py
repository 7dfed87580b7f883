"""Images that are much thinner than a filter's window are mirrored as often as it asks for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import ball, disk

import scutoid as sc
from scutoid.kernels import grey_opening, median_filter

BEYOND = 66


def mirrored(image, function):
    """Apply a filter to an image beside its mirror images, all along the first axis."""
    around = [(BEYOND, BEYOND)] + [(0, 0)] * (image.ndim - 1)
    return function(np.pad(image, around, mode="symmetric"))[BEYOND:-BEYOND]


def by_blocks(step, image, block, **params):
    return np.asarray(step.options(block=block)(sc.open(image), **params))


def noise(*shape, dtype="uint16"):
    return np.random.default_rng(0).integers(1000, 60000, shape).astype(dtype)


@pytest.mark.parametrize(
    ("rows", "radius", "dtype"),
    [(2, 8, "uint16"), (2, 9, ">f4"), (3, 14, ">u2"), (3, 20, "uint16"), (4, 17, "f8")],
)
def test_the_top_hat_of_few_rows_is_that_of_the_mirrored_image(rows, radius, dtype):
    image = noise(rows, 90, dtype=dtype)
    footprint = disk(radius, dtype=bool)
    expected = mirrored(image, lambda a: ndimage.white_tophat(a, footprint=footprint))
    np.testing.assert_array_equal(sc.white_tophat(image, radius=radius), expected)
    for block in [(rows, 30), (1, 90)]:
        by_block = by_blocks(sc.white_tophat, image, block, radius=radius)
        np.testing.assert_array_equal(by_block, expected)


@pytest.mark.parametrize("rows", [2, 3])
def test_small_and_large_blocks_of_few_rows_agree(rows):
    footprint = disk(20, dtype=bool)
    image = noise(rows, 2**20 // footprint.size // rows + 1)
    whole = grey_opening(image, footprint)
    small = grey_opening(image[:, :200], footprint)
    np.testing.assert_array_equal(small[:, :160], whole[:, :160])
    opened = mirrored(image[:, :200], lambda a: ndimage.grey_opening(a, footprint=footprint))
    np.testing.assert_array_equal(small, opened)


def test_the_top_hat_of_few_planes_is_that_of_the_mirrored_image():
    image = noise(2, 6, 12)
    footprint = ball(8, dtype=bool)
    expected = mirrored(image, lambda a: ndimage.white_tophat(a, footprint=footprint))
    by_block = by_blocks(sc.white_tophat, image, (2, 3, 12), radius=8)
    np.testing.assert_array_equal(by_block, expected)


@pytest.mark.parametrize(("rows", "size"), [(2, 17), (2, 33), (3, 32), (4, 35), (5, 47)])
def test_the_median_of_few_rows_is_that_of_the_mirrored_image(rows, size):
    image = noise(rows, 30)
    expected = mirrored(image, lambda a: ndimage.median_filter(a, size=size))
    np.testing.assert_array_equal(sc.median(image, size=size), expected)
    for block in [(rows, 20), (1, 30)]:
        np.testing.assert_array_equal(by_blocks(sc.median, image, block, size=size), expected)


def test_local_medians_of_few_rows_are_those_of_the_mirrored_image():
    image = noise(2, 60)
    expected = mirrored(image, lambda a: a > ndimage.median_filter(a, size=33))
    found = sc.threshold_local(image, size=33, method="median", offset=0)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_floats_of_any_order_of_bytes_have_medians_along_one_axis(dtype):
    line = noise(50, dtype=dtype)
    native = line.astype(line.dtype.newbyteorder("="))
    expected = ndimage.median_filter(native, size=5)
    np.testing.assert_array_equal(median_filter(line, 5), expected)
    found = sc.median(line, size=5)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == native.dtype
    local = sc.threshold_local(line, size=5, method="median", offset=0)
    np.testing.assert_array_equal(local, native > expected)

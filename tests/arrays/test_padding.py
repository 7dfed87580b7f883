"""What lies beyond the edge, against numpy's own padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scutoid.arrays import open_source, pad_to, read_region
from scutoid.errors import GeometryError
from scutoid.geometry import Roi

NUMPY = {"nearest": "edge", "reflect": "symmetric"}


@st.composite
def images_and_regions(draw):
    ndim = draw(st.integers(1, 3))
    shape = draw(st.tuples(*[st.integers(1, 6)] * ndim))
    start = draw(st.tuples(*[st.integers(-20, 20)] * ndim))
    size = draw(st.tuples(*[st.integers(0, 15)] * ndim))
    array = np.arange(np.prod(shape), dtype="int32").reshape(shape) + 1
    return array, Roi(start, size)


def padded(array, roi, fill):
    """All that is around, by numpy, and the region cut out of it."""
    wide = 50
    if isinstance(fill, str):
        around = np.pad(array, wide, mode=NUMPY[fill])
    else:
        around = np.pad(array, wide, constant_values=fill)
    return around[roi.shift(wide).to_slices()]


@settings(max_examples=100, deadline=None)
@given(images_and_regions(), st.sampled_from(["nearest", "reflect", 0, 7]))
def test_a_region_that_sticks_out_is_as_numpy_pads(image_and_region, fill):
    array, roi = image_and_region
    source = open_source(array, axes="zyx"[-array.ndim :])
    found = read_region(source, roi, fill=fill)
    np.testing.assert_array_equal(found, padded(array, roi, fill))
    whole = Roi((0,) * array.ndim, array.shape)
    np.testing.assert_array_equal(pad_to(array, whole, roi, fill), found)


def test_reflect_is_what_scipy_calls_reflect():
    row = np.random.default_rng(0).random((1, 9))
    source = open_source(row)
    wide = read_region(source, Roi((0, -4), (1, 17)), fill="reflect")
    inner = ndimage.uniform_filter1d(wide, 9, axis=1)[:, 4:-4]
    np.testing.assert_allclose(inner, ndimage.uniform_filter1d(row, 9, axis=1, mode="reflect"))


class Counted:
    """A source that notes what is read."""

    def __init__(self, source):
        self.source, self.spec, self.read_rois = source, source.spec, []

    def read(self, roi):
        self.read_rois.append(roi)
        return self.source.read(roi)


@pytest.mark.parametrize("fill", ["reflect", "nearest", 0])
def test_padding_at_an_edge_reads_what_is_near_it_only(fill):
    source = Counted(open_source(np.zeros((1000, 1000), "uint8")))
    read_region(source, Roi((-5, 990), (20, 20)), fill=fill)
    (roi,) = source.read_rois
    assert roi.size <= 15 * 15


def test_a_region_far_outside_shows_only_the_fill():
    source = open_source(np.ones((4, 4), "uint8"))
    found = read_region(source, Roi((100, -50), (2, 3)), fill=9)
    np.testing.assert_array_equal(found, np.full((2, 3), 9))


def test_without_a_fill_a_region_that_sticks_out_is_refused():
    source = open_source(np.ones((4, 4), "uint8"))
    with pytest.raises(GeometryError, match="inside the image"):
        read_region(source, Roi((0, 0), (4, 5)))


def test_a_region_with_other_axes_is_refused():
    with pytest.raises(GeometryError, match="2 axes"):
        read_region(open_source(np.ones((4, 4), "uint8")), Roi((0,), (1,)))


def test_an_unknown_fill_is_refused():
    with pytest.raises(GeometryError, match="nearest"):
        read_region(open_source(np.ones((4, 4))), Roi((-1, 0), (4, 4)), fill="wrap")


@pytest.mark.parametrize(("dtype", "fill"), [("uint8", 300), ("uint8", -1), ("int16", np.nan)])
def test_a_fill_that_the_type_cannot_hold_is_refused(dtype, fill):
    with pytest.raises(GeometryError, match="can hold"):
        read_region(open_source(np.ones((4, 4), dtype)), Roi((-1, 0), (4, 4)), fill=fill)


@pytest.mark.parametrize(("dtype", "fill"), [("float32", 0.1), ("float32", np.nan), (bool, True)])
def test_a_fill_that_the_type_holds_is_taken(dtype, fill):
    found = read_region(open_source(np.zeros((2, 2), dtype)), Roi((-1, 0), (1, 2)), fill=fill)
    np.testing.assert_array_equal(found, np.full((1, 2), fill, dtype))


def test_an_empty_image_has_nothing_to_reflect():
    with pytest.raises(GeometryError, match="needs a voxel"):
        read_region(open_source(np.ones((0, 4))), Roi((0, 0), (2, 2)), fill="reflect")

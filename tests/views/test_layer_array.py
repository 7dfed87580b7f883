"""Lazy slicing: only the shown voxels are read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.geometry import Roi
from scutoid.views import LayerArray


class Source:
    def __init__(self, array, axes, offset):
        self.array, self.axes = array, axes
        self.shape, self.dtype = array.shape, array.dtype
        self.roi = Roi(offset, array.shape)

    def read(self, roi):
        assert self.roi.contains(roi)
        return self.array[roi.to_slices(self.roi.offset)].copy()


@st.composite
def sources(draw):
    axes = "".join(draw(st.permutations("tzyx"))[: draw(st.integers(2, 4))])
    shape = tuple(draw(st.integers(1, 5)) for _ in axes)
    offset = tuple(draw(st.integers(-3, 9)) for _ in axes)
    return Source(np.arange(np.prod(shape)).reshape(shape), axes, offset)


def in_world_order(source, axes):
    """The whole array with its axes in the viewer's order, missing ones added."""
    present = [axis for axis in axes if axis in source.axes]
    array = source.array.transpose([source.axes.index(axis) for axis in present])
    return array.reshape([source.shape[source.axes.index(a)] if a in present else 1 for a in axes])


@settings(max_examples=100, deadline=None)
@given(sources(), st.data())
def test_slicing_equals_numpy(source, data):
    array, whole = LayerArray.of(source, "tzyx"), in_world_order(source, "tzyx")
    assert (array.shape, array.ndim, array.size) == (whole.shape, whole.ndim, whole.size)
    np.testing.assert_array_equal(np.asarray(array), whole)
    for _ in range(2):
        index = data.draw(hnp.basic_indices(whole.shape, allow_newaxis=False))
        array, whole = array[index], whole[index]
        np.testing.assert_array_equal(np.asarray(array), whole)
        if whole.ndim == 0:
            return


def test_only_what_is_shown_is_read(image):
    source = image((7, 20, 30), "zyx")
    plane = LayerArray.of(source, "zyx")[3]
    assert source.read_shapes == []
    assert np.asarray(plane).shape == (20, 30)
    np.asarray(LayerArray.of(source, "zyx")[:, 5:9, 2:4][6])
    assert source.read_shapes == [(1, 20, 30), (1, 4, 2)]


def test_a_channel_is_read_alone(image):
    source = image((3, 4, 5), "cyx")
    np.testing.assert_array_equal(
        np.asarray(LayerArray.of(source, "yx", channel=1)), source.array[1]
    )
    assert source.read_shapes == [(1, 4, 5)]


def test_truth_values_are_shown_as_numbers(image):
    array = LayerArray.of(image((4, 5), "yx", bool), "yx")
    assert array.dtype == np.uint8
    assert np.asarray(array[:2]).dtype == np.uint8


def test_lists_and_masks_work_as_in_numpy(image):
    source = image((4, 5), "yx")
    array = LayerArray.of(source, "yx")
    np.testing.assert_array_equal(array[[0, 2]], source.array[[0, 2]])
    np.testing.assert_array_equal(array[source.array > 7], source.array[source.array > 7])


@pytest.mark.parametrize("index", [4, -5, (0, 0, 0)])
def test_indices_outside_are_refused(image, index):
    with pytest.raises(IndexError):
        LayerArray.of(image((4, 5), "yx"), "yx")[index]

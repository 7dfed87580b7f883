"""`resample(image, like=other)` puts an image on the grid of another, by the world of both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import scutoid as sc
from scutoid.errors import MetadataError, ParameterError


@given(
    shapes=st.tuples(*[st.tuples(st.integers(1, 15), st.integers(1, 15))] * 2),
    steps=st.tuples(*[st.sampled_from([0.5, 1.0, 2.0, 3.5])] * 2),
    shift=st.integers(-4, 4),
    order=st.sampled_from([0, 1]),
    block=st.integers(1, 9),
)
@settings(max_examples=80, deadline=None)
def test_it_is_the_affine_transform_of_the_whole(shapes, steps, shift, order, block) -> None:
    array = np.random.default_rng(0).integers(0, 250, shapes[0], dtype="uint8")
    image = sc.open(array, voxel_size=steps[0], origin=(1.0, 2.0))
    other = sc.open(np.zeros(shapes[1]), voxel_size=steps[1], origin=(1.0 + shift, 2.0))
    found = sc.resample.options(block=block)(image, like=other, order=order)
    assert (found.shape, found.voxel_size, found.origin) == (
        other.shape,
        other.voxel_size,
        other.origin,
    )
    ratio = steps[1] / steps[0]
    wanted = ndimage.affine_transform(
        array, [ratio, ratio], [shift / steps[0], 0], other.shape, order=order, mode="nearest"
    )
    for axis, first in enumerate((shift / steps[0], 0)):
        place = first + ratio * np.arange(other.shape[axis])
        is_outside = (place < -0.5) | (place >= array.shape[axis] - 0.5)
        wanted[(slice(None),) * axis + (is_outside,)] = 0
    np.testing.assert_array_equal(np.asarray(found), wanted)


def test_an_atlas_keeps_its_ids_and_units_are_converted(tmp_path) -> None:
    ids = np.array([[614_454_277, 5], [7, 0]], "uint32")
    atlas = sc.open(ids, voxel_size=0.1, unit="mm")
    image = sc.open(np.zeros((4, 4), "uint16"), voxel_size=50, origin=(-25, -25), unit="um")
    run = sc.run(
        sc.resample(atlas, like=image, order=0), store=tmp_path, block=3, executor="serial"
    )
    np.testing.assert_array_equal(
        np.asarray(run["resample"]), np.kron(ids, np.ones((2, 2), "uint32"))
    )
    assert run["resample"].voxel_size == (0.05, 0.05)


def test_each_channel_is_put_on_the_grid() -> None:
    array = np.random.default_rng(1).integers(0, 250, (2, 8, 6), dtype="uint8")
    image = sc.open(array, axes="cyx", voxel_size=1)
    found = sc.resample(image, like=sc.open(np.zeros((4, 3)), voxel_size=2, origin=(0.5, 0.5)))
    assert found.axes == "cyx"
    wanted = [ndimage.affine_transform(a, [2, 2], [0.5, 0.5], (4, 3), order=1) for a in array]
    np.testing.assert_array_equal(np.asarray(found), wanted)


def test_labels_are_not_interpolated() -> None:
    labels = sc.label(sc.open(np.ones((4, 4), bool), voxel_size=1))
    other = sc.open(np.zeros((8, 8)), voxel_size=0.5)
    assert sc.resample(labels, like=other).is_labels
    assert set(np.unique(np.asarray(sc.resample(labels, like=other)))) <= {0, 1}
    with pytest.raises(ParameterError, match="labels"):
        sc.resample(labels, like=other, order=1)


@pytest.mark.parametrize("order", [2, True, 1.5])
def test_other_orders_and_masks_in_between_are_refused(order) -> None:
    image = sc.open(np.zeros((4, 4)), voxel_size=1)
    with pytest.raises(ParameterError, match="order"):
        sc.resample(image, like=image, order=order)
    with pytest.raises(ParameterError, match="not interpolated"):
        sc.resample(sc.open(np.ones((4, 4), bool), voxel_size=1), like=image, order=1)
    with pytest.raises(ParameterError, match="open it"):
        sc.resample(image, like=np.zeros((4, 4)))


def test_unknown_voxel_sizes_are_refused() -> None:
    image = sc.open(np.zeros((4, 4)))
    with pytest.raises(MetadataError, match="voxel_size="):
        sc.resample(image, like=sc.open(np.zeros((4, 4)), voxel_size=1))


def test_one_of_a_voxel_size_and_another_image_is_given() -> None:
    image = sc.open(np.zeros((4, 4)), voxel_size=1)
    with pytest.raises(ParameterError, match="neither"):
        sc.resample(image)
    with pytest.raises(ParameterError, match="both"):
        sc.resample(image, like=image, voxel_size=2)

"""`distance_transform` equals scipy's up to a distance, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import scutoid as sc
from scutoid.errors import ParameterError


@st.composite
def cases(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=8, max_side=15))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = generator.random(shape) < draw(st.floats(0.5, 0.999))
    mask.flat[generator.integers(mask.size)] = False
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return mask, block


@given(cases(), st.integers(1, 8) | st.floats(0.5, 8))
@settings(max_examples=80)
def test_equals_scipy_to_the_last_bit_in_voxels(case, max_distance) -> None:
    mask, block = case
    image = sc.open(mask.astype("uint8"))
    found = sc.distance_transform.options(block=block)(image, max_distance=max_distance)
    expected = np.minimum(ndimage.distance_transform_edt(mask), max_distance)
    np.testing.assert_array_equal(np.asarray(found), expected)


@given(cases(), st.data())
@settings(max_examples=60)
def test_equals_scipy_in_the_unit_of_the_image(case, data) -> None:
    mask, block = case
    size = data.draw(st.tuples(*[st.sampled_from([0.3, 0.5, 1, 1.75])] * mask.ndim))
    max_distance = data.draw(st.floats(0.2, 2.4))
    image = sc.open(mask, voxel_size=size, unit="um")
    step = sc.distance_transform.options(block=block)
    found = np.asarray(step(image, max_distance=max_distance))
    whole = ndimage.distance_transform_edt(mask, sampling=size)
    np.testing.assert_allclose(found, np.minimum(whole, max_distance), rtol=1e-14)


@pytest.mark.parametrize("block", [3, 7, 20])
def test_without_background_everything_is_far(block) -> None:
    image = sc.open(np.ones((20, 20), bool))
    found = np.asarray(sc.distance_transform.options(block=block)(image, max_distance=4))
    assert (found == 4).all()


def test_the_same_through_a_store_and_for_every_time_point(tmp_path) -> None:
    movie = np.random.default_rng(0).random((2, 30, 31)) < 0.95
    found = sc.distance_transform(sc.open(movie, axes="tyx"), max_distance=5)
    sc.run(found, store=tmp_path, executor="threads", workers=2, block=8)
    for t in range(2):
        expected = np.minimum(ndimage.distance_transform_edt(movie[t]), 5)
        np.testing.assert_array_equal(np.asarray(found)[t], expected)


@pytest.mark.parametrize("voxel_size", [2, (1, 2, 3), (0, 1), (1, float("nan"))], ids=str)
def test_voxel_sizes_of_an_array_are_above_zero_for_each_axis(voxel_size) -> None:
    with pytest.raises(ParameterError, match="for each of 2 axes"):
        sc.distance_transform(np.ones((4, 4), bool), max_distance=2, voxel_size=voxel_size)


@pytest.mark.parametrize("value", [0, -2, float("inf"), float("nan"), "far", sc.um(2)], ids=str)
def test_the_distance_is_a_length(value, tmp_path) -> None:
    image = sc.open(np.ones((9, 9), bool))
    with pytest.raises(ParameterError, match="max_distance"):
        sc.plan(sc.distance_transform(image, max_distance=value), store=tmp_path)


def test_floats_are_refused_with_a_remedy() -> None:
    with pytest.raises(ParameterError, match="compare first"):
        sc.distance_transform(np.ones((9, 9)), max_distance=2)

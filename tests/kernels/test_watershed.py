"""Watershed: its rule, that parts follow it as the whole does, and the reference beside it."""

from __future__ import annotations

import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import watershed as skimage_watershed

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import _watershed, reference_watershed, watershed
from scutoid.kernels._watershed import order_ranks


@st.composite
def landscapes(draw):
    ndim = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, {1: 40, 2: 12, 3: 6}[ndim])) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.sampled_from([1, 3, 1000]))
    image = rng.integers(0, levels, size=shape)
    seeds = np.where(rng.random(shape) < 0.1, rng.integers(1, 6, size=shape), 0)
    mask = rng.random(shape) < draw(st.sampled_from([0.6, 0.9, 1.0]))
    return image, seeds, mask, draw(st.integers(1, ndim))


def by_the_rule(image, seeds, mask, connectivity):
    """The rule, word for word: among all that are reached, flood the least value, then index."""
    structure = ndimage.generate_binary_structure(image.ndim, connectivity)
    shifts = np.argwhere(structure) - 1
    labels = np.where(mask, seeds, 0)
    waiting = {tuple(p) for p in np.argwhere(labels)}
    while waiting:
        place = min(waiting, key=lambda p: (image[p], np.ravel_multi_index(p, image.shape)))
        waiting.remove(place)
        for shift in shifts:
            near = tuple(np.add(place, shift))
            if all(0 <= n < s for n, s in zip(near, image.shape, strict=True)) and (
                mask[near] and not labels[near]
            ):
                labels[near] = labels[place]
                waiting.add(near)
    return labels


@settings(max_examples=60, deadline=None)
@given(landscapes())
def test_floods_by_the_rule(case):
    np.testing.assert_array_equal(reference_watershed(*case), by_the_rule(*case))


@settings(max_examples=200, deadline=None)
@given(landscapes(), st.sampled_from(["bool", "u1", "i2", "u8", "f4", "f8"]))
def test_equals_the_reference(case, dtype):
    image, *others = case
    image = image.astype(dtype)
    np.testing.assert_array_equal(watershed(image, *others), reference_watershed(image, *others))


@settings(max_examples=100, deadline=None)
@given(landscapes(), st.sampled_from(["u1", "i4", "f4"]))
def test_from_high_to_low_equals_the_reference_on_negatives(case, dtype):
    image, *others = case
    wanted = reference_watershed(-image.astype(dtype).astype("f8"), *others)
    found = watershed(image.astype(dtype), *others, descending=True)
    np.testing.assert_array_equal(found, wanted)


def test_zero_of_either_sign_and_infinity_have_an_order():
    image = np.array([0.0, -0.0, np.inf, -np.inf, 0.0])
    seeds = np.array([0, 1, 0, 0, 2])
    np.testing.assert_array_equal(watershed(image, seeds), reference_watershed(image, seeds))


@settings(max_examples=60, deadline=None)
@given(landscapes())
def test_a_part_of_the_mask_is_flooded_the_same_alone(case):
    image, seeds, mask, connectivity = case
    whole = watershed(*case)
    structure = ndimage.generate_binary_structure(image.ndim, connectivity)
    parts, _ = ndimage.label(mask, structure)
    for number, where in enumerate(ndimage.find_objects(parts), 1):
        part = parts[where] == number
        alone = watershed(image[where], seeds[where], part, connectivity)
        np.testing.assert_array_equal(alone[part], whole[where][part])


@settings(max_examples=100, deadline=None)
@given(landscapes(), st.sampled_from(["u1", "f4"]), st.booleans())
def test_parts_that_are_flooded_in_their_boxes_equal_the_reference(case, dtype, turned):
    image, *others = case
    image = image.astype(dtype)
    # As if a call took no time, and looked for in slabs of a few voxels
    with mock.patch.multiple(_watershed, CALL=-(2**20), _VOXELS=7):
        found = watershed(image, *others, descending=turned)
    values = -image.astype("f8") if turned else image
    np.testing.assert_array_equal(found, reference_watershed(values, *others))


def test_what_lies_between_parts_takes_no_memory_to_flood():
    image = np.arange(100**3, dtype="f4").reshape((100,) * 3)
    seeds = np.zeros(image.shape, np.uint32)
    for at in (0, 96):  # a part at each end
        seeds[at, at, at], seeds[(at + 3,) * 3] = at + 1, at + 2
    mask = ndimage.binary_dilation(
        seeds != 0, np.ones((3, 3, 3)), iterations=2
    )  # one part at each end
    watershed(image, seeds, mask)
    tracemalloc.start()
    found = watershed(image, seeds, mask)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(found != 0, mask)
    assert most < 10 * image.size  # bytes; ranks and their copies alone would be three times that


@settings(max_examples=40, deadline=None)
@given(landscapes(), st.randoms(use_true_random=False))
def test_without_ties_it_equals_scikit_image(case, random):
    image, seeds, mask, connectivity = case
    order = list(range(image.size))
    random.shuffle(order)
    distinct = np.array(order).reshape(image.shape)
    structure = ndimage.generate_binary_structure(image.ndim, connectivity)
    wanted = skimage_watershed(distinct, seeds, structure, mask=mask)
    np.testing.assert_array_equal(watershed(distinct, seeds, mask, connectivity), wanted)


@pytest.mark.parametrize("watershed", [watershed, reference_watershed])
def test_seeds_keep_their_type_and_are_left_as_they_were(watershed):
    seeds = np.array([[1, 0], [0, 300]], np.uint16)
    before = seeds.copy()
    flooded = watershed(np.zeros((2, 2)), seeds)
    assert flooded.dtype == np.uint16
    np.testing.assert_array_equal(seeds, before)


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
@pytest.mark.parametrize("watershed", [watershed, reference_watershed])
def test_empty_arrays_stay_empty(watershed, shape):
    assert watershed(np.zeros(shape), np.zeros(shape, int)).shape == shape


@pytest.mark.parametrize("watershed", [watershed, reference_watershed])
def test_labels_of_64_bits_are_kept(watershed):
    seeds = np.array([0, 2**64 - 1, 0], np.uint64)
    assert watershed(np.zeros(3), seeds).tolist() == [2**64 - 1] * 3


def test_without_seeds_or_inside_nothing_is_flooded():
    image = np.arange(6).reshape(2, 3)
    assert not watershed(image, np.zeros((2, 3), int)).any()
    assert not watershed(image, np.ones((2, 3), int), np.zeros((2, 3), bool)).any()


@pytest.mark.parametrize("watershed", [watershed, reference_watershed])
def test_what_has_no_order_or_shape_is_refused(watershed):
    with pytest.raises(GeometryError, match="one shape"):
        watershed(np.zeros((2, 2)), np.zeros((2, 3), int))
    with pytest.raises(ParameterError, match="seeds are integers"):
        watershed(np.zeros(2), np.zeros(2))
    with pytest.raises(ParameterError, match="with an order"):
        watershed(np.array([np.nan, 1]), np.zeros(2, int))
    with pytest.raises(ParameterError, match="connectivity"):
        watershed(np.zeros(2), np.zeros(2, int), None, 2)


NUMBERS = st.sampled_from(["?", "u1", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])


@settings(max_examples=100, deadline=None)
@given(NUMBERS, st.integers(0, 40), st.integers(0, 2**32), st.booleans(), st.booleans())
def test_ranks_are_by_value_and_then_by_place(dtype, count, seed, narrow, descending):
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "f":
        values = rng.choice([-np.inf, -2.5, -0.0, 0.0, 1e-40, 3, np.inf], count).astype(dtype)
    elif kind == "b":
        values = rng.random(count) < 0.5
    else:
        ends = np.iinfo(dtype)
        low, high = (max(ends.min, -2), 2) if narrow else (ends.min, ends.max)
        values = rng.integers(low, high, count, dtype, endpoint=True)
    plain = values.tolist()
    turned = [-value for value in plain] if descending else plain
    order = sorted(range(count), key=lambda place: (turned[place], place))
    ranks = order_ranks(values, descending=descending)
    assert ranks[order].tolist() == list(range(count))

"""Local maxima of one array, against scikit-image and against their definition."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.morphology import local_maxima as skimage_maxima

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import (
    _maxima,
    h_reconstruction,
    highest_within,
    label_components,
    local_maxima,
    maximum_candidates,
)
from scutoid.kernels._maxima import _beside_another, _of_box


@st.composite
def landscapes(draw):
    ndim = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, {1: 30, 2: 12, 3: 6}[ndim])) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    image = rng.integers(0, draw(st.sampled_from([2, 3, 5, 1000])), shape)
    kinds = ["bool", "uint8", "int16", "float16", "float32", "longdouble", "uint64"]
    image = image.astype(draw(st.sampled_from(kinds)))
    if image.dtype == "uint64":  # differences that float64 does not hold
        image += np.uint64(2**63)
    return image, draw(st.integers(1, ndim))


def firsts(plateaus, connectivity):
    """Mark the first voxel of each plateau."""
    marks = np.zeros(plateaus.shape, bool)
    marks.reshape(-1)[label_components(plateaus, connectivity)[1]] = True
    return marks


def in_float64(image):
    """Move large values to where scikit-image, which counts in float64, tells them apart."""
    return (image - np.uint64(2**63) if image.dtype == "uint64" else image).astype("f8")


@given(landscapes())
@settings(max_examples=200, deadline=None)
def test_one_voxel_for_each_plateau_of_scikit_image(case) -> None:
    image, connectivity = case
    found = local_maxima(image, None, connectivity)
    if (image == image.flat[0]).all():
        assert not found.any()
        return
    # Its plateaus may touch what is beyond the border; padded by what is lower, they do not
    padded = np.pad(in_float64(image), 1, constant_values=-np.inf)
    wanted = skimage_maxima(padded, connectivity=connectivity)[(slice(1, -1),) * image.ndim]
    np.testing.assert_array_equal(found, firsts(wanted, connectivity))


@given(landscapes(), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_what_lies_outside_counts_as_lower(case, seed) -> None:
    image, connectivity = case
    inside = np.random.default_rng(seed).random(image.shape) < 0.7
    landscape = np.where(inside, in_float64(image), -np.inf)
    padded = np.pad(landscape, 1, constant_values=-np.inf)
    wanted = skimage_maxima(padded, connectivity=connectivity)[(slice(1, -1),) * image.ndim]
    found = local_maxima(image, inside, connectivity)
    np.testing.assert_array_equal(found, firsts(wanted & inside, connectivity))


@given(landscapes(), st.integers(0, 2**32), st.sampled_from([None, 1, 2.5]))
@settings(max_examples=100, deadline=None)
def test_labels_that_touch_are_looked_through_each_for_itself(case, seed, h) -> None:
    image, connectivity = case
    if h is not None and image.dtype == "uint64":
        image = image - np.uint64(2**63)  # what is lowered is float64
    labels = np.random.default_rng(seed).integers(0, 4, image.shape) * 1000
    found = image if h is None else h_reconstruction(image, h, labels, connectivity)
    together = local_maxima(found, labels, connectivity)
    for number in np.unique(labels[labels != 0]):
        own = labels == number
        found = image if h is None else h_reconstruction(image, h, own, connectivity)
        alone = local_maxima(found, own, connectivity)
        np.testing.assert_array_equal(together & own, alone)
        assert alone.any()
    assert not together[labels == 0].any()


@given(landscapes(), st.integers(0, 2**32), st.booleans())
@settings(max_examples=100, deadline=None)
def test_voxels_inside_alone_tell_what_filters_of_all_do(case, seed, numbered) -> None:
    image, connectivity = case
    inside = np.random.default_rng(seed).integers(0, 4, image.shape)
    inside = inside if numbered else inside > 1
    found = []
    for few in (0, 2**20):  # always, and never
        with mock.patch.object(_maxima, "_FEW", dict.fromkeys("biu", few)):
            found.append(maximum_candidates(image, inside, connectivity))
    for alone, of_all in zip(*found, strict=True):
        np.testing.assert_array_equal(alone, of_all)


def test_few_voxels_inside_are_looked_at_alone() -> None:
    labels = np.zeros((20, 20, 20), np.uint32)
    labels[3:9, 3:9, 3:9], labels[12:15, 12:18, 1:3] = 1, 2
    image = ndimage.distance_transform_edt(labels)
    with mock.patch.object(_maxima, "_of_box", side_effect=AssertionError("all voxels")):
        found, _ = maximum_candidates(image, labels)
        assert found.sum() == 8 + 3 * 6 * 2  # of the slab all are on a plateau
        with pytest.raises(AssertionError, match="all voxels"):
            maximum_candidates(image, labels + 1)


def test_corners_count_unless_told_otherwise() -> None:
    image = np.array([[2, 0], [0, 1]])
    assert local_maxima(image).tolist() == [[True, False], [False, False]]
    assert local_maxima(image, None, 1).tolist() == [[True, False], [False, True]]


@given(landscapes(), st.sampled_from([1, 2, 0.5]))
@settings(max_examples=80, deadline=None)
def test_what_is_lowered_has_the_maxima_that_rise_by_more(case, h) -> None:
    """A maximum stays if every way to a higher voxel leads down by more than h."""
    image, connectivity = case
    if image.dtype == "uint64":
        image = image - np.uint64(2**63)  # what is lowered is float64
    cut = h_reconstruction(image, h, None, connectivity)
    structure = ndimage.generate_binary_structure(image.ndim, connectivity)
    wanted = np.zeros(image.shape, bool)
    values = image.astype("f8")
    if values.min() == values.max():
        return
    for top in np.unique(values):
        # Domes of a height: connected voxels above top - h whose highest is top
        domes, n_domes = ndimage.label(values >= top - h, structure)
        for number in range(1, n_domes + 1):
            dome = domes == number
            if values[dome].max() == top and not dome.all():
                wanted |= dome
    np.testing.assert_array_equal(
        local_maxima(cut, None, connectivity), firsts(wanted, connectivity)
    )


@given(st.integers(1, 3), st.integers(0, 2**32), st.integers(1, 6), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_point_stays_if_no_higher_one_of_its_group_is_near(ndim, seed, distance, grouped) -> None:
    rng = np.random.default_rng(seed)
    places = np.argwhere(rng.random((9,) * ndim) < 0.15)
    values = rng.integers(0, 4, len(places)).astype("f4")
    groups = rng.integers(0, 3, len(places)) if grouped else np.zeros(len(places), int)
    found = highest_within(places, values, distance, groups if grouped else None)
    for n, (place, value) in enumerate(zip(places, values, strict=True)):
        near = (np.abs(places - place).max(axis=1) <= distance) & (groups == groups[n])
        higher = (values > value) | ((values == value) & (np.arange(len(places)) < n))
        assert found[n] == (not (near & higher).any())


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_empty_arrays_have_no_maxima(shape) -> None:
    assert local_maxima(np.zeros(shape)).shape == shape
    assert h_reconstruction(np.zeros(shape), 1).shape == shape


def test_what_has_no_order_or_shape_is_refused() -> None:
    with pytest.raises(ParameterError, match="order"):
        local_maxima(np.array([1, np.nan]))
    with pytest.raises(ParameterError, match="order"):
        h_reconstruction(np.array([1j, 2]), 1)
    with pytest.raises(GeometryError, match="one shape"):
        local_maxima(np.zeros(3), np.ones(4, bool))
    with pytest.raises(ParameterError, match="connectivity"):
        local_maxima(np.zeros(3), None, 2)
    for labels in (np.array([0, -1, 2]), np.array([0.0, 1, 2])):
        with pytest.raises(ParameterError, match="labels of 0 or more"):
            local_maxima(np.zeros(3), labels)


@given(
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6),
    st.sampled_from(["u1", "i2", "u4", "i8", "u8"]),
    st.integers(0, 2**32),
)
@settings(max_examples=60)
def test_voxels_beside_another_region_are_those_with_such_a_neighbour(shape, dtype, seed) -> None:
    rng = np.random.default_rng(seed)
    names = np.array([0, 0, 3, 4, np.iinfo(dtype).max], dtype)
    regions = names[rng.integers(0, 5, shape) * (rng.random(shape) < 0.7)]
    for hops in range(1, len(shape) + 1):
        structure = ndimage.generate_binary_structure(len(shape), hops)
        around = np.lib.stride_tricks.sliding_window_view(np.pad(regions, 1), structure.shape)
        others = around[..., structure]
        own = regions[..., np.newaxis]
        expected = ((others != own) & (others != 0) & (own != 0)).any(axis=-1)
        np.testing.assert_array_equal(_beside_another(regions, hops), expected)


@given(hnp.arrays("i2", hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6)))
@settings(max_examples=30)
def test_the_greatest_around_is_that_of_scipy(image) -> None:
    expected = ndimage.maximum_filter(image, size=3, mode="nearest")
    np.testing.assert_array_equal(_of_box(image, np.maximum), expected)


@given(
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6),
    st.sampled_from([None, bool, "u4"]),
    st.integers(0, 2**32),
)
@settings(max_examples=60)
def test_candidates_are_those_that_no_neighbour_of_their_region_exceeds(shape, kind, seed) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(-3, 2, shape)  # the edge is no voxel of 0, and none is beyond it
    inside = None if kind is None else rng.integers(0, 3, shape).astype(kind)
    regions = np.ones(shape, "u4") if inside is None else inside.astype("u4")
    for hops in range(1, len(shape) + 1):
        structure = ndimage.generate_binary_structure(len(shape), hops)

        def around(array, structure=structure):
            windows = np.lib.stride_tricks.sliding_window_view(np.pad(array, 1), structure.shape)
            return windows[..., structure]

        own, level = regions[..., np.newaxis], image[..., np.newaxis]
        near = (around(regions) == own) & (own != 0)
        expected = (regions != 0) & ~(near & (around(image) > level)).any(axis=-1)
        others = near & (around(image) == level) & ~around(expected)
        candidates, rejected = maximum_candidates(image, inside, hops)
        np.testing.assert_array_equal(candidates, expected)
        np.testing.assert_array_equal(rejected, expected & others.any(axis=-1))

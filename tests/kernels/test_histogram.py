"""Histograms from blocks, and thresholds and percentiles read off them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.filters import threshold_otsu

from scutoid.errors import ParameterError
from scutoid.kernels import (
    Histogram,
    bin_centers,
    float_histogram,
    histogram_of,
    merge_histograms,
    otsu_from_histogram,
    percentile_from_histogram,
    value_range,
)

INTEGER_DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">u2", ">i4")


@st.composite
def integer_arrays(draw, min_side=0):
    dtype = np.dtype(draw(st.sampled_from(INTEGER_DTYPES)))
    info = np.iinfo(dtype)
    spread = draw(st.sampled_from([3, 200, 70_000, 2**62]))
    low = draw(st.integers(info.min, info.max))
    elements = st.integers(low, min(low + spread, info.max))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=min_side, max_side=6))
    return draw(hnp.arrays(dtype, shape, elements=elements))


@settings(max_examples=150, deadline=None)
@given(integer_arrays())
def test_each_value_is_counted(array):
    found = histogram_of(array)
    values, counts = np.unique(array, return_counts=True)
    assert found.values.tolist() == values.tolist()
    assert found.counts.tolist() == counts.tolist()
    assert found.total == array.size
    assert found.values.dtype == (np.uint64 if array.dtype == np.uint64 else np.int64)


@settings(max_examples=100, deadline=None)
@given(integer_arrays(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_parts_add_up_to_the_whole_in_any_order(array, n_parts, random):
    parts = [histogram_of(part) for part in np.array_split(array.reshape(-1), n_parts)]
    random.shuffle(parts)
    merged, whole = merge_histograms(*parts), histogram_of(array)
    np.testing.assert_array_equal(merged.values, whole.values)
    np.testing.assert_array_equal(merged.counts, whole.counts)
    assert merged.values.dtype == whole.values.dtype


def test_truth_values_are_counted():
    found = histogram_of(np.array([True, False, True]))
    assert (found.values.tolist(), found.counts.tolist()) == ([0, 1], [1, 2])


def test_stored_arrays_give_the_same_histogram_back():
    found = histogram_of([5, 5, 70_000_000])
    again = Histogram.from_arrays(found.to_arrays())
    assert again.values.tolist() == [5, 70_000_000]
    assert again.counts.tolist() == [2, 1]


@pytest.mark.parametrize("array", [[0.5], ["a"], [1j]])
def test_values_that_are_not_integers_are_refused(array):
    with pytest.raises(ParameterError, match="only if they are integers"):
        histogram_of(array)


def test_histograms_of_two_types_do_not_merge():
    with pytest.raises(ParameterError, match="one type"):
        merge_histograms(histogram_of(np.zeros(1, "u8")), histogram_of(np.zeros(1, "u4")))
    with pytest.raises(ParameterError, match="at least one part"):
        merge_histograms()


@settings(max_examples=100, deadline=None)
@given(integer_arrays(min_side=1))
def test_otsu_of_integers_equals_skimage_of_the_whole(array):
    values = array.astype(np.int64) if array.dtype.itemsize < 8 else array % 1000
    values = values % 70_000 - 500  # scikit-image counts in an array from 0 to the largest value
    values = values.astype(np.int64).reshape(-1)
    found = merge_histograms(*map(histogram_of, np.array_split(values, 3)))
    assert otsu_from_histogram(found.counts, found.values) == threshold_otsu(values)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4"])
def test_otsu_of_two_populations_equals_skimage(seed, dtype):
    rng = np.random.default_rng(seed)
    image = np.concatenate([rng.normal(60, 10, 4000), rng.normal(110, 15, 900)])
    scale = 1 if dtype == "u1" else 200
    image = (image * scale).clip(0, 255 * scale).astype(dtype)
    found = merge_histograms(*map(histogram_of, np.array_split(image, 7)))
    assert otsu_from_histogram(found.counts, found.values) == threshold_otsu(image)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from(["f4", "f8"]),
    scale=st.sampled_from([1e-3, 1.0, 1e5]),
    size=st.integers(2, 3000),
)
def test_otsu_of_floats_equals_skimage_of_the_whole(seed, dtype, scale, size):
    rng = np.random.default_rng(seed)
    image = (rng.normal(size=size) ** 3 * scale).astype(dtype)
    low, high = value_range(image)
    parts = np.array_split(image, 4)
    counts = sum(float_histogram(part, low, high) for part in parts)
    centers = bin_centers(low, high, dtype=image.dtype)
    np.testing.assert_array_equal(counts, np.histogram(image, 256)[0])
    threshold = otsu_from_histogram(counts, centers)
    assert threshold == threshold_otsu(image)


def test_a_range_that_went_through_python_floats_gives_the_same_bins():
    image = np.random.default_rng(0).random(5000).astype(np.float32)
    low, high = (float(value) for value in value_range(image))
    np.testing.assert_array_equal(float_histogram(image, low, high), np.histogram(image, 256)[0])


def test_otsu_of_one_value_is_that_value():
    found = histogram_of(np.full(9, 7, np.uint16))
    assert otsu_from_histogram(found.counts, found.values) == 7


def test_bins_without_voxels_change_nothing():
    counts, values = np.array([0, 4, 0, 0, 3, 2, 0]), np.arange(7)
    sparse = otsu_from_histogram(counts[counts > 0], values[counts > 0])
    assert otsu_from_histogram(counts, values) == sparse


@pytest.mark.parametrize("counts", [[], [0, 0]])
def test_a_threshold_needs_a_voxel(counts):
    with pytest.raises(ParameterError, match="at least one voxel"):
        otsu_from_histogram(counts, np.arange(len(counts)))


def test_a_histogram_has_a_count_for_each_value():
    with pytest.raises(ParameterError, match="one count for each value"):
        otsu_from_histogram([1, 2], [1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_range_is_of_finite_values(bad):
    with pytest.raises(ParameterError, match="finite"):
        value_range(np.array([1.0, bad]))


def test_an_empty_array_has_no_range():
    assert value_range(np.zeros((0, 3))) is None


@settings(max_examples=100, deadline=None)
@given(
    array=hnp.arrays(np.uint16, st.integers(1, 40)),
    percent=st.floats(0, 100) | st.sampled_from([0, 50, 99.8, 100]),
)
def test_percentiles_of_integers_equal_numpy(array, percent):
    found = merge_histograms(*map(histogram_of, np.array_split(array, 3)))
    assert percentile_from_histogram(found, percent) == np.percentile(array, percent)


def test_percentiles_out_of_range_or_of_nothing_are_refused():
    with pytest.raises(ParameterError, match="0 to 100"):
        percentile_from_histogram(histogram_of([1]), 101)
    with pytest.raises(ParameterError, match="at least one voxel"):
        percentile_from_histogram(histogram_of(np.zeros(0, int)), 50)

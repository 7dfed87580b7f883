"""Making arrays coarser: exact means, modes, and windows that the edge cuts."""

from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scutoid.kernels._downsample as downsample_module
from scutoid.errors import ParameterError
from scutoid.kernels import downsample

INTEGERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]


@st.composite
def cases(draw, dtypes=(*INTEGERS, "?")):
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7))
    factors = tuple(draw(st.integers(1, 4)) for _ in shape)
    elements = None
    if dtype.kind in "iu" and draw(st.booleans()):  # many ties
        elements = st.sampled_from([0, 1, 2, np.iinfo(dtype).max, np.iinfo(dtype).min])
    return draw(hnp.arrays(dtype, shape, elements=elements)), factors


def windows(array, factors):
    """Yield the index of each window, and its voxels."""
    starts = [range(0, size, factor) for size, factor in zip(array.shape, factors, strict=True)]
    for corner in itertools.product(*starts):
        part = array[tuple(slice(a, a + f) for a, f in zip(corner, factors, strict=True))]
        yield tuple(a // f for a, f in zip(corner, factors, strict=True)), part


@settings(max_examples=150, deadline=None)
@given(cases(INTEGERS))
def test_means_of_integers_are_exact_and_rounded_to_even(case):
    array, factors = case
    found = downsample(array, factors, "mean")
    assert found.dtype == array.dtype
    for index, part in windows(array, factors):
        exact = Fraction(sum(map(int, part.ravel())), part.size)
        assert int(found[index]) == round(exact)  # Python rounds ties to even


@settings(max_examples=150, deadline=None)
@given(cases())
def test_modes_are_the_most_frequent_and_of_these_the_largest(case):
    array, factors = case
    found = downsample(array, factors, "mode")
    for index, part in windows(array, factors):
        counts = Counter(part.ravel().tolist())
        expected = max(counts, key=lambda value, n=counts: (n[value], value))
        assert found[index] == expected


@settings(max_examples=80, deadline=None)
@given(cases())
def test_largest_and_middle_voxels(case):
    array, factors = case
    largest, middle = downsample(array, factors, "max"), downsample(array, factors, "nearest")
    for index, part in windows(array, factors):
        assert largest[index] == part.max()
        assert middle[index] == part[tuple(n // 2 for n in part.shape)]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8"])
def test_means_of_floats_are_summed_in_double_precision(dtype):
    array = (np.random.default_rng(0).random((7, 9)) * 1000).astype(dtype)
    found = downsample(array, (2, 3), "mean")
    assert found.dtype == array.dtype
    wide = array.astype("c16" if dtype == "c8" else "f8")
    for index, part in windows(wide, (2, 3)):
        assert found[index] == pytest.approx(part.mean(), rel=1e-3 if dtype == "f2" else 1e-6)


@given(cases(("u2", "f4", "?")), st.sampled_from(["mean", "mode", "nearest", "max"]), st.data())
@settings(max_examples=80, deadline=None)
def test_parts_that_hold_whole_windows_give_parts_of_the_whole(case, method, data):
    array, factors = case
    whole = downsample(array, factors, method)
    first = [data.draw(st.integers(0, size - 1)) for size in whole.shape]
    part = array[tuple(slice(n * f, None) for n, f in zip(first, factors, strict=True))]
    np.testing.assert_array_equal(
        downsample(part, factors, method), whole[tuple(slice(n, None) for n in first)]
    )


def test_masks_are_joined_by_majority_whatever_they_are_asked_for():
    mask = np.array([[True, False, False], [False, True, False]])
    assert downsample(mask, 2, "mean").tolist() == [[True, False]]


def test_means_do_not_overflow():
    for dtype in INTEGERS:
        top = np.full((40, 40, 20), np.iinfo(dtype).max, dtype)
        assert downsample(top, 40).tolist() == [[[np.iinfo(dtype).max]]]


def test_infinities_and_missing_numbers_stay():
    array = np.array([np.inf, -np.inf, np.nan, 1, np.inf, 1])
    np.testing.assert_array_equal(downsample(array, 2), [np.nan, np.nan, np.inf])


@settings(max_examples=60, deadline=None)
@given(case=cases(), voxels=st.integers(1, 60))
@pytest.mark.parametrize("method", ["mean", "mode", "nearest", "max"])
def test_an_array_in_slabs_gives_the_same(method, case, voxels):
    image, factors = case
    whole = downsample(image, factors, method)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downsample_module, "_VOXELS", voxels)
        np.testing.assert_array_equal(downsample(image, factors, method), whole)


@pytest.mark.parametrize("method", ["mean", "max"])
def test_a_large_array_takes_less_memory_than_itself(method):
    image = np.zeros((256, 128, 256), "uint16")
    tracemalloc.start()
    try:
        downsample(image, 2, method)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < image.nbytes / 2


def test_an_array_without_voxels_stays_empty():
    assert downsample(np.zeros((0, 5)), 2).shape == (0, 3)
    assert downsample(np.float32(3)[()].reshape(()), ()).shape == ()


@pytest.mark.parametrize("factors", [0, -1, 1.5, (2, 2, 2), (2, True), "2"])
def test_factors_are_whole_numbers_one_an_axis(factors):
    with pytest.raises(ParameterError, match="whole factors"):
        downsample(np.zeros((4, 4)), factors)


def test_methods_are_named():
    with pytest.raises(ParameterError, match="mean, mode, nearest, max"):
        downsample(np.zeros(4), 2, "median")

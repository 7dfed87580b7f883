"""Medians by sorting networks equal those of scipy bit for bit."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scutoid.kernels import _median, median_filter
from scutoid.kernels._median import has_one_order

INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
SIZES = [3, (3, 3, 3), (1, 3, 3), (3, 1, 3), (3, 3, 1), (3, 1, 1), (1, 1, 1), (3, 4, 3), 2]


@pytest.fixture(scope="module", autouse=True)
def small_too():
    """Small images are not left to scipy here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_median, "_SMALL", 0)
        yield


def assert_same_bits(found, expected) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@st.composite
def images(draw, dtypes):
    """Values of few or many sizes; axes of 1 and 2 voxels; steps, other orders of axes."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    if dtype.kind == "f":
        values = rng.choice([-np.inf, -1.5, 0, 1e-40, 2, 2.5, np.inf], shape).astype(dtype)
    else:
        ends = np.iinfo(dtype)
        low, high = draw(st.sampled_from([(0, 2), (ends.min, ends.max)]))
        values = rng.integers(low, high, shape, dtype.newbyteorder("="), endpoint=True)
        values = values.astype(dtype)
    axes = draw(st.permutations(range(values.ndim)))
    values = np.repeat(values, 2, axis=-1)[..., ::2] if draw(st.booleans()) else values
    return np.flip(values, 0).transpose(axes) if draw(st.booleans()) else values.transpose(axes)


@given(images([*INTEGERS[:6], "f4", "f8"]), st.sampled_from(SIZES))
@settings(max_examples=100)
def test_equals_scipy_bit_for_bit(image, size) -> None:
    size = size if np.ndim(size) == 0 else size[: image.ndim]
    assert_same_bits(median_filter(image, size), ndimage.median_filter(image, size))


@given(images(["i8", "u8"]))
@settings(max_examples=40)
def test_integers_of_64_bits_are_compared_as_such(image) -> None:
    known, ranks = np.unique(image, return_inverse=True)
    expected = known[ndimage.median_filter(ranks.reshape(image.shape), 3)]
    assert_same_bits(median_filter(image, 3), expected)


@given(images(["f4", "f8"]), st.data())
@settings(max_examples=40)
def test_not_a_number_and_zeros_of_both_signs_are_those_of_scipy(image, data) -> None:
    image = image.copy()
    odd = st.sampled_from([np.nan, -0.0, 0.0])
    for _ in range(data.draw(st.integers(1, 4))):
        image.flat[data.draw(st.integers(0, image.size - 1))] = data.draw(odd)
    assert_same_bits(median_filter(image, 3), ndimage.median_filter(image, 3))


@given(images([">i2", ">f4"]))
@settings(max_examples=20)
def test_the_other_byte_order_has_the_same_values(image) -> None:
    own = image.astype(image.dtype.newbyteorder("="))
    assert_same_bits(median_filter(image, 3), median_filter(own, 3))


@pytest.mark.parametrize("shape", [(70, 90), (5, 12, 33), (11, 3, 30)])
def test_tiles_and_parts_of_wires_join_without_a_seam(shape, monkeypatch) -> None:
    monkeypatch.setattr(_median, "_PLANE", 40)
    monkeypatch.setattr(_median, "_COLUMNS", 13)
    monkeypatch.setattr(_median, "_STACK", 300)
    monkeypatch.setattr(_median, "_BYTES", 14)
    image = np.random.default_rng(0).integers(0, 2**16, shape, "uint16")
    assert_same_bits(median_filter(image, 3), ndimage.median_filter(image, 3))


def test_the_network_finds_the_middle_of_all_values_that_grow_along_three_axes() -> None:
    """Of 0 and 1, which is enough; what each wire is worth there is known."""
    rows = list(itertools.combinations_with_replacement(range(4), 3))
    heights = np.array(list(itertools.product(rows, repeat=3)))
    grows = (np.diff(heights, axis=1) >= 0).all((1, 2))
    cubes = np.arange(3) >= 3 - heights[grows][..., np.newaxis]  # [case, plane, rank, rank]
    assert len(cubes) == 980
    wires = list(cubes.reshape(-1, 27).T)
    for low, high in _median._MIDDLE_OF_27:
        wires[low], wires[high] = wires[low] & wires[high], wires[low] | wires[high]
    np.testing.assert_array_equal(wires[13], cubes.sum((1, 2, 3)) >= 14)


def test_floats_without_an_order_of_bits_are_told() -> None:
    assert has_one_order(np.array([-1.0, 0.0, -2.0]))
    assert has_one_order(np.array([-1.0, -0.0]))
    for values in ([-1.0, 0.0, -0.0], [np.nan, 1.0], [np.nan, -0.0]):
        assert not has_one_order(np.array(values, "float32"))


@pytest.mark.parametrize("size", [3, (1, 3, 3)])
def test_small_planes_are_sorted_together(size, monkeypatch) -> None:
    calls = []
    middle = _median._Wires.middle
    monkeypatch.setattr(_median._Wires, "middle", lambda *a: calls.append(1) or middle(*a))
    median_filter(np.zeros((40, 64, 64), "uint16"), size)
    assert len(calls) < 8  # each holds Python's lock for a moment, which other threads wait for


def test_memory_beyond_the_result_does_not_grow_with_the_image() -> None:
    peaks = []
    for n_planes in (20, 60):
        image = np.zeros((n_planes, 128, 128), "uint16")
        tracemalloc.start()
        result = median_filter(image, 3)
        peaks.append(tracemalloc.get_traced_memory()[1] - result.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_small_images_are_left_to_scipy(monkeypatch) -> None:
    def none(*args, **options):
        raise AssertionError

    monkeypatch.setattr(_median, "_SMALL", 65)
    monkeypatch.setattr(_median, "_fill", none)
    image = np.arange(64).reshape(4, 4, 4)
    assert_same_bits(median_filter(image, 3), ndimage.median_filter(image, 3))

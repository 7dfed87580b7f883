"""Bounded distances equal those of scipy bit for bit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scutoid.kernels import _near, bounded_distance

SIZES = [0.25, 0.5, 0.75, 1, 1.75, 2, 3, 5, 40]


@pytest.fixture(scope="module", autouse=True)
def small_too():
    """Small images are not left to scipy here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_near, "_SMALL", 0)
        yield


@st.composite
def masks(draw):
    """Axes of 1 and 2 voxels, steps and other orders of axes are among them."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=11))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = rng.random(shape) < draw(st.sampled_from([0.5, 0.9, 0.98, 1]))
    if draw(st.booleans()):
        mask = np.flip(np.repeat(mask, 2, axis=-1)[..., ::2], 0)
    return mask.transpose(draw(st.permutations(range(mask.ndim))))


def by_scipy(mask, max_distance, sampling=None):
    if mask.all():
        return np.full(mask.shape, float(max_distance))
    return np.minimum(ndimage.distance_transform_edt(mask, sampling=sampling), max_distance)


def assert_same_bits(found, expected) -> None:
    assert found.dtype == expected.dtype == np.float64
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@given(masks(), st.integers(1, 9) | st.floats(0.1, 9), st.data())
@settings(max_examples=150)
def test_equals_scipy_where_lengths_are_counted(mask, max_distance, data) -> None:
    sampling = data.draw(st.none() | st.tuples(*[st.sampled_from(SIZES)] * mask.ndim))
    assert _near.Scale.of(max_distance, sampling or (1,) * mask.ndim) is not None
    found = bounded_distance(mask, max_distance, sampling)
    assert_same_bits(found, by_scipy(mask, max_distance, sampling))


@given(masks(), st.integers(1, 9) | st.floats(0.1, 300), st.sampled_from([None, 1.5, 0.3]))
@settings(max_examples=60)
def test_distances_of_four_bytes_are_those_of_eight_rounded_once(mask, max_distance, size) -> None:
    sampling = None if size is None else (size,) * mask.ndim
    found = bounded_distance(mask, max_distance, sampling, np.float32)
    wanted = bounded_distance(mask, max_distance, sampling).astype(np.float32)
    assert found.dtype == np.float32
    assert found.tobytes() == wanted.tobytes()


def test_distances_of_four_bytes_need_none_of_eight() -> None:
    mask = np.ones((100, 100, 100), bool)
    mask[50, 50, 50] = False
    tracemalloc.start()
    bounded_distance(mask, 9, None, np.float32)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 9 * mask.size  # bytes: squares of two, distances of four, and what is short-lived


@given(masks(), st.floats(0.1, 300), st.data())
@settings(max_examples=50)
def test_equals_scipy_for_any_voxel_size(mask, max_distance, data) -> None:
    sizes = st.sampled_from([0.1, 0.3, 0.65, 1 / 3, 1e-9]) | st.floats(0.05, 500)
    sampling = data.draw(st.tuples(*[sizes] * mask.ndim))
    found = bounded_distance(mask, max_distance, sampling)
    assert_same_bits(found, by_scipy(mask, max_distance, sampling))


@pytest.mark.parametrize("max_distance", [20, 181, 182, 400])
def test_far_from_the_background(max_distance) -> None:
    """Squares of two bytes and of four, and beyond what is counted."""
    mask = np.ones((3, 500), bool)
    mask[1, 499] = False
    assert_same_bits(bounded_distance(mask, max_distance), by_scipy(mask, max_distance))
    assert_same_bits(bounded_distance(mask.T, max_distance), by_scipy(mask.T, max_distance))


def test_parts_of_rows_join_without_a_seam(monkeypatch) -> None:
    monkeypatch.setattr(_near, "_BYTES", 100)
    mask = np.random.default_rng(0).random((7, 15, 23)) < 0.97
    assert_same_bits(bounded_distance(mask, 5), by_scipy(mask, 5))


def test_memory_beyond_squares_and_result_does_not_grow_with_the_image() -> None:
    peaks = []
    for n_planes in (100, 300):
        mask = np.ones((n_planes, 64, 64), bool)
        mask[::9] = False
        tracemalloc.start()
        result = bounded_distance(mask, 9)
        peaks.append(tracemalloc.get_traced_memory()[1] - 1.25 * result.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] + 2**16


def test_small_images_are_left_to_scipy(monkeypatch) -> None:
    def none(*args, **options):
        raise AssertionError

    monkeypatch.setattr(_near, "_SMALL", 9)
    monkeypatch.setattr(_near, "_count_first", none)
    mask = np.arange(8) > 2
    assert_same_bits(bounded_distance(mask, 3), by_scipy(mask, 3))

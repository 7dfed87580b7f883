"""Filters equal scipy on the whole array, to the last bit, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.morphology import ball, disk

import scutoid as sc
from scutoid.errors import ParameterError
from scutoid.testing import assert_block_invariant

DTYPES = ["uint8", "int16", "uint16", "float32", "float64"]


@st.composite
def images(draw, min_side=9, max_side=17):
    """An image, and the shape of blocks."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=min_side, max_side=max_side))
    values = draw(hnp.arrays(np.uint8, shape)).astype("float64") * 1.37
    block = draw(st.tuples(*(st.integers(2, side + 1) for side in shape)))
    return values.astype(draw(st.sampled_from(DTYPES))), block


def by_blocks(step, image, block, **params):
    return np.asarray(step.options(block=block)(sc.open(image), **params))


def as_float(image):
    return image.astype("float64" if image.dtype == "float64" else "float32")


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@given(images(), st.data())
@settings(max_examples=40)
def test_median_equals_scipy_for_odd_and_even_sizes(case, data) -> None:
    image, block = case
    sizes = st.integers(1, 6)
    size = data.draw(sizes | st.tuples(*[sizes] * image.ndim))
    found = by_blocks(sc.median, image, block, size=size)
    assert_same(found, ndimage.median_filter(image, size=size))


@given(images(), st.floats(0.1, 1.2), st.floats(1, 1.8))
@settings(max_examples=30)
def test_difference_of_gaussians_equals_two_of_scipy(case, low, ratio) -> None:
    image, block = case
    high = None if ratio == 1 else low * ratio
    found = by_blocks(sc.difference_of_gaussians, image, block, low=low, high=high)
    wide = low * 1.6 if high is None else high
    values = as_float(image)
    expected = ndimage.gaussian_filter(values, low) - ndimage.gaussian_filter(values, wide)
    assert_same(found, expected)


@given(images(), st.data())
@settings(max_examples=30)
def test_laplacian_of_gaussian_equals_scipy(case, data) -> None:
    image, block = case
    widths = st.floats(0.3, 1.9)
    sigma = data.draw(widths | st.tuples(*[widths] * image.ndim))
    found = by_blocks(sc.laplacian_of_gaussian, image, block, sigma=sigma)
    assert_same(found, ndimage.gaussian_laplace(as_float(image), sigma))


@given(images(), st.data())
@settings(max_examples=30)
def test_white_tophat_equals_scipy_with_the_ball_of_scikit_image(case, data) -> None:
    image, block = case
    radius = data.draw(st.integers(0, 3))
    found = by_blocks(sc.white_tophat, image, block, radius=radius)
    footprint = (disk if image.ndim == 2 else ball)(radius)
    assert_same(found, ndimage.white_tophat(image, footprint=footprint))


def test_white_tophat_takes_a_radius_an_axis() -> None:
    image = np.random.default_rng(0).integers(0, 99, (8, 20, 21)).astype("uint8")
    footprint = np.zeros((1, 5, 3), bool)
    footprint[0, 2], footprint[0, :, 1] = True, True
    y, x = np.ogrid[-2:3, -1:2]
    footprint[0] = (y / 2) ** 2 + x**2 <= 1
    found = by_blocks(sc.white_tophat, image, 6, radius=(0, 2, 1))
    assert_same(found, ndimage.white_tophat(image, footprint=footprint))


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_the_same_through_a_store(tmp_path, executor) -> None:
    image = np.random.default_rng(1).integers(0, 4000, (40, 41)).astype("uint16")
    found = sc.median(sc.difference_of_gaussians(sc.open(image), low=1, high=2), size=4)
    sc.run(found, store=tmp_path, executor=executor, workers=2, block=16)
    values = image.astype("float32")
    between = ndimage.gaussian_filter(values, 1) - ndimage.gaussian_filter(values, 2)
    assert_same(np.asarray(found), ndimage.median_filter(between, size=4))


@pytest.mark.parametrize(
    ("step", "params"),
    [
        (sc.median, {"size": (2, 5)}),
        (sc.difference_of_gaussians, {"low": 0.7}),
        (sc.laplacian_of_gaussian, {"sigma": 1}),
        (sc.white_tophat, {"radius": 2}),
    ],
    ids=["median", "difference_of_gaussians", "laplacian_of_gaussian", "white_tophat"],
)
def test_filters_are_block_invariant_and_iterate_time_and_channels(step, params) -> None:
    movie = np.random.default_rng(2).integers(0, 255, (2, 2, 16, 17)).astype("uint8")
    assert_block_invariant(step, sc.open(movie[0, 0]), blocks=[5, 7, (3, 17)], **params)
    found = np.asarray(step(sc.open(movie, axes="tcyx"), **params))
    np.testing.assert_array_equal(found[1, 0], step(movie[1, 0], **params))


@pytest.mark.parametrize(
    ("step", "params"),
    [(sc.median, {"size": 3}), (sc.median, {"size": 2}), (sc.white_tophat, {"radius": 1})],
    ids=["median", "even", "tophat"],
)
def test_filters_by_rank_take_half_precision(step, params) -> None:
    image = np.random.default_rng(4).normal(size=(20, 21)).astype("float16")
    found = by_blocks(step, image, 6, **params)
    assert found.dtype == np.float16
    expected = step(image.astype("float64"), **params)
    np.testing.assert_array_equal(found, expected.astype("float16"))


def test_nan_spreads_as_in_scipy_and_no_farther() -> None:
    image = np.ones((20, 20), "float32")
    image[4, 4] = np.nan
    for step, params in [(sc.gaussian, {"sigma": 1}), (sc.laplacian_of_gaussian, {"sigma": 1})]:
        found = by_blocks(step, image, 6, **params)
        np.testing.assert_array_equal(found, step(image, **params))
        assert np.isnan(found[4, 4])
        assert np.isfinite(found[12:, 12:]).all()


@pytest.mark.parametrize("sigma", [-1, float("nan"), "2", (1, -2)], ids=str)
@pytest.mark.parametrize("step", [sc.gaussian, sc.laplacian_of_gaussian], ids=["gaussian", "log"])
def test_widths_are_numbers_of_zero_or_more(step, sigma, tmp_path) -> None:
    with pytest.raises(ParameterError, match="sigma"):
        sc.plan(step(sc.open(np.zeros((8, 8))), sigma=sigma), store=tmp_path)


@pytest.mark.parametrize(
    ("step", "params", "rule"),
    [
        (sc.difference_of_gaussians, {"low": 2, "high": 1}, "at most the high"),
        (sc.median, {"size": 0}, "size"),
        (sc.median, {"size": 2.5}, "size"),
        (sc.white_tophat, {"radius": -1}, "radius"),
        (sc.white_tophat, {"radius": np.ones((3, 3))}, "radius"),
        (sc.difference_of_gaussians, {"low": 1, "high": (2, 3, 4)}, "one for each of 2"),
    ],
    ids=["dog", "empty", "half", "negative", "footprint", "axes"],
)
def test_bad_parameters_are_refused_by_the_plan(step, params, rule, tmp_path) -> None:
    with pytest.raises(ParameterError, match=rule):
        sc.plan(step(sc.open(np.zeros((9, 9))), **params), store=tmp_path)

"""Filters and thresholds equal scipy and scikit-image on the whole array, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.filters import threshold_otsu

import scutoid as sc

images = st.sampled_from(["uint8", "int16", "uint16", "float32", "float64"]).flatmap(
    lambda dtype: hnp.array_shapes(min_dims=2, max_dims=3, min_side=8, max_side=18).flatmap(
        lambda shape: st.tuples(
            hnp.arrays(np.uint8, shape).map(lambda a: (a.astype("float64") * 1.37).astype(dtype)),
            st.integers(3, 12),
        )
    )
)


@given(images, st.floats(0.1, 1.9))
@settings(max_examples=80, deadline=None)
def test_gaussian_equals_scipy_to_the_last_bit(case, sigma) -> None:
    image, block = case
    dtype = np.float64 if image.dtype == np.float64 else np.float32
    expected = ndimage.gaussian_filter(image.astype(dtype), sigma)
    result = np.asarray(sc.gaussian.options(block=block)(sc.open(image), sigma=sigma))
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected)


def test_gaussian_takes_a_width_an_axis() -> None:
    image = np.random.default_rng(0).random((12, 30, 31)).astype("float32")
    result = np.asarray(sc.gaussian.options(block=9)(sc.open(image), sigma=(0.5, 2, 1)))
    np.testing.assert_array_equal(result, ndimage.gaussian_filter(image, (0.5, 2, 1)))


@given(images)
@settings(max_examples=80, deadline=None)
def test_otsu_equals_scikit_image(case) -> None:
    image, block = case
    step = sc.ops.otsu_step.options(block=block)
    lazy = sc.open(image)
    span = None if image.dtype.kind in "iu" else sc.ops.value_range.options(block=block)(lazy)
    assert step(lazy, span=span).get() == threshold_otsu(image)
    assert sc.otsu(lazy).get() == sc.otsu(image) == threshold_otsu(image)


def test_threshold_takes_a_lazy_level(tmp_path) -> None:
    image = np.random.default_rng(3).integers(0, 1000, (40, 41)).astype("uint16")
    raw = sc.open(image)
    mask = sc.threshold(raw, level=sc.otsu(raw))
    sc.run(mask, store=tmp_path, executor="serial", block=16)
    np.testing.assert_array_equal(np.asarray(mask), image > threshold_otsu(image))


@pytest.mark.parametrize("level", [3, 3.5])
def test_threshold_of_an_array_is_a_comparison(level) -> None:
    image = np.arange(8).reshape(2, 4)
    np.testing.assert_array_equal(sc.threshold(image, level=level), image > level)

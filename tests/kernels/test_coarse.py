"""Coarse means and interpolation between them are the same whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.errors import ParameterError
from scutoid.kernels import coarse_means, coarse_range, coarse_shape, interpolate_coarse


@st.composite
def grids(draw):
    """An image, the edges of blocks, and the factors."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=13))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["uint8", "int16", "float32", "float64"]))
    image = (generator.random(shape) * 200).astype(dtype)
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return image, block, draw(st.tuples(*(st.integers(1, side) for side in shape)))


def block_extents(shape, block):
    for index in np.ndindex(*(-(-n // b) for n, b in zip(shape, block, strict=True))):
        start = [i * b for i, b in zip(index, block, strict=True)]
        yield start, [min(o + b, n) for o, b, n in zip(start, block, shape, strict=True)]


@given(grids())
@settings(max_examples=100)
def test_coarse_means_are_those_of_the_whole_array_to_the_last_bit(case) -> None:
    image, block, factors = case
    whole = coarse_means(image, [0] * image.ndim, image.shape, factors, image.shape)
    assert whole.shape == coarse_shape(image.shape, factors)
    for place in np.ndindex(*whole.shape):
        window = tuple(slice(p * f, (p + 1) * f) for p, f in zip(place, factors, strict=True))
        np.testing.assert_allclose(whole[place], image[window].mean(dtype="float64"), rtol=1e-12)
    found = np.full(whole.shape, np.nan)
    for start, stop in block_extents(image.shape, block):
        read = tuple(slice(a, b + f - 1) for a, b, f in zip(start, stop, factors, strict=True))
        place = tuple(
            slice(-(-a // f), -(-b // f)) for a, b, f in zip(start, stop, factors, strict=True)
        )
        found[place] = coarse_means(image[read], start, stop, factors, image.shape)
    np.testing.assert_array_equal(found, whole)


@given(grids())
@settings(max_examples=100)
def test_interpolation_over_blocks_is_that_over_the_whole_array(case) -> None:
    image, block, factors = case
    shape = image.shape
    coarse = np.random.default_rng(0).random(coarse_shape(shape, factors))
    whole = interpolate_coarse(coarse, [0] * image.ndim, shape, factors, shape)
    assert whole.shape == shape
    for start, stop in block_extents(shape, block):
        under = tuple(
            slice(*coarse_range(*axis)) for axis in zip(start, stop, factors, shape, strict=True)
        )
        found = interpolate_coarse(coarse[under], start, stop, factors, shape)
        inside = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        np.testing.assert_array_equal(found, whole[inside])


@given(st.integers(1, 7), st.integers(8, 40))
def test_a_slope_is_found_again_between_the_outermost_centres(factor, size) -> None:
    slope = np.arange(size) * 3.0
    coarse = coarse_means(slope, [0], [size], [factor], [size])
    found = interpolate_coarse(coarse, [0], [size], [factor], [size])
    last = (len(coarse) - 1) * factor
    inside = slice(-(-(factor - 1) // 2), int((last + size - 1) / 2) + 1)
    np.testing.assert_allclose(found[inside], slope[inside], atol=1e-9)


def test_values_that_have_no_mean_are_refused() -> None:
    with pytest.raises(ParameterError, match="finite"):
        coarse_means(np.array([1, np.inf]), [0], [2], [2], [2])

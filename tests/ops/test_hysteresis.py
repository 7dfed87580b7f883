"""`hysteresis` equals scikit-image on the whole array, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold

import scutoid as sc
from scutoid.errors import ParameterError


@st.composite
def cases(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=13))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["uint8", "int16", "float32", "float64"]))
    image = (generator.random(shape) * 100).astype(dtype)
    low = draw(st.integers(10, 90))
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return image, block, low, draw(st.integers(low, 100)), draw(st.integers(1, len(shape)))


def by_block(image, block, low, high, connectivity):
    lazy, how = sc.open(image), {"connectivity": connectivity}
    pieces = sc.ops.hysteresis_pieces.options(block=block)(lazy, low=low, high=high, **how)
    strong = sc.ops.hysteresis_merge(pieces, **how)
    return np.asarray(sc.ops.hysteresis_apply(lazy, strong, low=low, **how))


@given(cases())
@settings(max_examples=100)
def test_equals_the_whole_array_for_any_shape_block_and_connectivity(case) -> None:
    image, block, low, high, connectivity = case
    structure = ndimage.generate_binary_structure(image.ndim, connectivity)
    labels, _ = ndimage.label(image > low, structure)
    strong = np.unique(labels[image > high])
    expected = np.isin(labels, strong[strong > 0])
    found = by_block(image, block, low, high, connectivity)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)
    if connectivity == 1:
        np.testing.assert_array_equal(found, apply_hysteresis_threshold(image, low, high))


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_levels_may_be_lazy(tmp_path, executor) -> None:
    image = ndimage.gaussian_filter(np.random.default_rng(0).random((60, 61)), 2)
    raw = sc.open(image)
    low, high = sc.percentile(raw, q=60), sc.percentile(raw, q=95)
    found = sc.hysteresis(raw, low=low, high=high)
    sc.run(found, store=tmp_path, executor=executor, workers=2, block=13)
    expected = apply_hysteresis_threshold(image, *np.percentile(image, [60, 95]))
    np.testing.assert_array_equal(np.asarray(found), expected)
    np.testing.assert_array_equal(sc.hysteresis(image, low=low.get(), high=high.get()), expected)


def test_every_time_point_is_an_image_of_its_own() -> None:
    movie = np.random.default_rng(1).random((3, 15, 16))
    found = np.asarray(sc.hysteresis(sc.open(movie, axes="tyx"), low=0.5, high=0.95))
    for t in range(3):
        np.testing.assert_array_equal(found[t], apply_hysteresis_threshold(movie[t], 0.5, 0.95))


def test_an_image_without_strong_voxels_stays_empty() -> None:
    assert not sc.hysteresis(np.full((9, 9), 5), low=1, high=7).any()
    assert sc.hysteresis(np.full((9, 9), 5), low=1, high=2).all()


@pytest.mark.parametrize("levels", [(3, 2), (float("nan"), 2)], ids=["turned", "nan"])
def test_levels_are_in_order(levels) -> None:
    with pytest.raises(ParameterError, match=r"at most the high|not NaN"):
        sc.hysteresis(np.zeros((4, 4)), low=levels[0], high=levels[1])

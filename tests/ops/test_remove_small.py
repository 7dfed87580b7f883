"""`remove_small` counts objects over the whole image, and refuses what are no objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import scutoid as sc
from scutoid.errors import ParameterError


@st.composite
def cases(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=12))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = generator.random(shape) < draw(st.floats(0.05, 0.6))
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return mask, block, draw(st.integers(1, len(shape))), draw(st.integers(0, 8))


def by_block(image, block, min_size, connectivity=None):
    lazy, how = sc.open(image), {"connectivity": connectivity}
    counts = sc.ops.object_counts.options(block=block)(lazy, **how)
    small = sc.ops.small_objects(counts, min_size=min_size, **how)
    return np.asarray(sc.ops.remove_objects(lazy, small, **how))


@given(cases())
@settings(max_examples=60)
def test_masks_and_labels_lose_what_is_small_in_the_whole_image(case) -> None:
    mask, block, connectivity, min_size = case
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    labels, _ = ndimage.label(mask, structure)
    sizes = np.bincount(labels.ravel())
    keep = sizes >= min_size
    keep[0] = False
    np.testing.assert_array_equal(by_block(mask, block, min_size, connectivity), keep[labels])
    numbered = (labels * 7).astype("uint32")
    found = by_block(numbered, block, min_size)
    np.testing.assert_array_equal(found, np.where(keep[labels], numbered, 0))


def test_every_time_point_counts_for_itself() -> None:
    movie = np.zeros((2, 6, 6), "uint16")
    movie[0, :2] = movie[1, :1, :3] = 5
    found = np.asarray(sc.remove_small(sc.open(movie, axes="tyx"), min_size=4))
    assert found[0].sum() == 60
    assert not found[1].any()


@pytest.mark.parametrize("value", [False, True])
def test_no_object_and_one_that_fills_everything(value) -> None:
    mask = np.full((9, 8), value)
    np.testing.assert_array_equal(by_block(mask, 4, 72), mask)
    assert not by_block(mask, 4, 73).any()


def test_what_are_no_labels_is_refused() -> None:
    with pytest.raises(ParameterError, match="compare first"):
        sc.remove_small(sc.open(np.ones((4, 4))), min_size=2)
    with pytest.raises(ParameterError, match="positive for objects"):
        sc.remove_small(np.array([[-1, 2]]), min_size=2)
    with pytest.raises(ParameterError, match="number of voxels"):
        sc.remove_small(np.array([[1, 2]]), min_size=1.5)

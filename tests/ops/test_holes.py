"""`fill_holes` equals scipy on the whole array, whatever the blocks."""

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
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=13))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = generator.random(shape) < draw(st.floats(0.2, 0.95))
    kind = draw(st.sampled_from(["bool", "uint8", "int16"]))
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return mask.astype(kind), block, draw(st.integers(1, len(shape)))


def filled_by_block(mask, block, connectivity, max_size=None):
    image = sc.open(mask)
    pieces = sc.ops.hole_pieces.options(block=block)(image, connectivity=connectivity)
    holes = sc.ops.hole_merge(pieces, connectivity=connectivity, max_size=max_size)
    return np.asarray(sc.ops.hole_fill(image, holes, connectivity=connectivity))


@given(cases())
@settings(max_examples=100)
def test_equals_scipy_for_any_shape_block_and_connectivity(case) -> None:
    mask, block, connectivity = case
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    expected = ndimage.binary_fill_holes(mask, structure)
    found = filled_by_block(mask, block, connectivity)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)


@given(cases(), st.data())
@settings(max_examples=60)
def test_fills_holes_up_to_a_size_counted_over_all_blocks(case, data) -> None:
    mask, block, connectivity = case
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    holes, _ = ndimage.label(ndimage.binary_fill_holes(mask, structure) & (mask == 0), structure)
    sizes = np.bincount(holes.ravel())
    # Up to the size of a hole that there is, or one voxel less
    max_size = data.draw(st.sampled_from(sizes[1:].tolist() or [9])) - data.draw(st.integers(0, 1))
    is_small = sizes <= max_size
    is_small[0] = False
    expected = (mask != 0) | is_small[holes]
    found = filled_by_block(mask, block, connectivity, max_size)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        sc.fill_holes(mask, connectivity=connectivity, max_size=max_size), expected
    )


@pytest.mark.parametrize("block", [(3, 3), (5, 7)])
def test_a_hole_of_just_the_size_is_filled(block) -> None:
    mask = np.ones((5, 7), bool)
    mask[2, 2:4] = False
    assert filled_by_block(mask, block, 1, 2).all()
    np.testing.assert_array_equal(filled_by_block(mask, block, 1, 1), mask)


def test_a_hole_that_crosses_all_blocks_is_filled(tmp_path) -> None:
    mask = np.ones((32, 33, 34), bool)
    mask[2:-2, 2:-2, 2:-2] = False
    mask[10, 10, :20] = True
    found = sc.fill_holes(sc.open(mask))
    run = sc.run(found, store=tmp_path, executor="threads", workers=2, block=8)
    assert run.step("fill_holes").n_blocks == 100
    assert np.asarray(found).all()
    mask[0, 16, 16] = mask[1, 16, 16] = False
    np.testing.assert_array_equal(np.asarray(sc.fill_holes(sc.open(mask))), mask)


def test_every_place_along_other_axes_is_an_image_of_its_own() -> None:
    movie = np.random.default_rng(0).random((3, 2, 14, 13)) < 0.6
    found = np.asarray(sc.fill_holes(sc.open(movie, axes="tcyx")))
    for t in range(3):
        for c in range(2):
            np.testing.assert_array_equal(found[t, c], ndimage.binary_fill_holes(movie[t, c]))


@pytest.mark.parametrize("value", [False, True])
def test_nothing_and_everything_stay(value) -> None:
    mask = np.full((9, 9), value)
    np.testing.assert_array_equal(filled_by_block(mask, 4, 1), mask)


def test_what_is_not_a_mask_or_a_size_is_refused_before_anything_runs() -> None:
    with pytest.raises(ParameterError, match="compare first"):
        sc.fill_holes(sc.open(np.zeros((4, 4))))
    with pytest.raises(ParameterError, match="compare first"):
        sc.fill_holes(np.zeros((4, 4)))
    for size in (-1, 2.5, "9"):
        with pytest.raises(ParameterError, match="max_size"):
            sc.fill_holes(np.zeros((4, 4), bool), max_size=size)
    with pytest.raises(ParameterError, match="connectivity"):
        sc.fill_holes(np.zeros((4, 4), bool), connectivity=3)

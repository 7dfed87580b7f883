"""`label` equals scipy on the whole array, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import scutoid as sc
from scutoid.errors import ParameterError

masks = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=13).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.bool_, shape, elements=st.booleans()),
        st.tuples(*(st.integers(1, size + 1) for size in shape)),
        st.integers(1, len(shape)),
    )
)


@given(masks)
@settings(max_examples=150, deadline=None)
def test_equals_scipy_for_any_shape_block_and_connectivity(case) -> None:
    mask, block, connectivity = case
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    expected, _ = ndimage.label(mask, structure)
    labels = labels_by_block(mask, block, connectivity)
    assert labels.dtype == np.uint32
    np.testing.assert_array_equal(labels, expected)


def labels_by_block(mask, block, connectivity):
    """Label a mask in blocks of a shape of our choice: a step that passes it on sets the grid."""
    image = sc.open(mask)
    pieces = sc.ops.label_pieces.options(block=block)(image, connectivity=connectivity)
    merged = sc.ops.label_merge(pieces, connectivity=connectivity)
    return np.asarray(sc.ops.label_apply(image, merged, connectivity=connectivity))


def test_each_time_point_is_an_image_of_its_own() -> None:
    movie = np.random.default_rng(0).random((3, 2, 9, 8)) > 0.5
    labels = np.asarray(sc.label(sc.open(movie, axes="tcyx")))
    for t in range(3):
        for c in range(2):
            np.testing.assert_array_equal(labels[t, c], ndimage.label(movie[t, c])[0])


def test_an_array_is_labelled_at_once() -> None:
    mask = np.random.default_rng(1).random((4, 5, 6, 7)) > 0.6
    np.testing.assert_array_equal(sc.label(mask), ndimage.label(mask)[0])


def test_nonzero_integers_are_foreground() -> None:
    mask = np.array([[2, 5, 0, 1]], dtype="int16")
    assert np.asarray(sc.label(sc.open(mask))).tolist() == [[1, 1, 0, 2]]


def test_floats_are_refused_with_a_remedy() -> None:
    with pytest.raises(ParameterError, match="compar"):
        np.asarray(sc.label(sc.open(np.zeros((4, 4)))))


def test_the_same_through_a_store(tmp_path) -> None:
    mask = np.random.default_rng(2).random((20, 21, 22)) > 0.7
    labels = sc.label(sc.open(mask), connectivity=3)
    run = sc.run(labels, store=tmp_path, executor="serial", block=8)
    assert run.step("label").n_blocks == 27
    expected, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    np.testing.assert_array_equal(np.asarray(labels), expected)

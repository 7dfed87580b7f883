"""Merging of blocks: the whole image's labels, from the blocks' labels and faces."""

from __future__ import annotations

import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import faces, global_first, label_components, merge_blocks, number_unions


def cut(shape, block_shape):
    """Slices of the blocks, in C order, and the grid's shape."""
    axes = [
        [slice(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(shape, block_shape, strict=True)
    ]
    return list(itertools.product(*axes)), tuple(map(len, axes))


def label_in_blocks(mask, block_shape, connectivity):
    blocks, grid_shape = cut(mask.shape, block_shape)
    labelled, counts, first, planes = [], [], [], []
    for where in blocks:
        labels, local = label_components(mask[where], connectivity)
        labelled.append(labels)
        counts.append(len(local))
        first.append(global_first(local, [s.start for s in where], labels.shape, mask.shape))
        planes.append(faces(labels))
    merged = merge_blocks(grid_shape, counts, first, planes.__getitem__, connectivity)
    whole = np.zeros(mask.shape, np.uint64)
    for block, (where, labels) in enumerate(zip(blocks, labelled, strict=True)):
        whole[where] = merged.lut(block)[labels]
    return whole, merged


@st.composite
def cut_masks(draw):
    ndim = draw(st.integers(1, 4))
    side = {1: 60, 2: 24, 3: 11, 4: 6}[ndim]
    shape = tuple(draw(st.integers(1, side)) for _ in range(ndim))
    block = tuple(draw(st.integers(1, n)) for n in shape)
    density = draw(st.sampled_from([0.05, 0.2, 0.4, 0.6, 0.9, 1.0]))
    seed = draw(st.integers(0, 2**32))
    return np.random.default_rng(seed).random(shape) < density, block


@settings(max_examples=200, deadline=None)
@given(cut_masks(), st.data())
def test_blocks_merge_to_the_labels_of_the_whole(case, data):
    mask, block_shape = case
    connectivity = data.draw(st.integers(1, mask.ndim))
    whole, merged = label_in_blocks(mask, block_shape, connectivity)
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    expected, count = ndimage.label(mask, structure)
    np.testing.assert_array_equal(whole, expected)
    assert merged.n_objects == count


@pytest.mark.parametrize("connectivity", [1, 2, 3])
@pytest.mark.parametrize("block", [(1, 1, 1), (1, 4, 2), (3, 1, 3), (2, 2, 2)])
def test_blocks_of_one_voxel_thickness(block, connectivity):
    mask = np.random.default_rng(3).random((6, 7, 5)) < 0.35
    structure = ndimage.generate_binary_structure(3, connectivity)
    whole, _ = label_in_blocks(mask, block, connectivity)
    np.testing.assert_array_equal(whole, ndimage.label(mask, structure)[0])


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_checkerboard_across_blocks(connectivity):
    mask = np.indices((6, 6, 6)).sum(axis=0) % 2 == 1
    whole, merged = label_in_blocks(mask, (4, 3, 5), connectivity)
    structure = ndimage.generate_binary_structure(3, connectivity)
    np.testing.assert_array_equal(whole, ndimage.label(mask, structure)[0])
    assert merged.n_objects == (108 if connectivity == 1 else 1)


def test_voxels_that_meet_at_a_corner_of_four_blocks():
    mask = np.zeros((4, 4), bool)
    mask[1, 2] = mask[2, 1] = True
    assert label_in_blocks(mask, (2, 2), 1)[1].n_objects == 2
    assert label_in_blocks(mask, (2, 2), 2)[1].n_objects == 1


def test_a_snake_through_all_blocks_is_one_object():
    mask = np.zeros((21, 21), bool)
    mask[::2] = True
    mask[1::4, -1] = mask[3::4, 0] = True
    whole, merged = label_in_blocks(mask, (4, 5), 1)
    assert merged.n_objects == 1
    assert (whole[mask] == 1).all()


def test_all_foreground_is_one_object():
    whole, merged = label_in_blocks(np.ones((5, 6, 7), bool), (2, 3, 2), 1)
    assert merged.n_objects == 1
    assert (whole == 1).all()


def test_an_image_without_objects():
    _, merged = label_in_blocks(np.zeros((5, 6), bool), (2, 3), 2)
    assert merged.n_objects == 0
    assert merged.lut(0).tolist() == [0]


def test_a_grid_without_blocks():
    merged = merge_blocks((0, 3), [], [], lambda block: {})
    assert merged.n_objects == 0


def test_faces_are_asked_of_blocks_with_labels_only():
    mask = np.zeros((4, 40), bool)
    mask[:, :9] = True
    asked = []
    blocks, grid = cut(mask.shape, (4, 4))
    labelled = [label_components(mask[where]) for where in blocks]
    first = [
        global_first(places, [s.start for s in where], labels.shape, mask.shape)
        for where, (labels, places) in zip(blocks, labelled, strict=True)
    ]

    def provide(block):
        asked.append(block)
        return faces(labelled[block][0])

    merge_blocks(grid, [len(p) for _, p in labelled], first, provide)
    assert set(asked) <= {0, 1, 2}
    assert all(asked.count(block) <= 2 * mask.ndim for block in asked)


def test_counts_that_do_not_fit_the_grid_are_refused():
    with pytest.raises(GeometryError, match="needs 4 counts"):
        merge_blocks((2, 2), [0], [np.zeros(0, np.int64)], lambda block: {})


def test_labels_without_a_first_voxel_are_refused():
    with pytest.raises(GeometryError, match="one first voxel"):
        merge_blocks((1,), [2], [np.zeros(1, np.int64)], lambda block: {})


@pytest.mark.parametrize("bad", [np.array([0, 7]), np.array([1])])
def test_faces_that_do_not_belong_to_the_labels_are_refused(bad):
    good = np.array([1, 0])
    planes = [{"low0": good, "high0": good, "low1": good, "high1": good} for _ in range(2)]
    planes[1]["low0"] = bad
    with pytest.raises(GeometryError, match="block 1"):
        merge_blocks((2, 1), [1, 1], [np.array([0]), np.array([8])], planes.__getitem__)


def test_connectivity_is_checked():
    with pytest.raises(ParameterError, match="connectivity"):
        merge_blocks((1,), [0], [np.zeros(0, np.int64)], lambda block: {}, 2)


@settings(max_examples=50, deadline=None)
@given(cut_masks())
def test_linear_indices_of_a_block_become_those_of_the_image(case):
    mask, block_shape = case
    linear = np.arange(mask.size).reshape(mask.shape)
    for where in cut(mask.shape, block_shape)[0]:
        part = linear[where]
        offset = [s.start for s in where]
        found = global_first(np.arange(part.size), offset, part.shape, mask.shape)
        np.testing.assert_array_equal(found, part.reshape(-1))


@given(
    pairs=hnp.arrays(
        "int64", st.tuples(st.integers(0, 40), st.just(2)), elements=st.integers(0, 29)
    ),
    seed=st.integers(0, 99),
)
def test_few_pairs_are_joined_as_many_are(pairs, seed):
    places = np.random.default_rng(seed).permutation(90)[:30]
    few, n_few = number_unions(places, pairs)
    with mock.patch("scutoid.kernels._seams._MANY_PAIRS", -1):
        many, n_many = number_unions(places, pairs)
    assert n_few == n_many
    np.testing.assert_array_equal(few, many)

"""Matching of objects that two blocks found for themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.kernels import (
    Pieces,
    Runs,
    count_overlaps,
    match_pieces,
    renumbered,
)

labels_and_inner = hnp.array_shapes(min_dims=1, max_dims=3, max_side=7).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.int64, shape, elements=st.integers(0, 4)),
        st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in shape)),
    )
)


def slices(bounds):
    return tuple(slice(min(a, b - 1), max(a + 1, b)) for a, b in bounds)


@given(labels_and_inner, st.permutations(range(1, 5)))
@settings(max_examples=100, deadline=None)
def test_numbers_do_not_depend_on_those_given(case, names) -> None:
    labels, bounds = case
    inner = slices(bounds)
    numbered, first = renumbered(labels, inner)
    renamed = np.array([0, *names], np.uint16)[labels]
    np.testing.assert_array_equal(renumbered(renamed, inner)[0], numbered)
    own = numbered[inner].reshape(-1)
    assert first.tolist() == [int(np.argmax(own == n)) for n in range(1, own.max(initial=0) + 1)]
    kept = np.isin(labels, labels[inner]) & (labels != 0)
    np.testing.assert_array_equal(numbered != 0, kept)
    assert len(np.unique(np.stack([labels[kept], numbered[kept]]), axis=1).T) == len(first)


@given(labels_and_inner, st.sampled_from(["uint8", "int32", ">i4", "uint64"]))
@settings(max_examples=60, deadline=None)
def test_labels_far_apart_are_numbered_as_those_close_together(case, dtype) -> None:
    labels, bounds = case
    inner = slices(bounds)
    far = np.array([0, 5, 1, np.iinfo(dtype).max, 7], dtype)[labels]
    wanted, first = renumbered(labels, inner)
    found, first_of_far = renumbered(far, inner)
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(first_of_far, first)


@given(
    hnp.arrays(np.uint32, (5, 9), elements=st.integers(0, 3)),
    hnp.arrays(np.uint64, (5, 9), elements=st.sampled_from([0, 2**32, 2**32 + 2, 3 * 2**32 + 1])),
)
@settings(max_examples=100, deadline=None)
def test_overlaps_are_counted_voxel_by_voxel(own, theirs) -> None:
    counts = {}
    for ours, other in zip(own.reshape(-1).tolist(), theirs.reshape(-1).tolist(), strict=True):
        block, label = divmod(other, 2**32)
        if block and (ours or label):
            counts[block - 1, ours, label] = counts.get((block - 1, ours, label), 0) + 1
    found = count_overlaps(Runs.of(own), Runs.of(theirs))
    assert found.dtype == np.int64
    assert {tuple(row[:3]): row[3] for row in found.tolist()} == counts
    assert len(found) == len(counts)


def test_without_voxels_nothing_meets() -> None:
    none = Runs.of(np.zeros((0, 3), "u8"))
    assert count_overlaps(none, none).shape == (0, 4)


@given(labels_and_inner, st.sampled_from(["uint8", "int32", ">i4", "uint64"]))
@settings(max_examples=100, deadline=None)
def test_pieces_are_what_renumbered_labels_are(case, dtype) -> None:
    labels, bounds = case
    inner = slices(bounds)
    labels = np.array([0, 5, 1, np.iinfo(dtype).max, 7], dtype)[labels]
    numbered, first = renumbered(labels, inner)
    pieces = Pieces.of(labels, inner)
    np.testing.assert_array_equal(pieces.first, first)
    own = numbered[inner]
    np.testing.assert_array_equal(pieces.own.painted(own.shape, 9 << 32), own + np.uint64(9 << 32))
    outside = numbered.copy()
    outside[inner] = 0
    wanted = Runs.of(outside)
    for name in ("label", "start", "length"):
        found = getattr(pieces.halo, name)
        assert found.dtype == getattr(wanted, name).dtype
        np.testing.assert_array_equal(found, getattr(wanted, name))


def written(block, labels):
    return np.array(labels, np.uint64) | (np.uint64(block + 1) << np.uint64(32))


def test_every_pair_but_nothing_with_nothing_is_counted() -> None:
    own = np.array([1, 1, 0, 0, 2, 1], np.uint32)
    theirs = written(4, [3, 3, 3, 0, 0, 0])
    theirs[5] = 0  # where no other block writes
    assert count_overlaps(Runs.of(own), Runs.of(theirs)).tolist() == [
        [4, 2, 0, 1],
        [4, 0, 3, 1],
        [4, 1, 3, 2],
    ]


def matched(one, other, match="iou", threshold=0.5):
    """Match blocks 0 and 1, which meet in the middle and have seen each other's half."""
    one, other = np.array(one, np.uint32), np.array(other, np.uint32)
    half = len(one) // 2
    left = count_overlaps(Runs.of(other[:half]), Runs.of(written(0, one[:half])))
    right = count_overlaps(Runs.of(one[half:]), Runs.of(written(1, other[half:])))
    offsets = np.array([0, one.max(), one.max() + other.max()])
    return match_pieces([right, left], offsets, match, threshold)


def test_agreement_is_that_of_the_overlap() -> None:
    found = matched([0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1])
    assert found.pairs.tolist() == [[0, 1]]
    assert found.n_voxels.tolist() == [2]
    assert found.iou.tolist() == [2 / 5]
    assert found.containment.tolist() == [2 / 3]
    assert found.is_same.tolist() == [False]
    assert matched([0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1], "containment").is_same.all()
    assert matched([0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1], threshold=2 / 5).is_same.all()


def test_one_object_is_matched_with_its_best_alone() -> None:
    one, other = [1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 2, 2, 2]
    found = matched(one, other, threshold=0.3)
    assert found.pairs.tolist() == [[0, 1], [0, 2]]
    assert found.is_same.tolist() == [True, False]
    found = matched(other, one, threshold=0.3)
    assert found.pairs.tolist() == [[0, 2], [1, 2]]
    assert found.is_same.tolist() == [True, False]
    assert matched(one, other, "containment").is_same.all()


@given(st.integers(0, 2**32), st.sampled_from(["iou", "containment"]))
@settings(max_examples=60, deadline=None)
def test_the_order_of_two_blocks_does_not_matter(seed, match) -> None:
    rng = np.random.default_rng(seed)
    one, other = np.sort(rng.integers(0, 3, (2, 12)), axis=1)
    a = matched(one, other, match)
    b = matched(other[::-1], one[::-1], match)
    swap = np.array([*(np.arange(one.max()) + other.max()), *range(other.max())], int)
    mirrored = {(swap[x], swap[y]): s for (x, y), s in zip(a.pairs, a.is_same, strict=True)}
    assert mirrored == {(y, x): s for (x, y), s in zip(b.pairs, b.is_same, strict=True)}


@pytest.mark.parametrize("match", ["iou", "containment"])
def test_blocks_without_objects_match_nothing(match) -> None:
    none = np.zeros((0, 4), np.int64)
    assert len(match_pieces([none, none], np.zeros(3, np.int64), match, 0.5).pairs) == 0
    assert len(match_pieces([], np.zeros(1, np.int64), match, 0.5).pairs) == 0

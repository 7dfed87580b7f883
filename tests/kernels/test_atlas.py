"""Region trees: roll-up equals walking the tree; ids that a narrow type lost are noticed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.errors import ParameterError
from scutoid.kernels import RegionTree, merge_region_sums, nearest_voxels, region_sums


@st.composite
def trees(draw):
    n = draw(st.integers(1, 30))
    ids = draw(st.lists(st.integers(0, 2**40), min_size=n, max_size=n, unique=True))
    parents = [None] + [
        draw(st.one_of(st.none(), st.sampled_from(ids[:row]))) for row in range(1, n)
    ]
    order = draw(st.permutations(range(n)))
    return [ids[k] for k in order], [parents[k] for k in order]


def ancestors(one, parent_of):
    while one is not None:
        yield one
        one = parent_of[one]


@given(trees(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_roll_up_adds_what_a_walk_up_the_tree_meets(case, seed) -> None:
    ids, parents = case
    values = np.random.default_rng(seed).integers(0, 100, (len(ids), 2))
    tree = RegionTree.of(ids, parents)
    expected = {one: np.zeros(2, int) for one in ids}
    for one, value in zip(ids, values, strict=True):
        for above in ancestors(one, dict(zip(ids, parents, strict=True))):
            expected[above] = expected[above] + value
    assert tree.rolled_up(values).tolist() == [expected[one].tolist() for one in ids]


@given(trees(), st.integers(0, 5), st.data())
@settings(max_examples=60, deadline=None)
def test_a_level_is_stood_for_by_the_nearest_ancestor_that_it_names(case, depth, data) -> None:
    ids, parents = case
    tree = RegionTree.of(ids, parents)
    parent_of = dict(zip(ids, parents, strict=True))
    named = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    by_name, by_depth = tree.representatives(named), tree.representatives(depth)
    for row, one in enumerate(ids):
        up = list(ancestors(one, parent_of))
        nearest = next((above for above in up if above in named), None)
        assert (None if by_name[row] < 0 else ids[by_name[row]]) == nearest
        assert ids[by_depth[row]] == up[max(0, len(up) - 1 - depth)]


def test_rows_are_found_for_ids_of_any_size_and_none_for_others() -> None:
    tree = RegionTree.of([614454277, 0, 7], [0, None, 0])
    assert tree.rows_of(np.array([0, 7, 614454277, 614454272, 8, 2**62])).tolist() == [
        1, 2, 0, -1, -1, -1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "parents", "match"),
    [
        ([], [], "at least one"),
        ([1, 1], [None, None], "that of one region"),
        ([1, 2], [None, 3], "same tree"),
        ([1, 2], [2, 1], "part of itself"),
        ([-1], [None], "2\\*\\*63"),
    ],
    ids=["empty", "twice", "orphan", "circle", "negative"],
)
def test_what_is_no_tree_is_refused(ids, parents, match) -> None:
    with pytest.raises(ParameterError, match=match):
        RegionTree.of(ids, parents)


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.float32])
def test_ids_that_a_narrow_type_lost_are_noticed(kind) -> None:
    ids = np.array([7, 997, 312782546, 526157193, 614454277])
    tree = RegionTree.of(ids.tolist(), [None] * 5)
    tree.check_ids(ids)
    tree.check_ids(np.array([7, 12345]))  # a region that the tree has not is another matter
    with pytest.raises(ParameterError, match=np.dtype(kind).name):
        tree.check_ids(ids.astype(kind).astype(np.int64))


def test_points_lie_in_the_voxel_whose_centre_is_nearest() -> None:
    points = np.array([[9.9, 0.0], [10.0, 0.0], [-10.1, 0.0], [np.nan, 0.0], [29.9, 4.0]])
    turned = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    index, position = nearest_voxels(points, turned, (0, 0), (20, 20), (2, 3))
    assert index.tolist() == [[0, 0], [1, 0], [-1, -1], [-1, -1], [1, 0]]
    np.testing.assert_array_equal(position[:3], points[:3])


@given(st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_sums_of_parts_are_the_sums_of_the_whole(seed, n_parts) -> None:
    rng = np.random.default_rng(seed)
    ids, above = rng.integers(0, 8, 50), rng.random(50) < 0.5
    values = rng.integers(0, 9, 50)
    parts = []
    for rows in np.array_split(np.arange(50), n_parts):
        found, sums = region_sums(ids[rows], above[rows], values[rows])
        parts.append({"id": found, "n": sums})
    merged = merge_region_sums(*parts)
    found, sums = region_sums(ids, above, values)
    assert merged["id"].tolist() == found.tolist()
    assert merged["n"].tolist() == sums.tolist()
    assert merged["n"].dtype == np.int64

"""The best pairs: as many, and as good, as those of a dense assignment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from scutoid.kernels import _pairing as pairing
from scutoid.kernels import best_pairs, pairs_within


@st.composite
def graphs(draw):
    """Pairs of few things, many of them rivals; scores often equal."""
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    pairs = draw(st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), max_size=25))
    first, second = np.array(sorted(pairs), int).reshape(-1, 2).T
    eighths = draw(st.lists(st.integers(0, 8), min_size=len(pairs), max_size=len(pairs)))
    counts = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    return first, second, np.array(eighths) / 8, np.array(counts, bool)


def best_of_all(first, second, worth):
    """Return the highest sum of worths of a pairing, by a dense assignment."""
    table = np.zeros((8, 8))
    table[first, second] = worth
    return table[linear_sum_assignment(table, maximize=True)].sum()


@given(graphs(), st.sampled_from([1, 4096]))
def test_as_many_pairs_count_as_can_be(graph, edges) -> None:
    first, second, score, counts = graph
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairing, "_EDGES", edges)
        chosen = best_pairs(first, second, score, counts)
    assert counts[chosen].all()
    for side in (first, second):
        assert len(set(side[chosen].tolist())) == len(chosen)
    assert len(chosen) == best_of_all(first, second, counts * 1.0)


@given(graphs())
def test_what_is_chosen_belongs_to_a_best_pairing_of_all(graph) -> None:
    first, second, score, counts = graph
    chosen = best_pairs(first, second, score, counts)
    worth = counts * 1000 + score
    rest = ~np.isin(first, first[chosen]) & ~np.isin(second, second[chosen])
    found = worth[chosen].sum() + best_of_all(first[rest], second[rest], score[rest])
    assert found == pytest.approx(best_of_all(first, second, worth))


def dense(points, others, within):
    """Pair points by a dense assignment: how many, and the sum of distances."""
    distance = np.linalg.norm(points[:, None] - others[None], axis=2)
    pairs = linear_sum_assignment(np.where(distance <= within, distance, 1e6))
    near = distance[pairs] <= within
    return near.sum(), distance[pairs][near].sum()


positions = st.integers(1, 3).flatmap(
    lambda ndim: st.tuples(
        *[
            st.lists(st.tuples(*[st.integers(-9, 9)] * ndim), max_size=12).map(
                lambda rows, ndim=ndim: np.array(rows, float).reshape(-1, ndim)
            )
        ]
        * 2
    )
)


@given(positions, st.sampled_from([1.0, 2.5, 5.0, 30.0]))
def test_points_are_paired_as_by_a_dense_assignment(both, within) -> None:
    points, others = both
    first, second, distance = pairs_within(points, others, within)
    apart = np.linalg.norm(points[first] - others[second], axis=1)
    np.testing.assert_allclose(distance, apart)
    assert (distance <= within).all()
    assert first.tolist() == sorted(set(first.tolist()))
    assert len(set(second.tolist())) == len(second)
    assert (len(first), pytest.approx(distance.sum())) == dense(points, others, within)


def test_a_distance_that_is_just_reached_counts() -> None:
    points, others = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])
    assert len(pairs_within(points, others, 5)[0]) == 1
    assert len(pairs_within(points, others, np.nextafter(5, 0))[0]) == 0


def test_ten_thousand_points_that_are_all_connected_are_paired() -> None:
    line = np.arange(10_000.0)[:, None]
    first, second, distance = pairs_within(line, line[::-1] + 0.25, 1.5)
    assert len(first) == len(line)
    assert distance.sum() == pytest.approx(2500)
    assert second.tolist() == (9999 - first).tolist()

"""The best pairing, one to one, of things of two kinds of which only some may be paired.

This is the assignment problem (H. W. Kuhn, 1955), on a sparse graph: parts that are not connected
are solved by themselves, and most of them have but one solution.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_EDGES = 4096
"""Edges that are solved at a time, more where they are connected."""
_TOP = 2.0
"""More than any pair is worth."""


def best_pairs(
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    score: NDArray[np.float64],
    counts: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Choose pairs, one to one: as many that count as possible, then the highest sum of scores.

    Parameters
    ----------
    first, second : ndarray of integer, shape (n,)
        What may be paired: the number, 0 or more, of the one, and that of the other.  No pair
        occurs twice.
    score : ndarray of float, shape (n,)
        How well each fits, from 0 to 1.
    counts : ndarray of bool, shape (n,)
        Which pairs count.  Others are of use only for the sum of scores, and are not returned.

    Returns
    -------
    ndarray of int
        Places of the pairs chosen that count, increasing.  Of several solutions that are equally
        good, which one depends on the order of the pairs alone.

    Examples
    --------
    >>> first, second = np.array([0, 0, 1]), np.array([0, 1, 0])
    >>> best_pairs(first, second, np.array([0.9, 0.6, 0.5]), np.array([True, True, True]))
    array([1, 2])
    """
    rivals = np.maximum(
        np.bincount(first[counts], minlength=1)[first[counts]],
        np.bincount(second[counts], minlength=1)[second[counts]],
    )
    if rivals.max(initial=0) <= 1:  # then no solution has more, and no other has as many
        return np.flatnonzero(counts)
    part = _parts(first, second)
    contested = np.zeros(part.max() + 1, bool)
    contested[part[counts][rivals > 1]] = True
    open_ = contested[part]
    chosen = [np.flatnonzero(counts & ~open_)]
    for edges in _batches(np.flatnonzero(open_), part):
        solved = _solved(first[edges], second[edges], score[edges], counts[edges])
        chosen.append(edges[solved])
    return np.sort(np.concatenate(chosen))


def pairs_within(
    points: NDArray[np.float64], others: NDArray[np.float64], max_distance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Pair points of two kinds, one to one, each pair within a distance.

    Parameters
    ----------
    points, others : ndarray of float, shapes (n, ndim) and (m, ndim)
        Positions.
    max_distance : float
        Of the two of a pair, above 0, in the unit of the positions.

    Returns
    -------
    first, second : ndarray of int
        Rows of `points`, increasing, and of `others`: as many pairs as possible, and of those that
        can be had the ones whose distances add up to the least.
    distance : ndarray of float
        Of each pair.

    Examples
    --------
    >>> one, two = np.array([[0.0], [2.0]]), np.array([[1.0], [9.0], [-2.0]])
    >>> pairs_within(one, two, 3)
    (array([0, 1]), array([2, 0]), array([2., 1.]))
    """
    from scipy.spatial import KDTree

    if not len(points) or not len(others):
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    # A little more than asked for: what is within is decided here, by the distance that is returned
    reach = max_distance * (1 + 1e-9)
    near = KDTree(points).sparse_distance_matrix(KDTree(others), reach, output_type="ndarray")
    order = np.lexsort((near["j"], near["i"]))
    first, second = near["i"][order], near["j"][order]
    distance = np.sqrt(((points[first] - others[second]) ** 2).sum(axis=1))
    is_near = distance <= max_distance
    first, second, distance = first[is_near], second[is_near], distance[is_near]
    chosen = best_pairs(first, second, 1 - distance / max_distance, np.ones(len(first), bool))
    return first[chosen], second[chosen], distance[chosen]


def _parts(first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return for each pair the number of the connected part that it belongs to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_first = int(first.max()) + 1
    n_nodes = n_first + int(second.max()) + 1
    edges = (np.ones(len(first), np.int8), (first, n_first + second))
    _, part = connected_components(coo_array(edges, shape=(n_nodes, n_nodes)), directed=False)
    of_pairs: NDArray[np.intp] = part[first]
    return of_pairs


def _batches(edges: NDArray[np.intp], part: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Cut pairs into batches of whole parts."""
    ordered = edges[np.argsort(part[edges], kind="stable")]
    ends = np.flatnonzero(np.diff(part[ordered], append=-1)) + 1
    start = 0
    for end in ends:
        if end - start >= _EDGES or end == len(ordered):
            yield ordered[start:end]
            start = int(end)


def _solved(
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    score: NDArray[np.float64],
    counts: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Solve one batch.

    Everything is given a stand-in to be paired with if it stays alone; stand-ins of a pair that is
    chosen are paired with each other.  So every solution pairs all, and costs a constant less what
    its pairs are worth.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    rows, row = np.unique(first, return_inverse=True)
    columns, column = np.unique(second, return_inverse=True)
    n, m = len(rows), len(columns)
    worth = counts + score / (2 * min(n, m))  # all scores together are worth less than one pair
    cost = np.concatenate([_TOP - worth, np.full(n + m + len(row), _TOP)])
    ones = np.concatenate([row, np.arange(n), n + np.arange(m), n + column])
    others = np.concatenate([column, m + np.arange(n), np.arange(m), m + row])
    graph = csr_array((cost, (ones, others)), shape=(n + m, n + m))
    mate = np.empty(n + m, np.intp)
    found, of_found = min_weight_full_bipartite_matching(graph)
    mate[found] = of_found
    return np.flatnonzero((mate[row] == column) & counts)

"""Match objects that blocks found independently: the same object if both blocks see it alike.

::

    A writes         | B writes
              . . .aa|aa. . . . . . . .      what A says, also of its halo in B
       . . . . . . .b|bbb . . . .            what B says, also of its halo in A
              <----- O ----->                what both have seen: A's halo in B and B's in A

On the overlap O both blocks have labels.  Two of them are one object if they share enough of what
they have there.  Neither the order of blocks nor the numbers that they give enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._components import apply_lookup
from scutoid.kernels._runs import Groups, Runs

_SHORT = 2**16
"""Entries of a table that is made for any block."""
_LOWER = np.uint64(0xFFFFFFFF)
Match = Literal["iou", "containment"]


def renumbered(
    labels: NDArray[Any], inner: tuple[slice, ...]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Number the objects that have voxels in `inner` by the first of these; drop all others.

    Parameters
    ----------
    labels : ndarray of integer
        A block with its halo; 0 is background.
    inner : tuple of slice
        The block without its halo.

    Returns
    -------
    labels : ndarray of uint32, shape of `labels`
        1, 2, ... in C order of the first voxel in `inner`, which depends on no number given.
    first : ndarray of int64
        Linear index of that voxel in the inner block.

    Examples
    --------
    >>> numbered, first = renumbered(np.array([9, 9, 0, 4, 9, 7]), np.s_[2:5,])
    >>> numbered.tolist(), first.tolist()
    ([2, 2, 0, 1, 2, 0], [1, 2])
    """
    runs = Runs.of(np.ascontiguousarray(labels[inner]))
    groups = Groups.of(runs.label)
    numbers, first = _in_order(groups, runs.start)
    return _replaced(labels, groups.key, numbers), first


def _replaced(
    labels: NDArray[Any], values: NDArray[np.uint64], numbers: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Put numbers in the place of values, which are increasing, and 0 in that of all others."""
    if len(values) == 0:
        return np.zeros(labels.shape, np.uint32)
    top = int(labels.max())
    if top <= max(labels.size, _SHORT):
        table = np.zeros(top + 1, np.uint32)
        table[values.astype(np.intp)] = numbers
        return apply_lookup(table, labels)
    known = values.astype(labels.dtype)
    place = np.minimum(np.searchsorted(known, labels), len(known) - 1)
    return np.where(known[place] == labels, numbers[place], np.uint32(0))


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """What a block has found, its objects numbered as by `renumbered`."""

    own: Runs
    """What it says of itself."""
    halo: Runs
    """What it says of its halo, in the block with its halo."""
    first: NDArray[np.int64]
    """Linear index of the first voxel of each object in the block."""

    @classmethod
    def of(cls, labels: NDArray[Any], inner: tuple[slice, ...]) -> Pieces:
        """Number the objects of a block that has a halo; all is done on runs of equal labels.

        Parameters
        ----------
        labels : ndarray of integer
            A block with its halo; 0 is background.
        inner : tuple of slice
            The block without its halo.

        Examples
        --------
        >>> pieces = Pieces.of(np.array([9, 9, 0, 4, 9, 7]), np.s_[2:5,])
        >>> pieces.own.label.tolist(), pieces.halo.label.tolist(), pieces.first.tolist()
        ([1, 2], [2], [1, 2])
        """
        runs = Runs.of(np.ascontiguousarray(labels))
        own, halo = (cut(labels.shape, inner) for cut in (runs.within, runs.without))
        groups = Groups.of(own.label)
        numbers, first = _in_order(groups, own.start)
        place = np.searchsorted(groups.key, halo.label)
        is_known = np.append(groups.key, np.uint64(0))[place] == halo.label  # no run has label 0
        known = numbers[place[is_known]].astype(np.uint64)
        return cls(
            Runs(numbers[groups.group].astype(np.uint64), own.start, own.length),
            Runs(known, halo.start[is_known], halo.length[is_known]),
            first,
        )


def _in_order(
    groups: Groups, start: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Number groups of runs by the first voxel of each; return these too, in order."""
    first = groups.minimum(start)
    order = np.argsort(first)
    numbers = np.empty(len(first), np.uint32)
    numbers[order] = np.arange(1, len(first) + 1)
    return numbers, first[order]


def count_overlaps(own: Runs, written: Runs) -> NDArray[np.int64]:
    """Count how often which label of one block meets which label of another.

    Parameters
    ----------
    own : Runs
        What a block says of its halo, in the block with its halo, in C order.
    written : Runs
        What the blocks that write there say, in C order: the label in the lower 32 bits, a block's
        number and one in the upper.

    Returns
    -------
    ndarray of int64, shape (n, 4)
        Block, own label, its label, number of voxels; without those where both are 0.
    """
    # Most runs are of background under background
    written = written.chosen(((written.label & _LOWER) != 0) | _meets(written, own))
    ours, theirs, n_voxels = _stretches(own, written)
    where = (theirs != 0) & ((ours != 0) | ((theirs & _LOWER) != 0))
    theirs, place = np.unique(theirs[where], return_inverse=True)
    ours = ours[where].astype(np.int64)
    size = int(ours.max(initial=0)) + 1
    pairs, pair = np.unique(place * size + ours, return_inverse=True)
    counts = np.zeros(len(pairs), np.int64)
    np.add.at(counts, pair, n_voxels[where])
    met = theirs[pairs // size]
    block = (met >> np.uint64(32)).astype(np.int64) - 1
    label = (met & _LOWER).astype(np.int64)
    return np.stack([block, pairs % size, label, counts], axis=1)


def _meets(runs: Runs, few: Runs) -> NDArray[np.bool_]:
    """Return which runs share a voxel with any of a few others; both are in C order."""
    first = np.searchsorted(runs.end, few.start, "right")
    stop = np.searchsorted(runs.start, few.end, "left")
    changes = np.zeros(len(runs.start) + 1, np.int64)
    np.add.at(changes, first, 1)
    np.add.at(changes, stop, -1)
    return changes.cumsum()[:-1] > 0


def _stretches(
    one: Runs, other: Runs
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return both labels of each stretch of voxels where neither changes, and its length."""
    sides = [side for runs in (one, other) for side in (runs.start, runs.end)]
    edges = np.sort(np.concatenate(sides), kind="stable")  # which merges what is sorted
    length = np.diff(edges)
    is_one = length > 0
    begins = edges[:-1][is_one]
    return _label_at(one, begins), _label_at(other, begins), length[is_one]


def _label_at(runs: Runs, places: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the label at each place, 0 between runs."""
    run = np.searchsorted(runs.start, places, "right")
    label, end = (np.insert(side, 0, 0) for side in (runs.label, runs.end))
    return np.where(places < end[run], label[run], np.uint64(0))


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Pairs of pieces of two blocks that meet, and how well they agree."""

    pairs: NDArray[np.int64]
    """Pieces, counted from 0 over all blocks; shape (n, 2)."""
    n_voxels: NDArray[np.int64]
    """Voxels that both have, in what both blocks see."""
    iou: NDArray[np.float64]
    """Of what either has there, the part that both have."""
    containment: NDArray[np.float64]
    """Of what the smaller has there, the part that both have."""
    is_same: NDArray[np.bool_]
    """Whether the two are one object."""


def match_pieces(
    counts: Sequence[NDArray[np.int64]],
    offsets: NDArray[np.int64],
    match: Match,
    threshold: float,
) -> Overlaps:
    """Return which pieces of different blocks are the same object.

    Parameters
    ----------
    counts : sequence of int64 arrays of shape (n, 4), one a block
        As from `count_overlaps`.
    offsets : ndarray of int64, shape (n_blocks + 1,)
        Number of pieces in the blocks before each.
    match : {"iou", "containment"}
        By intersection over union, where each must be the other's best in that block; or by the
        part of the smaller one that the other holds.
    threshold : float
        Least agreement of what is one object.

    Returns
    -------
    Overlaps
        Sorted by pair.
    """
    rows = [np.insert(table, 0, block, axis=1) for block, table in enumerate(counts)]
    piece, other, ours, theirs, number = np.concatenate(
        [np.zeros((0, 5), np.int64), *rows]
    ).T  # fmt: skip
    # Each pair of blocks tells of two halves of its overlap: the lower block's view comes first
    swaps = piece > other
    low, high = np.where(swaps, other, piece), np.where(swaps, piece, other)
    first = np.where(swaps, theirs, ours)
    second = np.where(swaps, ours, theirs)
    # -1 for background; pieces are unique over all blocks
    first = np.where(first > 0, offsets[low] + first - 1, -1)
    second = np.where(second > 0, offsets[high] + second - 1, -1)

    keys, group = np.unique(np.stack([low, high, first, second], 1), axis=0, return_inverse=True)
    shared = np.zeros(len(keys), np.int64)
    np.add.at(shared, group.reshape(-1), number)
    size_first = _total(keys[:, [2, 1]], shared)
    size_second = _total(keys[:, [3, 0]], shared)
    met = (keys[:, 2] >= 0) & (keys[:, 3] >= 0)
    keys, shared = keys[met], shared[met]
    size_first, size_second = size_first[met], size_second[met]
    iou = shared / (size_first + size_second - shared)
    containment = shared / np.minimum(size_first, size_second)
    score = iou if match == "iou" else containment
    is_same = score >= threshold
    if match == "iou":
        is_same &= (score == _best(keys[:, [2, 1]], score)) & (
            score == _best(keys[:, [3, 0]], score)
        )
    order = np.lexsort((keys[:, 3], keys[:, 2]))
    return Overlaps(keys[order, 2:], shared[order], iou[order], containment[order], is_same[order])


def _groups(keys: NDArray[np.int64]) -> Groups:
    _, number = np.unique(keys, axis=0, return_inverse=True)
    return Groups.of(number.reshape(-1).astype(np.uint64))


def _total(keys: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    groups = _groups(keys)
    return groups.spread(groups.total(rows))


def _best(keys: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    groups = _groups(keys)
    return groups.spread(groups.maximum(rows))

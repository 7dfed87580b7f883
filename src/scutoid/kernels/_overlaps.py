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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._components import apply_lookup
from scutoid.kernels._runs import Groups, Runs

_SHORT = 2**16
"""Entries of a table that is made for any block."""
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
    first = groups.minimum(runs.start)
    order = np.argsort(first)
    numbers = np.empty(len(first), np.uint32)
    numbers[order] = np.arange(1, len(first) + 1)
    return _replaced(labels, groups.key, numbers), first[order]


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


def encode_halo_runs(
    labels: NDArray[np.uint32], inner: tuple[slice, ...]
) -> dict[str, NDArray[Any]]:
    """Encode a block's labels of its halo as runs of equal labels along the last axis."""
    outside = labels.copy()
    outside[inner] = 0
    runs = Runs.of(np.ascontiguousarray(outside))
    return {
        "label": runs.label.astype(np.uint32),
        "start": runs.start,
        "length": runs.length.astype(np.uint32),
    }


def decode_halo_runs(runs: Mapping[str, NDArray[Any]], shape: Sequence[int]) -> NDArray[np.uint32]:
    """Decode what `encode_halo_runs` encoded: the labels of the halo, 0 in the block itself."""
    length = runs["length"].astype(np.int64)
    flat = np.zeros(int(np.prod(shape, dtype=np.int64)), np.uint32)
    before = np.cumsum(length) - length
    places = np.arange(int(length.sum())) + np.repeat(runs["start"] - before, length)
    flat[places] = np.repeat(runs["label"], length)
    return flat.reshape(tuple(shape))


def count_overlaps(own: NDArray[np.uint32], written: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Count how often which label of one block meets which label of another.

    Parameters
    ----------
    own : ndarray of uint32
        What a block says of its halo, 0 elsewhere.
    written : ndarray of uint64, shape of `own`
        What the blocks that write there say: the label in the lower 32 bits, a block's number and
        one in the upper; 0 where no other block writes.

    Returns
    -------
    ndarray of int64, shape (n, 4)
        Block, own label, its label, number of voxels; without those where both are 0.
    """
    own, written, n_voxels = _stretches(own, written)
    where = (written != 0) & ((own != 0) | ((written & np.uint64(0xFFFFFFFF)) != 0))
    theirs, place = np.unique(written[where], return_inverse=True)
    ours = own[where].astype(np.int64)
    size = int(ours.max(initial=0)) + 1
    pairs, pair = np.unique(place * size + ours, return_inverse=True)
    counts = np.zeros(len(pairs), np.int64)
    np.add.at(counts, pair, n_voxels[where])
    met = theirs[pairs // size]
    block = (met >> np.uint64(32)).astype(np.int64) - 1
    label = (met & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return np.stack([block, pairs % size, label, counts], axis=1)


def _stretches(
    own: NDArray[np.uint32], written: NDArray[np.uint64]
) -> tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.int64]]:
    """Return both labels of each stretch of voxels where neither changes, and its length."""
    own, written = own.reshape(-1), written.reshape(-1)
    begins = np.ones(own.size, bool)
    np.not_equal(own[1:], own[:-1], out=begins[1:])
    begins[1:] |= written[1:] != written[:-1]
    first = np.flatnonzero(begins)
    return own[first], written[first], np.diff(first, append=own.size)


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

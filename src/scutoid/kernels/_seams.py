"""Give the pieces of objects that cross blocks one label.

Two voxels that touch and lie in different blocks straddle a seam on some axis: the one lies in the
last plane of the lower block, the other in the first plane of the upper one, moved by up to one
voxel along the other axes, as far as the connectivity allows::

        axis 1 ->
        lower row of blocks    . . a | . .        a touches b and c by 1 hop or 2, and d by 2, in
        last plane             . # a | d .        the block across the corner
        -----------------------------+----
        upper row of blocks    . c b | d .
        first plane

So each seam is searched once, block by block, with the upper plane extended by one voxel of its
own neighbours.  Only planes of two rows of blocks are held at a time.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scutoid.errors import GeometryError
from scutoid.kernels._components import checked_connectivity

# Pairs are made distinct again once this many have been collected
_PAIRS_HELD = 4_000_000
_MANY_PAIRS = 5_000
"""Joined in less time than it takes to load the graphs of scipy."""


@dataclass(frozen=True, slots=True, eq=False)
class MergedLabels:
    """The labels in the whole image of the labels of each block."""

    table: NDArray[np.uint64]
    """Global label of every label of every block, one block after the other."""
    offsets: NDArray[np.int64]
    """Block `b` owns ``table[offsets[b]:offsets[b + 1]]``."""
    n_objects: int
    """Number of objects in the whole image, and their largest label."""

    def lut(self, block: int) -> NDArray[np.uint64]:
        """Return what to index by the labels of `block`; entry 0 is 0."""
        return lookup_table(self.table[self.offsets[block] : self.offsets[block + 1]])


def lookup_table(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put the background's 0 in front of the global labels of a block."""
    table = np.zeros(len(values) + 1, np.uint64)
    table[1:] = values
    return table


def global_first(
    first: ArrayLike,
    block_offset: Sequence[int],
    block_shape: Sequence[int],
    image_shape: Sequence[int],
) -> NDArray[np.int64]:
    """Turn linear indices in a block into linear indices in the image.

    Parameters
    ----------
    first : array of int64
        Linear C indices in the block.
    block_offset, block_shape, image_shape : sequence of int
        In voxels; the offset is counted from the image's first voxel.

    Examples
    --------
    >>> global_first([0, 3], (4, 4), (2, 2), (10, 10))
    array([44, 55])
    """
    index = np.asarray(first, np.int64)
    out = np.zeros(index.shape, np.int64)
    stride = 1
    for offset, size, total in zip(
        reversed(block_offset), reversed(block_shape), reversed(image_shape), strict=True
    ):
        index, place = np.divmod(index, max(size, 1))
        out += (place + offset) * stride
        stride *= total
    return out


def merge_blocks(
    grid_shape: Sequence[int],
    counts: ArrayLike,
    first: Sequence[NDArray[np.int64]],
    faces: Callable[[int], Mapping[str, NDArray[Any]]],
    connectivity: int | None = None,
    *,
    values: Sequence[NDArray[Any]] | None = None,
) -> MergedLabels:
    """Give the pieces of objects in a grid of blocks one label each, by first voxel in the image.

    Parameters
    ----------
    grid_shape : sequence of int
        Number of blocks on each axis; blocks are counted in C order.
    counts : array of int64, shape (n_blocks,)
        Number of labels in each block; they are 1 to that number.
    first : sequence of int64 arrays, one a block
        Linear index *in the image* of the first voxel of each label (see `global_first`).
    faces : callable
        Block number to its outer planes, as the function `faces` returns them.  It is asked for
        blocks with labels only, up to twice an axis; it may return a lazy mapping.
    connectivity : int, optional
        As for `label_components`.
    values : sequence of arrays, one a block, optional
        Value of each label, where only pieces of one value belong together.

    Returns
    -------
    MergedLabels
        The labels that `label_components` gives to the whole image.

    Raises
    ------
    GeometryError
        If the numbers of blocks, labels or voxels do not fit together.
    """
    shape = tuple(int(n) for n in grid_shape)
    hops = checked_connectivity(connectivity, len(shape))
    sizes = np.asarray(counts, np.int64).reshape(-1)
    n_blocks = int(np.prod(shape, dtype=np.int64))
    if len(sizes) != n_blocks or len(first) != n_blocks:
        raise GeometryError(
            f"a grid of {shape} blocks needs {n_blocks} counts and arrays of first voxels",
            value=f"{len(sizes)} and {len(first)}",
        )
    for block, (size, places) in enumerate(zip(sizes, first, strict=True)):
        if size != len(places):
            raise GeometryError(
                "each label of a block has one first voxel",
                value=f"{size} labels, {len(places)} first voxels",
                place=f"block {block}",
            )
    offsets = np.zeros(n_blocks + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    places = np.concatenate([np.zeros(0, np.int64), *first])
    pairs = _Seams(shape, sizes, offsets, faces, hops).pairs()
    if values is not None:
        value = np.concatenate([values[0][:0], *values])
        pairs = pairs[value[pairs[:, 0]] == value[pairs[:, 1]]]
    table, n_objects = number_unions(places, pairs)
    return MergedLabels(table, offsets, n_objects)


def number_unions(
    places: NDArray[np.int64], pairs: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], int]:
    """Number the unions of pieces by their first voxels.

    Parameters
    ----------
    places : ndarray of int64, shape (n_pieces,)
        First voxel of each piece.
    pairs : ndarray of int64, shape (n_pairs, 2)
        Pieces that belong together, counted from 0.

    Returns
    -------
    numbers : ndarray of uint64, shape (n_pieces,)
        1, 2, ... by the first voxel of each union.
    n_unions : int

    Examples
    --------
    >>> number_unions(np.array([4, 0, 9]), np.array([[0, 2]]))
    (array([2, 1, 2], dtype=uint64), 2)
    """
    # Only pieces at seams enter the graph: most objects lie inside one block
    pieces, ends = np.unique(pairs, return_inverse=True)
    n_unions, union = _unions(ends.reshape(-1, 2), len(pieces))
    # The piece that holds the union's first voxel stands for all
    by_place = np.argsort(places[pieces])
    _, where = np.unique(union[by_place], return_index=True)
    root = np.arange(len(places))
    root[pieces] = pieces[by_place][where][union]

    n_objects = len(places) - len(pieces) + n_unions
    owners = np.flatnonzero(root == np.arange(len(places)))
    number = np.zeros(len(places), np.uint64)
    number[owners[np.argsort(places[owners])]] = np.arange(1, n_objects + 1, dtype=np.uint64)
    return number[root], n_objects


def _unions(ends: NDArray[np.intp], n_pieces: int) -> tuple[int, NDArray[Any]]:
    """Return how many unions there are, and which of them each piece is in."""
    if len(ends) > _MANY_PAIRS:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        joined = (np.ones(len(ends), np.uint8), (ends[:, 0], ends[:, 1]))
        graph = coo_array(joined, shape=(n_pieces, n_pieces))
        return connected_components(graph, directed=False)  # type: ignore[no-any-return]
    above = list(range(n_pieces))  # a piece of the same union, of a lower number, or itself
    for one, other in ends.tolist():
        low, high = sorted((_root(above, one), _root(above, other)))
        above[high] = low
    for piece in range(n_pieces):
        above[piece] = above[above[piece]]
    of_union, union = np.unique(np.asarray(above, np.intp), return_inverse=True)
    return len(of_union), union


def _root(above: list[int], piece: int) -> int:
    """Return the piece that has none above it, and shorten the way there."""
    while above[piece] != piece:
        above[piece] = above[above[piece]]
        piece = above[piece]
    return piece


class _Seams:
    """Searches the seams of a grid of labelled blocks for pieces that touch."""

    def __init__(
        self,
        shape: tuple[int, ...],
        counts: NDArray[np.int64],
        offsets: NDArray[np.int64],
        faces: Callable[[int], Mapping[str, NDArray[Any]]],
        hops: int,
    ) -> None:
        self._shape = shape
        self._counts = counts
        self._offsets = offsets
        self._faces = faces
        # How far a neighbour may lie along the axes of the seam, once the seam itself is crossed
        self._shifts = [
            shift
            for shift in itertools.product((-1, 0, 1), repeat=len(shape) - 1)
            if sum(map(abs, shift)) < hops
        ]

    def pairs(self) -> NDArray[np.int64]:
        """Return the distinct pairs of pieces that touch, counted from 0, shape (n, 2)."""
        held: list[NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]
        n_held = 0
        for axis in range(len(self._shape)):
            for touching in self._along(axis):
                held.append(touching)
                n_held += len(touching)
                if n_held > _PAIRS_HELD:
                    held = [_distinct(np.concatenate(held))]
                    # Without the floor, many distinct pairs would be sorted again at every block
                    n_held = 0
        return _distinct(np.concatenate(held)) - 1

    def _along(self, axis: int) -> Iterator[NDArray[np.int64]]:
        """Search the seams across `axis`, one after the other and block by block in each."""
        others = self._shape[:axis] + self._shape[axis + 1 :]
        # A block's first plane serves its neighbours too: in the rows before, of and after its own
        n_kept = 3 * int(np.prod(others[1:], dtype=np.int64)) + 3
        upper_plane = functools.lru_cache(maxsize=n_kept)(
            functools.partial(self._plane, f"low{axis}")
        )
        for seam in range(self._shape[axis] - 1):
            for place in np.ndindex(*others):
                lower = self._block(axis, seam, place)
                if self._counts[lower] == 0:
                    continue
                plane = self._plane(f"high{axis}", lower)
                if plane is not None:
                    yield self._touching(plane, self._extended(axis, seam + 1, place, upper_plane))

    def _block(self, axis: int, row: int, place: tuple[int, ...]) -> int:
        index = (*place[:axis], row, *place[axis:])
        return int(np.ravel_multi_index(index, self._shape))

    def _plane(self, name: str, block: int) -> NDArray[np.int64] | None:
        """Return a face with labels that are unique in the grid, or None if it is empty."""
        if self._counts[block] == 0:
            return None
        plane = np.asarray(self._faces(block)[name]).astype(np.int64)
        if not plane.any():
            return None
        if plane.max() > self._counts[block] or plane.min() < 0:
            raise GeometryError(
                f"a face holds labels of its block only, 0 to {self._counts[block]}",
                value=f"labels {plane.min()} to {plane.max()}",
                place=f"block {block}, face {name}",
            )
        plane[plane != 0] += self._offsets[block]
        return plane

    def _extended(
        self,
        axis: int,
        row: int,
        place: tuple[int, ...],
        plane_of: Callable[[int], NDArray[np.int64] | None],
    ) -> list[tuple[tuple[int, ...], NDArray[np.int64], int]]:
        """Return a block's plane and the lines around it: the side, the voxels and their block."""
        others = self._shape[:axis] + self._shape[axis + 1 :]
        parts = []
        for side in self._shifts:
            near = tuple(p + s for p, s in zip(place, side, strict=True))
            if all(0 <= p < n for p, n in zip(near, others, strict=True)):
                block = self._block(axis, row, near)
                plane = plane_of(block)
                if plane is not None:
                    parts.append((side, plane[_lines(_NEAREST, side)], block))
        return parts

    def _touching(
        self,
        lower: NDArray[np.int64],
        upper: Sequence[tuple[tuple[int, ...], NDArray[np.int64], int]],
    ) -> NDArray[np.int64]:
        """Return the distinct pairs of labels that touch across a seam, shape (n, 2)."""
        if not upper:
            return np.zeros((0, 2), np.int64)
        # A frame of one voxel around the upper plane, filled from the neighbours' nearest lines
        framed = np.zeros(tuple(n + 2 for n in lower.shape), np.int64)
        for side, lines, block in upper:
            target = framed[_lines(_FRAME, side)]
            if target.shape != lines.shape:
                raise GeometryError(
                    "faces on the two sides of a seam have the same shape",
                    value=f"{target.shape} and {lines.shape}",
                    place=f"block {block}",
                )
            target[...] = lines
        flat = framed.reshape(-1)
        strides = np.array(framed.strides, np.int64) // framed.itemsize
        voxels = np.nonzero(lower.reshape(lower.shape or (1,)))
        labels = lower.reshape(-1)[np.flatnonzero(lower)]
        centre = np.zeros(len(labels), np.int64)
        for along, stride in zip(voxels, strides, strict=False):
            centre += (along + 1) * stride
        pairs = []
        for shift in self._shifts:
            other = flat[centre + int(np.dot(shift, strides))]
            met = np.flatnonzero(other)
            pairs.append(np.stack([labels[met], other[met]], axis=1))
        return _distinct(np.concatenate(pairs))


# Where a neighbour's plane goes in the frame, and which of its lines: by the side it lies on
_FRAME = {-1: slice(0, 1), 0: slice(1, -1), 1: slice(-1, None)}
_NEAREST = {-1: slice(-1, None), 0: slice(None), 1: slice(0, 1)}


def _lines(slices: Mapping[int, slice], side: tuple[int, ...]) -> tuple[slice | EllipsisType, ...]:
    """Return an index; the ellipsis keeps the single voxel that is a face in 1-D an array."""
    return (*(slices[s] for s in side), ...)


def _distinct(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the distinct rows, sorted."""
    if len(pairs) < 2:
        return pairs
    # Runs of the same pair are common along a face: drop them before sorting
    new = np.ones(len(pairs), bool)
    np.any(pairs[1:] != pairs[:-1], axis=1, out=new[1:])
    pairs = pairs[new]
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    new = np.ones(len(pairs), bool)
    np.any(pairs[1:] != pairs[:-1], axis=1, out=new[1:])
    return pairs[new]

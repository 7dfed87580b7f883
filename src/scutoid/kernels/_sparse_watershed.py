"""The watershed of `_watershed` for arrays that are held sparsely, bit for bit.

No array of the whole block is made: components are found slab by slab and joined across the seams,
and what is flooded is gathered, some millions of voxels at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError
from scutoid.kernels._components import apply_lookup, checked_connectivity, find_components
from scutoid.kernels._seams import merge_blocks
from scutoid.kernels._sparse import Slab, SparseArray
from scutoid.kernels._watershed import CALL, check_flooded, flood_box

_GATHERED = 2**19
"""Voxels that are gathered at a time, each of some 100 bytes; larger parts are not."""
_TOGETHER = 2**22
"""Voxels of a box in which parts are flooded together, each of some 17 bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseParts:
    """The components of a mask."""

    mask: SparseArray
    """Where they are."""
    numbers: tuple[NDArray[np.uint32], ...]
    """Of the voxels of each slab, from 1, in no order."""
    reaches: NDArray[np.bool_]
    """By number, shape (n_parts + 1,): whether it has voxels in the block without its halo."""
    is_cut: NDArray[np.bool_]
    """By number: whether it lies at a side where the image goes on."""
    inner: tuple[slice, ...]
    """The block without its halo."""

    def __iter__(self) -> Iterator[tuple[Slab, NDArray[np.uint32]]]:
        """Yield each slab and the numbers of its voxels."""
        return zip(self.mask.slabs, self.numbers, strict=True)

    def counts(self) -> NDArray[np.int64]:
        """Count the voxels of each part, by number."""
        counts = np.zeros(len(self.reaches), np.int64)
        for own in self.numbers:
            counts += np.bincount(own, minlength=len(counts))
        return counts

    def count_inner(self, chosen: NDArray[np.bool_]) -> int:
        """Count the voxels of some parts in the block without its halo."""
        total = 0
        for slab, numbers in self:
            is_inner = _marked(slab, [slab.part(self.inner)])
            total += int(np.count_nonzero(chosen[numbers[is_inner[slab.places]]]))
        return total


def sparse_parts(
    mask: SparseArray,
    inner: tuple[slice, ...],
    goes_on: Sequence[tuple[bool, bool]],
    connectivity: int | None = None,
) -> SparseParts:
    """Number the components of a mask that is held sparsely; as `parts_seen`.

    Examples
    --------
    >>> row = SparseArray.of([np.array([0, 1, 1]), np.array([0, 1, 1])])
    >>> parts = sparse_parts(row, np.s_[1:4,], [(True, True)])
    >>> [numbers.tolist() for numbers in parts.numbers], parts.reaches.tolist()
    ([[1, 1], [2, 2]], [False, True, False])
    """
    hops = checked_connectivity(connectivity, len(mask.shape))
    numbers, counts = [], []
    for slab in mask.slabs:
        places = slab.places
        numbers.append(find_components(places, hops)[places])
        counts.append(int(numbers[-1].max(initial=0)))

    def faces(number: int) -> Mapping[str, NDArray[np.uint32]]:
        labels = mask.slabs[number].spread(numbers[number])
        return {"low0": labels[0].copy(), "high0": labels[-1].copy()}

    stops = np.cumsum(counts, dtype=np.int64)
    first = [np.arange(stop - n, stop) for stop, n in zip(stops, counts, strict=True)]
    table = np.zeros(0, np.uint32)
    if counts:
        grid = (len(counts),) + (1,) * (len(mask.shape) - 1)
        table = merge_blocks(grid, counts, first, faces, hops).table.astype(np.uint32)
    for own, stop, n in zip(numbers, stops, counts, strict=True):
        apply_lookup(np.append(np.uint32(0), table[stop - n : stop]), own, in_place=True)
    reaches, is_cut = np.zeros((2, int(table.max(initial=0)) + 1), bool)
    parts = SparseParts(mask, tuple(numbers), reaches, is_cut, inner)
    sides = _open_sides(mask.shape, goes_on)
    for slab, own in parts:
        places = slab.places
        reaches[own[_marked(slab, [slab.part(inner)])[places]]] = True
        is_cut[own[_marked(slab, [slab.part(side) for side in sides])[places]]] = True
    return parts


def _open_sides(
    shape: tuple[int, ...], goes_on: Sequence[tuple[bool, bool]]
) -> list[tuple[slice, ...]]:
    """Return the planes at which an image goes on."""
    found = []
    for axis, sides in enumerate(goes_on):
        for at, is_open in zip((0, shape[axis] - 1), sides, strict=True):
            if is_open:
                side = [slice(0, size) for size in shape]
                side[axis] = slice(at, at + 1)
                found.append(tuple(side))
    return found


def _marked(slab: Slab, regions: Sequence[tuple[slice, ...]]) -> NDArray[np.bool_]:
    marks = np.zeros(slab.shape, bool)
    for region in regions:
        marks[region] = True
    return marks


def flood_sparse(
    image: SparseArray,
    seeds: SparseArray,
    parts: SparseParts,
    connectivity: int | None = None,
    *,
    descending: bool = False,
    unreached: int = 0,
) -> NDArray[Any]:
    """Flood the components of a mask that reach into a block, each by itself.

    Parameters
    ----------
    image : SparseArray
        The values of the mask's voxels: held where that is.
    seeds : SparseArray
        Labels to start from, of as many planes a slab.
    parts : SparseParts
        The components.
    connectivity, descending, unreached
        As for `flood_parts`.

    Returns
    -------
    ndarray of the dtype of `seeds`
        The block without its halo, as `flood_parts` floods it with those parts that reach there.

    Raises
    ------
    ParameterError, GeometryError
        As for `watershed`.
    """
    if not image.shape == seeds.shape == parts.mask.shape:
        raise GeometryError(
            "image, seeds and mask have one shape",
            value=f"{image.shape}, {seeds.shape}, {parts.mask.shape}",
            place="watershed",
            remedy="crop them first",
        )
    check_flooded(image.dtype, seeds.dtype, has_nan=image.has_nan)
    hops = checked_connectivity(connectivity, len(image.shape))
    table, chosen = _labels_of_parts(seeds, parts, unreached)
    flooded = np.zeros([side.stop - side.start for side in parts.inner], seeds.dtype)
    for slab, numbers in parts:
        region = slab.part(parts.inner)
        first = region[0].start + slab.start - parts.inner[0].start
        into = flooded[first : first + region[0].stop - region[0].start]
        places = slab.places
        is_inner = _marked(slab, [region])[places]
        into[places[region]] = apply_lookup(table, numbers[is_inner])
    counts = parts.counts()
    for number in np.flatnonzero(chosen & (counts > _GATHERED)).tolist():
        _flood_large(image, seeds, parts, number, flooded, hops, descending=descending)
    for rows in _gathered(image, seeds, parts, np.where(chosen, counts, 0)):
        for some, box in rows.boxes():
            found = rows.flood(some, box, hops, descending=descending)
            _put(flooded, parts.inner, rows.coordinates[:, some], found)
    return flooded


def _put(
    flooded: NDArray[Any],
    inner: tuple[slice, ...],
    coordinates: NDArray[np.int32],
    labels: NDArray[Any],
) -> None:
    """Put labels at those of their places that lie in the block."""
    sides = list(zip(coordinates, inner, strict=True))
    if all(side.start <= at.min() and at.max() < side.stop for at, side in sides):
        flooded[tuple(at - side.start for at, side in sides)] = labels
        return
    within = np.logical_and.reduce([(at >= side.start) & (at < side.stop) for at, side in sides])
    flooded[tuple(at[within] - side.start for at, side in sides)] = labels[within]


def _flood_large(
    image: SparseArray,
    seeds: SparseArray,
    parts: SparseParts,
    number: int,
    flooded: NDArray[Any],
    hops: int,
    *,
    descending: bool,
) -> None:
    """Flood one part in arrays of its box."""
    box = _box_of(parts, number)
    shape = [side.stop - side.start for side in box]
    values, labels = np.zeros(shape, image.dtype), np.zeros(shape, seeds.dtype)
    inside = np.zeros(shape, bool)
    for (slab, own), heights, (planted, label) in zip(parts, image.held, seeds, strict=True):
        region = slab.part(box)
        at = slice(slab.start + region[0].start - box[0].start, None)
        for held, part in (
            (values, slab.spread(heights)),
            (labels, planted.spread(label)),
            (inside, slab.spread(own == number)),
        ):
            cut = part[region]
            held[at][: len(cut)] = cut
    found = np.zeros(shape, seeds.dtype)
    found[inside] = flood_box(values, labels, inside, hops, descending=descending)
    # Where both the box and the block are, counted from the first voxel of each
    common = [
        slice(max(a.start, b.start), max(min(a.stop, b.stop), a.start, b.start))
        for a, b in zip(box, parts.inner, strict=True)
    ]
    here, there = (
        tuple(slice(c.start - o.start, c.stop - o.start) for c, o in zip(common, of, strict=True))
        for of in (box, parts.inner)
    )
    np.copyto(flooded[there], found[here], where=inside[here])


def _box_of(parts: SparseParts, number: int) -> tuple[slice, ...]:
    low = np.full(len(parts.mask.shape), max(parts.mask.shape))
    high = np.zeros_like(low)
    for slab, own in parts:
        if (own == number).any():
            places = np.nonzero(slab.spread(own == number))
            first = [int(axis.min()) for axis in places]
            last = [int(axis.max()) for axis in places]
            first[0], last[0] = first[0] + slab.start, last[0] + slab.start
            low, high = np.minimum(low, first), np.maximum(high, last)
    return tuple(map(slice, low.tolist(), (high + 1).tolist()))


def _labels_of_parts(
    seeds: SparseArray, parts: SparseParts, unreached: int
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the label of each part that has one, by number, and which have several."""
    table = np.zeros(len(parts.reaches), seeds.dtype)
    table[parts.reaches] = unreached
    planted = []
    for (slab, labels), (own, numbers) in zip(seeds, parts, strict=True):
        is_seed, is_part = slab.places, own.places
        number, label = numbers[is_seed[is_part]], labels[is_part[is_seed]]
        reaches = parts.reaches[number]
        planted.append((number[reaches], label[reaches]))
    for number, label in planted:
        table[number] = label
    chosen = np.zeros(len(table), bool)
    for number, label in planted:
        chosen[number[label != table[number]]] = True
    return table, chosen


_Rows = NDArray[np.int64] | slice


@dataclass(frozen=True, slots=True, eq=False)
class _Gathered:
    """Voxels of some parts, those of a part together, in C order."""

    coordinates: NDArray[np.int32]
    """Shape (ndim, n)."""
    values: NDArray[Any]
    """Of the image."""
    seeds: NDArray[Any]
    """0 where none is."""
    starts: NDArray[np.int64]
    """Where each part begins, and the end of the last."""

    def boxes(self) -> Iterator[tuple[_Rows, tuple[slice, ...]]]:
        """Yield rows and the box that they are flooded in: one a part, or of many small ones."""
        low = np.minimum.reduceat(self.coordinates, self.starts[:-1], axis=1).T.astype(np.int64)
        high = np.maximum.reduceat(self.coordinates, self.starts[:-1], axis=1).T + np.int64(1)
        waiting = [np.arange(len(low))]
        while waiting:
            some = waiting.pop()
            first, stop = low[some].min(axis=0), high[some].max(axis=0)
            together = math.prod((stop - first).tolist())
            apart = int(np.prod(high[some] - low[some], axis=1).sum()) + len(some) * CALL
            if len(some) == 1:
                yield slice(*self.starts[some[0] : some[0] + 2]), tuple(map(slice, first, stop))
            elif together <= apart and together <= _TOGETHER:
                rows = np.concatenate([np.arange(*self.starts[n : n + 2]) for n in some])
                yield rows, tuple(map(slice, first, stop))
            elif together <= apart:
                along = int(np.argmax(stop - first))
                waiting += np.array_split(some[np.argsort(low[some, along], kind="stable")], 2)
            else:
                waiting += np.split(some, len(some))

    def flood(
        self, rows: _Rows, box: tuple[slice, ...], hops: int, *, descending: bool
    ) -> NDArray[Any]:
        """Flood what some rows have in a box; return the label of each of them."""
        shape = [side.stop - side.start for side in box]
        places = np.ravel_multi_index(
            tuple(at[rows] - side.start for at, side in zip(self.coordinates, box, strict=True)),
            shape,
        )
        values, seeds = np.zeros(shape, self.values.dtype), np.zeros(shape, self.seeds.dtype)
        inside = np.zeros(shape, bool)
        values.reshape(-1)[places] = self.values[rows]
        seeds.reshape(-1)[places] = self.seeds[rows]
        inside.reshape(-1)[places] = True
        found = np.zeros(shape, self.seeds.dtype)
        found[inside] = flood_box(values, seeds, inside, hops, descending=descending)
        labels: NDArray[Any] = found.reshape(-1)[places]
        return labels


def _gathered(
    image: SparseArray, seeds: SparseArray, parts: SparseParts, counts: NDArray[np.int64]
) -> Iterator[_Gathered]:
    """Yield the voxels of those parts of which so many are to be flooded, some parts at a time."""
    numbers = np.flatnonzero((counts > 0) & (counts <= _GATHERED))
    if not len(numbers):
        return
    batch = (np.cumsum(counts[numbers]) - counts[numbers]) // _GATHERED
    for some in np.split(numbers, np.flatnonzero(np.diff(batch)) + 1):
        yield _gather(image, seeds, parts, some)


def _gather(
    image: SparseArray, seeds: SparseArray, parts: SparseParts, some: NDArray[np.int64]
) -> _Gathered:
    order_of = np.zeros(len(parts.reaches), np.min_scalar_type(len(some)))
    order_of[some] = np.arange(1, len(some) + 1)
    found = []
    for (slab, own), values, (planted, labels) in zip(parts, image.held, seeds, strict=True):
        which = order_of[own]
        is_one = which != 0
        if is_one.any():
            places = np.flatnonzero(slab.places)[is_one]
            at = np.stack(
                [along.astype(np.int32) for along in np.unravel_index(places, slab.shape)]
            )
            at[0] += slab.start
            there = planted.spread(labels).reshape(-1)[places]
            found.append((which[is_one], at, values[is_one], there))
    which, at, heights, there = (np.concatenate(each, axis=-1) for each in zip(*found, strict=True))
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(1, len(some) + 2))
    return _Gathered(at[:, order], heights[order], there[order], starts)

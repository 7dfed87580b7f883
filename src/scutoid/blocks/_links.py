"""Dependencies between blocks, as a few small tables an axis instead of a graph.

A block waits for a box of upstream blocks, and an upstream block is waited for by a box of blocks:
on each axis the boxes' sides depend on the place on that axis alone.  So one edge between tasks of
10^7 blocks is some thousand numbers::

    place on the axis, downstream      0      1      2      3
    waits for upstream places        0..2   1..3   2..4   3..4        (lo, hi)

A conflict between the blocks of one task is a sum of such boxes, one for each axis on which the
levels of two blocks may be the first to differ.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._freed import Box, Freed, FreedBox, FreedList, Ints
from scutoid.blocks._levels import conflict_reach
from scutoid.blocks._task import After
from scutoid.errors import GeometryError
from scutoid.geometry import BlockGrid

# Up to this many blocks, one box at a time is fastest.
_FEW = 4
# A list of this many entries takes as long as the calls for a mask alone; above, an entry takes as
# long as two places of the mask in each term.  No list where a block may free more than so many.
_SHORT = 7_000
_NARROW = 256
# Entries of a list at once, to bound the memory used.
_LISTED = 1_000_000
# A mask of more than this many places for each block is wasteful.
_SPARSE = 64
# A scale of 10 / 3 at voxel 3 means 10, not a hair more.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """For each place on one axis, a half-open range of places on another."""

    lo: Ints
    """First place, shape (n,), int64."""
    hi: Ints
    """First place outside, shape (n,), int64; `lo` where the range is empty."""


@dataclass(frozen=True, slots=True, eq=False)
class AxisLink:
    """The relation between one upstream axis and one downstream axis."""

    target: int
    """The downstream axis."""
    waits: tuple[Interval, ...]
    """By downstream place: the upstream places that are waited for; disjoint ranges."""
    frees: tuple[Interval, ...]
    """By upstream place: the downstream places that wait for it; disjoint ranges."""

    def waited_for(self, place: int) -> list[slice]:
        """Return the upstream places that a downstream place waits for."""
        return [slice(int(each.lo[place]), int(each.hi[place])) for each in self.waits]


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """One edge from the blocks of a task to those of another, or of the same.

    Parameters
    ----------
    upstream, downstream : tuple of int
        Shapes of the two grids, in blocks.
    terms : tuple of tuple of (AxisLink or None)
        Each term is a set of waits, one entry an upstream axis (None: its whole extent); what a
        block waits for is the disjoint sum of the terms.
    """

    upstream: tuple[int, ...]
    downstream: tuple[int, ...]
    terms: tuple[tuple[AxisLink | None, ...], ...]
    fan: int = field(init=False)
    """Upper limit of the number of blocks that wait for one block."""

    def __post_init__(self) -> None:
        fan = 0
        for term in self.terms:
            widths = list(self.downstream)
            for entry in filter(None, term):
                widths[entry.target] = sum(
                    int((each.hi - each.lo).max(initial=0)) for each in entry.frees
                )
            fan += math.prod(widths)
        object.__setattr__(self, "fan", fan)

    @classmethod
    def between(cls, upstream: BlockGrid, downstream: BlockGrid, edge: After) -> Link:
        """Link two tasks: a block waits where its read region meets a write region.

        Raises
        ------
        GeometryError
            If the edge does not name one downstream axis for each upstream axis.
        """
        axes = edge.axes
        if axes is None:
            axes = tuple(range(upstream.ndim)) if upstream.ndim == downstream.ndim else ()
        named = [axis for axis in axes if axis is not None]
        if len(axes) != upstream.ndim or any(axis >= downstream.ndim for axis in named):
            raise GeometryError(
                f"an edge says for each of the {upstream.ndim} axes of the earlier task which of "
                f"the {downstream.ndim} axes of the later task it is",
                value=edge.axes,
                place=f"After({edge.task!r})",
                remedy="give After(task, axes=...), with None for an axis to wait for in full",
            )
        scales = edge.scale if isinstance(edge.scale, tuple) else (edge.scale,) * upstream.ndim
        if len(scales) != upstream.ndim:
            raise GeometryError(
                f"an edge has one scale, or one for each of the {upstream.ndim} axes of the "
                "earlier task",
                value=edge.scale,
                place=f"After({edge.task!r})",
            )
        entries = [
            None if axis is None else _axis_link(upstream, downstream, own, axis, scale)
            for own, (axis, scale) in enumerate(zip(axes, scales, strict=True))
        ]
        return cls(tuple(upstream.shape), tuple(downstream.shape), (tuple(entries),))

    @classmethod
    def conflicts(cls, grid: BlockGrid) -> Link | None:
        """Link a task to itself: a block waits for its neighbours of a lower level.

        Which level is lower, and which blocks are neighbours, see `conflict_reach`.  None if no
        two blocks conflict.
        """
        reach = conflict_reach(grid)
        if not any(reach):
            return None
        pairs = list(zip(grid.shape, reach, strict=True))
        terms = []
        for first in range(grid.ndim):
            if reach[first] == 0:
                continue
            entries = []
            for axis, (count, far) in enumerate(pairs):
                make = _same if axis < first else _lower if axis == first else _near
                entries.append(make(axis, count, far))
            terms.append(tuple(entries))
        return cls(tuple(grid.shape), tuple(grid.shape), tuple(terms))

    def counts(self) -> NDArray[np.int32]:
        """Number of upstream blocks that each block waits for, shape of the downstream grid."""
        total = np.zeros(self.downstream, dtype=np.int32)
        for term in self.terms:
            factors = [np.ones(n, dtype=np.int32) for n in self.downstream]
            whole = 1
            for own, entry in enumerate(term):
                if entry is None:
                    whole *= self.upstream[own]
                else:
                    sizes = sum((i.hi - i.lo for i in entry.waits), np.zeros(1, dtype=np.int64))
                    factors[entry.target] = factors[entry.target] * sizes.astype(np.int32)
            product = np.full((1,) * len(factors), whole, dtype=np.int32)
            for axis, factor in enumerate(factors):
                product = product * _along(factor, axis, len(factors))
            total += product
        return total

    def waited_for(self, index: int) -> Iterator[Box]:
        """The upstream blocks that a block waits for, as boxes of the upstream grid.

        Parameters
        ----------
        index : int
            Number of a downstream block.

        Yields
        ------
        box : tuple of slice
            One slice an axis; boxes do not overlap.
        """
        place = [int(axis) for axis in np.unravel_index(index, self.downstream)]
        for term in self.terms:
            sides = [
                [slice(0, n)] if entry is None else entry.waited_for(place[entry.target])
                for n, entry in zip(self.upstream, term, strict=True)
            ]
            yield from itertools.product(*sides)

    def freed_by(self, indices: Ints) -> Iterator[Freed]:
        """The blocks that wait for some upstream blocks, and for how many of them.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
            Numbers of different upstream blocks.

        Yields
        ------
        freed : Freed
            A box or a list of downstream blocks; they may overlap.
        """
        places = np.unravel_index(indices, self.upstream)
        if len(indices) <= _FEW:
            yield from self._freed_by_few(
                list(zip(*(axis.tolist() for axis in places), strict=True))
            )
            return
        low = [int(axis.min()) for axis in places]
        size = [int(axis.max()) - start + 1 for axis, start in zip(places, low, strict=True)]
        n_places = math.prod(size)
        n_listed = self.fan * len(indices)
        if self.fan <= _NARROW and n_listed <= _SHORT + 2 * len(self.terms) * n_places:
            step = max(_LISTED // max(self.fan, 1), 1)
            for at in range(0, len(indices), step):
                yield FreedList(self._listed([axis[at : at + step] for axis in places]))
        elif n_places <= _SPARSE * len(indices):
            mask = np.zeros(size, dtype=np.int32)
            mask[tuple(axis - start for axis, start in zip(places, low, strict=True))] = 1
            for term in self.terms:
                yield from self._freed_by_mask(term, mask, low)
        else:
            # Neighbours come together, so that the parts of a scattered batch are dense.
            half = len(indices) // 2
            yield from self.freed_by(indices[:half])
            yield from self.freed_by(indices[half:])

    def _listed(self, places: Sequence[Ints]) -> Ints:
        """Number the blocks that wait for those at some places, each as often as it waits."""
        size = math.prod(self.downstream)
        parts = []
        for term in self.terms:
            frees = {
                entry.target: (entry.frees, at)
                for entry, at in zip(term, places, strict=True)
                if entry is not None
            }
            numbers = np.zeros((len(places[0]), 1), dtype=np.int64)
            for axis, n in enumerate(self.downstream):
                stride = math.prod(self.downstream[axis + 1 :])
                ways = frees.get(axis)
                steps = np.arange(n)[None] * stride if ways is None else _steps(*ways, stride, size)
                numbers = (numbers[:, :, None] + steps[:, None]).reshape(len(numbers), -1)
            parts.append(numbers[numbers >= 0])
        return np.concatenate(parts)

    def _freed_by_few(self, places: Sequence[Sequence[int]]) -> Iterator[Freed]:
        numbers: list[int] = []
        for term, place in itertools.product(self.terms, places):
            sides = self._freed_sides(term, place)
            if self.fan > _NARROW:
                yield from (FreedBox(box, 1) for box in itertools.product(*sides))
                continue
            rows = [0]
            for n, side in zip(self.downstream, sides, strict=True):
                ways = [at for part in side for at in range(part.start, part.stop)]
                rows = [row * n + at for row in rows for at in ways]
            numbers += rows
        if numbers:
            yield FreedList(np.array(numbers, dtype=np.int64))

    def _freed_sides(
        self, term: Sequence[AxisLink | None], place: Sequence[int]
    ) -> list[list[slice]]:
        """On each downstream axis, the places that wait for an upstream place."""
        sides = [[slice(0, n)] for n in self.downstream]
        for at, entry in zip(place, term, strict=True):
            if entry is not None:
                ways = [(int(each.lo[at]), int(each.hi[at])) for each in entry.frees]
                sides[entry.target] = [slice(lo, hi) for lo, hi in ways if hi > lo]
        return sides

    def _freed_by_mask(
        self, term: Sequence[AxisLink | None], mask: NDArray[np.int32], low: Sequence[int]
    ) -> Iterator[FreedBox]:
        """Count, as one box, the blocks in each place's range, an axis after the other."""
        box = [slice(0, n) for n in self.downstream]
        weight = mask
        for own, entry in enumerate(term):
            if entry is None:
                weight = weight.sum(axis=own, keepdims=True, dtype=np.int32)
                continue
            first, size = low[own], mask.shape[own]
            reached = [
                (i.lo[first : first + size], i.hi[first : first + size]) for i in entry.frees
            ]
            sides = [(lo[hi > lo], hi[hi > lo]) for lo, hi in reached]
            starts = [int(lo.min()) for lo, _ in sides if len(lo)]
            if not starts:
                return
            side = slice(min(starts), max(int(hi.max()) for _, hi in sides if len(hi)))
            weight = _window_sums(
                weight,
                own,
                [
                    (_clip(i.lo[side] - first, size), _clip(i.hi[side] - first, size))
                    for i in entry.waits
                ],
            )
            box[entry.target] = side
        yield FreedBox(tuple(box), self._in_downstream_axes(weight, term))

    def _in_downstream_axes(
        self, weight: NDArray[np.int32], term: Sequence[AxisLink | None]
    ) -> NDArray[np.int32]:
        targets = [None if entry is None else entry.target for entry in term]
        order = [targets.index(axis) for axis in range(len(self.downstream)) if axis in targets]
        rest = [own for own, target in enumerate(targets) if target is None]
        weight = weight.transpose([*order, *rest]).reshape([weight.shape[own] for own in order])
        shape = iter(weight.shape)
        return weight.reshape(
            [next(shape) if axis in targets else 1 for axis in range(len(self.downstream))]
        )


def _axis_link(
    upstream: BlockGrid, downstream: BlockGrid, own: int, axis: int, scale: float
) -> AxisLink:
    n_up, n_down = upstream.shape[own], downstream.shape[axis]
    size, total = downstream.block_shape[axis], downstream.total
    start = total.offset[axis] + np.arange(n_down, dtype=np.int64) * size
    end = start + size
    if downstream.fit == "shrink":
        end = np.minimum(end, total.end[axis])
    start = start - downstream.halo[0][axis]
    end = end + downstream.halo[1][axis]
    if scale != 1:
        # What is empty stays empty, and does not become a voxel by rounding.
        is_empty = end <= start
        start = np.floor(start * scale + _ROUNDING).astype(np.int64)
        end = np.ceil(end * scale - _ROUNDING).astype(np.int64)
        end = np.where(is_empty, start, end)
    # Only one axis is asked about; the others get a region that is surely inside.
    starts = np.repeat(np.array(upstream.total.offset, dtype=np.int64)[:, None], n_down, axis=1)
    ends = starts + 1
    starts[own], ends[own] = start, end
    first, last = upstream.range_bounds(starts, ends)
    # Empty ranges lie before or after all others, and are moved there, so that both sides grow with
    # the place; then the places whose range holds a given one are a range too.
    hi = np.maximum.accumulate(last[own])
    lo = np.where(first[own] == last[own], hi, first[own])
    place = np.arange(n_up, dtype=np.int64)
    return AxisLink(
        axis,
        (Interval(lo, hi),),
        (Interval(np.searchsorted(hi, place, "right"), np.searchsorted(lo, place, "right")),),
    )


def _same(axis: int, count: int, reach: int) -> AxisLink:  # noqa: ARG001
    place = np.arange(count, dtype=np.int64)
    here = Interval(place, place + 1)
    return AxisLink(axis, (here,), (here,))


def _near(axis: int, count: int, reach: int) -> AxisLink:
    place = np.arange(count, dtype=np.int64)
    near = Interval(np.maximum(place - reach, 0), np.minimum(place + reach + 1, count))
    return AxisLink(axis, (near,), (near,))


def _lower(axis: int, count: int, reach: int) -> AxisLink:
    """Neighbours of a lower colour: those after the last, and those before the next, turn to 0.

    ::

        reach 2    colour   0  1  2  0  1  2  0  1  2
                                  <-----> ^ <-->
                            from place 4, colour 1: lower are 3 and 6; higher are 2 and 5
    """
    place = np.arange(count, dtype=np.int64)
    colour = place % (reach + 1)
    up = np.minimum(place + reach + 1, count)
    turn = np.minimum(place + reach + 1 - colour, count)
    back = np.maximum(place - reach, 0)
    waits = (Interval(place - colour, place), Interval(turn, up))
    frees = (
        Interval(back, np.maximum(place - colour, back)),
        Interval(np.minimum(place + 1, count), turn),
    )
    return AxisLink(axis, waits, frees)


def _steps(frees: Sequence[Interval], place: Ints, stride: int, size: int) -> Ints:
    """What the freed places on one axis add to a block's number, a row a freeing place.

    Rows are filled up by what makes any number of a grid of `size` blocks negative.
    """
    columns = []
    for each in frees:
        lo, hi = each.lo[place][:, None], each.hi[place][:, None]
        at = lo + np.arange(int((hi - lo).max(initial=0)))
        columns.append(np.where(at < hi, at * stride, -size))
    return np.concatenate(columns, axis=1)


def _along(values: NDArray[np.int32], axis: int, ndim: int) -> NDArray[np.int32]:
    return values.reshape([-1 if own == axis else 1 for own in range(ndim)])


def _clip(places: Ints, most: int) -> Ints:
    # np.clip takes six times as long for the few places of a batch.
    return np.minimum(np.maximum(places, 0), most)


def _window_sums(
    values: NDArray[np.int32], axis: int, windows: Sequence[tuple[Ints, Ints]]
) -> NDArray[np.int32]:
    """Sums of `values` over ranges of one axis, by differences of running sums."""
    shape = list(values.shape)
    shape[axis] += 1
    running = np.zeros(shape, dtype=np.int32)
    inner = [slice(None)] * values.ndim
    inner[axis] = slice(1, None)
    np.cumsum(values, axis=axis, out=running[tuple(inner)])
    total: NDArray[np.int32] | None = None
    for lo, hi in windows:
        part = running.take(hi, axis=axis) - running.take(lo, axis=axis)
        total = part if total is None else total + part
    if total is None:
        raise GeometryError("an axis is linked by one range or more")
    return total

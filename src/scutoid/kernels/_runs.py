"""Runs of equal labels along the last axis, and sums over all rows that share a label.

Objects have several times fewer runs than voxels, so nearly all work on a labelled array is done on
its runs, and only these are ever sorted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", bound=np.generic)
_SPARSE, _FEW = 8, 1024


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """The runs of equal labels, other than 0, of an array, in C order."""

    label: NDArray[np.uint64]
    """Label of each run, shape (n_runs,)."""
    start: NDArray[np.int64]
    """Linear C index of each run's first voxel."""
    length: NDArray[np.int64]
    """Number of voxels of each run, all on one line of the last axis."""

    @classmethod
    def of(cls, labels: NDArray[Any]) -> Runs:
        """Find the runs of a C-contiguous array of integers of 0 or more."""
        flat = labels.reshape(-1)
        if flat.size == 0:
            none = np.zeros(0, np.int64)
            return cls(none.astype(np.uint64), none, none)
        changes = np.empty(labels.shape, bool)
        line = changes.reshape(-1)
        np.not_equal(flat[1:], flat[:-1], out=line[1:])
        changes[..., 0] = True
        start = np.flatnonzero(line)
        length = np.diff(start, append=flat.size)
        label = flat[start]
        inside = label != 0
        return cls(label[inside].astype(np.uint64), start[inside], length[inside])

    @classmethod
    def joined(cls, parts: Sequence[Runs]) -> Runs:
        """Join runs of one array, none of which share a voxel, in C order."""
        if not parts:
            return cls.of(np.zeros(0, np.uint8))
        label, start, length = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("label", "start", "length")
        )
        return cls(label, start, length).chosen(np.argsort(start, kind="stable"))

    @property
    def end(self) -> NDArray[np.int64]:
        """Linear C index of the voxel after each run's last."""
        return self.start + self.length

    def chosen(self, places: NDArray[Any] | slice) -> Runs:
        """Return some runs, by their numbers, as which of all, or from one to another."""
        return Runs(self.label[places], self.start[places], self.length[places])

    def within(self, shape: Sequence[int], box: Sequence[slice]) -> Runs:
        """Return what lies in a box of an array of this shape, with places counted in the box.

        Examples
        --------
        >>> runs = Runs.of(np.array([[1, 1, 0], [2, 2, 2]]))
        >>> runs.within((2, 3), np.s_[1:2, 0:2]).length.tolist()
        [2]
        """
        if len(shape) > 1:  # along the first axis these are neighbours
            plane = math.prod(shape[1:])
            bounds = box[0].start * plane, box[0].stop * plane
            near = self.chosen(slice(*np.searchsorted(self.start, bounds)))
        else:
            near = self
        row, column = _row_in(near.start, shape, box)
        low, high = np.maximum(column, box[-1].start), column + near.length
        high = np.minimum(high, box[-1].stop)
        is_in = (row >= 0) & (low < high)
        start = row * (box[-1].stop - box[-1].start) + low - box[-1].start
        return Runs(near.label, start, high - low).chosen(is_in)

    def without(self, shape: Sequence[int], box: Sequence[slice]) -> Runs:
        """Return what lies outside of a box of an array of this shape, in C order.

        Examples
        --------
        >>> runs = Runs.of(np.array([[1, 1, 0], [2, 2, 2]]))
        >>> runs.without((2, 3), np.s_[0:2, 1:2]).start.tolist()
        [0, 3, 5]
        """
        row, column = _row_in(self.start, shape, box)
        is_cut = row >= 0
        # A run beside the box is the first of its two parts; the second has no voxels then
        ends = np.where(
            is_cut, np.minimum(column + self.length, box[-1].start), column + self.length
        )
        begins = np.where(is_cut, np.maximum(column, box[-1].stop), column + self.length)
        start = np.concatenate([self.start, self.start + begins - column])
        length = np.concatenate([ends - column, column + self.length - begins])
        label = np.concatenate([self.label, self.label])
        kept = np.flatnonzero(length > 0)
        kept = kept[np.argsort(start[kept], kind="stable")]
        return Runs(label, start, length).chosen(kept)

    def painted(self, shape: Sequence[int], base: int = 0) -> NDArray[np.uint64]:
        """Return the array of this shape whose runs these are, in C order; `base` is added to all.

        Examples
        --------
        >>> Runs.of(np.array([[0, 5], [5, 5]])).painted((2, 2), 100).tolist()
        [[100, 105], [105, 105]]
        """
        values = np.full(2 * len(self.label) + 1, base, np.uint64)
        values[1::2] += self.label
        ends = np.concatenate([[0], self.start + self.length])
        lengths = np.empty(len(values), np.int64)
        lengths[1::2] = self.length
        lengths[::2] = np.append(self.start, math.prod(shape)) - ends
        return np.repeat(values, lengths).reshape(tuple(shape))

    def coordinates(self, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first and the last voxel of each run, both of shape (n_runs, ndim)."""
        first = np.stack(np.unravel_index(self.start, shape), axis=1).astype(np.int64, copy=False)
        last = first.copy()
        last[:, -1] += self.length - 1
        return first, last


def _row_in(
    start: NDArray[np.int64], shape: Sequence[int], box: Sequence[slice]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which row of a box each place lies on, -1 for none, and its place on the last axis."""
    # Several times faster than divmod
    line = start // shape[-1]
    column = start - line * shape[-1]
    row = np.zeros(len(start), np.int64)
    is_in, stride = np.ones(len(start), bool), 1
    for size, part in zip(shape[-2::-1], box[-2::-1], strict=True):
        above = line // size
        at = line - above * size - part.start
        length = part.stop - part.start
        if length < size:
            is_in &= (at >= 0) & (at < length)
        row += at * stride
        stride *= length
        line = above
    return np.where(is_in, row, -1), column


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows gathered by a key; rows of one key are added in their order."""

    key: NDArray[np.uint64]
    """The distinct keys, increasing, shape (n_groups,)."""
    group: NDArray[np.intp]
    """For each row, the place of its key in `key`."""

    @classmethod
    def of(cls, keys: NDArray[np.uint64]) -> Groups:
        """Gather rows by their keys."""
        keys = np.asarray(keys, np.uint64)
        if len(keys) == 0:
            return cls(keys, np.zeros(0, np.intp))
        low = keys.min()
        span = int(keys.max() - low) + 1
        if span > _SPARSE * len(keys) + _FEW:
            unique, inverse = np.unique(keys, return_inverse=True)
            return cls(unique, inverse)
        # Labels that lie close together need no sorting: a table of their range says it all
        place = (keys - low).astype(np.intp)
        occurs = np.zeros(span, bool)
        occurs[place] = True
        group = (np.cumsum(occurs) - 1)[place]
        return cls(np.flatnonzero(occurs).astype(np.uint64) + low, group)

    def total(self, rows: NDArray[_T]) -> NDArray[_T]:
        """Sum the rows of each group; keeps the dtype."""
        return self._reduce(np.add, rows, 0)

    def minimum(self, rows: NDArray[_T]) -> NDArray[_T]:
        """Return the least of each group."""
        return self._reduce(np.minimum, rows, _bounds(rows.dtype)[1])

    def maximum(self, rows: NDArray[_T]) -> NDArray[_T]:
        """Return the greatest of each group."""
        return self._reduce(np.maximum, rows, _bounds(rows.dtype)[0])

    def spread(self, values: NDArray[_T]) -> NDArray[_T]:
        """Return the value of its group for each row, in the original order."""
        rows: NDArray[_T] = values[self.group]
        return rows

    def _reduce(self, operation: np.ufunc, rows: NDArray[_T], start: float) -> NDArray[_T]:
        width = math.prod(rows.shape[1:])
        reduced = np.full((width, len(self.key)), start, rows.dtype)
        # One column at a time: `at` is several times faster on one axis
        for column, values in zip(reduced, rows.reshape(len(rows), width).T, strict=True):
            with np.errstate(invalid="ignore", over="ignore"):  # what is lost stays in its group
                operation.at(column, self.group, np.ascontiguousarray(values))
        return np.ascontiguousarray(reduced.T).reshape(len(self.key), *rows.shape[1:])


def _bounds(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and the greatest value of a type."""
    if dtype.kind == "f":
        return -math.inf, math.inf
    if dtype.kind == "b":
        return False, True
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)

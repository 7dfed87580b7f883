"""Runs of equal labels along the last axis, and sums over all rows that share a label.

Objects have several times fewer runs than voxels, so nearly all work on a labelled array is done on
its runs, and only these are ever sorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", bound=np.generic)


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

    def coordinates(self, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first and the last voxel of each run, both of shape (n_runs, ndim)."""
        first = np.stack(np.unravel_index(self.start, shape), axis=1).astype(np.int64, copy=False)
        last = first.copy()
        last[:, -1] += self.length - 1
        return first, last


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows gathered by a key; rows of one key are added in their order."""

    key: NDArray[np.uint64]
    """The distinct keys, increasing, shape (n_groups,)."""
    order: NDArray[np.int64]
    """Rows sorted by key, those of one key in their order."""
    start: NDArray[np.int64]
    """Where each group begins in `order`."""

    @classmethod
    def of(cls, keys: NDArray[np.uint64]) -> Groups:
        """Gather rows by their keys."""
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        opens = np.ones(len(keys), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=opens[1:])
        start = np.flatnonzero(opens)
        return cls(ordered[start], order, start)

    def total(self, rows: NDArray[_T]) -> NDArray[_T]:
        """Sum the rows of each group; keeps the dtype."""
        return self._reduce(np.add, rows)

    def minimum(self, rows: NDArray[_T]) -> NDArray[_T]:
        """Return the least of each group."""
        return self._reduce(np.minimum, rows)

    def maximum(self, rows: NDArray[_T]) -> NDArray[_T]:
        """Return the greatest of each group."""
        return self._reduce(np.maximum, rows)

    def spread(self, values: NDArray[_T]) -> NDArray[_T]:
        """Give each row, in the original order, the value of its group."""
        sizes = np.diff(self.start, append=len(self.order))
        rows = np.empty((len(self.order), *values.shape[1:]), values.dtype)
        rows[self.order] = np.repeat(values, sizes, axis=0)
        return rows

    def _reduce(self, operation: np.ufunc, rows: NDArray[_T]) -> NDArray[_T]:
        if len(self.start) == 0:
            return rows[:0]
        reduced: NDArray[_T] = operation.reduceat(
            rows[self.order], self.start, axis=0, dtype=rows.dtype
        )
        return reduced

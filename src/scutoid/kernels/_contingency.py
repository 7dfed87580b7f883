"""The contingency of two labellings: how many voxels each pair of labels has.

::

    labels   1 1 1 0 2 2        label  truth  n_voxels
    truth    5 5 0 0 0 6          0      0       1
                                  1      0       1
                                  1      5       2
                                  2      0       1
                                  2      6       1

Only pairs that occur are held, so labels may be as sparse as 64 bits allow.  Tables of blocks are
merged by adding up; as counts are integers, the result is the same whatever the blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError
from scutoid.kernels._regions import checked_labels
from scutoid.kernels._runs import Groups

_ROWS = 2**20
"""Rows that wait to be merged, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Contingency:
    """Pairs of labels at the same voxels, a row each, ordered by label, then by truth."""

    label: NDArray[np.uint64]
    """Labels of the first image, 0 for background, shape (n,)."""
    truth: NDArray[np.uint64]
    """Labels of the second."""
    n_voxels: NDArray[np.int64]
    """Voxels that have both, 1 or more."""

    @classmethod
    def of(cls, labels: NDArray[Any], truth: NDArray[Any]) -> Contingency:
        """Count the pairs of two arrays.

        Parameters
        ----------
        labels, truth : ndarray of bool or integer, of one shape
            0 is background.

        Raises
        ------
        ParameterError
            If they are not integers of 0 or more.
        GeometryError
            If their shapes differ.

        Examples
        --------
        >>> table = Contingency.of(np.array([1, 1, 1, 0, 2, 2]), np.array([5, 5, 0, 0, 0, 6]))
        >>> table.label.tolist(), table.truth.tolist(), table.n_voxels.tolist()
        ([0, 1, 1, 2, 2], [0, 0, 5, 0, 6], [1, 1, 2, 1, 1])
        """
        first, second = checked_labels(labels), checked_labels(truth)
        if first.shape != second.shape:
            raise GeometryError(
                "labels and truth have one shape", value=f"{first.shape} and {second.shape}"
            )
        one, two = first.reshape(-1), second.reshape(-1)
        # Runs of equal pairs are several times fewer than voxels, and only these are sorted
        changes = np.empty(one.shape, bool)
        changes[:1] = True
        np.not_equal(one[1:], one[:-1], out=changes[1:])
        changes[1:] |= two[1:] != two[:-1]
        start = np.flatnonzero(changes)
        length = np.diff(start, append=one.size).astype(np.int64, copy=False)
        return cls._added_up(one[start].astype(np.uint64), two[start].astype(np.uint64), length)

    @classmethod
    def merged(cls, tables: Iterable[Contingency]) -> Contingency:
        """Add up tables, such as those of blocks; few more rows are held than the result has."""
        none = np.zeros(0, np.uint64)
        whole = cls(none, none, np.zeros(0, np.int64))
        waiting: list[Contingency] = []
        n_waiting = 0
        for table in tables:
            waiting.append(table)
            n_waiting += len(table)
            if n_waiting > max(_ROWS, len(whole)):
                whole, waiting, n_waiting = cls._joined([whole, *waiting]), [], 0
        return cls._joined([whole, *waiting])

    def __len__(self) -> int:
        return len(self.label)

    @classmethod
    def _joined(cls, tables: list[Contingency]) -> Contingency:
        if len(tables) == 1:
            return tables[0]
        return cls._added_up(
            np.concatenate([table.label for table in tables]),
            np.concatenate([table.truth for table in tables]),
            np.concatenate([table.n_voxels for table in tables]),
        )

    @classmethod
    def _added_up(
        cls, label: NDArray[np.uint64], truth: NDArray[np.uint64], n_voxels: NDArray[np.int64]
    ) -> Contingency:
        labels, truths = Groups.of(label), Groups.of(truth)
        width = max(1, len(truths.key))
        pairs = Groups.of((labels.group * width + truths.group).astype(np.uint64))
        place = pairs.key.astype(np.intp)
        return cls(labels.key[place // width], truths.key[place % width], pairs.total(n_voxels))

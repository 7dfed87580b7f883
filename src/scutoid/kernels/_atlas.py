"""The tree of an atlas' regions: roll-up of counts, and checks for ids that an atlas has lost.

Ids are whole numbers of any size; nothing here passes through floating point or narrow integers,
both of which lose ids of the common atlases (they reach 614,454,277).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError

_NAMED = 5
_PLACE = "regions"


@dataclass(frozen=True, slots=True, eq=False)
class RegionTree:
    """Regions of an atlas, a row each, in the order in which they were given.

    Examples
    --------
    >>> tree = RegionTree.of([997, 8, 567], [None, 997, 8])
    >>> tree.depth.tolist(), tree.rolled_up(np.array([1, 2, 4])).tolist()
    ([0, 1, 2], [7, 6, 4])
    """

    id: NDArray[np.int64]
    """Of each region, shape (n,)."""
    parent: NDArray[np.int64]
    """Row of the region that it is a part of; -1 for roots."""
    depth: NDArray[np.int64]
    """Steps to the root."""
    acronym: tuple[str, ...]
    """Short names; empty where there is none."""
    name: tuple[str, ...]
    """Names; empty where there is none."""

    @classmethod
    def of(
        cls,
        ids: Sequence[int],
        parents: Sequence[int | None],
        acronym: Sequence[str] | None = None,
        name: Sequence[str] | None = None,
    ) -> RegionTree:
        """Make a tree of the ids of the regions and of their parents.

        Raises
        ------
        ParameterError
            If there is no region, an id is there twice, below 0 or beyond 64 bits, a parent is no
            region, or regions are parts of each other.
        """
        rows = {int(id_): row for row, id_ in enumerate(ids)}
        _refuse("a tree has at least one region", [] if rows else ["none"])
        _refuse("an id is a whole number from 0 to 2**63 - 1", [i for i in rows if i >> 63])
        seen: set[int] = set()
        _refuse("an id is that of one region", [i for i in ids if i in seen or seen.add(i)])  # type: ignore[func-returns-value]
        _refuse(
            "the parent of a region is a region of the same tree",
            [id_ for id_ in parents if id_ is not None and int(id_) not in rows],
        )
        parent = np.array([-1 if id_ is None else rows[int(id_)] for id_ in parents], np.int64)
        depth = _depths(parent, ids)
        empty = ("",) * len(ids)
        return cls(
            np.array(list(rows), np.int64),
            parent,
            depth,
            empty if acronym is None else tuple(map(str, acronym)),
            empty if name is None else tuple(map(str, name)),
        )

    def __len__(self) -> int:
        return len(self.id)

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each id; -1 where it is not in the tree."""
        order = np.argsort(self.id)
        place = np.minimum(np.searchsorted(self.id[order], ids), len(order) - 1)
        rows: NDArray[np.int64] = np.where(self.id[order][place] == ids, order[place], -1)
        return rows

    def rolled_up(self, values: NDArray[Any]) -> NDArray[Any]:
        """Add to each region what its parts have; `values` has a row for each region."""
        total = values.copy()
        for depth in range(int(self.depth.max()), 0, -1):
            rows = np.flatnonzero(self.depth == depth)
            np.add.at(total, self.parent[rows], total[rows])
        return total

    def representatives(self, level: int | Sequence[int | str]) -> NDArray[np.int64]:
        """Return the row that stands for each region at a level of detail.

        Parameters
        ----------
        level : int or sequence of int or str
            A depth: deeper regions are counted to their ancestor there.  Or ids and acronyms: a
            region is counted to the nearest of these that it is a part of.

        Returns
        -------
        ndarray of int64, shape (n,)
            -1 for regions that are a part of none of those that were named.

        Raises
        ------
        ParameterError
            If a region is not in the tree.
        """
        if isinstance(level, (int, np.integer)) and not isinstance(level, bool):
            _refuse("a level is a depth of 0 or more", [level] if level < 0 else [])
            is_kept = self.depth <= level
        else:
            is_kept = np.zeros(len(self), bool)
            is_kept[[self._row(region) for region in level]] = True  # type: ignore[union-attr]
        standing = np.where(is_kept, np.arange(len(self)), -1)
        for depth in range(1, int(self.depth.max()) + 1):
            rows = np.flatnonzero((self.depth == depth) & ~is_kept)
            standing[rows] = standing[self.parent[rows]]
        return standing

    def _row(self, region: int | str) -> int:
        if isinstance(region, str):
            rows = [row for row, acronym in enumerate(self.acronym) if region and acronym == region]
            _refuse(
                "an acronym in a level is that of one region; name it by its id",
                [f"{region}: {self.id[row]}" for row in rows] if len(rows) > 1 else [],
            )
        else:
            rows = np.flatnonzero(self.id == region).tolist()
        _refuse("a level names regions of the tree, by id or acronym", [] if rows else [region])
        return int(rows[0])

    def check_ids(self, ids: NDArray[np.int64]) -> None:
        """Check that ids of an atlas were not damaged by a narrow type.

        Parameters
        ----------
        ids : ndarray of int64
            The different ids in the atlas, background apart.

        Raises
        ------
        ParameterError
            If half or more of those that are not in the tree are what 16 bits or float32 leave of
            others that are.
        """
        unknown = ids[self.rows_of(ids) < 0]
        if not len(unknown):
            return
        for kind, left in (
            ("uint16", self.id.astype(np.uint16).astype(np.int64)),
            ("int16", self.id.astype(np.int16).astype(np.int64)),
            ("float32", self.id.astype(np.float32).astype(np.int64)),
        ):
            is_left = np.isin(unknown, left[left != self.id])
            if is_left.any() and 2 * is_left.sum() >= len(unknown):
                first = unknown[is_left][0]
                meant = self.id[(left == first) & (left != self.id)][0]
                raise ParameterError(
                    "an atlas holds the ids of its regions",
                    value=f"{is_left.sum()} ids are what {kind} leaves: {first} of {meant}",
                    place="atlas",
                    remedy="load the atlas as uint32, and write and resample it as such",
                )


def _depths(parent: NDArray[np.int64], ids: Sequence[int]) -> NDArray[np.int64]:
    depth = np.full(len(parent), -1, np.int64)
    depth[parent < 0] = 0
    for level in range(len(parent)):
        rows = np.flatnonzero((depth < 0) & (depth[parent] == level))
        if not len(rows):
            break
        depth[rows] = level + 1
    _refuse(
        "no region is a part of itself", [ids[row] for row in np.flatnonzero(depth < 0).tolist()]
    )
    return depth


def _refuse(rule: str, wrong: Sequence[object]) -> None:
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        value = ", ".join(map(str, wrong[:_NAMED])) + more
        raise ParameterError(rule, value=value, place=_PLACE)


def nearest_voxels(
    points: NDArray[np.float64],
    matrix: NDArray[np.float64],
    start: Sequence[float],
    size: Sequence[float],
    shape: Sequence[int],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the voxel of an atlas nearest to each point.

    Parameters
    ----------
    points : ndarray of float64, shape (n, ndim)
        Positions in a world of their own.
    matrix : ndarray, shape (ndim, ndim + 1)
        From these to the world of the atlas; the last column is the shift.
    start, size : sequence of float
        Centre of the atlas' first voxel, and its voxel size.
    shape : sequence of int
        Of the atlas.

    Returns
    -------
    index : ndarray of int64, shape (n, ndim)
        The voxel that holds each point; -1 on all axes for points outside or not finite.  On the
        plane between two voxels, the upper one.
    position : ndarray of float64, shape (n, ndim)
        In the world of the atlas.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # infinity times 0
        position = points @ matrix[:, :-1].T + matrix[:, -1]
    place = np.floor((position - np.asarray(start)) / np.asarray(size) + 0.5)
    is_inside = np.all((place >= 0) & (place < np.asarray(shape)), axis=1)
    index = np.where(is_inside[:, None], place, -1).astype(np.int64)
    return index, position


def region_sums(
    ids: NDArray[Any],
    column: NDArray[Any],
    values: NDArray[Any] | None = None,
    *,
    n_columns: int = 2,
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Add up what belongs to each id, in several columns.

    Parameters
    ----------
    ids : ndarray of integer, shape (n,)
        Each any number of times.
    column : ndarray of bool or integer, shape (n,)
        What each is added to; for two sides of a plane whether it lies above.
    values : ndarray, shape (n,), optional
        What to add up; without it rows are counted.
    n_columns : int
        Number of columns.

    Returns
    -------
    ids : ndarray of int64, shape (m,)
        Increasing.
    sums : ndarray, shape (m, n_columns)
        float64 for values of floats, else int64.
    """
    unique, inverse = np.unique(ids, return_inverse=True)
    place, size = inverse * n_columns + column, n_columns * len(unique)
    if values is None or values.dtype.kind == "f":
        sums = np.bincount(place, weights=values, minlength=size)
    else:  # bincount would add integers as floats
        sums = np.zeros(size, np.int64)
        np.add.at(sums, place, values.astype(np.int64))
    return unique.astype(np.int64), sums.reshape(len(unique), n_columns)


def merge_region_sums(*parts: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Unite sums by id.

    Parameters
    ----------
    *parts : mapping of str to ndarray
        ``id``, each once, and sums of any names, with a row for each; what a part has not is 0.

    Returns
    -------
    dict of ndarray
        ``id``, increasing, and all sums.
    """
    ids = np.unique(np.concatenate([part["id"] for part in parts]))
    merged: dict[str, NDArray[Any]] = {"id": ids}
    for name in dict.fromkeys(name for part in parts for name in part if name != "id"):
        columns = [(part["id"], part[name]) for part in parts if name in part]
        kind = np.result_type(*(rows for _, rows in columns))
        merged[name] = np.zeros((len(ids), *columns[0][1].shape[1:]), kind)
        for own, rows in columns:
            merged[name][np.searchsorted(ids, own)] += rows
    return merged

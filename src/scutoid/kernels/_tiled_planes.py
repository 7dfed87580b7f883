"""Parts of planes with what lies around them, in memory of their own and without steps.

Filters look at a voxel's neighbours.  In a part that is copied with its surroundings, the neighbour
of every voxel lies the same way off in memory, so one call of numpy compares as many as fit near
the processor::

    | r r r r r |        a part, padded by its reach: rows of one length, so that what
    | r # # # r |        lies above # is one row back, for all # and for the r between
    | r # # # r |        them as well, whose results nobody reads
    | r r r r r |
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tile = tuple[slice, slice]
"""Rows and columns of a plane."""
Reach = Sequence[tuple[int, int]]
"""How far beyond its rows and columns a part is read: low and high."""


def tiles(shape: Sequence[int], reach: Reach, voxels: int, columns: int = 2**12) -> Iterator[Tile]:
    """Cut a plane into parts of some number of voxels, several times as long as their reach.

    Examples
    --------
    >>> [(rows.start, rows.stop) for rows, _ in tiles((5, 40), [(0, 0), (0, 0)], 80)]
    [(0, 2), (2, 4), (4, 5)]
    """
    n_columns = min(shape[1], max(columns, 4 * sum(reach[1])))
    n_rows = max(voxels // max(n_columns, 1), 2 * sum(reach[0]), 1)
    for row, column in itertools.product(
        range(0, shape[0], n_rows), range(0, shape[1], max(n_columns, 1))
    ):
        yield (
            slice(row, min(row + n_rows, shape[0])),
            slice(column, min(column + n_columns, shape[1])),
        )


class Surroundings:
    """Where the voxels of a part of a plane, and those around it, come from.

    Beyond the plane lies its mirror image, the outermost voxel twice.

    Parameters
    ----------
    tile : pair of slice
    reach : pair of (int, int)
    shape : pair of int
        Of the plane.

    Examples
    --------
    >>> around = Surroundings(np.s_[0:1, 0:2], [(0, 0), (2, 2)], (1, 3))
    >>> around.padded(np.array([[1, 2, 3]]), np.dtype("u1"))
    array([[2, 1, 1, 2, 3, 3]], dtype=uint8)
    """

    def __init__(self, tile: Tile, reach: Reach, shape: Sequence[int]) -> None:
        self._mirrored, self._beyond = [], []
        known, is_known = [], []
        for side, (low, high), edge in zip(tile, reach, shape, strict=True):
            wanted = np.arange(side.start - low, side.stop + high)
            first, stop = max(side.start - low, 0), min(side.stop + high, edge)
            known.append(slice(first, stop))
            is_known.append(slice(first - int(wanted[0]), stop - int(wanted[0])))
            self._mirrored.append(mirrored(wanted, edge))
            self._beyond.append(np.delete(np.arange(len(wanted)), is_known[-1]))
        self._rows, self._columns = is_known
        self._known = tuple(known)

    def padded(self, planes: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Copy the part with its surroundings, of a plane or of several above each other."""
        lengths = [len(places) for places in self._mirrored]
        padded = np.empty([*planes.shape[:-2], *lengths], dtype)
        padded[..., self._rows, self._columns] = planes[..., self._known[0], self._known[1]]
        rows, columns = self._beyond
        if len(columns):
            beside = planes[..., self._known[0], :][..., self._mirrored[1][columns]]
            padded[..., self._rows, columns] = beside
        if len(rows):
            padded[..., rows, :] = planes[..., self._mirrored[0][rows][:, None], self._mirrored[1]]
        return padded


def mirrored(places: NDArray[np.int64], edge: int) -> NDArray[np.int64]:
    """Return the voxels whose mirror images lie at places beyond an edge, however far.

    Examples
    --------
    >>> mirrored(np.arange(-4, 8), 3).tolist()
    [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]
    """
    turns = places % (2 * edge)
    return np.where(turns < edge, turns, 2 * edge - 1 - turns)

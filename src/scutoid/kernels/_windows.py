"""Footprints as runs of voxels along their rows, and windows as long as these runs."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Choice = Callable[..., NDArray[Any]]
"""The lesser or the greater of each two values: a ufunc of numpy."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A footprint: the voxels that are compared for one, as the planes and rows they lie in."""

    cells: NDArray[np.bool_]
    """Of three axes."""
    centre: tuple[int, ...]
    """The index of the voxel itself."""

    @classmethod
    def of(cls, footprint: NDArray[np.bool_]) -> Shape:
        cells = np.asarray(footprint, bool)[(np.newaxis,) * (3 - np.ndim(footprint))]
        return cls(cells, tuple(size // 2 for size in cells.shape))

    def mirrored(self) -> Shape:
        """Turn the footprint round its centre."""
        pairs = zip(self.cells.shape, self.centre, strict=True)
        return Shape(np.flip(self.cells), tuple(size - 1 - place for size, place in pairs))

    def reach(self) -> list[tuple[int, int]]:
        pairs = zip(self.cells.shape, self.centre, strict=True)
        return [(place, size - 1 - place) for size, place in pairs]

    def planes(self) -> tuple[list[int], list[Rows]]:
        """Return which plane lies at each place along z, and the planes that differ; -1 is none."""
        known: dict[bytes, int] = {}
        numbers: list[int] = []
        rows: list[Rows] = []
        for plane in self.cells:
            if not plane.any():
                numbers.append(-1)
                continue
            key = plane.tobytes()
            if key not in known:
                known[key] = len(rows)
                rows.append(_rows_of(plane))
            numbers.append(known[key])
        return numbers, rows


Rows = dict[tuple[int, int], list[tuple[int, int]]]
"""For each run along x, by its start and length, the runs along y of rows that have it."""


def _rows_of(plane: NDArray[np.bool_]) -> Rows:
    rows: dict[tuple[int, int], list[int]] = defaultdict(list)
    for y, row in enumerate(plane.tolist()):
        for run in _runs(row):
            rows[run].append(y)
    return {run: _runs([y in places for y in range(len(plane))]) for run, places in rows.items()}


def _runs(row: list[bool]) -> list[tuple[int, int]]:
    """Return the start and the length of what is True in a row.

    Examples
    --------
    >>> _runs([True, True, False, True])
    [(0, 2), (3, 1)]
    """
    found, at = [], 0
    for is_inside, alike in itertools.groupby(row):
        length = len(list(alike))
        if is_inside:
            found.append((at, length))
        at += length
    return found


def widened(
    windows: NDArray[Any], known: int, length: int, step: int, choose: Choice
) -> NDArray[Any]:
    """Make windows of a length of shorter ones, whose voxels are `step` apart."""
    while known < length:
        more = min(known, length - known)
        windows = choose(windows[: -more * step], windows[more * step :])
        known += more
    return windows

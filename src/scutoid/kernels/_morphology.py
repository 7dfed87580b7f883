"""Erosion, dilation and opening by footprints of any shape, equal to scipy's to the last bit.

A footprint is taken as the runs of voxels along its rows.  The least value of all runs of one
length comes from that of a shorter one in a single comparison of many voxels at once; each row of
the footprint takes one more, and so does each of its planes, whose rows are compared only once
where planes are alike::

    . # # # .         windows of 3 and of 5 voxels along x     5 from two of 3
    # # # # #         rows of the disk: 3, 5, 5, 5, 3          one comparison a row, where
    # # # # #                                                  scipy has one a voxel
    # # # # #
    . # # # .

What is chosen does not depend on the order of comparing, as long as equal values are the same bits.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._median import has_one_order
from scutoid.kernels._tiled_planes import Reach, Surroundings, Tile, mirrored, tiles
from scutoid.kernels._whole_numbers import by_order

Choice = Callable[..., NDArray[Any]]
"""The lesser or the greater of each two values: a ufunc of numpy."""

_VOXELS = 2**17
"""Of a part of a plane, or of some planes together, of which some ten copies are held."""
_COLUMNS = 2**11
"""Voxels along the rows of such a part."""
_SMALL = 2**20
"""Voxels of an image times those of a footprint that scipy is done with sooner."""


def erode_mask(
    mask: NDArray[np.bool_], footprint: NDArray[np.bool_], *, border: bool = False
) -> NDArray[np.bool_]:
    """Keep voxels around which the whole footprint is foreground.

    Parameters
    ----------
    mask : ndarray of bool
    footprint : ndarray of bool
        Of as many axes, centred on index ``size // 2``.
    border : bool, optional
        What lies beyond the edge.

    Returns
    -------
    ndarray of bool
        That of `scipy.ndimage.binary_erosion`, called for small masks and above three axes.

    Examples
    --------
    >>> erode_mask(np.array([True, True, True, False]), np.ones(3, bool), border=True).astype(int)
    array([1, 1, 0, 0])
    """
    if not 1 <= mask.ndim <= 3 or mask.size * footprint.size < _SMALL:
        from scipy import ndimage

        return np.asarray(ndimage.binary_erosion(mask, footprint, border_value=int(border)))
    return _mask(mask, _Shape.of(footprint), np.bitwise_and, border)


def dilate_mask(
    mask: NDArray[np.bool_], footprint: NDArray[np.bool_], *, border: bool = False
) -> NDArray[np.bool_]:
    """Put the footprint on every voxel of the foreground.

    Parameters
    ----------
    mask, footprint, border
        As for `erode_mask`.

    Returns
    -------
    ndarray of bool
        That of `scipy.ndimage.binary_dilation`, called for small masks and above three axes.

    Examples
    --------
    >>> dilate_mask(np.array([False, True, False, False]), np.ones(2, bool)).astype(int)
    array([1, 1, 0, 0])
    """
    if not 1 <= mask.ndim <= 3 or mask.size * footprint.size < _SMALL:
        from scipy import ndimage

        return np.asarray(ndimage.binary_dilation(mask, footprint, border_value=int(border)))
    return _mask(mask, _Shape.of(footprint).mirrored(), np.bitwise_or, border)


def grey_opening(image: NDArray[Any], footprint: NDArray[np.bool_]) -> NDArray[Any]:
    """Take the least value of each footprint, and the greatest of those.

    Parameters
    ----------
    image : ndarray of integer or float
    footprint : ndarray of bool
        Of as many axes, centred on index ``size // 2``.

    Returns
    -------
    ndarray of the dtype and shape of `image`
        Bit for bit `scipy.ndimage.grey_opening` with mode "reflect"; integers of 64 bits are
        compared as such.  Small images, and floats with NaN or zeros of both signs, go scipy's
        way.

    Examples
    --------
    >>> grey_opening(np.array([3, 9, 3, 5, 5]), np.ones(2, bool)).tolist()
    [3, 3, 3, 5, 5]
    """
    is_small = image.size * footprint.size < _SMALL
    if is_small or not 1 <= image.ndim <= 3 or not has_one_order(image):
        from scipy import ndimage

        return by_order(image, lambda values: ndimage.grey_opening(values, footprint=footprint))
    shape = _Shape.of(footprint)
    dtype = image.dtype.newbyteorder("=")
    ends = np.iinfo(dtype) if dtype.kind in "iu" else _Infinite
    eroded = np.full(image.shape, ends.max, dtype)
    _choose(image, eroded, shape, np.minimum)
    opened = np.full(image.shape, ends.min, dtype)
    _choose(eroded, opened, shape.mirrored(), np.maximum)
    return opened


class _Infinite:
    """The ends of floating-point numbers."""

    min, max = -np.inf, np.inf


def _mask(
    mask: NDArray[np.bool_], shape: _Shape, choose: Choice, border: bool
) -> NDArray[np.bool_]:
    start = choose is np.bitwise_and
    found = np.full(mask.shape, start, np.uint8)
    _choose(mask, found, shape, choose, border=int(border), start=int(start))
    return found.view(bool)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A footprint: the voxels that are compared for one, as the planes and rows they lie in."""

    cells: NDArray[np.bool_]
    """Of three axes."""
    centre: tuple[int, ...]
    """The index of the voxel itself."""

    @classmethod
    def of(cls, footprint: NDArray[np.bool_]) -> _Shape:
        cells = np.asarray(footprint, bool)[(np.newaxis,) * (3 - np.ndim(footprint))]
        return cls(cells, tuple(size // 2 for size in cells.shape))

    def mirrored(self) -> _Shape:
        """Turn the footprint round its centre."""
        pairs = zip(self.cells.shape, self.centre, strict=True)
        return _Shape(np.flip(self.cells), tuple(size - 1 - place for size, place in pairs))

    def reach(self) -> list[tuple[int, int]]:
        pairs = zip(self.cells.shape, self.centre, strict=True)
        return [(place, size - 1 - place) for size, place in pairs]

    def planes(self) -> tuple[list[int], list[_Rows]]:
        """Return which plane lies at each place along z, and the planes that differ; -1 is none."""
        known: dict[bytes, int] = {}
        numbers: list[int] = []
        rows: list[_Rows] = []
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


_Rows = dict[tuple[int, int], list[tuple[int, int]]]
"""For each run along x, by its start and length, the runs along y of rows that have it."""


def _rows_of(plane: NDArray[np.bool_]) -> _Rows:
    rows: dict[tuple[int, int], list[int]] = defaultdict(list)
    for y, row in enumerate(plane):
        for run in _runs(row):
            rows[run].append(y)
    found: _Rows = {}
    for run, places in rows.items():
        column = np.zeros(len(plane), bool)
        column[places] = True
        found[run] = _runs(column)
    return found


def _runs(row: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the start and the length of what is True in a row."""
    turns = np.flatnonzero(np.diff(row.astype(np.int8), prepend=0, append=0)).tolist()
    return [(a, b - a) for a, b in zip(turns[::2], turns[1::2], strict=True)]


def _choose(
    image: NDArray[Any],
    found: NDArray[Any],
    shape: _Shape,
    choose: Choice,
    *,
    border: int | None = None,
    start: int | None = None,
) -> None:
    """Put the chosen value of each footprint into an array that holds what all is chosen before.

    Without `border` the image is mirrored beyond its edge; `start` is the border that changes
    nothing.
    """
    whole = (np.newaxis,) * (3 - image.ndim)
    image, found = image[whole], found[whole]
    if not image.size:
        return
    low, *reach = shape.reach()
    numbers, rows = shape.planes()
    takers, is_cut = _takers(len(image), numbers, low[0], mirror=border is None)
    for tile in tiles(image.shape[1:], reach, _VOXELS, _COLUMNS):
        around = Surroundings(tile, reach, image.shape[1:], border)
        for planes in _stacks(len(image), tile, reach):
            chosen = _Planes(around.padded(image[planes], found.dtype), tile, choose)
            given = _together(takers[planes])
            for number in sorted(given):
                part = chosen.by(rows[number])
                for first, stop, into in given[number]:
                    target = found[(slice(into, into + stop - first), *tile)]
                    choose(target, part[first:stop], out=target)
    if border is not None and border != start:
        found[is_cut] = border


def _takers(
    n_planes: int, numbers: Sequence[int], centre: int, *, mirror: bool
) -> tuple[list[list[tuple[int, int]]], NDArray[np.bool_]]:
    """Tell each plane of an image which results it enters, and by which plane of the footprint.

    Returns also which results a plane beyond the edge enters, where it is no mirror image.
    """
    takers: list[dict[tuple[int, int], None]] = [{} for _ in range(n_planes)]
    is_cut = np.zeros(n_planes, bool)
    for place, number in enumerate(numbers):
        if number < 0:
            continue
        sources = np.arange(n_planes) + place - centre
        if mirror:
            sources = mirrored(sources, n_planes)
        inside = (sources >= 0) & (sources < n_planes)
        is_cut |= ~inside
        for index in np.flatnonzero(inside).tolist():
            takers[sources[index]][index, number] = None
    return [list(own) for own in takers], is_cut


def _stacks(n_planes: int, tile: Tile, reach: Reach) -> Iterator[slice]:
    """Cut planes into stacks whose parts, with their surroundings, are worked on together."""
    sides = [side.stop - side.start + sum(around) for side, around in zip(tile, reach, strict=True)]
    deep = max(_VOXELS // math.prod(sides), 1)
    for first in range(0, n_planes, deep):
        yield slice(first, min(first + deep, n_planes))


def _together(takers: Sequence[list[tuple[int, int]]]) -> dict[int, list[tuple[int, int, int]]]:
    """Join what is alike of successive planes: for each plane of a footprint, from, to, and where.

    Examples
    --------
    >>> _together([[(4, 0)], [(5, 0), (4, 1)], [(6, 0)]])
    {0: [(0, 3, 4)], 1: [(1, 2, 4)]}
    >>> _together([[(4, 0)], [], [(6, 0)]])
    {0: [(0, 1, 4), (2, 3, 6)]}
    """
    runs: dict[tuple[int, int], list[list[int]]] = defaultdict(list)
    for plane, given in enumerate(takers):
        for index, number in given:
            own = runs[number, index - plane]
            if own and own[-1][1] == plane:
                own[-1][1] += 1
            else:
                own.append([plane, plane + 1])
    found: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for (number, apart), own in runs.items():
        found[number] += [(first, stop, first + apart) for first, stop in own]
    return dict(found)


class _Planes:
    """Parts of planes with their surroundings, and what is chosen of windows along their rows."""

    def __init__(self, padded: NDArray[Any], tile: Tile, choose: Choice) -> None:
        self._shape = padded.shape
        self._rows, self._columns = (side.stop - side.start for side in tile)
        self._windows = {1: padded.reshape(-1)}
        self._choose = choose

    def by(self, rows: _Rows) -> NDArray[Any]:
        """Choose by one plane of a footprint; the result is of the parts' shape."""
        n_planes, height, width = self._shape
        count = ((n_planes - 1) * height + self._rows - 1) * width + self._columns
        chosen = np.empty(self._shape, self._windows[1].dtype)
        flat, is_first = chosen.reshape(-1)[:count], True
        for length in sorted({length for _, length in rows}):
            windows = self._along_rows(length)
            for (x, own), runs in rows.items():
                for y, high in runs if own == length else ():
                    tall = _widened(windows, 1, high, width, self._choose)
                    start = y * width + x
                    other = tall[start : start + count]
                    if is_first:
                        flat[:] = other
                    else:
                        self._choose(flat, other, out=flat)
                    is_first = False
        return chosen[:, : self._rows, : self._columns]

    def _along_rows(self, length: int) -> NDArray[Any]:
        known = max(have for have in self._windows if have <= length)
        windows = _widened(self._windows[known], known, length, 1, self._choose)
        self._windows[length] = windows
        return windows


def _widened(
    windows: NDArray[Any], known: int, length: int, step: int, choose: Choice
) -> NDArray[Any]:
    """Make windows of a length of shorter ones, whose voxels are `step` apart."""
    while known < length:
        more = min(known, length - known)
        windows = choose(windows[: -more * step], windows[more * step :])
        known += more
    return windows

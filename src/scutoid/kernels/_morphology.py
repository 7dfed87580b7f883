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

import functools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._median import has_one_order
from scutoid.kernels._mirrored import filter_mirrored
from scutoid.kernels._packed_masks import combined
from scutoid.kernels._tiled_planes import Reach, Surroundings, Tile, mirrored, tiles
from scutoid.kernels._whole_numbers import by_order
from scutoid.kernels._windows import Choice, Rows, Shape, widened

_BYTES = 2**19
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
    return combined(mask, Shape.of(footprint), np.bitwise_and, border=border)


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
    return combined(mask, Shape.of(footprint).mirrored(), np.bitwise_or, border=border)


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
        way, which is given thin images with their mirror images beside them.

    Examples
    --------
    >>> grey_opening(np.array([3, 9, 3, 5, 5]), np.ones(2, bool)).tolist()
    [3, 3, 3, 5, 5]
    """
    is_small = image.size * footprint.size < _SMALL
    if is_small or not 1 <= image.ndim <= 3 or not has_one_order(image):
        return by_order(image, lambda values: _opened_by_scipy(values, footprint))
    shape = Shape.of(footprint)
    dtype = image.dtype.newbyteorder("=")
    ends = np.iinfo(dtype) if dtype.kind in "iu" else _Infinite
    eroded = np.full(image.shape, ends.max, dtype)
    _choose(image, eroded, shape, np.minimum)
    opened = np.full(image.shape, ends.min, dtype)
    _choose(eroded, opened, shape.mirrored(), np.maximum)
    return opened


def _opened_by_scipy(image: NDArray[Any], footprint: NDArray[np.bool_]) -> NDArray[Any]:
    from scipy import ndimage

    for take in (ndimage.grey_erosion, ndimage.grey_dilation):
        chosen = functools.partial(take, footprint=footprint)
        image = filter_mirrored(image, footprint.shape, chosen)
    return image


class _Infinite:
    """The ends of floating-point numbers."""

    min, max = -np.inf, np.inf


def _choose(
    image: NDArray[Any],
    found: NDArray[Any],
    shape: Shape,
    choose: Choice,
) -> None:
    """Put the chosen value of each footprint into an array that holds what all is chosen before.

    The image is mirrored beyond its edge.
    """
    whole = (np.newaxis,) * (3 - image.ndim)
    image, found = image[whole], found[whole]
    if not image.size:
        return
    low, *reach = shape.reach()
    numbers, rows = shape.planes()
    takers = _takers(len(image), numbers, low[0])
    voxels = _BYTES // found.dtype.itemsize
    for tile in tiles(image.shape[1:], reach, voxels, _COLUMNS):
        around = Surroundings(tile, reach, image.shape[1:])
        for planes in _stacks(len(image), tile, reach, voxels):
            chosen = _Planes(around.padded(image[planes], found.dtype), tile, choose)
            given = _together(takers[planes])
            for number in sorted(given):
                part = chosen.by(rows[number])
                for first, stop, into in given[number]:
                    target = found[(slice(into, into + stop - first), *tile)]
                    choose(target, part[first:stop], out=target)


def _takers(n_planes: int, numbers: Sequence[int], centre: int) -> list[list[tuple[int, int]]]:
    """Tell each plane of an image which results it enters, and by which plane of the footprint."""
    takers: list[dict[tuple[int, int], None]] = [{} for _ in range(n_planes)]
    for place, number in enumerate(numbers):
        if number < 0:
            continue
        sources = mirrored(np.arange(n_planes) + place - centre, n_planes)
        for index, source in enumerate(sources.tolist()):
            takers[source][index, number] = None
    return [list(own) for own in takers]


def _stacks(n_planes: int, tile: Tile, reach: Reach, voxels: int) -> Iterator[slice]:
    """Cut planes into stacks whose parts, with their surroundings, are worked on together."""
    sides = [side.stop - side.start + sum(around) for side, around in zip(tile, reach, strict=True)]
    deep = max(voxels // math.prod(sides), 1)
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

    def by(self, rows: Rows) -> NDArray[Any]:
        """Choose by one plane of a footprint; the result is of the parts' shape."""
        n_planes, height, width = self._shape
        count = ((n_planes - 1) * height + self._rows - 1) * width + self._columns
        chosen = np.empty(self._shape, self._windows[1].dtype)
        flat, is_first = chosen.reshape(-1)[:count], True
        for (x, length), columns in sorted(rows.items(), key=lambda item: item[0][1]):
            windows = self._along_rows(length)
            for y, high in columns:
                start = y * width + x
                other = widened(windows, 1, high, width, self._choose)[start : start + count]
                if is_first:
                    flat[:] = other
                else:
                    self._choose(flat, other, out=flat)
                is_first = False
        return chosen[:, : self._rows, : self._columns]

    def _along_rows(self, length: int) -> NDArray[Any]:
        if length not in self._windows:
            known = max(have for have in self._windows if have < length)
            found = widened(self._windows[known], known, length, 1, self._choose)
            self._windows[length] = found
        return self._windows[length]

r"""Medians of small neighbourhoods by sorting networks, equal to scipy's to the last bit.

A comparator puts the lesser of two values on one wire and the greater on the other, here for
thousands of voxels at a time.  Neighbouring voxels share most of their neighbourhoods, so what is
sorted along x serves three rows, and what is sorted along y as well serves three planes::

    sorted along x     then along y      then along z: 27 values that grow along each axis,
      a b c              a <= b <= c     of which 8 cannot be the median; 26 comparators
                         |    |    |     find the 10th of the 19 that are left
                         d <= e <= f

A network is right if it is so for values of 0 and 1 (Knuth, TAOCP 3, 5.3.4); of those, 980 grow
along each axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._mirrored import filter_mirrored
from scutoid.kernels._tiled_planes import Surroundings, mirrored, tiles
from scutoid.kernels._whole_numbers import by_order

Comparator = tuple[int, int]
"""The wire that gets the lesser value, and the one that gets the greater."""

_BYTES = 2**17
"""Of one wire: some thirty of them stay near the processor."""
_PLANE = 2**16
"""Voxels of a part of a plane."""
_STACK = 2**17
"""Voxels of parts of planes above each other, of which nine sorted copies are held."""
_COLUMNS = 2**12
"""Voxels along the rows of such a part."""
_SMALL = 2**12
"""Voxels of an image that scipy is done with before a network has been set up."""

_REACH = ((1, 1), (1, 1))
_TRIPLE = ((0, 1), (1, 2), (0, 1))
# Of a 3 x 3 neighbourhood, wire 3 * row + rank
_MIDDLE_OF_9: tuple[Comparator, ...] = (
    *((0, 3), (3, 6), (5, 8), (2, 5), (1, 4), (4, 7), (1, 4)),
    *((2, 4), (4, 6), (2, 4)),
)
# Of 3 x 3 x 3, wire 9 * plane + 3 * rank along x + rank along y
_MIDDLE_OF_27: tuple[Comparator, ...] = (
    *((9 * a + wire, 9 * b + wire) for wire in range(9) for a, b in _TRIPLE),
    *((24, 20), (24, 8), (18, 6), (6, 2), (10, 2), (24, 22), (24, 14), (12, 2), (4, 2), (24, 16)),
    *((19, 5), (15, 5), (24, 5), (15, 19), (15, 2), (7, 11), (21, 19), (19, 11), (21, 7), (13, 2)),
    *((24, 7), (24, 13), (7, 2), (19, 13), (19, 7), (13, 7)),
)


def median_filter(image: NDArray[Any], size: int | Sequence[int]) -> NDArray[Any]:
    """Take the median of each voxel's neighbourhood.

    Parameters
    ----------
    image : ndarray of integer or float
    size : int or sequence of int
        Voxels along the edges of the neighbourhood, one for all axes or one for each.

    Returns
    -------
    ndarray of the dtype and shape of `image`
        Bit for bit `scipy.ndimage.median_filter` with mode "reflect"; integers of 64 bits are
        compared as such.  Three voxels along two or three axes of an image that is not small take
        a network, all else scipy.

    Notes
    -----
    Of floats, scipy where there is NaN, or zero of both signs, which are equal and of which it
    depends on scipy's way of sorting which one is taken.

    Examples
    --------
    >>> median_filter(np.array([[1, 9, 2], [4, 0, 3]]), 3).tolist()
    [[1, 2, 2], [4, 3, 3]]
    """
    sizes = np.broadcast_to(size, (image.ndim,)).tolist()
    wide = [axis for axis, edge in enumerate(sizes) if edge == 3]
    others = [axis for axis, edge in enumerate(sizes) if edge == 1]
    is_cube = len(wide) in (2, 3) and len(wide) + len(others) == image.ndim <= 3
    if is_cube and image.size >= _SMALL and has_one_order(image):
        order = others + wide
        filtered = np.empty(image.shape, image.dtype.newbyteorder("="))
        _fill(image.transpose(order), filtered.transpose(order), deep=len(wide) == 3)
        return filtered
    from scipy import ndimage

    def filtered_by_scipy(values: NDArray[Any]) -> NDArray[Any]:
        return ndimage.median_filter(values, size=sizes)  # type: ignore[no-any-return]

    return by_order(image, lambda values: filter_mirrored(values, sizes, filtered_by_scipy))


def has_one_order(image: NDArray[Any]) -> bool:
    """Whether values that are equal are the same bits, and all can be compared.

    Examples
    --------
    >>> [has_one_order(np.array(a)) for a in ([3, 3], [0.0, 1.0], [0.0, -0.0], [1.0, np.nan])]
    [True, True, False, False]
    """
    if image.dtype.kind in "iu" or not image.size:
        return image.dtype.kind in "iuf"
    if image.dtype.kind != "f" or image.dtype.itemsize not in (4, 8):
        return False
    lowest = image.min()
    if np.isnan(lowest):
        return False
    if lowest > 0:
        return True
    signs = {0: False, 1: False}
    for part in slabs(image):
        negative = np.signbit(part[part == 0])
        signs[0] |= not negative.all()
        signs[1] |= bool(negative.any())
    return not (signs[0] and signs[1])


def slabs(image: NDArray[Any], voxels: int = 2**20) -> Iterator[NDArray[Any]]:
    """Cut an array along its first axis into parts of some number of voxels."""
    count = max(voxels // max(math.prod(image.shape[1:]), 1), 1)
    for start in range(0, image.shape[0], count):
        yield image[start : start + count]


def _fill(image: NDArray[Any], filtered: NDArray[Any], *, deep: bool) -> None:
    """Put medians over the last two axes, or three, into an array."""
    if image.ndim == 2:
        image, filtered = image[np.newaxis], filtered[np.newaxis]
    if not image.size:
        return
    network = _needed(_MIDDLE_OF_27, 13) if deep else _needed(_MIDDLE_OF_9, 4)
    for tile in tiles(image.shape[1:], _REACH, _PLANE, _COLUMNS):
        around = Surroundings(tile, _REACH, image.shape[1:])
        rows, columns = (side.stop - side.start for side in tile)
        size = (rows + 2) * (columns + 2)
        for planes in _stacks(len(image), size):
            depth = planes.stop - planes.start
            padded = around.padded(_with_neighbours(image, planes, deep=deep), filtered.dtype)
            sources = _sorted([padded.reshape(-1)], 1)
            if deep:  # along y as well
                sources = _sorted(sources, columns + 2)
            step = size if deep else columns + 2
            sources = [wire[k * step :] for k in range(3) for wire in sources]
            # From the first voxel of the tile to its last, in rows that are two longer
            count = depth * size - 2 * (columns + 2) - 2
            medians = np.empty(depth * size, filtered.dtype)
            wires = _Wires(network, count, medians.dtype)
            for start in range(0, count, wires.length):
                stop = min(start + wires.length, count)
                medians[start:stop] = wires.middle([wire[start:stop] for wire in sources])
            found = medians.reshape(depth, rows + 2, columns + 2)
            filtered[(planes, *tile)] = found[:, :rows, :columns]


def _stacks(n_planes: int, size: int) -> Iterator[slice]:
    """Cut planes into stacks that are worked on together: each call of numpy is a long one."""
    depth = max(_STACK // size, 1)
    for start in range(0, n_planes, depth):
        yield slice(start, min(start + depth, n_planes))


def _with_neighbours(image: NDArray[Any], planes: slice, *, deep: bool) -> NDArray[Any]:
    """Return planes, with the one before and the one behind them if the footprint is deep."""
    if not deep:
        return image[planes]
    first, stop = max(planes.start - 1, 0), min(planes.stop + 1, len(image))
    if (first, stop) == (planes.start - 1, planes.stop + 1):
        return image[first:stop]
    return image[mirrored(np.arange(planes.start - 1, planes.stop + 1), len(image))]


def _sorted(wires: list[NDArray[Any]], step: int) -> list[NDArray[Any]]:
    """Sort each voxel with the two that follow it, `step` apart: three wires of each."""
    ordered = []
    for wire in wires:
        first, second, third = wire[: -2 * step], wire[step:-step], wire[2 * step :]
        low, high = np.minimum(first, second), np.maximum(first, second)
        middle = np.minimum(high, third)
        np.maximum(high, third, out=high)
        ordered += [np.minimum(low, middle), np.maximum(low, middle, out=middle), high]
    return ordered


def _needed(network: Sequence[Comparator], wire: int) -> list[tuple[int, int, bool, bool]]:
    """Keep the comparators that a wire's value comes from, and say which of their sides do."""
    asked, kept = {wire}, []
    for low, high in reversed(network):
        sides = low in asked, high in asked
        if any(sides):
            asked |= {low, high}
            kept.append((low, high, *sides))
    return kept[::-1]


class _Wires:
    """Memory in which a network is carried out, for up to `length` voxels of `count` at a time."""

    def __init__(
        self, network: list[tuple[int, int, bool, bool]], count: int, dtype: np.dtype[Any]
    ) -> None:
        self.length = min(_BYTES // dtype.itemsize, count)
        self._network = network
        n_wires = 1 + max(max(low, high) for low, high, *_ in network)
        self._own = list(np.empty((n_wires, self.length), dtype))
        self._spare = np.empty(self.length, dtype)

    def middle(self, sources: list[NDArray[Any]]) -> NDArray[Any]:
        """Return the value of the wire that the last comparator leaves; `sources` are kept."""
        wires, size = list(sources), len(sources[0])
        for low, high, keeps_low, keeps_high in self._network:
            a, b = wires[low], wires[high]
            if keeps_low:
                wires[low] = np.minimum(a, b, out=self._spare[:size])
            if keeps_high:
                wires[high] = np.maximum(a, b, out=self._own[high][:size])
            if keeps_low:
                self._own[low], self._spare = self._spare, self._own[low]
        last_low, last_high, is_low, _ = self._network[-1]
        return wires[last_low if is_low else last_high]

"""Distances to the background up to a maximum, equal to scipy's to the last bit.

The squared distance of a voxel is the least, over the voxels of its row, of the squared distance
across the row and that along it; so each axis takes one pass, and with a maximum it looks only as
far as that::

    along z     0  1  4  9  9      squares, up to the maximum (here 3)
    along y     the least of  f(y + d) + d * d   for d from -3 to 3, many voxels at once

Squares are counted in whole units, which is exact where the sizes of voxels are whole multiples of
a power of two; of other sizes the nearest voxel is scipy's, for it settles which of two sums that
should be equal is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.kernels._components import apply_lookup

_BYTES = 2**18
"""Of the rows of which the least of neighbours is taken at a time."""
_FARTHEST = 128
"""Voxels along an axis beyond which scipy's way, which does not look around, is faster."""
_SMALL = 2**11
"""Voxels of a mask that scipy is done with sooner."""
_LARGEST = 2**15 - 1
"""Squared units of which a sum of two still fits two bytes."""


def bounded_distance(
    inside: NDArray[np.bool_],
    max_distance: float,
    sampling: Sequence[float] | None = None,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """Measure how far voxels lie from the background.

    Parameters
    ----------
    inside : ndarray of bool
        The foreground.
    max_distance : float
        More than 0.
    sampling : sequence of float, optional
        Size of a voxel along each axis; default: 1.
    dtype : dtype of floating-point numbers
        What distances are rounded to in the end.

    Returns
    -------
    ndarray of `dtype`, shape of `inside`
        Bit for bit ``minimum(scipy.ndimage.distance_transform_edt(inside, sampling),
        max_distance)``, and `max_distance` where there is no background at all.

    Examples
    --------
    >>> bounded_distance(np.array([False, True, True, True, True]), 2.5).tolist()
    [0.0, 1.0, 2.0, 2.5, 2.5]
    """
    scale = Scale.of(max_distance, sampling or (1.0,) * inside.ndim)
    if scale is None or not inside.ndim or inside.size < _SMALL:
        return _of_scipy(inside, max_distance, sampling).astype(dtype, copy=False)
    squares = np.empty(inside.shape, scale.dtype)
    if not squares.size:
        return squares.astype(dtype)
    _count_first(inside, squares, scale)
    for axis in range(1, inside.ndim):
        take_least(squares, axis, scale)
    if squares.dtype == np.uint16:
        roots = scale.root_of(np.arange(scale.most + 1), max_distance)
        return apply_lookup(roots.astype(dtype), squares)
    distance = np.empty(inside.shape, dtype)
    for own, part in zip(_rows(distance), _rows(squares), strict=True):
        own[...] = scale.root_of(part, max_distance)
    return distance


def _of_scipy(
    inside: NDArray[np.bool_], max_distance: float, sampling: Sequence[float] | None
) -> NDArray[np.float64]:
    from scipy import ndimage

    if inside.all():  # scipy measures from nowhere in particular then
        return np.full(inside.shape, max_distance, np.float64)
    distance = ndimage.distance_transform_edt(inside, sampling=sampling)
    return np.minimum(distance, max_distance, out=distance)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Scale:
    """Lengths in whole units."""

    unit: float
    """Of length."""
    sizes: tuple[int, ...]
    """Of a voxel along each axis, in units."""
    most: int
    """The least square, in units, whose root is the maximum or more."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of squares."""
        return np.dtype(np.uint16 if self.most <= _LARGEST else np.uint32)

    @property
    def reach(self) -> list[int]:
        """Return how many voxels along each axis make the maximum, or more."""
        return [math.isqrt(self.most - 1) // size + 1 for size in self.sizes]

    def root_of(self, squares: NDArray[Any], max_distance: float) -> NDArray[np.float64]:
        """Return lengths of their squares in units, up to the maximum."""
        roots = squares * self.unit**2
        np.sqrt(roots, out=roots)
        return np.minimum(roots, max_distance, out=roots)

    @classmethod
    def of(cls, max_distance: float, sampling: Sequence[float]) -> Scale | None:
        """Return the scale of sizes, or None where scipy's way is exact or faster."""
        exact = [Fraction(float(size)) for size in sampling]
        divisor = max(size.denominator for size in exact)
        sizes = [int(size * divisor) for size in exact]
        common = math.gcd(*sizes)
        sizes = [size // common for size in sizes]
        unit = Fraction(common, divisor)
        longest = max_distance / float(unit)
        if not longest < 2**15 or max(sizes) >= 2**15:
            return None
        most = math.ceil(Fraction(float(max_distance)) ** 2 / unit**2)
        while _root(most, unit) < max_distance:
            most += 1
        scale = cls(float(unit), tuple(sizes), most)
        is_exact = common**2 * most < 2**53
        return scale if is_exact and max(scale.reach[1:], default=0) <= _FARTHEST else None

    def square(self, steps: int, axis: int) -> int:
        """Return the squared length of some voxels, up to the maximum."""
        return min((steps * self.sizes[axis]) ** 2, self.most)


def _root(square: int, unit: Fraction) -> float:
    return math.sqrt(square * float(unit) ** 2)


def _count_first(inside: NDArray[np.bool_], squares: NDArray[Any], scale: Scale) -> None:
    """Put the squared distance along the first axis into `squares`."""
    if inside.ndim == 1:
        inside, squares = inside[:, np.newaxis], squares[:, np.newaxis]
    most = scale.reach[0]
    table = np.array([scale.square(steps, 0) for steps in range(most + 1)], scale.dtype)
    before = np.full(inside.shape[1:], most, scale.dtype)
    for plane, own in zip(squares, inside, strict=True):
        np.minimum(before + 1, most, out=plane)
        np.multiply(plane, own, out=plane)
        before = plane
    before = np.full(inside.shape[1:], most, scale.dtype)
    for plane in squares[::-1]:
        np.minimum(plane, before + 1, out=plane)
        before = plane
    for part in _rows(squares.reshape(-1)):
        part[...] = table[part]


def take_least(squares: NDArray[Any], axis: int, scale: Scale) -> None:
    """Take the least sum of the square at each voxel along an axis and the square of its way."""
    shape = squares.shape
    n_rows, edge, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    rows = squares.reshape(n_rows, edge, inner)
    reach = min(scale.reach[axis], edge - 1)
    length = (edge + 2 * reach) * squares.dtype.itemsize
    n_inner = max(min(inner, _BYTES // length), 1)
    n_outer = max(_BYTES // (length * n_inner), 1) if n_inner == inner else 1
    for start in range(0, n_rows, n_outer):
        for first in range(0, inner, n_inner):
            part = rows[start : start + n_outer, :, first : first + n_inner]
            _least_of(part, reach, axis, scale)


def _least_of(part: NDArray[Any], reach: int, axis: int, scale: Scale) -> None:
    highest = int(part.max())
    if not highest:
        return
    n_rows, edge, inner = part.shape
    padded = np.full((n_rows, edge + 2 * reach, inner), scale.most, part.dtype)
    padded[:, reach : reach + edge] = part
    flat, margin = padded.reshape(-1), reach * inner
    least = flat[margin : len(flat) - margin].copy()
    near = np.empty_like(least)
    for steps in range(1, reach + 1):
        square = scale.square(steps, axis)
        if square >= highest:
            break
        off = steps * inner
        low = flat[margin - off : len(flat) - margin - off]
        high = flat[margin + off : len(flat) - margin + off]
        np.minimum(low, high, out=near)
        near += part.dtype.type(square)
        np.minimum(least, near, out=least)
    whole = np.empty(padded.shape, part.dtype).reshape(-1)
    whole[margin : len(flat) - margin] = least
    part[...] = whole.reshape(padded.shape)[:, reach : reach + edge]


def _rows(array: NDArray[Any], voxels: int = 2**18) -> Iterator[NDArray[Any]]:
    """Cut a contiguous array into parts of one axis."""
    flat = array.reshape(-1)
    for start in range(0, len(flat), voxels):
        yield flat[start : start + voxels]

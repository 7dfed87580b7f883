"""Linear interpolation where the axes of the result are those of the image: one after the other.

::

    image   . a . . b .        a voxel of the result, x of the way from a to b on an axis:
              |-x-|---|        a * (1 - x) + b * x
                  result

All planes first, then all rows, then all columns: less work than the eight corners of each voxel,
which `scipy.ndimage.map_coordinates` adds up.  Sums in another order may differ in their last bits,
and results are those of scipy bit for bit; so a voxel is taken where these bits do not matter:
where all sums are exact, or where a little less and a little more round to the same number.  The
few that are left are scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INTEGERS = {np.dtype(f"{kind}{size}"): 8 * size for kind in "ui" for size in (1, 2, 4)}
_DIGITS: dict[type[np.floating[Any]], int] = {np.float32: 24, np.float64: 53}
"""Binary digits that a type holds."""
_MOST_BITS = 12
"""Binary digits of weights up to which sums are looked at for being exact."""
_ENDLESS = 99
_FEW = 0.01
"""Share of voxels that is expected to be left to scipy at most."""
_TOO_MANY = 0.03
"""Share of voxels from which on all are left to scipy."""
_VOXELS = 2**18
"""Voxels of the image that are worked on at a time: they stay in a core's cache."""
_LARGER = 10
"""Voxels of the image to one of the result, from which on scipy is faster: it reads eight."""


@dataclass(frozen=True, slots=True)
class Between:
    """Between which voxels of an axis the voxels of a result lie."""

    places: NDArray[np.float64]
    """One for each voxel of the result."""
    low: NDArray[np.intp]
    """Voxel of the image before each."""
    high: NDArray[np.intp]
    """Voxel behind each."""
    low_weight: NDArray[np.float64]
    high_weight: NDArray[np.float64]

    @classmethod
    def of(cls, places: NDArray[np.float64], size: int, edge: int) -> Between:
        """Find them for an axis of so many voxels; what lies beyond is at its ends."""
        places = np.broadcast_to(places.reshape(-1), (size,))
        first = np.floor(places)
        # Beyond the ends as well, and in the steps of scipy, whose weights add up to 1
        low_weight = 1.0 - (places - first)
        low, high = (np.clip(first + n, 0, edge - 1).astype(np.intp) for n in (0, 1))
        return cls(places, low, high, low_weight, 1.0 - low_weight)

    @property
    def bits(self) -> int:
        """Binary digits of the weights after the point; `_ENDLESS` for more than a few."""
        for bits in range(_MOST_BITS + 1):
            if not (np.ldexp(self.low_weight, bits) % 1).any():
                return bits
        return _ENDLESS

    def take(self, part: slice) -> Between:
        """Return those of a part of the result."""
        return Between(
            self.places[part],
            self.low[part],
            self.high[part],
            self.low_weight[part],
            self.high_weight[part],
        )

    def apply(self, image: NDArray[Any], axis: int) -> NDArray[Any]:
        """Interpolate a floating-point image along an axis."""
        found = image.take(self.low, axis)
        if not self.high_weight.any():
            return found
        other = image.take(self.high, axis)
        shape = [-1 if n == axis else 1 for n in range(image.ndim)]
        found *= self.low_weight.astype(image.dtype).reshape(shape)
        other *= self.high_weight.astype(image.dtype).reshape(shape)
        found += other
        return found


def along_axes(
    image: NDArray[Any], places: Sequence[NDArray[np.float64]], result: NDArray[Any]
) -> bool:
    """Put what lies at places on each axis into `result`, if it can be done axis by axis.

    Parameters
    ----------
    image : ndarray
        C-contiguous.
    places : sequence of ndarray
        An array an axis, of one voxel on all other axes; beyond the image its outermost voxels go
        on.
    result : ndarray
        Of the image's dtype.

    Returns
    -------
    bool
        Whether it was done, which is quick for integers of up to 32 bits, and for float32 where
        nothing is negative, infinite or NaN; else `result` holds nothing of use.
    """
    if image.size > _LARGER * result.size or not _is_taken(image):
        return False
    axes = [Between.of(*given) for given in zip(places, result.shape, image.shape, strict=True)]
    dtype, slack = _precision(image, sum(axis.bits for axis in axes))
    n_planes = max(_VOXELS // max(math.prod(image.shape[1:]), 1), 1)
    for first in range(0, len(result), n_planes):
        part = slice(first, first + n_planes)
        mine = [axes[0].take(part), *axes[1:]]
        found = _interpolated(image, mine, dtype)
        if not slack:
            result[part] = _rounded(found, image.dtype)
        elif not _agreed(image, mine, found, slack, result[part]):
            return False
    return True


def _is_taken(image: NDArray[Any]) -> bool:
    """Whether the errors of all sums are known."""
    if image.dtype != np.float32:
        return image.dtype in _INTEGERS
    return bool(image.min() >= 0 and image.max() < np.inf)  # NaN is neither


def _interpolated(image: NDArray[Any], axes: Sequence[Between], dtype: Any) -> NDArray[Any]:
    """Interpolate what a few planes of the result need, in numbers of a floating-point type."""
    planes = axes[0]
    first, last = int(planes.low.min()), int(planes.high.max())
    slab = image[first : last + 1].astype(dtype)
    moved = replace(planes, low=planes.low - first, high=planes.high - first)
    for axis, between in enumerate([moved, *axes[1:]]):
        slab = between.apply(slab, axis)
    return slab


def _rounded(found: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert as scipy does: halves of integers away from 0."""
    if dtype.kind == "u":
        found = np.add(found, found.dtype.type(0.5))
    elif dtype.kind == "i":
        found = np.add(found, np.copysign(found.dtype.type(0.5), found))
    return found.astype(dtype)


def _precision(image: NDArray[Any], bits: int) -> tuple[type[np.floating[Any]], float]:
    """Return the type to compute in, and by how much sums may differ there from scipy's.

    That is 0 if all sums are exact; else to the largest of integers, and of other numbers, which
    are not negative, to each by itself.
    """
    digits = _INTEGERS.get(image.dtype, _ENDLESS) + max(bits, 1)
    for dtype, held in _DIGITS.items():
        if digits <= held:
            return dtype, 0.0
    # Units in the last place: three roundings an axis and four at the end, and those of scipy
    ours, theirs = 3 * image.ndim + 4, image.ndim + 2**image.ndim
    wide = (ours + theirs) * 2.0 ** -_DIGITS[np.float64]
    if image.dtype.kind == "f":
        return np.float64, wide
    largest = max(abs(int(image.min())), abs(int(image.max())))
    narrow = (ours * 2.0 ** -_DIGITS[np.float32] + wide) * largest
    return (np.float32, narrow) if 2 * narrow < _FEW else (np.float64, wide * largest)


def _agreed(
    image: NDArray[Any],
    axes: Sequence[Between],
    found: NDArray[Any],
    slack: float,
    result: NDArray[Any],
) -> bool:
    """Write what rounds alike from a little below and above; the rest by scipy, if it is little."""
    from scipy import ndimage

    apart = found * slack if image.dtype.kind == "f" else found.dtype.type(slack)
    result[...] = _rounded(found - apart, image.dtype)
    differs = result != _rounded(found + apart, image.dtype)
    n_left = np.count_nonzero(differs)
    if n_left > _TOO_MANY * result.size + 100:
        return False
    if n_left:
        left = np.nonzero(differs)
        places = np.stack([axis.places[at] for axis, at in zip(axes, left, strict=True)])
        result[left] = ndimage.map_coordinates(
            image, places, output=image.dtype, order=1, mode="nearest"
        )
    return True

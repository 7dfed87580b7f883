"""Large arrays most of whose voxels are 0: which are not, as bits, and the values of those.

They are made of planes that are read one after another, so that an array is never there as a whole,
and are worked at slab by slab::

    . . 7 .      bits    0010 0011      values   7 5 5
    . . 5 5
    -------
    . . . .              0000 1000               2
    2 . . .
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VOXELS = 2**20
"""Of a slab: what is made of one takes some ten bytes a voxel."""


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """Planes along the first axis."""

    start: int
    """Number of the first one."""
    shape: tuple[int, ...]
    """Of all of them."""
    bits: NDArray[np.uint8]
    """Which voxels have a value, in C order, eight a byte."""

    @property
    def places(self) -> NDArray[np.bool_]:
        """Which voxels have a value."""
        return np.unpackbits(self.bits, count=math.prod(self.shape)).view(bool).reshape(self.shape)

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Put values where they belong, and 0 elsewhere."""
        array = np.zeros(self.shape, values.dtype)
        array[self.places] = values
        return array

    def part(self, inner: tuple[slice, ...]) -> tuple[slice, ...]:
        """Cut the planes of a region to those of the slab, and count them from its first one."""
        first, stop = (side - self.start for side in (inner[0].start, inner[0].stop))
        low, high = max(first, 0), max(min(stop, self.shape[0]), 0)
        return slice(min(low, high), high), *inner[1:]


@dataclass(frozen=True, slots=True, eq=False)
class SparseArray:
    """An array that is held as the values of some voxels.

    Examples
    --------
    >>> array = SparseArray.of([np.array([[0, 0, 7], [0, 5, 5]]), np.array([[2, 0, 0]])])
    >>> array.held[0].tolist(), array.slabs[1].places.tolist(), array.shape
    ([7, 5, 5], [[True, False, False]], (3, 3))
    """

    shape: tuple[int, ...]
    """Of the array."""
    dtype: np.dtype[Any]
    """Of a voxel."""
    slabs: tuple[Slab, ...]
    """Where values are."""
    held: tuple[NDArray[Any], ...]
    """Values of each slab, in C order; none where only the places were kept."""
    has_nan: bool = False
    """Whether a voxel of the array is NaN, be its value held or not."""

    @classmethod
    def of(
        cls,
        parts: Iterable[NDArray[Any]],
        where: SparseArray | None = None,
        *,
        keeps_values: bool = True,
        voxels: int = _VOXELS,
    ) -> SparseArray:
        """Hold an array.

        Parameters
        ----------
        parts : iterable of ndarray
            Its planes along the first axis, some at a time.
        where : SparseArray, optional
            At whose places values are kept, if it was made of as many planes at a time; default:
            where they are not 0.
        keeps_values : bool
            Whether more than the places is kept.
        voxels : int
            Of a slab.
        """
        slabs: list[Slab] = []
        values = []
        start, dtype, shape = 0, np.dtype(bool), (0,)
        has_nan = False
        for part in parts:
            dtype, shape = part.dtype, part.shape
            has_nan |= dtype.kind == "f" and part.size > 0 and bool(np.isnan(part.min()))
            n_planes = max(voxels // max(math.prod(shape[1:]), 1), 1)
            for at in range(0, len(part), n_planes):
                own = part[at : at + n_planes]
                if where is None:
                    places = own != 0
                    slab = Slab(start, own.shape, np.packbits(places))
                else:
                    slab = where.slabs[len(slabs)]
                    places = slab.places
                slabs.append(slab)
                if keeps_values:
                    values.append(own[places])
                start += len(own)
        return cls((start, *shape[1:]), dtype, tuple(slabs), tuple(values), has_nan)

    def __iter__(self) -> Iterator[tuple[Slab, NDArray[Any]]]:
        """Yield each slab and its values."""
        return zip(self.slabs, self.held, strict=True)

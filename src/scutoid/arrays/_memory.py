"""Arrays in memory, and dask arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._source import SourceIdentity, check_inside, owned
from scutoid.arrays._spec import ImageSpec
from scutoid.geometry import Roi


@dataclass(frozen=True, slots=True, eq=False)
class NumpySource:
    """A numpy array."""

    spec: ImageSpec
    """What it is."""
    array: NDArray[Any] = field(repr=False)
    """The voxels."""
    levels: int = 1

    @property
    def chunks(self) -> tuple[int, ...]:
        """There are no chunks: any region is as cheap as another."""
        return (1,) * self.spec.ndim

    @property
    def identity(self) -> SourceIdentity:
        """The array itself."""
        return SourceIdentity("array", array=self.array)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Copy a region."""
        check_inside(roi, self.spec)
        return owned(self.array[roi.to_slices()], self.spec.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class DaskSource:
    """A dask array; its chunks are computed in the thread that asks."""

    spec: ImageSpec
    """What it is."""
    array: Any = field(repr=False)
    """The dask array."""
    levels: int = 1

    @property
    def chunks(self) -> tuple[int, ...]:
        """The largest chunk."""
        return tuple(max(sizes, default=1) for sizes in self.array.chunks)

    @property
    def identity(self) -> SourceIdentity:
        """Dask's own token."""
        return SourceIdentity("dask", detail=self.array.name)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Compute a region."""
        check_inside(roi, self.spec)
        is_regular = all(len(set(sizes[:-1])) <= 1 for sizes in self.array.chunks)
        if not is_regular:
            return owned(self._compute(roi.to_slices()), self.spec.dtype)
        return read_chunked(
            ("dask", self.array.name),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda place: self._compute(
                tuple(slice(p * c, (p + 1) * c) for p, c in zip(place, self.chunks, strict=True))
            ),
        )

    def _compute(self, slices: tuple[slice, ...]) -> NDArray[Any]:
        return np.array(self.array[slices].compute(scheduler="synchronous"), self.spec.dtype)

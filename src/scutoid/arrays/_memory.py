"""Arrays in memory, and dask arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import chunk_slices, read_chunked
from scutoid.arrays._source import SourceIdentity, check_inside, owned
from scutoid.arrays._spec import ImageSpec, default_axes
from scutoid.errors import MetadataError
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
        if roi.is_empty:
            return np.empty(tuple(roi.shape), self.spec.dtype)
        return owned(self.array[roi.to_slices()], self.spec.dtype)


def open_numpy(array: NDArray[Any], *, axes: str | None) -> NumpySource:
    """Take an array as an image."""
    letters = axes or default_axes(array.shape, array.dtype, place="array")
    return NumpySource(ImageSpec(array.shape, array.dtype, letters), array)


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
        return tuple(max(*sizes, 1) for sizes in self.array.chunks)

    @property
    def identity(self) -> SourceIdentity:
        """Dask's own token."""
        return SourceIdentity("dask", detail=self.array.name)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Compute a region; each chunk of a regular grid about once."""
        check_inside(roi, self.spec)
        if roi.is_empty:
            return np.empty(tuple(roi.shape), self.spec.dtype)
        if not self._is_regular():
            return owned(self._compute(roi.to_slices()), self.spec.dtype)
        return read_chunked(
            ("dask", self.array.name),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda place: self._compute(chunk_slices(place, self.chunks, self.spec.shape)),
        )

    def _is_regular(self) -> bool:
        return all(
            len(set(sizes[:-1])) <= 1 and sizes[-1] <= sizes[0] for sizes in self.array.chunks
        )

    def _compute(self, slices: tuple[slice, ...]) -> NDArray[Any]:
        return np.array(self.array[slices].compute(scheduler="synchronous"), self.spec.dtype)


def open_dask(array: Any, *, axes: str | None) -> DaskSource:
    """Take a dask array as an image.

    Raises
    ------
    MetadataError
        If its shape is not known yet.
    """
    if not all(isinstance(size, int) for size in array.shape):
        raise MetadataError(
            "the shape of an image is known",
            value=array.shape,
            place="dask array",
            remedy="call its compute_chunk_sizes() first",
        )
    letters = axes or default_axes(array.shape, array.dtype, place="dask array")
    return DaskSource(ImageSpec(array.shape, array.dtype, letters), array)

"""Arrays in memory, and dask arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import SHARED
from scutoid.arrays._dask_chunks import cluster_of, computed, filled
from scutoid.arrays._guard import check_room
from scutoid.arrays._source import SourceIdentity, check_inside, owned
from scutoid.arrays._spec import ImageSpec, unnamed_spec
from scutoid.errors import MetadataError, SourceError
from scutoid.geometry import Roi


@dataclass(frozen=True, slots=True, eq=False)
class NumpySource:
    """A numpy array."""

    threadsafe: ClassVar[bool] = True
    spec: ImageSpec
    """Description of the image."""
    array: NDArray[Any] = field(repr=False)
    """The voxels."""
    levels: int = 1
    """1: no pyramid."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """1 voxel on each axis: any region is as cheap as another."""
        return (1,) * self.spec.ndim

    @property
    def identity(self) -> SourceIdentity:
        """The array itself."""
        return SourceIdentity("array", array=self.array)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Copy a region."""
        check_inside(roi, self.spec)
        check_room(self, roi)
        return owned(self.array[roi.to_slices()], self.spec.dtype)


def check_unmasked(array: NDArray[Any], place: str) -> None:
    """Raise a `MetadataError` where voxels of an array are masked: an image has no mask."""
    if np.ma.is_masked(array):
        raise MetadataError(
            "an image has a value at each voxel: the mask of an array would be lost",
            value=f"{np.count_nonzero(np.ma.getmaskarray(array))} masked voxels",
            place=place,
            remedy="give array.filled(0), and array.mask as an image of its own",
        )


def open_numpy(array: NDArray[Any], *, axes: str | None = None) -> NumpySource:
    """Take a numpy array as an image; it is not copied.

    Raises
    ------
    MetadataError
        If voxels of it are masked: an image has no mask.
    """
    check_unmasked(array, "array")
    shape, dtype = array.shape, array.dtype
    spec = unnamed_spec(shape, dtype, axes, place="array", is_said=False)
    return NumpySource(spec, array)


class DaskChunks(Protocol):
    """The chunks of a dask array."""

    def __getitem__(self, place: tuple[int, ...], /) -> object: ...


class DaskArray(Protocol):
    """What is asked of a `dask.array.Array`."""

    @property
    def name(self) -> str:
        """Dask's token of the array."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels on each axis; NaN where it is unknown."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel."""
        ...

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """Sizes of the chunks along each axis, in voxels."""
        ...

    @property
    def blocks(self) -> DaskChunks:
        """The chunks, by their number along each axis."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class DaskSource:
    """A dask array; each of its chunks is computed about once in a process that asks for it."""

    spec: ImageSpec
    """Description of the image."""
    array: DaskArray = field(repr=False)
    """The dask array."""
    levels: int = 1
    """1: no pyramid."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """The largest chunk."""
        return tuple(max((1, *sizes)) for sizes in self.array.chunks)

    @property
    def identity(self) -> SourceIdentity:
        """Dask's own token of the array."""
        return SourceIdentity("dask", detail=self.array.name)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Compute the chunks that a region meets."""
        check_inside(roi, self.spec)
        check_room(self, roi)
        out = np.empty(tuple(roi.shape), self.spec.dtype)
        if out.size == 0:
            return out
        pieces = [
            _pieces(sizes, low, high)
            for sizes, low, high in zip(self.array.chunks, roi.offset, roi.end, strict=True)
        ]
        for combined in itertools.product(*pieces):
            block = tuple(number for number, _, _ in combined)
            chunk = SHARED.get(("dask", self.array.name, block), self._computing(block))
            out[tuple(into for _, into, _ in combined)] = chunk[
                tuple(part for *_, part in combined)
            ]
        return out

    def _computing(self, block: tuple[int, ...]) -> Callable[[], NDArray[Any]]:
        def compute() -> NDArray[Any]:
            chunk = computed(self.array.blocks[block], f"{self.array.name}, chunk {block}")
            sizes = tuple(s[n] for s, n in zip(self.array.chunks, block, strict=True))
            if np.shape(chunk) != sizes:
                raise SourceError(
                    "a dask array computes chunks of the shape that it announces",
                    value=f"{np.shape(chunk)}, announced {sizes}",
                    place=f"{self.array.name}, chunk {block}",
                )
            array = np.asarray(chunk)
            if not np.can_cast(array.dtype, self.spec.dtype, "safe"):
                raise SourceError(
                    "a dask array computes chunks of the type that it announces",
                    value=f"{array.dtype}, announced {self.spec.dtype}",
                    place=f"{self.array.name}, chunk {block}",
                    remedy="announce the type that is computed, e.g. map_blocks(..., dtype=...)",
                )
            return owned(array, self.spec.dtype)

        return compute

    def __reduce__(self) -> tuple[Callable[..., DaskSource], tuple[ImageSpec, bytes, str | None]]:
        # The graph may hold lambdas, which only cloudpickle can carry.
        import cloudpickle

        cluster = cluster_of(self.array, self.array.name)
        return _unpickle_dask, (self.spec, cloudpickle.dumps(self.array), cluster)


def _unpickle_dask(spec: ImageSpec, array: bytes, cluster: str | None) -> DaskSource:
    import cloudpickle

    return DaskSource(spec, filled(cloudpickle.loads(array), cluster))


def _pieces(sizes: tuple[int, ...], low: int, high: int) -> list[tuple[int, slice, slice]]:
    """Cut an interval by chunks: the chunk's number, slices of the result and of the chunk.

    Examples
    --------
    >>> _pieces((4, 3), 2, 5)
    [(0, slice(0, 2, None), slice(2, 4, None)), (1, slice(2, 3, None), slice(0, 1, None))]
    """
    pieces, start = [], 0
    for number, size in enumerate(sizes):
        first, last = max(low, start), min(high, start + size)
        if first < last:
            pieces.append(
                (number, slice(first - low, last - low), slice(first - start, last - start))
            )
        start += size
    return pieces


def open_dask(array: DaskArray, *, axes: str | None = None) -> DaskSource:
    """Take a dask array as an image; nothing is computed yet.

    Raises
    ------
    MetadataError
        If its shape is not known before it is computed.
    """
    if any(size != size for size in array.shape):  # noqa: PLR0124 - NaN is how dask says unknown
        raise MetadataError(
            "the shape of an image is known before it is computed",
            value=array.shape,
            place="dask array",
            remedy="call its compute_chunk_sizes() first",
        )
    spec = unnamed_spec(array.shape, array.dtype, axes, place="dask array", is_said=False)
    return DaskSource(spec, array)

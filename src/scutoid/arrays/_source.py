"""The protocol of sources of pixels, and the identity by which their changes are detected."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._spec import ImageSpec
from scutoid.errors import GeometryError, MetadataError, ParameterError, SourceError
from scutoid.geometry import Roi

if TYPE_CHECKING:
    from scutoid.remote import Ranged, RemoteFile

SourceKind = Literal["files", "zarr", "array", "dask", "url"]
SourceMode = Literal["listing", "content"]


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """Identifies the pixels of a source, to detect changes."""

    kind: SourceKind
    """Kind of the source: files, a zarr array's folder, an array, a dask graph, a URL."""
    locations: tuple[str, ...] = ()
    """Absolute paths or URLs, in reading order."""
    mode: SourceMode = "listing"
    """Whether a zarr is identified by its listing (names, sizes, times) or by its content."""
    detail: str = ""
    """Part of the locations: level, series, array path; for dask its token."""
    described: str = ""
    """Digest of what the metadata of a zarr said of its chunks when it was opened."""
    fills: bool = False
    """Whether files that a server refuses are absent."""
    remote: tuple[RemoteFile, ...] = ()
    """Files at URLs that the locations are copies of."""
    parts: tuple[Ranged, ...] = field(default=(), compare=False)
    """The same where parts of them are read: their locations are empty, and stand for them."""
    array: NDArray[Any] | None = field(default=None, compare=False, repr=False)
    """The array itself, if it is in memory."""

    def __post_init__(self) -> None:
        if self.mode not in ("listing", "content"):
            raise ParameterError(
                'the content of a source is identified by "listing" or by "content"',
                value=self.mode,
                place="key",
            )


class Readable(Protocol):
    """An array that is read by region, in its own voxels."""

    def read(self, roi: Roi) -> NDArray[Any]: ...


@runtime_checkable
class ArraySource(Protocol):
    """An image that can be read by region.

    A source can be pickled, and then opens itself again from its location, and can be read by
    several threads at once.  Where it has ``threadsafe = True``, no code of a user or of a library
    that could end the process reads it, and a run may read it in its own process
    (``executor="auto"``).
    """

    @property
    def spec(self) -> ImageSpec:
        """Description of the image."""
        ...

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the voxels that are decoded together, in voxels."""
        ...

    @property
    def levels(self) -> int:
        """Number of pyramid levels of the container, 1 if it has none."""
        ...

    @property
    def identity(self) -> SourceIdentity:
        """Identifies the pixels, to detect changes."""
        ...

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region that lies inside the image.

        Returns
        -------
        ndarray
            Shape `roi.shape`, type `spec.dtype` in native byte order, C-contiguous; the caller
            owns it and may change it.

        Raises
        ------
        GeometryError
            If the region is not inside the image.
        SourceError
            If the pixels cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class WrappedSource:
    """A source that is read from another one."""

    source: ArraySource
    """The other one."""

    @property
    def spec(self) -> ImageSpec:
        """Description of the image."""
        return self.source.spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the voxels that are decoded together, in voxels."""
        return self.source.chunks

    @property
    def is_decoded(self) -> bool:
        """Whether chunks are decoded as a whole."""
        return bool(getattr(self.source, "is_decoded", True))

    @property
    def threadsafe(self) -> bool:
        """Whether a run may read it in threads of its own process."""
        return bool(getattr(self.source, "threadsafe", False))

    @property
    def levels(self) -> int:
        """Number of pyramid levels."""
        return self.source.levels

    @property
    def identity(self) -> SourceIdentity:
        """Identifies the pixels."""
        return self.source.identity

    @property
    def is_labels(self) -> bool:
        """Whether its metadata say that voxels are object numbers."""
        return bool(getattr(self.source, "is_labels", False))

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        return self.source.read(roi)


def check_inside(roi: Roi, spec: ImageSpec) -> None:
    """Raise a `GeometryError` unless every voxel of the region is in the image."""
    if roi.ndim != spec.ndim:
        raise GeometryError(
            f"a region of an image with axes {spec.axes!r} has {spec.ndim} axes", value=repr(roi)
        )
    if not spec.roi.contains(roi):
        raise GeometryError(
            "a region that is read without a fill lies inside the image",
            value=repr(roi),
            place=f"image of shape {spec.shape}, axes {spec.axes!r}",
            remedy='give fill= a number, "nearest" or "reflect", or crop the region',
        )


Stamp = tuple[int, int, int, int]
"""Size, time of change, inode and time of status change of a file: identifies its version."""


def stamp_of(path: str | Path) -> Stamp:
    """Return the stamp by which a changed or replaced file is detected, its times in ns."""
    return stamp_in(os.stat(path))  # noqa: PTH116  # of each of many files


def stamp_in(status: os.stat_result) -> Stamp:
    """Return the stamp of a file of which the system has said what it is."""
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files that a source is read from, each as it was when the source was opened.

    The one place that says which files these are: their content enters the key (as the locations
    of a `SourceIdentity`), and their stamps tell decoded chunks of other versions apart.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     files = SourceFiles.of([file.name])
    ...     files.stamps_now() == files.stamps
    True
    """

    paths: tuple[str, ...]
    """Absolute paths, in reading order."""
    stamps: tuple[Stamp, ...]
    """The version of each when the source was opened."""

    @classmethod
    def of(cls, paths: Iterable[str]) -> SourceFiles:
        """Take note of files as they are now."""
        listed = tuple(paths)
        return cls(listed, tuple(stamp_of(path) for path in listed))

    def stamps_now(self) -> tuple[Stamp, ...]:
        """Return the stamps of files that are as they were, for one stat a file.

        Raises
        ------
        SourceError
            If one of them has another size or time, or is gone.  A copy that was put in its place
            with the same size and time is told by its stamp.
        """
        return tuple(
            _unchanged(path, stamp) for path, stamp in zip(self.paths, self.stamps, strict=True)
        )


def _unchanged(path: str, stamp: Stamp) -> Stamp:
    try:
        now: Stamp | None = stamp_of(path)
    except OSError:
        now = None
    if now is None or now[:2] != stamp[:2]:  # inodes may differ between machines
        raise outdated(path, "it is gone" if now is None else "it has changed since")
    return now


def outdated(place: str, value: str = "it has changed since") -> SourceError:
    """Return an error for what is no longer what it was when it was opened."""
    return SourceError(
        "a file stays as it was when it was opened",
        value=value,
        place=place,
        remedy="open it again",
    )


def owned(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A C-contiguous copy of a view, in the native byte order of `dtype`."""
    return np.array(array, dtype=dtype, order="C", copy=True)


def check_block(roi: Roi, data: NDArray[Any], spec: ImageSpec, place: str) -> None:
    """Raise a `GeometryError` unless the data have the shape of a region of the image."""
    check_inside(roi, spec)
    if tuple(data.shape) != tuple(roi.shape):
        raise GeometryError(
            "a written block has the shape of its region",
            value=f"{data.shape} for {tuple(roi.shape)}",
            place=place,
            remedy="crop the halo first",
        )


def stored_values(data: NDArray[Any], spec: ImageSpec, place: str) -> NDArray[Any]:
    """Convert data to the image's type, C-contiguous.

    Raises
    ------
    MetadataError
        If the type cannot hold them: nothing is rounded, wrapped or cut off silently.
    """
    if not np.can_cast(data.dtype, spec.dtype, "safe"):
        raise MetadataError(
            "a written block has the image's type, or one that it holds exactly",
            value=f"{data.dtype}, the image has {spec.dtype}",
            place=place,
            remedy=f'convert it with .astype("{spec.dtype}"), or give another dtype=',
        )
    return np.ascontiguousarray(data, dtype=spec.dtype)

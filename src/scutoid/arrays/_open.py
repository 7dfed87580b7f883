"""Opening whatever holds an image."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays._backends import Opening, find_backend
from scutoid.arrays._files import locate
from scutoid.arrays._source import ArraySource, SourceIdentity, SourceMode
from scutoid.arrays._spec import ImageSpec
from scutoid.errors import MetadataError, ParameterError
from scutoid.geometry import Roi


@dataclass(frozen=True, slots=True, eq=False)
class DescribedSource:
    """An image of which the user says other things than its file does."""

    source: ArraySource
    """The image as it was opened."""
    spec: ImageSpec
    """What it is."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of what one decoding brings, in voxels."""
        return self.source.chunks

    @property
    def levels(self) -> int:
        """Number of pyramid levels."""
        return self.source.levels

    @property
    def identity(self) -> SourceIdentity:
        """How to tell whether the voxels are still the same."""
        return self.source.identity

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        return self.source.read(roi)


def with_spec(source: ArraySource, spec: ImageSpec) -> ArraySource:
    """Describe an image anew: other axes, voxel size, unit, origin or channels.

    Raises
    ------
    MetadataError
        If the shape or the type would be another.
    """
    if spec == source.spec:
        return source
    if (spec.shape, spec.dtype) != (source.spec.shape, source.spec.dtype):
        raise MetadataError(
            "a description does not change an image's shape and type",
            value=f"{spec.shape} {spec.dtype}, is {source.spec.shape} {source.spec.dtype}",
        )
    return DescribedSource(source, spec)


def open_source(
    source: Any,
    *,
    axes: str | None = None,
    voxel_size: float | Iterable[float] | None = None,
    unit: str | None = None,
    origin: Iterable[float] | None = None,
    level: int = 0,
    key: SourceMode | None = None,
) -> ArraySource:
    """Open an image; what the user says of it goes before what the file says.

    Parameters
    ----------
    source : path, URL, numpy or dask array
        OME-Zarr 0.4 and 0.5, plain zarr of versions 2 and 3, TIFF, OME-TIFF and ImageJ, npy, PNG,
        JPEG, BMP, a folder of planes; and what backends of other packages know.
    axes : str, optional
        One letter an axis; default: what the file says, or "yx" and "zyx".
    voxel_size : float or sequence of float, optional
        Along each spatial axis, in `unit`.
    unit : str, optional
        Of the spatial axes, such as "um".
    origin : sequence of float, optional
        World position of the centre of voxel 0 along each spatial axis, in `unit`.
    level : int
        Pyramid level, 0 is the finest.
    key : {"listing", "content"}, optional
        How a change of a zarr is noticed.

    Raises
    ------
    SourceNotFound, SourceError, MetadataError
        If it does not exist, cannot be read, or its description makes no sense.
    """
    if key not in (None, "listing", "content"):
        raise ParameterError("key= is 'listing' or 'content'", value=key, place="open")
    if not _is_level(level):
        raise MetadataError("a pyramid level is 0 or more", value=level, place="open")
    if isinstance(source, (str, os.PathLike)):
        source = locate(source)
    found = find_backend(source).open(source, Opening(axes, level, key or "listing"))
    if level >= found.levels:
        raise MetadataError(
            f"the pyramid has levels 0 to {found.levels - 1}",
            value=level,
            place=source if isinstance(source, str) else "open",
        )
    return with_spec(found, _overridden(found.spec, axes, voxel_size, unit, origin))


def _is_level(level: object) -> bool:
    return isinstance(level, int) and not isinstance(level, bool) and level >= 0


def _overridden(
    spec: ImageSpec,
    axes: str | None,
    voxel_size: float | Iterable[float] | None,
    unit: str | None,
    origin: Iterable[float] | None,
) -> ImageSpec:
    if axes is not None and axes != spec.axes:
        renamed = ImageSpec(spec.shape, spec.dtype, axes)
        # Sizes belong to axes by name: other names, or another order, and nothing is known of them.
        if renamed.spatial_axes == spec.spatial_axes:
            renamed = renamed.replace(
                voxel_size=spec.voxel_size, unit=spec.unit, origin=spec.origin
            )
        if "c" in spec.axes and renamed.axes.find("c") == spec.axes.index("c"):
            renamed = renamed.replace(channels=spec.channels)
        spec = renamed
    changes: dict[str, Any] = {"voxel_size": voxel_size, "unit": unit, "origin": origin}
    return spec.replace(**{name: said for name, said in changes.items() if said is not None})

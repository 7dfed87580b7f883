"""Open an image of any kind; the user's description overrides the file's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scutoid.arrays._backends import Request, find_source
from scutoid.arrays._source import ArraySource, SourceMode, WrappedSource
from scutoid.arrays._spec import ImageSpec
from scutoid.errors import MetadataError, ParameterError


def open_source(
    source: object,
    *,
    axes: str | None = None,
    voxel_size: float | Iterable[float] | None = None,
    unit: str | None = None,
    origin: Iterable[float] | None = None,
    level: int = 0,
    key: SourceMode | None = None,
    allow_outside: bool = False,
) -> ArraySource:
    """Open an image; the description given here overrides the file's own.

    Parameters
    ----------
    source : path, URL, numpy.ndarray or dask.array.Array
        OME-Zarr 0.4 or 0.5, plain zarr 2 or 3, TIFF, a folder of planes, npy, PNG, JPEG, BMP.
    axes : str, optional
        One letter an axis, such as "zyx".
    voxel_size : float or iterable of float, optional
        In `unit`, for all spatial axes or one an axis.
    unit : str, optional
        Such as "um".
    origin : iterable of float, optional
        World position of the centre of voxel 0, in `unit`, one number a spatial axis.
    level : int
        Pyramid level, 0 is the finest.
    key : {"listing", "content"}, optional
        How a change of a zarr is detected; default: by the listing of its chunks.
    allow_outside : bool
        Whether files that an image names, such as the others of an OME-TIFF, may lie outside its
        folder.

    Raises
    ------
    SourceNotFound, SourceError, MetadataError
        If it does not exist, cannot be read, or its description is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> open_source(np.zeros((4, 5)), voxel_size=0.5, unit="micron").spec.voxel_size
    (0.5, 0.5)
    """
    if level < 0:
        raise MetadataError("a pyramid level is 0 or more", value=level, place="open")
    if key not in (None, "listing", "content"):
        raise ParameterError("key= is 'listing' or 'content'", value=key, place="open")
    opened = find_source(source, Request(axes, level, key or "listing", allow_outside))
    spec = _renamed(opened.spec, axes)
    overrides: dict[str, object] = {
        "voxel_size": voxel_size,
        "unit": unit,
        "origin": None if origin is None else tuple(origin),
    }
    spec = spec.replace(**{name: value for name, value in overrides.items() if value is not None})
    return opened if spec == opened.spec else DescribedSource(opened, spec)


@dataclass(frozen=True, slots=True, eq=False)
class DescribedSource(WrappedSource):
    """An image as the user describes it."""

    described: ImageSpec
    """The user's description of the image."""

    @property
    def spec(self) -> ImageSpec:
        """The user's description of the image."""
        return self.described


def _renamed(spec: ImageSpec, axes: str | None) -> ImageSpec:
    """Rename the axes; metadata of names that no longer exist are dropped."""
    if axes is None or axes == spec.axes:
        return spec
    renamed = ImageSpec(spec.shape, spec.dtype, axes)
    changes: dict[str, object] = {}
    if renamed.spatial_axes == spec.spatial_axes:
        changes = {"voxel_size": spec.voxel_size, "unit": spec.unit, "origin": spec.origin}
    if spec.channels and spec.axes.find("c") == renamed.axes.find("c"):
        changes["channels"] = spec.channels
    return renamed.replace(**changes)

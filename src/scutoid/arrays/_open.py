"""Open an image of any kind; the user's description overrides the file's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from scutoid.arrays._backends import find_source
from scutoid.arrays._notes import unsettled
from scutoid.arrays._ome_systems import no_systems
from scutoid.arrays._request import Missing, Request, SeriesName, check_missing, check_series
from scutoid.arrays._source import ArraySource, SourceMode, WrappedSource
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tiff_facts import STAGE
from scutoid.arrays._time import TimeScale
from scutoid.arrays._units import ratio, short_unit
from scutoid.errors import MetadataError, ParameterError

VoxelSizes: TypeAlias = float | Iterable[float | None] | Mapping[str, float]
"""Size of a voxel: one number for all spatial axes, or one an axis, in order or by letter."""
_SIZES = ("voxel_size", "unit")


def open_source(
    source: object,
    *,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    origin: Iterable[float] | Literal["stage"] | None = None,
    level: int = 0,
    key: SourceMode | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
    time: TimeScale | Sequence[object] | None = None,
    series: SeriesName | None = None,
    missing: Missing = "error",
) -> ArraySource:
    """Open an image; the description given here overrides the file's own.

    Parameters
    ----------
    source : path, URL, numpy.ndarray, dask.array.Array or xarray.DataArray
        OME-Zarr 0.1 to 0.6, plain zarr 2 or 3, TIFF, a folder of planes, npy, PNG, JPEG, BMP.
    axes : str, optional
        One letter an axis, such as "zyx".
    voxel_size : float, iterable of float or mapping, optional
        In `unit`, for all spatial axes or one an axis; or of some of them, by letter: then those of
        the others are what the file says, converted to `unit` where that is given.
    unit : str, optional
        Such as "um".
    origin : iterable of float or "stage", optional
        World position of the centre of voxel 0, in `unit`, one number a spatial axis; or what an
        OME-TIFF or a TIFF of ImageJ says of the position of the stage.
    level : int
        Pyramid level, 0 is the finest.
    key : {"listing", "content"}, optional
        How a change of a zarr is detected; default: by the listing of its chunks.
    allow_outside : bool
        Whether files that an image names, such as the others of an OME-TIFF, may lie outside its
        folder.
    coordinate_system : str, optional
        Name of the coordinate system that an OME-Zarr is placed in, where it has several.
    time : TimeScale or sequence, optional
        Interval between places along t and its unit, and the time of the first if that is not 0:
        ``(2.5, "s")``, ``(2.5, "s", 60)``.
    series : int or str, optional
        Number, from 0, or name of the image that is meant, in a file that holds several.
    missing : {"error", "fill"}
        What becomes of planes that the metadata of a TIFF announce, and that are not there: an
        error that names them, or their voxels are 0, and a note says so.  And of chunks of a zarr
        at a URL that its server refuses (status 403): an error, or the fill value.

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
    place = _plain(origin)
    sizes = _plain(voxel_size)
    times = None if time is None else TimeScale.of(time)
    given = _settled(axes=axes, voxel_size=sizes, unit=unit, origin=place, time=times)
    mode = key or "listing"
    check_missing(missing, "open")
    check_series(series, "open")
    which = (allow_outside, coordinate_system, series, missing)
    request = Request(axes, level, mode, *which, given)
    opened = find_source(source, request)
    is_zarr = opened.identity.kind in ("zarr", "url") or bool(opened.identity.described)
    if coordinate_system is not None and not is_zarr:
        raise no_systems(coordinate_system, "open")
    if isinstance(place, str):
        _check_stage(place, opened)
        place = None  # it has read it
    if series is not None and not _may_hold_several(opened):
        raise ParameterError(
            "series= is for what may hold several images: TIFF, zarr, files of microscopes",
            value=series,
            place="open",
            remedy="leave it out",
        )
    return described(opened, axes=axes, voxel_size=sizes, unit=unit, origin=place, time=times)


def described(
    opened: ArraySource,
    *,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    origin: Iterable[float] | None = None,
    time: TimeScale | None = None,
) -> ArraySource:
    """Return a source with what a user says of it in the place of what it says itself.

    Raises
    ------
    MetadataError
        If it does not fit the image.
    """
    given = _settled(axes=axes, voxel_size=voxel_size, unit=unit, origin=origin, time=time)
    if not given and voxel_size is None:  # nothing is said, as of most members of a folder
        return opened
    spec = _renamed(opened.spec, axes)
    sizes = _completed(voxel_size, spec, unit) if isinstance(voxel_size, Mapping) else voxel_size
    overrides: dict[str, object] = {
        "voxel_size": sizes,
        "unit": unit,
        "origin": None if origin is None else tuple(origin),
        "time": time,
    }
    spec = spec.replace(**{name: value for name, value in overrides.items() if value is not None})
    is_sized = spec.voxel_size is not None and voxel_size is not None
    spec = spec.replace(notes=unsettled(spec.notes, {*given, *_SIZES} if is_sized else given))
    is_same = spec == opened.spec and spec.notes == opened.spec.notes
    return opened if is_same else DescribedSource(opened, spec)


def _settled(**settled: object) -> dict[str, object]:
    """Return what a user settles, by name; sizes by axis settle what is then known."""
    return {
        name: value
        for name, value in settled.items()
        if value is not None and not isinstance(value, Mapping)
    }


def _plain(value: Any) -> Any:
    """Take what may be read once."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        return value
    return tuple(value)


def _innermost(source: ArraySource) -> ArraySource:
    while isinstance(source, WrappedSource):
        source = source.source
    return source


def _may_hold_several(opened: ArraySource) -> bool:
    from scutoid.arrays._microscopes import MicroscopeSource
    from scutoid.arrays._tiff import TiffSource
    from scutoid.arrays._zarr import ZarrSource

    return isinstance(_innermost(opened), (TiffSource, ZarrSource, MicroscopeSource))


def _check_stage(place: str, opened: ArraySource) -> None:
    """See that a source is one that may give the position of its stage."""
    from scutoid.arrays._tiff import TiffSource

    if place != STAGE or not isinstance(_innermost(opened), TiffSource):
        raise ParameterError(
            f'origin= is a number for each spatial axis, or "{STAGE}" for a TIFF',
            value=place,
            place="open",
            remedy="give numbers, or leave it out",
        )


def _completed(
    given: Mapping[str, float], spec: ImageSpec, unit: str | None
) -> tuple[float | None, ...]:
    """Return the voxel size of which the user gives some axes, and the file the others."""
    others = [axis for axis in given if axis not in spec.spatial_axes]
    if others or any(size is None for size in given.values()):
        raise MetadataError(
            f"voxel_size= gives numbers by spatial axis, here some of {spec.spatial_axes!r}",
            value=dict(given),
            place="open",
            remedy='write for example voxel_size={"z": 2.0}',
        )
    factor = ratio(spec.unit, short_unit(unit)) if unit and spec.unit else 1.0
    sizes = {axis: size * factor for axis, size in spec.sizes.items()} | dict(given)
    return tuple(sizes.get(axis) for axis in spec.spatial_axes)


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
    changes: dict[str, object] = {"notes": spec.notes}
    if renamed.spatial_axes == spec.spatial_axes:
        names = ("voxel_size", "known_sizes", "unit", "origin")
        changes |= {name: getattr(spec, name) for name in names}
    if spec.axes.find("t") == renamed.axes.find("t"):
        changes["time"] = spec.time
    if spec.axes.find("c") == renamed.axes.find("c"):
        changes |= {"channels": spec.channels, "display": spec.display}
    return renamed.replace(**changes)

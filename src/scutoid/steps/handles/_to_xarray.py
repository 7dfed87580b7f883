"""An image as an array of xarray, with coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scutoid.errors import MissingExtra

if TYPE_CHECKING:
    from scutoid.arrays import ImageSpec


def data_array(data: Any, spec: ImageSpec, name: str) -> Any:
    """Return voxels as a `xarray.DataArray`.

    Raises
    ------
    MissingExtra
        If xarray is not installed.
    """
    try:
        import xarray as xr
    except ImportError as error:
        raise MissingExtra.of("xarray", extra="xarray") from error
    return xr.DataArray(data, dims=tuple(spec.axes), coords=_coordinates(spec), name=name)


def _coordinates(spec: ImageSpec) -> dict[str, Any]:
    """Return the coordinates of axes, as (dimension, values, attributes); none where unknown."""
    origin = dict(zip(spec.spatial_axes, spec.origin or (0.0,) * 3, strict=False))
    unit = {} if spec.unit is None else {"units": spec.unit}
    coordinates: dict[str, Any] = {
        axis: (axis, origin[axis] + size * _places(spec, axis), unit)
        for axis, size in spec.sizes.items()
    }
    if spec.time is not None:
        unit = {} if spec.time.unit is None else {"units": spec.time.unit}
        times = spec.time.origin + spec.time.interval * _places(spec, "t")
        coordinates["t"] = ("t", times, unit)
    if spec.channels:
        coordinates["c"] = ("c", list(spec.channels))
    return coordinates


def _places(spec: ImageSpec, axis: str) -> Any:
    return np.arange(spec.shape[spec.axes.index(axis)], dtype=np.float64)

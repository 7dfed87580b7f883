"""Columns of the shape of objects: diameter, principal axes, weighted centroid."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from numpy.typing import NDArray

from scutoid.kernels._moments import (
    axis_columns,
    covariances,
    equivalent_diameter,
    orientation_columns,
)
from scutoid.kernels._regions import RegionStats

SHAPES = ("equivalent_diameter", "axes", "orientation", "weighted_centroid")
"""Names of what `shape_columns` makes."""
_LARGEST_NDIM = 3


def shape_columns(
    stats: RegionStats,
    axes: str,
    properties: Collection[str] = SHAPES,
    *,
    voxel_size: Sequence[float] | None = None,
    origin: Sequence[float] | None = None,
    channels: Sequence[str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the columns of shape of objects, as far as they were measured.

    Parameters
    ----------
    stats : RegionStats
        Of the whole image.
    axes : str
        A letter for each axis of the image.
    properties : collection of str
        Some of `SHAPES`.
    voxel_size, origin, channels
        As in `region_columns`.

    Returns
    -------
    dict of ndarray, shape (n_objects,)
        ``equivalent_diameter`` (of the ball or disk of the same size); ``axis_major_length``,
        ``axis_middle_length`` (3-D), ``axis_minor_length`` and ``orientation`` (2-D) or
        ``direction_z direction_y direction_x`` (3-D), see `axis_columns` and
        `orientation_columns`; ``z_weighted y_weighted x_weighted``.  All in the unit, in voxels
        where no voxel size is given.
    """
    ndim = len(axes)
    spacing = tuple(voxel_size) if voxel_size is not None else (1.0,) * ndim
    start = tuple(origin) if origin is not None else (0.0,) * ndim
    columns: dict[str, NDArray[Any]] = {}
    if "equivalent_diameter" in properties:
        size = stats.n_voxels.astype(float)
        for length in spacing:
            size = size * length
        columns["equivalent_diameter"] = equivalent_diameter(size, ndim)
    if stats.moments is not None and ndim <= _LARGEST_NDIM:
        matrices = covariances(stats.moments, stats.local_sum, stats.n_voxels, spacing)
        if "axes" in properties:
            columns |= axis_columns(matrices)
        if "orientation" in properties and ndim > 1:
            columns |= orientation_columns(matrices, axes)
    if stats.intensity is not None and "weighted_centroid" in properties:
        columns |= stats.intensity.weighted_columns(
            stats.low, stats.n_voxels, axes, spacing, start, channels
        )
    return columns

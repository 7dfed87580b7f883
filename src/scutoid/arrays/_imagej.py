"""What ImageJ says of an image in a TIFF: in lines, and in tags of the first page."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._spec import SPATIAL
from scutoid.arrays._tiff_facts import (
    STAGE,
    Facts,
    number_of,
    resolution,
    tag_facts,
    unit_of_resolution,
)
from scutoid.arrays._units import UNITLESS
from scutoid.arrays._world_sizes import AxisSize

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

_SAID = "ImageJ"
_LEVELS = 256
"""Entries of a table of colours."""


def imagej_facts(
    file: TiffFile, series: TiffPageSeries, axes: str, path: str, given: Mapping[str, object]
) -> Facts:
    """Return what ImageJ says of an image.

    The unit of an axis is that of x where it has none of its own.  The distance of planes is 1
    where none is given, for ImageJ then writes none; a negative one counts as its size.

    Parameters
    ----------
    file, series
        The open file and its image.
    axes : str
        Its spatial axes.
    path : str
        The file.
    given : mapping
        What the user says of the image, by name, which is then not read.

    Raises
    ------
    MetadataError
        If it gives a size or a position that is no number.
    """
    metadata: Mapping[str, Any] = file.imagej_metadata or {}
    common = _unit(metadata.get("unit"))
    units = {axis: _unit(metadata.get(f"{axis}unit")) or common for axis in SPATIAL}
    sizes: dict[str, AxisSize] = {}
    if "voxel_size" in given:
        unit = str(given["unit"]) if "unit" in given else common
        sizes = {axis: AxisSize(size, unit) for axis, size in _each(given["voxel_size"], axes)}
    elif any(units.values()):
        sizes = {axis: AxisSize(size, units[axis]) for axis, size in resolution(series).items()}
        spacing = metadata.get("spacing", 1.0)
        planes = abs(number_of(spacing, "spacing", _SAID, path, "give voxel_size="))
        sizes["z"] = AxisSize(planes, units["z"])
    elif "unit" not in metadata:
        sizes = _of_tags(series, metadata, path)
    channels = _channels(metadata.get("Labels") or (), series)
    stage = _stage(metadata, sizes, path) if given.get("origin") == STAGE else {}
    interval = None
    if "time" not in given and metadata.get("finterval"):
        interval = number_of(metadata["finterval"], "finterval", _SAID, path, "give time=")
    unit = _unit(metadata.get("tunit")) or "s"
    return Facts(_SAID, sizes, channels, _display(metadata), interval, unit, stage=stage)


def _of_tags(series: TiffPageSeries, metadata: Mapping[str, Any], path: str) -> dict[str, AxisSize]:
    """Return sizes in the unit of the resolution, which ImageJ takes where it has written none."""
    sizes = dict(tag_facts(series).sizes)
    if sizes and "spacing" in metadata:
        planes = abs(number_of(metadata["spacing"], "spacing", _SAID, path, "give voxel_size="))
        sizes["z"] = AxisSize(planes, unit_of_resolution(series))
    return sizes


def _channels(labels: object, series: TiffPageSeries) -> tuple[str, ...]:
    """Return the labels of slices, if they may be of channels: one for each."""
    n_channels = dict(zip(series.axes, series.shape, strict=True)).get("C")
    if not isinstance(labels, (list, tuple)) or n_channels not in (None, len(labels)):
        return ()
    return tuple(map(str, labels))


def _display(metadata: Mapping[str, Any]) -> tuple[ChannelDisplay, ...]:
    """Return colours and windows of the channels, where ImageJ has written a table for each."""
    ranges = metadata.get("Ranges") or ()
    windows = [tuple(map(float, ranges[n : n + 2])) for n in range(0, len(ranges) - 1, 2)]
    tables = metadata.get("LUTs") or ()
    shown = []
    for window, table in itertools.zip_longest(windows, tables):
        limits = None if window is None else (window[0], window[1], window[0], window[1])
        shown.append(ChannelDisplay(_colour(table), limits))
    return tuple(shown)


def _colour(table: Any) -> str | None:
    """Return the colour of a table that goes from black to it evenly; None: of any other."""
    if table is None or np.shape(table) != (3, _LEVELS):
        return None
    brightest = np.asarray(table)[:, -1].astype(int)
    ramp = brightest[:, None] * np.arange(_LEVELS) / (_LEVELS - 1)
    if np.abs(np.asarray(table) - ramp).max() > 1:
        return None
    return "".join(f"{value:02X}" for value in brightest)


def _each(voxel_size: Any, axes: str) -> Iterable[tuple[str, float]]:
    """Return the size along each axis, as the user gives them."""
    sizes = (voxel_size,) * len(axes) if isinstance(voxel_size, Real) else voxel_size
    return zip(axes, sizes, strict=False)


def _unit(text: object) -> str | None:
    """Return a unit as ImageJ gives it; None where that says that there is none."""
    unit = "" if text is None else str(text).strip()
    return None if unit.lower() in UNITLESS else unit


def _stage(
    metadata: Mapping[str, Any], sizes: Mapping[str, AxisSize], path: str
) -> dict[str, AxisSize]:
    """Return the place of the first voxel: ImageJ gives in voxels where the world's zero lies."""
    found = {}
    for axis, item in sizes.items():
        name = f"{axis}origin"
        if name in metadata and item.size is not None:
            zero = number_of(metadata[name], name, _SAID, path, "give origin= in numbers")
            found[axis] = AxisSize(0.0 - zero * item.size, item.unit)
    return found

"""Axes, scale and channels in TIFF files: OME-XML, ImageJ, scutoid's own record."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from scutoid.arrays._spec import SPATIAL, ImageSpec
from scutoid.arrays._units import METRES, known_unit
from scutoid.errors import MetadataError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

_MARK = "scutoid"
_UNKNOWN = "qi"
"""Letters of tifffile for an axis that the file does not name."""

Scale = tuple[dict[str, float], str | None, tuple[str, ...]]
"""Voxel size by axis, their unit, and the names of the channels."""


def note(spec: ImageSpec) -> dict[str, object]:
    """Return scutoid's record for its files, for TIFF drops axes of size one, types and more."""
    return {
        _MARK: {
            "shape": spec.shape,
            "axes": spec.axes,
            "dtype": spec.dtype.name,
            "voxel_size": spec.voxel_size,
            "unit": spec.unit,
            "origin": spec.origin,
            "channels": spec.channels,
        }
    }


def ome_root(file: TiffFile) -> ET.Element | None:
    """Return the OME-XML of a file; None if it has none."""
    ome = file.ome_metadata
    return None if ome is None else ET.fromstring(ome)  # noqa: S314


def read_spec(
    file: TiffFile,
    series: TiffPageSeries,
    finest: TiffPageSeries,
    path: str,
    axes: str | None,
) -> ImageSpec:
    """Describe an image of an open file.

    Parameters
    ----------
    file : tifffile.TiffFile
        The file.
    series, finest : tifffile.TiffPageSeries
        The level that is read, and the finest one, which the metadata describe.
    path : str
        For messages.
    axes : str, optional
        The axes as given by the user.

    Raises
    ------
    MetadataError
        If the axes are unknown.
    """
    root = ome_root(file)
    noted = _noted(file, root)
    if noted and math.prod(noted["shape"]) == math.prod(series.shape):
        return ImageSpec(**noted)
    letters = axes or _letters(series, path)
    ImageSpec(tuple(series.shape), series.dtype, letters)  # raises if the letters do not fit
    scale: Scale = ({}, None, ())
    if root is not None:
        scale = _ome(root)
    elif file.is_imagej:
        scale = _imagej(file, series)
    return _scaled(series, finest, letters, scale)


def _scaled(
    series: TiffPageSeries, finest: TiffPageSeries, letters: str, scale: Scale
) -> ImageSpec:
    sizes, unit, channels = scale
    factors = np.array(finest.shape) / np.maximum(series.shape, 1)
    factor = dict(zip(letters, factors.tolist(), strict=True))
    spatial = [letter for letter in letters if letter in SPATIAL]
    is_known = bool(spatial) and all(
        math.isfinite(sizes.get(letter, 0)) and sizes.get(letter, 0) > 0 for letter in spatial
    )
    n_channels = series.shape[letters.index("c")] if "c" in letters else 0
    return ImageSpec(
        tuple(series.shape),
        series.dtype,
        letters,
        voxel_size=tuple(sizes[a] * factor[a] for a in spatial) if is_known else None,
        unit=unit if is_known else None,
        channels=channels if len(channels) == n_channels else (),
    )


def _letters(series: TiffPageSeries, path: str) -> str:
    """Convert tifffile's axes: S are samples, our channels; an unknown one is z if possible."""
    letters: str = series.axes.lower()
    if "c" not in letters:
        letters = letters.replace("s", "c")
    unknown = [letter for letter in letters if letter in _UNKNOWN]
    is_plain = len(unknown) == 1 and "z" not in letters and series.ndim == 3
    if is_plain and letters[1:] == "yx":
        return letters.replace(unknown[0], "z")
    if unknown or not letters.isalpha():
        raise MetadataError(
            f"the axes of a file with shape {tuple(series.shape)} are named",
            value=series.axes,
            place=path,
            remedy='name them, e.g. sc.open(path, axes="tzyx")',
        )
    return letters


def _noted(file: TiffFile, root: ET.Element | None) -> dict[str, Any]:
    """Return scutoid's own record in the file; empty if there is none."""
    metadata: object = None
    if root is not None:
        for element in root.iter():
            if element.tag.rpartition("}")[2] == "Description" and _MARK in (element.text or ""):
                metadata = _parsed(element.text or "")
                break
    elif file.is_shaped and file.shaped_metadata:
        metadata = file.shaped_metadata[0]
    record = metadata.get(_MARK) if isinstance(metadata, Mapping) else None
    if not isinstance(record, Mapping) or "shape" not in record:
        return {}
    noted = dict(record)
    for name in ("shape", "voxel_size", "origin", "channels"):
        if noted.get(name) is not None:
            noted[name] = tuple(noted[name])
    return noted


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _ome(root: ET.Element) -> Scale:
    pixels = next((e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return {}, None, ()
    sizes: dict[str, float] = {}
    unit: str | None = None
    for letter in reversed(SPATIAL):  # the unit of x holds; others are converted to it
        text = pixels.get(f"PhysicalSize{letter.upper()}")
        if not text:
            continue
        own = known_unit(pixels.get(f"PhysicalSize{letter.upper()}Unit", "µm"))
        unit = unit or own
        ratio = METRES[own] / METRES[unit] if own and unit and own != unit else 1.0
        sizes[letter] = float(text) * ratio
    names = [c.get("Name") for c in pixels if c.tag.rpartition("}")[2] == "Channel"]
    return sizes, unit, tuple(str(n) for n in names) if names and all(names) else ()


def _imagej(file: TiffFile, series: TiffPageSeries) -> Scale:
    metadata = file.imagej_metadata or {}
    unit = known_unit(str(metadata.get("unit", "")))
    sizes: dict[str, float] = {}
    if unit:
        for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
            value = series.keyframe.tags.get(tag)
            if value is not None and value.value[0]:
                sizes[letter] = value.value[1] / value.value[0]
        sizes["z"] = float(metadata.get("spacing", 1.0))
    labels = metadata.get("Labels") or ()
    return sizes, unit, tuple(map(str, labels)) if isinstance(labels, (list, tuple)) else ()

"""Axes, scale and channels in TIFF files: OME-XML, ImageJ, LSM, scutoid's own record."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from scutoid.arrays._channel_names import channel_names
from scutoid.arrays._imagej import imagej_facts
from scutoid.arrays._lsm import lsm_facts
from scutoid.arrays._notes import Note, turned
from scutoid.arrays._ome_companion import ome_text
from scutoid.arrays._ome_xml import ome_facts
from scutoid.arrays._request import DESCRIBED
from scutoid.arrays._spec import ImageSpec, assumed_axes
from scutoid.arrays._tiff_facts import STAGE, Facts, stage_origin, tag_facts
from scutoid.arrays._time import time_scale
from scutoid.arrays._units import short_unit
from scutoid.arrays._world_sizes import world_sizes
from scutoid.errors import MetadataError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

_MARK = "scutoid"
_ORIENTATION = 274
_UNKNOWN = "qi"
"""Letters of tifffile for an axis that the file does not name."""


def note(spec: ImageSpec) -> dict[str, object]:
    """Return scutoid's record for its files, for TIFF drops axes of size one, types and more."""
    known: dict[str, object] = {
        "shape": spec.shape,
        "axes": spec.axes,
        "dtype": spec.dtype.name,
        "voxel_size": spec.voxel_size or spec.known_sizes,
        "unit": spec.unit,
        "origin": spec.origin,
        "channels": spec.channels,
    }
    if spec.time is not None:
        known["time"] = spec.time.to_list()
    if spec.display:
        known["display"] = [each.to_dict() for each in spec.display]
    return {_MARK: known}


def ome_root(file: TiffFile, ome: bool | str) -> ET.Element | None:
    """Return the OME-XML of a file, or that of another in its place; None if it has none."""
    if isinstance(ome, str):
        return ET.fromstring(ome_text(ome))  # noqa: S314
    return ET.fromstring(file.pages.first.description) if file.is_ome else None  # noqa: S314


def read_spec(
    file: TiffFile,
    image: ET.Element | None,
    series: TiffPageSeries,
    finest: TiffPageSeries,
    path: str,
    axes: str | None,
    given: Mapping[str, object],
) -> ImageSpec:
    """Describe an image of an open file.

    Parameters
    ----------
    file : tifffile.TiffFile
        The file.
    image : Element, optional
        What OME-XML says of the image.
    series, finest : tifffile.TiffPageSeries
        The level that is read, and the finest one, which the metadata describe.
    path : str
        For messages.
    axes : str, optional
        The axes as given by the user.
    given : mapping
        What the user says of the image, by name.

    Raises
    ------
    MetadataError
        If the axes are unknown, or what is needed of the metadata makes no sense.
    """
    noted = _noted(file, image) if given.get("origin") != STAGE else {}
    if noted and math.prod(noted["shape"]) == math.prod(series.shape):
        return ImageSpec(**noted)
    letters, notes = (axes, ()) if axes else _letters(series, path)
    notes += turned(finest.keyframe.tags.valueof(_ORIENTATION))
    plain = ImageSpec(tuple(series.shape), series.dtype, letters, notes=notes)
    asked = given if "t" in letters else {**given, "time": None}

    def read(given: Mapping[str, object]) -> Facts:
        if image is not None:
            return ome_facts(image, path, given)
        if file.is_lsm:
            return lsm_facts(file, plain.shape[letters.index("c")] if "c" in letters else 0)
        if file.is_imagej:
            return imagej_facts(file, series, plain.spatial_axes, path, given)
        return tag_facts(finest) if "voxel_size" not in given else Facts()

    facts = _without_bad_times(read, asked)
    spec = _with_facts(plain, finest, facts)
    if given.get("origin") != STAGE:
        return spec
    unit = short_unit(given["unit"]) if "unit" in given else spec.unit
    origin, more = stage_origin(facts, spec.spatial_axes, unit, path)
    return spec.replace(origin=origin, notes=(*spec.notes, *more))


def _without_bad_times(
    read: Callable[[Mapping[str, object]], Facts], given: Mapping[str, object]
) -> Facts:
    """Read what a file says; bad times are unknown where the user says all that is needed."""
    try:
        return read(given)
    except MetadataError as error:
        if not given.keys() >= DESCRIBED or "time" in given:
            raise
        text = f"its times are unknown: {error.rule}, found {error.value}"
        note = Note("time", text, 'give time=, such as time=(2.5, "s")')
        return replace(read({**given, "time": None}), notes=(note,))


def _with_facts(plain: ImageSpec, finest: TiffPageSeries, facts: Facts) -> ImageSpec:
    """Add what is known of an image to its shape, type and axes."""
    world = world_sizes(plain.axes, facts.sizes, facts.said)
    factors = np.array(finest.shape) / np.maximum(plain.shape, 1)  # of a level
    factor = dict(zip(plain.axes, factors.tolist(), strict=True))
    sizes = world.sizes
    if sizes is not None:
        pairs = zip(plain.spatial_axes, sizes, strict=True)
        sizes = tuple(None if size is None else size * factor[axis] for axis, size in pairs)
    time, unread = None, facts.notes
    if "t" in plain.axes:
        time, more = time_scale(facts.interval, facts.time_unit, facts.start, facts.said)
        unread += more
    channels, unnamed = _channels(plain, finest, facts)
    return plain.replace(
        known_sizes=sizes,
        unit=world.unit if sizes else None,
        channels=channels,
        time=time,
        display=facts.display,
        notes=(*plain.notes, *world.notes, *unnamed, *(unread if "t" in plain.axes else ())),
    )


def _channels(
    plain: ImageSpec, finest: TiffPageSeries, facts: Facts
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return the names of the channels, and what of them is not known."""
    n_channels = plain.shape[plain.axes.index("c")] if "c" in plain.axes else 0
    if "C" not in finest.axes and len(facts.channels) != n_channels:
        return (), ()  # colours, which are one channel, or an axis that the user names
    names, unnamed = channel_names(facts.channels, n_channels, facts.said)
    return names, (*unnamed, *(facts.unshown if n_channels else ()))


def _letters(series: TiffPageSeries, path: str) -> tuple[str, tuple[Note, ...]]:
    """Convert tifffile's axes: S are samples, our channels; an unknown one is z if possible."""
    letters: str = series.axes.lower()
    if "c" not in letters:
        letters = letters.replace("s", "c")
    unknown = [letter for letter in letters if letter in _UNKNOWN]
    is_plain = len(unknown) == 1 and "z" not in letters and series.ndim == 3
    if is_plain and letters[1:] == "yx":
        letters = letters.replace(unknown[0], "z")
        return letters, (assumed_axes(letters),)
    if unknown or not letters.isalpha():
        raise MetadataError(
            f"the axes of a file with shape {tuple(series.shape)} are named",
            value=series.axes,
            place=path,
            remedy='name them, e.g. sc.open(path, axes="tzyx")',
        )
    return letters, ()


def _noted(file: TiffFile, image: ET.Element | None) -> dict[str, Any]:
    """Return scutoid's own record in the file; empty if there is none."""
    metadata: object = None
    if image is not None:
        for element in image.iter():
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

"""What a TIFF file says of its image: in OME-XML, in ImageJ's notes, or in scutoid's own."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

from scutoid.arrays._spec import SPATIAL, ImageSpec
from scutoid.arrays._units import in_one_unit, known_unit
from scutoid.errors import MetadataError

MARK = "scutoid"
"""What scutoid's own description begins with; JSON follows."""

_Said = tuple[dict[str, float], str | None, tuple[str, ...]]


def describe(spec: ImageSpec) -> str:
    """Write down an image's description, all of it, for `read_spec`."""
    said = {
        "shape": spec.shape,
        "dtype": spec.dtype.name,
        "axes": spec.axes,
        "voxel_size": spec.voxel_size,
        "unit": spec.unit,
        "origin": spec.origin,
        "channels": spec.channels,
    }
    return f"{MARK} {json.dumps(said)}"


def read_spec(file: Any, series: Any, finest: Any, path: str, axes: str | None) -> ImageSpec:
    """Describe one pyramid level of an open TIFF file.

    Parameters
    ----------
    file : TiffFile
        The file.
    series, finest : TiffPageSeries
        The level, and level 0, whose voxel size the metadata state.
    path : str
        For messages.
    axes : str or None
        What the user says of them.

    Raises
    ------
    MetadataError
        If the axes cannot be told.
    """
    own = _own(file)
    if own is not None:
        return own
    letters = axes or _letters(series, path)
    sizes, unit, channels = _said(file, series)
    spatial = [letter for letter in letters.lower() if letter in SPATIAL]
    is_known = bool(spatial) and all(sizes.get(letter, 0) > 0 for letter in spatial)
    shape = tuple(series.shape)
    n_channels = shape[letters.index("c")] if "c" in letters and len(letters) == len(shape) else 0
    spec = ImageSpec(
        shape, series.dtype, letters, channels=channels if len(channels) == n_channels else ()
    )
    if not is_known:
        return spec
    factors = dict(zip(spec.axes, finest.shape, strict=True))
    sized = tuple(sizes[a] * factors[a] / shape[spec.axes.index(a)] for a in spatial)
    return spec.replace(voxel_size=sized, unit=unit)


def _said(file: Any, series: Any) -> _Said:
    if file.is_ome:
        return _ome(file)
    if file.is_imagej:
        return _imagej(file, series)
    return {}, None, ()


def _letters(series: Any, path: str) -> str:
    """Read tifffile's axes: S are samples of a colour; Q and I are unknown, a single one is z."""
    letters = str(series.axes).lower()
    if "c" not in letters:
        letters = letters.replace("s", "c")
    unknown = [letter for letter in letters if letter in "qi"]
    if (
        len(unknown) == 1
        and "z" not in letters
        and letters.replace(unknown[0], "") in ("yx", "yxc")
    ):
        return letters.replace(unknown[0], "z")
    if unknown:
        raise MetadataError(
            f"the axes of a file with shape {tuple(series.shape)} are named",
            value=series.axes,
            place=path,
            remedy='name them, e.g. sc.open(path, axes="tzyx")',
        )
    return letters


def _own(file: Any) -> ImageSpec | None:
    """Return what scutoid itself wrote into the file."""
    text = None
    if file.is_ome:
        root = _parsed(file.ome_metadata)
        found = None if root is None else next(_named(root, "Description"), None)
        text = None if found is None else found.text
    elif file.is_shaped and file.shaped_metadata:
        text = file.shaped_metadata[0].get(MARK)
    if not isinstance(text, str) or not text.startswith(MARK):
        return None
    try:
        return ImageSpec(**json.loads(text.removeprefix(MARK)))
    except (ValueError, TypeError):
        return None


def _parsed(text: str | None) -> ET.Element | None:
    try:
        return ET.fromstring(text or "")  # noqa: S314 - expat of our Pythons resists expansion
    except ET.ParseError:
        return None


def _named(root: ET.Element, name: str) -> Any:
    return (element for element in root.iter() if element.tag.rpartition("}")[2] == name)


def _ome(file: Any) -> _Said:
    root = _parsed(file.ome_metadata)
    pixels = None if root is None else next(_named(root, "Pixels"), None)
    if pixels is None:
        return {}, None, ()
    sizes: dict[str, float] = {}
    units: dict[str, str | None] = {}
    for letter in SPATIAL:
        name = f"PhysicalSize{letter.upper()}"
        if pixels.get(name):
            sizes[letter] = float(pixels.get(name, ""))
            units[letter] = known_unit(pixels.get(f"{name}Unit", "µm"))
    names = [channel.get("Name") for channel in _named(pixels, "Channel")]
    channels = tuple(str(name) for name in names) if names and all(names) else ()
    return *in_one_unit(sizes, units), channels


def _imagej(file: Any, series: Any) -> _Said:
    said = file.imagej_metadata or {}
    unit = known_unit(str(said.get("unit", "")))
    sizes: dict[str, float] = {}
    if unit:
        for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
            value = series.keyframe.tags.get(tag)
            if value is not None and value.value[0]:
                sizes[letter] = value.value[1] / value.value[0]
        sizes["z"] = float(said.get("spacing", 1.0))
    labels = said.get("Labels") or ()
    return sizes, unit, tuple(map(str, labels)) if isinstance(labels, (list, tuple)) else ()

"""What the description of a TIFF says of an image: OME-XML, or ImageJ's lines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from scutoid.arrays._spec import SPATIAL
from scutoid.arrays._units import UNITLESS
from scutoid.arrays._world_sizes import AxisSize
from scutoid.errors import MetadataError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of an image, in its own units."""

    said: str = "the file"
    """Where it says so."""
    sizes: Mapping[str, AxisSize] = field(default_factory=dict)
    """Size of a voxel, by spatial axis."""
    channels: tuple[str, ...] = ()
    """Names of the channels."""


def ome_facts(root: ET.Element, path: str, given: Collection[str]) -> Facts:
    """Return what OME-XML says of its first image.

    Parameters
    ----------
    root : Element
        The OME-XML.
    path : str
        The file.
    given : collection of str
        Names of what the user says of the image, which is then not read.

    Raises
    ------
    MetadataError
        If it gives a size that is no number.
    """
    said = "OME-XML"
    pixels = next(of_name(root.iter(), "Pixels"), None)
    if pixels is None:
        return Facts(said)
    sizes = {}
    for letter in SPATIAL if "voxel_size" not in given else "":
        name = f"PhysicalSize{letter.upper()}"
        size = _number(pixels, name, path, "give voxel_size=")
        if size is not None:
            sizes[letter] = AxisSize(size, pixels.get(f"{name}Unit", "um"))
    names = [channel.get("Name") for channel in of_name(pixels, "Channel")]
    channels = tuple(str(name) for name in names) if names and all(names) else ()
    return Facts(said, sizes, channels)


def of_name(elements: Iterable[ET.Element], name: str) -> Iterator[ET.Element]:
    """Go through the elements of a name, in whatever name space."""
    return (element for element in elements if element.tag.rpartition("}")[2] == name)


def _number(element: ET.Element, name: str, path: str, remedy: str) -> float | None:
    """Return the number of an attribute; None where there is none."""
    text = element.get(name)
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise MetadataError(
            "OME-XML writes a number with a decimal point",
            value=f"{name}={text!r}",
            place=f"the OME-XML of {path}; its pixels may be good",
            remedy=f"{remedy} to open it without that, or mend the OME-XML",
        ) from error


def imagej_facts(file: TiffFile, series: TiffPageSeries) -> Facts:
    """Return what ImageJ says of an image: in lines, and in tags of the first page.

    The unit of an axis is that of x where it has none of its own.  The distance of planes is 1
    where none is given, for ImageJ then writes none; a negative one counts as its size.
    """
    said = "ImageJ"
    metadata: Mapping[str, Any] = file.imagej_metadata or {}
    common = _unit(metadata.get("unit"))
    units = {axis: _unit(metadata.get(f"{axis}unit")) or common for axis in SPATIAL}
    sizes = {}
    if any(units.values()):
        sizes["z"] = AxisSize(abs(float(metadata.get("spacing", 1.0))), units["z"])
        for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
            value = series.keyframe.tags.get(tag)
            if value is not None and value.value[0]:
                sizes[letter] = AxisSize(value.value[1] / value.value[0], units[letter])
    labels = metadata.get("Labels") or ()
    channels = tuple(map(str, labels)) if isinstance(labels, (list, tuple)) else ()
    return Facts(said, sizes, channels)


def _unit(text: object) -> str | None:
    """Return a unit as ImageJ gives it; None where that says that there is none."""
    unit = "" if text is None else str(text).strip()
    return None if unit.lower() in UNITLESS else unit

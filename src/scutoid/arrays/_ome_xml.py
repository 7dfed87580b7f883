"""What OME-XML says of an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree as ET

from scutoid.arrays._display import ChannelDisplay, colors_not_understood
from scutoid.arrays._ome_times import Times, ome_times, order_of
from scutoid.arrays._spec import SPATIAL
from scutoid.arrays._tiff_facts import STAGE, Facts, number_of
from scutoid.arrays._world_sizes import AxisSize

_SAID = "OME-XML"


def ome_facts(image: ET.Element, path: str, given: Mapping[str, object]) -> Facts:
    """Return what OME-XML says of an image.

    Parameters
    ----------
    image : Element
        The image.
    path : str
        The file.
    given : mapping
        What the user says of the image, by name, which is then not read.

    Raises
    ------
    MetadataError
        If it gives a size or a position that is no number.
    """
    pixels = next(of_name(image, "Pixels"), None)
    if pixels is None:
        return Facts(_SAID)
    sizes = {}
    for letter in SPATIAL if "voxel_size" not in given else "":
        name = f"PhysicalSize{letter.upper()}"
        size = _number(pixels, name, path, "give voxel_size=")
        if size is not None:
            sizes[letter] = AxisSize(size, pixels.get(f"{name}Unit", "um"))
    channels = tuple(channel.get("Name") for channel in of_name(pixels, "Channel"))
    colors = [channel.get("Color") for channel in of_name(pixels, "Channel")]
    stage = _stage(image, pixels, path) if given.get("origin") == STAGE else {}
    planes = of_name(pixels, "Plane")
    times = Times() if "time" in given else ome_times(pixels, planes, path)
    return Facts(
        _SAID,
        sizes,
        channels,
        tuple(map(ChannelDisplay.of_ome_xml, colors)),
        times.interval,
        times.unit,
        times.start,
        times.notes,
        stage,
        colors_not_understood(colors),
    )


def of_name(elements: Iterable[ET.Element], name: str) -> Iterator[ET.Element]:
    """Go through the elements of a name, in whatever name space."""
    return (element for element in elements if element.tag.rpartition("}")[2] == name)


def _number(element: ET.Element, name: str, path: str, remedy: str) -> float | None:
    """Return the number of an attribute; None where there is none."""
    text = element.get(name)
    return number_of(text, name, _SAID, path, remedy) if text else None


def _stage(image: ET.Element, pixels: ET.Element, path: str) -> dict[str, AxisSize]:
    """Return the position of the first plane, else that of the image.

    Where they have no unit, it is none of length: so the schema has it.
    """
    planes = sorted(of_name(pixels, "Plane"), key=lambda plane: order_of(plane, path))[:1]
    places = [(plane, "Position") for plane in planes]
    places += [(label, "") for label in of_name(image, "StageLabel")]
    for element, prefix in places:
        found = {}
        for letter in SPATIAL:
            name = f"{prefix}{letter.upper()}"
            position = _number(element, name, path, "give origin= in numbers")
            if position is not None:
                unit = element.get(f"{name}Unit", "reference frame")
                found[letter] = AxisSize(position, unit)
        if found:
            return found
    return {}

"""What OME-XML says of an image."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree as ET

from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._notes import Note
from scutoid.arrays._spec import SPATIAL
from scutoid.arrays._tiff_facts import STAGE, Facts, number_of
from scutoid.arrays._units import known_unit, ratio
from scutoid.arrays._world_sizes import AxisSize

_SAID = "OME-XML"
_EVEN = 0.05
"""Share of the mean by which intervals between planes may differ from it."""


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
    names = [channel.get("Name") for channel in of_name(pixels, "Channel")]
    channels = tuple(str(name) for name in names) if names and all(names) else ()
    stage = _stage(image, pixels, path) if given.get("origin") == STAGE else {}
    times = Times() if "time" in given else _times(pixels, path)
    return Facts(
        _SAID,
        sizes,
        channels,
        tuple(ChannelDisplay.of_ome_xml(c.get("Color")) for c in of_name(pixels, "Channel")),
        times.interval,
        times.unit,
        times.start,
        times.notes,
        stage,
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
    planes = sorted(of_name(pixels, "Plane"), key=_order)[:1]
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


class Times(NamedTuple):
    """Times as OME-XML gives them."""

    interval: float | None = None
    unit: str | None = None
    start: float = 0.0
    notes: tuple[Note, ...] = ()


def _times(pixels: ET.Element, path: str) -> Times:
    """Return the increment of time, else that of the planes; the first plane says when it began."""
    remedy = "give time="
    interval = _number(pixels, "TimeIncrement", path, remedy)
    unit = pixels.get("TimeIncrementUnit", "s")
    firsts = [plane for plane in of_name(pixels, "Plane") if _order(plane)[1:] == (0, 0)]
    deltas = []
    for plane in sorted(firsts, key=_order):
        delta = _number(plane, "DeltaT", path, remedy)
        own, to = (known_unit(text, "time") for text in (plane.get("DeltaTUnit", "s"), unit))
        if delta is None or own is None or to is None:
            return Times(interval, unit)
        deltas.append(delta * ratio(own, to))
    if not deltas:
        return Times(interval, unit)
    if interval is not None or len(deltas) == 1:
        return Times(interval, unit, deltas[0])
    steps = [after - before for before, after in itertools.pairwise(deltas)]
    mean = sum(steps) / len(steps)
    if max(abs(step - mean) for step in steps) > _EVEN * abs(mean):
        text = f"{_SAID} gives times that are not equally far apart, which are unknown: "
        text += f"from {min(steps):g} to {max(steps):g} {unit}"
        return Times(notes=(Note("time", text, 'give time=, such as time=(2.5, "s")'),))
    return Times(mean, unit, deltas[0])


def _order(plane: ET.Element) -> tuple[int, ...]:
    return tuple(int(plane.get(f"The{axis}") or 0) for axis in "TCZ")

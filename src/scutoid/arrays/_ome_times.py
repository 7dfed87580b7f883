"""When the planes of an image were recorded, as OME-XML says it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple
from xml.etree import ElementTree as ET

from scutoid.arrays._notes import Note
from scutoid.arrays._tiff_facts import number_of
from scutoid.arrays._units import known_unit, ratio
from scutoid.errors import MetadataError

_SAID = "OME-XML"
_EVEN = 0.05
"""Share by which intervals between planes differ from their mean, and that from what is said."""
_REMEDY = 'give time=, such as time=(2.5, "s")'


class Times(NamedTuple):
    """Times as OME-XML gives them."""

    interval: float | None = None
    unit: str | None = None
    start: float = 0.0
    notes: tuple[Note, ...] = ()


def ome_times(pixels: ET.Element, planes: Iterable[ET.Element], path: str) -> Times:
    """Return the increment of time, else that of the planes; the first plane says when it began.

    Parameters
    ----------
    pixels : Element
        What OME-XML says of the pixels.
    planes : iterable of Element
        The planes in it.
    path : str
        The file.

    Raises
    ------
    MetadataError
        If an increment, a time or the number of a plane is no number.
    """
    interval = _number(pixels, "TimeIncrement", path)
    unit = pixels.get("TimeIncrementUnit", "s")
    found = _recorded(pixels, planes, unit, path)
    if not found:
        return Times(interval, unit)
    first, last = min(found), max(found)
    mean = (found[last] - found[first]) / (last - first) if last > first else None
    if interval:
        notes = _differing(interval, mean, unit)
        return Times(interval, unit, found[first] - first * interval, notes)
    if mean is None:
        return Times(interval, unit, found[first])
    pairs = itertools.pairwise(sorted(found.items()))
    steps = [(end - begin) / (after - before) for (before, begin), (after, end) in pairs]
    if max(abs(step - mean) for step in steps) > _EVEN * abs(mean):
        text = f"{_SAID} gives times that are not equally far apart, which are unknown: "
        text += f"from {min(steps):g} to {max(steps):g} {unit}"
        return Times(notes=(Note("time", text, _REMEDY),))
    return Times(mean, unit, found[first] - first * mean)


def _recorded(
    pixels: ET.Element, planes: Iterable[ET.Element], unit: str, path: str
) -> dict[int, float]:
    """Return the time of the first plane of each place along t, in a unit; none of unknown unit."""
    size, to = int(pixels.get("SizeT") or 1), known_unit(unit, "time")
    found: dict[int, float] = {}
    for plane in planes:
        place, channel, depth = order_of(plane, path)
        delta = _number(plane, "DeltaT", path) if (channel, depth) == (0, 0) else None
        own = known_unit(plane.get("DeltaTUnit", "s"), "time")
        if delta is not None and own and to and place < size:
            found.setdefault(place, delta * ratio(own, to))
    return found


def _differing(interval: float, mean: float | None, unit: str) -> tuple[Note, ...]:
    """Note that planes were recorded at other times than the increment says."""
    if mean is None or abs(mean - interval) <= _EVEN * abs(interval):
        return ()
    text = f"{_SAID} gives {interval:g} {unit} as the increment of times, which is taken, and "
    text += f"planes that are {mean:g} {unit} apart"
    return (Note("time", text, f'give time=, such as time=({mean:g}, "{unit}")'),)


def order_of(plane: ET.Element, path: str) -> tuple[int, int, int]:
    """Return the places of a plane along t, c and z.

    Raises
    ------
    MetadataError
        If one is no whole number.
    """
    texts = [plane.get(f"The{axis}") or "0" for axis in "TCZ"]
    try:
        t, c, z = map(int, texts)
    except ValueError as error:
        raise MetadataError(
            "the places of a plane along t, c and z are whole numbers",
            value=", ".join(texts),
            place=f"{_SAID} of {path}; its pixels may be good",
            remedy="give time=, or origin= in numbers, to open it without, or mend the metadata",
        ) from error
    return t, c, z


def _number(element: ET.Element, name: str, path: str) -> float | None:
    text = element.get(name)
    return number_of(text, name, _SAID, path, "give time=") if text else None

"""What the metadata of a CZI say: sizes, times, channels, how these are shown, names of scenes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._notes import Note
from scutoid.arrays._time import TimeScale, time_scale

_IMAGE = ("ImageDocument", "Metadata", "Information", "Image", "Dimensions")
_SHOWN = ("ImageDocument", "Metadata", "DisplaySetting", "Channels", "Channel")
_SCALING = ("ImageDocument", "Metadata", "Scaling", "Items", "Distance")
_INTERVAL = ("T", "Positions", "Interval", "Increment")
_UM = 1e6
"""Micrometres in a metre, the unit of sizes in these files."""


def _below(metadata: object, *names: str) -> Any:
    for name in names:
        metadata = metadata.get(name) if isinstance(metadata, Mapping) else None
    return metadata


def _each(metadata: object, *names: str) -> Iterator[Any]:
    """Go through elements, of which one alone is not listed."""
    found = _below(metadata, *names)
    yield from found if isinstance(found, list) else [] if found is None else [found]


def _number(text: Any) -> float:
    """Take a number; 0 where there is none, NaN where it is none, such as with a comma."""
    try:
        return float(text or 0)
    except (TypeError, ValueError):
        return math.nan


def _unread(subject: str, text: object, remedy: str) -> Note:
    said = "numbers in metadata are written with a decimal point, but the CZI has"
    return Note(subject, f"{said} {text!r}", remedy)


def sizes_of(metadata: object) -> tuple[dict[str, float], tuple[Note, ...]]:
    """Return the size of a voxel in um, by axis, and what of that is not understood."""
    texts = {_below(each, "@Id"): _below(each, "Value") for each in _each(metadata, *_SCALING)}
    sizes = {str(name).lower(): _number(text) * _UM for name, text in texts.items()}
    notes = [
        _unread("voxel_size", text, "give voxel_size= and unit=")
        for text in texts.values()
        if math.isnan(_number(text))
    ]
    return {axis: size for axis, size in sizes.items() if size > 0}, tuple(notes)


def time_of(metadata: object) -> tuple[TimeScale | None, tuple[Note, ...]]:
    """Return the interval of times, and what of it is not understood.

    None: there is none, or they are not equally far apart.
    """
    text = _below(metadata, *_IMAGE, *_INTERVAL)
    interval = _number(text)
    if math.isnan(interval):
        return None, (_unread("time", text, 'give time=, such as time=(2.5, "s")'),)
    return time_scale(interval or None, "s", 0.0, "the CZI")


def channels_of(metadata: object) -> tuple[str | None, ...]:
    """Return the names of the channels."""
    return tuple(_below(each, "@Name") for each in _each(metadata, *_IMAGE, "Channels", "Channel"))


def displays_of(metadata: object, dtype: np.dtype[Any]) -> tuple[ChannelDisplay, ...]:
    """Return colour and window of each channel; windows are parts of the range of the type."""
    top = np.iinfo(dtype).max if dtype.kind == "u" else None
    known = {_below(each, "@Id"): each for each in _each(metadata, *_SHOWN)}
    ids = [_below(each, "@Id") for each in _each(metadata, *_IMAGE, "Channels", "Channel")]
    return tuple(_display(known.get(name), top) for name in ids)


def _display(said: object, top: int | None) -> ChannelDisplay:
    colour = str(_below(said, "Color") or "")  # opacity, red, green, blue
    shown = ChannelDisplay.of({"color": colour[-6:]} if len(colour) == len("#AARRGGBB") else {})
    parts = [_number(_below(said, name) or "none") for name in ("Low", "High")]
    if top is None or any(map(math.isnan, parts)):
        return shown
    low, high = (part * top for part in parts)
    return ChannelDisplay(shown.color, (low, high, 0.0, float(top)))


def scenes_of(metadata: object) -> dict[int, str]:
    """Return the names of scenes that have one, by their number."""
    scenes = _each(metadata, *_IMAGE, "S", "Scenes", "Scene")
    found = {str(_below(each, "@Index")): _below(each, "@Name") for each in scenes}
    return {int(n): str(name) for n, name in found.items() if n.isdecimal() and name}

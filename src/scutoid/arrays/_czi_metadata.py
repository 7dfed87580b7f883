"""What the metadata of a CZI say: sizes, times, channels, how these are shown, names of scenes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scutoid.arrays._display import ChannelDisplay
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
    """Take a number; 0 where there is none."""
    try:
        return float(text or 0)
    except (TypeError, ValueError):
        return 0.0


def sizes_of(metadata: object) -> dict[str, float]:
    """Return the size of a voxel in um, by axis."""
    items = _each(metadata, *_SCALING)
    found = {str(_below(each, "@Id")).lower(): _number(_below(each, "Value")) for each in items}
    return {axis: size * _UM for axis, size in found.items() if size > 0}


def time_of(metadata: object) -> TimeScale | None:
    """Return the interval of times; None: there is none, or they are not equally far apart."""
    interval = _number(_below(metadata, *_IMAGE, *_INTERVAL))
    return time_scale(interval or None, "s", 0.0, "the CZI")[0]


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
    low, high = _below(said, "Low"), _below(said, "High")
    if top is None or low is None or high is None:
        return shown
    return ChannelDisplay(shown.color, (_number(low) * top, _number(high) * top, 0.0, float(top)))


def scenes_of(metadata: object) -> dict[int, str]:
    """Return the names of scenes that have one, by their number."""
    scenes = _each(metadata, *_IMAGE, "S", "Scenes", "Scene")
    found = {str(_below(each, "@Index")): _below(each, "@Name") for each in scenes}
    return {int(n): str(name) for n, name in found.items() if n.isdecimal() and name}

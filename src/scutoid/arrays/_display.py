"""How the channels of an image are shown: colours and windows, as files give them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeGuard

from scutoid.arrays._notes import Note

_COLOUR = re.compile(r"#?([0-9A-Fa-f]{6})")
_WINDOW = ("start", "end", "min", "max")
_ARGB_WHITE = -1
"""What OME-XML means where it gives no colour."""
_PALETTE = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
"""Colours of channels that have none, where one is required: green, magenta..."""


@dataclass(frozen=True, slots=True)
class ChannelDisplay:
    """How one channel is shown.

    Examples
    --------
    >>> shown = ChannelDisplay.of({"color": "#00ff00", "window": {"start": 5, "end": 90}})
    >>> shown.color, shown.window
    ('00FF00', (5.0, 90.0, 5.0, 90.0))
    """

    color: str | None = None
    """Red, green and blue in hexadecimal digits, such as "00FF00"; None: unknown."""
    window: tuple[float, float, float, float] | None = None
    """Values that are shown darkest and brightest, and the least and largest that these may be set
    to; None: unknown."""
    more: tuple[tuple[str, object], ...] = ()
    """What else OME-NGFF says, such as whether it is shown at all."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Take a channel of the `omero` of OME-NGFF; what is not valid in it is unknown."""
        color = said.get("color")
        found = _COLOUR.fullmatch(color) if isinstance(color, str) else None
        others = {k: v for k, v in said.items() if k not in ("label", "color", "window")}
        plain = {k: v for k, v in others.items() if isinstance(v, (bool, int, float, str))}
        window = said.get("window")
        return cls(
            None if found is None else found[1].upper(),
            _window(window) if isinstance(window, Mapping) else None,
            tuple(plain.items()),
        )

    @classmethod
    def of_ome_xml(cls, color: str | None) -> Self:
        """Take the colour of a channel of OME-XML: red, green, blue and opacity in one number."""
        number = _ARGB_WHITE if color is None else _whole(color)
        is_unknown = number in (_ARGB_WHITE, None)
        return cls(None if is_unknown else f"{(int(number or 0) & 0xFFFFFFFF) >> 8:06X}")

    @property
    def ome_xml_color(self) -> int:
        """The colour as OME-XML writes it; white where it is unknown."""
        if self.color is None:
            return _ARGB_WHITE
        number = int(f"{self.color}FF", 16)
        return number - 2**32 if number >= 2**31 else number

    @property
    def is_whole(self) -> bool:
        """Whether it has all that OME-NGFF requires."""
        return self.color is not None and self.window is not None

    def to_dict(self) -> dict[str, object]:
        """Return it as OME-NGFF has it, without what is unknown."""
        said: dict[str, object] = {} if self.color is None else {"color": self.color}
        if self.window is not None:
            said["window"] = dict(zip(_WINDOW, self.window, strict=True))
        return {"active": True, **dict(self.more), **said}

    def completed(self, number: int, n_channels: int, limits: tuple[float, float]) -> Self:
        """Return it with all that OME-NGFF requires: a colour of its own, limits of the data."""
        color = "FFFFFF" if n_channels == 1 else _PALETTE[number % len(_PALETTE)]
        return replace(self, color=self.color or color, window=self.window or (*limits, *limits))


def _whole(text: str) -> int | None:
    """Take a whole number of 32 bits; None: it is none."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if -(2**31) <= number < 2**32 else None


def not_understood(said: Sequence[Mapping[str, Any]]) -> tuple[Note, ...]:
    """Note colours and windows of an `omero` that are not valid, and so unknown."""
    found = []
    for number, channel in enumerate(said):
        color, window = channel.get("color"), channel.get("window")
        limits = [window.get(name) for name in _WINDOW[:2]] if isinstance(window, Mapping) else []
        if color is not None and ChannelDisplay.of(channel).color is None:
            found.append(f"color {color!r} of channel {number}")
        found += [
            f"{name} {limit!r} of channel {number}"
            for name, limit in zip(_WINDOW, limits, strict=False)
            if limit is not None and not _is_number(limit)
        ]
    return _note(found, 'colours are like "00FF00", limits are numbers')


def colors_not_understood(colors: Iterable[str | None]) -> tuple[Note, ...]:
    """Note colours of OME-XML that are no numbers of 32 bits, and so unknown."""
    found = [
        f"Color {color!r} of channel {number}"
        for number, color in enumerate(colors)
        if color is not None and _whole(color) is None
    ]
    return _note(found, "colours are numbers of 32 bits")


def _note(found: Sequence[str], rule: str) -> tuple[Note, ...]:
    if not found:
        return ()
    text = f"how its channels are shown is not understood, and unknown: {', '.join(found)}"
    return (Note("display", text, f"mend the metadata, where {rule}"),)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _window(said: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Return start, end, least and largest; None where start or end are not known."""
    values = [said.get(name) for name in _WINDOW]
    start, end, low, high = (float(v) if _is_number(v) else None for v in values)
    if start is None or end is None:
        return None
    return start, end, start if low is None else low, end if high is None else high


def displays_of(said: Iterable[object]) -> tuple[ChannelDisplay, ...]:
    """Take the channels of an `omero`; none where nothing of them is known."""
    found = [ChannelDisplay.of(item if isinstance(item, Mapping) else {}) for item in said]
    return known_displays(found)


def known_displays(displays: Sequence[ChannelDisplay]) -> tuple[ChannelDisplay, ...]:
    """Return how channels are shown; nothing where neither a colour nor a window is known."""
    is_known = any(each.color or each.window for each in displays)
    return tuple(displays) if is_known else ()


def without_windows(displays: Iterable[ChannelDisplay]) -> tuple[ChannelDisplay, ...]:
    """Return how channels are shown whose values are others now."""
    return known_displays([replace(each, window=None) for each in displays])

"""When the places along t were recorded: interval, unit and the time of the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from scutoid.arrays._notes import Note
from scutoid.arrays._units import UNITLESS, known_unit, ratio, short_unit, stored_unit
from scutoid.errors import MetadataError


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The times of the places along t, which are equally far apart.

    Raises
    ------
    MetadataError
        If the interval is not above 0, or the unit is none of time.

    Examples
    --------
    >>> scale = TimeScale(0.5, "minute", origin=3)
    >>> scale, scale.at(4)
    (TimeScale(interval=0.5, unit='min', origin=3.0), 5.0)
    """

    interval: float
    """From one place to the next, in `unit`."""
    unit: str | None = None
    """Short form of a unit of time, such as "s"; None: unknown."""
    origin: float = 0.0
    """Time of the first place, in `unit`."""

    def __post_init__(self) -> None:
        try:
            interval, origin = float(self.interval), float(self.origin)
        except (TypeError, ValueError):
            interval = origin = math.nan
        if not (math.isfinite(interval) and math.isfinite(origin) and interval > 0):
            raise MetadataError(
                "times are given by an interval above 0, and the time of the first place",
                value=(self.interval, self.origin),
                place="time",
                remedy='write for example time=(2.5, "s")',
            )
        object.__setattr__(self, "interval", interval)
        object.__setattr__(self, "origin", origin)
        if self.unit is not None:
            object.__setattr__(self, "unit", short_unit(self.unit, "time"))

    def to_list(self) -> list[float | str | None]:
        """Return interval, unit and time of the first place, as `of` takes them."""
        return [self.interval, self.unit, self.origin]

    @classmethod
    def of(cls, value: Self | Sequence[Any]) -> Self:
        """Take interval and unit, and the time of the first place if it is not 0."""
        if isinstance(value, cls):
            return value
        if isinstance(value, (tuple, list)) and len(value) in (2, 3):
            return cls(*value)
        raise MetadataError(
            "time= is an interval and its unit, and the time of the first place if that is not 0",
            value=value,
            place="time",
            remedy='write for example time=(2.5, "s"), or time=(2.5, "s", 60)',
        )

    def at(self, place: float) -> float:
        """Return the time of a place, in `unit`."""
        return self.origin + place * self.interval

    def moved(self, places: int) -> Self:
        """Return the times of what begins some places later."""
        return replace(self, origin=self.at(places)) if places else self

    def in_unit(self, unit: str | None) -> Self:
        """Return the same times in another unit, by its short form; the same if one is unknown."""
        if self.unit is None or unit is None:
            return self
        factor = ratio(self.unit, unit)
        return replace(
            self, interval=self.interval * factor, unit=unit, origin=self.origin * factor
        )

    def __str__(self) -> str:
        unit = "" if self.unit is None else f" {self.unit}"
        start = f" from {self.origin:g}{unit}" if self.origin else ""
        return f"every {self.interval:g}{unit}{start}"


def time_scale(
    interval: float | None, unit: str | None, origin: float, said: str
) -> tuple[TimeScale | None, tuple[Note, ...]]:
    """Return the times that a file gives, and what of them is not understood.

    Parameters
    ----------
    interval : float or None
        None: it gives none.
    unit : str or None
        As it stands in the file; None: none is given.
    origin : float
        Time of the first place, in the same unit.
    said : str
        Where the file says so, for notes.
    """
    if interval is None:
        return None, ()
    if not math.isfinite(interval) or interval <= 0 or not math.isfinite(origin):
        text = f"{said} gives {interval:g} as the interval of times, which are unknown"
        return None, (Note("time", text, 'give time=, such as time=(2.5, "s")'),)
    short = None if unit is None else known_unit(unit, "time")
    if short is None:
        if unit is None or unit.strip().lower() in UNITLESS:
            return TimeScale(interval, None, origin), ()
        text = f"{said} gives times in what is no known unit of time, {unit!r}"
        note = Note("time", text, 'give time=, such as time=(2.5, "s")')
        return TimeScale(interval, None, origin), (note,)
    to = stored_unit(short)
    factor = ratio(short, to)
    return TimeScale(interval * factor, to, origin * factor), ()

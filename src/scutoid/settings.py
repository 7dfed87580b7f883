"""Settings that stand in the environment, as times with a unit."""

from __future__ import annotations

import datetime as dt
import os
import re
from typing import Literal

from scutoid.errors import ParameterError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
"""Seconds of the units of a time."""


def time_of(variable: str, default: float, *, least: float = 0.0, why: str = "") -> float:
    """Return the seconds that a variable of the environment says.

    Parameters
    ----------
    variable : str
        Its name.
    default : float
        Seconds, where it is not set.
    least : float
        Seconds below which it is refused.
    why : str
        Why there is a least time.

    Raises
    ------
    ParameterError
        If it has no unit, or is too short.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    seconds = parse_duration(text, variable)
    if seconds < least:
        raise ParameterError(
            f"this time is {least:g}s or more{f': {why}' if why else ''}",
            value=text,
            place=variable,
            remedy=f"set {variable}={default:g}s, or leave it out for that",
        )
    return seconds


def parse_duration(time: str | dt.timedelta | Literal[0], place: str | None = None) -> float:
    """Return seconds: of a text such as "90s", "45m", "12h", "30d", "2w"; 0 needs no unit.

    Raises
    ------
    ParameterError
        If it is something else: a number says no unit.

    Examples
    --------
    >>> parse_duration("12h"), parse_duration(dt.timedelta(days=1))
    (43200.0, 86400.0)
    """
    if isinstance(time, dt.timedelta):
        return time.total_seconds()
    text = str(time).strip()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text)
    if found is None and text in ("0", "0.0"):
        return 0.0
    if found is None:
        number = text if re.fullmatch(r"\d+(?:\.\d+)?", text) else "30"
        raise ParameterError(
            "a time has a unit: s, m, h, d or w",
            value=time,
            place=place,
            remedy=f"write {number}d for days, {number}h for hours, {number}s for seconds",
        )
    return float(found[1]) * UNITS[found[2]]

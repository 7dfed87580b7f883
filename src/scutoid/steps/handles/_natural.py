"""Natural order: numbers in text by what they are, so that s10 follows s9."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(\d+)")


def natural(text: str) -> list[tuple[int, float, str]]:
    """Return what sorts text by the numbers in it.

    Examples
    --------
    >>> sorted(["s10", "s9", "s1"], key=natural)
    ['s1', 's9', 's10']
    """
    return [(1, int(p), p) if p.isdecimal() else (0, 0, p) for p in _NUMBER.split(text)]


def natural_value(value: object) -> list[tuple[int, float, str]]:
    """Return what sorts values: numbers first, by what they are, then text.

    Examples
    --------
    >>> sorted(["b2", 10, "b10", 9], key=natural_value)
    [9, 10, 'b2', 'b10']
    """
    return [(-1, value, "")] if isinstance(value, (int, float)) else natural(str(value))

"""Text that comes from outside, parsed, JSON of any depth; and sizes, written."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse_json", "size_text"]


def parse_json(text: str | bytes) -> Any:
    """Return what a text of JSON holds.

    Raises
    ------
    ValueError
        If it is no JSON, or nested so deep that nothing of ours wrote it.

    Examples
    --------
    >>> parse_json('{"a": [1]}')
    {'a': [1]}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: its lists and objects are nested too deep
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its lists and objects are nested too deep") from None


def size_text(nbytes: int) -> str:
    """Return a number of bytes as it is written for people, such as 1.5 MB.

    Examples
    --------
    >>> size_text(512), size_text(1_500_000)
    ('512 bytes', '1.5 MB')
    """
    if nbytes < 1000:
        return f"{nbytes} bytes"
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= size:
            return f"{nbytes / size:.3g} {unit}"
    return ""

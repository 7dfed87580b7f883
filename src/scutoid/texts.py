"""Text that comes from outside, parsed, JSON of any depth; and sizes, written."""

from __future__ import annotations

import json
import sys
from math import isfinite
from typing import Any

__all__ = ["json_text", "parse_json", "size_text"]

_DEEPEST = 900
"""Lists and objects inside one another that are read: a Python of 1,000 calls writes no more.

From 3.12 on the parser, which is in C, takes several thousand, of which functions of Python make
nothing any more."""
_COUNTS_CALLS = sys.version_info < (3, 12)
"""Whether the parser is bound by the calls that Python allows."""
_WORDS = {None: "null", False: "false", True: "true"}


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
        value = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    if not _COUNTS_CALLS and _n_opened(text) > _DEEPEST and _is_deep(value):
        raise _too_deep()
    return value


def _too_deep() -> ValueError:
    return ValueError("its lists and objects are nested too deep")


def _n_opened(text: str | bytes) -> int:
    """Return how many lists and objects a text has at most."""
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _is_deep(value: object) -> bool:
    """Whether more lists and objects than are read lie in one another."""
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [
            item
            for each in level
            if isinstance(each, (dict, list))
            for item in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def json_text(
    value: object, *, indent: int = 1, ensure_ascii: bool = True, allow_nan: bool = True
) -> str:
    """Return a value as indented JSON: what `json.dumps` returns, in half its time.

    Raises
    ------
    TypeError
        If JSON has no word for something in it.
    ValueError
        If a number is none and `allow_nan` is false.

    Examples
    --------
    >>> print(json_text({"a": [1, 2.5], "b": {}}))
    {
     "a": [
      1,
      2.5
     ],
     "b": {}
    }
    """
    writer = _JsonWriter(indent, ensure_ascii=ensure_ascii, allow_nan=allow_nan)
    writer.add(value, "\n")
    return "".join(writer.parts)


class _JsonWriter:
    """Collects the parts of a text of JSON, of which the encoder in C knows no indented form."""

    def __init__(self, indent: int, *, ensure_ascii: bool, allow_nan: bool) -> None:
        self.parts: list[str] = []
        self._indent = " " * indent
        self._text = json.encoder.encode_basestring_ascii  # in C, as the other one
        if not ensure_ascii:
            self._text = json.encoder.encode_basestring
        encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, allow_nan=allow_nan)
        self._encode = encoder.encode

    def add(self, value: object, line: str) -> None:
        """Add a value; `line` begins a line of what it stands in."""
        kind = type(value)
        if kind is str:
            self.parts.append(self._text(value))  # type: ignore[arg-type]
        elif kind is int or (kind is float and isfinite(value)):  # type: ignore[arg-type]
            self.parts.append(repr(value))
        elif value is None or kind is bool:
            self.parts.append(_WORDS[value])  # type: ignore[index]
        elif isinstance(value, dict) and value:
            self._add_items(value, line)
        elif isinstance(value, (list, tuple)) and value:
            inner = line + self._indent
            start = "[" + inner
            for item in value:
                self.parts.append(start)
                self.add(item, inner)
                start = "," + inner
            self.parts.append(line + "]")
        else:
            self.parts.append(self._encode(value))

    def _add_items(self, value: dict[object, object], line: str) -> None:
        inner, add, text = line + self._indent, self.parts.append, self._text
        start = "{" + inner
        for key, item in value.items():
            name = text(key if isinstance(key, str) else self._name(key))
            if type(item) is str:
                add(f"{start}{name}: {text(item)}")
            else:
                add(f"{start}{name}: ")
                self.add(item, inner)
            start = "," + inner
        add(line + "}")

    def _name(self, key: object) -> str:
        """Return what a name that is no text, such as a number, is called in an object."""
        if key is None or isinstance(key, (bool, int, float)):
            return self._encode(key)
        raise TypeError(f"names in JSON are texts, not {type(key).__name__}")


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

"""Find text that names a file, which counts as text and not by the file's content."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NAME = re.compile(r"[^\0\n]*(\.\w{1,8}|[/\\][^\0\n]+)\Z")
_MOST = 1000


def names_a_file(text: str) -> bool:
    """Whether text looks like the name of a file, and is one.

    Examples
    --------
    >>> names_a_file("linear"), names_a_file("no/such/file.tif")
    (False, False)
    """
    return len(text) < _MOST and bool(_NAME.match(text)) and os.path.isfile(text)  # noqa: PTH113


def file_names_in(value: object) -> list[str]:
    """Return text in a value that names files: also in lists, dicts, dataclasses and tables.

    Of much text the first thousand pieces are looked at.
    """
    texts = itertools.islice(_texts(value, 0), _MOST)
    return [text for text in dict.fromkeys(texts) if names_a_file(text)]


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < _DEPTH:
        for item in _items(value):
            yield from _texts(item, depth + 1)


_DEPTH = 6


def _items(value: Any) -> Iterable[object]:
    """Return what a value holds, as far as there may be text in it."""
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, item.name, None) for item in dataclasses.fields(value)]
    if type(value).__name__ == "DataFrame":
        return [column for _, column in value.items()]
    if type(value).__name__ == "Series":
        return value.iloc[:_MOST].tolist() if value.dtype.kind not in "biufcmM" else ()
    return ()

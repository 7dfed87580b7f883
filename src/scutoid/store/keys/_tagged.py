"""What encoders share: tagged bytes, and the refusal of a value that has no stable form."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Protocol

from scutoid.errors import ParameterError

_LENGTH = struct.Struct("<Q")

Hook = Callable[[object, str], bytes]
"""Encodes a value; the text is what the value is called in errors."""
PathHook = Callable[[PurePath, str], bytes]
"""The same of a path."""


def tagged(tag: str, *parts: bytes) -> bytes:
    """Join bytes so that no other tag or other parts give the same."""
    pieces = [tag.encode(), b"("]
    for part in parts:
        pieces += (_LENGTH.pack(len(part)), part)
    pieces.append(b")")
    return b"".join(pieces)


NO_FORM = "a value that enters a key has a form that is the same in every run"
"""The rule that `refuse` names."""


def refuse(value: object, where: str) -> bytes:
    """Refuse a value that has no stable form.

    Raises
    ------
    ParameterError
        Always.
    """
    raise ParameterError(
        NO_FORM,
        value=name_of_type(value),
        place=where,
        remedy="pass numbers, text, arrays, dataclasses or paths instead, or give its class a "
        "method __scutoid_key__ that returns these",
    )


def name_of_type(value: object) -> str:
    """Name the class of a value, with its module.

    Examples
    --------
    >>> name_of_type(1.5)
    'builtins.float'
    """
    return f"{type(value).__module__}.{type(value).__qualname__}"


class Encodes(Protocol):
    """What encodes values, as those ask of it that encode a part of one; see `Encoder`."""

    def code(self, value: object, where: str) -> bytes:
        """Encode a function or a class."""
        ...

    def encode(self, value: object, where: str) -> bytes:
        """Encode a value, or refuse it."""
        ...

    def lenient(self, value: object, where: str) -> bytes:
        """Encode a value, or note that it does not count."""
        ...

    def note(self, text: str) -> None:
        """Tell what does not count."""
        ...

    def items(self, tag: str, values: Iterable[object], where: str) -> bytes:
        """Encode values in their order."""
        ...

"""What follows code, as those ask of it that follow names and classes for it; see `Walk`."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Mapping
from typing import Protocol

from scutoid.store.keys._source import Source


class Follows(Protocol):
    """Follows what a function reaches."""

    parts: dict[str, str]
    """Digest of each function, class and constant that was reached."""
    opaque: set[str]
    """What could not be followed."""
    stale: set[str]
    """Functions whose file was edited after it was loaded."""

    def code(self, value: object, where: str) -> bytes:
        """Follow a function, class or module; what stands for it is its label."""
        ...

    def lenient(self, value: object, where: str) -> bytes:
        """Encode a value, or note that it does not count."""
        ...

    def told(self, settings: Mapping[str, object], where: str) -> list[str]:
        """Digest what an object was told, without what may be a cache."""
        ...

    def name_file(self, text: str, place: str) -> None:
        """Note a file that code names, whose content does not count."""
        ...

    def package(self, module: object) -> None:
        """Take note of the package of a module."""
        ...

    def outside(self, function: types.FunctionType, source: Source | None) -> None:
        """Note what a function reads besides its arguments."""
        ...

    def defaults(self, function: types.FunctionType, where: str) -> bytes:
        """Encode the defaults of a method."""
        ...


def sha256(text: str | bytes) -> str:
    """Return the hexadecimal digest of text or bytes."""
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()


def short_name(name: str) -> str:
    """Return a qualified name without the functions that it was defined in."""
    return name.rpartition("<locals>.")[2]

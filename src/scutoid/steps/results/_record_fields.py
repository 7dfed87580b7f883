"""Take the fields of a record from JSON, strictly: each is there and of its type, or it is damage.

A record names its version; one that names none is of version 1, which was written before versions
were.  A later version is refused.  Fields that are not known are passed over, so a version may gain
fields that a reader can do without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

from scutoid.errors import DamagedResult, StoreError
from scutoid.paths import is_inner_name
from scutoid.regular import read_regular
from scutoid.texts import parse_json

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)
VERSION_FIELD = "version"
"""Name of the field that a version stands in."""
FIRST_VERSION = 1
"""Of a record that names none."""
_LONGEST = 200
_REMEDY = "run again: what cannot be read is made again"


class Fields:
    """The content of a record as it stands in JSON.

    Parameters
    ----------
    content : object
        What was read from JSON.
    record : str
        What the record is called in errors, such as "list of members".
    place : path
        Where it lies.
    remedy : str, optional
        What to do if it is damaged.

    Raises
    ------
    DamagedResult
        If the content is no object.
    """

    __slots__ = ("content", "place", "record", "remedy")

    def __init__(
        self, content: object, record: str, place: Path | str, remedy: str = _REMEDY
    ) -> None:
        self.record = record
        self.place = place
        self.remedy = remedy
        if type(content) is not dict:
            self.refuse("is an object", content)
        self.content: Mapping[str, object] = content

    @classmethod
    def parse(
        cls, text: str | bytes, record: str, place: Path | str, remedy: str = _REMEDY
    ) -> Fields:
        """Take the text of a file.

        Raises
        ------
        DamagedResult
            If it is no JSON, or no object.
        """
        try:
            content = parse_json(text)
        except ValueError as error:
            cls({}, record, place, remedy).refuse("is JSON", str(error))
        return cls(content, record, place, remedy)

    def check_version(self, known: int, name: str = VERSION_FIELD) -> None:
        """See that the record is of a version that is known; `name` is the field that says it.

        Raises
        ------
        StoreError
            If it is of a later one; a `DamagedResult` if it names something else.
        """
        version = self.content.get(name, FIRST_VERSION)
        if type(version) is not int or version < 1:
            self.refuse(f"has a whole number as its {name!r}", version)
        if version > known:
            raise StoreError(
                f"this version of scutoid reads a {self.record} of version {known}",
                value=version,
                place=str(self.place),
                remedy="update scutoid, or choose another store",
            )

    def take(self, name: str, read: Callable[[object], T]) -> T:
        """Return a field as `read` gives it.

        Raises
        ------
        DamagedResult
            If it is missing, or `read` raises a TypeError or ValueError.
        """
        try:
            value = self.content[name]
        except KeyError:
            self.refuse(f"has a field {name!r}", f"only {', '.join(self.content) or 'none'}")
        try:
            return read(value)
        except (TypeError, ValueError) as error:
            self.refuse(f"has what belongs there in its field {name!r}", value, error)

    def find(self, name: str, read: Callable[[object], T], default: T) -> T:
        """Return a field, or `default` if there is none of that name.

        Raises
        ------
        DamagedResult
            If `read` raises a TypeError or ValueError.
        """
        return self.take(name, read) if name in self.content else default

    def within(self, name: str) -> Callable[[object], Fields]:
        """Return what reads a record that stands in a field of this one."""
        record = f"{name} in a {self.record}"
        return lambda content: Fields(content, record, self.place, self.remedy)

    def refuse(self, rule: str, value: object, cause: Exception | None = None) -> NoReturn:
        """Raise what says that the record is damaged."""
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        raise DamagedResult(
            f"{_article(self.record)} {self.record} {rule}",
            value=shown[:_LONGEST],
            place=str(self.place),
            remedy=self.remedy,
        ) from cause


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


class _Reader(Protocol[R_co]):
    """Reads the text of a file."""

    def __call__(self, content: bytes, /, *, place: Path) -> R_co:
        """Return the record."""
        ...


def read_file(path: Path, read: _Reader[T]) -> T | None:
    """Read a record from its file; None if there is no such file, or it is damaged.

    Raises
    ------
    StoreError
        If it is of a later version.
    """
    try:
        content = read_regular(path)
    except OSError:
        return None
    try:
        return read(content, place=path)
    except DamagedResult:
        return None


def text(value: object) -> str:
    """Take text."""
    return _of(value, str)


def inner_name(value: object) -> str:
    """Take the name of a file below the folder of the record: a relative path without ``..``."""
    found = text(value)
    if not is_inner_name(found):
        raise ValueError("it leads out of its folder")
    return found


def truth(value: object) -> bool:
    """Take true or false."""
    return _of(value, bool)


def whole(value: object) -> int:
    """Take a whole number; true is none."""
    return _of(value, int)


def count(value: object) -> int:
    """Take a whole number of 0 or more."""
    found = whole(value)
    if found < 0:
        raise ValueError("negative")
    return found


def number(value: object) -> float:
    """Take a number, whole or not."""
    return float(value) if type(value) is int else _of(value, float)


def optional(read: Callable[[object], T]) -> Callable[[object], T | None]:
    """Take null, or what `read` takes."""
    return lambda value: None if value is None else read(value)


def items(read: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    """Take a list of what `read` takes."""
    return lambda value: tuple([read(item) for item in _of(value, list)])


def mapping(value: object) -> dict[str, object]:
    """Take an object."""
    return _of(value, dict)


def texts(value: object) -> dict[str, str]:
    """Take an object whose values are text."""
    found = mapping(value)
    kept = {name: item for name, item in found.items() if type(item) is str}
    if len(kept) != len(found):
        raise TypeError("not all of it is text")
    return kept


def _of(value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise TypeError(f"a {type(value).__name__}")
    return value

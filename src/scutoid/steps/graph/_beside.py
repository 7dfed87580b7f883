"""The files that reading a member opens beside the member's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from scutoid.errors import ParameterError, SourceError, SourceNotFound
from scutoid.paths import normal

Beside = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""One path, or some."""


def paths_beside(reads: Callable[[str], Beside], path: str) -> tuple[str, ...]:
    """Return what a user's function says that reading a file opens, absolute, the file left out.

    Raises
    ------
    SourceError
        If the function fails.
    ParameterError
        If it gives something else than paths.
    SourceNotFound
        If there is nothing at one of them.
    """
    try:
        given = reads(path)
        listed = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    except Exception as error:
        raise SourceError(
            "reads= says of each file which others are read with it",
            value=f"{type(error).__name__}: {error}",
            place=path,
            remedy="mend reads=, which returns a path or a list of paths; an empty list for none",
        ) from error
    own = normal(path)
    found = dict.fromkeys(_path(item, path) for item in listed)
    found.pop(own, None)
    for place in found:
        if not os.path.exists(place):  # noqa: PTH110  # for each of 100,000 members
            raise SourceNotFound(
                "what reads= names is there",
                value=place,
                place=f"reads= of {path}",
                remedy="restore it, or leave out of the list what a file does not have",
            )
    return tuple(found)


def _path(item: object, path: str) -> str:
    if not isinstance(item, (str, os.PathLike)):
        raise ParameterError(
            "reads= returns a path, or a list of paths",
            value=repr(item),
            place=f"reads= of {path}",
        )
    return normal(item)

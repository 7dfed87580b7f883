"""Paths as people and files give them: made absolute once, and never led out of their folder.

::

    absolute("../results")              where the operating system would go, without ".."
    inside(folder, "items/A01.tif")     a name that was read from a file, joined to its folder
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from scutoid.errors import DamagedResult, ParameterError, SourceNotFound

__all__ = [
    "absolute",
    "absolute_text",
    "broken_link",
    "check_is_no_url",
    "inside",
    "is_inner_name",
    "normal",
    "shown_path",
]


_NOT_INNER = {"", os.curdir, os.pardir}
_URL_AS_PATH = re.compile(r"(s3a?|gs|gcs|https?|abfss?|az|ftp|memory|file):/(?!/)")


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of what a person names: ``~`` is their home, see `normal`.

    ``~name`` is the home of a user, and a name like any other where there is no such user.

    Raises
    ------
    ParameterError
        If it is a URL that a `Path` was made of, which leaves it one slash.

    Examples
    --------
    >>> absolute("/data/plate/../results")
    PosixPath('/data/results')
    """
    return Path(absolute_text(path))


def absolute_text(path: str | os.PathLike[str]) -> str:
    """Return the same as text, for each of many files.

    Raises
    ------
    ParameterError
        As of `absolute`.
    """
    text = os.fspath(path)
    check_is_no_url(text)
    return normal(os.path.expanduser(text))  # noqa: PTH111  # pathlib raises


def check_is_no_url(path: str) -> None:
    """Refuse a path that was a URL once.

    Raises
    ------
    ParameterError
        If it is a URL that a `Path` was made of, which leaves it one slash.
    """
    if (found := _URL_AS_PATH.match(path)) is not None:
        raise ParameterError(
            "a URL is given as text: a Path has one slash of it less",
            value=path,
            remedy=f'write "{found[1]}://{path[found.end() :]}"',
        )


def normal(path: str | os.PathLike[str]) -> str:
    """Return an absolute path without ``..`` as text.

    A ``..`` is followed as the operating system does it: behind a link to a folder it leads to the
    folder above that folder, not to the one that the link lies in.  Other links stay as they are.

    Examples
    --------
    >>> normal("/data//plate/./A01.tif")
    '/data/plate/A01.tif'
    """
    text = os.fspath(path)
    if text[:1] == os.sep == "/" and "/." not in text and "//" not in text and text[-1] != "/":
        return text  # as most of 100,000 members are
    if os.pardir in text and os.pardir in (parts := Path(text).parts):
        last = len(parts) - parts[::-1].index(os.pardir)
        text = str(Path(os.path.realpath(Path(*parts[:last])), *parts[last:]))
    text = os.path.abspath(text)  # noqa: PTH100  # pathlib would take half of the time of a plan
    return text[1:] if text.startswith("//") else text


def shown_path(path: str) -> str:
    """Return a path that is not there as it is shown: of a link with what it leads to.

    Examples
    --------
    >>> shown_path("/data/A01.tif")
    '/data/A01.tif'
    """
    # os.path, unlike pathlib, says "no" of what no file can be called
    return f"{path}, a link to {os.readlink(path)}" if os.path.islink(path) else path  # noqa: PTH114, PTH115


def broken_link(path: str, *, n_more: int = 0, remedy: str | None = None) -> SourceNotFound:
    """Return the error of a link that leads to nothing, which is the first of some.

    Parameters
    ----------
    path : str
        The link.
    n_more : int
        How many others there are.
    remedy : str, optional
        What else helps than to restore what it leads to.
    """
    restored = "restore it (of a data set of DataLad or git-annex: git annex get)"
    return SourceNotFound(
        "what a link leads to is there",
        value=f"{Path(path).readlink()}" + (f"; and {n_more} more such links" if n_more else ""),
        place=path,
        remedy=restored if remedy is None else f"{restored}, or {remedy}",
    )


def is_inner_name(name: str) -> bool:
    """Whether a relative path leads to something below the folder that it is joined to.

    Examples
    --------
    >>> [is_inner_name(name) for name in ("items/A01.tif", "../A01.tif", "/A01.tif", "a/../..", "")]
    [True, False, False, False, False]
    """
    if "\0" in name or not (name.isascii() or _is_encodable(name)):
        return False
    if "/" not in name:  # most of 100,000 members
        return name not in _NOT_INNER
    return _NOT_INNER.isdisjoint(name.split("/"))


def _is_encodable(name: str) -> bool:
    """Whether a file can have a name: half of a character has no bytes."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def inside(folder: Path, name: str) -> Path:
    """Join a name that was read from a file to the folder that it belongs to.

    Parameters
    ----------
    folder : Path
        The folder; it may itself be reached by links.
    name : str
        A relative path, with slashes.

    Raises
    ------
    DamagedResult
        If it leads out of the folder: as an absolute path, by ``..``, or by a link.
    """
    if not is_inner_name(name):
        raise _leaving(folder, name)
    path = str(folder)
    for part in name.split("/"):
        path = f"{path}/{part}"
        if os.path.islink(path):  # noqa: PTH114  # plain text: there may be 100,000 members
            real = os.path.realpath(folder / name)
            if not real.startswith(f"{os.path.realpath(folder)}/"):
                raise _leaving(folder, f"{name}, by a link to {real}")
            break
    return folder / name


def _leaving(folder: Path, value: str) -> DamagedResult:
    return DamagedResult(
        "a name that stands in a store leads to a file in its own folder",
        value=value,
        place=str(folder),
        remedy="scutoid writes no such names and no such links: move the link away, or remove the "
        "result, and run again",
    )

"""Write files beside their place, sync them and rename them: the old one or the new, never a half.

One way to name what is not finished serves all that scutoid writes, so that what a killed process
has left is known by its name.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scutoid.errors import ScutoidError, StoreError, UnwritableStore

__all__ = [
    "beside",
    "is_beside",
    "obstacle_in",
    "replacing",
    "store_error",
    "sync_file",
    "sync_folder",
    "write_secret",
    "writing",
]

_FULL = "free some space and run again; what was finished is kept"
_LASTING = {
    errno.ENOSPC: f"the disk is full: {_FULL}",
    errno.EDQUOT: f"your quota is used up: {_FULL}",
    errno.EROFS: "the file system is read-only: choose another folder for the store, or have it "
    "mounted for writing and run again; what was finished is kept",
}
"""What no later block can be written for either."""
_REMEDIES = {
    **_LASTING,
    errno.EFBIG: "the file system takes no files of this size: choose another folder for the store",
    errno.EACCES: "you may not read or write here: choose another folder, or change its rights",
    errno.EPERM: "you may not read or write here: choose another folder, or change its rights",
    errno.ENOTDIR: "a part of the path is a file: choose another folder for the store",
    errno.ENAMETOOLONG: "the path is too long: choose a store nearer to the root, or shorter names",
}
_OTHERWISE = "check the disk; what was finished before is kept, so run again"
_NUMBER = re.compile(r"(?:os_error_code='|\[OS error )(\d+)")
_PROBE = b"\0" * 2**16

_NEW = ".new"
_BESIDE = re.compile(r"\..*\.\d+-\d+\.new(\.[^.]*)?", re.DOTALL)
_LONGEST = 180
"""Bytes of a name that are kept: a file system allows 255 for the whole."""


def beside(path: Path, *, ending: str = _NEW) -> Path:
    """Return a path in the same folder, for what is to be renamed to `path` or was there before.

    Nobody can guess it and put a link of theirs there, in a folder that others can write to.

    Parameters
    ----------
    path : Path
        A file or folder.
    ending : str
        Stands before the suffix of `path`, which is kept: what is written often goes by it.

    Examples
    --------
    >>> name = beside(Path("image.ome.tif")).name
    >>> name.startswith(".image.ome."), name.endswith(".new.tif"), is_beside(name)
    (True, True, True)
    """
    stem = path.stem.encode()[:_LONGEST].decode(errors="ignore")
    return path.with_name(f".{stem}.{os.getpid()}-{secrets.randbits(64)}{ending}{path.suffix}")


def is_beside(name: str) -> bool:
    """Whether a file name is one that `beside` gives to what is not finished."""
    return _BESIDE.fullmatch(name) is not None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file whole: what is written to the path given is renamed to `path` once synced.

    If the body raises, what it wrote is removed and `path` stays as it was.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    new = beside(path)
    try:
        yield new
        sync_file(new)
        os.replace(new, path)  # noqa: PTH105  # for each of many files
    except BaseException as error:
        # numpy says of a write that came short only that it did; asked before there is room again.
        is_short = isinstance(error, OSError) and error.errno is None
        obstacle = None
        if is_short and not isinstance(error, ScutoidError):
            obstacle = obstacle_in(path.parent)
        with suppress(OSError):
            new.unlink()
        if obstacle is not None:
            raise obstacle from error
        raise
    sync_folder(path.parent)


def obstacle_in(folder: Path) -> OSError | None:
    """Return why no file can be written into a folder; None if one can: a small one is tried."""
    probe = beside(folder / "probe")
    try:
        probe.write_bytes(_PROBE)
        sync_file(probe)
    except OSError as error:
        return error
    finally:
        with suppress(OSError):
            probe.unlink()
    return None


def store_error(
    error: Exception,
    place: str | os.PathLike[str],
    *,
    rule: str = "the store can be written and read",
    remedy: str = _OTHERWISE,
) -> StoreError:
    """Return an error that says what the operating system refused, where, and what to do.

    Parameters
    ----------
    error : Exception
        Of the operating system, or of a library that names its number.
    place : path
        What was written or read.
    rule : str
        What must hold.
    remedy : str
        What to do where the number does not tell.

    Returns
    -------
    StoreError
        An `UnwritableStore` if nothing else can be written there either.
    """
    number = _number_of(error)
    kind = UnwritableStore if number in _LASTING else StoreError
    if number is not None:
        found = os.strerror(number)
    else:
        found = getattr(error, "strerror", None) or str(error)[:500]
    remedy = remedy if number is None else _REMEDIES.get(number, remedy)
    return kind(rule, value=found, place=os.fspath(place), remedy=remedy)


def _number_of(error: BaseException) -> int | None:
    """Return the number of the operating system's error that is behind an error."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno is not None:
            return behind.errno
        if found := _NUMBER.search(str(behind)):  # as tensorstore says it
            return int(found[1])
        behind = behind.__cause__
    return None


@contextmanager
def writing(path: Path, what: str) -> Iterator[Path]:
    """Replace a file that a user named whole, as `replacing`.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What is written, for errors: "the sheet of a sweep".

    Raises
    ------
    StoreError
        If it cannot be written; the file stays as it was.
    """
    try:
        with replacing(path) as new:
            yield new
    except OSError as error:
        if isinstance(error, ScutoidError):
            raise
        raise StoreError(
            f"{what} is written into a folder that is there, and may be written to",
            value=error.strerror or str(error),
            place=str(path),
            remedy="make the folder, or give another path",
        ) from error


def write_secret(path: Path, text: str) -> None:
    """Replace a file whole by one that only its owner can read, from its first byte on.

    A link at `path` is replaced, not followed.

    Raises
    ------
    OSError
        If the file cannot be written; what was at `path` stays as it was.
    """
    with replacing(path) as new:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "w") as file:
            file.write(text)


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; their renames are ordered by the server.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

"""Files that are files: named pipes, sockets and devices are refused before they are opened.

Opening a named pipe waits until somebody writes to it, a device may never end or do something when
it is opened, and neither has voxels or records that could be read twice.
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from scutoid.errors import SourceError

__all__ = [
    "check_regular",
    "kind_of_other",
    "open_regular",
    "opened_regular",
    "read_regular",
    "refuse_other",
]

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def kind_of_other(path: str | os.PathLike[str]) -> str | None:
    """Return what something is that is neither a file nor a folder; None: it is, or is not there.

    Examples
    --------
    >>> kind_of_other("/dev/null"), kind_of_other("/dev"), kind_of_other("/dev/none")
    ('a character device', None, None)
    """
    try:
        status = os.stat(path)  # noqa: PTH116  # for each of many files
    except (OSError, ValueError):
        return None
    return _KINDS.get(stat.S_IFMT(status.st_mode))


def refuse_other(path: str | os.PathLike[str], kind: str) -> SourceError:
    """Return the error of something that is no file."""
    return SourceError(
        "what is read is a file or a folder, so that it ends and can be read again",
        value=kind,
        place=os.fspath(path),
        remedy="write what it gives into a file, and name that; or leave it out",
    )


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuse what is neither a file nor a folder; what is not there is no matter of this.

    Raises
    ------
    SourceError
        If it is a named pipe, a socket or a device, also by a link.
    """
    kind = kind_of_other(path)
    if kind is not None:
        raise refuse_other(path, kind)


def open_regular(path: str | os.PathLike[str]) -> int:
    """Open a file for reading, and nothing that is no file; return its descriptor.

    Raises
    ------
    SourceError
        If it is a named pipe, a socket or a device.
    OSError
        If it cannot be opened.
    """
    check_regular(path)
    # It may have been replaced since: then opening does not wait, and what was opened is refused.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    kind = _KINDS.get(stat.S_IFMT(os.fstat(descriptor).st_mode))
    if kind is not None:
        os.close(descriptor)
        raise refuse_other(path, kind)
    return descriptor


def opened_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading, as ``open(path, "rb")`` does.

    Raises
    ------
    SourceError
        If it is a named pipe, a socket or a device.
    OSError
        If it cannot be opened.
    """
    return os.fdopen(open_regular(path), "rb")


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    SourceError
        If it is a named pipe, a socket or a device.
    OSError
        If it cannot be read.
    """
    descriptor = open_regular(path)
    try:
        size = os.fstat(descriptor).st_size
        content = os.read(descriptor, size + 1)  # an object of a file would take as long
    finally:
        os.close(descriptor)
    if size and len(content) == size:
        return content
    with opened_regular(path) as file:  # it grows, or does not say its size
        return file.read()

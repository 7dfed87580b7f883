"""The other files of an image, open while pages of them are read.

An image may have thousands of files: tifffile closes each once it has seen its pages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tifffile import FileHandle, TiffFile, TiffFrame, TiffPage

_USERS: dict[FileHandle, int] = {}
"""How many threads read from each of those that are open."""


@contextlib.contextmanager
def readable(file: TiffFile, page: TiffPage | TiffFrame) -> Iterator[FileHandle]:
    """Lend the handle of the file that a page lies in, which other threads may read from too.

    Its position is guarded by its own lock.

    Parameters
    ----------
    file : tifffile.TiffFile
        The file that was opened.
    page : tifffile.TiffPage or tifffile.TiffFrame
        A page of it, or of another file of its image.
    """
    handle = page.parent.filehandle
    if page.parent is file:
        yield handle
        return
    with file.filehandle.lock:
        if handle not in _USERS:
            handle.set_lock(True)
            handle.open()
        _USERS[handle] = _USERS.get(handle, 0) + 1
    try:
        yield handle
    finally:
        with file.filehandle.lock:
            _USERS[handle] -= 1
            if not _USERS[handle]:
                del _USERS[handle]
                handle.close()

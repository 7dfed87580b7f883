"""The open TIFF files of this process: the last few used, never closed while being read."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scutoid.arrays._ome_companion import is_ome_xml, ome_text
from scutoid.arrays._parts import stream_at
from scutoid.arrays._source import Stamp
from scutoid.arrays._tiff_images import numbered_xml
from scutoid.arrays._tiff_words import few_words

if TYPE_CHECKING:
    from tifffile import TiffFile

_LIMIT = 16


def open_pages(path: str, *, ome: bool | str = True) -> TiffFile:
    """Open a TIFF; images of its OME-XML have their numbers as names, where there are several.

    Parameters
    ----------
    path : str
        The file.
    ome : bool or str
        Whether its OME-XML is followed, if it has any; or a file that has it in its place.
    """
    import tifffile

    place = stream_at(path)
    if ome is False:
        return tifffile.TiffFile(place, is_ome=False)
    file = tifffile.TiffFile(place, omexml=ome_text(ome) if isinstance(ome, str) else None)
    if not file.is_ome and len(file.pages) and is_ome_xml(file.pages.first.description):
        file.is_ome = True  # tifffile takes for OME-XML what ends as it does
    numbered = numbered_xml(file.ome_metadata)
    if numbered is None:
        return file
    file.close()
    return tifffile.TiffFile(stream_at(path), omexml=numbered)


@dataclass(slots=True)
class _Held:
    file: TiffFile
    users: int = 0


class OpenFiles:
    """Keeps parsed TIFF files open between reads.

    Parameters
    ----------
    limit : int
        Number of files that stay open while they are not being read.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[object, ...], _Held] = OrderedDict()
        self._lock = threading.Lock()
        self._closes_at_exit = False

    @contextlib.contextmanager
    def borrow(
        self, path: str, stamps: tuple[Stamp, ...], *, ome: bool | str = True
    ) -> Iterator[TiffFile]:
        """Lend the open file of this version, which other threads may be reading too.

        Its position and its pages are guarded by ``file.filehandle.lock``.  Its OME-XML is
        followed or left alone as in `open_pages`.
        """
        key = path, stamps, ome
        with self._lock:
            held = self._held.get(key)
            if held is None:
                with few_words(path):
                    held = self._hold(key, open_pages(path, ome=ome))
            held.users += 1
            self._held.move_to_end(key)
        try:
            with few_words(path):
                yield held.file
        finally:
            with self._lock:
                held.users -= 1
                self._close_idle(self._limit)

    def keep(
        self, file: TiffFile, path: str, stamps: tuple[Stamp, ...], *, ome: bool | str = True
    ) -> None:
        """Take a file that `open_pages` has opened, whose version is sure."""
        key = path, stamps, ome
        with self._lock:
            if key in self._held:
                file.close()
                return
            self._hold(key, file)
            self._close_idle(self._limit)

    def _hold(self, key: tuple[object, ...], file: TiffFile) -> _Held:
        file.filehandle.set_lock(True)
        held = self._held[key] = _Held(file)
        if not self._closes_at_exit:
            atexit.register(self.close)
            self._closes_at_exit = True
        return held

    def close(self) -> None:
        """Close all files that are not being read."""
        with self._lock:
            self._close_idle(0)

    def _close_idle(self, limit: int) -> None:
        for key in [key for key, held in self._held.items() if held.users == 0]:
            if len(self._held) <= limit:
                break
            self._held.pop(key).file.close()


FILES = OpenFiles()
"""The open files of this process."""

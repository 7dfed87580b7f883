"""Images in one file at a URL: copied whole, once for each version that the server has."""

from __future__ import annotations

import functools
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays._source import ArraySource, SourceIdentity, WrappedSource
from scutoid.errors import ScutoidError
from scutoid.geometry import Roi
from scutoid.remote import RemoteFile, download

_copies: dict[str, tuple[RemoteFile, str]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class DownloadedSource(WrappedSource):
    """An image that is read from a copy of its file."""

    file: RemoteFile
    """What was copied."""
    copy: str
    """Path of the copy."""

    @property
    def identity(self) -> SourceIdentity:
        """The copy, and the file that it is a copy of."""
        return replace(self.source.identity, remote=(self.file,))

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        with _named(self.copy, self.file.url):
            return self.source.read(roi)


def open_download(url: str, open_file: Callable[[str], ArraySource]) -> DownloadedSource:
    """Open the file at a URL as it is now.

    Parameters
    ----------
    url : str
        Of a file.
    open_file : callable
        Opens its copy.

    Raises
    ------
    SourceNotFound, SourceError
        If it is absent, out of reach, or changes while it is copied.
    """
    with _lock:
        known = _copies.get(url)
        if known is None or not known[0].is_unchanged() or not Path(known[1]).is_file():
            known = _copies[url] = RemoteFile.reading(url, _copy)
    file, path = known
    with _named(path, url):
        return DownloadedSource(open_file(path), file, path)


@contextmanager
def _named(path: str, url: str) -> Iterator[None]:
    """Let errors name what was copied, for the copy says nothing to its user."""
    try:
        yield
    except ScutoidError as error:
        for name in ("value", "place", "remedy"):
            text = getattr(error, name)
            if isinstance(text, str):
                named = text.replace(path, url)
                named = named.replace(str(Path(path).parent), url.rpartition("/")[0])
                setattr(error, name, named)
        raise


def _copy(url: str) -> str:
    name = url.split("?", maxsplit=1)[0].rpartition("/")[2]
    path = str(Path(tempfile.mkdtemp(dir=_folder().name)) / name)
    download(url, path)
    return path


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="scutoid-urls-")  # removed when the process ends

"""Images in files at URLs: of large TIFFs parts are read, others are copied whole.

A file is copied once for each version that the server has, with the files beside it that belong to
its image.  A path that stands for one that is read in parts has its name, and no content.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from scutoid.arrays._endings import COMPANION_ENDINGS, TIFF_ENDINGS
from scutoid.arrays._file_sets import named_beside, names_other_files
from scutoid.arrays._parts import parts_at, stand_for
from scutoid.arrays._source import ArraySource, SourceIdentity, WrappedSource, outdated
from scutoid.durable import replacing
from scutoid.errors import ScutoidError, SourceNotFound
from scutoid.geometry import Roi
from scutoid.remote import NotInParts, Ranged, RemoteFile, at_once, download, without_query

_SMALL = 2**24
"""Bytes up to which a file is copied whole: that takes no longer than a few requests."""
_KEPT = 16
"""Files of which parts are kept though no image is read from them."""
_TIME = 1_000_000_000
"""When copies were changed, in seconds since 1970."""
_Copied: TypeAlias = tuple[tuple[RemoteFile, str], ...]
_copies: dict[str, _Copied] = {}
_in_parts: dict[str, tuple[Ranged, str]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class UrlSource(WrappedSource):
    """An image that is read from a file at a URL, or a copy of it."""

    files: tuple[RemoteFile, ...]
    """The files."""
    copies: tuple[str, ...]
    """A path for each: of its copy, or that stands for it."""
    ranged: Ranged | None = None
    """The file that is read in parts; None: all are copied."""

    @property
    def identity(self) -> SourceIdentity:
        """The paths, and the files that they are copies of."""
        identity = self.source.identity
        by_path = dict(zip(self.copies, self.files, strict=True))
        files = tuple(by_path[path] for path in identity.locations if path in by_path)
        parts = () if self.ranged is None else (self.ranged,)
        return replace(identity, remote=files or self.files, parts=parts)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        with _named(self.copies[0], self.files[0].url):
            self._be_there()
            if self.ranged is None:
                return self.source.read(roi)
            with self.ranged.checked():
                return self.source.read(roi)

    def _be_there(self) -> None:
        """Make the files again that another process has, maybe on another machine."""
        if self.ranged is not None and parts_at(self.copies[0]) is None:
            stand_for(self.copies[0], self.ranged)
        for file, path in zip(self.files, self.copies, strict=True):
            if not os.path.exists(path):  # noqa: PTH110  # for each region
                if self.ranged is None and not file.is_unchanged():
                    raise outdated(file.url)
                _make(path, file.url if self.ranged is None else None)


def open_download(url: str, open_file: Callable[[str], ArraySource]) -> UrlSource:
    """Open the file at a URL as it is now.

    Parameters
    ----------
    url : str
        Of a file.
    open_file : callable
        Opens its copy, or the path that stands for it.

    Raises
    ------
    SourceNotFound, SourceError
        If it is absent, out of reach, or changes while it is copied.
    """
    is_tiff = _name_of(url).lower().endswith(TIFF_ENDINGS)
    is_copied = url in _copies
    opened = _opened_in_parts(url, open_file) if is_tiff and not is_copied else None
    if opened is not None:
        return opened
    with _lock:
        copied = _copies.get(url)
        if copied is None or not all(_is_same(*each) for each in copied):
            copied = _copies[url] = _copied(url, _new_folder())
    with _named(copied[0][1], url):
        source = open_file(copied[0][1])
    used = set(source.identity.locations)
    copied = tuple(each for each in copied if each[1] in used) or copied
    return UrlSource(source, tuple(file for file, _ in copied), tuple(path for _, path in copied))


def _opened_in_parts(url: str, open_file: Callable[[str], ArraySource]) -> UrlSource | None:
    """Open a large TIFF; None: it is to be copied whole."""
    with _lock:
        known = _in_parts.get(url)
    if known is None or not known[0].file.is_unchanged():
        ranged = Ranged.of(url, larger_than=_SMALL)
        if ranged is None:
            return None
        known = ranged, str(_new_folder() / _name_of(url))
        _make(known[1])
        stand_for(known[1], ranged)
    ranged, path = known
    try:
        with _named(path, url), ranged.checked():
            if names_other_files(path):
                return None
            source = open_file(path)
    except NotInParts:
        return None
    ranged.is_opening = False
    with _lock:
        _in_parts[url] = known
        while len(_in_parts) > _KEPT:
            del _in_parts[next(iter(_in_parts))]
    return UrlSource(source, (ranged.file,), (path,), ranged)


def _copied(url: str, folder: Path) -> _Copied:
    """Copy a file, and those beside it that belong to its image, into a new folder."""
    name = _name_of(url)
    copied = [_copy(url, str(folder / name))]
    if not name.lower().endswith((*TIFF_ENDINGS, *COMPANION_ENDINGS)):
        return tuple(copied)
    base, known = without_query(url).rpartition("/")[0], {name}
    named = named_beside(copied[0][1]) - known
    while named:
        paths = {f"{base}/{other}": str(folder / other) for other in sorted(named)}
        found = at_once([*paths], partial(_copy_if_there, paths))
        there = [each for each in found if each is not None]
        copied += there
        known |= named
        # One that is named alone has the names of the others, or they all have the same.
        named = named_beside(there[0][1]) - known if len(paths) == len(there) == 1 else set()
    return tuple(copied)


def _copy_if_there(paths: Mapping[str, str], url: str) -> tuple[RemoteFile, str] | None:
    try:
        return _copy(url, paths[url])
    except SourceNotFound:  # who opens the image says what that means
        return None


def _copy(url: str, path: str) -> tuple[RemoteFile, str]:
    return RemoteFile.reading(url, lambda each: _make(path, each))[0], path


def _is_same(file: RemoteFile, path: str) -> bool:
    return Path(path).is_file() and file.is_unchanged()


def _make(path: str, url: str | None = None) -> None:
    """Make a copy of a file, or an empty one; both have the same time on each machine."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
    with replacing(Path(path)) as new:
        if url is None:
            new.touch()
        else:
            download(url, str(new))
        os.utime(new, (_TIME, _TIME))


def _name_of(url: str) -> str:
    return without_query(url).rpartition("/")[2]


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


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(dir=_folder().name)).resolve()


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="scutoid-urls-")  # removed when the process ends

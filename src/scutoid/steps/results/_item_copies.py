"""Files of members at a URL: copied when they are read, and checked; the last few copies are kept.

A file of a member is never written over, so a copy that was right stays right.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import tempfile
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays import ArraySource, ImageSpec, SourceIdentity, open_source
from scutoid.durable import replacing
from scutoid.errors import DamagedResult, SourceNotFound
from scutoid.geometry import Roi
from scutoid.paths import inside
from scutoid.regular import read_regular
from scutoid.steps.results._damaged import damaged
from scutoid.steps.results._member_record import Checksum, FileRecord
from scutoid.steps.results._names import ITEM_FOLDER
from scutoid.steps.results._shards_at_url import ShardsAtUrl
from scutoid.steps.results._stored_image import StoredImage
from scutoid.store import Entry, checksum_file

_MOST = 64
"""Copies that are kept; those in use stay beyond that."""
_MOST_BYTES = 2**30
"""Bytes of copies that are kept."""
_AT_ONCE = 2**26
"""Bytes of a file that is read in one request."""
_TIME = 1_000_000_000
"""When copies were changed, in seconds since 1970: readers tell by it that they are the same."""
_METADATA = "zarr.json"


@dataclass(slots=True, eq=False)
class _Copy:
    """The copy of a file."""

    path: Path
    n_users: int = 0
    nbytes: int = 0
    opened: ArraySource | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class ItemCopies:
    """Copies of files of members, in a temporary folder of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @contextmanager
    def using(self, url: str, file: FileRecord) -> Iterator[_Copy]:
        """Have a copy of a file for as long as the body runs.

        Raises
        ------
        DamagedResult
            If the file is gone, or not what was written.
        StoreError, SourceError
            If its store does not answer.
        """
        with self._lock:
            copy = self._copies.setdefault(url, _Copy(self._new_path(url, file.name)))
            copy.n_users += 1
            self._copies.move_to_end(url)
        try:
            with copy.lock:
                if not copy.path.exists():
                    _fetch(url, file, copy.path)
                    copy.nbytes = copy.path.stat().st_size
            yield copy
        finally:
            with self._lock:
                copy.n_users -= 1
                self._drop_old()

    def _new_path(self, url: str, name: str) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="scutoid-items-", ignore_cleanup_errors=True
            )
            atexit.register(self._folder.cleanup)
        above = hashlib.sha256(url.encode()).hexdigest()[:16]
        return Path(self._folder.name, above, Path(name).name)

    def _drop_old(self) -> None:
        total = sum(copy.nbytes for copy in self._copies.values())
        for url, copy in list(self._copies.items()):
            if len(self._copies) <= _MOST and total <= _MOST_BYTES:
                return
            if not copy.n_users:
                del self._copies[url]
                total -= copy.nbytes
                copy.path.unlink(missing_ok=True)


@functools.lru_cache(maxsize=1)
def _copies_of(_process: int) -> ItemCopies:
    return ItemCopies()


def copies() -> ItemCopies:
    """Return the copies that this process has."""
    return _copies_of(os.getpid())


def _fetch(url: str, file: FileRecord, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        if (file.nbytes or 0) <= _AT_ONCE:
            new.write_bytes(_content(url))
        else:
            try:
                remote.download(url, str(new))
            except SourceNotFound:
                raise gone(url) from None
        if not is_what_was_written(new, file):
            raise changed(url)
        os.utime(new, (_TIME, _TIME))


def is_what_was_written(path: Path, file: FileRecord) -> bool:
    """Whether a copy of a file has the bytes that were noted."""
    is_sized = file.nbytes in (None, path.stat().st_size)
    return is_sized and (file.checksum is None or file.fits(checksum_file(path)))


def _content(url: str) -> bytes:
    content = remote.get(url)
    if content is None:
        raise gone(url)
    return content


def gone(url: str) -> DamagedResult:
    """Return the error of a file of a member that is gone."""
    return damaged(_RULE, "missing", Path(), url)


def changed(url: str) -> DamagedResult:
    """Return the error of a file of a member that was changed."""
    return damaged(_RULE, "it differs", Path(), url)


_RULE = "what a member's result was stored in is what was written"


@dataclass(frozen=True, slots=True, eq=False)
class CopiedImage:
    """An image in a file at a URL; it is copied where it is read."""

    url: str
    """Of the file."""
    file: FileRecord
    """What is known of it."""
    spec: ImageSpec
    """Description of the image."""
    chunks: tuple[int, ...]
    """Shape of the voxels that are decoded together, in voxels."""
    is_decoded: bool
    """Whether chunks are decoded as a whole."""
    identity: SourceIdentity
    """The URL."""
    levels: int = 1
    """Number of pyramid levels."""

    @classmethod
    def at(cls, url: str, file: FileRecord) -> CopiedImage:
        """Open the image in the file at a URL."""
        with copies().using(url, file) as copy:
            source = _opened(copy, file)
            is_decoded = bool(getattr(source, "is_decoded", True))
            identity = SourceIdentity("url", (url,))
            return cls(url, file, source.spec, tuple(source.chunks), is_decoded, identity)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        with copies().using(self.url, self.file) as copy:
            return _opened(copy, self.file).read(roi)


def _opened(copy: _Copy, file: FileRecord) -> ArraySource:
    with copy.lock:
        if copy.opened is None:
            metadata = {} if file.spec is None else file.spec.to_dict()
            copy.opened = open_source(str(copy.path), **metadata)
        return copy.opened


@functools.lru_cache(maxsize=64)
def image_at_url(entry: Entry, file: FileRecord) -> StoredImage:
    """Open the image of a member of a collection at a URL.

    Raises
    ------
    DamagedResult
        If it is gone, or not what was written.
    """
    url, path = f"{entry.url}/{file.place}", _place(entry, file)
    if not file.name.endswith(".zarr"):
        return StoredImage(CopiedImage.at(url, file), path, url=url)
    for name, nbytes in file.contents or ():
        if name.rpartition("/")[2] == _METADATA and not (path / name).exists():
            content = _content(f"{url}/{name}")
            if len(content) != nbytes:
                raise changed(f"{url}/{name}")
            _write(path / name, content)
    noted = ShardsAtUrl.of_member(path, url, [name for name, _ in file.contents or ()])
    return StoredImage.at(path, noted=noted, url=url)


def folder_at_url(entry: Entry, file: FileRecord) -> Path:
    """Return a folder with the files that a member wrote, fetched from the URL of a collection.

    Raises
    ------
    DamagedResult
        If one is gone, or not what was written.
    """
    url, path = f"{entry.url}/{file.place}", _place(entry, file)
    path.mkdir(parents=True, exist_ok=True)
    for name, noted in _by_name(file.checksum):
        place = inside(path, name)
        if not place.is_file() or zlib.crc32(read_regular(place)) != noted:
            content = _content(f"{url}/{name}")
            if zlib.crc32(content) != noted:
                raise changed(f"{url}/{name}")
            _write(place, content)
    return path


def _by_name(checksum: Checksum | None) -> Iterator[tuple[str, int]]:
    """Yield the name and the checksum of each file of a folder."""
    for each in checksum if isinstance(checksum, tuple) else ():
        if isinstance(each, tuple):
            yield each


def _place(entry: Entry, file: FileRecord) -> Path:
    return inside(entry.path, f"{ITEM_FOLDER}/{file.name}")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        new.write_bytes(content)

"""Keys of inputs: files by content, zarrs by metadata and listing, arrays by content."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from scutoid.arrays import ImageSpec, SourceIdentity
from scutoid.errors import SourceError, SourceNotFound, StoreError
from scutoid.records import RecordLog
from scutoid.store._entry import digest_file

_ATTEMPTS = 3
_SETTLED_NS = 2_000_000_000
_METADATA = {"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"}
_HEADER = b'{"scutoid":"input hashes","version":1}'


class HashMemo:
    """Hashes of files, remembered by size, time of change and inode.

    It only saves reading: without it, or if it is damaged, files are read again.

    Parameters
    ----------
    path : path
        File of the memo; it is made when the first hash is added.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._known: dict[str, tuple[list[int], str]] | None = None
        self._new: dict[str, tuple[list[int], str]] = {}
        self._lock = threading.Lock()

    def get(self, path: str, stamp: list[int]) -> str | None:
        """Return the hash of a file that has not changed since."""
        with self._lock:
            if self._known is None:
                self._known = self._load()
            known = self._known.get(path)
        return known[1] if known is not None and known[0] == stamp else None

    def add(self, path: str, stamp: list[int], digest: str) -> None:
        """Remember a hash; `save` writes it down."""
        with self._lock:
            self._new[path] = (stamp, digest)
            if self._known is not None:
                self._known[path] = (stamp, digest)

    def save(self) -> None:
        """Write down what is new; a store that cannot be written keeps no memo."""
        with self._lock:
            if not self._new:
                return
            text = json.dumps([[p, s, d] for p, (s, d) in self._new.items()])
            self._new.clear()
        try:
            self._append(text.encode())
        except (StoreError, OSError):
            # It may be damaged: begin it anew, or do without where nothing can be written.
            with suppress(StoreError, OSError):
                self.path.unlink()
                self._append(text.encode())

    def _append(self, record: bytes) -> None:
        with RecordLog.open(self.path, _HEADER) as log:
            log.append(record)

    def _load(self) -> dict[str, tuple[list[int], str]]:
        found: dict[str, tuple[list[int], str]] = {}
        try:
            _, payloads = RecordLog.read(self.path)
            for payload in payloads:
                for path, stamp, digest in json.loads(payload):
                    found[path] = (stamp, digest)
        except (StoreError, ValueError, TypeError):
            return {}
        return found


def key_of_path(path: str | os.PathLike[str], memo: HashMemo | None = None) -> str:
    """Return the key of a file by its content, or of a folder by its members.

    Raises
    ------
    SourceNotFound, SourceError
        If it does not exist or cannot be read.
    """
    place = Path(path).absolute()
    try:
        if place.is_dir():
            members = (f"{name}={key_of_path(file, memo)}" for name, file in _members(place))
            return _joined("folder", members)
        return _key_of_file(place, memo)
    except FileNotFoundError as error:
        if isinstance(error, SourceNotFound):
            raise
        raise SourceNotFound(
            "an input exists", value=str(place), remedy="check the path, or restore the file"
        ) from error
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            "an input can be read", value=error.strerror or str(error), place=str(place)
        ) from error


def _members(folder: Path) -> list[tuple[str, Path]]:
    """List the files below a folder by their names within it; links to folders are followed."""
    found = []
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        stat = Path(root).stat()
        if (stat.st_dev, stat.st_ino) in seen:  # a link back up
            folders.clear()
            continue
        folders.sort()  # so that of two links to one folder the same is followed in every run
        seen.add((stat.st_dev, stat.st_ino))
        files = [Path(root) / name for name in names]
        found += [(file.relative_to(folder).as_posix(), file) for file in files if file.is_file()]
    return sorted(found)


def _key_of_file(path: Path, memo: HashMemo | None) -> str:
    for _ in range(_ATTEMPTS):
        stamp = _stamp(path)
        known = memo.get(str(path), stamp) if memo is not None else None
        if known is not None:
            return known
        digest = digest_file(path)
        if _stamp(path) == stamp:
            # A file changed just now may change again within the same tick of its clock.
            if memo is not None and time.time_ns() - stamp[1] > _SETTLED_NS:
                memo.add(str(path), stamp, digest)
            return digest
    raise SourceError(
        "an input does not change while it is read",
        value="it was written to during each attempt",
        place=str(path),
        remedy="wait until it is complete",
    )


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def key_of_source(identity: SourceIdentity, spec: ImageSpec, memo: HashMemo | None = None) -> str:
    """Return the key of an opened image: its content, and what is said of it.

    Parameters
    ----------
    identity : SourceIdentity
        Where the voxels are.
    spec : ImageSpec
        Axes, voxel size, unit and origin count as well.
    memo : HashMemo, optional
        Remembers hashes of files.
    """
    said = json.dumps(
        [
            spec.axes,
            list(spec.shape),
            spec.dtype.str,
            spec.voxel_size,
            spec.unit,
            spec.origin,
            list(spec.channels),
        ]
    )
    return _joined("source", [identity.detail, said, _content(identity, memo)])


def _content(identity: SourceIdentity, memo: HashMemo | None) -> str:
    if identity.array is not None:
        from scutoid.store._canonical import canonical_digest

        return canonical_digest(np.asarray(identity.array))
    if identity.kind == "files":
        return _joined("files", (key_of_path(path, memo) for path in identity.locations))
    if identity.kind == "zarr":
        folder = Path(identity.locations[0])
        if identity.mode == "content":
            return key_of_path(folder, memo)
        return _joined("listing", _listing(folder, memo))
    if identity.kind == "url":
        return _joined("url", (_url(location) for location in identity.locations))
    return _joined(identity.kind, (*identity.locations, identity.detail))


def _listing(folder: Path, memo: HashMemo | None, inside: str = "") -> Iterator[str]:
    """Yield metadata by content, and chunks by name, size and time."""
    with os.scandir(folder) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        name = f"{inside}{entry.name}"
        if entry.is_dir():
            yield from _listing(Path(entry.path), memo, f"{name}/")
        elif entry.name in _METADATA:
            yield f"{name}={key_of_path(entry.path, memo)}"
        elif not entry.name.endswith("__lock"):  # left by a writer of ours that was killed
            stat = entry.stat()
            yield f"{name}={stat.st_size},{stat.st_mtime_ns}"


def _url(location: str) -> str:
    import fsspec

    system, path = fsspec.core.url_to_fs(location)
    try:
        if system.isdir(path):
            found: dict[str, Any] = system.find(path, detail=True)
            return _joined(
                "remote", (f"{name}={_said(info)}" for name, info in sorted(found.items()))
            )
        return _said(system.info(path))
    except (OSError, NotImplementedError):
        return location


def _said(info: dict[str, Any]) -> str:
    stamp = info.get("ETag") or info.get("etag") or info.get("LastModified") or info.get("mtime")
    return f"{info.get('size')},{stamp}"


def _joined(tag: str, parts: Iterable[object]) -> str:
    found = hashlib.sha256(tag.encode())
    for part in parts:
        content = str(part).encode("utf-8", "surrogateescape")
        found.update(len(content).to_bytes(8, "little"))
        found.update(content)
    return found.hexdigest()

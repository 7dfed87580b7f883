"""Keys of inputs: files by content, zarrs by metadata and listing, arrays by content."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from scutoid.arrays import ImageSpec, SourceIdentity
from scutoid.errors import SourceError, SourceNotFound, StoreError
from scutoid.records import RecordLog

_PIECE = 4 * 2**20
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
        with suppress(StoreError, OSError):
            with RecordLog.open(self.path, _HEADER) as log:
                log.append(text.encode())

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
    if place.is_dir():
        members = sorted(p for p in place.rglob("*") if p.is_file())
        lines = (f"{p.relative_to(place).as_posix()}={key_of_path(p, memo)}" for p in members)
        return _joined("folder", lines)
    try:
        stat = place.stat()
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        known = memo.get(str(place), stamp) if memo is not None else None
        if known is not None:
            return known
        digest = _hash_file(place)
    except FileNotFoundError as error:
        raise SourceNotFound("an input exists", value=str(place)) from error
    except OSError as error:
        raise SourceError(
            "an input can be read", value=error.strerror or str(error), place=str(place)
        ) from error
    if memo is not None:
        memo.add(str(place), stamp, digest)
    return digest


def _hash_file(path: Path) -> str:
    found = hashlib.sha256()
    buffer = bytearray(_PIECE)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while n := file.readinto(buffer):
            found.update(view[:n])
    return found.hexdigest()


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


def _listing(folder: Path, memo: HashMemo | None) -> Iterator[str]:
    """Yield metadata by content, and chunks by name, size and time."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        inside = os.path.relpath(root, folder)
        with os.scandir(root) as entries:
            stats = {entry.name: entry.stat() for entry in entries if entry.is_file()}
        for name in sorted(names):
            if name.endswith("__lock") or name not in stats:
                continue
            if name in ("zarr.json", ".zarray", ".zattrs", ".zgroup"):
                yield f"{inside}/{name}={key_of_path(Path(root) / name, memo)}"
            else:
                yield f"{inside}/{name}={stats[name].st_size},{stats[name].st_mtime_ns}"


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


def _joined(tag: str, parts: Any) -> str:
    found = hashlib.sha256(tag.encode())
    for part in parts:
        found.update(b"\0")
        found.update(str(part).encode())
    return found.hexdigest()

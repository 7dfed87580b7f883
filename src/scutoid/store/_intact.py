"""Whether the files of a result are what was written: their bytes, and sha256 digests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scutoid.errors import DamagedResult, StoreError
from scutoid.paths import inside
from scutoid.store.keys import digest_file

_INTACT: set[tuple[object, ...]] = set()
"""Versions of files that this process has found to be what was written."""


def record_of(folder: Path, path: Path) -> tuple[str, dict[str, object]]:
    """Return the name of a file in a result's folder, and what is noted of it.

    Raises
    ------
    StoreError
        If a link leads out of the folder to it.
    """
    name = path.relative_to(folder).as_posix()
    try:
        path = inside(folder, name)
    except DamagedResult as error:
        raise StoreError(
            "a result is made of files of its own, and of links to these",
            value=error.value,
            place=str(folder),
            remedy="let the step copy the file into its folder rather than link to it",
        ) from error
    return name, {"bytes": path.stat().st_size, "sha256": digest_file(path)}


def size_of(path: Path) -> int:
    """Bytes of a file; -1 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def is_intact(folder: Path, name: str, record: Mapping[str, object]) -> bool:
    """Whether a file in a result's folder is what was noted; it is read."""
    try:
        path = inside(folder, name)
        return path.stat().st_size == record.get("bytes") and digest_file(path) == record.get(
            "sha256"
        )
    except OSError:
        return False


def was_intact(path: Path, record: Mapping[str, object]) -> bool:
    """Whether a file is what was written; read once in a process for each version of it."""
    try:
        status = path.stat()
    except OSError:
        return False
    version = (str(path), status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
    known = (*version, record.get("sha256"))
    if known not in _INTACT:
        if not is_intact(path.parent, path.name, record):
            return False
        _INTACT.add(known)
    return True

"""Small files of a working folder, sent to the URL of a result as objects of an attempt.

All but those that say that the folder is whole, which a manifest says at the URL, and files of
members, which workers have written there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid import remote
from scutoid.store._entry_folder import COMPLETE, RECIPE, own_in
from scutoid.store.keys import digest_file

_METADATA = "zarr.json"
_ITEMS = "items"
"""Folder of files of members, which are objects of their own."""
_SINGLE = 2**26
"""Bytes of an object that is created in one request."""


def small_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield what is to be sent of a working folder, by name."""
    for top in sorted(own_in(folder)):
        if top.name in (RECIPE, COMPLETE, _ITEMS) or top.name.startswith("."):
            continue
        paths = [top] if top.is_file() else sorted(p for p in top.rglob("*") if p.is_file())
        for path in paths:
            yield path.relative_to(folder).as_posix(), path


def stamps_of_files(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return for each of these files what differs once it was written again."""
    stamps: dict[str, tuple[int, ...]] = {}
    for name, path in small_files(folder):
        status = path.stat()
        stamps[name] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return stamps


def is_metadata(name: str) -> bool:
    """Whether a file has metadata of an image, and so stands where the image was begun."""
    return name.rpartition("/")[2] == _METADATA


@dataclass(frozen=True, slots=True)
class FileSender:
    """A writer of objects of one attempt."""

    url: str
    """Of the result."""
    folder: Path
    """Its working folder."""
    token: str
    """The attempt."""
    writer: str
    """The token of this writer, which no other has."""

    def send(self, name: str) -> str:
        """Write a file, under another name where another writer of the attempt has written one.

        Returns
        -------
        str
            Its object, below the result.
        """
        path = self.folder / name
        plain, own = f"{self.token}/{name}", f"{self.token}/{self.writer}/{name}"
        if is_metadata(name):
            remote.put(f"{self.url}/{plain}", path)
            return plain
        is_small = path.stat().st_size <= _SINGLE
        if is_small and remote.create(f"{self.url}/{plain}", path.read_bytes()):
            return plain
        remote.put(f"{self.url}/{own}", path)
        return own

    def record(self, name: str) -> Mapping[str, Any]:
        """Write a file; return what a manifest says of it."""
        path = self.folder / name
        return {
            "object": self.send(name),
            "bytes": path.stat().st_size,
            "sha256": digest_file(path),
        }

    def record_unless(self, name: str, known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return what a manifest says of a file, which is written if it is not known as it is."""
        if name in known and known[name]["sha256"] == digest_file(self.folder / name):
            return known[name]
        return self.record(name)

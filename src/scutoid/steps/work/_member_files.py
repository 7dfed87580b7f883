"""Files of a member of a collection: written into the folder of its result, or sent to its URL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from stat import S_ISREG
from typing import Self

from scutoid import remote
from scutoid.steps.results import ITEM_FOLDER, FileRecord, SpecRecord, checksum_of, contents_of
from scutoid.store import Entry, empty_folder, make_folder, new_token


class WrittenFiles:
    """The files of one member.

    Parameters
    ----------
    folder : Path
        Where they are written.
    url : str, optional
        Of the collection, if they are sent there.
    below : str, optional
        Where they go below it.
    """

    def __init__(self, folder: Path, url: str = "", below: str = "") -> None:
        self._folder = folder
        self._url = url
        self._below = below

    def place(self, name: str) -> Path:
        """Return the path of a file; the folder above it is made."""
        path = self._folder / name
        make_folder(path.parent)
        return path

    def new_folder(self, name: str) -> Path:
        """Return an empty folder."""
        path = self.place(name)
        empty_folder(path)
        return path

    def record(
        self,
        name: str,
        *,
        value_format: str | None = None,
        spec: SpecRecord | None = None,
        checksum: int | None = None,
    ) -> FileRecord:
        """Describe a file or folder that was written; it is durable then.

        It is read once more, unless its checksum is known.

        Raises
        ------
        StoreError
            If it cannot be sent.
        """
        path = self._folder / name
        status = path.stat()
        is_file = S_ISREG(status.st_mode)
        nbytes = status.st_size if is_file else None
        contents = None if is_file else contents_of(path)
        place = self._sent(path, name, contents) if self._url else None
        noted = checksum_of(path) if checksum is None else checksum
        return FileRecord(name, noted, nbytes, value_format, spec, contents, place)

    def _sent(self, path: Path, name: str, contents: tuple[tuple[str, int], ...] | None) -> str:
        place = f"{self._below}/{name}"
        if contents is None:
            remote.put(f"{self._url}/{place}", path)
        else:
            inner = [inside for inside, _ in contents]
            remote.at_once(inner, partial(_put, path, f"{self._url}/{place}"))
        return place


@lru_cache(maxsize=64)
def _of_members(folder: Path) -> Path:
    """Return the folder of members' files, which is asked for of each of them."""
    return folder / ITEM_FOLDER


def _put(folder: Path, url: str, name: str) -> None:
    remote.put(f"{url}/{name}", folder / name)


@dataclass(frozen=True, slots=True)
class ItemPlace:
    """Where the files of members go, as it can be sent to workers."""

    folder: Path
    """The folder of the collection's result."""
    url: str = ""
    """The URL of the result, in a store that has one."""
    token: str = ""
    """The attempt at it."""

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Return that of a collection that was begun."""
        there = entry.remote
        return cls(entry.path) if there is None else cls(entry.path, entry.url, there.token)

    @contextmanager
    def writing(self) -> Iterator[WrittenFiles]:
        """Have a place for the files of one try at a member: at a URL it is nobody else's."""
        if not self.url:
            yield WrittenFiles(_of_members(self.folder))
            return
        with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
            below = f"{self.token}/{new_token()}/{ITEM_FOLDER}"
            yield WrittenFiles(Path(folder), self.url, below)

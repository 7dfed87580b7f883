"""A store at a URL, seen from its working folder: results are fetched, records of runs are sent."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from scutoid import remote
from scutoid.errors import DamagedResult, StoreError, UnwritableStore
from scutoid.paths import is_inner_name
from scutoid.store._durable import make_folder, write_file
from scutoid.store._entry_folder import COMPLETE

MARK = ".scutoid"
"""File or object that says that a store is there."""
DIGITS = 12
"""Of a key, in the name of the folder of a result."""
RESULT_NAME = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
"""Name of the folder of a result."""
RESERVED = frozenset({"runs"})
"""Folders of a store that are no steps."""
_VERSION = 2
MARK_AT_URL = b'{"scutoid": "store", "version": 2}\n'
"""What it holds at a URL."""
MARK_OF_FOLDER = b"results of scutoid"
"""What it begins with in a folder."""
_FETCHED = ".fetched"
"""In a folder of the working folder that is no result: another machine has made it."""
_SAID = 100


class StoreAtUrl:
    """Fetches results and records of a store at a URL, each once a look, and sends records there.

    Parameters
    ----------
    url : str
        Of the store.
    path : Path
        Its working folder.
    """

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.path = path
        self._fetched: set[Path] = set()
        self._looked: set[Path] = set()
        self._damaged: dict[Path, DamagedResult] | None = None
        self._lists = False

    @property
    def is_only_read(self) -> bool:
        """Whether nothing is ever written there: at a URL that is none of S3."""
        return not remote.is_writable_kind(self.url)

    def url_of(self, path: Path) -> str:
        """Return the URL of what lies at a path of the working folder."""
        return f"{self.url}/{path.relative_to(self.path).as_posix()}"

    def look_again(self, *, notes_damage: bool, but_complete: bool = False) -> None:
        """Fetch results again when they are asked for next.

        Parameters
        ----------
        notes_damage : bool
            Whether one that is damaged there counts as absent, and `check_intact` tells of it.
        but_complete : bool
            Whether those that are complete are not, and none is looked for that was not asked for.
        """
        if but_complete:
            self._fetched = {path for path in self._fetched if (path / COMPLETE).exists()}
            return
        self._fetched.clear()
        self._looked.clear()
        self._damaged = {} if notes_damage else None

    def check_intact(self, path: Path) -> None:
        """See that a result was not found damaged when it was fetched.

        Raises
        ------
        DamagedResult
            If it was.
        """
        if self._damaged and path in self._damaged:
            raise self._damaged[path]

    def fetch_result(self, path: Path) -> None:
        """Fetch a result.

        Raises
        ------
        StoreError
            If the store does not answer; a `DamagedResult` if it is not what was written.
        """
        if path not in self._fetched:
            self._fetched.add(path)
            self._fetch(self.url_of(path), path)

    def fetch_results(self, folder: str | None) -> None:
        """Fetch the results of a step, by its folder, or of all, of which there is something new.

        Raises
        ------
        StoreError
            As `fetch_result`.
        """
        mark = self.path / (folder or "")
        if mark in self._looked:
            return
        self._looked.add(mark)
        places = self.places(folder)
        new = [place for place in places if self.path / place not in self._fetched]
        self._fetched.update(self.path / place for place in new)
        remote.at_once(new, lambda at: self._fetch(f"{self.url}/{at}", self.path / at))
        if self.is_only_read:
            self._forget_others(set(places), folder)

    def _forget_others(self, places: set[str], folder: str | None) -> None:
        """Have nothing here of results that are no longer at the URL."""
        patterns = ("*/*", "*/*/*") if folder is None else (f"{glob.escape(folder)}/*",)
        for path in (path for pattern in patterns for path in self.path.glob(pattern)):
            at = path.relative_to(self.path).as_posix()
            is_step = not at.startswith(".") and at.partition("/")[0] not in RESERVED
            if is_step and RESULT_NAME.fullmatch(path.name) and at not in places:
                from scutoid.store._remote_result import RemoteResult

                RemoteResult(f"{self.url}/{at}", path).forget()

    def _fetch(self, url: str, path: Path) -> None:
        from scutoid.store._remote_result import RemoteResult

        there = RemoteResult(url, path)
        try:
            there.fetch()
        except DamagedResult as error:
            if self._damaged is None:
                raise
            self._damaged[path] = error
            there.forget()

    def places(self, folder: str | None = None) -> list[str]:
        """Return where results of a step lie below the URL, or of all; nothing is fetched.

        Raises
        ------
        StoreError
            If the store does not answer, or is at a web server that lists no folders.
        """
        self._check_lists()
        steps = self._steps() if folder is None else [folder]
        return [
            f"{step}/{found[:-1]}"
            for step, names in zip(steps, self._names_in(steps), strict=True)
            for found in names
            if RESULT_NAME.fullmatch(found[:-1])
        ]

    def lists_folders(self) -> bool:
        """Whether what lies in folders is told: web servers need not; asked until one does."""
        if not self._lists:
            is_told = not remote.is_http(self.url)
            self._lists = is_told or any(n.endswith("/") for n in remote.names(self.url))
        return self._lists

    def _check_lists(self) -> None:
        if not self.lists_folders():
            raise StoreError(
                "results at a web server are looked for in what it lists of their folders",
                value="it lists no folders",
                place=self.url,
                remedy="let it list them (autoindex on in nginx, Options +Indexes in Apache), name "
                "a result by its own URL, Store(...).at(URL), plan with a pipeline, whose keys say "
                "where its results lie, or copy the store",
            )

    def _steps(self) -> list[str]:
        """Return the folders of steps, those in the folders of stages too."""
        (top,) = self._names_in([""])
        first = [name[:-1] for name in top if _is_step(name)]
        below = zip(first, self._names_in(first), strict=True)
        staged = [
            f"{stage}/{name[:-1]}"
            for stage, names in below
            for name in names
            if _is_step(name) and not RESULT_NAME.fullmatch(name[:-1])
        ]
        return [*first, *staged]

    def _names_in(self, folders: list[str]) -> list[list[str]]:
        return remote.at_once([f"{self.url}/{folder}" for folder in folders], remote.names)

    def exists(self) -> bool:
        """Whether a store is there.

        Raises
        ------
        StoreError
            If it was made by a later version, or does not answer.
        """
        said = remote.find(f"{self.url}/{MARK}")
        self._check_mark(said)
        is_there = said is not None or bool(remote.names(self.url))
        if not is_there:
            remote.check_store_bucket(self.url)
            remote.get(f"{self.url}/{MARK}")  # says whether a web server refuses
        return is_there

    def make(self) -> None:
        """See that it can be written, and mark it as a store.

        Raises
        ------
        StoreError
            If it cannot, or was made by a later version.
        """
        self.check_is_written("a store of new results is")
        remote.check_writable(self.url)
        if remote.get(f"{self.url}/{MARK}") is None:
            remote.create(f"{self.url}/{MARK}", MARK_AT_URL)

    def check_is_written(self, what: str, remedy: str | None = None) -> None:
        """Refuse to write where stores are only read; see `EntryStore.check_is_written`."""
        kind = "at a URL that is none of S3"
        if not self.is_only_read:
            said = remote.get(f"{self.url}/{MARK}")
            self._check_mark(said)
            if said is None or not said.startswith(MARK_OF_FOLDER):
                return
            kind = "that was copied from a folder to a URL"
        raise UnwritableStore(
            f"{what} written to, and a store {kind} is only read",
            value=self.url,
            place="store",
            remedy=remedy or 'give a folder or "s3://bucket/results" for what is written',
        )

    def _check_mark(self, content: bytes | None) -> None:
        """See that what marks a URL as a store is of this version, or not there."""
        if content is None or content.startswith(MARK_OF_FOLDER):
            return
        if content != MARK_AT_URL:
            raise StoreError(
                "this version of scutoid reads at URLs stores of a folder and those of version "
                f"{_VERSION}",
                value=content[:_SAID].decode(errors="replace"),
                place=f"{self.url}/{MARK}",
                remedy="update scutoid, or choose another place; a server that answers each "
                "address with a page shows no store",
            )

    def publish(self, *places: Path) -> None:
        """Copy files and folders of the working folder, such as that of a run, to the URL.

        Raises
        ------
        StoreError
            If that cannot be written.
        """
        for place in places:
            paths = sorted(place.rglob("*")) if place.is_dir() else [place]
            for path in paths:
                if path.is_file() and not path.name.startswith("."):
                    remote.put(self.url_of(path), path)

    def folders_in(self, folder: Path) -> list[str]:
        """Return the names of folders in one of the store's, such as those of runs.

        Raises
        ------
        StoreError
            If the store does not answer, or lists no folders.
        """
        self._check_lists()
        return [name[:-1] for name in remote.names(self.url_of(folder)) if name.endswith("/")]

    def fetch(self, folder: Path, name: str = "") -> None:
        """Fetch a file of a folder, or all; what was made on this machine stays.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        place, mark = folder / name, folder / _FETCHED
        if place in self._fetched:
            return
        self._fetched.add(place)
        if folder.exists() and not mark.exists():
            return
        begin = self.url_of(folder)
        urls = [f"{begin}/{name}"] if name else [each.url for each in remote.objects(begin)]
        for url, content in zip(urls, remote.at_once(urls, remote.get), strict=True):
            below = url.removeprefix(f"{begin}/")
            if content is not None and is_inner_name(below):
                make_folder((folder / below).parent)
                write_file(mark, b"")
                write_file(folder / below, content)


def _is_step(name: str) -> bool:
    """Whether what is listed at a URL is a folder of a step, or of a stage."""
    return name.endswith("/") and not name.startswith(".") and name[:-1] not in RESERVED

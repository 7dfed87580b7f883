"""A store: a folder of results, each an entry under the name of its step."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from scutoid.durable import store_error
from scutoid.errors import DamagedResult, ParameterError, StoreError
from scutoid.paths import absolute
from scutoid.regular import read_regular
from scutoid.store._durable import list_folder, make_folder, storing
from scutoid.store._entry import Entry
from scutoid.store._entry_folder import COMPLETE, RECIPE
from scutoid.store._reasons import distance
from scutoid.store._recipe import Recipe
from scutoid.store._store_at_url import (
    DIGITS,
    MARK,
    MARK_AT_URL,
    MARK_OF_FOLDER,
    RESERVED,
    RESULT_NAME,
    StoreAtUrl,
)
from scutoid.store._working import is_url, url_of_store, working_folder

_MAX_NAME = 100
_CONTAINER_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


class EntryStore:
    """A store: a folder of results.

    Parameters
    ----------
    path : path or str
        The folder; it is made when something is first written.  Or the URL of one in a bucket,
        such as ``"s3://bucket/results"``: `path` is then its working folder on this machine.

    Raises
    ------
    StoreError
        If it is a file, a zarr, or a URL of another kind.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = EntryStore(folder.name)
    >>> entry = store.entry("otsu", "3f9a1c0b7d42aa")
    >>> entry.begin(Recipe(step="otsu", key="3f9a1c0b7d42aa"))
    >>> _ = entry.save(41, "value")
    >>> entry.commit()
    >>> entry.status, entry.load("value"), entry.path.name
    ('complete', 41, '3f9a1c0b7d42')
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise ParameterError(
                "a store is named by the path of its folder",
                value=type(path).__name__,
                place="store",
                remedy='give a path, such as store="results", to the run, or to its session',
            )
        if "\0" in str(path):
            raise ParameterError(
                "a name of a folder has no NUL in it", value=repr(path), place="store"
            )
        self.url = url_of_store(path)
        self._there: StoreAtUrl | None = None
        if self.url is not None:
            self.path = working_folder(self.url) if is_url(path) else absolute(path)
            self._there = StoreAtUrl(self.url, self.path)
            return
        self.path = absolute(path)
        with storing(self.path):
            marks = [name for name in _CONTAINER_MARKS if (self.path / name).exists()]
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(
                "a store is a folder",
                value="a file",
                place=str(self.path),
                remedy="name another place for the store",
            )
        if marks:
            raise StoreError(
                "a store is a folder of its own, not one that holds an image",
                value=f"it contains {marks[0]}",
                place=str(self.path),
                remedy="name another folder, such as the one above it",
            )

    @property
    def place(self) -> str:
        """Its folder or URL, for people."""
        return self.url or str(self.path)

    @property
    def is_only_read(self) -> bool:
        """Whether it lies where nothing is ever written: at a URL that is none of S3."""
        return self._there is not None and self._there.is_only_read

    def entry(self, name: str, key: str) -> Entry:
        """Return the place of a result; what a URL has of it is fetched, once a look.

        Raises
        ------
        StoreError
            If its URL does not answer.
        """
        return self.entry_in(f"{folder_name(name)}/{key[:DIGITS]}", name, key)

    def entry_in(self, folder: str, name: str, key: str) -> Entry:
        """Return the place of a result that a record says lies in a folder below the store.

        Raises
        ------
        StoreError
            If its URL does not answer.
        """
        path = self.path / folder
        self._fetch(path)
        return self._known(path, name, key)

    def folder_of(self, place: str | os.PathLike[str]) -> Path:
        """Return the folder here of a result that is named by its folder or URL.

        Raises
        ------
        StoreError
            If its URL does not answer.
        """
        text = os.fspath(place).rstrip("/")
        if self.url is None or not text.startswith(f"{self.url}/"):
            return absolute(place)
        path = self.path / text.removeprefix(f"{self.url}/")
        if RESULT_NAME.fullmatch(path.name) and ".." not in path.parts:
            self._fetch(path)
        return path

    def _fetch(self, path: Path) -> None:
        """Fetch a result from its URL, once a look."""
        if self._there is not None:
            self._there.fetch_result(path)

    def _url_of(self, path: Path) -> str:
        return "" if self._there is None else self._there.url_of(path)

    def check_is_folder(self, what: str, remedy: str = "choose a folder for the store") -> None:
        """Refuse what a store at a URL cannot do.

        Raises
        ------
        StoreError
            If it is one.
        """
        if self.url is not None:
            raise StoreError(
                f"not all that is possible in a folder is so at a URL: {what}",
                value=self.url,
                place="store",
                remedy=remedy,
            )

    def check_is_written(self, what: str, remedy: str | None = None) -> None:
        """Refuse to write where stores are only read: all URLs but those of S3, copies of folders.

        Parameters
        ----------
        what : str
            What would be, with its verb: "results are".
        remedy : str, optional
            What helps.

        Raises
        ------
        UnwritableStore
            If it lies there.
        """
        if self._there is not None:
            self._there.check_is_written(what, remedy)

    def check_exists(self) -> None:
        """Refuse a store that is not there, and one at a URL that a later version has made.

        Raises
        ------
        StoreError
            If it is, or its URL does not answer.
        """
        if self._there is None:
            self._refuse_layout_of_urls()
        is_there = self.path.is_dir() if self._there is None else self._there.exists()
        if not is_there:
            raise StoreError(
                "a store that is read exists",
                value="nothing is there",
                place=self.place,
                remedy="check its name; a store is made by sc.run(..., store=...)",
            )

    def _refuse_layout_of_urls(self) -> None:
        """Refuse a store of a bucket that was copied to a folder: it is read by another layout."""
        try:
            is_of_url = read_regular(self.path / MARK) == MARK_AT_URL
        except OSError:
            return
        if is_of_url:
            raise StoreError(
                "a store that was copied from a bucket has layout 2, which is read at a URL",
                value="version 2",
                place=str(self.path / MARK),
                remedy=f"name it by a URL: {self.path.as_uri()}",
            )

    def look_again(self, *, notes_damage: bool = False, but_complete: bool = False) -> None:
        """Fetch results from a URL again when they are asked for next.

        Parameters
        ----------
        notes_damage : bool
            Whether one that is damaged there counts as absent, and `check_intact` tells of it.
        but_complete : bool
            Whether those that are complete are not, and none is looked for that was not asked for.
        """
        if self._there is not None:
            self._there.look_again(notes_damage=notes_damage, but_complete=but_complete)

    def check_intact(self, entry: Entry) -> None:
        """See that a result at a URL was not found damaged when it was fetched.

        Raises
        ------
        DamagedResult
            If it was.
        """
        if self._there is not None:
            self._there.check_intact(entry.path)

    def step_folders(self, *, links: bool = False) -> list[Path]:
        """Return the folders of steps, those in the folders of stages too, by path.

        Parameters
        ----------
        links : bool
            Whether folders that links lead to are among them.
        """
        if not self.path.is_dir():
            return []
        first = [path for path in _folders(self.path, links=links) if path.name not in RESERVED]
        first = [path for path in first if not path.name.startswith(".")]
        staged = (path for folder in first for path in _folders(folder, links=links))
        return [*first, *(path for path in staged if not _is_result(path))]

    def entries(self, name: str | None = None) -> list[tuple[Entry, Recipe]]:
        """Return all results with their recipes, the newest first.

        Raises
        ------
        ParameterError
            If the name of the step is no text.
        """
        if name is not None and not isinstance(name, str):
            raise ParameterError(
                "a step is named by text", value=name, place="store", remedy='such as "label"'
            )
        self._fetch_results(name)
        results = []
        folders = self.step_folders(links=True) if name is None else [self.path / folder_name(name)]
        for path in (one / RECIPE for folder in folders for one in _folders(folder, links=True)):
            try:
                recipe = Recipe.from_json(read_regular(path), place=path)
            except (OSError, StoreError):
                continue
            is_result = path.parent.name == recipe.key[:DIGITS]  # else a copy that somebody made
            if is_result and (name is None or recipe.step == name):
                results.append((self._known(path.parent, recipe.step, recipe.key), recipe))
        return sorted(results, key=lambda item: (item[1].created, item[1].key), reverse=True)

    def _fetch_results(self, name: str | None) -> None:
        """Fetch the results of a step, or of all, of which a URL has something new."""
        if self._there is not None:
            self._there.fetch_results(None if name is None else folder_name(name))

    def places_at_url(self, name: str | None = None) -> list[str]:
        """Return where results of a step lie below the URL, or of all; nothing is fetched."""
        if self._there is None:
            return []
        return self._there.places(None if name is None else folder_name(name))

    def _known(self, path: Path, name: str, key: str) -> Entry:
        return Entry(path, name, key, self._url_of(path))

    def places(self) -> list[Entry]:
        """Return where there are results or remains of some, readable or not, by path.

        No link is followed, and copies under other names are none.
        """
        self._fetch_results(None)
        entries = []
        for path in (path for folder in self.step_folders() for path in _folders(folder)):
            if not _is_result(path):
                continue
            try:
                recipe = Recipe.from_json(read_regular(path / RECIPE), place=path)
            except (OSError, StoreError):
                if RESULT_NAME.fullmatch(path.name):
                    entries.append(self._known(path, path.parent.name, path.name))
            else:
                if path.name == recipe.key[:DIGITS]:
                    entries.append(self._known(path, recipe.step, recipe.key))
        return entries

    def unreadable(self, name: str, *, since: float) -> list[Path]:
        """Return where results of a step lie that were finished and whose recipe is damaged.

        Parameters
        ----------
        name : str
            Of the step.
        since : float
            Seconds since 1970: those that were finished before are left out.

        Raises
        ------
        StoreError
            If a later version of scutoid wrote one of them.
        """
        damaged = []
        for path in _folders(self.path / folder_name(name), links=True):
            if not RESULT_NAME.fullmatch(path.name):
                continue
            try:
                if (path / COMPLETE).stat().st_mtime <= since:
                    continue
                Recipe.from_json(read_regular(path / RECIPE), place=path / RECIPE)
            except (DamagedResult, FileNotFoundError):
                if (path / COMPLETE).exists():
                    damaged.append(path)
            except OSError:  # it may not be read
                continue
        return damaged

    @property
    def tells_results(self) -> bool:
        """Whether results that nobody names are found: not at web servers that list no folders."""
        return self._there is None or self._there.lists_folders()

    def nearest(self, name: str, recipe: Recipe) -> Recipe | None:
        """Return the recipe of the result of a step that differs least from another; newest first.

        What a run did not finish tells as well what has changed since; of results that differ
        alike, the complete ones come first.
        """
        candidates = [
            (entry, other)
            for entry, other in (self.entries(name) if self.tells_results else ())
            if other.key != recipe.key and other.stands_for is None
        ]
        if not candidates:
            return None
        return min(
            candidates,
            key=lambda one: (distance(recipe, one[1]), one[0].status != "complete"),
        )[1]

    def check_writable(self) -> None:
        """Make the store's folder, and check that files can be written there.

        Raises
        ------
        StoreError
            If they cannot.
        """
        make_folder(self.path)
        if self._there is not None:
            self._there.make()
        mark, probe = self.path / MARK, self.path / f"{MARK}-{os.getpid()}"
        with storing(self.path):
            try:
                if not mark.exists():
                    mark.write_bytes(MARK_OF_FOLDER + b"\n")
                probe.write_bytes(b"x" * 4096)
            finally:
                with suppress(OSError):
                    probe.unlink(missing_ok=True)
        runs = self.path / "runs"  # another user's, it may be, in a folder of a group
        if runs.exists() and not os.access(runs, os.W_OK | os.X_OK):
            raise store_error(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), runs)

    def publish(self, *places: Path) -> None:
        """Copy files and folders of the store's, such as that of a run, to its URL, if it has one.

        Raises
        ------
        StoreError
            If that cannot be written.
        """
        if self._there is not None:
            self._there.publish(*places)

    def folders_in(self, folder: Path) -> list[str]:
        """Return the names of folders in one of the store's, such as those of runs, in order.

        Raises
        ------
        StoreError
            If its URL does not answer.
        """
        found = {path.name for path in _folders(folder, links=True)}
        return sorted(found if self._there is None else found.union(self._there.folders_in(folder)))

    def fetch(self, folder: Path, name: str = "") -> None:
        """Fetch a file of a folder, or all, once a look; what was made on this machine stays.

        Raises
        ------
        StoreError
            If its URL does not answer.
        """
        if self._there is not None:
            self._there.fetch(folder, name)

    def free_bytes(self) -> int:
        """Return the free bytes of the disk that the store lies on."""
        if self.url is not None:
            return sys.maxsize
        place = next(p for p in (self.path, *self.path.parents) if p.exists())
        return shutil.disk_usage(place).free

    def contains(self, path: str | os.PathLike[str]) -> bool:
        """Whether a path lies inside the store."""
        return absolute(path).resolve().is_relative_to(self.path.resolve())


def _folders(path: Path, *, links: bool = False) -> list[Path]:
    return [one for one in list_folder(path) if one.is_dir() and (links or not one.is_symlink())]


def _is_result(path: Path) -> bool:
    return (path / RECIPE).exists() or (path / COMPLETE).exists()


def folder_name(step: str) -> str:
    """Return the folder of a step: its name, with what file systems do not take replaced.

    What stands before the first slash is the folder of a stage.

    Examples
    --------
    >>> folder_name("brain.denoise"), folder_name("interim/denoise"), folder_name("a/b:c/d")
    ('brain.denoise', 'interim/denoise', 'a/b_c_d')
    """
    stage, slash, rest = step.partition("/")
    if stage and slash and rest:
        return f"{_folder_name(stage)}/{_folder_name(rest)}"
    return _folder_name(step)


def _folder_name(step: str) -> str:
    name = re.sub(r"[^\w.\- ]+", "_", step).strip(". ") or "step"
    if len(name.encode()) > _MAX_NAME:
        mark = hashlib.sha256(step.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = f"{name.encode()[: _MAX_NAME - 9].decode(errors='ignore')}-{mark}"
    return f"{name}_" if name in RESERVED else name

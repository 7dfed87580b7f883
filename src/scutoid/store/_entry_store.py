"""A store: a folder of results, each an entry under the name of its step."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
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

MARK = ".scutoid"
"""File that says that a folder is a store."""
_DIGITS = 12
RESULT_NAME = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")
"""Name of the folder of a result."""
_RESERVED = {"runs"}
_MAX_NAME = 100
_CONTAINER_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


class EntryStore:
    """A store: a folder of results.

    Parameters
    ----------
    path : path
        The folder; it is made when something is first written.

    Raises
    ------
    StoreError
        If it is a file, a URL, or a zarr.

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
                remedy='give a path, such as "results"',
            )
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", os.fspath(path)):
            raise StoreError(
                "a store is a folder of this machine or of a mounted file system",
                value=os.fspath(path),
                remedy="mount it, or name a folder",
            )
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

    def entry(self, name: str, key: str) -> Entry:
        """Return the place of a result."""
        return Entry(self.path / folder_name(name) / key[:_DIGITS], name, key)

    def step_folders(self, *, links: bool = False) -> list[Path]:
        """Return the folders of steps, those in the folders of stages too, by path.

        Parameters
        ----------
        links : bool
            Whether folders that links lead to are among them.
        """
        if not self.path.is_dir():
            return []
        first = [path for path in _folders(self.path, links=links) if path.name not in _RESERVED]
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
        results = []
        folders = self.step_folders(links=True) if name is None else [self.path / folder_name(name)]
        for path in (one / RECIPE for folder in folders for one in _folders(folder, links=True)):
            try:
                recipe = Recipe.from_json(read_regular(path), place=path)
            except (OSError, StoreError):
                continue
            is_result = path.parent.name == recipe.key[:_DIGITS]  # else a copy that somebody made
            if is_result and (name is None or recipe.step == name):
                results.append((Entry(path.parent, recipe.step, recipe.key), recipe))
        return sorted(results, key=lambda item: (item[1].created, item[1].key), reverse=True)

    def places(self) -> list[Entry]:
        """Return where there are results or remains of some, readable or not, by path.

        No link is followed, and copies under other names are none.
        """
        entries = []
        for path in (path for folder in self.step_folders() for path in _folders(folder)):
            if not _is_result(path):
                continue
            try:
                recipe = Recipe.from_json(read_regular(path / RECIPE), place=path)
            except (OSError, StoreError):
                if RESULT_NAME.fullmatch(path.name):
                    entries.append(Entry(path, path.parent.name, path.name))
            else:
                if path.name == recipe.key[:_DIGITS]:
                    entries.append(Entry(path, recipe.step, recipe.key))
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

    def nearest(self, name: str, recipe: Recipe) -> Recipe | None:
        """Return the recipe of the result of a step that differs least from another; newest first.

        What a run did not finish tells as well what has changed since; of results that differ
        alike, the complete ones come first.
        """
        candidates = [
            (entry, other)
            for entry, other in self.entries(name)
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
        mark, probe = self.path / MARK, self.path / f"{MARK}-{os.getpid()}"
        with storing(self.path):
            try:
                if not mark.exists():
                    mark.write_text("results of scutoid\n")
                probe.write_bytes(b"x" * 4096)
            finally:
                with suppress(OSError):
                    probe.unlink(missing_ok=True)
        runs = self.path / "runs"  # another user's, it may be, in a folder of a group
        if runs.exists() and not os.access(runs, os.W_OK | os.X_OK):
            raise store_error(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), runs)

    def free_bytes(self) -> int:
        """Return the free bytes of the disk that the store lies on."""
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
    return f"{name}_" if name in _RESERVED else name

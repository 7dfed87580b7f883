"""One result in a store: a folder under the step's name and the first digits of its key.

::

    absent     no folder, or one without a readable recipe of this key
    partial    a recipe: the result is being made, or was when the run was stopped
    complete   a recipe, and a file COMPLETE that holds the recipe's digest
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scutoid.durable import is_beside, sync_folder
from scutoid.errors import DamagedResult, StoreError
from scutoid.paths import inside
from scutoid.store._durable import make_folder, storing, write_file
from scutoid.store._recipe import Recipe
from scutoid.store.formats import FORMATS, Format, choose_format, installed_formats
from scutoid.store.keys import digest_file

Status = Literal["absent", "partial", "complete"]
RECIPE = "recipe.json"
COMPLETE = "COMPLETE"
JOURNAL = "journal"
COMPLETED = "completed"
"""In a recipe: that the result was complete once."""
SUSPECT = "suspect"
"""In a recipe: that damage was noticed in the result before it was complete."""
SIZES = "sizes"
"""In a recipe: by file, the bytes of the journal and of what blocks returned, once complete."""
_SIZED = ("journal", "blocks.pack", "blocks.pack.index")
_TICK = 1e-6
_ZARR_METADATA = "zarr.json"

_INTACT: set[tuple[object, ...]] = set()
"""Versions of files that this process has found to be what was written."""

# What an entry is made of; all else in its folder is somebody else's, and is never removed.
_OURS = re.compile(
    r"recipe\.json|COMPLETE|journal|(members|accepted)\.json|items|files"
    r"|(blocks|items)\.pack(\.index)?|image(-\d+)?\.(ome\.zarr|tif|shards)"
)
_SAVED = re.compile(r"(?:table|value)(?:-\d+)?(\.[\w.]+)")
_CHECKED_ELSEWHERE = re.compile(r"recipe\.json|COMPLETE|journal|items|.*\.pack(\.index)?|\..*")


def is_ours(name: str) -> bool:
    """Whether a name is one that scutoid gives to a file or folder of a result.

    Examples
    --------
    >>> [is_ours(name) for name in ("value.json", "image-2.ome.zarr", "value.notes.txt")]
    [True, True, False]
    """
    if _OURS.fullmatch(name) or is_beside(name):
        return True
    saved = _SAVED.fullmatch(name)
    if saved is None:
        return False
    kinds = (FORMATS, installed_formats())  # the latter are asked of other packages
    return any(saved[1] == kind.suffix for known in kinds for kind in known.values())


@dataclass(frozen=True, slots=True)
class Entry:
    """The folder of one result; nothing is read or written until it is asked for."""

    path: Path
    """The folder."""
    name: str
    """Name of the step."""
    key: str
    """The whole key."""

    @property
    def recipe(self) -> Recipe | None:
        """What the result was made of; None if there is none, or it cannot be read."""
        try:
            recipe = Recipe.from_json((self.path / RECIPE).read_bytes(), place=self.path / RECIPE)
        except (OSError, StoreError):
            return None
        return recipe if recipe.key == self.key else None

    @property
    def status(self) -> Status:
        """Whether the result is absent, partial or complete."""
        if self.recipe is None:
            return "absent"
        try:
            stored = (self.path / COMPLETE).read_bytes().strip()
            digest = digest_file(self.path / RECIPE).encode()
        except OSError:
            return "partial"
        return "complete" if stored == digest else "partial"

    @property
    def journal(self) -> Path:
        """Where the blocks that are done are recorded."""
        return self.path / JOURNAL

    def at(self, name: str) -> Path:
        """Return the path of what a record calls by a name in the result's folder.

        Raises
        ------
        DamagedResult
            If it leads out of the folder; the entry then no longer counts as complete.
        """
        try:
            return inside(self.path, name)
        except DamagedResult:
            self.distrust()
            raise

    def begin(self, recipe: Recipe, *, keeps_items: bool = False) -> None:
        """Write the recipe, unless it is there already: then what was begun is continued.

        What a run that was killed left without a recipe is removed.  A result of another key in
        the same folder, or one with a recipe that cannot be read, is moved aside.

        Parameters
        ----------
        recipe : Recipe
            What the result is to be made of.
        keeps_items : bool
            Whether what lies there is kept although its recipe is lost or cannot be read: the
            members of a collection, which are checked and found by keys of their own.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        with storing(self.path):
            if self.recipe is not None:
                (self.path / COMPLETE).unlink(missing_ok=True)
                sync_folder(self.path)
                self._drop_links()
                self.trust()
                self._renew()
                return
            is_other = self._is_of_another_key()
            if is_other or ((self.path / RECIPE).exists() and not keeps_items):
                self._move_aside()
            elif self.path.exists() and not keeps_items:
                self.clear()
            (self.path / COMPLETE).unlink(missing_ok=True)
        make_folder(self.path)
        self.write(RECIPE, self._last(recipe).to_json().encode())

    def _drop_links(self) -> None:
        """Remove links in the place of files of ours, so that nothing is written through one."""
        for place in list(self.path.iterdir()):
            if place.is_symlink() and is_ours(place.name):
                place.unlink()

    def own(self) -> list[Path]:
        """Return what lies in the folder and is ours."""
        if self.path.is_symlink() or not self.path.is_dir():
            return []
        return [place for place in sorted(self.path.iterdir()) if is_ours(place.name)]

    def links_out(self) -> list[Path]:
        """Return links, in the place of what is ours, that lead out of the result's folder."""
        real = f"{os.path.realpath(self.path)}/"
        found = []
        for root, folders, names in os.walk(self.path):
            is_top = root == str(self.path)
            if is_top:
                folders[:] = [name for name in folders if is_ours(name)]
            ours = (n for n in (*folders, *names) if not is_top or is_ours(n))
            paths = (f"{root}/{name}" for name in ours)
            links = (path for path in paths if os.path.islink(path))  # noqa: PTH114
            found += [Path(p) for p in links if not os.path.realpath(p).startswith(real)]
        return found

    def _last(self, recipe: Recipe) -> Recipe:
        """Return a recipe whose time makes it the newest of its step, whatever the clock says."""
        times = [0.0]
        for path in self.path.parent.glob(f"*/{RECIPE}"):
            with suppress(OSError, StoreError):
                times.append(Recipe.from_json(path.read_bytes(), place=path).created)
        if not 0 < recipe.created <= max(times):
            return recipe
        return replace(recipe, created=max(times) + _TICK)

    def _renew(self) -> None:
        """Make what is gone on with the newest result of its step."""
        recipe = self.recipe
        if recipe is None:
            return
        renewed = self._last(replace(recipe, created=time.time()))
        self.write(RECIPE, renewed.to_json().encode())

    def _is_of_another_key(self) -> bool:
        try:
            return Recipe.from_json((self.path / RECIPE).read_bytes()).key != self.key
        except (OSError, StoreError):
            return False

    def _move_aside(self) -> None:
        for number in itertools.count(1):
            aside = self.path.with_name(f"{self.path.name}.aside-{number}")
            if not aside.exists():
                self.path.rename(aside)
                return

    def write(self, name: str, content: bytes) -> None:
        """Write a small file whole."""
        write_file(self.path / name, content)

    def save(self, value: object, name: str, *, format: str | None = None) -> Path:  # noqa: A002
        """Save a value under a name, in the format that fits it.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ParameterError
            If there is no format for it.
        StoreError
            If it cannot be written.
        """
        chosen = choose_format(value, format)
        path = self.path / f"{name}{chosen.suffix}"
        with storing(path):
            for other, _ in self._saved(name):
                if other != path:
                    other.unlink()
        chosen.save(value, path)
        return path

    def remove(self, name: str) -> None:
        """Remove a value that was saved under a name, if one was.

        Raises
        ------
        StoreError
            If it cannot be removed.
        """
        for path, _ in self._saved(name):
            with storing(path):
                path.unlink(missing_ok=True)

    def _saved(self, name: str) -> Iterator[tuple[Path, Format]]:
        """Yield the files of a saved value with their formats; installed ones only if need be."""
        places = [(self.path / f"{name}{kind.suffix}", kind) for kind in FORMATS.values()]
        if not any(path.is_file() for path, _ in places):
            installed = installed_formats().values()
            places = [(self.path / f"{name}{kind.suffix}", kind) for kind in installed]
        yield from ((path, kind) for path, kind in places if path.is_file())

    def load(self, name: str) -> object:
        """Return a value that was saved; its digest is checked first.

        Raises
        ------
        DamagedResult
            If it is missing or not what was written.
        """
        path, chosen = next(self._saved(name), (None, None))
        if path is None or chosen is None:
            self.distrust()
            raise _damaged("a stored value is where it was written", "missing", self.path / name)
        self.check(path.name)
        return chosen.load(self.at(path.name))

    def check(self, *names: str) -> None:
        """Check that files are what was written: those of these names, and those below them.

        Raises
        ------
        DamagedResult
            If one is not; the entry then no longer counts as complete.
        """
        recipe = self.recipe
        for file, record in {} if recipe is None else recipe.files.items():
            is_meant = any(file == name or file.startswith(f"{name}/") for name in names)
            if is_meant and not _was_intact(self.at(file), record):
                self.distrust()
                is_there = (self.path / file).exists()
                raise _damaged(
                    "a stored value is what was written",
                    "its digest differs" if is_there else "missing",
                    self.path / file,
                )

    def misfits(self) -> list[str]:
        """Names of files that are missing or of another size; none is read."""
        recipe = self.recipe
        files = {} if recipe is None else recipe.files
        return [
            name for name, record in files.items() if _size(self.path / name) != record["bytes"]
        ]

    def resized(self) -> list[str]:
        """Names of files without a digest that are missing or of another size than when complete.

        They are the journal and what blocks returned; recipes of earlier versions note none.
        """
        recipe = self.recipe
        sizes = {} if recipe is None else recipe.extra.get(SIZES, {})
        return [name for name, size in sizes.items() if _size(self.path / name) != size]

    @property
    def is_suspect(self) -> bool:
        """Whether damage was noticed in the result, be it complete until then or not."""
        recipe = self.recipe
        is_marked = recipe is not None and (recipe.extra.keys() & {COMPLETED, SUSPECT})
        return bool(is_marked) and self.status == "partial"

    def distrust(self) -> None:
        """Mark the result as damaged, where the store can be written."""
        with suppress(OSError):
            (self.path / COMPLETE).unlink(missing_ok=True)
            recipe = self.recipe
            if recipe is not None and not recipe.extra.get(COMPLETED):
                marked = replace(recipe, extra={**recipe.extra, SUSPECT: True})
                self.write(RECIPE, marked.to_json().encode())

    def trust(self) -> None:
        """Remove the mark of damage: what is there of the result was checked and is right."""
        recipe = self.recipe
        if recipe is not None and recipe.extra.keys() & {COMPLETED, SUSPECT}:
            self.write(RECIPE, replace(recipe, files={}, extra={}).to_json().encode())

    def commit(self, extra: Mapping[str, Any] | None = None) -> None:
        """Mark the result as complete: digests of its files into the recipe, then COMPLETE.

        Parameters
        ----------
        extra : mapping, optional
            Plain JSON to keep in the recipe; "seconds" is how long the result took.

        Raises
        ------
        StoreError
            If there is no recipe, or the store cannot be written.
        """
        recipe = self.recipe
        if recipe is None:
            raise StoreError(
                "an entry is begun before it is committed",
                value="no readable recipe of its key",
                place=str(self.path),
            )
        with storing(self.path):
            self._sweep()
            files = {
                name: {"bytes": path.stat().st_size, "sha256": digest_file(path)}
                for name, path in map(self._own, self._unprotected())
            }
            added = dict(extra or {})
            seconds = added.pop("seconds", recipe.seconds)
            sizes = {name: size for name in _SIZED if (size := _size(self.path / name)) >= 0}
            added = {**recipe.extra, **added, COMPLETED: True, **({SIZES: sizes} if sizes else {})}
            added.pop(SUSPECT, None)
            created = max(recipe.created, time.time()) if recipe.created else 0.0
            changed = replace(recipe, files=files, seconds=seconds, extra=added, created=created)
            (self.path / COMPLETE).unlink(missing_ok=True)
            self.write(RECIPE, changed.to_json().encode())
            self.write(COMPLETE, digest_file(self.path / RECIPE).encode() + b"\n")

    def _own(self, path: Path) -> tuple[str, Path]:
        """Return the name of a file in the folder, which no link leads out of, and its path."""
        name = path.relative_to(self.path).as_posix()
        try:
            return name, inside(self.path, name)
        except DamagedResult as error:
            raise StoreError(
                "a result is made of files of its own, and of links to these",
                value=error.value,
                place=str(self.path),
                remedy="let the step copy the file into its folder rather than link to it",
            ) from error

    def _sweep(self) -> None:
        """Remove what writers that were killed have left unfinished."""
        for place in list(self.path.iterdir()):
            if is_beside(place.name) and place.is_dir():
                shutil.rmtree(place)
            elif is_beside(place.name):
                place.unlink(missing_ok=True)

    def _unprotected(self) -> Iterator[Path]:
        """Yield the files that have no checksums of their own: not packs, not chunks of a zarr."""
        for place in sorted(self.path.iterdir()):
            if _CHECKED_ELSEWHERE.fullmatch(place.name) or not is_ours(place.name):
                continue
            if place.is_file():
                yield place
                continue
            for root, folders, names in os.walk(place):
                folders.sort()
                # Metadata lies beside "c", never below it, where a large array has its chunks.
                if _ZARR_METADATA in names and place.name != "files":
                    yield Path(root) / _ZARR_METADATA
                    folders[:] = [name for name in folders if name != "c"]
                elif place.name == "files":
                    yield from (Path(root) / name for name in sorted(names))

    def verify(self) -> list[str]:
        """Return the names of files that are missing or not what was written; reads them all."""
        recipe = self.recipe
        if recipe is None:
            return [RECIPE]
        return [
            name for name, record in recipe.files.items() if not _is_intact(self.path, name, record)
        ]

    def clear(self) -> None:
        """Remove the result; what scutoid did not make stays, and the folder with it.

        Raises
        ------
        StoreError
            If it cannot be removed.
        """
        with storing(self.path):
            if self.path.is_symlink():
                self.path.unlink()
                return
            if not self.path.is_dir():
                return
            # Killed between any two of these, what remains is never taken for a result.
            for name in (COMPLETE, RECIPE, JOURNAL):
                (self.path / name).unlink(missing_ok=True)
            sync_folder(self.path)
            others = False
            for place in list(self.path.iterdir()):
                if not is_ours(place.name):
                    others = True
                elif place.is_dir() and not place.is_symlink():
                    shutil.rmtree(place)
                else:
                    place.unlink()
            if not others:
                self.path.rmdir()


def distrust_around(path: Path) -> None:
    """Mark the result that a file belongs to as damaged."""
    for folder in path.parents:
        if (folder / RECIPE).exists():
            with suppress(OSError):
                (folder / COMPLETE).unlink(missing_ok=True)
                recipe = Recipe.from_json((folder / RECIPE).read_bytes(), place=folder / RECIPE)
                Entry(folder, recipe.step, recipe.key).distrust()
            return


def _damaged(rule: str, value: str, path: Path) -> DamagedResult:
    return DamagedResult(rule, value=value, place=str(path), remedy="run again to compute it")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _is_intact(folder: Path, name: str, record: Mapping[str, object]) -> bool:
    try:
        path = inside(folder, name)
        return path.stat().st_size == record.get("bytes") and digest_file(path) == record.get(
            "sha256"
        )
    except OSError:
        return False


def _was_intact(path: Path, record: Mapping[str, object]) -> bool:
    """Whether a file is what was written; read once in a process for each version of it."""
    try:
        status = path.stat()
    except OSError:
        return False
    version = (str(path), status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
    known = (*version, record.get("sha256"))
    if known not in _INTACT:
        if not _is_intact(path.parent, path.name, record):
            return False
        _INTACT.add(known)
    return True

"""One result in a store: a folder under the step's name and the first digits of its key.

::

    absent     no folder, or one without a readable recipe of this key
    partial    a recipe: the result is being made, or was when the run was stopped
    complete   a recipe, and a file COMPLETE that holds the recipe's digest
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scutoid import remote
from scutoid.durable import sync_folder
from scutoid.errors import DamagedResult, StoreError
from scutoid.paths import inside
from scutoid.regular import read_regular
from scutoid.store._any_lock import AnyLock
from scutoid.store._copied_result import is_left_at_url
from scutoid.store._durable import list_folder, make_folder, storing, write_file
from scutoid.store._entry_folder import (
    COMPLETE,
    JOURNAL,
    RECIPE,
    drop_links,
    links_out_of,
    move_aside,
    own_in,
    remove_own,
    sweep,
    unprotected_in,
)
from scutoid.store._intact import is_intact, record_of, size_of, was_intact
from scutoid.store._lock import Lock
from scutoid.store._recipe import Recipe
from scutoid.store._working import folder_elsewhere, mark_above
from scutoid.store.formats import FORMATS, Format, choose_format, installed_formats

if TYPE_CHECKING:
    from scutoid.store._remote_result import RemoteResult

Status = Literal["absent", "partial", "complete"]
COMPLETED = "completed"
"""In a recipe: that the result was complete once."""
SUSPECT = "suspect"
"""In a recipe: that damage was noticed in the result before it was complete."""
SIZES = "sizes"
"""In a recipe: by file, the bytes of the journal and of what blocks returned, once complete."""
_SIZED = ("journal", "blocks.pack", "blocks.pack.index")
_TICK = 1e-6


@dataclass(frozen=True, slots=True)
class Entry:
    """The folder of one result; nothing is read or written until it is asked for."""

    path: Path
    """The folder."""
    name: str
    """Name of the step."""
    key: str
    """The whole key."""
    url: str = ""
    """Where it lies, if its store is at a URL: the folder is then what this machine has of it."""

    @property
    def remote(self) -> RemoteResult | None:
        """The result at its URL; None where the folder is all there is."""
        return _result_at(self.url, self.path) if self.url else None

    def __reduce__(self) -> tuple[Callable[..., Entry], tuple[object, ...]]:
        there = self.remote
        if there is None:
            return type(self), (self.path, self.name, self.key)
        mark = mark_above(self.path)
        return _sent, (self.path, self.name, self.key, self.url, there.token, mark)

    @contextmanager
    def sending(self) -> Iterator[dict[str, str]]:
        """Send files that the body saves to the URL, if this is the place of a worker elsewhere.

        What is yielded has then each file, and the object that holds it: see `receive`.
        """
        sent: dict[str, str] = {}
        if self.remote is None or not self.remote.is_elsewhere:
            yield sent
            return
        with self.remote.sending(sent):
            yield sent

    def receive(self, sent: Mapping[str, str]) -> None:
        """Fetch files that a worker elsewhere has sent.

        Raises
        ------
        StoreError
            If one is not there.
        """
        if self.remote is not None and sent:
            self.remote.receive(sent)

    def follow(self) -> None:
        """Fetch what others have made of the result, if this is the place of a worker elsewhere."""
        if self.remote is not None and self.remote.is_elsewhere:
            self.remote.follow()

    @property
    def place(self) -> str:
        """Its folder or URL, for people."""
        return self.url or str(self.path)

    def image(self, file: str) -> str:
        """Return the path or URL of what has the shards of an image, by the name in a record."""
        there = self.remote
        return str(self.at(file)) if there is None else there.place(file)

    def lock(self) -> AnyLock:
        """Return the lock of the result, which all machines have in common."""
        is_written = bool(self.url) and remote.is_writable_kind(self.url)
        if not is_written:
            return Lock(self.path)
        from scutoid.store._object_lock import LockAtUrl

        return LockAtUrl(self.path, self.url)

    @property
    def recipe(self) -> Recipe | None:
        """What the result was made of; None if there is none, or it cannot be read."""
        return self._read()[0]

    def _read(self) -> tuple[Recipe | None, bytes]:
        """Return the recipe, and the content of its file."""
        place = f"{self.path}/{RECIPE}"
        try:
            content = read_regular(place)
            recipe = Recipe.from_json(content, place=place)
        except (OSError, StoreError):
            return None, b""
        return (recipe if recipe.key == self.key else None), content

    @property
    def status(self) -> Status:
        """Whether the result is absent, partial or complete."""
        recipe, is_complete = self.look()
        return "absent" if recipe is None else "complete" if is_complete else "partial"

    def look(self) -> tuple[Recipe | None, bool]:
        """Return the recipe, and whether COMPLETE is that of it."""
        recipe, content = self._read()
        if recipe is None:
            return None, False
        try:
            stored = read_regular(f"{self.path}/{COMPLETE}").strip()
        except OSError:
            return recipe, False
        return recipe, stored == hashlib.sha256(content).hexdigest().encode()

    @property
    def journal(self) -> Path:
        """Where the blocks that are done are recorded."""
        return self.path / JOURNAL

    def has(self, name: str) -> bool:
        """Whether a file or folder of the result is there; of one that is read at its URL, there.

        Raises
        ------
        SourceError
            If its URL does not answer.
        """
        if self.url and is_left_at_url(name):
            return remote.ask([self.image(name)]) != [None]
        return (self.path / name).exists()

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

        What a run that was killed left without a recipe is removed.  What has the recipe of
        another key, or one that cannot be read, is moved aside.

        Parameters
        ----------
        recipe : Recipe
            What the result is to be made of.
        keeps_items : bool
            Whether what lies there is kept although its recipe is lost, cannot be read or is that
            of another key: the members of a collection, which have keys of their own.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        with storing(self.path):
            if self.recipe is not None:
                if self.remote is not None and (self.path / COMPLETE).exists():
                    self.remote.withdraw()
                (self.path / COMPLETE).unlink(missing_ok=True)
                sync_folder(self.path)
                drop_links(self.path)
                self.trust()
                self._renew()
                return
            if not keeps_items and (self.path / RECIPE).exists():
                move_aside(self.path)
            elif not keeps_items and self.path.exists():
                self.clear()
            (self.path / COMPLETE).unlink(missing_ok=True)
        make_folder(self.path)
        self.write(RECIPE, self._last(recipe).to_json().encode())
        if self.remote is not None:
            self.remote.begin()

    def reopen(self) -> None:
        """Go on with a result at a URL in a new attempt, as the working folder has it.

        Raises
        ------
        StoreError
            If another has taken over its lock, or it cannot be written.
        """
        if self.remote is not None:
            with storing(self.path):
                (self.path / COMPLETE).unlink(missing_ok=True)
            self.trust()
            self.remote.reopen()

    def _last(self, recipe: Recipe) -> Recipe:
        """Return a recipe whose time makes it the newest of its step, whatever the clock says."""
        times = [0.0]
        for path in (folder / RECIPE for folder in list_folder(self.path.parent)):
            with suppress(OSError, StoreError):
                times.append(Recipe.from_json(read_regular(path), place=path).created)
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
            place = self.image(name) if self.url else self.path / name
            raise _damaged("a stored value is where it was written", "missing", place)
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
            is_meant = is_meant and not (self.url and is_left_at_url(file))
            if is_meant and not was_intact(self.at(file), record):
                self.distrust()
                is_there = (self.path / file).exists()
                raise _damaged(
                    "a stored value is what was written",
                    "its digest differs" if is_there else "missing",
                    self.image(file) if self.url else self.path / file,
                )

    def misfits(self) -> list[str]:
        """Names of files that are missing or of another size; none is read."""
        recipe = self.recipe
        files = {} if recipe is None else recipe.files
        return [
            name
            for name, record in files.items()
            if not (self.url and is_left_at_url(name))
            and size_of(self.path / name) != record["bytes"]
        ]

    def resized(self) -> list[str]:
        """Names of files without a digest that are missing or of another size than when complete.

        They are the journal and what blocks returned; recipes of earlier versions note none.
        """
        recipe = self.recipe
        sizes = {} if recipe is None else recipe.extra.get(SIZES, {})
        return [name for name, size in sizes.items() if size_of(self.path / name) != size]

    @property
    def is_suspect(self) -> bool:
        """Whether damage was noticed in the result, be it complete until then or not."""
        recipe, is_complete = self.look()
        is_marked = recipe is not None and (recipe.extra.keys() & {COMPLETED, SUSPECT})
        return bool(is_marked) and not is_complete

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
        """Mark the result as complete: digests of its files go into the recipe.

        COMPLETE, with the digest of that recipe, is written first, and the recipe takes the place
        of the one there was: what is stopped between the two is as partial as it was before.

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
            sweep(self.path)
            files = dict(record_of(self.path, path) for path in unprotected_in(self.path))
            added = dict(extra or {})
            seconds = added.pop("seconds", recipe.seconds)
            sizes = {name: size for name in _SIZED if (size := size_of(self.path / name)) >= 0}
            added = {**recipe.extra, **added, COMPLETED: True, **({SIZES: sizes} if sizes else {})}
            added.pop(SUSPECT, None)
            created = max(recipe.created, time.time()) if recipe.created else 0.0
            changed = replace(recipe, files=files, seconds=seconds, extra=added, created=created)
            content = changed.to_json().encode()
            self.write(COMPLETE, hashlib.sha256(content).hexdigest().encode() + b"\n")
            self.write(RECIPE, content)
        if self.remote is not None:
            try:
                self.remote.publish(content)
            except BaseException:  # it is as partial as it was
                (self.path / COMPLETE).unlink(missing_ok=True)
                self.write(RECIPE, recipe.to_json().encode())
                raise

    def verify(self) -> list[str]:
        """Return the names of files that are missing or not what was written; reads them all."""
        recipe = self.recipe
        if recipe is None:
            return [RECIPE]
        return [
            name for name, record in recipe.files.items() if not is_intact(self.path, name, record)
        ]

    def own(self) -> list[Path]:
        """Return what lies in the folder and is ours."""
        return own_in(self.path)

    def links_out(self) -> list[Path]:
        """Return links, in the place of what is ours, that lead out of the result's folder."""
        return links_out_of(self.path)

    def clear(self) -> None:
        """Remove the result; what scutoid did not make stays, and the folder with it.

        Raises
        ------
        StoreError
            If it cannot be removed.
        """
        if self.remote is not None:
            self.remote.clear()
        with storing(self.path):
            remove_own(self.path)


def _result_at(url: str, folder: Path) -> RemoteResult:
    from scutoid.store._remote_result import RemoteResult  # which few stores need

    return RemoteResult(url, folder)


def _sent(path: Path, name: str, key: str, url: str, token: str, mark: bytes) -> Entry:
    """Return the place of a result at a URL in the process that gets it."""
    if mark and mark_above(path) == mark:
        return Entry(path, name, key, url)
    folder = folder_elsewhere() / hashlib.sha256(url.encode()).hexdigest()[:16]
    _result_at(url, folder / path.name).begin(token)
    return Entry(folder / path.name, name, key, url)


def distrust_around(path: Path) -> None:
    """Mark the result that a file belongs to as damaged."""
    for folder in path.parents:
        if (folder / RECIPE).exists():
            with suppress(OSError):
                (folder / COMPLETE).unlink(missing_ok=True)
                recipe = Recipe.from_json(read_regular(folder / RECIPE), place=folder / RECIPE)
                Entry(folder, recipe.step, recipe.key).distrust()
            return


def _damaged(rule: str, value: str, place: Path | str) -> DamagedResult:
    remedy = "run again to compute it"
    if isinstance(place, str):
        remedy = "make it again where the store is written, or copy it again"
    return DamagedResult(rule, value=value, place=str(place), remedy=remedy)

"""One result in a store: a folder under the step's name and the first digits of its key.

::

    absent     no folder, or one without a readable recipe of this key
    partial    a recipe: the result is being made, or was when the run was stopped
    complete   a recipe, and a file COMPLETE that holds the recipe's digest
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scutoid.errors import DamagedResult, StoreError
from scutoid.store._durable import make_folder, store_error, storing, write_file
from scutoid.store._formats import FORMATS, choose_format
from scutoid.store._recipe import Recipe

Status = Literal["absent", "partial", "complete"]
RECIPE = "recipe.json"
COMPLETE = "COMPLETE"
JOURNAL = "journal"
MARK = ".scutoid"
_DIGITS = 12
_PIECE = 2**22


@dataclass(frozen=True, slots=True)
class Entry:
    """A place for one result; nothing is read or written until it is asked for."""

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
        """Whether the result is there, in part or whole."""
        if self.recipe is None:
            return "absent"
        try:
            said = (self.path / COMPLETE).read_text().strip()
        except OSError:
            return "partial"
        return "complete" if said == _digest_file(self.path / RECIPE) else "partial"

    @property
    def journal(self) -> Path:
        """Where the blocks that are done are recorded."""
        return self.path / JOURNAL

    def begin(self, recipe: Recipe) -> None:
        """Write the recipe, unless it stands already; what lies under another key is cleared.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        if self.recipe is not None:
            with storing(self.path):
                (self.path / COMPLETE).unlink(missing_ok=True)
            return
        if self.path.exists():
            self.clear()
        make_folder(self.path)
        self.write(RECIPE, recipe.to_json().encode())

    def write(self, name: str, content: bytes) -> None:
        """Write a small file whole."""
        write_file(self.path / name, content)

    def save(self, value: object, name: str, *, format: str | None = None) -> Path:  # noqa: A002
        """Save a value under a name, in the format that fits it.

        Returns
        -------
        Path
            The file.
        """
        chosen = choose_format(value, format)
        path = self.path / f"{name}{chosen.suffix}"
        for other in FORMATS.values():
            if other.suffix != chosen.suffix:
                (self.path / f"{name}{other.suffix}").unlink(missing_ok=True)
        chosen.save(value, path)
        return path

    def saved(self, name: str) -> Path | None:
        """Return the file of a saved value; None if there is none."""
        paths = (self.path / f"{name}{one.suffix}" for one in FORMATS.values())
        return next((path for path in paths if path.exists()), None)

    def load(self, name: str) -> Any:
        """Return a value that was saved; its digest is checked first.

        Raises
        ------
        DamagedResult
            If it is missing or not what was written.
        """
        path = self.saved(name)
        if path is None:
            raise DamagedResult(
                "a stored value is where it was written",
                value="missing",
                place=str(self.path / name),
                remedy="run again: it is made anew",
            )
        recipe = self.recipe
        said = {} if recipe is None else recipe.files.get(path.name, {})
        if said and said.get("sha256") != _digest_file(path):
            raise DamagedResult(
                "a stored value is what was written",
                value="its digest differs",
                place=str(path),
                remedy="run again: it is made anew",
            )
        suffix = next(f for f in FORMATS.values() if path.name == f"{name}{f.suffix}")
        return suffix.load(path)

    def commit(self, extra: Mapping[str, Any] | None = None) -> None:
        """Mark the result as complete: digests of its files into the recipe, then COMPLETE.

        Raises
        ------
        StoreError
            If there is no recipe, or the store cannot be written.
        """
        recipe = self.recipe
        if recipe is None:
            raise StoreError("an entry is begun before it is committed", place=str(self.path))
        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": _digest_file(path)}
            for path in self._values()
        }
        said = dict(extra or {})
        seconds = said.pop("seconds", recipe.seconds)
        changed = replace(recipe, files=files, seconds=seconds, extra={**recipe.extra, **said})
        (self.path / COMPLETE).unlink(missing_ok=True)
        self.write(RECIPE, changed.to_json().encode())
        self.write(COMPLETE, _digest_file(self.path / RECIPE).encode() + b"\n")

    def _values(self) -> Iterator[Path]:
        suffixes = tuple(one.suffix for one in FORMATS.values())
        for path in sorted(self.path.iterdir()):
            is_value = path.is_file() and path.name.endswith(suffixes)
            if is_value and path.name != RECIPE and not path.name.startswith("."):
                yield path

    def verify(self) -> list[str]:
        """Return the names of saved values that are missing or not what was written."""
        recipe = self.recipe
        if recipe is None:
            return [RECIPE]
        return [
            name
            for name, said in recipe.files.items()
            if not (self.path / name).exists() or _digest_file(self.path / name) != said["sha256"]
        ]

    def clear(self) -> None:
        """Remove the result; only what lies in its own folder.

        Raises
        ------
        StoreError
            If it cannot be removed.
        """
        if not self.path.exists():
            return
        with storing(self.path):
            (self.path / COMPLETE).unlink(missing_ok=True)
            shutil.rmtree(self.path)


def _digest_file(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


class EntryStore:
    """A folder of results.

    Parameters
    ----------
    path : path
        The folder; it is made when something is first written.

    Raises
    ------
    StoreError
        If it is a file.

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
        self.path = Path(path).expanduser().absolute()
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(
                "a store is a folder",
                value="a file",
                place=str(self.path),
                remedy="name another place for the store",
            )

    def entry(self, name: str, key: str) -> Entry:
        """Return the place of a result."""
        folder = re.sub(r"[^\w.\- ]+", "_", name).strip(". ") or "step"
        return Entry(self.path / folder / key[:_DIGITS], name, key)

    def entries(self, name: str | None = None) -> list[tuple[Entry, Recipe]]:
        """Return all results with their recipes, the newest first."""
        found = []
        pattern = "*" if name is None else self.entry(name, "0" * _DIGITS).path.parent.name
        for path in self.path.glob(f"{pattern}/*/{RECIPE}") if self.path.is_dir() else ():
            try:
                recipe = Recipe.from_json(path.read_bytes(), place=path)
            except (OSError, StoreError):
                continue
            if name is None or recipe.step == name:
                found.append((Entry(path.parent, recipe.step, recipe.key), recipe))
        return sorted(found, key=lambda item: item[1].created, reverse=True)

    def nearest(self, name: str, recipe: Recipe) -> Recipe | None:
        """Return the complete result of a step that differs least from a recipe; newest first."""
        found = [r for e, r in self.entries(name) if e.status == "complete" and r.key != recipe.key]
        return min(found, key=lambda other: len(_differences(recipe, other)), default=None)

    def check_writable(self) -> None:
        """Make the store's folder, and check that files can be written there.

        Raises
        ------
        StoreError
            If they cannot.
        """
        make_folder(self.path)
        mark = self.path / MARK
        try:
            if not mark.exists():
                mark.write_text("results of scutoid\n")
            probe = self.path / f"{MARK}-{os.getpid()}"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            raise store_error(error, self.path) from error

    def free_bytes(self) -> int:
        """Return the free bytes of the disk that the store lies on."""
        place = next(p for p in (self.path, *self.path.parents) if p.exists())
        return shutil.disk_usage(place).free

    def contains(self, path: str | os.PathLike[str]) -> bool:
        """Whether a path lies inside the store."""
        return Path(path).expanduser().resolve().is_relative_to(self.path.resolve())


def explain(new: Recipe, old: Recipe | None) -> str:
    """Say why a result of `old` does not serve as one of `new`.

    Examples
    --------
    >>> from scutoid.store import Fact
    >>> a = Recipe(step="s", key="1", parameters={"sigma": Fact.of(2.0)})
    >>> b = Recipe(step="s", key="2", parameters={"sigma": Fact.of(3.0)})
    >>> explain(b, a)
    '`sigma` 2.0 -> 3.0'
    >>> explain(b, None)
    'first run'
    """
    if old is None:
        return "first run"
    return "; ".join(_differences(new, old)) or "the step's declaration changed"


def _differences(new: Recipe, old: Recipe) -> list[str]:
    said: list[str] = []
    for name in sorted(new.parameters.keys() | old.parameters.keys()):
        a, b = old.parameters.get(name), new.parameters.get(name)
        if a is None or b is None:
            said.append(f"`{name}` is {'new' if a is None else 'gone'}")
        elif a.digest != b.digest:
            same = a.text == b.text
            said.append(
                f"`{name}` ({a.text}) changed" if same else f"`{name}` {a.text} -> {b.text}"
            )
    names = list(dict.fromkeys([*new.code, *old.code]))
    for n, name in enumerate(names):
        if new.code.get(name) != old.code.get(name):
            what = "own code" if n == 0 else f"helper or constant `{name}`"
            said.append(f"{what} changed")
    for name in dict.fromkeys([*new.inputs, *old.inputs]):
        c, d = old.inputs.get(name), new.inputs.get(name)
        if c is None or d is None or c.digest != d.digest:
            text = d.text if d is not None else "none"
            said.append(f"input `{name}` ({text}) changed")
    for name in sorted(new.environment.keys() | old.environment.keys()):
        if new.environment.get(name) != old.environment.get(name):
            said.append(f"{name} {old.environment.get(name)} -> {new.environment.get(name)}")
    if new.block != old.block:
        said.append(f"block {old.block} -> {new.block}")
    return said

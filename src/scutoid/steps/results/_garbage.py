"""Remove garbage: results that no run needs any more, and what killed runs have left.

A result counts as used by every run that needed it, whether it was made then or found.  What a run
that is going on uses is never touched, nor what scutoid did not make.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scutoid.durable import is_beside
from scutoid.errors import StoreError
from scutoid.printable import printed
from scutoid.settings import UNITS
from scutoid.steps.results._damage import bytes_in, own_bytes
from scutoid.steps.results._names import FILES_FOLDER
from scutoid.steps.results._record import check_recipe
from scutoid.steps.results._runs import (
    LOGS,
    RUN,
    RUN_NAME,
    RUNS,
    THUMBNAILS,
    PastRun,
    announcing,
    dead_locks,
    is_lock,
    lock_of,
    runs_of,
)
from scutoid.store import MARK, RESULT_NAME, Entry, EntryStore, Lock, Recipe, list_folder

_REPORTS = (RUN, "events.jsonl", "report.html", "report.json")
_PICTURE = re.compile(r"\d+\.png")
_LOG = re.compile(r"[\w.-]+-\d+\.(log|out|err)|dask-(driver|scheduler)\.log|failures\.log")
_ASIDE = re.compile(rf"{RESULT_NAME.pattern}\.aside-\d+")
COMPARED = ".compared-steps"
"""Digests of the steps that were compared across the faces of blocks, a line each."""
_SMALL = (MARK, ".input-hashes", COMPARED)


@dataclass(frozen=True, slots=True)
class Removal:
    """Something that is taken away."""

    path: Path | str
    """The folder or file; a URL, a str, of what lies at one."""
    nbytes: int
    """What it takes."""
    why: str
    """Why it goes."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What was taken away from a store, or would be."""

    removals: tuple[Removal, ...]
    """What."""
    n_kept: int
    """Results that stay."""
    is_dry: bool
    """Whether nothing was touched."""

    @property
    def nbytes(self) -> int:
        """Bytes that are freed."""
        return sum(one.nbytes for one in self.removals)

    @printed
    def __str__(self) -> str:
        lines = [f"{one.nbytes / 1e6:10.1f} MB  {one.path}  ({one.why})" for one in self.removals]
        word = "would be removed" if self.is_dry else "removed"
        total = (
            f"{len(self.removals)} {word}, {self.nbytes / 1e6:.1f} MB; {self.n_kept} results kept"
        )
        return "\n".join([*lines, total])


class Collector:
    """Finds and removes garbage.

    Parameters
    ----------
    store : EntryStore
        The store.
    older_than : float, optional
        Results that were used in these last seconds stay.
    keep_runs : int, optional
        Results that the last so many runs needed stay.
    max_bytes : int, optional
        What the store may take: of all that may go, the results that were not used for longest go
        until it takes no more.
    """

    def __init__(
        self,
        store: EntryStore,
        *,
        older_than: float | None = None,
        keep_runs: int | None = None,
        max_bytes: int | None = None,
    ) -> None:
        self.store = store
        self.older_than = older_than
        self.keep_runs = keep_runs
        self.max_bytes = max_bytes
        self.runs = sorted(runs_of(store), key=lambda run: run.started, reverse=True)

    def collect(self, *, dry_run: bool) -> Garbage:
        """Take away what may go; with `dry_run` only say what.

        Raises
        ------
        StoreError
            If the folder is no store, or has a result of a later version.
        """
        if not (self.store.path / MARK).exists():
            raise StoreError(
                "garbage is collected only in a folder that scutoid has made a store of",
                value=f"no file {MARK}",
                place=str(self.store.path),
                remedy="check the path",
            )
        results = {entry.path: (entry, entry.recipe) for entry in self.store.places()}
        for entry, recipe in results.values():
            if recipe is None:
                check_recipe(entry)
        self._check_runs()
        chosen = list(self._chosen(results))
        removals = [r for r in chosen if dry_run or self._remove_result(r, results)]
        others = (*self._debris(results), *self._old_runs())
        removals += [r for r in others if dry_run or self._remove_other(Path(r.path), results)]
        gone = {removal.path for removal in removals}
        return Garbage(tuple(removals), len(results.keys() - gone), dry_run)

    def _last_used(self, path: Path, recipe: Recipe | None) -> float:
        used = (run.started for run in self.runs if path in run.entries)
        return max(used, default=0.0 if recipe is None else recipe.created)

    def _protected(self, results: dict[Path, tuple[Entry, Recipe | None]]) -> set[Path]:
        """Return what runs that are going on use, or the last so many, and is being made."""
        found = {path for path in results if Lock(path).is_held}
        last = self._last_runs([run for run in self.runs if run.has_record])
        for run in self.runs:
            if run.is_live or run in last:
                found |= run.entries
        return found

    def _last_runs(self, runs: Sequence[PastRun]) -> set[PastRun]:
        """Return the last so many of runs, the newest first, with all their parts and elements."""
        last = list(dict.fromkeys(run.whole for run in runs))[: self.keep_runs or 0]
        return {run for run in runs if run.whole in last}

    def _check_runs(self) -> None:
        """Refuse to go by runs whose records cannot be read."""
        damaged = [run for run in self.runs if not run.has_record and (run.folder / RUN).exists()]
        if damaged and self.keep_runs is not None:
            raise StoreError(
                "the results of the last runs are kept if all runs say what they needed",
                value=f"the record of {damaged[0].folder.name} cannot be read",
                place=str(damaged[0].folder / RUN),
                remedy="remove the folder of that run if it is not needed, or give older_than=",
            )

    def _chosen(self, results: dict[Path, tuple[Entry, Recipe | None]]) -> Iterator[Removal]:
        protected = self._protected(results)
        now = time.time()
        ages: dict[Path, float] = {}
        for path, (entry, recipe) in results.items():
            target = path
            if recipe is not None and recipe.stands_for is not None:  # goes with what it names
                target = self.store.entry(entry.name, recipe.stands_for).path
                if target not in results:
                    yield Removal(path, own_bytes(entry), "what it stands for is gone")
                    continue
            if target not in protected:
                ages[path] = now - self._last_used(target, recipe)
        by_age = sorted(ages, key=lambda path: ages[path], reverse=True)
        going = []
        if self.older_than is not None or self.keep_runs is not None:
            going = [path for path in by_age if ages[path] >= (self.older_than or 0.0)]
        for path in going:
            nbytes = own_bytes(results[path][0])
            yield Removal(path, nbytes, f"not used for {_in_words(ages[path])}")
        if self.max_bytes is None:
            return
        sizes = {path: own_bytes(entry) for path, (entry, _) in results.items()}
        total = sum(size for path, size in sizes.items() if path not in going)
        total += sum(bytes_in(path) for run in self.runs for path in _own_of_run(run.folder))
        small = (self.store.path / name for name in _SMALL)
        total += sum(bytes_in(path) for path in small if path.exists())
        for path in by_age:
            if total <= self.max_bytes:
                return
            if path not in going:
                total -= sizes[path]
                yield Removal(path, sizes[path], f"too much; not used for {_in_words(ages[path])}")

    def _remove_result(
        self, removal: Removal, results: dict[Path, tuple[Entry, Recipe | None]]
    ) -> bool:
        """Remove a result, unless somebody has begun to make or to use it just now."""
        path = Path(removal.path)
        with Lock(path).attempt() as is_free:
            if not is_free:
                return False
            with announcing(self.store):
                known = {run.folder for run in self.runs if run.has_record}
                new = (run for run in runs_of(self.store) if run.folder not in known)
                if any(path in run.entries for run in new):
                    return False
                results[path][0].clear()
        with suppress(OSError):
            for folder in path.relative_to(self.store.path).parents[:-1]:
                (self.store.path / folder).rmdir()  # the step's, if this was its last result
        return True

    def _remove_other(self, path: Path, results: Mapping[Path, object]) -> bool:
        """Remove what is no result, unless it lies in one that somebody has begun to make."""
        result = next((above for above in path.parents if above in results), None)
        if result is None:
            return _remove(path)
        with Lock(result).attempt() as is_free:
            return is_free and _remove(path)

    def _debris(self, results: Mapping[Path, object]) -> Iterator[Removal]:
        """Find what runs that were killed have left."""
        runs = [] if (self.store.path / RUNS).is_symlink() else [self.store.path / RUNS]
        for folder in (*self.store.step_folders(), *runs):
            for path in list_folder(folder):
                if _ASIDE.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                    nbytes = own_bytes(_aside(path))
                    yield Removal(path, nbytes, "a result that could not be read")
            for lock in dead_locks(folder):
                yield Removal(lock, bytes_in(lock), "its process is dead")
        idle = [path for path in results if path.is_dir() and not Lock(path).is_held]
        own = [path for run in self.runs if not run.is_live for path in _own_of_run(run.folder)]
        below = (path for place in idle for path in _unfinished_below(Entry(place, "", "")))
        for path in (*_unfinished(self.store.path), *below, *filter(_is_unfinished, own)):
            yield Removal(path, bytes_in(path), "not finished when its run was killed")

    def _old_runs(self) -> Iterator[Removal]:
        if self.older_than is None and self.keep_runs is None:
            return
        last = self._last_runs(self.runs)
        for run in (run for run in self.runs if run not in last):
            age = time.time() - run.started
            own = _own_of_run(run.folder)
            if (run.folder / RUN) in own and not run.is_live and age >= (self.older_than or 0.0):
                nbytes = sum(map(bytes_in, own))
                yield Removal(run.folder, nbytes, f"a run {_in_words(age)} ago")


def _is_unfinished(path: Path) -> bool:
    return is_beside(path.name) and not path.is_symlink()


def _unfinished(folder: Path) -> list[Path]:
    """What lies in a folder and was not finished."""
    return [path for path in list_folder(folder) if _is_unfinished(path)]


def _unfinished_below(entry: Entry) -> Iterator[Path]:
    """What was not finished anywhere in a result, but in what steps have written themselves."""
    for place in entry.own():
        if _is_unfinished(place):
            yield place
        elif place.is_dir() and not place.is_symlink() and place.name != FILES_FOLDER:
            for root, folders, names in os.walk(place):
                if not any(one.suffix == ".files" for one in (Path(root), *Path(root).parents)):
                    found = (Path(root, name) for name in (*folders, *names))
                    yield from filter(_is_unfinished, found)


def _aside(path: Path) -> Entry:
    """Return a result that was moved aside."""
    return Entry(path, path.parent.name, path.name)


def _own_of_run(folder: Path) -> list[Path]:
    """Return what a run has written into its folder."""
    if folder.is_symlink() or folder.parent.is_symlink() or not folder.is_dir():
        return []
    logs = [] if (folder / LOGS).is_symlink() else list_folder(folder / LOGS)
    logs = [path for path in logs if _LOG.fullmatch(path.name)]
    pictures = [] if (folder / THUMBNAILS).is_symlink() else list_folder(folder / THUMBNAILS)
    pictures = [path for path in pictures if _PICTURE.fullmatch(path.name)]
    own = [path for path in list_folder(folder) if path.name in _REPORTS]
    return [*logs, *pictures, *own, *_unfinished(folder)]


def _remove(path: Path) -> bool:
    """Remove what is ours at a path, and return whether nothing of it is left."""
    is_run = path.parent.name == RUNS and bool(RUN_NAME.fullmatch(path.name))
    with suppress(OSError):
        if is_run:
            for own in _own_of_run(path):
                own.unlink(missing_ok=True)
            for name in (LOGS, THUMBNAILS):
                with suppress(OSError):
                    (path / name).rmdir()
            path.rmdir()
        elif _ASIDE.fullmatch(path.name):
            _aside(path).clear()
        elif is_lock(path.name):
            lock_of(path).sweep()
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if is_run:
        return not _own_of_run(path)
    is_aside = bool(_ASIDE.fullmatch(path.name))
    return not (any(_aside(path).own()) if is_aside else os.path.lexists(path))


def _in_words(seconds: float) -> str:
    for unit in ("w", "d", "h", "m"):
        if seconds >= 2 * UNITS[unit]:
            return f"{seconds / UNITS[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"

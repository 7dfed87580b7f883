"""Runs that a store remembers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from scutoid.steps.results._record_fields import read_file
from scutoid.steps.results._run_record import RunRecord
from scutoid.store import MARK, RESULT_NAME, EntryStore, Lock, list_folder, one_by_one

RUNS = "runs"
RUN = "run.json"
RUN_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d_[0-9a-f]{4}")
"""Name of the folder of a run."""
_LOCK_NAME = re.compile(rf"\.({RESULT_NAME.pattern}|{RUN_NAME.pattern})\.lock")
_RUNS_READ = 100
"""Runs that are asked how a result is shown, the newest."""
LOGS = "logs"
"""In a run's folder: what its workers printed."""
THUMBNAILS = "thumbnails"
"""In a run's folder: pictures of members that its report shows."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that a store remembers."""

    folder: Path
    """Its folder."""
    started: float
    """When, in seconds since 1970."""
    entries: frozenset[Path]
    """Results that it needed."""
    is_live: bool
    """Whether it is going on."""
    has_record: bool = True
    """Whether it has said what it needs."""
    whole: str = ""
    """What it counts as with others: the name of the folder of its first part, which may be this
    one, or the job array that it is an element of."""

    @classmethod
    def at(cls, folder: Path, store: Path) -> PastRun:
        """Read the record of a run; one that was killed before it wrote it down needs nothing.

        Raises
        ------
        StoreError
            If the record is of a later version.
        """
        is_live = Lock(folder).is_held
        record = read_file(folder / RUN, RunRecord.from_json)
        if record is None:
            return cls(
                folder,
                folder.stat().st_mtime,
                frozenset(),
                is_live,
                has_record=False,
                whole=folder.name,
            )
        entries = frozenset(store / step.entry for step in record.steps)
        array = None if record.array is None else f"array {record.array}"
        whole = array or record.part_of or folder.name
        return cls(folder, record.started, entries, is_live, whole=whole)


def runs_of(store: EntryStore) -> list[PastRun]:
    """Return all runs that a store remembers."""
    folders = list_folder(store.path / RUNS, lambda name: RUN_NAME.fullmatch(name) is not None)
    found = []
    for folder in folders:
        with suppress(
            FileNotFoundError, NotADirectoryError
        ):  # it was removed meanwhile, or is none
            found.append(PastRun.at(folder, store.path))
    return found


def view_of(entry: Path) -> Mapping[str, object]:
    """Return how the newest run that needed a result says that it is shown; empty: as usual.

    Parameters
    ----------
    entry : Path
        The folder of the result.
    """
    store = next((folder for folder in entry.parents if (folder / MARK).exists()), None)
    if store is None:
        return {}
    place = entry.relative_to(store).as_posix()
    for record in newest_runs(store, _RUNS_READ):
        for step in record.steps:
            if step.entry == place:
                return step.view or {}
    return {}


def newest_runs(store: Path, most: int) -> Iterator[RunRecord]:
    """Yield the records of the runs that began last, the newest first.

    Parameters
    ----------
    store : Path
        The folder of the store.
    most : int
        How many are looked at; of a run that was killed early there is no record.

    Raises
    ------
    StoreError
        If one is of a later version.
    """
    folders = list_folder(store / RUNS, lambda name: RUN_NAME.fullmatch(name) is not None)
    for folder in sorted(folders, key=_began, reverse=True)[:most]:
        record = read_file(folder / RUN, RunRecord.from_json)
        if record is not None:
            yield record


def _began(run: Path) -> tuple[str, int]:
    """Return what orders runs by when they began: the second, and among those of one the record."""
    try:
        written = (run / RUN).stat().st_mtime_ns
    except OSError:
        written = 0
    return run.name.partition("_")[0], written


def dead_locks(folder: Path) -> list[Path]:
    """Return the locks of processes that are dead, in a folder of a store."""
    return [
        lock
        for lock in list_folder(folder, is_lock)
        if not lock.is_symlink() and not lock_of(lock).is_held
    ]


def is_lock(name: str) -> bool:
    """Whether a file name is that of the lock of a result or a run."""
    return _LOCK_NAME.fullmatch(name) is not None


def lock_of(path: Path) -> Lock:
    """Return the lock that a file is."""
    return Lock(path.with_name(path.name[1:].removesuffix(".lock")))


@contextmanager
def announcing(store: EntryStore) -> Iterator[None]:
    """Let either a run say what it uses and see that it is there, or a result be removed."""
    (store.path / RUNS).mkdir(exist_ok=True)
    with one_by_one(store.path / RUNS / ".locks"):
        yield

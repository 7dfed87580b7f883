"""The runs that a store remembers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid.store import EntryStore, Lock, one_by_one

RUNS = "runs"
RUN = "run.json"
LOGS = "logs"
"""In a run's folder: what its workers printed."""


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

    @classmethod
    def at(cls, folder: Path, store: Path) -> PastRun:
        """Read what a run has written down of itself."""
        said: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            said = json.loads((folder / RUN).read_bytes())
        entries = frozenset(store / step["entry"] for step in said.get("steps", ()))
        started = float(said.get("started") or folder.stat().st_mtime)
        return cls(folder, started, entries, Lock(folder).is_held)


def runs_of(store: EntryStore) -> list[PastRun]:
    """Return all runs that a store remembers."""
    folders = (path for path in (store.path / RUNS).glob("*/") if not path.name.startswith("."))
    return [PastRun.at(folder, store.path) for folder in folders]


def dead_locks(folder: Path) -> list[Path]:
    """Return the locks of processes that are dead, in a folder of a store."""
    return [
        lock
        for lock in sorted(folder.glob(".*.lock"))
        if not Lock(lock.with_name(lock.name[1:].removesuffix(".lock"))).is_held
    ]


@contextmanager
def announcing(store: EntryStore) -> Iterator[None]:
    """Let either a run say what it uses and see that it is there, or a result be removed."""
    (store.path / RUNS).mkdir(exist_ok=True)
    with one_by_one(store.path / RUNS / ".locks"):
        yield

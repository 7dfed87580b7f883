"""Runs of a store and their steps, as they are listed: those that an operation made below it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from scutoid.errors import StoreError
from scutoid.folding import fold
from scutoid.regular import read_regular
from scutoid.steps.results import RUN, RUNS, RunRecord, RunStepRecord
from scutoid.store import RECIPE, Lock, Recipe, list_folder


@dataclass(frozen=True, slots=True)
class ListedStep:
    """A step of a run."""

    name: str
    """Its name."""
    folder: Path
    """Where its result lies."""
    state: str
    """In words: "done", "cached", "failed", ..."""
    kind: str
    """Kind of its first output, "collection", or "" if nothing is there."""
    inner: tuple[ListedStep, ...] = ()
    """Steps that were made for it."""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run of a store."""

    folder: Path
    """Its folder."""
    title: str
    """When it began; of a run without a record the name of its folder."""
    state: str
    """In words, what came of it."""
    steps: tuple[ListedStep, ...]
    """Its steps, upstream first."""
    problem: str = ""
    """Why its record cannot be read."""


def list_runs(store: Path) -> list[ListedRun]:
    """Return the runs of a store, the newest first.

    Parameters
    ----------
    store : Path
        The folder of the store.

    Returns
    -------
    list of ListedRun
        A run whose record is damaged is one of them, with its `problem`.
    """
    names = list_folder(store / RUNS, lambda name: not name.startswith("."))
    folders = [path for path in names if path.is_dir()]
    return [_listed(folder, store) for folder in sorted(folders, reverse=True)]


def _listed(folder: Path, store: Path) -> ListedRun:
    try:
        record = RunRecord.from_json(read_regular(folder / RUN), place=folder / RUN)
    except FileNotFoundError:
        problem = "it was killed before it wrote down what it needs"
        return ListedRun(folder, folder.name, "no record", (), problem)
    except (StoreError, OSError) as error:
        return ListedRun(folder, folder.name, "damaged", (), str(error))
    steps = tuple(
        _step(head, store, tuple(_step(one, store) for one in under))
        for head, under in fold(record.steps)
    )
    began = dt.datetime.fromtimestamp(record.started).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return ListedRun(folder, began, _state_of_run(record, folder), steps)


def _state_of_run(record: RunRecord, folder: Path) -> str:
    if record.ok is None:
        return "running" if Lock(folder).is_held else "stopped"
    took = "" if record.seconds is None else f" {record.seconds:.1f} s"
    return f"{'done' if record.ok else 'failed'}{took}"


def _step(record: RunStepRecord, store: Path, inner: tuple[ListedStep, ...] = ()) -> ListedStep:
    folder = store / record.entry
    return ListedStep(record.name, folder, _state(record), _kind(folder), inner)


def _state(record: RunStepRecord) -> str:
    outcome = record.outcome
    if outcome is None:
        return record.status
    if outcome.n_failed:
        return f"{outcome.n_failed} failed"
    if outcome.n_done < outcome.n_blocks:
        return f"{outcome.n_done} of {outcome.n_blocks}"
    return "cached" if outcome.n_cached == outcome.n_blocks else f"{outcome.seconds:.1f} s"


def _kind(folder: Path) -> str:
    """Return the kind of a result that is there; "" if it is gone or cannot be read."""
    try:
        return Recipe.from_json(read_regular(folder / RECIPE), place=folder / RECIPE).kind
    except (OSError, StoreError):
        return ""

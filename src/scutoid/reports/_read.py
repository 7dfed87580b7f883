"""Read a run from a store: its record, its events, and the recipes of the results that it names.

::

    runs/<id>/run.json         steps, reasons, inputs, what came of them     RunRecord
    runs/<id>/events.jsonl     counts while it goes on, tracebacks           RunEvents
    <step>/<key>/recipe.json   kind, parameters, versions, blocks            Recipe

What is damaged or gone is left out, and said in `RunFacts.problems`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from scutoid.errors import StoreError
from scutoid.regular import read_regular
from scutoid.reports._events import EVENTS, RunEvents
from scutoid.reports._facts import RunFacts, RunState
from scutoid.reports._step_facts import StepReader
from scutoid.spent import NOTHING
from scutoid.steps import Store
from scutoid.steps.results import RUN, RUN_NAME, RUNS, RunRecord, RunStepRecord
from scutoid.store import EntryStore, Lock

_SECOND = 19
"""Characters of a folder's name that say the second."""
_NAMED = 5


def read_run(store: str | os.PathLike[str] | Store, run: str | None = None) -> RunFacts:
    """Read all that is known of a run.

    It may go on, have been killed, or come from an earlier version; its results may be gone.

    Parameters
    ----------
    store : path or Store
        The store.
    run : str, optional
        Name of its folder in ``runs``; default: the run that began last.

    Returns
    -------
    RunFacts
        What could not be read of it is said in `.problems`.

    Raises
    ------
    StoreError
        If there is no such store, or no such run.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import scutoid as sc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = sc.run(sc.gaussian(sc.open(np.eye(8)), sigma=1), store=folder)
    ...     facts = read_run(folder)
    >>> facts.state, [(step.name, step.state, step.n_done) for step in facts.steps]
    ('done', [('gaussian', 'done', 1)])
    """
    opened = (store if isinstance(store, Store) else Store(store)).entries_store
    folder = _newest(opened) if run is None else _named(opened, run)
    return _RunReader(opened, _parts(opened, folder)).facts()


def run_names(store: str | os.PathLike[str] | Store) -> list[str]:
    """Return the names of a store's runs, the newest first; parts of runs are among them."""
    opened = (store if isinstance(store, Store) else Store(store)).entries_store
    return [folder.name for folder in reversed(_folders(opened))]


def _folders(store: EntryStore) -> list[Path]:
    """Return the folders of runs, in order of their names; those too that are yet to be fetched."""
    names = store.folders_in(store.path / RUNS)
    return [store.path / RUNS / name for name in names if RUN_NAME.fullmatch(name)]


def _newest(store: EntryStore) -> Path:
    folders = _folders(store)
    if not folders:
        raise StoreError(
            "a run is read from a store that has one",
            value="no runs",
            place=f"{store.place}/{RUNS}",
            remedy="run a pipeline into it: sc.run(..., store=...)",
        )
    same = [path for path in folders if path.name[:_SECOND] == folders[-1].name[:_SECOND]]
    return max(same, key=lambda path: (_started(store, path), path.name))


def _named(store: EntryStore, run: str) -> Path:
    folders = _folders(store)
    for folder in folders:
        if folder.name == run:
            return folder
    names = ", ".join(folder.name for folder in folders[: -_NAMED - 1 : -1])
    raise StoreError(
        "a run is named as its folder in the store",
        value=run,
        place=f"{store.place}/{RUNS}",
        remedy=f"the newest are {names}" if names else "the store has no runs",
    )


def _started(store: EntryStore, folder: Path) -> float:
    record = _record(store, folder, [])
    if record is not None:
        return record.started
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


def _record(store: EntryStore, folder: Path, problems: list[str]) -> RunRecord | None:
    path = folder / RUN
    store.fetch(folder, RUN)
    try:
        return RunRecord.from_json(read_regular(path), place=path)
    except FileNotFoundError:
        problems.append(f"{path} is not there: the run was ended before it wrote it down")
    except (OSError, StoreError) as error:
        problems.append(f"{path} cannot be read: {error}")
    return None


def _parts(store: EntryStore, folder: Path) -> list[Path]:
    """Return the folders of all parts of a run, in order."""
    record = _record(store, folder, [])
    first = folder.name if record is None else record.part_of or folder.name
    later = []
    for other in _folders(store):
        if other.name[:_SECOND] >= first[:_SECOND] and other.name != first:
            known = _record(store, other, [])
            if known is not None and known.part_of == first:
                later.append((known.started, other))
    begun = store.path / RUNS / first
    return [*([begun] if begun.is_dir() else []), *(path for _, path in sorted(later))]


class _RunReader:
    """Puts together what the parts of one run have written down."""

    def __init__(self, store: EntryStore, parts: Sequence[Path]) -> None:
        self._store = store
        self._parts = parts
        self._problems: list[str] = []
        for part in parts:
            store.fetch(part)
        self._records = [_record(store, part, self._problems) for part in parts]
        self._is_live = any(Lock(part).is_held for part in parts) or self._is_live_elsewhere()

    def _is_live_elsewhere(self) -> bool:
        """Whether another machine makes a result for the run, in a store at a URL."""
        last = self._records[-1]
        if self._store.url is None or last is None or last.ok is not None:
            return False
        entries = (self._store.entry_in(one.entry, one.name, one.key) for one in last.steps)
        return any(one.status != "complete" and one.lock().is_held for one in entries)

    def facts(self) -> RunFacts:
        """Return what is known."""
        last = self._records[-1]
        is_ended = last is not None and last.ok is not None
        events = [RunEvents() for _ in self._parts]
        for each, part in zip(events, self._parts, strict=True):
            each.read(part, failures_alone=is_ended)
            self._problems += each.problems
        reader = StepReader(self._store, events, is_live=self._is_live)
        steps = reader.steps(tuple(self._merged()))
        state, ok = self._outcome(steps_ok=reader.is_whole)
        first = self._records[0]
        known = [record for record in self._records if record is not None]
        return RunFacts(
            name=self._parts[0].name,
            store=self._store.place,
            folder=str(self._parts[0]),
            state=state,
            ok=ok,
            started=_started(self._store, self._parts[0]) if first is None else first.started,
            seconds=self._seconds(),
            last_sign=max([_changed(part) for part in self._parts]),
            steps=steps,
            sources=reader.sources,
            warnings=tuple(dict.fromkeys(text for r in known for text in r.warnings)),
            parts=tuple(part.name for part in self._parts),
            workers=next((e.workers for e in events if e.workers is not None), None),
            command=next((r.command for r in known if r.command), ()),
            memory=max((r.memory for r in known if r.memory is not None), default=None),
            worker_seconds=self._worker_seconds(),
            problems=tuple(dict.fromkeys((*self._problems, *reader.problems))),
        )

    def _outcome(self, *, steps_ok: bool) -> tuple[RunState, bool | None]:
        last = self._records[-1]
        if self._is_live:
            return "running", None
        if last is None or last.ok is None:
            return "killed", None
        is_ok = last.ok or (steps_ok and len(self._parts) > 1)  # what failed at first was healed
        return ("done" if is_ok else "failed"), is_ok

    def _seconds(self) -> float | None:
        took = [None if record is None else record.seconds for record in self._records]
        known = [seconds for seconds in took if seconds is not None]
        return None if self._is_live or len(known) < len(took) else sum(known)

    def _worker_seconds(self) -> float | None:
        known = [one.worker_seconds for one in self._records if one and one.worker_seconds]
        return sum(known) if known and not self._is_live else None

    def _merged(self) -> Iterator[RunStepRecord]:
        """Yield the steps, those that stand in several parts once: as the last one left them."""
        newest = next((record for record in reversed(self._records) if record is not None), None)
        steps: dict[str, RunStepRecord] = {}
        for step in () if newest is None else newest.steps:
            earlier = steps.get(step.key) or next(
                (s for s in steps.values() if s.name == step.name and _is_undone(s)), None
            )
            if earlier is None:
                steps[step.key] = step
                continue
            steps = {
                (step.key if known is earlier else key): (
                    _joined(earlier, step) if known is earlier else known
                )
                for key, known in steps.items()
            }
        names: set[str] = set()
        for step in steps.values():
            name = step.name if step.name not in names else f"{step.name} {step.key[:12]}"
            names.add(name)
            yield replace(step, name=name)


def _is_undone(step: RunStepRecord) -> bool:
    return step.outcome is not None and step.outcome.n_done == 0


def _joined(earlier: RunStepRecord, later: RunStepRecord) -> RunStepRecord:
    """Return what came of a step in two parts of a run."""
    before, after = earlier.outcome, later.outcome
    if before is None or after is None or earlier.key != later.key:
        return later
    joined = replace(
        after,
        n_cached=min(before.n_cached, after.n_done),
        n_taken=before.n_taken + after.n_taken,
        seconds=before.seconds + after.seconds,
        spent=None if after.spent is None else after.spent + (before.spent or NOTHING),
        slowest=tuple(sorted({**dict(before.slowest), **dict(after.slowest)}.items(), key=_took)),
    )
    return replace(later, status=earlier.status, reason=earlier.reason, outcome=joined)


def _took(slow: tuple[int, float]) -> float:
    return -slow[1]


def _changed(part: Path) -> float:
    """Return when something was last written down in a run's folder."""
    times = [0.0]
    for path in (part, part / RUN, part / EVENTS):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)

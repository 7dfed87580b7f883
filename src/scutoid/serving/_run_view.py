"""A run as the page shows it: what it wrote down, joined to what its events say now."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import Journal
from scutoid.errors import ScutoidError
from scutoid.paths import inside
from scutoid.reports import RunFacts, StepFacts, read_run
from scutoid.serving._block_map import MOST_BLOCKS, BlockMap, BlockState, Bytes, block_map
from scutoid.serving._follower import Follower
from scutoid.serving._progress import Failed, StepProgress
from scutoid.serving._pulse import Pulse
from scutoid.steps.results import RUN, RUNS, list_of
from scutoid.store import Entry, EntryStore

REPORT = "report.html"
_EVERY = 0.3
"""Seconds between two looks at the files, however many pages are open."""
_MOST_TEXTS = 100
_OF_FAILURES = ("block", "where", "error", "traceback")


class RunView:
    """One run, looked at again and again; safe to be used from several threads.

    Parameters
    ----------
    store : EntryStore
        The store.
    name : str
        Name of the folder of the run, or of one of its parts.
    """

    def __init__(self, store: EntryStore, name: str) -> None:
        self.name = name
        self._store = store
        self._lock = threading.RLock()
        self._follower = Follower()
        self._facts: RunFacts | None = None
        self._read_at: tuple[object, ...] | None = None
        self._pulses: dict[str, Pulse] = {}
        self._looked = float("-inf")
        self._is_live = True

    @property
    def store(self) -> Path:
        """The store."""
        return self._store.path

    @property
    def facts(self) -> RunFacts:
        """What is known of it, with what its events say now.

        Raises
        ------
        StoreError
            If there is no such run.
        """
        with self._lock:
            known = self._look()
            if not self._is_live:
                return known
            steps = tuple(self._joined(step) for step in known.steps)
            return replace(known, steps=steps, state="running", ok=None, seconds=None)

    def _look(self) -> RunFacts:
        """Read what was written since the last look."""
        now = time.monotonic()
        if self._facts is not None and now - self._looked < _EVERY:
            return self._facts
        self._looked = now
        parts = (self.name,) if self._facts is None else self._facts.parts
        self._follower.read([self._folder(part) for part in parts])
        self._is_live = any(self._is_alive(part) for part in parts)
        begun = self._follower.progress.workers, len(self._follower.progress.steps)
        state = (self._is_live, begun, *map(self._stamp, parts), self._n_runs())
        if self._facts is None or state != self._read_at:
            self._facts, self._read_at = read_run(self._store.path, self.name), state
            if self._facts.parts != parts:
                self._looked = float("-inf")
                return self._look()
        return self._facts

    def _folder(self, part: str) -> Path:
        return self._store.path / RUNS / part

    def _is_alive(self, part: str) -> bool:
        pulse = self._pulses.setdefault(part, Pulse(self._folder(part)))
        return pulse.is_alive(wall=time.time(), steady=time.monotonic())

    def _stamp(self, part: str) -> tuple[int, int]:
        """Return what changes when a record of a run is written."""
        try:
            state = (self._folder(part) / RUN).stat()
        except OSError:
            return (0, 0)
        return state.st_mtime_ns, state.st_ino

    def _n_runs(self) -> int:
        """Return what changes when another run begins, which may be a part of this one."""
        try:
            return (self._store.path / RUNS).stat().st_mtime_ns if self._is_live else 0
        except OSError:
            return 0

    def _joined(self, step: StepFacts) -> StepFacts:
        """Give a step the counts that events tell, while the run goes on."""
        progress = self._follower.progress.steps.get(step.name)
        if progress is None or step.state in ("cached", "inside"):
            return step
        return replace(
            step,
            state=progress.state,
            n_blocks=max(step.n_blocks, progress.n_blocks),
            n_done=progress.n_cached + progress.n_done,
            n_cached=progress.n_cached,
            n_failed=progress.n_failed,
            n_orphaned=progress.n_orphaned,
            stored="complete" if progress.state == "done" else step.stored,
        )

    def document(self) -> dict[str, Any]:
        """Return what the page needs of the run and all its steps, as JSON has it; short.

        Raises
        ------
        StoreError
            As `facts`.
        """
        with self._lock:
            facts, progress, now = self.facts, self._follower.progress, time.time()
            left = progress.left(now) if self._is_live else None
            return {
                "name": facts.name,
                "state": facts.state,
                "started": facts.started,
                "seconds": facts.seconds,
                "last_sign": max(facts.last_sign, progress.last or 0.0),
                "now": now,
                "workers": facts.workers,
                "alive": len(progress.alive) if self._is_live else 0,
                "left": None if left is None else [round(left.seconds, 1), left.n_unknown],
                "warnings": [*facts.warnings][:_MOST_TEXTS],
                "notes": [*progress.notes],
                "problems": [*facts.problems, *self._follower.problems][:_MOST_TEXTS],
                "parts": [*facts.parts],
                "has_report": not self._is_live and self.report is not None,
                "steps": [self._line(step, now) for step in facts.steps],
            }

    @property
    def report(self) -> Path | None:
        """The page that the run has written at its end, if it lies in the store."""
        with self._lock:
            parts = (self.name,) if self._facts is None else self._facts.parts
        for part in parts:
            if (self._folder(part) / REPORT).is_file():
                return inside(self._store.path, f"{RUNS}/{part}/{REPORT}")
        return None

    def _line(self, step: StepFacts, now: float) -> dict[str, Any]:
        """Return what is shown of a step beside the others."""
        progress = self._follower.progress.steps.get(step.name)
        is_going = self._is_live and progress is not None and step.state == "running"
        return {
            "name": step.name,
            "within": [*step.within],
            "state": step.state,
            "kind": step.kind,
            "reason": step.reason,
            "n_blocks": step.n_blocks,
            "n_done": step.n_done,
            "n_cached": step.n_cached,
            "n_failed": step.n_failed,
            "n_orphaned": step.n_orphaned,
            "seconds": _time_of(step, progress, now) if self._is_live else step.seconds,
            "rate": round(progress.rate(now), 4) if progress is not None and is_going else None,
            "left": _rounded(progress.left(now)) if progress is not None and is_going else None,
        }

    def step(self, name: str) -> StepFacts:
        """Return what is known of a step.

        Raises
        ------
        KeyError
            If the run has none of that name.
        """
        return self.facts.step(name)

    def failures(self, step: StepFacts) -> list[dict[str, Any]]:
        """Return the first blocks of a step that failed, with their tracebacks."""
        with self._lock:
            progress = self._follower.progress.steps.get(step.name)
            if step.failures and not self._is_live:
                kept = step.failures[:_MOST_TEXTS]
                found = [(f.block, f.where, f.error, f.traceback) for f in kept]
            else:
                live = () if progress is None else progress.failures
                found = [(f.index, _where(step, f), f.error, f.traceback) for f in live]
        return [dict(zip(_OF_FAILURES, one, strict=True)) for one in found]

    def entry(self, step: StepFacts) -> Entry:
        """Return the place of the result of a step, which lies in the store.

        Raises
        ------
        DamagedResult
            If the run names one that does not.
        """
        path = inside(self._store.path, step.entry)
        return Entry(path, step.name, step.key)

    def block_map(self, name: str) -> BlockMap | None:
        """Draw the blocks of a step by state; None where they are too many, or nothing is known.

        Raises
        ------
        KeyError
            If the run has no such step.
        """
        with self._lock:
            step = self.step(name)
            states = self._states(step)
        shape = (len(states),) if step.grid is None else step.grid.blocks
        return block_map(states, shape) if len(states) else None

    def _states(self, step: StepFacts) -> Bytes:
        """Return the state of each block of a step."""
        told = self._follower.blocks.get(step.name)
        n_blocks = step.n_blocks if told is None else len(told)
        if step.grid is not None:
            n_blocks = max(n_blocks, math.prod(step.grid.blocks))
        if n_blocks > MOST_BLOCKS:
            return np.zeros(0, dtype=np.uint8)
        if step.state == "cached":
            return np.full(n_blocks, BlockState.CACHED, dtype=np.uint8)
        states = np.zeros(n_blocks, dtype=np.uint8)
        if told is not None:
            states[: len(told)] = told
        if step.n_cached or told is None or not told.any():
            self._add_stored(states, step)
        if not self._is_live:
            is_left_out = (states == BlockState.WAITING).sum() == n_blocks - step.n_blocks
            rest = BlockState.LEFT_OUT if is_left_out else BlockState.NOT_RUN
            states[np.isin(states, (BlockState.RUNNING, BlockState.RETRYING))] = BlockState.NOT_RUN
            states[states == BlockState.WAITING] = rest
        return states

    def _add_stored(self, states: Bytes, step: StepFacts) -> None:
        """Add blocks, or members, that were done before the run and that the store has."""
        try:
            done = _stored_blocks(self.entry(step), step)
        except (ScutoidError, OSError):
            return
        n_known = min(len(states), len(done))
        state = BlockState.CACHED if step.n_cached else BlockState.DONE
        known = states[:n_known]
        known[done[:n_known] & (known == BlockState.WAITING)] = state


def _stored_blocks(entry: Entry, step: StepFacts) -> NDArray[np.bool_]:
    """Return which blocks the journal of a result names, or which members its list has."""
    if step.kind != "collection":
        done: NDArray[np.bool_] = Journal.read(entry.journal, key=step.key) != 0
        return done
    record = list_of(entry)
    keys = () if record is None else record.keys
    missing = {} if record is None else record.missing
    return np.array([key not in missing for key in keys], dtype=bool)


def _where(step: StepFacts, failure: Failed) -> str:
    """Say which block failed."""
    if failure.index < 0:
        return "set-up, or what joins the blocks"
    if step.kind == "collection":
        return f"member {failure.index}"
    if step.grid is None or failure.index >= math.prod(step.grid.blocks):
        return f"block {failure.index}"
    place = np.unravel_index(failure.index, step.grid.blocks)
    return f"block {failure.index} ({', '.join(str(int(at)) for at in place)})"


def _time_of(step: StepFacts, progress: StepProgress | None, now: float) -> float:
    """Return the seconds from the first batch of a step to its last, or until now."""
    if progress is None or progress.first is None:
        return step.seconds
    is_going = progress.state == "running"
    return round((now if is_going else progress.last or now) - progress.first, 2)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)

"""Run a part of a plan beside other processes: a step alone, or a share of its blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import BlockTask, Journal, TaskReport
from scutoid.events import Event, Listener
from scutoid.steps.graph import MappedCall
from scutoid.steps.planning import PlannedCall, PlannedRun
from scutoid.steps.results import ITEMS
from scutoid.steps.running._outcome import Run
from scutoid.steps.running._runner import Runner
from scutoid.steps.running._tasks import TaskBuilder
from scutoid.store import JOURNAL, Claims, Pack, Segment, TakenOver


@dataclass(frozen=True, slots=True)
class Place:
    """Where parts of a run are written down."""

    folder: Path
    """The folder of the run."""
    log: Listener
    """Writes the events of all its parts."""


def with_one(planned: PlannedRun, each: PlannedCall) -> PlannedRun:
    """Return a plan of which one step alone is to be made; those that are there stay."""
    calls = (one for one in planned if one is each or one.is_cached or not one.is_kept)
    return replace(planned, calls=tuple(calls))


class _PartRunner(Runner):
    """Runs one step of a plan; what came of it is written down by whoever runs the others."""

    def __init__(self, planned: PlannedRun, place: Place, *, check_halo: bool) -> None:
        super().__init__(planned, check_halo=check_halo)
        self.folder = place.folder
        self._place = place

    def _log(self) -> AbstractContextManager[Listener]:
        return nullcontext(self._place.log)

    def record(self, done: Run) -> None:
        """Write nothing: the whole is written down at the end."""


class AloneRunner(_PartRunner):
    """Runs one step for itself: what is left of it, and what ends it.

    Parameters
    ----------
    planned : PlannedRun
        What is to be done.
    each : PlannedCall
        The step, whose lock is held.
    place : Place
        Where it is written down.
    check_halo : bool
        As of `Runner`.
    """

    def __init__(
        self, planned: PlannedRun, each: PlannedCall, place: Place, *, check_halo: bool
    ) -> None:
        super().__init__(with_one(planned, each), place, check_halo=check_halo)
        self._each = each

    def begin(self) -> None:
        """Begin the entry of the step alone, for all who do a share of it."""
        try:
            self._builder.tasks(self._each)
        finally:
            self._builder.close()


class ShareRunner(_PartRunner):
    """Runs some blocks of a step, and records them in a segment of its own.

    Parameters
    ----------
    planned : PlannedRun
        What is to be done.
    each : PlannedCall
        The step, which was begun.
    chosen : ndarray of bool, shape (n_blocks,)
        The blocks.
    segment : Segment or Claims
        Where they are recorded.
    place : Place
        Where the run is written down.
    """

    def __init__(
        self,
        planned: PlannedRun,
        each: PlannedCall,
        chosen: NDArray[np.bool_],
        segment: Segment | Claims,
        place: Place,
    ) -> None:
        super().__init__(with_one(planned, each), place, check_halo=False)
        self._builder = TaskBuilder(self.planned, segment)
        self._each = each
        self._chosen = chosen
        self._segment = segment

    def share(self, **options: Any) -> TaskReport:
        """Run the blocks.

        Raises
        ------
        TakenOver
            If others have taken this process for dead: what it has recorded until then counts.
        RunStopped
            If a signal ends it; what was finished counts.
        """
        report = self._compute(**options)
        assert report is not None  # noqa: S101 - there is a task
        self.mean_workers = report.mean_workers
        return report.tasks[self._each.task]

    def _tasks(self) -> list[BlockTask]:
        task = self._builder.share(self._each, self._chosen)
        shape = tuple(task.grid.shape)
        collect = None if task.collect is None else _Fenced(self._segment, task.collect)
        where = self._chosen.reshape(shape)
        # Steps before it are complete: there is nothing to wait for.
        return [replace(task, where=where, is_done=None, after=(), collect=collect)]

    def on_event(self, event: Event) -> None:
        """Commit nothing: others may do the rest of the step."""

    def _finish(self, each: PlannedCall) -> None:
        """Commit nothing."""

    def _forget_changed(self, each: PlannedCall) -> None:
        blocks = self._builder.watches.of(each).unsettled if each in self._changed else []
        if not blocks:
            return
        if isinstance(each.call, MappedCall):
            with Pack(self._segment.path / ITEMS, "a") as pack:
                pack.forget(each.member_keys[number] for number in blocks)
        elif each.entry.remote is not None:  # segments have them as well
            each.entry.remote.abandon()
        elif (journal := self._segment.path / JOURNAL).exists():
            Journal.forget(journal, np.array(blocks, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class _Fenced:
    """Keeps what blocks return, unless what this process records does not count any more."""

    segment: Segment | Claims
    collect: Callable[[Sequence[tuple[int, object]]], None]

    def __call__(self, results: Sequence[tuple[int, object]]) -> None:
        if self.segment.is_fenced:
            raise TakenOver.of_share(str(self.segment.path))
        self.collect(results)

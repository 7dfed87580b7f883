"""Do a share of a run beside other processes that do theirs, such as the elements of a job array.

::

    plan -> of the first step that all before are complete for
               not begun          one begins it          its lock
               blocks open        all do shares of it    locks of shares, records in segments
               none is open       one ends it            its lock
         -> plan again             ... until nothing is left, or the rest has failed

Nobody waits for somebody who does not live: what the dead have recorded counts, the rest is open.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import Failure
from scutoid.errors import DamagedResult, RunStopped
from scutoid.events import Listener, StepAwaited
from scutoid.spent import NOTHING, Spent
from scutoid.steps.graph import planned_node
from scutoid.steps.planning import Looks, PlannedCall, PlannedRun
from scutoid.steps.results import merge_segments
from scutoid.steps.running._claim import heal, held_here, to_make
from scutoid.steps.running._outcome import Run, RunStep
from scutoid.steps.running._part_runners import AloneRunner, Place, ShareRunner
from scutoid.steps.running._shares import Part, Taken, done_blocks, is_shared, taking, wanted_blocks
from scutoid.store import BEAT_SECONDS, AnyLock, Lock, Segment, Sharer, TakenOver, dead_after

_ATTEMPTS = 3
"""Times that what damage was met in is made again."""
_FIRST_LOOK, _LAST_LOOK = 0.1, 5.0
"""Seconds between two looks at what another process has."""
_WORTH_SECONDS = 20.0
"""Work for which it is worth while to start workers, once it is known how long blocks take."""
_LONGEST_WAIT = 30.0
"""After so many seconds it is planned again, whatever others do."""

Busy = AnyLock | Sharer
"""What another process has."""


@dataclass(slots=True, eq=False)
class _Came:
    """What came of a step in this process."""

    n_run: int = 0
    n_taken: int = 0
    seconds: float = 0.0
    spent: Spent = NOTHING
    failed: NDArray[np.bool_] | None = None
    """Blocks that failed here, or could not run; None: none."""
    failures: list[Failure] = field(default_factory=list)
    is_given_up: bool = False
    """Whether it failed as a whole."""


class Element:
    """One of several processes that make the results of a run.

    Parameters
    ----------
    new_plan : callable
        Plans what is to be done now, by what it looks at again at a URL.
    part : Part
        Which part this process does.
    place : Place
        Where it is written down.
    listeners : sequence of Listener
        Get the events.
    check_halo : bool
        Whether steps that are new are compared across the faces of blocks.
    options : mapping
        Executor, workers and such, as `run_blocks` takes them.
    """

    def __init__(
        self,
        new_plan: Callable[[Looks], PlannedRun],
        part: Part,
        place: Place,
        listeners: Sequence[Listener],
        *,
        check_halo: bool,
        **options: Any,
    ) -> None:
        self._new_plan = new_plan
        self._part = part
        self._place = place
        self._listeners = listeners
        self._check_halo = check_halo
        self._options = options
        self._came: dict[Path, _Came] = {}
        self._segments: dict[Path, Segment] = {}
        self._claims: dict[str, str] = {}
        self._n_damaged: Counter[Path] = Counter()
        self._is_amiss = False
        """Whether what was complete may no longer be."""
        self._told: set[Path] = set()
        self.planned = new_plan("all")
        """What is known now of what is to be done."""
        self.warnings: tuple[str, ...] = ()
        self.mean_workers = 0.0
        """Workers of the part that had most of them."""

    def work(self) -> None:
        """Do what can be done until nothing is left, or the rest has failed.

        Raises
        ------
        RunStopped
            If a signal ends it; what was finished is kept.
        """
        while True:
            busy = self._next()
            if busy is None:
                return
            if busy:
                self._wait(*busy)
            self._plan("unfinished")

    def _plan(self, looks: Looks) -> None:
        """Plan again: what is complete stays so, unless there was something amiss."""
        self.planned = self._new_plan("all" if self._is_amiss else looks)
        self._is_amiss = False

    def _next(self) -> tuple[PlannedCall, Busy] | tuple[()] | None:
        """Do one thing: empty if it was done, what another process has, None if all is done."""
        busy: tuple[PlannedCall, Busy] | None = None
        for each in to_make(self.planned).values():
            came = self._of(each)
            if came.is_given_up or not self._is_ready(each):
                continue
            lock, is_done = self._do(each, came)
            if is_done:
                return ()
            if lock is not None and busy is None:
                busy = each, lock
        return busy

    def _of(self, each: PlannedCall) -> _Came:
        return self._came.setdefault(each.entry.path, _Came())

    def _is_ready(self, each: PlannedCall) -> bool:
        """Whether all that a step reads is complete."""
        for ref in each.call.dependencies:
            above = self.planned.by_node.get(planned_node(ref))
            if above is None:
                continue
            if not (above.is_cached if above.is_kept else self._is_ready(above)):
                return False
        return True

    def _do(self, each: PlannedCall, came: _Came) -> tuple[Busy | None, bool]:
        """Go on with a step: the lock of another process, and whether anything was done."""
        if _is_begun(each) and is_shared(each):
            open_blocks = wanted_blocks(each)
            open_blocks &= ~done_blocks(each, open_blocks)
            has_open = bool(open_blocks.any())
            if came.failed is not None:
                open_blocks &= ~came.failed
            if open_blocks.any():
                return self._share(each, came, open_blocks)
            if has_open:  # others may do better
                lock = each.entry.lock()
                return (lock if lock.is_held else None), False
        return self._alone(each, came)

    def _share(
        self, each: PlannedCall, came: _Came, open_blocks: NDArray[np.bool_]
    ) -> tuple[Busy | None, bool]:
        """Do a share of the blocks of a step."""
        n_done = came.n_run + came.n_taken
        worth = int(_WORTH_SECONDS * n_done / came.seconds) if came.seconds else 0
        with (
            held_here(each.entry),
            taking(each, open_blocks, self._part, worth=worth, known=self._claims) as taken,
        ):
            chosen = open_blocks & taken.blocks
            if not chosen.any():
                whole = each.entry.lock()
                # Beside a run that makes all of it, no share is taken, and none is held.
                is_held = isinstance(whole, Lock) and whole.is_held_whole
                return (whole if is_held or taken.busy is None else taken.busy), False
            if each.entry.remote is not None:
                each.entry.remote.fetch(is_held=True)
            chosen &= ~done_blocks(each, chosen)  # others may have done some meanwhile
            if not chosen.any() or not _goes_on(each, taken):
                return None, True
            segment = taken.claims or self._segment(each)
            try:
                runner = ShareRunner(self.planned, each, chosen, segment, self._place)
                report = runner.share(listeners=self._listeners, **self._options)
            except TakenOver:
                self._is_amiss = True
                return None, True
            except RunStopped:
                came.n_run += int(done_blocks(each, chosen).sum())
                raise
            except DamagedResult:
                if not self._may_try_again(each):
                    raise
                return None, True
            if segment.is_fenced:  # the last that was recorded may not count
                return None, True
            failed = chosen & ~done_blocks(each, chosen)
            self._is_amiss = bool(failed.any())
            came.n_run += int(chosen.sum()) - int(failed.sum()) - report.n_taken
            came.n_taken += report.n_taken
            came.seconds += report.seconds
            came.spent += report.spent
            self.mean_workers = max(self.mean_workers, runner.mean_workers)
            if failed.any() and not self._is_damage(each, report.failures):
                came.failed = failed if came.failed is None else came.failed | failed
                came.failures += report.failures
            return None, True

    def _segment(self, each: PlannedCall) -> Segment:
        """Return where this process records blocks of a step."""
        segment = self._segments.get(each.entry.path)
        if segment is None or segment.is_fenced:
            segment = self._segments[each.entry.path] = Segment(each.entry.path)
        return segment

    def _alone(self, each: PlannedCall, came: _Came) -> tuple[Busy | None, bool]:
        """Begin a step for all, or end it, or do all of one that is not shared out."""
        lock = each.entry.lock()
        if not lock.acquire():
            return lock, False
        with ExitStack() as held:
            held.callback(lock.release)
            held.enter_context(held_here(each.entry))
            if each.entry.remote is not None and not each.restarts:
                each.entry.remote.fetch(is_held=True)
            # Others may have done it since it was planned.
            self._plan("all" if each.restarts else "none")
            found = self._found(each)
            if found is None:
                return None, True
            is_merged = not found.restarts and merge_segments(found.entry)
            self._is_amiss = heal([found], self._listeners)
            if is_merged or self._is_amiss:
                self._plan("none")
                found = self._found(each)
                if found is None:
                    return None, True
            runner = AloneRunner(self.planned, found, self._place, check_halo=self._check_halo)
            wanted = wanted_blocks(found)
            done = np.zeros_like(wanted) if found.done is None else found.done
            with self._giving_way():
                if is_shared(found) and bool((wanted & ~done).any()):
                    runner.begin()
                else:
                    self._run_alone(found, runner, came)
        return None, True

    @contextmanager
    def _giving_way(self) -> Iterator[None]:
        """Leave a step to others, who have taken this process for dead."""
        try:
            yield
        except TakenOver:
            self._is_amiss = True

    def _found(self, each: PlannedCall) -> PlannedCall | None:
        """Return a step as it is planned now; None if it is not to be made, or not yet."""
        found = to_make(self.planned).get(each.entry.path)
        return found if found is not None and self._is_ready(found) else None

    def _run_alone(self, each: PlannedCall, runner: AloneRunner, came: _Came) -> None:
        n_said = len(runner.warnings)
        try:
            done = runner.run(listeners=self._listeners, **self._options)
        except RunStopped as stopped:
            if isinstance(stopped.run, Run):
                came.n_run += stopped.run.step(each.task).n_run
            raise
        except DamagedResult:
            if not self._may_try_again(each):
                raise
            return
        self.warnings += tuple(done.warnings[n_said:])
        step = done.step(each.task)
        came.seconds += step.seconds
        came.spent += step.spent
        self.mean_workers = max(self.mean_workers, runner.mean_workers)
        came.n_run += step.n_run
        came.n_taken += step.n_taken
        self._is_amiss = not step.is_done
        if not step.is_done and not (done.met_damage and self._is_damage(each, step.failures)):
            came.failures += step.failures
            came.is_given_up = True

    def _is_damage(self, each: PlannedCall, failures: Sequence[Failure]) -> bool:
        """Whether blocks failed because what they read was damaged, and may be tried again."""
        kind = DamagedResult.__name__
        is_damage = any(failure.error.startswith(kind) for failure in failures)
        return is_damage and self._may_try_again(each)

    def _may_try_again(self, each: PlannedCall) -> bool:
        """Count that damage was met, which the next plan has made again: not again and again."""
        self._is_amiss = True
        self._n_damaged[each.entry.path] += 1
        return self._n_damaged[each.entry.path] < _ATTEMPTS

    def _wait(self, each: PlannedCall, lock: Busy) -> None:
        """Wait until another process has ended what it does, or some time.

        One that has all of a step may be about to begin it for all: then it does shares of it, and
        others are open.
        """
        pause, end = _FIRST_LOOK, time.monotonic() + _LONGEST_WAIT
        is_told = False
        whole = lock if isinstance(lock, AnyLock) and lock.is_held_whole else None
        while lock.is_held if whole is None else whole.is_held_whole:
            is_told = is_told or self._tell(each, lock)
            if time.monotonic() >= end:
                return
            time.sleep(pause)
            pause = min(2 * pause, _LAST_LOOK)

    def _tell(self, each: PlannedCall, lock: Busy) -> bool:
        """Tell who is waited for, once of each step, and who gives no sign; whether it is known."""
        owner, seen = lock.owner, lock.last_seen
        if owner is None:  # it was given back just now, or its file is just being written
            return False
        if each.entry.path not in self._told or (seen is not None and seen > 2 * BEAT_SECONDS):
            self._told.add(each.entry.path)
            limit = None if seen is None else dead_after()
            for listener in self._listeners:
                listener.on_event(StepAwaited(time.time(), each.task, str(owner), seen, limit))
        return True

    def steps(self) -> list[RunStep]:
        """Return what is known of each step now, and what came of it here."""
        return [self._step(each) for each in self.planned]

    def _step(self, each: PlannedCall) -> RunStep:
        came = self._of(each)
        n_done, n_failed = each.n_blocks, 0
        if each.is_kept and not each.is_cached:
            wanted = wanted_blocks(each)
            done = np.zeros_like(wanted) if each.done is None else each.done
            if not each.restarts:  # since it was planned, too
                done = done_blocks(each, wanted)
            n_done = int((done | ~wanted).sum())
            failed = np.zeros_like(wanted) if came.failed is None else came.failed & ~done
            n_failed = max(int(failed.sum()), int(came.is_given_up))
        n_cached = max(n_done - came.n_run - came.n_taken, 0)
        return RunStep(
            each.task,
            each.n_blocks,
            min(n_done, each.n_blocks - n_failed),
            n_cached,
            n_failed,
            max(each.n_blocks - n_done - n_failed, 0),
            came.seconds,
            tuple(sorted(came.failures, key=attrgetter("index"))) if n_failed else (),
            members=each.call.keys or (),
            within=each.within,
            is_stored=each.is_cached or not each.is_kept,
            n_taken=came.n_taken,
            spent=came.spent,
        )


def _goes_on(each: PlannedCall, taken: Taken) -> bool:
    """Whether a step is as it was planned, once shares of it are taken."""
    if taken.claims is None:
        return each.entry.status != "absent"
    return each.entry.status == "partial" and taken.claims.is_current


def _is_begun(each: PlannedCall) -> bool:
    """Whether the entry of a step is as those who do a share of it need it."""
    is_right = not each.restarts and each.lost is None and not each.entry.is_suspect
    return is_right and each.entry.status != "absent" and not each.is_relisted

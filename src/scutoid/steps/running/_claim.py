"""One maker for each result: planning again until nobody else makes what is to be made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from scutoid.errors import PipelineError, StoreError
from scutoid.events import DamageFound, Listener, StepAwaited
from scutoid.steps.graph import CollectionRef, Ref
from scutoid.steps.handles import refusing_depth
from scutoid.steps.planning import PlannedCall, PlannedRun, Planner
from scutoid.store import BEAT_SECONDS, AnyLock, Entry, dead_after

_TOLD_SECONDS = 10.0
"""How often it is told that a process elsewhere gives no sign."""
_UNNAMED_SECONDS = 0.2
"""How often it is looked who has a lock in whose file no name is written yet."""

T = TypeVar("T")
_HERE = threading.local()


def _held_here() -> set[str]:
    """Return the locks that runs of this thread hold: a listener may start another run in it."""
    if not hasattr(_HERE, "places"):
        _HERE.places = set()
    places: set[str] = _HERE.places
    return places


@contextmanager
def held_here(entry: Entry) -> Iterator[None]:
    """Note that this thread has a result, or shares of it: a run in it does not wait for them."""
    place = entry.lock().place
    _held_here().add(place)
    try:
        yield
    finally:
        _held_here().discard(place)


def claim(
    held: ExitStack,
    new_planner: Callable[[], Planner],
    targets: Sequence[Ref | CollectionRef],
    listeners: Sequence[Listener],
    begin: Callable[[PlannedRun], T | None],
    obstacle: StoreError | None = None,
) -> T:
    """Plan, hold the locks of all that is to be made, and begin.

    It plans again as long as somebody else makes some of it, for which it waits and holds nothing,
    so that two runs never wait for each other; as long as damage was noticed in a result, which is
    looked through, so that what is damaged is to be made too; and as long as `begin` returns None,
    for what the plan has found is gone.

    Parameters
    ----------
    held : ExitStack
        Gets the locks.
    new_planner : callable
        Returns a planner that knows nothing yet.
    targets : sequence of Ref or CollectionRef
        What is to be made.
    listeners : sequence of Listener
        Are told of waiting and of damage.
    begin : callable
        Begins what was planned.
    obstacle : StoreError, optional
        What keeps a run from writing to the store.

    Returns
    -------
    What `begin` returns.

    Raises
    ------
    StoreError
        The obstacle, if something is to be written.
    """
    dead_after()  # what the environment says of it is refused before the work
    taken = ExitStack()
    held.push(taken)  # before there is a lock: Ctrl-C may come at any time
    while True:
        taken.close()
        planner = new_planner()
        with refusing_depth(), _told_first(obstacle):
            planned = planner.plan(targets)
        planner.memo.save()
        if obstacle is not None and _writes(planned):
            raise obstacle
        busy = _take_locks(taken, planned)
        if busy is None and _have_changed(planned):
            continue
        if busy is None:
            is_other = _merged(planned)  # before damage is looked for, which needs all there is
            begun = None if is_other or heal(planned, listeners) else begin(planned)
            if begun is None:
                continue
            return begun
        taken.close()
        name, lock = busy
        if lock.place in _held_here():
            raise PipelineError(
                "a run does not wait for what the run around it is making",
                value=f"step {name!r}, which is being made by the run that called this one",
                place=lock.place,
                remedy="run it when that run has ended, or into another store",
            )
        _wait_for(lock, name, listeners)


def _wait_for(lock: AnyLock, name: str, listeners: Sequence[Listener]) -> None:
    """Wait until a step is not made by somebody else; tell who that is, and who gives no sign."""
    limit, is_first = dead_after(), True
    while True:
        owner, seen = lock.owner, lock.last_seen
        # Nobody's: it was given back just now, or its file is just being written
        if owner is not None and (is_first or (seen is not None and seen > 2 * BEAT_SECONDS)):
            limited = None if seen is None else limit
            awaited = StepAwaited(time.time(), name, str(owner), seen, limited)
            is_first = False
            for listener in listeners:
                listener.on_event(awaited)
        if lock.wait(_UNNAMED_SECONDS if is_first else _TOLD_SECONDS):
            return


@contextmanager
def _told_first(obstacle: StoreError | None) -> Iterator[None]:
    """Raise what keeps a run from writing rather than what follows from it."""
    try:
        yield
    except StoreError as error:
        raise error if obstacle is None else obstacle from error


def to_make(planned: PlannedRun) -> dict[Path, PlannedCall]:
    """Return the calls whose results are to be made, by where these lie."""
    return {
        each.entry.path: each
        for each in planned
        if each.is_kept and (not each.is_cached or each.is_relisted)
    }


def _writes(planned: PlannedRun) -> bool:
    """Whether a run has results to make, to accept, or to heal."""
    others = (each.accepted is not None or each.entry.is_suspect for each in planned)
    return bool(to_make(planned)) or any(others)


def _have_changed(planned: PlannedRun) -> bool:
    """Whether what is to be made at a URL was gone on with since it was planned, elsewhere."""
    # What is made anew goes whatever it is: it may be damaged there
    there = [each.entry.remote for each in to_make(planned).values() if not each.restarts]
    changed = [one.fetch(is_held=True) for one in there if one is not None]  # all of them
    return any(changed)


def _take_locks(taken: ExitStack, planned: PlannedRun) -> tuple[str, AnyLock] | None:
    """Lock every result that is to be made; or give the first that another process makes."""
    made = to_make(planned)
    for path in sorted(made):
        lock = made[path].entry.lock()
        taken.callback(lock.release)
        if not lock.acquire():
            return made[path].task, lock
        taken.callback(_held_here().discard, lock.place)
        _held_here().add(lock.place)
    return None


def _merged(planned: PlannedRun) -> bool:
    """Make one of what several have recorded of results that are to be made, if any have."""
    goes_on = [each for each in to_make(planned).values() if not each.restarts]
    if not goes_on:
        return False
    from scutoid.steps.results import merge_segments

    found = [merge_segments(each.entry) for each in goes_on]
    return any(found)


def heal(planned: Iterable[PlannedCall], listeners: Sequence[Listener]) -> bool:
    """Look through the results in which damage was noticed; says whether there were any."""
    suspects = [each for each in planned if each.is_kept and each.entry.is_suspect]
    if not suspects:
        return False
    from scutoid.steps.results import Examination

    for each in suspects:
        recipe = each.entry.recipe
        if each.entry.remote is not None:  # what counts is at its URL, where readers check it
            each.entry.remote.restore()
            continue
        if recipe is None:
            continue
        for damage in Examination(each.entry, recipe, heal=True).run():
            for listener in listeners:
                listener.on_event(
                    DamageFound(time.time(), each.task, str(damage.place), damage.what)
                )
    return True

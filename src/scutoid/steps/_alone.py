"""One maker for each result: planning again until nobody else makes what is to be made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from scutoid.events import DamageFound, Listener, StepAwaited
from scutoid.steps._damage import Examination
from scutoid.steps._planner import Planner, Work
from scutoid.store import Lock

_PATIENCE_SECONDS = 60.0


def plan_alone(
    held: ExitStack,
    new_planner: Callable[[], Planner],
    targets: Sequence[Any],
    listeners: Sequence[Listener],
) -> tuple[Planner, list[Work]]:
    """Plan, and hold the locks of all that is to be made; first wait for who is making some of it.

    Results in which damage was noticed are looked through: what is damaged is then to be made too.

    While it waits it holds nothing, so that two runs never wait for each other.
    """
    while True:
        planner = new_planner()
        works = planner.plan(targets)
        planner.memo.save()
        with ExitStack() as taken:
            busy = _take_locks(taken, works)
            if busy is None:
                if heal(works, listeners):
                    continue
                held.push(taken.pop_all())
                return planner, works
        name, lock = busy
        for listener in listeners:
            listener.on_event(StepAwaited(time.time(), name, str(lock.owner)))
        while not lock.wait(_PATIENCE_SECONDS):
            pass


def _take_locks(taken: ExitStack, works: Sequence[Work]) -> tuple[str, Lock] | None:
    """Lock every result that is to be made; or give the first that another process makes."""
    to_make = {
        work.entry.path: work
        for work in works
        if work.is_kept and (work.status != "cached" or work.is_listed_anew)
    }
    for path in sorted(to_make):
        lock = Lock(path)
        if not lock.acquire():
            return to_make[path].task, lock
        taken.callback(lock.release)
    return None


def heal(works: Sequence[Work], listeners: Sequence[Listener]) -> bool:
    """Look through the results in which damage was noticed; says whether there were any."""
    suspects = [work for work in works if work.is_kept and work.entry.is_suspect]
    for work in suspects:
        recipe = work.entry.recipe
        if recipe is None:
            continue
        for damage in Examination(work.entry, recipe, heal=True).run():
            for listener in listeners:
                listener.on_event(
                    DamageFound(time.time(), work.task, str(damage.place), damage.what)
                )
    return bool(suspects)

"""Messages between a run and its guests, kept in Dask's scheduler until they are fetched.

::

    driver                       Dask's scheduler                    guest
    deliver  ----------------->  a box for each guest  <-----------  fetch
    collect  ----------------->  a box for the run     <-----------  post

All functions here run in the scheduler, which only hands on what it is given.  Both sides ask and
wait for an answer, so neither has to be reached by the other.  Who is gone is known by Dask's own
list of clients.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from scutoid.executors._dask_types import DaskScheduler

_NAME = "scutoid-guests"
_LOOK_SECONDS = 0.5

Letter = tuple[str, bytes | None]
"""A guest's name as a client of Dask, and a message; None: there will be no more."""


@dataclass(slots=True, eq=False)
class _Box:
    """Messages for one side, in this order."""

    messages: deque[Letter] = field(default_factory=deque)
    is_closed: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, letter: Letter) -> None:
        self.messages.append(letter)
        self.arrived.set()

    async def wait(self, seconds: float) -> None:
        """Wait until there is something, or somebody has to be looked after."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.arrived.wait(), seconds)

    def take(self) -> list[Letter]:
        letters = list(self.messages)
        self.messages.clear()
        self.arrived.clear()
        return letters


@dataclass(slots=True, eq=False)
class _Desk:
    """The place of one run."""

    owner: str
    """The driver's name as a client of Dask."""
    tasks: tuple[str, ...]
    """Names of the tasks that are for guests."""
    inbox: _Box = field(default_factory=_Box)
    guests: dict[str, _Box] = field(default_factory=dict)
    is_open: bool = True


def open_desk(run: str, owner: str, tasks: Sequence[str], dask_scheduler: DaskScheduler) -> None:
    """Begin to keep messages for a run.

    Parameters
    ----------
    run, owner : str
        The run, and its driver's name as a client of Dask.
    tasks : sequence of str
        Names of the tasks that are for guests.
    dask_scheduler : distributed.Scheduler
        Given by Dask, as to all functions here.
    """
    desks = _desks(dask_scheduler)
    desks[run] = _Desk(owner, tuple(tasks))


def close_desk(run: str, dask_scheduler: DaskScheduler) -> None:
    """Take nothing more for a run; guests still fetch what is there for them."""
    desk = _desks(dask_scheduler).get(run)
    if desk is not None:
        desk.is_open = False
        desk.inbox.arrived.set()
        for box in desk.guests.values():
            box.arrived.set()


def list_runs(dask_scheduler: DaskScheduler) -> list[tuple[str, tuple[str, ...]]]:
    """Return the runs that guests can join, and the tasks of each that are for them."""
    return [(run, desk.tasks) for run, desk in _desks(dask_scheduler).items() if desk.is_open]


def deliver(run: str, letters: Sequence[Letter], dask_scheduler: DaskScheduler) -> None:
    """Keep messages of a run for its guests, or end the way to one."""
    desk = _desks(dask_scheduler).get(run)
    for guest, message in letters:
        box = None if desk is None else desk.guests.get(guest)
        if box is None:
            continue
        if message is None:
            box.is_closed = True
            box.arrived.set()
        else:
            box.put((guest, message))


async def collect(run: str, seconds: float, dask_scheduler: DaskScheduler) -> list[Letter] | None:
    """Wait for messages of guests, at most some seconds; None once the run has closed its desk."""
    end = _now() + seconds
    while True:
        desk = _desks(dask_scheduler).get(run)
        if desk is None or not desk.is_open:
            return None
        for guest in [guest for guest in desk.guests if guest not in dask_scheduler.clients]:
            del desk.guests[guest]
            desk.inbox.put((guest, None))
        letters = desk.inbox.take()
        if letters or _now() >= end:
            return letters
        await desk.inbox.wait(min(_LOOK_SECONDS, end - _now()))


def post(run: str, guest: str, message: bytes, dask_scheduler: DaskScheduler) -> bool:
    """Keep a message of a guest for its run; return whether that takes it."""
    desk = _desks(dask_scheduler).get(run)
    if desk is None or not desk.is_open:
        return False
    if desk.guests.setdefault(guest, _Box()).is_closed:
        return False
    desk.inbox.put((guest, message))
    return True


async def fetch(
    run: str, guest: str, seconds: float, dask_scheduler: DaskScheduler
) -> list[bytes] | None:
    """Wait for messages for a guest, at most some seconds; None if there will be no more."""
    end = _now() + seconds
    while True:
        desk = _desks(dask_scheduler).get(run)
        box = None if desk is None else desk.guests.get(guest)
        if desk is None or box is None:
            return None
        messages = [message for _, message in box.take() if message is not None]
        if messages:
            return messages
        if box.is_closed or not desk.is_open:
            return None
        if _now() >= end:
            return []
        await box.wait(min(_LOOK_SECONDS, end - _now()))


def _desks(scheduler: DaskScheduler) -> dict[str, _Desk]:
    """The places of all runs, without those whose driver is gone."""
    desks: dict[str, _Desk] = scheduler.extensions.setdefault(_NAME, {})  # type: ignore[assignment]
    for run in [run for run, desk in desks.items() if _is_over(desk, scheduler)]:
        for box in desks.pop(run).guests.values():
            box.arrived.set()
    return desks


def _is_over(desk: _Desk, scheduler: DaskScheduler) -> bool:
    """Whether nobody asks for the messages of a run any more."""
    if desk.is_open:
        return desk.owner not in scheduler.clients
    return not any(
        box.messages and guest in scheduler.clients for guest, box in desk.guests.items()
    )


def _now() -> float:
    return asyncio.get_running_loop().time()

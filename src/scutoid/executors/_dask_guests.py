"""A run on a Dask cluster with tasks for workers that have a loop of their own.

::

    tasks with a function      --->  Dask's workers
    tasks without a function   --->  guests, who come by the scheduler
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Protocol

from scutoid.errors import ParameterError
from scutoid.executors._dask_cluster import Link
from scutoid.executors._dask_door import DaskDoor
from scutoid.executors._dask_join import is_trusted
from scutoid.executors._dask_waiting import PATIENCE
from scutoid.executors._guest_pool import GuestPool
from scutoid.executors._work import MOST_ITEMS, Job, Message, Waiting, Work, WorkerPool
from scutoid.settings import time_of

_LOOK_SECONDS = 0.25
_CLOSING_SECONDS = 2.0


class _Busy(Protocol):
    @property
    def is_busy(self) -> bool:
        """Whether there is a worker with something to do."""
        ...


class Wakeful(_Busy, WorkerPool, Protocol):
    """A pool that others can wake."""

    def wake(self) -> None:
        """Let `wait` return at once, in any thread."""
        ...

    def halt(self) -> None:
        """Note that a signal ends the run."""
        ...


def guests_of(
    works: Sequence[Work],
    payloads: Sequence[bytes],
    link: Link,
    numbers: Iterator[int],
    workers: int,
    cluster: Wakeful | None,
) -> WorkerPool:
    """Return a pool of guests for works with a loop of their own, and a cluster for the others.

    Parameters
    ----------
    works : sequence of Work
        All works of the run.
    payloads : sequence of bytes
        The same, pickled.
    link : Link
        The connection to the cluster; closed at the end.
    numbers : iterator of int
        Numbers for workers, which those of the cluster have too.
    workers : int
        Number of workers that are wanted.
    cluster : Wakeful, optional
        Dask's workers, if there is anything for them.

    Raises
    ------
    ParameterError
        If others could listen to what is sent to guests, or send something themselves.
    """
    address = link.address
    if not is_trusted(address):
        raise ParameterError(
            "tasks without a function are for a cluster that encrypts what is sent (TLS), or that "
            "is on this machine alone",
            value=address,
            place="executor=",
            remedy="start the cluster with credentials (distributed.security.Security), or use "
            "ConnectExecutor(...)",
        )
    own = frozenset(number for number, work in enumerate(works) if work.is_own_loop)
    door = DaskDoor(
        *(link.client, uuid.uuid4().hex, [works[number].name for number in sorted(own)]),
        ring=None if cluster is None else cluster.wake,
    )
    patience = time_of(PATIENCE, math.inf)
    guests = GuestPool(
        *(works, payloads, door, numbers),
        place=address,
        wanted=workers,
        own=own,
        patience=patience if cluster is None else None,
        at_end=(lambda: link.close(_CLOSING_SECONDS)) if cluster is None else None,
    )
    return guests if cluster is None else _TwoPools(cluster, guests)


class _TwoPools:
    """Dask's workers, and guests.

    Parameters
    ----------
    cluster : Wakeful
        Dask's workers.
    guests : GuestPool
        The others.
    """

    most_items = MOST_ITEMS
    is_one_memory = False

    def __init__(self, cluster: Wakeful, guests: GuestPool) -> None:
        self.depth = min(cluster.depth, guests.depth)
        self._cluster = cluster
        self._guests = guests

    def submit(self, worker: int, job: Job) -> None:
        pool: WorkerPool = self._guests if self._guests.knows(worker) else self._cluster
        pool.submit(worker, job)

    def wait(self, timeout: float | None) -> list[Message]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            messages = self._without_waiting(self._guests.wait(0), self._cluster)
            left = _LOOK_SECONDS if end is None else max(end - time.monotonic(), 0)
            pause = 0 if messages else min(left, _LOOK_SECONDS)
            messages += self._without_waiting(self._cluster.wait(pause), self._guests)
            if messages or (end is not None and time.monotonic() >= end):
                return messages

    @staticmethod
    def _without_waiting(messages: list[Message], others: _Busy) -> list[Message]:
        """Leave out that a pool waits for workers, as long as those of the other do something."""
        if not others.is_busy:
            return messages
        return [message for message in messages if not isinstance(message, Waiting)]

    def halt(self) -> None:
        self._guests.halt()
        self._cluster.halt()

    def stop(self, *, grace: float) -> None:
        end = time.monotonic() + grace
        try:
            self._guests.stop(grace=grace)
        finally:
            self._cluster.stop(grace=max(end - time.monotonic(), 0))

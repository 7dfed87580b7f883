"""Functions that run in the workers of Dask, and in its scheduler and nannies.

A worker keeps a workbench for each run, from job to job.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from scutoid.executors._dask_types import DaskNanny, DaskScheduler, Present
from scutoid.executors._devices import RESOURCE, pin_devices
from scutoid.executors._limits import Limits, limit_libraries
from scutoid.executors._pickling import dump_value, loads
from scutoid.executors._work import ItemFailure, Job, Outcome, Work
from scutoid.executors._workbench import Workbench

_logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Clock:
    """The time at which the current item began."""

    since: float | None = None
    """By `time.monotonic`; None between items."""

    def begin(self, job: int) -> None:
        """Note that a job begins with its set-up, whose time is not limited."""

    def at(self, position: int) -> None:
        """Note that an item begins."""
        self.since = time.monotonic()

    def end(self) -> None:
        """Note that no item is running."""
        self.since = None


@dataclass(slots=True, eq=False)
class _Place:
    """One worker's own state in one run."""

    bench: Workbench
    works: dict[int, Work] = field(default_factory=dict)
    clock: _Clock = field(default_factory=_Clock)
    lock: threading.Lock = field(default_factory=threading.Lock)
    """A Dask worker may have several threads; ours runs one job at a time."""


# By run and worker.  This process is the worker: Dask calls functions and keeps nothing for them.
_places: dict[tuple[str, int], _Place] = {}
# Limits of numeric libraries to one thread, for the whole process; restored at the end.
_limits: list[Limits] = []
_lock = threading.Lock()


def carry_out(
    run: str,
    worker: int,
    identity: str,
    number: int,
    work: int,
    indices: bytes,
    payload: bytes | None,
) -> Outcome | None:
    """Carry out a job.

    Parameters
    ----------
    run : str
        Tells the runs apart that share a cluster.
    worker, number, work : int
        Numbers of the worker, the job and the work.
    identity : str
        Dask's own name of the intended process.
    indices : bytes
        Numbers of the items, int64; none: only make the set-up.
    payload : bytes, optional
        The pickled work, unless it is known to have arrived.

    Returns
    -------
    Outcome or None
        None in a process that took over the address of another that died: Dask sends it the
        other's calls, though one of them may be what killed it.
    """
    from distributed import get_worker

    if str(get_worker().id) != identity:
        return None
    with _lock:
        place = _places.setdefault((run, worker), _Place(Workbench(worker, encode=dump_value)))
    job = Job(number, work, np.frombuffer(indices, dtype=np.int64))
    with place.lock:
        try:
            loaded = _load_work(place, work, payload)
        except BaseException as error:  # noqa: BLE001 - unpickling runs the user's imports
            return place.bench.refusal(job, ItemFailure.of(-1, error))
        return place.bench.carry_out(job, loaded, place.clock)


def close(run: str, worker: int) -> None:
    """Leave the set-ups of a run."""
    place = _places.get((run, worker))
    if place is None:
        return
    with place.lock:
        try:
            place.bench.close()
        except Exception:
            _logger.exception("worker %d: leaving a set-up failed", worker)
    with _lock:
        _places.pop((run, worker), None)
        _undo_limits()


def forget(run: str, but: Collection[int]) -> None:
    """Undo what workers of this process keep for a run that have left it before its end.

    Parameters
    ----------
    run : str
        Which.
    but : collection of int
        Numbers of those that are with it still, and do so themselves.
    """
    with _lock:
        for place in [(other, n) for other, n in _places if other == run and n not in but]:
            del _places[place]
        _undo_limits()


def _undo_limits() -> None:
    while _limits and not _places:
        _limits.pop().restore_original_limits()


def cancel(run: str) -> None:
    """End the jobs of a run after their current items."""
    with _lock:
        places = [place for (other, _), place in _places.items() if other == run]
    for place in places:
        place.bench.cancelled = True


def seconds_at_item(run: str, worker: int) -> float | None:
    """Seconds that the current item has been running; None if there is none.

    An item may have waited long before that, for other users of the cluster.
    """
    place = _places.get((run, worker))
    since = None if place is None else place.clock.since
    return None if since is None else time.monotonic() - since


def kill(address: str, dask_worker: DaskNanny) -> None:
    """End a worker's process, stuck in C code or not; called in its nanny.

    Parameters
    ----------
    address : str
        The worker's.
    dask_worker : distributed.Nanny
        Given by Dask.
    """
    if dask_worker.worker_address == address:
        os.kill(dask_worker.pid, signal.SIGKILL)


def list_workers(dask_scheduler: DaskScheduler) -> dict[str, Present]:
    """Return the workers by address.

    Parameters
    ----------
    dask_scheduler : distributed.Scheduler
        Given by Dask, in whose process this runs.
    """
    return {
        address: Present(
            *(str(state.server_id), state.status.name, state.nanny, state.nthreads),
            *(dict(state.resources), state.memory_limit or 0),
        )
        for address, state in dask_scheduler.workers.items()
    }


def _pin_own_devices() -> None:
    """Let a process that is a worker of its own see as many devices as it says it has."""
    from distributed import get_worker

    worker = get_worker()
    if worker.nanny is not None:
        pin_devices(int(worker.state.total_resources.get(RESOURCE, 0)))


def _load_work(place: _Place, number: int, payload: bytes | None) -> Work:
    if number not in place.works:
        if payload is None:
            raise RuntimeError(f"work {number} has not arrived")
        work = loads(payload)
        if not isinstance(work, Work):
            raise TypeError(type(work).__name__)
        if RESOURCE in work.requires:
            _pin_own_devices()
        place.works[number] = work
        with _lock:
            _limits.append(limit_libraries())
    return place.works[number]

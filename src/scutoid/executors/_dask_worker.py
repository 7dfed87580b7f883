"""What runs in Dask's workers: a workbench for each run, kept between its jobs."""

from __future__ import annotations

import logging
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scutoid.executors._pickling import dump_value, loads
from scutoid.executors._work import ItemFailure, Job, NoBeacon, Outcome, Work, Workbench

_logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Place:
    """One worker's own state in one run."""

    bench: Workbench
    works: dict[int, Work] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    """A Dask worker may have several threads; ours runs one job at a time."""
    limits: list[Any] = field(default_factory=list)
    """What undoes that numeric libraries are kept to one thread."""


# By run and worker.  This process is the worker: Dask calls functions and keeps nothing for them.
_places: dict[tuple[str, int], _Place] = {}
_lock = threading.Lock()


def carry_out(
    run: str, worker: int, number: int, work: int, indices: bytes, payload: bytes | None
) -> Outcome:
    """Carry out a job.

    Parameters
    ----------
    run : str
        Tells the runs apart that share a cluster.
    worker, number, work : int
        Numbers of the worker, the job and the work.
    indices : bytes
        Numbers of the items, int64.
    payload : bytes, optional
        The pickled work, until it is known to have arrived.
    """
    with _lock:
        place = _places.setdefault((run, worker), _Place(Workbench(worker, encode=dump_value)))
    job = Job(number, work, np.frombuffer(indices, dtype=np.int64))
    with place.lock:
        try:
            known = _known(place, work, payload)
        except BaseException as error:  # noqa: BLE001 - unpickling runs the user's imports
            return place.bench.refusal(job, ItemFailure.of(-1, error))
        return place.bench.carry_out(job, known, NoBeacon())


def close(run: str, worker: int) -> None:
    """Leave the set-ups of a run."""
    with _lock:
        place = _places.pop((run, worker), None)
    if place is None:
        return
    with place.lock:
        try:
            place.bench.close()
        except Exception:
            _logger.exception("worker %d: leaving a set-up failed", worker)
        for limit in reversed(place.limits):
            limit.restore_original_limits()


def cancel(run: str) -> None:
    """Let the jobs of a run end with the item that they are at."""
    with _lock:
        places = [place for (other, _), place in _places.items() if other == run]
    for place in places:
        place.bench.cancelled = True


def kill(process: int) -> None:
    """End a worker's process, stuck in C code or not; called beside it, by its nanny."""
    os.kill(process, signal.SIGKILL)


def _known(place: _Place, number: int, payload: bytes | None) -> Work:
    if number not in place.works:
        if payload is None:
            raise RuntimeError(f"work {number} has not arrived")
        work = loads(payload)
        if not isinstance(work, Work):
            raise TypeError(type(work).__name__)
        place.works[number] = work
        place.limits.append(_limit_libraries())
    return place.works[number]


def _limit_libraries() -> Any:
    """Keep the numeric libraries that the function has brought in to one thread each."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)

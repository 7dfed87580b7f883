"""An adapter for any `concurrent.futures.Executor` that the caller already has."""

from __future__ import annotations

import concurrent.futures
import queue
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from scutoid.errors import WorkerError
from scutoid.executors._pickling import dumps, loads
from scutoid.executors._work import (
    MOST_ITEMS,
    Job,
    Joined,
    Message,
    NoHeartbeat,
    Outcome,
    Work,
    WorkerPool,
)
from scutoid.executors._workbench import Workbench


class ForeignExecutor:
    """Hands jobs to an executor of the standard library's interface, which stays the caller's.

    Parameters
    ----------
    pool : concurrent.futures.Executor
        Not shut down at the end of a run.
    """

    handles_timeout = False
    handles_setup = False

    def __init__(self, pool: concurrent.futures.Executor) -> None:
        self._pool = pool

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Begin with as many workers as were asked for."""
        return _ForeignWorkerPool(self._pool, works, workers)


class _Portable:
    """A work that is passed to threads directly, and to processes by cloudpickle."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._payload: bytes | None = None

    def __reduce__(self) -> tuple[object, ...]:
        if self._payload is None:
            self._payload = dumps(self.work)
        return _unpack, (self._payload,)


def _unpack(payload: bytes) -> _Portable:
    work = loads(payload)
    if not isinstance(work, Work):
        raise TypeError(type(work).__name__)
    return _Portable(work)


def _carry_out(worker: int, portable: _Portable, job: Job) -> Outcome:
    return Workbench(worker).carry_out(job, portable.work, NoHeartbeat())


class _ForeignWorkerPool:
    depth = 1  # a pool that is wider than the run would carry out two jobs of a worker at once
    most_items = MOST_ITEMS
    is_one_memory = False

    def __init__(
        self, pool: concurrent.futures.Executor, works: Sequence[Work], workers: int
    ) -> None:
        self._pool = pool
        self._works = [_Portable(work) for work in works]
        self._futures: set[concurrent.futures.Future[Outcome]] = set()
        self._done: queue.SimpleQueue[concurrent.futures.Future[Outcome]] = queue.SimpleQueue()
        self._joining: list[Message] = [Joined(number) for number in range(workers)]

    def submit(self, worker: int, job: Job) -> None:
        call = partial(_carry_out, worker, self._works[job.work], job)
        future = self._pool.submit(call)
        self._futures.add(future)
        future.add_done_callback(self._done.put)

    def wait(self, timeout: float | None) -> list[Message]:
        if self._joining:
            joining, self._joining = self._joining, []
            return joining
        try:
            future = self._done.get(timeout=timeout)
        except queue.Empty:
            return []
        self._futures.discard(future)
        try:
            return [future.result()]
        except Exception as error:
            raise WorkerError(
                "the executor that was given carries out every batch",
                value=f"{type(error).__name__}: {error}",
                place=type(self._pool).__name__,
                remedy="use executor='processes', which replaces workers that die",
            ) from error

    def stop(self, *, grace: float) -> None:
        for future in self._futures:
            future.cancel()
        concurrent.futures.wait(self._futures, timeout=grace)

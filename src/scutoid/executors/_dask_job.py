"""The driver's record of jobs in a Dask cluster, and of the workers that hold them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scutoid.executors._dask_types import DaskFuture
from scutoid.executors._work import ItemFailure, Job, Outcome
from scutoid.spent import NOTHING, Spent

_SLOWEST = 3


@dataclass(slots=True, eq=False)
class DaskJob:
    """A job in a cluster: one call, or one for the set-up and one for each item."""

    job: Job
    """The job."""
    is_single: bool
    """Whether its items go one by one, so that the current one is known."""
    position: int = 0
    """The item that is running or next, if they go one by one; -1 is the set-up."""
    future: DaskFuture | None = None
    """The running call, if any."""
    since: float = 0.0
    """Earliest time at which the item may have begun, by `time.monotonic`."""
    parts: list[Outcome] = field(default_factory=list)
    """Outcomes of the items that are done."""
    spent: Spent = NOTHING
    """What they, and the set-up before them, have taken."""

    @property
    def indices(self) -> NDArray[np.int64]:
        """Numbers of the items of the running or next call, shape (n,), int64."""
        if not self.is_single:
            return self.job.indices
        return self.job.indices[max(self.position, 0) : self.position + 1]

    def note(self, outcome: Outcome) -> Outcome | None:
        """Take in the outcome of a call; return the job's outcome once it is complete."""
        self.future = None
        if not self.is_single:
            return outcome
        self.spent += outcome.spent
        if outcome.setup_failure is not None:
            return self._joined(outcome.worker, outcome.setup_failure)
        if self.position >= 0:
            self.parts.append(outcome)
        self.position += 1
        return self._joined(outcome.worker) if self.position == len(self.job.indices) else None

    def _joined(self, worker: int, setup_failure: ItemFailure | None = None) -> Outcome:
        parts = self.parts
        statuses = np.zeros(len(self.job.indices), dtype=np.uint8)
        statuses[: len(parts)] = [part.statuses[0] for part in parts]
        failures = tuple(
            replace(failure, position=position)
            for position, part in enumerate(parts)
            for failure in part.failures
        )
        values = None
        if parts and parts[0].values is not None:
            values = [part.values[0] for part in parts if part.values is not None]
        times = sorted(((part.seconds, n) for n, part in enumerate(parts)), reverse=True)
        return Outcome(
            *(worker, self.job.number, statuses, failures, values),
            seconds=sum(part.seconds for part in parts),
            slowest=tuple((n, seconds) for seconds, n in times[:_SLOWEST]),
            setup_failure=setup_failure,
            spent=self.spent,
        )


@dataclass(slots=True, eq=False)
class Seat:
    """The driver's side of one Dask worker."""

    number: int
    """The worker's number."""
    address: str
    """Its address in the cluster."""
    identity: str
    """Dask's own name of its process."""
    nanny: str | None = None
    """Address of its nanny, if it has one."""
    memory: int = 0
    """Bytes at which Dask ends its process; 0: at none."""
    dask_jobs: deque[DaskJob] = field(default_factory=deque)
    """Its jobs, in this order."""
    ready: set[int] = field(default_factory=set)
    """Works that have arrived there and are set up."""

    @property
    def out(self) -> list[DaskJob]:
        """Jobs with a running call."""
        return [dask_job for dask_job in self.dask_jobs if dask_job.future is not None]

    @property
    def futures(self) -> list[DaskFuture]:
        """The running calls."""
        return [dask_job.future for dask_job in self.dask_jobs if dask_job.future is not None]

    def next_calls(self) -> list[DaskJob]:
        """Jobs of which a call can be sent now.

        Jobs are queued behind each other, so that the worker never waits; but one that goes item by
        item has the worker to itself, and a work is sent once, with the first of its jobs.
        """
        calls: list[DaskJob] = []
        coming: set[int] = set()
        for place, dask_job in enumerate(self.dask_jobs):
            if place and (dask_job.is_single or dask_job.job.work in coming):
                break
            if dask_job.future is None:
                calls.append(dask_job)
            if dask_job.is_single:
                break
            if dask_job.job.work not in self.ready:
                coming.add(dask_job.job.work)
        return calls

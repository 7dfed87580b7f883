"""What the loss of a Dask worker means: the block that is charged, and the work that is given up.

::

    left politely     nobody is charged; told where none of a step is ever finished
    gone at once      nobody is charged; too many in a row give the work up
    crashed           the block that it was at is charged, or those that may have been it are
                      tried one by one; too many in a row give the work up
    took too long     its block is charged
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import WorkerError
from scutoid.executors._dask_job import DaskJob, Seat
from scutoid.executors._dask_leaves import Leave
from scutoid.executors._deaths import Deaths
from scutoid.executors._work import GivenUp, ItemFailure, Job, Lost, Message, Work

_logger = logging.getLogger(__name__)

_MANY_BROKEN_OFF = 5


class Losses:
    """The losses of a run.

    Parameters
    ----------
    works : Sequence[Work]
        Of the run.
    workers : int
        Number of workers.
    """

    def __init__(self, works: Sequence[Work], workers: int) -> None:
        self._works = works
        self._suspects: set[tuple[int, int]] = set()
        self._deaths = Deaths(workers)
        self._broken_off: Counter[int] = Counter()

    def is_suspect(self, job: Job) -> bool:
        """Whether an item of a job may have ended a worker."""
        return bool(self._suspects) and any(
            (job.work, index) in self._suspects for index in job.indices.tolist()
        )

    def note_done(self, work: int, indices: NDArray[np.int64]) -> None:
        """Note items of a work that are done; `indices`, shape (n,), are their numbers."""
        if len(indices):
            self._deaths.note_success(work)
            self._broken_off.pop(work, None)
        if self._suspects:
            self._suspects -= {(work, index) for index in indices.tolist()}

    def of(
        self, seat: Seat, reason: str, leave: Leave = "crash", overdue: str = ""
    ) -> list[Message]:
        """Return what the loss of a worker means.

        Parameters
        ----------
        seat : Seat
            The worker's, with its jobs.
        reason : str
            How it was lost, in words.
        leave : str
            How it left.
        overdue : str, optional
            In which way a block took too long, if it was ended for that, in words.

        Raises
        ------
        WorkerError
            If too many in a row are lost, and not all at the same work.
        """
        out = seat.out
        charged = None
        if leave == "polite":
            for work in {dask_job.job.work for dask_job in out}:
                self._note_broken_off(work)
        elif leave == "crash" and len(out) == 1:
            charged = self._blame(seat, out[0], reason, overdue)
        elif leave == "crash":  # the first may have been done, and its result lost with the worker
            for dask_job in out:
                self._suspect(dask_job)
        jobs = tuple(dask_job.job.number for dask_job in seat.dask_jobs)
        was_killed = leave == "crash" and not overdue
        lost = Lost(seat.number, f"{seat.address} {reason}", jobs, charged, was_killed=was_killed)
        if not out or leave == "polite" or overdue:
            return [lost]
        return [lost, *self._given_up(seat, reason)]

    def _given_up(self, seat: Seat, reason: str) -> list[Message]:
        works = {dask_job.job.work for dask_job in seat.out}
        work = works.pop() if len(works) == 1 else None
        n = self._deaths.note(work)
        if not n:
            return []
        error = WorkerError(
            f"workers live to finish a block; {n} in a row did not",
            value=f"the last one, {seat.address}, {reason}",
            remedy="see Dask's logs of it, or run with executor='serial'",
        )
        if work is None:
            raise error
        return [GivenUp(work, error)]

    def _note_broken_off(self, work: int) -> None:
        """Say where blocks are too long for the time that workers have."""
        self._broken_off[work] += 1
        if self._broken_off[work] == _MANY_BROKEN_OFF:
            _logger.warning(
                "%s: %d workers in a row left in the middle of a block, and none has finished one; "
                "their lifetime or time limit may be shorter than a block takes",
                *(self._works[work].name, _MANY_BROKEN_OFF),
            )

    def _blame(
        self, seat: Seat, dask_job: DaskJob, reason: str, overdue: str
    ) -> tuple[int, ItemFailure] | None:
        """Charge the current item; if it may be one of several, they are tried one by one."""
        job = dask_job.job
        is_set_up = job.work in seat.ready or not self._works[job.work].setup
        if not dask_job.is_single and (len(job.indices) > 1 or not is_set_up):
            self._suspect(dask_job)
            return None
        error = f"TimeoutError: the block {overdue}"
        if not overdue:
            error = f"WorkerError: the worker was lost in the middle of it ({reason})"
        return job.number, ItemFailure(dask_job.position, error, "")

    def _suspect(self, dask_job: DaskJob) -> None:
        """Send the items of a call one by one at their next try."""
        self._suspects |= {(dask_job.job.work, index) for index in dask_job.indices.tolist()}

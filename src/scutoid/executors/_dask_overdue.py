"""Blocks that take too long in Dask's workers: which, and the end of their processes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from scutoid.executors import _dask_worker
from scutoid.executors._dask_calls import Calls
from scutoid.executors._dask_job import Seat
from scutoid.executors._work import Work

_MARGIN_SECONDS = 0.005


class Overdue:
    """Finds workers whose block has used up its time.

    Parameters
    ----------
    works : Sequence[Work]
        Of the run.
    calls : Calls
        In its cluster.
    run : str
        Tells the runs apart that share a cluster.
    """

    def __init__(self, works: Sequence[Work], calls: Calls, run: str) -> None:
        self._works = works
        self._calls = calls
        self._run = run
        self.is_needed = any(work.timeout is not None for work in works)
        """Whether the time of any block is limited."""

    def deadlines(self, seats: Iterable[Seat]) -> list[float]:
        """Return when blocks may be overdue, by `time.monotonic`."""
        if not self.is_needed:
            return []
        each = (self._deadline(seat) for seat in seats)
        return [deadline + _MARGIN_SECONDS for deadline in each if deadline is not None]

    def ended(self, seats: Iterable[Seat]) -> list[tuple[Seat, str]]:
        """End the workers of blocks that are overdue; return them, with what they did in words."""
        if not self.is_needed:
            return []
        now = time.monotonic()
        late = [
            seat
            for seat in seats
            if (deadline := self._deadline(seat)) is not None
            and now > deadline
            and (future := seat.dask_jobs[0].future) is not None
            and not future.done()
        ]
        if not late:
            return []
        hung = self._hung(late)
        questions = {seat.address: (seat.address,) for seat in hung}
        self._calls.ask(_dask_worker.kill, questions, nanny=True)
        return [
            (seat, f"took more than {self._works[seat.dask_jobs[0].job.work].timeout:g} s")
            for seat in hung
        ]

    def _deadline(self, seat: Seat) -> float | None:
        dask_job = seat.dask_jobs[0] if seat.dask_jobs else None
        if dask_job is None or dask_job.future is None or dask_job.position < 0:
            return None
        timeout = self._works[dask_job.job.work].timeout
        return None if timeout is None else dask_job.since + timeout

    def _hung(self, late: Sequence[Seat]) -> list[Seat]:
        """The late workers whose item itself has used up its time, not the way or the queue."""
        questions = {seat.address: (self._run, seat.number) for seat in late}
        answers = self._calls.ask(_dask_worker.seconds_at_item, questions)
        now = time.monotonic()
        hung = []
        for seat in late:
            dask_job = seat.dask_jobs[0]
            timeout = self._works[dask_job.job.work].timeout
            answer = answers.get(seat.address, timeout)  # stuck in C code, it does not answer
            if dask_job.future is None or dask_job.future.done() or isinstance(answer, Exception):
                continue
            seconds = answer if isinstance(answer, (int, float)) else 0.0
            if timeout is not None and seconds >= timeout:
                hung.append(seat)
            else:
                dask_job.since = now - seconds
        return hung

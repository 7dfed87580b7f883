"""Workers of a Dask cluster: this machine's, a batch system's, the cloud's.

::

    driver                        Dask's scheduler               Dask's workers
    a job, for one worker   --->  pinned to its address   --->   carry_out, in its workbench
    looks who is there      --->  list of workers                each a worker of ours

Dask moves calls and results.  Which block goes where and when, retries, and whom to charge for a
lost worker are decided as everywhere else.
"""

from __future__ import annotations

import importlib
import logging
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scutoid.errors import MissingExtra, ParameterError, WorkerError
from scutoid.executors import _dask_worker
from scutoid.executors._pickling import dump_works, with_values
from scutoid.executors._work import (
    MOST_ITEMS,
    Crew,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Message,
    Outcome,
    Work,
)

_LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 2.0
_PATIENCE_SECONDS = 300.0


class DaskExecutor:
    """Carries out jobs in the workers of a Dask cluster, each one job at a time.

    Parameters
    ----------
    cluster : distributed.Client, cluster, str or None
        A client, which stays the caller's; a cluster such as `LocalCluster`; the address of a
        scheduler; or None for a cluster of processes on this machine, ended with the run.

    Notes
    -----
    Ending a block that takes too long needs Dask's nannies, which a `LocalCluster` of processes and
    ``dask worker`` have.  What workers print goes where Dask puts it.
    """

    handles_timeout = True
    handles_setup = True

    def __init__(self, cluster: Any = None) -> None:
        self._cluster = cluster

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> Crew:
        """Connect to the cluster.

        Raises
        ------
        MissingExtra
            If distributed is not installed.
        ParameterError
            If a function cannot be sent, or a block's time is limited and there is no nanny.
        WorkerError
            If the scheduler cannot be reached.
        """
        payloads = dump_works(works)
        client, owned = _connect(self._cluster, workers)
        return _DaskCrew(works, payloads, client, owned, workers)


def _connect(cluster: Any, workers: int) -> tuple[Any, list[Any]]:
    """A client, and what is to be closed at the end."""
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtra.of("distributed", extra="dask") from error
    if isinstance(cluster, distributed.Client):
        return cluster, []
    owned = []
    if cluster is None:
        # Not a LocalCluster, whose processes import the user's script again.
        cluster = importlib.import_module("distributed.deploy.subprocess").SubprocessCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        )
        owned.append(cluster)
    try:
        client = distributed.Client(cluster, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkerError(
            "a Dask scheduler can be reached", value=str(error), place=str(cluster)
        ) from error
    return client, [client, *owned]


@dataclass(slots=True, eq=False)
class _Errand:
    """A job on its way: as one call, or item by item."""

    job: Job
    is_single: bool
    """Whether its items go one by one, so that it is known which one is at work."""
    future: Any = None
    """The call that is out, if one is."""
    position: int = 0
    """The item that is out, where they go one by one."""
    since: float = 0.0
    """When the call went out, by `time.monotonic`."""
    parts: list[Outcome] = field(default_factory=list)
    """Outcomes of the items that are done."""


@dataclass(slots=True, eq=False)
class _Seat:
    """The driver's side of one Dask worker."""

    number: int
    address: str
    identity: str
    """Dask's own name of this very process."""
    process: int
    """Its process number, for its nanny."""
    errands: deque[_Errand] = field(default_factory=deque)
    known: set[int] = field(default_factory=set)
    """Works that have arrived for certain."""


class _DaskCrew:
    depth = 2
    most_items = MOST_ITEMS
    is_one_memory = False

    def __init__(
        self,
        works: Sequence[Work],
        payloads: Sequence[bytes],
        client: Any,
        owned: list[Any],
        workers: int,
    ) -> None:
        self._works = works
        self._payloads = payloads
        self._client = client
        self._owned = owned
        self._most = workers
        self._run = uuid.uuid4().hex
        self._seats: dict[int, _Seat] = {}
        self._next_number = 0
        self._done: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._suspects: set[tuple[int, int]] = set()
        self._losses = 0
        self._looked = -_LOOK_SECONDS
        self._alone_since = time.monotonic()
        self._has_timeouts = any(work.timeout is not None for work in works)

    def submit(self, worker: int, job: Job) -> None:
        seat = self._seats[worker]
        is_single = self._works[job.work].timeout is not None or any(
            (job.work, index) in self._suspects for index in job.indices.tolist()
        )
        seat.errands.append(_Errand(job, is_single))
        self._send_next(seat)

    def wait(self, timeout: float | None) -> list[Message]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            messages: list[Message] = []
            if time.monotonic() - self._looked >= _LOOK_SECONDS:
                messages += self._look()
            messages += self._receive(0 if messages else self._pause(end))
            messages += self._end_overdue()
            if messages or (end is not None and time.monotonic() >= end):
                return messages

    def stop(self, *, grace: float) -> None:
        end = time.monotonic() + grace
        self._call(_dask_worker.cancel, self._run, workers=self._addresses())
        self._take_down(end)
        for seat in self._seats.values():
            for errand in seat.errands:
                if errand.future is not None:
                    errand.future.cancel()
        self._seats.clear()
        for thing in self._owned:
            thing.close(timeout=max(end - time.monotonic(), 1.0))
        self._owned = []

    def _addresses(self) -> list[str]:
        return [seat.address for seat in self._seats.values()]

    def _take_down(self, end: float) -> None:
        """Leave the set-ups, in the threads that made them; those that are busy at the end stay."""
        futures = [
            self._client.submit(
                _dask_worker.close,
                self._run,
                seat.number,
                workers=[seat.address],
                allow_other_workers=False,
                pure=False,
                priority=100,
            )
            for seat in self._seats.values()
        ]
        for future in futures:
            with suppress(Exception):
                future.result(timeout=max(end - time.monotonic(), 0.05))

    def _call(self, function: Any, *args: Any, workers: list[str], nanny: bool = False) -> Any:
        """Call a function in workers (or beside them) at once; None if they do not answer soon.

        A worker that is stuck in C code answers to nobody, and the client would wait for it.
        """
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def ask() -> None:
            with suppress(Exception):
                answers.put(self._client.run(function, *args, workers=workers, nanny=nanny))

        threading.Thread(target=ask, name="scutoid-ask", daemon=True).start()
        try:
            return answers.get(timeout=_ANSWER_SECONDS)
        except queue.Empty:
            return None

    def _send_next(self, seat: _Seat) -> None:
        """Send what can go: jobs behind each other, or the one item of the job before all."""
        for place, errand in enumerate(seat.errands):
            if errand.future is None:
                if place and (errand.is_single or seat.errands[0].is_single):
                    return
                self._send(seat, errand)
            if errand.is_single:
                return

    def _send(self, seat: _Seat, errand: _Errand) -> None:
        job = errand.job
        indices = job.indices
        if errand.is_single:
            indices = indices[errand.position : errand.position + 1]
        payload = None if job.work in seat.known else self._payloads[job.work]
        errand.since = time.monotonic()
        errand.future = self._client.submit(
            _dask_worker.carry_out,
            *(self._run, seat.number, job.number, job.work, indices.tobytes(), payload),
            workers=[seat.address],
            allow_other_workers=False,
            pure=False,
            retries=0,
            key=f"scutoid-{self._works[job.work].name}-{self._run[:8]}-{uuid.uuid4().hex}",
        )
        number = seat.number
        errand.future.add_done_callback(lambda future: self._done.put((number, future)))

    def _pause(self, end: float | None) -> float:
        now = time.monotonic()
        pause = self._looked + _LOOK_SECONDS - now
        if end is not None:
            pause = min(pause, end - now)
        if self._has_timeouts:
            deadlines = (self._deadline(seat) for seat in self._seats.values())
            pause = min(pause, *(d - now + 0.005 for d in deadlines if d is not None), pause)
        return max(pause, 0)

    def _receive(self, pause: float) -> list[Message]:
        messages: list[Message] = []
        try:
            messages += self._taken(*self._done.get(timeout=pause))
            while not self._done.empty():
                messages += self._taken(*self._done.get())
        except queue.Empty:
            pass
        return messages

    def _taken(self, number: int, future: Any) -> list[Message]:
        seat = self._seats.get(number)
        errands = () if seat is None else seat.errands
        errand = next((each for each in errands if each.future is future), None)
        if seat is None or errand is None or future.status != "finished":
            self._raise_if_broken(future, errand)
            return []
        outcome: Outcome = future.result()
        seat.known.add(errand.job.work)
        self._losses = 0
        self._suspects -= {
            (errand.job.work, int(errand.job.indices[at]))
            for at in np.flatnonzero(outcome.statuses).tolist()
            if not errand.is_single
        }
        if errand.is_single and outcome.setup_failure is None:
            errand.parts.append(outcome)
            self._suspects.discard((errand.job.work, int(errand.job.indices[errand.position])))
            errand.position += 1
            errand.future = None
            if errand.position < len(errand.job.indices):
                self._send_next(seat)
                return []
            outcome = _joined(errand)
        elif errand.is_single:
            outcome = _joined(errand, outcome.setup_failure)
        seat.errands.remove(errand)
        self._send_next(seat)
        return [outcome if outcome.values is None else with_values(outcome)]

    def _raise_if_broken(self, future: Any, errand: _Errand | None) -> None:
        """A call that Dask could not make, though its worker lives, would never come back."""
        if errand is None or future.status != "error":
            return
        error = future.exception()
        if type(error).__name__ in ("KilledWorker", "CancelledError", "FutureCancelledError"):
            return  # the worker is gone, which is found when we look
        raise WorkerError(
            "Dask carries out every batch",
            value=f"{type(error).__name__}: {error}",
            place=str(self._client.scheduler),
            remedy="the workers need the same packages as the driver",
        ) from error

    def _look(self) -> list[Message]:
        """See who has come and who has gone."""
        self._looked = time.monotonic()
        try:
            there = self._client.run_on_scheduler(_workers_there)
        except Exception as error:
            raise WorkerError(
                "Dask's scheduler answers while a run goes on",
                value=f"{type(error).__name__}: {error}",
                place=str(self._client),
                remedy="start the cluster again, and the run: what was done is kept where there "
                "is a journal",
            ) from error
        messages: list[Message] = []
        gone = [
            seat
            for seat in self._seats.values()
            if there.get(seat.address, ("",))[0] != seat.identity
        ]
        messages += [self._lose(seat, "was lost") for seat in gone]
        taken = {seat.address for seat in self._seats.values()}
        for address, (identity, nanny) in there.items():
            if address not in taken and len(self._seats) < self._most:
                messages += self._seat(address, identity, nanny)
        if self._seats:
            self._alone_since = self._looked
        elif self._looked - self._alone_since > _PATIENCE_SECONDS:
            raise WorkerError(
                f"a Dask cluster has a worker within {_PATIENCE_SECONDS:g} s",
                value="there is none",
                place=str(self._client),
            )
        return messages

    def _seat(self, address: str, identity: str, nanny: str | None) -> list[Message]:
        if self._has_timeouts and nanny is None:
            raise ParameterError(
                "a timeout is given only where a nanny can end the worker",
                value=address,
                place="DaskExecutor",
                remedy="start the workers with a nanny (LocalCluster(processes=True)), or leave "
                "timeout= out",
            )
        answer = self._call(_process_number, workers=[address])
        if answer is None:  # it has gone in this instant, or is stuck in a call of another run
            return []
        seat = _Seat(self._next_number, address, identity, answer[address])
        self._next_number += 1
        self._seats[seat.number] = seat
        return [Joined(seat.number)]

    def _lose(self, seat: _Seat, reason: str, overdue: str = "") -> Lost:
        """Take away a worker's seat, and find out whom to charge."""
        del self._seats[seat.number]
        out = [errand for errand in seat.errands if errand.future is not None]
        for errand in out:
            errand.future.cancel()
        charged = None
        if len(out) == 1:
            charged = self._blame(out[0], reason, overdue)
        else:  # the first may have been done, and the word of it lost with the worker
            for errand in out:
                self._suspect(errand)
        jobs = tuple(errand.job.number for errand in seat.errands)
        if not overdue:
            self._losses += 1
        if self._losses > 8 + 4 * self._most:
            raise WorkerError(
                f"workers live to finish a block; {self._losses} in a row did not",
                value=f"the last one, {seat.address}, {reason}",
                remedy="see Dask's logs of it, or run with executor='serial'",
            )
        return Lost(seat.number, f"{seat.address} {reason}", jobs, charged, was_killed=not overdue)

    def _blame(self, errand: _Errand, reason: str, overdue: str) -> tuple[int, ItemFailure] | None:
        """Charge the item that was at work; if there were several, they are tried one by one."""
        job = errand.job
        error = f"TimeoutError: the block {overdue}"
        if not overdue:
            error = f"WorkerError: the worker was lost in the middle of it ({reason})"
        if errand.is_single or len(job.indices) == 1:
            return job.number, ItemFailure(errand.position, error, "")
        self._suspect(errand)
        return None

    def _suspect(self, errand: _Errand) -> None:
        """Have the items of a job go one by one at their next try."""
        job = errand.job
        self._suspects |= {(job.work, index) for index in job.indices.tolist()}

    def _deadline(self, seat: _Seat) -> float | None:
        if not seat.errands or seat.errands[0].future is None:
            return None
        timeout = self._works[seat.errands[0].job.work].timeout
        return None if timeout is None else seat.errands[0].since + timeout

    def _end_overdue(self) -> list[Message]:
        messages: list[Message] = []
        if not self._has_timeouts:
            return messages
        for seat in list(self._seats.values()):
            deadline = self._deadline(seat)
            if deadline is None or time.monotonic() < deadline:
                continue
            if seat.errands[0].future.done():
                continue
            timeout = self._works[seat.errands[0].job.work].timeout
            words = f"took more than {timeout:g} s"
            self._call(_dask_worker.kill, seat.process, workers=[seat.address], nanny=True)
            messages.append(self._lose(seat, f"was ended, because a block {words}", words))
        return messages


def _workers_there(dask_scheduler: Any) -> dict[str, tuple[str, str | None]]:
    """Runs in Dask's scheduler: who is there, and who is their nanny."""
    return {
        address: (str(state.server_id), state.nanny)
        for address, state in dask_scheduler.workers.items()
    }


def _process_number() -> int:
    import os

    return os.getpid()


def _joined(errand: _Errand, setup_failure: ItemFailure | None = None) -> Outcome:
    """The outcome of a job from those of its items."""
    job, parts = errand.job, errand.parts
    statuses = np.zeros(len(job.indices), dtype=np.uint8)
    statuses[: len(parts)] = [part.statuses[0] for part in parts]
    failures = tuple(
        ItemFailure(position, failure.error, failure.traceback)
        for position, part in enumerate(parts)
        for failure in part.failures
    )
    values = None
    if parts and parts[0].values is not None:
        values = [part.values[0] for part in parts if part.values is not None]
    times = sorted(((part.seconds, n) for n, part in enumerate(parts)), reverse=True)
    worker = parts[0].worker if parts else -1
    return Outcome(
        *(worker, job.number, statuses, failures, values),
        seconds=sum(part.seconds for part in parts),
        slowest=tuple((n, seconds) for seconds, n in times[:3]),
        setup_failure=setup_failure,
    )

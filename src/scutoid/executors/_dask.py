"""Workers of a Dask cluster: this machine's, a batch system's, the cloud's.

::

    driver                        Dask's scheduler               Dask's workers
    a job, for one worker   --->  pinned to its address   --->   carry_out, in its workbench
    asks for the workers    --->  list of workers                each a worker of ours

Dask moves calls and results.  The order and place of blocks, retries, and the block that is charged
for a lost worker are decided as for every executor.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import queue
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import _dask_worker
from scutoid.executors._dask_cluster import Link
from scutoid.executors._dask_job import DaskJob, Seat
from scutoid.executors._dask_types import DaskFuture
from scutoid.executors._deaths import Deaths
from scutoid.executors._pickling import dump_works, with_values
from scutoid.executors._work import (
    MOST_ITEMS,
    GivenUp,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Message,
    Outcome,
    Work,
    WorkerPool,
)
from scutoid.settings import time_of

_logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
# A look at thousands of workers takes a while: it may take this part of the driver's time.
_LOOK_SHARE = 0.05
_ANSWER_SECONDS = 2.0
_CLOSING_SECONDS = 2.0
PATIENCE = "SCUTOID_DASK_PATIENCE"
"""In the environment: how long a run waits for a cluster without workers, such as "2h"."""
_PATIENCE_SECONDS = 300.0
_TOLD_SECONDS = 10.0


class DaskExecutor:
    """Carries out jobs in the workers of a Dask cluster, each one job at a time.

    Parameters
    ----------
    cluster : distributed.Client, cluster, str or None
        A client, which stays the caller's; a cluster such as `LocalCluster`; the address of a
        scheduler; or None for a cluster of processes on this machine, ended with the run.  Its
        connections are encrypted, with credentials that are new for each run (TLS).

    Notes
    -----
    Workers that appear during a run join it, up to the number asked for, and those that leave are
    not replaced.  A cluster without any is waited for, 300 s or what ``SCUTOID_DASK_PATIENCE`` says
    ("2h"); that it has none is logged as a warning after 10 s.

    Ending a block that takes too long needs Dask's nannies, which a `LocalCluster` of processes and
    ``dask worker`` have.  What workers of a cluster that was given print goes where Dask puts it;
    those of a cluster of its own, and Dask itself from warnings on, print into files of `logs`.

    A run that is interrupted leaves the workers of a cluster that is not its own as they are: the
    block that one is at goes on to its end there, after which the worker leaves the set-up.
    """

    handles_timeout = True
    handles_setup = True

    def __init__(self, cluster: object = None) -> None:
        self._cluster = cluster

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
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
        link = Link.to(self._cluster, workers, logs)
        try:
            return _DaskWorkerPool(works, payloads, link, workers)
        except BaseException:
            link.close(_CLOSING_SECONDS)
            raise


class _DaskWorkerPool:
    depth = 2
    most_items = MOST_ITEMS
    is_one_memory = False

    def __init__(
        self, works: Sequence[Work], payloads: Sequence[bytes], link: Link, workers: int
    ) -> None:
        self._works = works
        self._payloads = payloads
        self._link = link
        self._client = link.client
        self._most = workers
        self._run = uuid.uuid4().hex
        self._seats: dict[int, Seat] = {}
        self._buried: set[str] = set()
        self._paused: set[str] = set()
        self._next_number = 0
        self._done: queue.SimpleQueue[tuple[int, DaskFuture, object]] = queue.SimpleQueue()
        self._suspects: set[tuple[int, int]] = set()
        self._deaths = Deaths(workers)
        self._patience = time_of(PATIENCE, _PATIENCE_SECONDS)
        self._next_look = self._alone_since = time.monotonic()
        self._has_told = False
        self._has_timeouts = any(work.timeout is not None for work in works)
        self._is_halting = False
        self._usable(self._workers_present())

    def submit(self, worker: int, job: Job) -> None:
        seat = self._seats[worker]
        is_single = self._works[job.work].timeout is not None or any(
            (job.work, index) in self._suspects for index in job.indices.tolist()
        )
        seat.dask_jobs.append(DaskJob(job, is_single, position=-1 if is_single else 0))
        self._send_next(seat)

    def wait(self, timeout: float | None) -> list[Message]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self._ask_to_halt()
            is_due = time.monotonic() >= self._next_look and not self._is_halting
            messages = self._look() if is_due else []
            messages += self._receive(0 if messages else self._pause(end))
            messages += self._end_overdue()
            if messages or (end is not None and time.monotonic() >= end):
                return messages

    def halt(self) -> None:
        self._is_halting = True

    def _ask_to_halt(self) -> None:
        """Ask workers to report after their current items; again, for one may begin just now."""
        if self._is_halting:
            asked = {seat.address: (self._run,) for seat in self._seats.values() if seat.dask_jobs}
            self._ask(_dask_worker.cancel, asked, seconds=0)

    def stop(self, *, grace: float) -> None:
        end = time.monotonic() + grace
        try:
            if self._client.status == "running":
                self._leave(end)
        finally:
            self._seats.clear()
            self._link.close(max(end - time.monotonic(), _CLOSING_SECONDS))

    def _leave(self, end: float) -> None:
        """Leave the set-ups, in the threads that made them; busy workers do it later."""
        seats = list(self._seats.values())
        out = [future for seat in seats for future in seat.futures]
        if out:
            self._client.cancel(out)
            asked = {seat.address: (self._run,) for seat in seats}
            pause = min(_ANSWER_SECONDS, (end - time.monotonic()) / 2)
            self._ask(_dask_worker.cancel, asked, seconds=pause)
        leaving = {
            seat.number: self._call(seat, _dask_worker.close, self._run, seat.number, priority=100)
            for seat in seats
        }
        while leaving and time.monotonic() < end:
            try:
                number, future, _ = self._done.get(timeout=min(_LOOK_SECONDS, _left(end)))
                if leaving.get(number) is future:
                    del leaving[number]
            except queue.Empty:
                try:
                    present = self._workers_present()
                except WorkerError:
                    return
                for number in [n for n in leaving if not _is_at(self._seats[n], present)]:
                    del leaving[number]
        importlib.import_module("distributed").fire_and_forget(list(leaving.values()))

    def _call(
        self, seat: Seat, function: Callable[..., object], *args: object, **options: object
    ) -> DaskFuture:
        """Have a worker call a function; its result arrives in the queue."""
        future = self._client.submit(
            *(function, *args),
            workers=[seat.address],
            allow_other_workers=False,
            pure=False,
            retries=0,
            **options,
        )

        async def fetch() -> None:
            result: object
            try:
                result = await future
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - sent on
                result = error
            self._done.put((seat.number, future, result))

        # Not `future.result()`: if the worker dies before its result is fetched, Dask waits for it
        # to be computed again, which a call that is pinned to that worker never will be.
        self._client.loop.add_callback(fetch)
        return future

    def _ask(
        self,
        function: Callable[..., object],
        questions: Mapping[str, tuple[object, ...]],
        *,
        nanny: bool = False,
        seconds: float = _ANSWER_SECONDS,
    ) -> dict[str, object]:
        """Call a function in workers (or their nannies) at once; return the answers by address.

        A worker that is stuck in C code does not answer, and is left out after some `seconds`; the
        answer of a lost one is an exception.
        """
        arrived: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()

        async def ask(address: str, args: tuple[object, ...]) -> None:
            answer: object
            try:
                answers = await self._client.run(function, *args, workers=[address], nanny=nanny)
                answer = answers[address]
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - sent on
                answer = error
            arrived.put((address, answer))

        for address, args in questions.items():
            self._client.loop.add_callback(ask, address, args)
        end = time.monotonic() + seconds
        answers: dict[str, object] = {}
        with suppress(queue.Empty):
            while len(answers) < len(questions):
                address, answer = arrived.get(timeout=_left(end))
                answers[address] = answer
        return answers

    def _send_next(self, seat: Seat) -> None:
        for dask_job in seat.next_calls():
            job = dask_job.job
            is_ready = job.work in seat.ready
            if is_ready:
                dask_job.position = max(dask_job.position, 0)
            dask_job.since = time.monotonic()
            with warnings.catch_warnings():
                if not is_ready:
                    # Once per worker is as rarely as it can be sent.
                    warnings.filterwarnings("ignore", "Sending large graph")
                dask_job.future = self._call(
                    *(seat, _dask_worker.carry_out, self._run, seat.number, seat.identity),
                    *(job.number, job.work, dask_job.indices.tobytes()),
                    None if is_ready else self._payloads[job.work],
                    key=f"scutoid-{self._works[job.work].name}-{uuid.uuid4().hex}",
                )

    def _pause(self, end: float | None) -> float:
        """Seconds to wait for a result before looking for lost and hung workers."""
        looks = [] if self._is_halting else [self._next_look]
        deadlines = [*looks, *([] if end is None else [end])]
        if self._has_timeouts:
            each = (self._deadline(seat) for seat in self._seats.values())
            deadlines += [deadline + 0.005 for deadline in each if deadline is not None]
        return _left(min(deadlines, default=time.monotonic() + _LOOK_SECONDS))

    def _receive(self, pause: float) -> list[Message]:
        messages: list[Message] = []
        with suppress(queue.Empty):
            messages += self._handle(*self._done.get(timeout=pause))
            while True:
                messages += self._handle(*self._done.get_nowait())
        return messages

    def _handle(self, number: int, future: DaskFuture, result: object) -> list[Message]:
        seat = self._seats.get(number)
        dask_jobs = () if seat is None else seat.dask_jobs
        dask_job = next((each for each in dask_jobs if each.future is future), None)
        if seat is None or dask_job is None:
            return []  # of a lost worker
        if not isinstance(result, Outcome):
            messages = self._look()
            if self._seats.get(number) is seat:
                raise self._broken(result)
            return messages
        work, indices = dask_job.job.work, dask_job.indices
        if result.setup_failure is None:
            seat.ready.add(work)
        if result.statuses.any():
            self._deaths.note_success(work)
        done = np.flatnonzero(result.statuses)
        self._suspects -= {(work, index) for index in indices[done].tolist()}
        outcome = dask_job.note(result)
        if outcome is not None:
            seat.dask_jobs.remove(dask_job)
        self._send_next(seat)
        if outcome is None:
            return []
        return [outcome if outcome.values is None else with_values(outcome)]

    def _broken(self, result: object) -> WorkerError:
        """The error for a job that Dask fails although its worker is present."""
        return WorkerError(
            "Dask carries out every job that it is given",
            value=f"{type(result).__name__}: {result}",
            place=str(self._client),
            remedy="the workers need the same packages as the driver, and the client must neither "
            "be restarted nor closed in the middle of a run",
        )

    def _workers_present(self) -> dict[str, tuple[str, str, bool]]:
        """Identity, status and presence of a nanny, by address of each worker of the cluster."""
        trouble = None
        if self._client.status == "running":
            try:
                present: dict[str, tuple[str, str, bool]]
                present = self._client.run_on_scheduler(_dask_worker.list_workers)
            except Exception as error:  # noqa: BLE001 - raised again below
                trouble = error
            else:
                return present
        raise WorkerError(
            "Dask's scheduler answers while a run goes on",
            value=f"the client is {self._client.status}"
            if trouble is None
            else f"{type(trouble).__name__}: {trouble}",
            place=str(self._client),
            remedy="see that scutoid is installed where the scheduler runs; start the cluster "
            "again, and the run: what was done is kept where there is a journal",
        ) from trouble

    def _usable(
        self, present: Mapping[str, tuple[str, str, bool]]
    ) -> Mapping[str, tuple[str, str, bool]]:
        """The workers that can be used: where a block's time is limited, those with a nanny."""
        if not self._has_timeouts:
            return present
        usable = {address: state for address, state in present.items() if state[2]}
        if present and not usable:
            raise ParameterError(
                "a timeout is given only where a nanny can end the worker",
                value=next(iter(present)),
                place="DaskExecutor",
                remedy="start the workers with a nanny (LocalCluster(processes=True)), or leave "
                "timeout= out",
            )
        return usable

    def _look(self) -> list[Message]:
        """Find new and lost workers."""
        began = time.monotonic()
        present = self._workers_present()
        now = time.monotonic()
        self._next_look = now + max(_LOOK_SECONDS, (now - began) / _LOOK_SHARE)
        gone = [seat for seat in self._seats.values() if not _is_at(seat, present)]
        messages = [message for seat in gone for message in self._lose(seat, "was lost")]
        occupied = {seat.address for seat in self._seats.values()}
        for address, (identity, status, _) in self._usable(present).items():
            self._note_pause(address, identity, status)
            is_free = address not in occupied and identity not in self._buried
            if is_free and status == "running" and len(self._seats) < self._most:
                seat = Seat(self._next_number, address, identity)
                self._next_number += 1
                self._seats[seat.number] = seat
                messages.append(Joined(seat.number))
        if self._seats:
            self._alone_since, self._has_told = now, False
        else:
            self._wait_for_any(now - self._alone_since)
        return messages

    def _wait_for_any(self, seconds: float) -> None:
        """Say that the cluster has no worker, and give up after a time."""
        if seconds > self._patience:
            raise WorkerError(
                f"a Dask cluster has a worker within {self._patience:g} s",
                value="there is none",
                place=str(self._client),
                remedy="start workers and run again: what was done is kept where there is a "
                f"journal; {PATIENCE}=2h waits longer for those of a queue",
            )
        if seconds >= _TOLD_SECONDS and not self._has_told:
            self._has_told = True
            left = self._patience - seconds
            _logger.warning("%s has no worker; the run waits %.0f s more", self._client, left)

    def _note_pause(self, address: str, identity: str, status: str) -> None:
        if status == "paused" and identity not in self._paused:
            self._paused.add(identity)
            _logger.warning("Dask has paused %s until it has more memory free", address)

    def _lose(self, seat: Seat, reason: str, overdue: str = "") -> list[Message]:
        """Remove a worker's seat, and find the item to charge."""
        del self._seats[seat.number]
        self._buried.add(seat.identity)
        out = seat.out
        if out:
            self._client.cancel(seat.futures)
        charged = None
        if len(out) == 1:
            charged = self._blame(seat, out[0], reason, overdue)
        else:  # the first may have been done, and its result lost with the worker
            for dask_job in out:
                self._suspect(dask_job)
        jobs = tuple(dask_job.job.number for dask_job in seat.dask_jobs)
        lost = Lost(seat.number, f"{seat.address} {reason}", jobs, charged, was_killed=not overdue)
        messages: list[Message] = [lost]
        works = {dask_job.job.work for dask_job in out}
        work = works.pop() if len(works) == 1 else None
        n = self._deaths.note(work) if out and not overdue else 0
        if n:
            error = WorkerError(
                f"workers live to finish a block; {n} in a row did not",
                value=f"the last one, {seat.address}, {reason}",
                remedy="see Dask's logs of it, or run with executor='serial'",
            )
            if work is None:
                raise error
            messages.append(GivenUp(work, error))
        return messages

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

    def _deadline(self, seat: Seat) -> float | None:
        dask_job = seat.dask_jobs[0] if seat.dask_jobs else None
        if dask_job is None or dask_job.future is None or dask_job.position < 0:
            return None
        timeout = self._works[dask_job.job.work].timeout
        return None if timeout is None else dask_job.since + timeout

    def _end_overdue(self) -> list[Message]:
        if not self._has_timeouts:
            return []
        now = time.monotonic()
        late = [
            seat
            for seat in self._seats.values()
            if (deadline := self._deadline(seat)) is not None
            and now > deadline
            and (future := seat.dask_jobs[0].future) is not None
            and not future.done()
        ]
        if not late:
            return []
        hung = self._hung(late)
        self._ask(_dask_worker.kill, {seat.address: (seat.address,) for seat in hung}, nanny=True)
        messages: list[Message] = []
        for seat in hung:
            words = f"took more than {self._works[seat.dask_jobs[0].job.work].timeout:g} s"
            messages += self._lose(seat, f"was ended, because a block {words}", words)
        return messages

    def _hung(self, late: Sequence[Seat]) -> list[Seat]:
        """The late workers whose item itself has used up its time, not the way or the queue."""
        questions = {seat.address: (self._run, seat.number) for seat in late}
        answers = self._ask(_dask_worker.seconds_at_item, questions)
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


def _is_at(seat: Seat, present: Mapping[str, tuple[str, str, bool]]) -> bool:
    """Whether a worker is still at its address, and no other in its place."""
    return seat.address in present and present[seat.address][0] == seat.identity


def _left(end: float) -> float:
    return max(end - time.monotonic(), 0.0)

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
import math
import queue
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import _dask_worker
from scutoid.executors._dask_cluster import Link
from scutoid.executors._dask_invitations import Invitations
from scutoid.executors._dask_job import DaskJob, Seat
from scutoid.executors._dask_leaves import Leave, announce_leave, how_left
from scutoid.executors._dask_types import DaskFuture, Present
from scutoid.executors._deaths import Deaths
from scutoid.executors._pickling import dump_works, with_values
from scutoid.executors._presets import Preset
from scutoid.executors._work import (
    MOST_ITEMS,
    GivenUp,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Message,
    Outcome,
    Waiting,
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
_MANY_BROKEN_OFF = 5
# With no worker there: told after so many seconds, then at twice the time, or after a minute.
_TELL_SECONDS = 2.0
_TELL_AGAIN_SECONDS = 60.0


class DaskExecutor:
    """Carries out jobs in the workers of a Dask cluster, each one job at a time.

    Parameters
    ----------
    cluster : distributed.Client, cluster, str, Preset or None
        A client, which stays the caller's; a cluster such as `LocalCluster`; the address of a
        scheduler; a preset of a batch system; or None for a cluster of processes on this machine.
        The cluster of a preset and that of None end with the run, and their connections are
        encrypted, with credentials that are new for each run (TLS).

    Notes
    -----
    Workers that appear during a run join it, up to the number asked for.  An adaptive cluster is
    asked for more as long as all are busy, and there may be none for any time: that is told, and
    waited for, without limit or for what ``SCUTOID_DASK_PATIENCE`` says ("2h").  A worker that
    leaves by an order (its job is cancelled, preempted, requeued or at its time limit) has not
    failed its block, which another one does.

    A step that requires something runs in workers that have it (``dask worker --resources gpu=1``).

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

    @property
    def handles_resources(self) -> bool:
        """Whether workers say what they have of resources; those of a cluster of its own do not."""
        preset = self._cluster
        return preset is not None and not (isinstance(preset, Preset) and preset.kind == "local")

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
        self._own = link.own
        self._grows = link.own is None or link.own.grows
        self._invitations = Invitations(link.client, self._run, workers)
        self._seats: dict[int, Seat] = {}
        # Workers that are lost, and of which it is asked how they left.
        self._parting: dict[int, Seat] = {}
        self._buried: set[str] = set()
        self._paused: set[str] = set()
        self._next_number = 0
        self._done: queue.SimpleQueue[tuple[int, DaskFuture | None, object]] = queue.SimpleQueue()
        self._suspects: set[tuple[int, int]] = set()
        self._deaths = Deaths(workers)
        self._broken_off: Counter[int] = Counter()
        self._next_look = self._alone_since = time.monotonic()
        self._next_telling = _TELL_SECONDS
        self._patience = time_of(PATIENCE, math.inf)
        self._has_timeouts = any(work.timeout is not None for work in works)
        self._is_halting = False
        self._usable(self._workers_present())

    def submit(self, worker: int, job: Job) -> None:
        seat = self._parting.get(worker) or self._seats[worker]
        is_single = self._works[job.work].timeout is not None or any(
            (job.work, index) in self._suspects for index in job.indices.tolist()
        )
        seat.dask_jobs.append(DaskJob(job, is_single, position=-1 if is_single else 0))
        if worker in self._seats:
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
                self._invitations.withdraw()
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

    def _handle(self, number: int, future: object, result: object) -> list[Message]:
        if number in self._parting:
            return self._part(number, result) if future is None else []
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
            self._broken_off.pop(work, None)
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

    def _workers_present(self) -> dict[str, Present]:
        """The workers of the cluster by address."""
        trouble = None
        if self._client.status == "running":
            try:
                present: dict[str, Present]
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

    def _usable(self, present: Mapping[str, Present]) -> Mapping[str, Present]:
        """The workers that can be used: where a block's time is limited, those with a nanny."""
        if not self._has_timeouts:
            return present
        usable = {address: state for address, state in present.items() if state.nanny}
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
        messages = [message for seat in gone for message in self._miss(seat)]
        usable = self._usable(present)
        messages += self._new_seats(usable)
        if self._grows:
            busy = all(seat.dask_jobs for seat in self._seats.values())
            threads = max((state.threads for state in usable.values()), default=1)
            self._invitations.keep(wanted=busy, threads=threads)
        lacking = self._lacking(usable)
        if self._seats and (not lacking or any(seat.dask_jobs for seat in self._seats.values())):
            self._alone_since, self._next_telling = now, _TELL_SECONDS
        else:
            messages += self._tell_of_waiting(now - self._alone_since, lacking)
        return messages

    def _lacking(self, usable: Mapping[str, Present]) -> list[str]:
        """What steps require and no worker has."""
        if not self._grows:
            return []
        needs = {need for work in self._works for need in work.requires.items()}
        return [
            f"{name}={n}"
            for name, n in sorted(needs)
            if not any(state.resources.get(name, 0) >= n for state in usable.values())
        ]

    def _new_seats(self, usable: Mapping[str, Present]) -> list[Message]:
        messages: list[Message] = []
        occupied = {seat.address for seat in self._seats.values()}
        for address, state in usable.items():
            self._note_pause(address, state)
            is_free = address not in occupied and state.identity not in self._buried
            if is_free and state.status == "running" and len(self._seats) < self._most:
                seat = Seat(self._next_number, address, state.identity, state.nanny)
                self._next_number += 1
                self._seats[seat.number] = seat
                messages.append(Joined(seat.number, self._served_by(state)))
                if state.nanny is not None and self._grows:
                    self._ask(announce_leave, {address: ()}, nanny=True, seconds=0)
        if messages and self._own is not None:
            self._own.note_workers()
        return messages

    def _served_by(self, state: Present) -> frozenset[int] | None:
        """The works that a worker has the resources for; None: all."""
        if not self._grows:
            return None
        served = frozenset(
            number
            for number, work in enumerate(self._works)
            if all(state.resources.get(name, 0) >= n for name, n in work.requires.items())
        )
        return None if len(served) == len(self._works) else served

    def _tell_of_waiting(self, seconds: float, lacking: Sequence[str]) -> list[Message]:
        if self._own is not None and not self._seats:
            self._own.check()
        if seconds > self._patience:
            raise WorkerError(
                f"a Dask cluster has a worker within {self._patience:g} s",
                value="there is none",
                place=str(self._client),
                remedy="start workers and run again: what was done is kept where there is a "
                f"journal; {PATIENCE}=2h waits longer for those of a queue",
            )
        if seconds < self._next_telling:
            return []
        self._next_telling = seconds + min(seconds, _TELL_AGAIN_SECONDS)
        if self._seats:
            needed = " ".join(lacking)
            why = f"none of {len(self._seats)} has {needed}; start some with --resources {needed!r}"
        else:
            why = "the cluster has none" if self._own is None else self._own.waiting()
        return [Waiting(self._most, seconds, why)]

    def _note_pause(self, address: str, state: Present) -> None:
        if state.status == "paused" and state.identity not in self._paused:
            self._paused.add(state.identity)
            _logger.warning("Dask has paused %s until it has more memory free", address)

    def _miss(self, seat: Seat) -> list[Message]:
        """Lose a worker that is not there any more; ask how it left if that makes a difference."""
        if not seat.out or not self._grows:
            return self._lose(seat, "was lost")
        self._parting[seat.number] = self._seats.pop(seat.number)
        self._buried.add(seat.identity)

        async def ask() -> None:
            leave: object = "crash"
            with suppress(Exception, asyncio.CancelledError):
                leave = await self._client.run_on_scheduler(how_left, seat.address, seat.nanny)
            self._done.put((seat.number, None, leave))

        self._client.loop.add_callback(ask)
        return []

    def _part(self, number: int, leave: object) -> list[Message]:
        """Lose a worker of which it is known how it left."""
        seat = self._parting.pop(number)
        if leave == "gone":
            return self._lose(seat, "was lost with its nanny: a node or job ended", "gone")
        if leave != "polite":
            return self._lose(seat, "was lost")
        for work in {dask_job.job.work for dask_job in seat.out}:
            self._note_broken_off(work)
        return self._lose(seat, "left by an order, or at the end of its time", "polite")

    def _note_broken_off(self, work: int) -> None:
        """Say where blocks are too long for the time that workers have."""
        self._broken_off[work] += 1
        if self._broken_off[work] == _MANY_BROKEN_OFF:
            _logger.warning(
                "%s: %d workers in a row left in the middle of a block, and none has finished one; "
                "their lifetime or time limit may be shorter than a block takes",
                *(self._works[work].name, _MANY_BROKEN_OFF),
            )

    def _lose(
        self, seat: Seat, reason: str, leave: Leave = "crash", overdue: str = ""
    ) -> list[Message]:
        """Remove a worker's seat, and find the item to charge."""
        self._seats.pop(seat.number, None)
        self._buried.add(seat.identity)
        out = seat.out
        if out:
            self._client.cancel(seat.futures)
        charged = None
        if leave != "crash":
            pass
        elif len(out) == 1:
            charged = self._blame(seat, out[0], reason, overdue)
        else:  # the first may have been done, and its result lost with the worker
            for dask_job in out:
                self._suspect(dask_job)
        jobs = tuple(dask_job.job.number for dask_job in seat.dask_jobs)
        was_killed = leave == "crash" and not overdue
        lost = Lost(seat.number, f"{seat.address} {reason}", jobs, charged, was_killed=was_killed)
        messages: list[Message] = [lost]
        works = {dask_job.job.work for dask_job in out}
        work = works.pop() if len(works) == 1 else None
        n = self._deaths.note(work) if out and leave != "polite" and not overdue else 0
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
            messages += self._lose(seat, f"was ended, because a block {words}", overdue=words)
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


def _is_at(seat: Seat, present: Mapping[str, Present]) -> bool:
    """Whether a worker is still at its address, and no other in its place."""
    return seat.address in present and present[seat.address].identity == seat.identity


def _left(end: float) -> float:
    return max(end - time.monotonic(), 0.0)

"""Workers of a Dask cluster: this machine's, a batch system's, the cloud's.

::

    driver                        Dask's scheduler               Dask's workers
    a job, for one worker   --->  pinned to its address   --->   carry_out, in its workbench
    asks for the workers    --->  list of workers                each a worker of ours

Dask moves calls and results.  The order and place of blocks, retries, and the block that is charged
for a lost worker are decided as for every executor.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import _dask_worker
from scutoid.executors._dask_calls import INTERRUPTED, Calls
from scutoid.executors._dask_cluster import Link, check_cluster
from scutoid.executors._dask_invitations import Invitations
from scutoid.executors._dask_job import DaskJob, Seat
from scutoid.executors._dask_leaves import Leave, announce_leave, how_left
from scutoid.executors._dask_losses import Losses
from scutoid.executors._dask_needs import check_memory, serves
from scutoid.executors._dask_overdue import Overdue
from scutoid.executors._dask_standing import StandingExecutor
from scutoid.executors._dask_types import Present
from scutoid.executors._dask_waiting import Wait
from scutoid.executors._pickling import dump_works, with_values
from scutoid.executors._presets import Preset
from scutoid.executors._work import MOST_ITEMS, Job, Joined, Message, Outcome, Work, WorkerPool

_logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
# A look at thousands of workers takes a while: it may take this part of the driver's time.
_LOOK_SHARE = 0.05
_ANSWER_SECONDS = 2.0
_CLOSING_SECONDS = 2.0


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

    @property
    def handles_own_loop(self) -> bool:
        """Whether workers with a loop of their own can join; nobody else joins its own cluster."""
        return self._cluster is not None and not isinstance(self._cluster, Preset)

    def check_ready(self) -> None:
        """Refuse what no pool can be opened of; errors are those of `open`."""
        check_cluster(self._cluster)

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Connect to the cluster.

        Raises
        ------
        MissingExtra
            If distributed is not installed.
        ParameterError
            If a function cannot be sent, a block's time is limited and there is no nanny, or a
            task is for workers with a loop of their own and the cluster has no credentials.
        MemoryLimitError
            If a block needs more memory than any worker has.
        WorkerError
            If the scheduler cannot be reached.
        """
        payloads = dump_works(works)
        link = Link.to(self._cluster, workers, logs)
        try:
            numbers = itertools.count()
            is_own = [work.is_own_loop for work in works]
            pool = None if all(is_own) else _DaskWorkerPool(works, payloads, link, workers, numbers)
            if pool is not None and not any(is_own):
                return pool
            from scutoid.executors._dask_guests import guests_of

            return guests_of(works, payloads, link, numbers, workers, pool)
        except BaseException:
            link.close(_CLOSING_SECONDS)
            raise

    def stand(self, workers: int, logs: Path) -> StandingExecutor:
        """Return an executor whose cluster is started now, and stands from run to run.

        Parameters
        ----------
        workers : int
            Workers of a cluster of its own.
        logs : Path
            Folder for what these print.
        """
        return StandingExecutor(
            *(self._cluster, workers, logs),
            lend=DaskExecutor,
            handles_resources=self.handles_resources,
        )


class _DaskWorkerPool:
    depth = 2
    most_items = MOST_ITEMS
    is_one_memory = False

    def __init__(
        self,
        works: Sequence[Work],
        payloads: Sequence[bytes],
        link: Link,
        workers: int,
        numbers: Iterator[int],
    ) -> None:
        self._works = works
        self._payloads = payloads
        self._link = link
        self._client = link.client
        self._most = workers
        self._run = uuid.uuid4().hex
        self._own = link.own
        self._grows = link.own is None or link.own.grows
        self._calls = Calls(link.client)
        self._invitations = Invitations(link.client, self._run, workers)
        self._losses = Losses(works, workers)
        self._overdue = Overdue(works, self._calls, self._run)
        self._wait = Wait(_shared(works) if self._grows else (), link.client, link.own, workers)
        self._seats: dict[int, Seat] = {}
        # Workers that are lost, and of which it is asked how they left.
        self._parting: dict[int, Seat] = {}
        self._buried: set[str] = set()
        self._paused: set[str] = set()
        self._numbers = numbers
        self._next_look = time.monotonic()
        self._is_awake = False
        self._is_halting = False
        present = self._usable(self._calls.workers_present()).values()
        known = [state.memory for state in present] if link.own is None else [link.own.memory]
        check_memory(works, known)

    def submit(self, worker: int, job: Job) -> None:
        seat = self._parting.get(worker) or self._seats[worker]
        is_single = self._works[job.work].timeout is not None or self._losses.is_suspect(job)
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
            for seat, words in self._overdue.ended(self._seats.values()):
                reason = f"was ended, because a block {words}"
                messages += self._lose(seat, reason, overdue=words)
            if messages or self._is_awake or (end is not None and time.monotonic() >= end):
                self._is_awake = False
                return messages

    @property
    def is_busy(self) -> bool:
        """Whether there is a worker with something to do."""
        return any(seat.dask_jobs for seat in self._seats.values())

    def wake(self) -> None:
        """Let `wait` return at once, in any thread."""
        self._calls.interrupt()

    def halt(self) -> None:
        self._is_halting = True

    def _ask_to_halt(self) -> None:
        """Ask workers to report after their current items; again, for one may begin just now."""
        if self._is_halting:
            asked = {seat.address: (self._run,) for seat in self._seats.values() if seat.dask_jobs}
            self._calls.ask(_dask_worker.cancel, asked, seconds=0)

    def stop(self, *, grace: float) -> None:
        end = time.monotonic() + grace
        try:
            if self._client.status == "running":
                self._invitations.withdraw()
                self._leave(end)
        finally:
            _dask_worker.forget(self._run, but=list(self._seats))
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
            self._calls.ask(_dask_worker.cancel, asked, seconds=pause)
        leaving = {
            seat.number: self._calls.in_worker(
                seat, _dask_worker.close, self._run, seat.number, priority=100
            )
            for seat in seats
        }
        while leaving and time.monotonic() < end:
            arrived = self._calls.arrived(min(_LOOK_SECONDS, _left(end)))
            if arrived is None:
                try:
                    present = self._calls.workers_present()
                except WorkerError:
                    return
                for number in [n for n in leaving if not _is_at(self._seats[n], present)]:
                    del leaving[number]
            elif leaving.get(arrived[0]) is arrived[1]:
                del leaving[arrived[0]]
        importlib.import_module("distributed").fire_and_forget(list(leaving.values()))

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
                dask_job.future = self._calls.in_worker(
                    *(seat, _dask_worker.carry_out, self._run, seat.number, seat.identity),
                    *(job.number, job.work, dask_job.indices.tobytes()),
                    None if is_ready else self._payloads[job.work],
                    key=f"scutoid-{self._works[job.work].name}-{uuid.uuid4().hex}",
                )

    def _pause(self, end: float | None) -> float:
        """Seconds to wait for a result before looking for lost and hung workers."""
        looks = [] if self._is_halting else [self._next_look]
        deadlines = [*looks, *([] if end is None else [end])]
        deadlines += self._overdue.deadlines(self._seats.values())
        return _left(min(deadlines, default=time.monotonic() + _LOOK_SECONDS))

    def _receive(self, pause: float) -> list[Message]:
        messages: list[Message] = []
        arrived = self._calls.arrived(pause)
        while arrived is not None:
            messages += self._handle(*arrived)
            arrived = self._calls.arrived(0)
        return messages

    def _handle(self, number: int, future: object, result: object) -> list[Message]:
        self._is_awake = self._is_awake or number == INTERRUPTED
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
                raise self._calls.failed(result)
            return messages
        work, indices = dask_job.job.work, dask_job.indices
        if result.setup_failure is None:
            seat.ready.add(work)
        self._losses.note_done(work, indices[np.flatnonzero(result.statuses)])
        outcome = dask_job.note(result)
        if outcome is not None:
            seat.dask_jobs.remove(dask_job)
        self._send_next(seat)
        if outcome is None:
            return []
        return [outcome if outcome.values is None else with_values(outcome)]

    def _usable(self, present: Mapping[str, Present]) -> Mapping[str, Present]:
        """The workers that can be used: where a block's time is limited, those with a nanny."""
        if not self._overdue.is_needed:
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
        present = self._calls.workers_present()
        now = time.monotonic()
        self._next_look = now + max(_LOOK_SECONDS, (now - began) / _LOOK_SHARE)
        gone = [seat for seat in self._seats.values() if not _is_at(seat, present)]
        messages = [message for seat in gone for message in self._miss(seat)]
        usable = self._usable(present)
        messages += self._new_seats(usable)
        if self._own is not None and len(self._seats) < self._most:
            self._own.tend()
        if self._grows:
            busy = all(seat.dask_jobs for seat in self._seats.values())
            threads = max((state.threads for state in usable.values()), default=1)
            self._invitations.keep(wanted=busy, threads=threads)
        lacking = self._wait.lacking(list(usable.values()))
        if self._seats and (not lacking or any(seat.dask_jobs for seat in self._seats.values())):
            self._wait.is_over()
        else:
            messages += self._wait.goes_on(len(self._seats), lacking)
        return messages

    def _new_seats(self, usable: Mapping[str, Present]) -> list[Message]:
        messages: list[Message] = []
        occupied = {seat.address for seat in self._seats.values()}
        for address, state in usable.items():
            self._note_pause(address, state)
            is_free = address not in occupied and state.identity not in self._buried
            if is_free and state.status == "running" and len(self._seats) < self._most:
                seat = Seat(
                    *(next(self._numbers), address, state.identity, state.nanny, state.memory)
                )
                self._seats[seat.number] = seat
                served = serves(self._works, state) if self._grows else None
                messages.append(Joined(seat.number, served))
                if self._grows:
                    nanny = state.nanny is not None
                    self._calls.ask(announce_leave, {address: (nanny,)}, nanny=nanny, seconds=0)
        if messages and self._own is not None:
            self._own.note_workers()
        return messages

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

        self._calls.ask_scheduler(
            *(seat.number, how_left, seat.address, seat.nanny), otherwise="crash"
        )
        return []

    def _part(self, number: int, leave: object) -> list[Message]:
        """Lose a worker of which it is known how it left."""
        seat = self._parting.pop(number)
        if leave == "gone":
            return self._lose(seat, "was lost with its nanny: a node or job ended", "gone")
        if leave == "polite":
            return self._lose(seat, "left by an order, or at the end of its time", "polite")
        return self._lose(seat, "was lost" + _limit(seat))

    def _lose(
        self, seat: Seat, reason: str, leave: Leave = "crash", overdue: str = ""
    ) -> list[Message]:
        self._seats.pop(seat.number, None)
        self._buried.add(seat.identity)
        if seat.out:
            self._client.cancel(seat.futures)
        return self._losses.of(seat, reason, leave, overdue)


def _shared(works: Sequence[Work]) -> list[Work]:
    """The works that any worker can do, without those for loops of their own."""
    return [work for work in works if not work.is_own_loop]


def _is_at(seat: Seat, present: Mapping[str, Present]) -> bool:
    """Whether a worker is still at its address, and no other in its place."""
    return seat.address in present and present[seat.address].identity == seat.identity


def _limit(seat: Seat) -> str:
    """How much memory a worker had, in words; Dask does not say whether that was too little."""
    return f"; it had {seat.memory / 2**20:.0f} MiB of memory" if seat.memory else ""


def _left(end: float) -> float:
    return max(end - time.monotonic(), 0.0)

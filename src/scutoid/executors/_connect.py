"""Workers with a loop of their own, which join and leave a run at any time.

::

    driver, ConnectExecutor("run.json")             worker, connect("run.json")
      listens, writes address and key  --------->     reads them, joins
      item                             --------->     for block in blocks: ...
                                       <---------     done, failed, or leaving
      end                              --------->     the loop ends

A worker holds one item at a time, so the current item of a lost worker is always known.
"""

from __future__ import annotations

import itertools
import os
import pickle
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors._guests import Door, Hello
from scutoid.executors._launch import Launch, Launched, LaunchedGroup
from scutoid.executors._pickling import dump_works, loads
from scutoid.executors._rendezvous import end_connection
from scutoid.executors._work import (
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

_POLL_SECONDS = 0.25
_PORTS = 2**16


class ConnectExecutor:
    """Hands blocks to workers that `scutoid.blocks.connect`; can start them by commands.

    Parameters
    ----------
    file : path-like, optional
        The connection file, which workers read; on a shared file system for workers on other
        machines.  Only its owner can read it, and it is removed at the end.  By default one for
        the workers that are launched.
    host : str, optional
        Name of this machine as the workers know it.  By default only workers on this machine can
        join; any other name than one of its own (``127.0.0.1``, ``localhost``, ``::1``) listens on
        all its networks, which is logged as a warning.
    port : int, optional
        0: any that is free.
    launch : sequence of Launch, optional
        Workers to start; one that ends with an error is started again, up to a limit in a row, and
        one that leaves with exit code 0 once nobody else works at its task and blocks are left.
    patience : float, optional
        Seconds without any worker after which the run gives up; None: it waits.

    Raises
    ------
    ParameterError
        If there is neither a file nor anything to launch: then no worker could ever join; or if
        there is no such host or port.
    """

    handles_timeout = True
    handles_setup = True
    handles_own_loop = True

    def __init__(
        self,
        file: str | os.PathLike[str] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        launch: Sequence[Launch] = (),
        patience: float | None = None,
    ) -> None:
        if file is None and not launch:
            raise ParameterError(
                "workers find a run by its connection file",
                value=file,
                place="ConnectExecutor(file=)",
                remedy="give a path that the workers can read too, or launch=[Launch(command)]",
            )
        _check_address(host, port)
        self._file = None if file is None else Path(file).absolute()
        self._address = (host, port)
        self._launch = tuple(launch)
        self._patience = patience

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Listen for workers, and start the ones to launch.

        Raises
        ------
        ParameterError
            If a work cannot be sent to other processes, or a task to launch for is unknown.
        WorkerError
            If the address cannot be listened on.
        """
        names = [work.name for work in works]
        for launch in self._launch:
            if launch.task is not None and launch.task not in names:
                raise ParameterError(
                    "workers are launched for tasks of the run",
                    value=launch.task,
                    place="Launch(task=)",
                    remedy=f"one of {', '.join(map(repr, names))}",
                )
        return _ConnectWorkerPool(works, dump_works(works), self, logs)

    def listen(self) -> Door:
        """Begin to listen for workers.

        Raises
        ------
        WorkerError
            If the address cannot be listened on.
        """
        return Door(*self._address)

    @property
    def file(self) -> Path | None:
        """The connection file."""
        return self._file

    @property
    def launch(self) -> tuple[Launch, ...]:
        """Workers to start."""
        return self._launch

    @property
    def patience(self) -> float | None:
        """Seconds without any worker after which the run gives up."""
        return self._patience


def _check_address(host: object, port: object) -> None:
    if not isinstance(host, str) or not host:
        raise ParameterError(
            "workers find this machine by a name or an address",
            value=host,
            place="ConnectExecutor(host=)",
            remedy="give what its name is on the workers' machines, or leave host= out",
        )
    if not isinstance(port, int) or not 0 <= port < _PORTS:
        raise ParameterError(
            f"a port is a number from 0 to {_PORTS - 1}",
            value=port,
            place="ConnectExecutor(port=)",
            remedy="port=0 takes any that is free",
        )


@dataclass(slots=True, eq=False)
class _ConnectedWorker:
    """The driver's side of one worker."""

    number: int
    connection: Connection
    name: str
    """Where it runs, for messages."""
    launched: Launched | None = None
    """Its process, if the run has started it."""
    serves: frozenset[int] | None = None
    """Numbers of the works that it carries out; None: all."""
    known: set[int] = field(default_factory=set)
    jobs: deque[Job] = field(default_factory=deque)
    since: float = 0.0
    """When it got its current item, by `time.monotonic`."""

    def send(self, message: object) -> None:
        try:
            self.connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))
        except OSError:  # gone, or stopped in the middle of the message: the next read tells
            end_connection(self.connection)


class _ConnectWorkerPool:
    depth = 2
    most_items = 1
    is_one_memory = False

    def __init__(
        self,
        works: Sequence[Work],
        payloads: Sequence[bytes],
        executor: ConnectExecutor,
        logs: Path | None,
    ) -> None:
        self._works = works
        self._payloads = payloads
        self._patience = executor.patience
        self._workers: dict[int, _ConnectedWorker] = {}
        self._numbers = itertools.count()
        self._folder = Path(tempfile.mkdtemp(prefix="scutoid-"))
        self._file = executor.file or self._folder / "connection.json"
        self._groups: list[LaunchedGroup] = []
        self._given_up: set[str] = set()
        self._next_look = self._alone_since = time.monotonic()
        self._is_halting = False
        try:
            self._door = executor.listen()
        except BaseException:
            self._folder.rmdir()
            raise
        try:
            self._door.rendezvous.write(self._file)
            for launch in executor.launch:
                self._groups.append(launch.start(self._file, logs, self._numbers))
        except BaseException:
            self.stop(grace=0)
            raise

    def submit(self, worker: int, job: Job) -> None:
        connected = self._workers[worker]
        connected.jobs.append(job)
        if len(connected.jobs) == 1:
            self._send_item(connected)

    def wait(self, timeout: float | None) -> list[Message]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            messages = self._read(self._pause(end))
            messages += self._end_overdue()
            messages += self._look_after_crews()
            if messages or (end is not None and time.monotonic() >= end):
                return messages

    def halt(self) -> None:
        self._is_halting = True

    def stop(self, *, grace: float) -> None:
        for worker in self._workers.values():
            worker.send(("end",))
        self._door.close()
        for worker in self._workers.values():
            worker.connection.close()
        self._workers.clear()
        self._door.rendezvous.remove(self._file)
        end = time.monotonic() + grace
        for launched in (member for group in self._groups for member in group.members):
            launched.end(max(end - time.monotonic(), 0))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _pause(self, end: float | None) -> float:
        now = time.monotonic()
        pause = _POLL_SECONDS if end is None else min(end - now, _POLL_SECONDS)
        deadlines = (self._deadline(worker) for worker in self._workers.values())
        soonest = min((d for d in deadlines if d is not None), default=now + pause)
        return max(min(pause, soonest - now + 0.005), 0)

    def _read(self, pause: float) -> list[Message]:
        messages: list[Message] = []
        by_connection = {worker.connection: worker for worker in self._workers.values()}
        for ready in wait([self._door.bell, *by_connection], pause):
            if ready is self._door.bell:
                self._door.bell.recv_bytes()
                messages += self._admit(*self._door.arrived.get())
            else:
                messages += self._receive(by_connection[ready])  # type: ignore[index]
        return messages

    def _admit(self, connection: Connection, hello: Hello) -> list[Message]:
        """Admit a worker that has said its name and its tasks."""
        names = [work.name for work in self._works]
        unknown = [task for task in hello.tasks or () if task not in names]
        members = (member for group in self._groups for member in group.members)
        launched = next((each for each in members if each.name == hello.launch), None)
        # The number that a launched process was told; one that joins more than once gets others.
        is_known = launched is not None and not launched.has_joined
        number = launched.number if is_known else next(self._numbers)  # type: ignore[union-attr]
        known = [task for task in hello.tasks or () if task in names]
        serves = None if hello.tasks is None else frozenset(map(names.index, known))
        worker = _ConnectedWorker(number, connection, hello.name, launched, serves)
        if unknown:
            worker.send(("refused", unknown[0], names))
            connection.close()
            return []
        self._workers[worker.number] = worker
        if launched is not None:
            launched.has_joined = True
        worker.send(("joined", worker.number))
        return [Joined(worker.number, serves)]

    def _receive(self, worker: _ConnectedWorker) -> list[Message]:
        try:
            message = pickle.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return [self._lose(worker, "left without a message")]
        except Exception as error:  # noqa: BLE001 - unpickling runs code of what was sent
            return [
                self._lose(worker, f"sent what cannot be read: {type(error).__name__}: {error}")
            ]
        outcome = None
        match message:
            case ("leave",):
                return [self._let_go(worker)]
            case tuple() if worker.jobs:
                outcome = self._outcome(worker, message)
        if outcome is None:
            return [self._lose(worker, "sent something other than what came of its block")]
        worker.jobs.popleft()
        if worker.launched is not None:
            worker.launched.losses = 0
        if self._is_halting:
            return [outcome, *self._untouched(worker)]
        if worker.jobs:
            self._send_item(worker)
        return [outcome]

    def _untouched(self, worker: _ConnectedWorker) -> list[Message]:
        """Give back the items that a worker has not been sent."""
        jobs, worker.jobs = worker.jobs, deque()
        nothing = np.zeros(1, dtype=np.uint8)
        return [Outcome(worker.number, job.number, nothing, (), [None]) for job in jobs]

    def _outcome(self, worker: _ConnectedWorker, message: tuple[object, ...]) -> Outcome | None:
        """What came of a worker's current block; None: the message says something else."""
        number, seconds = worker.jobs[0].number, time.monotonic() - worker.since
        statuses = np.zeros(1, dtype=np.uint8)
        value: object = None
        failures: tuple[ItemFailure, ...] = ()
        match message:
            case ("failed", ItemFailure() as failure):
                if failure.position < 0:
                    return Outcome(worker.number, number, statuses, setup_failure=failure)
                failures = (failure,)
            case ("done", int(status), None | bytes() as payload):
                try:
                    value = None if payload is None else loads(payload)
                    statuses[0] = status
                except Exception as error:  # noqa: BLE001 - unpickling runs code of its class
                    failures = (ItemFailure.of(0, error),)
            case _:
                return None
        return Outcome(
            *(worker.number, number, statuses, failures, [value]),
            seconds=seconds,
            slowest=((0, seconds),),
        )

    def _send_item(self, worker: _ConnectedWorker) -> None:
        job = worker.jobs[0]
        if job.work not in worker.known:
            worker.known.add(job.work)
            worker.send(("work", job.work, self._payloads[job.work]))
        worker.since = time.monotonic()
        worker.send(("item", job.work, int(job.indices[0])))

    def _deadline(self, worker: _ConnectedWorker) -> float | None:
        timeout = self._works[worker.jobs[0].work].timeout if worker.jobs else None
        return None if timeout is None else worker.since + timeout

    def _end_overdue(self) -> list[Message]:
        now = time.monotonic()
        messages: list[Message] = []
        for worker in list(self._workers.values()):
            deadline = self._deadline(worker)
            if deadline is not None and now > deadline and not worker.connection.poll():
                timeout = self._works[worker.jobs[0].work].timeout
                words = f"took more than {timeout:g} s"
                lost = self._lose(worker, f"was given up, because a block {words}", words)
                messages.append(lost)
                if worker.launched is not None:
                    worker.launched.kill()
        return messages

    def _lose(self, worker: _ConnectedWorker, reason: str, overdue: str = "") -> Lost:
        """Remove a worker that was lost during its block, or given up."""
        self._forget(worker)
        charged = None
        if worker.jobs:
            error = f"WorkerError: the worker {worker.name} {reason}"
            if overdue:
                error = f"TimeoutError: the block {overdue}"
            charged = (worker.jobs[0].number, ItemFailure(0, error, ""))
        jobs = tuple(job.number for job in worker.jobs)
        return Lost(worker.number, reason, jobs, charged, was_killed=not overdue)

    def _let_go(self, worker: _ConnectedWorker) -> Lost:
        """Remove a worker that leaves by itself; no block is charged."""
        self._forget(worker)
        return Lost(worker.number, "left", tuple(job.number for job in worker.jobs))

    def _forget(self, worker: _ConnectedWorker) -> None:
        worker.connection.close()
        del self._workers[worker.number]
        self._alone_since = time.monotonic()

    def _look_after_crews(self) -> list[Message]:
        """Start workers again that have left, and give up tasks for which none stays."""
        now = time.monotonic()
        if self._is_halting or now < self._next_look:
            return []
        self._next_look = now + _POLL_SECONDS
        messages: list[Message] = []
        for group in self._groups:
            group.look_after()
            if group.is_running or group.task in self._given_up or self._is_served(group.task):
                continue
            error = group.call_back()
            if error is not None:
                messages.append(self._give_up(group.task, error))
        if not self._workers:
            self._check_patience(now)
        return messages

    def _is_served(self, task: str | None) -> bool:
        """Whether others than the workers launched for it are there for a task; None: for all."""
        if any(group.is_running and group.task in (None, task) for group in self._groups):
            return True
        number = None if task is None else [work.name for work in self._works].index(task)
        return any(
            worker.serves is None or number in worker.serves for worker in self._workers.values()
        )

    def _give_up(self, task: str | None, error: WorkerError) -> GivenUp:
        if task is None:
            raise error
        self._given_up.add(task)
        return GivenUp([work.name for work in self._works].index(task), error)

    def _check_patience(self, now: float) -> None:
        if self._patience is not None and now - self._alone_since > self._patience:
            raise WorkerError(
                f"a worker joins within {self._patience:g} s",
                value="there is none",
                place=str(self._file),
                remedy="start workers that connect with this file, or give more patience=",
            )

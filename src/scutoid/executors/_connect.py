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

import os
import pickle
import queue
import shutil
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, Pipe, wait
from pathlib import Path

import numpy as np

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors._launch import Launch, Launched
from scutoid.executors._pickling import dump_works, loads
from scutoid.executors._rendezvous import Rendezvous, keep_alive
from scutoid.executors._work import (
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


class ConnectExecutor:
    """Hands blocks to workers that `scutoid.blocks.connect`; can start them by commands.

    Parameters
    ----------
    file : path-like, optional
        The connection file, which workers read; on a shared file system for workers on other
        machines.  Only its owner can read it, and it is removed at the end.  By default one for
        the workers that are launched.
    host : str, optional
        Name of this machine as the workers know it.
    port : int, optional
        0: any that is free.
    launch : sequence of Launch, optional
        Workers to start; one that leaves while there are blocks is started again, up to a limit.
    patience : float, optional
        Seconds without any worker after which the run gives up; None: it waits.

    Raises
    ------
    ParameterError
        If there is neither a file nor anything to launch: then no worker could ever join.
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

    def listen(self) -> tuple[Listener, Rendezvous]:
        """Begin to listen for workers.

        Raises
        ------
        WorkerError
            If the address cannot be listened on.
        """
        host, port = self._address
        rendezvous = Rendezvous.new(host, port)
        # Other machines may use any name of this one; the key keeps other processes out.
        bind = host if host in ("127.0.0.1", "localhost") else "0.0.0.0"  # noqa: S104
        try:
            listener = Listener((bind, port), authkey=rendezvous.key)
        except OSError as error:
            raise WorkerError(
                "a run listens for its workers at an address that is free",
                value=str(error),
                place=f"{host}:{port}",
                remedy="port=0 takes any that is free",
            ) from error
        return listener, Rendezvous(host, listener.address[1], rendezvous.key)

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


@dataclass(slots=True, eq=False)
class _ConnectedWorker:
    """The driver's side of one worker."""

    number: int
    connection: Connection
    name: str
    """Where it runs, for messages."""
    launched: Launched | None = None
    """Its process, if the run has started it."""
    known: set[int] = field(default_factory=set)
    jobs: deque[Job] = field(default_factory=deque)
    since: float = 0.0
    """When it got its current item, by `time.monotonic`."""

    def send(self, message: object) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


class _Acceptor:
    """Accepts connections in a thread, because one without the key may take long to fail."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._is_closing = False
        self.wakeup, self._wakeup_sender = Pipe(duplex=False)
        self.accepted: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._accept, name="scutoid-acceptor", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except (OSError, EOFError, AuthenticationError):
                if self._is_closing:
                    return
                continue
            if self._is_closing:
                connection.close()
                return
            keep_alive(connection)
            self.accepted.put(connection)
            self._wakeup_sender.send_bytes(b"!")

    def close(self) -> None:
        """Accept no more connections."""
        if self._is_closing:
            return
        self._is_closing = True
        # Closing a socket does not wake the thread that waits at it.
        with suppress(OSError):
            host, port = self._listener.address
            socket.create_connection(("127.0.0.1" if host == "0.0.0.0" else host, port)).close()  # noqa: S104
        self._thread.join(_POLL_SECONDS * 8)
        self._listener.close()
        self.wakeup.close()
        self._wakeup_sender.close()


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
        self._unidentified: list[Connection] = []
        self._next_number = 0
        listener, rendezvous = executor.listen()
        self._acceptor = _Acceptor(listener)
        self._folder = Path(tempfile.mkdtemp(prefix="scutoid-"))
        self._file = executor.file or self._folder / "connection.json"
        self._launched: list[Launched] = []
        self._alone_since = time.monotonic()
        try:
            rendezvous.write(self._file)
            for launch in executor.launch:
                self._launched += launch.start(self._file, logs)
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
            if messages or (end is not None and time.monotonic() >= end):
                return messages
            self._look_after_launched()

    def stop(self, *, grace: float) -> None:
        for worker in self._workers.values():
            worker.send(("end",))
        self._acceptor.close()
        for connection in (*self._unidentified, *(w.connection for w in self._workers.values())):
            connection.close()
        self._workers.clear()
        with suppress(OSError):
            self._file.unlink()
        end = time.monotonic() + grace
        for launched in self._launched:
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
        ready = wait([self._acceptor.wakeup, *self._unidentified, *by_connection], pause)
        for connection in ready:
            if connection is self._acceptor.wakeup:
                self._acceptor.wakeup.recv_bytes()
                self._unidentified.append(self._acceptor.accepted.get())
            elif connection in by_connection:
                messages += self._receive(by_connection[connection])
            else:
                self._unidentified.remove(connection)  # type: ignore[arg-type]
                messages += self._admit(connection)  # type: ignore[arg-type]
        return messages

    def _admit(self, connection: Connection) -> list[Message]:
        """Admit a worker that has sent its name and its tasks."""
        try:
            _, name, tasks, launch = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError, ValueError):
            connection.close()
            return []
        names = [work.name for work in self._works]
        unknown = [task for task in tasks or () if task not in names]
        launched = next((each for each in self._launched if each.name == launch), None)
        worker = _ConnectedWorker(self._next_number, connection, name, launched)
        if unknown:
            worker.send(("refused", unknown[0], names))
            connection.close()
            return []
        self._next_number += 1
        self._workers[worker.number] = worker
        if launched is not None:
            launched.has_joined = True
        worker.send(("joined", worker.number))
        serves = None if tasks is None else frozenset(map(names.index, tasks))
        return [Joined(worker.number, serves)]

    def _receive(self, worker: _ConnectedWorker) -> list[Message]:
        try:
            message = pickle.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return [self._lose(worker, "left without a message")]
        if message[0] == "leave":
            return [self._let_go(worker)]
        job = worker.jobs.popleft()
        outcome = self._outcome(worker, job, message, time.monotonic() - worker.since)
        if worker.jobs:
            self._send_item(worker)
        if worker.launched is not None:
            worker.launched.losses = 0
        return [outcome]

    def _outcome(
        self, worker: _ConnectedWorker, job: Job, message: tuple[object, ...], seconds: float
    ) -> Outcome:
        statuses = np.zeros(1, dtype=np.uint8)
        value: object = None
        failures: tuple[ItemFailure, ...] = ()
        match message:
            case ("failed", ItemFailure() as failure):
                if failure.position < 0:
                    return Outcome(worker.number, job.number, statuses, setup_failure=failure)
                failures = (failure,)
            case ("done", int(status), payload):
                try:
                    value = None if payload is None else loads(payload)  # type: ignore[arg-type]
                    statuses[0] = status
                except Exception as error:  # noqa: BLE001 - unpickling runs code of its class
                    failures = (ItemFailure.of(0, error),)
            case _:
                raise WorkerError("a worker reports its block as done or failed", value=message[0])
        return Outcome(
            *(worker.number, job.number, statuses, failures, [value]),
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

    def _look_after_launched(self) -> None:
        """Restart workers that have left, and give up if none joins."""
        for launched in self._launched:
            launched.restart_if_gone()
        if self._workers or self._patience is None:
            return
        if time.monotonic() - self._alone_since > self._patience:
            raise WorkerError(
                f"a worker joins within {self._patience:g} s",
                value="there is none",
                place=str(self._file),
                remedy="start workers that connect with this file, or give more patience=",
            )

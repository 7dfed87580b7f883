"""Workers with a loop of their own, which join a run and leave it as they please.

::

    driver, ConnectExecutor("run.json")             worker, connect("run.json")
      listens, writes address and key  --------->     reads them, joins
      item                             --------->     for block in blocks: ...
                                       <---------     done, failed, or leaving
      end                              --------->     the loop ends

A worker holds one item at a time, so it is always known which one a lost worker was at.
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
    """Hands blocks to workers that `scutoid.blocks.connect`; starts none, unless told how.

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
        """Listen for workers, and start those that are to be launched.

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
        """Begin to listen.

        Raises
        ------
        WorkerError
            If that is not possible.
        """
        host, port = self._address
        rendezvous = Rendezvous.new(host, port)
        # Other machines come in by whatever name they know; the key keeps strangers out.
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
class _Member:
    """The driver's side of one worker."""

    number: int
    connection: Connection
    name: str
    """Where it runs, for people."""
    launched: Launched | None = None
    """The worker that the run has started, if it is one."""
    known: set[int] = field(default_factory=set)
    jobs: deque[Job] = field(default_factory=deque)
    since: float = 0.0
    """When it got the item that it has, by `time.monotonic`."""

    def send(self, message: object) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


class _Door:
    """Lets workers in, in a thread of its own: a stranger may take long to fail the key."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._is_closing = False
        self.bell, self._rope = Pipe(duplex=False)
        self.guests: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._welcome, name="scutoid-door", daemon=True)
        self._thread.start()

    def _welcome(self) -> None:
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
            self.guests.put(connection)
            self._rope.send_bytes(b"!")

    def close(self) -> None:
        """Let nobody in any more."""
        if self._is_closing:
            return
        self._is_closing = True
        # Closing a socket does not wake who waits at it.
        with suppress(OSError):
            host, port = self._listener.address
            socket.create_connection(("127.0.0.1" if host == "0.0.0.0" else host, port)).close()  # noqa: S104
        self._thread.join(_POLL_SECONDS * 8)
        self._listener.close()
        self.bell.close()
        self._rope.close()


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
        self._members: dict[int, _Member] = {}
        self._strangers: list[Connection] = []
        self._next_number = 0
        listener, rendezvous = executor.listen()
        self._door = _Door(listener)
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
        member = self._members[worker]
        member.jobs.append(job)
        if len(member.jobs) == 1:
            self._send_item(member)

    def wait(self, timeout: float | None) -> list[Message]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            messages = self._read(self._pause(end))
            messages += self._end_overdue()
            if messages or (end is not None and time.monotonic() >= end):
                return messages
            self._look_after_launched()

    def stop(self, *, grace: float) -> None:
        for member in self._members.values():
            member.send(("end",))
        self._door.close()
        for connection in (*self._strangers, *(m.connection for m in self._members.values())):
            connection.close()
        self._members.clear()
        with suppress(OSError):
            self._file.unlink()
        end = time.monotonic() + grace
        for launched in self._launched:
            launched.end(max(end - time.monotonic(), 0))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _pause(self, end: float | None) -> float:
        now = time.monotonic()
        pause = _POLL_SECONDS if end is None else min(end - now, _POLL_SECONDS)
        deadlines = (self._deadline(member) for member in self._members.values())
        soonest = min((d for d in deadlines if d is not None), default=now + pause)
        return max(min(pause, soonest - now + 0.005), 0)

    def _read(self, pause: float) -> list[Message]:
        messages: list[Message] = []
        by_connection = {member.connection: member for member in self._members.values()}
        ready = wait([self._door.bell, *self._strangers, *by_connection], pause)
        for connection in ready:
            if connection is self._door.bell:
                self._door.bell.recv_bytes()
                self._strangers.append(self._door.guests.get())
            elif connection in by_connection:
                messages += self._hear(by_connection[connection])
            else:
                self._strangers.remove(connection)  # type: ignore[arg-type]
                messages += self._introduce(connection)  # type: ignore[arg-type]
        return messages

    def _introduce(self, connection: Connection) -> list[Message]:
        """Take up a worker that says who it is and what it is for."""
        try:
            _, name, tasks, launch = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError, ValueError):
            connection.close()
            return []
        names = [work.name for work in self._works]
        unknown = [task for task in tasks or () if task not in names]
        launched = next((each for each in self._launched if each.name == launch), None)
        member = _Member(self._next_number, connection, name, launched)
        if unknown:
            member.send(("refused", unknown[0], names))
            connection.close()
            return []
        self._next_number += 1
        self._members[member.number] = member
        if launched is not None:
            launched.has_joined = True
        member.send(("joined", member.number))
        serves = None if tasks is None else frozenset(map(names.index, tasks))
        return [Joined(member.number, serves)]

    def _hear(self, member: _Member) -> list[Message]:
        try:
            message = pickle.loads(member.connection.recv_bytes())
        except (EOFError, OSError):
            return [self._lose(member, "went without a word")]
        if message[0] == "leave":
            return [self._let_go(member)]
        job = member.jobs.popleft()
        outcome = self._outcome(member, job, message, time.monotonic() - member.since)
        if member.jobs:
            self._send_item(member)
        if member.launched is not None:
            member.launched.losses = 0
        return [outcome]

    def _outcome(
        self, member: _Member, job: Job, message: tuple[object, ...], seconds: float
    ) -> Outcome:
        statuses = np.zeros(1, dtype=np.uint8)
        said = {"seconds": seconds, "slowest": ((0, seconds),)}
        match message:
            case ("failed", ItemFailure() as failure):
                if failure.position < 0:
                    return Outcome(member.number, job.number, statuses, setup_failure=failure)
                return Outcome(member.number, job.number, statuses, (failure,), [None], **said)  # type: ignore[arg-type]
            case ("done", int(status), payload):
                try:
                    value = None if payload is None else loads(payload)  # type: ignore[arg-type]
                except Exception as error:  # noqa: BLE001 - unpickling runs code of its class
                    failure = ItemFailure.of(0, error)
                    return Outcome(member.number, job.number, statuses, (failure,), [None], **said)  # type: ignore[arg-type]
                statuses[0] = status
                return Outcome(member.number, job.number, statuses, (), [value], **said)  # type: ignore[arg-type]
        raise WorkerError("a worker says what came of its block", value=message[0])

    def _send_item(self, member: _Member) -> None:
        job = member.jobs[0]
        if job.work not in member.known:
            member.known.add(job.work)
            member.send(("work", job.work, self._payloads[job.work]))
        member.since = time.monotonic()
        member.send(("item", job.work, int(job.indices[0])))

    def _deadline(self, member: _Member) -> float | None:
        timeout = self._works[member.jobs[0].work].timeout if member.jobs else None
        return None if timeout is None else member.since + timeout

    def _end_overdue(self) -> list[Message]:
        now = time.monotonic()
        messages: list[Message] = []
        for member in list(self._members.values()):
            deadline = self._deadline(member)
            if deadline is not None and now > deadline and not member.connection.poll():
                timeout = self._works[member.jobs[0].work].timeout
                words = f"took more than {timeout:g} s"
                lost = self._lose(member, f"was given up, because a block {words}", words)
                messages.append(lost)
                if member.launched is not None:
                    member.launched.kill()
        return messages

    def _lose(self, member: _Member, reason: str, overdue: str = "") -> Lost:
        """A worker is gone in the middle of its block, or given up."""
        self._forget(member)
        charged = None
        if member.jobs:
            error = f"WorkerError: the worker {member.name} {reason}"
            if overdue:
                error = f"TimeoutError: the block {overdue}"
            charged = (member.jobs[0].number, ItemFailure(0, error, ""))
        jobs = tuple(job.number for job in member.jobs)
        return Lost(member.number, reason, jobs, charged, was_killed=not overdue)

    def _let_go(self, member: _Member) -> Lost:
        """A worker leaves as it pleases; nobody is to blame."""
        self._forget(member)
        return Lost(member.number, "left", tuple(job.number for job in member.jobs))

    def _forget(self, member: _Member) -> None:
        member.connection.close()
        del self._members[member.number]
        self._alone_since = time.monotonic()

    def _look_after_launched(self) -> None:
        """Start again what has left, and give up where nobody comes."""
        for launched in self._launched:
            launched.restart_if_gone()
        if self._members or self._patience is None:
            return
        if time.monotonic() - self._alone_since > self._patience:
            raise WorkerError(
                f"a worker joins within {self._patience:g} s",
                value="there is none",
                place=str(self._file),
                remedy="start workers that connect with this file, or give more patience=",
            )

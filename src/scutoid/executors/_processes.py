"""New worker processes: never forked, and never importing the user's ``__main__``.

::

    driver  --[socket pair: works, jobs ->, <- outcomes]--  worker
            --[shared page: <- job, item, since when]-----

A worker that dies or hangs is replaced; the page tells which item to charge.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Pipe, wait
from pathlib import Path
from typing import IO

from scutoid.errors import WorkerError
from scutoid.executors._deaths import Deaths
from scutoid.executors._environment import MEMORY_VARIABLES, THREAD_VARIABLES
from scutoid.executors._heartbeat import SharedHeartbeat
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
from scutoid.executors._worker import OVER

# A worker that closes its connection has this long to end.
_LEAVING_SECONDS = 5.0
# A lost worker whose child keeps its connection open is noticed this often.
_POLL_SECONDS = 0.5

_BOOT = (
    "import sys, pickle\n"
    "from multiprocessing.connection import Connection\n"
    "c = Connection(int(sys.argv[1]))\n"
    "sys.path[:] = pickle.loads(c.recv_bytes())\n"
    "from scutoid.executors._worker import main\n"
    "main(c, int(sys.argv[2]), int(sys.argv[3]))\n"
)


class ProcessesExecutor:
    """Carries out jobs in new processes; replaces those that die, ends those that hang."""

    handles_timeout = True
    handles_setup = True

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Pickle the works, and start the processes.

        Raises
        ------
        ParameterError
            If a function cannot be sent to another process.
        """
        return _ProcessesWorkerPool(works, dump_works(works), workers, logs)


class StandingProcesses(ProcessesExecutor):
    """Carries out jobs in processes that stay from run to run, and end when it is closed.

    What they have imported serves all runs.  Set-ups are left at the end of each.
    """

    def __init__(self) -> None:
        self._idle: list[_Process] = []

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Pickle the works, and start the processes that are not there yet."""
        return _ProcessesWorkerPool(works, dump_works(works), workers, logs, self._idle)

    def close(self) -> None:
        """End the processes, which are idle."""
        while self._idle:
            self._idle.pop().end()


@contextmanager
def standing(executor: object) -> Iterator[object]:
    """Give an executor whose own processes stay until this is left; another is given as it is."""
    if not (executor == "processes" or type(executor) is ProcessesExecutor):
        yield executor
        return
    stays = StandingProcesses()
    try:
        yield stays
    finally:
        stays.close()


class _Process:
    """The driver's side of one worker process."""

    def __init__(self, number: int, folder: str, logs: Path | None) -> None:
        self.number = number
        self.begun_in = (folder, logs)
        self.jobs: dict[int, Job] = {}
        self.known: set[int] = set()
        self.heartbeat, page = SharedHeartbeat.create()
        self.connection, theirs = Pipe(duplex=True)
        try:
            with _log_file(logs, number) as log:
                self.process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-c", _BOOT),
                        *(str(theirs.fileno()), str(page), str(os.getpid())),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(), page),
                    # A group of its own: Ctrl-C in the terminal reaches the driver alone, and what
                    # the user's function has started can be ended with the worker.
                    process_group=0,
                    cwd=folder,
                    env=MEMORY_VARIABLES | os.environ | dict.fromkeys(THREAD_VARIABLES, "1"),
                )
        except BaseException:
            self.connection.close()
            self.heartbeat.close()
            raise
        finally:
            theirs.close()
            os.close(page)
        self.send(list(sys.path))
        self.send(number)

    def send(self, message: object) -> None:
        """Send a message; a lost worker is noticed when it is read from."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))

    def kill(self) -> None:
        """Kill the process and its children."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
        self.process.wait()

    def end_run(self, end: float) -> bool:
        """Have a process without jobs leave its set-ups until a time; return whether it has."""
        with suppress(EOFError, OSError):
            self.send(("over",))
            while self.connection.poll(max(end - time.monotonic(), 0)):
                if pickle.loads(self.connection.recv_bytes()) == OVER:
                    self.known.clear()
                    return self.process.poll() is None
        return False

    def end(self) -> None:
        """End a process that is idle."""
        self.send(("stop",))
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_LEAVING_SECONDS)
        self.kill()
        self.close()

    def close(self) -> None:
        """Release the driver's resources for a process that has ended."""
        self.connection.close()
        self.heartbeat.close()


@contextmanager
def _log_file(logs: Path | None, number: int) -> Iterator[IO[bytes] | None]:
    if logs is None:
        yield None
        return
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"worker-{number}.log").open("ab") as file:
        yield file


class _ProcessesWorkerPool:
    depth = 2
    most_items = MOST_ITEMS
    is_one_memory = False

    def __init__(
        self,
        works: Sequence[Work],
        payloads: Sequence[bytes],
        workers: int,
        logs: Path | None,
        idle: list[_Process] | None = None,
    ) -> None:
        self._works = works
        self._payloads = payloads
        self._logs = logs
        self._folder = str(Path.cwd())
        self._processes: dict[int, _Process] = {}
        self._idle = idle
        self._next_number = 0 if idle is None else max((p.number for p in idle), default=-1) + 1
        self._joined: list[Message] = []
        self._deaths = Deaths(workers)
        self._has_timeouts = any(work.timeout is not None for work in works)
        self._is_halting = self._has_told = False
        try:
            for _ in range(workers):
                self._start()
        except BaseException:
            self.stop(grace=0)
            raise

    def submit(self, worker: int, job: Job) -> None:
        process = self._processes[worker]
        if job.work not in process.known:
            process.known.add(job.work)
            process.send(("work", job.work, self._payloads[job.work]))
        process.jobs[job.number] = job
        process.send(("job", job.number, job.work, job.indices.tobytes()))

    def wait(self, timeout: float | None) -> list[Message]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self._tell_to_halt()
            joined, self._joined = self._joined, []
            messages = joined + self._read(0 if joined else self._pause(end))
            messages += self._end_overdue()
            if messages or (end is not None and time.monotonic() >= end):
                return messages

    def halt(self) -> None:
        self._is_halting = True

    def _tell_to_halt(self) -> None:
        if self._is_halting and not self._has_told:
            self._has_told = True
            for process in self._processes.values():
                process.send(("halt",))

    def stop(self, *, grace: float) -> None:
        end = time.monotonic() + grace
        self._keep(end)
        leaving = dict(self._processes)
        for process in leaving.values():
            process.send(("stop",))
        while leaving and time.monotonic() < end:
            self._drop_messages(leaving, end)
        for process in self._processes.values():
            process.kill()
            process.close()
        self._processes.clear()

    def _keep(self, end: float) -> None:
        """Keep idle processes for another run, if there may be one."""
        if self._idle is None or self._is_halting:
            return
        for process in list(self._processes.values()):
            if not process.jobs and process.end_run(end):
                self._idle.append(self._processes.pop(process.number))

    def _drop_messages(self, leaving: dict[int, _Process], end: float) -> None:
        """Read and drop messages: a worker that cannot send its last outcome cannot end."""
        by_connection = {process.connection: process for process in leaving.values()}
        pause = max(min(end - time.monotonic(), _POLL_SECONDS), 0)
        for connection in wait(list(by_connection), pause):
            process = by_connection[connection]  # type: ignore[index]
            try:
                process.connection.recv_bytes()
            except (EOFError, OSError):
                del leaving[process.number]
                with suppress(subprocess.TimeoutExpired):
                    process.process.wait(max(end - time.monotonic(), 0))
        for process in list(leaving.values()):
            if process.process.poll() is not None:
                del leaving[process.number]

    def _start(self) -> None:
        while self._idle:
            kept = self._idle.pop(0)
            if kept.process.poll() is None and kept.begun_in == (self._folder, self._logs):
                self._processes[kept.number] = kept
                self._joined.append(Joined(kept.number))
                return
            kept.end()
        number = self._next_number
        self._next_number += 1
        self._processes[number] = _Process(number, self._folder, self._logs)

    def _pause(self, end: float | None) -> float:
        """Seconds to wait for a message before looking for hung and dead workers."""
        now = time.monotonic()
        pause = _POLL_SECONDS if end is None else min(end - now, _POLL_SECONDS)
        if self._has_timeouts:
            for process in self._processes.values():
                deadline = self._deadline(process)
                if deadline is not None:
                    pause = min(pause, deadline - now + 0.005)
        return max(pause, 0)

    def _read(self, pause: float) -> list[Message]:
        messages: list[Message] = []
        by_connection = {process.connection: process for process in self._processes.values()}
        for connection in wait(list(by_connection), pause):
            messages += self._receive(by_connection[connection])  # type: ignore[index]
        if not messages:
            for process in list(self._processes.values()):
                if process.process.poll() is not None:
                    messages += self._receive(process)
        return messages

    def _receive(self, process: _Process) -> list[Message]:
        """All messages that a worker has sent, and its loss if it is gone."""
        messages: list[Message] = []
        try:
            while process.connection.poll():
                messages.append(self._unpickled(process, process.connection.recv_bytes()))
        except (EOFError, OSError):
            return messages + self._lose(process)
        if process.process.poll() is not None and not process.connection.poll():
            return messages + self._lose(process)
        return messages

    def _unpickled(self, process: _Process, payload: bytes) -> Message:
        message: Message = pickle.loads(payload)
        if isinstance(message, Outcome):
            job = process.jobs.pop(message.job, None)
            if job is not None and message.statuses.any():
                self._deaths.note_success(job.work)
            if message.values is not None:
                return with_values(message)
        return message

    def _deadline(self, process: _Process) -> float | None:
        seen = process.heartbeat.look()
        if seen is None or seen.position < 0 or seen.job not in process.jobs:
            return None
        timeout = self._works[process.jobs[seen.job].work].timeout
        return None if timeout is None else seen.since + timeout

    def _end_overdue(self) -> list[Message]:
        if not self._has_timeouts:
            return []
        messages: list[Message] = []
        for process in list(self._processes.values()):
            deadline = self._deadline(process)
            if deadline is not None and time.monotonic() > deadline:
                # It may have finished in this instant: what it has sent counts.
                messages += self._receive(process)
                if process.number not in self._processes or self._deadline(process) != deadline:
                    continue
                messages += self._lose(process, overdue=True)
        return messages

    def _lose(self, process: _Process, *, overdue: bool = False) -> list[Message]:
        """Remove a lost worker, find the item to charge, and start another worker."""
        if not overdue:
            with suppress(subprocess.TimeoutExpired):
                process.process.wait(_LEAVING_SECONDS)
        process.kill()
        seen = process.heartbeat.look()
        charged = work = None
        reason = _ending(process.process.returncode)
        if seen is not None and seen.job in process.jobs:
            work = process.jobs[seen.job].work
            timeout = self._works[work].timeout
            if overdue:
                reason = f"ended, because a block took more than {timeout:g} s"
                error = f"TimeoutError: the block took more than {timeout:g} s"
            else:
                error = f"WorkerError: the worker was lost in the middle of it ({reason})"
            charged = (seen.job, ItemFailure(seen.position, error, ""))
        lost = Lost(process.number, reason, tuple(process.jobs), charged)
        process.close()
        del self._processes[process.number]
        messages: list[Message] = [lost]
        n = 0 if overdue else self._deaths.note(work)
        if n:
            where = "its messages above" if self._logs is None else str(self._logs)
            trouble = WorkerError(
                f"workers live to finish a block; {n} in a row did not",
                value=f"the last one {reason}",
                place=f"see {where}" + (f"; last at {charged[1].error}" if charged else ""),
                remedy="run with executor='serial' to see what happens, or with fewer workers "
                "if memory is short",
            )
            if work is None:
                raise trouble
            messages.append(GivenUp(work, trouble))
        if not self._is_halting:
            self._start()
        return messages


def _ending(code: int | None) -> str:
    """Describe how a process ended."""
    if code is None or code >= 0:
        return f"left with exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        memory = "; the system may have been out of memory" if name == "SIGKILL" else ""
        return f"was ended by {name}{memory}"
    return f"was ended by signal {-code}"

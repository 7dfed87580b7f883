"""The driver's side of one worker process: it is started, spoken to, and ended."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import IO

from scutoid.executors._environment import MEMORY_VARIABLES, THREAD_VARIABLES
from scutoid.executors._heartbeat import SharedHeartbeat
from scutoid.executors._inherited import folder_now, inherited
from scutoid.executors._work import Job
from scutoid.executors._worker import AS_NEW, OVER

LEAVING_SECONDS = 5.0
"""A worker that closes its connection has this long to end."""

_BOOT = (
    "import gc\n"
    "gc.disable()\n"  # until all is imported: none of it is garbage, and to look takes long
    "import sys, pickle\n"
    "from multiprocessing.connection import Connection\n"
    "c = Connection(int(sys.argv[1]))\n"
    "sys.path[:] = pickle.loads(c.recv_bytes())\n"
    "from scutoid.executors._worker import main\n"
    "main(c, int(sys.argv[2]), int(sys.argv[3]))\n"
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process begins with."""

    folder: str
    """Where it works; empty: in a folder that is gone."""
    path: tuple[str, ...]
    """Where modules are looked for."""
    environment: Mapping[str, str]
    """Its environment, but for what limits threads and memory."""
    inherited: tuple[object, ...]
    """What else it has of the driver, such as limits."""
    thread: int
    """The thread of the driver that starts it, with which it ends."""
    output: tuple[object, ...] | None
    """What it prints to, as the driver does; None: a file for each run."""

    @classmethod
    def now(cls, logs: Path | None) -> Surroundings:
        """Return those of a process that is started here."""
        thread = threading.get_native_id()
        begun_with = folder_now(), tuple(sys.path), dict(os.environ), inherited()
        return cls(*begun_with, thread, _output() if logs is None else None)


class Process:
    """The driver's side of one worker process."""

    def __init__(self, number: int, begun_in: Surroundings, logs: Path | None) -> None:
        self.number = number
        self.begun_in = begun_in
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
                    cwd=begun_in.folder or None,
                    env=MEMORY_VARIABLES
                    | dict(begun_in.environment)
                    | dict.fromkeys(THREAD_VARIABLES, "1"),
                )
        except BaseException:
            self.connection.close()
            self.heartbeat.close()
            raise
        finally:
            theirs.close()
            os.close(page)
        self.send(list(begun_in.path))
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
        """Have a process without jobs leave its set-ups until a time; return whether it has.

        It keeps no file of the run open, its log neither.
        """
        self.known.clear()
        return self._answer(("over", self.begun_in.output is None), end) == OVER

    def begin_run(self, number: int, logs: Path | None, *, is_anew: bool) -> bool:
        """Have an idle process be a worker of another run; return whether it is as a new one.

        One that does not answer is killed.

        Parameters
        ----------
        number : int
            Of the worker in the run.
        logs : Path, optional
            Folder that it prints to.
        is_anew : bool
            Whether modules of the user's own are to be loaded anew.
        """
        log = None if logs is None else str(_log_path(logs, number))
        end = time.monotonic() + LEAVING_SECONDS
        answer = self._answer(("begin", number, log, is_anew), end)
        if answer is None:
            self.kill()
        self.number = number
        return answer == AS_NEW

    def _answer(self, message: object, end: float) -> str | None:
        """Send a message; return the answer of a process that lives, if it comes until a time."""
        with suppress(EOFError, OSError):
            self.send(message)
            while self.connection.poll(max(end - time.monotonic(), 0)):
                said = pickle.loads(self.connection.recv_bytes())
                if isinstance(said, str):
                    return said if self.process.poll() is None else None
        return None

    def end(self, seconds: float = LEAVING_SECONDS) -> None:
        """End a process that is idle, by force after some seconds."""
        self.send(("stop",))
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.kill()
        self.close()

    def close(self) -> None:
        """Release the driver's resources for a process that has ended."""
        self.connection.close()
        self.heartbeat.close()


def _output() -> tuple[object, ...]:
    """Return which files the output of this process goes to."""
    found: list[object] = []
    for number in (1, 2):
        with suppress(OSError):
            status = os.fstat(number)
            found.append((number, status.st_dev, status.st_ino))
    return tuple(found)


@contextmanager
def _log_file(logs: Path | None, number: int) -> Iterator[IO[bytes] | None]:
    if logs is None:
        yield None
        return
    with _log_path(logs, number).open("ab") as file:
        yield file


def _log_path(logs: Path, number: int) -> Path:
    logs.mkdir(parents=True, exist_ok=True)
    return (logs / f"worker-{number}.log").absolute()

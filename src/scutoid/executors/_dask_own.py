"""A Dask cluster on this machine for one run: processes, credentials and log files of its own.

::

    driver --(stdin: what to be, key and certificate)--> scheduler, nannies --> workers
           <--------------------- TLS, both sides with the certificate -------------->

Nobody else on the machine can join, submit or read along.  The credentials are new for each run;
they pass through pipes, and stand neither on a command line nor in a file that stays.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from scutoid.errors import MissingExtra, WorkerError
from scutoid.executors._dask_lines import LINES_VARIABLE, kept_out_of_the_terminal
from scutoid.executors._dask_types import DaskSecurity
from scutoid.executors._environment import MEMORY_VARIABLES
from scutoid.executors._worker import _die_with

_HOST = "127.0.0.1"
_START_SECONDS = 60.0
_POLL_SECONDS = 0.02
_LAST_BYTES = 2000
# No pages of state, which anybody on this machine could read: a run has its own report.  No samples
# of what workers are at, a hundred a second, which only such a page shows.
_SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
_ROLES = ("client", "scheduler", "worker")


class OwnCluster:
    """A scheduler and workers, each with a nanny, in processes that end with this one.

    Parameters
    ----------
    workers : int
        Number of workers, with a thread each.
    logs : Path, optional
        Folder for what they print and for Dask's own lines, from warnings on: ``dask-*.log``.
        Without it, functions print to where this process prints, and Dask's lines are dropped.

    Raises
    ------
    MissingExtra
        If cryptography is not installed.
    WorkerError
        If the scheduler does not start.
    """

    grows = False
    memory = 0

    def __init__(self, workers: int, logs: Path | None) -> None:
        self.security = temporary_security()
        self._logs = logs
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stack = ExitStack()
        with ExitStack() as undo:
            undo.callback(self.close)
            self._stack.enter_context(kept_out_of_the_terminal(logs))
            folder = Path(tempfile.mkdtemp(prefix="scutoid-dask-"))
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self._start_all(workers, folder)
            self.address = self._address_of(folder)
            undo.pop_all()

    def check(self) -> None:
        """Find out whether a process is left.

        Raises
        ------
        WorkerError
            If the nannies have ended, so that no worker will ever join again.
        """
        if all(process.poll() is not None for process in self._processes[1:]):
            raise WorkerError(
                "the Dask cluster of a run keeps a worker",
                value=f"all {len(self._processes) - 1} have ended",
                place=None if self._logs is None else str(self._logs),
                remedy="see dask-worker-*.log among the logs of the run",
            )

    def note_workers(self) -> None:
        """Do nothing: those that have ended are not replaced."""

    def tend(self) -> None:
        """Do nothing: Dask's nannies see to their workers."""

    def waiting(self) -> str:
        """What is waited for."""
        return "they start"

    def close(self) -> None:
        """End all processes, now."""
        for process in self._processes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # a nanny's worker too
            process.kill()  # one that has no group yet
        for process in self._processes:
            process.wait()
        self._stack.close()

    def _start_all(self, workers: int, folder: Path) -> None:
        """Start all at once: nannies wait for the scheduler's file."""
        file = _scheduler_file(folder)
        common = {
            "host": _HOST,
            "protocol": "tls",
            "security": _by_name(self.security),
            "dashboard_address": f"{_HOST}:0",
        }
        scheduler = {"scheduler_file": str(file), "port": 0, "dashboard": False}
        # How much memory blocks take is bounded by the run, not by pausing workers.
        nanny = {
            "scheduler_file": str(file),
            "nthreads": 1,
            "memory_limit": self.memory,
            "local_directory": str(folder),
        }
        # A scheduler prints of Dask alone.
        quiet = folder if self._logs is None else self._logs
        self._start("Scheduler", common | scheduler, quiet / "dask-scheduler.log")
        for number in range(workers):
            log = None if self._logs is None else self._logs / f"dask-worker-{number}.log"
            self._start("Nanny", common | nanny | {"name": str(number)}, log)

    def _start(self, kind: str, options: Mapping[str, object], log: Path | None) -> None:
        # The driver's own path in its order, so that each module is the one that the driver has.
        # Dask starts workers from its nannies, and hands the path down.
        code = (
            f"import sys; sys.path[:] = {list(map(str, sys.path))!r}; "
            f"from {__name__} import serve; serve({os.getpid()})"
        )
        lines = {LINES_VARIABLE: "critical" if self._logs is None else "warning"}
        output: IO[bytes] | None = None
        with ExitStack() as stack:
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(log.open("ab"))
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                process_group=0,  # Ctrl-C in the terminal is the driver's
                env=MEMORY_VARIABLES | os.environ | _SETTINGS | lines,
            )
        self._processes.append(process)
        with suppress(BrokenPipeError), process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps({"cls": f"distributed.{kind}", "opts": options}).encode())

    def _address_of(self, folder: Path) -> str:
        end = time.monotonic() + _START_SECONDS
        scheduler = self._processes[0]
        while scheduler.poll() is None and time.monotonic() < end:
            with suppress(OSError, ValueError):  # not there yet, or not whole
                return str(json.loads(_scheduler_file(folder).read_text())["address"])
            time.sleep(_POLL_SECONDS)
        said = (self._logs or folder) / "dask-scheduler.log"
        ended = f"its process ended with exit code {scheduler.returncode}"
        raise WorkerError(
            "a Dask cluster starts on this machine",
            value=f"{ended}: {_last_words(said)}"
            if scheduler.returncode is not None
            else f"the scheduler did not within {_START_SECONDS:g} s",
            place=None if self._logs is None else str(said),
        )


def serve(driver: int) -> None:
    """Be what stdin says, a scheduler or a nanny, until the driver ends."""
    _die_with(driver)
    _track_semaphores_outside_of_the_group()
    spec = sys.stdin.read()
    from distributed.cli.dask_spec import main

    main(["--spec", spec])


def _track_semaphores_outside_of_the_group() -> None:
    """Start what removes the semaphores of a nanny and its worker where `close` does not end it.

    They have names, so that the worker finds them: a file each in ``/dev/shm``, which is small in
    containers.  A process of multiprocessing's removes them once the nanny and the worker have
    ended; it leaves signals of a terminal alone, and belongs to the driver's group here.
    """
    from multiprocessing import resource_tracker

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C, for as long as it is outside
    os.setpgid(0, os.getpgid(os.getppid()))
    resource_tracker.ensure_running()
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, before)


def temporary_security() -> DaskSecurity:
    """Return credentials that are new.

    Raises
    ------
    MissingExtra
        If cryptography is not installed.
    """
    from distributed.security import Security

    try:
        security: DaskSecurity = Security.temporary()  # type: ignore[no-untyped-call]
    except ImportError as error:
        raise MissingExtra.of("cryptography", extra="dask") from error
    return security


def security_in_files(folder: Path) -> DaskSecurity:
    """Return credentials that are new and lie in files of a private folder, for other machines.

    Raises
    ------
    MissingExtra
        If cryptography is not installed.
    """
    from distributed.security import Security

    options = _by_name(temporary_security())
    for name, text in options.items():
        if isinstance(text, str):
            file = folder / f"{name}.pem"
            file.touch(mode=0o600)
            file.write_text(text)
            options[name] = str(file)
    security: DaskSecurity = Security(**options)  # type: ignore[assignment, no-untyped-call]
    return security


def _by_name(security: DaskSecurity) -> dict[str, object]:
    """The options of a `distributed.security.Security`, for another process."""
    names = [f"tls_{role}_{part}" for role in _ROLES for part in ("cert", "key")]
    texts = {name: getattr(security, name) for name in ("tls_ca_file", *names)}
    return {"require_encryption": True, **texts}


def _scheduler_file(folder: Path) -> Path:
    return folder / "scheduler.json"


def _last_words(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_bytes()[-_LAST_BYTES:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
    return "it said nothing"

"""Commands that start workers with a loop of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors._environment import (
    CONNECTION_VARIABLE,
    LAUNCH_VARIABLE,
    TASK_VARIABLE,
    THREAD_VARIABLES,
    WORKER_VARIABLE,
)

_MOST_LOSSES = 5
_ENDING_SECONDS = 10.0
_LIFELINE = str(Path(__file__).with_name("_lifeline.py"))
"""What stands between the run and a command, and ends it with the run."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A command whose process joins the run by `scutoid.blocks.connect`.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; it finds the run by environment variables.

    Raises
    ------
    ParameterError
        If there is no command, or less than one worker.

    Examples
    --------
    >>> Launch(["python", "predict.py", "--model", "unet.pt"], workers=2, task="predict").workers
    2
    """

    command: Sequence[str]
    """Program and arguments."""
    workers: int = 1
    """Number of workers to start."""
    task: str | None = None
    """The only task that they serve; None: all."""
    variables: Mapping[str, str] | None = None
    """More environment variables for it."""

    def __post_init__(self) -> None:
        if isinstance(self.command, str) or not self.command:
            raise ParameterError("a command is a list of program and arguments", value=self.command)
        if self.workers < 1:
            raise ParameterError("1 worker or more is launched", value=self.workers)

    def start(self, file: Path, logs: Path | None, numbers: Iterator[int]) -> LaunchedGroup:
        """Start the workers for the run of a connection file; their output goes to `logs`."""
        return LaunchedGroup(self, file, logs, numbers)

    @property
    def label(self) -> str:
        """Prefix of the names of its log files and workers."""
        return (self.task or "worker").replace("/", "_")


class LaunchedGroup:
    """The workers of a launch.

    One that was ended, or left with an error, is started again at once, up to a limit in a row.
    One that left with exit code 0 has done its part: it is started again only if blocks are left
    and nobody else works on them.
    """

    def __init__(
        self, launch: Launch, file: Path, logs: Path | None, numbers: Iterator[int]
    ) -> None:
        self.task = launch.task
        self._logs = logs
        self._command = " ".join(launch.command)
        self.members: list[Launched] = []
        try:
            for place in range(launch.workers):
                self.members.append(Launched(launch, place, file, logs, numbers))
        except BaseException:
            for member in self.members:
                member.kill()
            raise

    @property
    def is_running(self) -> bool:
        """Whether one of them has not ended."""
        return any(member.code is None for member in self.members)

    def look_after(self) -> None:
        """Start those again that ended with an error."""
        for member in self.members:
            if member.code not in (None, 0) and member.may_start:
                member.start_again()

    def call_back(self) -> WorkerError | None:
        """Start all again that may; return an error if none may, for they keep ending."""
        for member in self.members:
            if member.may_start:
                member.start_again()
        if self.is_running:
            return None
        worst = max(self.members, key=lambda member: member.losses)
        where = "its messages above" if self._logs is None else str(self._logs)
        return WorkerError(
            f"a worker that is launched finishes blocks; {worst.losses} in a row did not",
            value=f"{self._command} ended with exit code {worst.code}",
            place=f"see {where}",
            remedy="run the command by hand to see what happens",
        )


class Launched:
    """A process that the run has started as a worker, and starts again."""

    def __init__(
        self, launch: Launch, place: int, file: Path, logs: Path | None, numbers: Iterator[int]
    ) -> None:
        self._launch = launch
        self._place = place
        self._file = file
        self._logs = logs
        self._numbers = numbers
        self.losses = 0
        self.name = f"{launch.label}-{place}-{secrets.token_hex(4)}"
        self.has_joined = False
        self._lifeline: int | None = None
        self._process = self._start()

    @property
    def code(self) -> int | None:
        """The exit code; None while it is running."""
        return self._process.poll()

    @property
    def may_start(self) -> bool:
        """Whether it has not ended too often before it finished a block."""
        return self.code is not None and self.losses <= _MOST_LOSSES

    def start_again(self) -> None:
        """Start another process in the place of the one that has ended."""
        self.losses += 1
        if self.may_start:
            self.has_joined = False
            self._process = self._start()

    def end(self, grace: float) -> None:
        """Wait for the worker to end by itself, then end it and all that it has started.

        One that has not joined yet has nothing to finish.
        """
        if self.has_joined:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(grace, 0))
        self.kill()

    def kill(self) -> None:
        """End the worker and all that it has started, now."""
        self._process.send_signal(signal.SIGUSR1)
        try:
            self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the system ends the command with it
            self._process.wait()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _start(self) -> subprocess.Popen[bytes]:
        self.number = next(self._numbers)
        variables = {
            WORKER_VARIABLE: str(self.number),
            CONNECTION_VARIABLE: str(self._file),
            LAUNCH_VARIABLE: self.name,
            **(self._launch.variables or {}),
        }
        if self._launch.task is not None:
            variables[TASK_VARIABLE] = self._launch.task
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1") | variables
        self._check(environment)
        if self._lifeline is not None:
            os.close(self._lifeline)
        theirs, self._lifeline = os.pipe()
        with ExitStack() as stack:
            stack.callback(os.close, theirs)
            log = None
            if self._logs is not None:
                self._logs.mkdir(parents=True, exist_ok=True)
                name = f"{self._launch.label}-{self._place}.log"
                log = stack.enter_context((self._logs / name).open("ab"))
            return subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", _LIFELINE),
                    *(str(theirs), str(os.getpid()), *self._launch.command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs,),
                process_group=0,
                env=environment,
            )

    def _check(self, environment: Mapping[str, str]) -> None:
        """Refuse a command that cannot be started."""
        program = self._launch.command[0]
        if shutil.which(program, path=environment.get("PATH")) is None:
            raise WorkerError(
                "a command that starts workers can be started",
                value=f"there is no program {program!r}, or it may not be executed",
                place=" ".join(self._launch.command),
                remedy="give its path, or a name that is found by PATH",
            )

"""The worker's side of a run that workers join by themselves."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scutoid.blocks._block import Block, BlockStatus
from scutoid.blocks._task import BlockGrid
from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import (
    CONNECTION_VARIABLE,
    LAUNCH_VARIABLE,
    TASK_VARIABLE,
    ItemFailure,
    Job,
    NoHeartbeat,
    Work,
    Workbench,
    dump_value,
    loads,
)

if TYPE_CHECKING:
    from scutoid.executors import Wire


def connect(
    file: str | os.PathLike[str] | None = None,
    *,
    tasks: Sequence[str] | None = None,
    patience: float = 60.0,
    security: object = None,
) -> Blocks:
    """Join a run, from a process or script that the run did not start.

    ::

        with connect("run.json") as blocks:
            for block in blocks:
                predict(block)

    A block is done when the loop comes back for the next one, or at `Blocks.done`.  An exception
    that leaves the ``with`` is the block's failure, and goes on its way; `Blocks.failed` records
    one and stays.  The loop ends with the run.

    Parameters
    ----------
    file : path-like, optional
        The connection file that the run's `ConnectExecutor` was given, or the address of the
        scheduler of the run's Dask cluster (``"tls://node7:8786"``); by default what the
        environment variable ``SCUTOID_CONNECTION`` says.
    tasks : sequence of str, optional
        Take only blocks of these tasks.  Over Dask, tasks without a function are for such workers.
    patience : float, optional
        Seconds to wait for a run that has not begun.
    security : distributed.security.Security, optional
        Credentials for an address; by default those of Dask's configuration.

    Raises
    ------
    ParameterError
        If there is no file, tasks are no names, or patience is no number; if an address leads
        beyond this machine and is without credentials, or its scheduler refuses them.
    WorkerError
        If there is no run, or it has no such task.
    MissingExtra
        If an address is given, and distributed is not installed.
    """
    from scutoid.executors import meet, meet_over_dask

    _check_arguments(file, tasks, patience)
    path = file or os.environ.get(CONNECTION_VARIABLE)
    if path is None:
        raise ParameterError(
            "a worker knows the connection file of its run",
            value=file,
            place="connect(file=)",
            remedy="give the path that ConnectExecutor was given, or the address of the run's Dask "
            f"scheduler, or set {CONNECTION_VARIABLE}",
        )
    if tasks is None and TASK_VARIABLE in os.environ:
        tasks = [os.environ[TASK_VARIABLE]]
    if isinstance(path, str) and "://" in path:
        return Blocks(meet_over_dask(path, tasks, patience, security), tasks)
    return Blocks(meet(Path(path), patience), tasks)


def _check_arguments(file: object, tasks: Any, patience: Any) -> None:
    """Refuse what is no file, no names, no number."""
    if not isinstance(file, str | os.PathLike | None):
        raise ParameterError(
            "a connection file is given by its path, or an address as a text",
            value=file,
            place="connect(file=)",
            remedy='give for example "run.json" or "tls://node7:8786"',
        )
    is_list = isinstance(tasks, Sequence) and not isinstance(tasks, str)
    if tasks is not None and not (is_list and tasks and all(isinstance(t, str) for t in tasks)):
        raise ParameterError(
            "tasks are given as a list of their names",
            value=tasks,
            place="connect(tasks=)",
            remedy=f"give tasks=[{tasks!r}]"
            if isinstance(tasks, str)
            else "leave it out for all tasks",
        )
    is_number = isinstance(patience, int | float) and not isinstance(patience, bool)
    if not is_number or not patience >= 0:  # NaN is not
        raise ParameterError(
            "patience is a number of seconds, 0 or more",
            value=patience,
            place="connect(patience=)",
            remedy="give for example 60; float('inf') for no limit",
        )


class Blocks:
    """An iterator over blocks of a run, from `connect`."""

    def __init__(self, connection: Wire, tasks: Sequence[str] | None) -> None:
        import socket

        self._connection = connection
        self._works: dict[int, Work] = {}
        self._current: Work | None = None
        self._is_over = False
        name = f"{socket.gethostname()}:{os.getpid()}"
        self._send("join", name, tasks and list(tasks), os.environ.get(LAUNCH_VARIABLE))
        answer = self._receive()
        if answer[0] != "joined":
            raise WorkerError(
                "a worker joins for tasks of the run",
                value=answer[1],
                place="connect(tasks=)",
                remedy=f"one of {', '.join(map(repr, answer[2]))}",  # type: ignore[call-overload]
            )
        self.worker = int(answer[1])  # type: ignore[call-overload]
        self._bench = Workbench(self.worker, encode=dump_value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and self._current is not None:
            self.failed(error)
        self.leave()

    def __iter__(self) -> Iterator[Block]:
        return self

    def __next__(self) -> Block:
        self.done()
        while not self._is_over:
            match self._receive():
                case ("work", int(number), bytes(payload)):
                    self._works[number] = self._unpacked(payload)
                case ("item", int(number), int(index)):
                    block = self._begin(number, index)
                    if block is not None:
                        return block
                case _:
                    self._is_over = True
        raise StopIteration

    @property
    def grid(self) -> BlockGrid | None:
        """The grid of the current block; None if there is none."""
        return None if self._current is None else getattr(self._current.items, "grid", None)

    def done(self, value: object = None) -> None:
        """Report the current block as done; nothing happens if there is none.

        Parameters
        ----------
        value : object, optional
            The return value of a block's function: `BlockStatus.EMPTY` if there was nothing to
            write, or a value for the task's `collect`.
        """
        work, self._current = self._current, None
        if work is None:
            return
        status = BlockStatus.EMPTY if value is BlockStatus.EMPTY else BlockStatus.WRITTEN
        payload = None
        if work.returns and status is BlockStatus.WRITTEN:
            try:
                payload = dump_value(value)
            except Exception as error:  # noqa: BLE001 - pickling runs code of the value
                self._send("failed", ItemFailure.of(0, error))
                return
        self._send("done", int(status), payload)

    def failed(self, error: BaseException) -> None:
        """Report the current block as failed; it is retried as the task says."""
        if self._current is not None:
            self._current = None
            self._send("failed", ItemFailure.of(0, error, skip=0))

    def leave(self) -> None:
        """Leave the run; a current block that is not `done` goes to another worker."""
        if not self._connection.closed:
            self._current = None
            try:
                self._bench.close()
            finally:
                if not self._is_over:
                    self._send("leave")
                self._connection.close()

    def _begin(self, number: int, index: int) -> Block | None:
        """Return the block for the user's loop; run it here if its task has a function."""
        work = self._works[number]
        outcome = self._bench.carry_out(
            Job(0, number, np.array([index], dtype=np.int64)), work, NoHeartbeat()
        )
        if outcome.setup_failure is not None:
            self._send("failed", outcome.setup_failure)
        elif outcome.failures:
            self._send("failed", outcome.failures[0])
        elif outcome.statuses[0]:
            value = outcome.values[0] if outcome.values is not None else None
            self._send("done", int(outcome.statuses[0]), value, outcome.spent)
        else:
            self._current = work
            for item in work.items(np.array([index], dtype=np.int64)):
                return item  # type: ignore[return-value]
        return None

    def _unpacked(self, payload: bytes) -> Work:
        work = loads(payload)
        if not isinstance(work, Work):
            raise WorkerError("a run sends its tasks", value=type(work).__name__)
        return work

    def _send(self, *message: object) -> None:
        try:
            self._connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))
        except (EOFError, OSError) as error:
            raise self._gone(error) from error

    def _receive(self) -> tuple[object, ...]:
        try:
            message: tuple[object, ...] = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._gone(error) from error
        return message

    def _gone(self, error: BaseException) -> WorkerError:
        self._is_over = True
        self._connection.close()
        return WorkerError(
            "a run tells its workers when it is over",
            value=f"the connection ended: {type(error).__name__}",
            remedy="the run was interrupted, or has given this worker up, because a block took "
            "longer than its timeout; blocks reported as done before are kept",
        )

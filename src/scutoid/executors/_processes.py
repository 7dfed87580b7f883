"""New worker processes: never forked, and never importing the user's ``__main__``.

::

    driver  --[socket pair: works, jobs ->, <- outcomes]--  worker
            --[shared page: <- job, item, since when]-----

A worker that dies or hangs is replaced; the page tells which item to charge.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path

from scutoid.errors import WorkerError
from scutoid.executors._deaths import Deaths
from scutoid.executors._idle import Idle
from scutoid.executors._pickling import dump_works, with_values
from scutoid.executors._process import LEAVING_SECONDS, Process, Surroundings
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

# A lost worker whose child keeps its connection open is noticed this often.
_POLL_SECONDS = 0.5


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
        self._idle = Idle()

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Pickle the works, and start the processes that are not there yet."""
        return _ProcessesWorkerPool(works, dump_works(works), workers, logs, self._idle)

    def close(self) -> None:
        """End the processes, which are idle."""
        self._idle.close()


class AutoExecutor(ProcessesExecutor):
    """Leaves it to a run of steps where it computes; processes, where that knows nothing better.

    These stay for the next run of this process, some minutes long.
    """

    leaves_the_choice = True
    """By which it is known where this module is not loaded."""

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Pickle the works, and start the processes that are not there yet."""
        return _ProcessesWorkerPool(works, dump_works(works), workers, logs, Idle.of_this_process())


class _StandingAuto(StandingProcesses, AutoExecutor):
    """The same, of whose processes those that were needed stay until it is closed."""


@contextmanager
def standing(executor: object) -> Iterator[object]:
    """Give an executor whose own processes stay until this is left; another is given as it is."""
    if executor not in ("processes", "auto") and type(executor) is not ProcessesExecutor:
        yield executor
        return
    stays = _StandingAuto() if executor == "auto" else StandingProcesses()
    try:
        yield stays
    finally:
        stays.close()


class _ProcessesWorkerPool:
    depth = 2
    most_items = MOST_ITEMS
    is_one_memory = False
    takes_chains = True

    def __init__(
        self,
        works: Sequence[Work],
        payloads: Sequence[bytes],
        workers: int,
        logs: Path | None,
        idle: Idle | None = None,
    ) -> None:
        self._works = works
        self._payloads = payloads
        self._logs = logs
        self._surroundings = Surroundings.now(logs)
        self._processes: dict[int, Process] = {}
        self._idle = idle
        self._next_number = 0
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
        for each in (job, *job.then):
            if each.work not in process.known:
                process.known.add(each.work)
                process.send(("work", each.work, self._payloads[each.work]))
        process.jobs[job.number] = job
        then = [(each.work, each.indices.tobytes()) for each in job.then]
        process.send(("job", job.number, job.work, job.indices.tobytes(), then))

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
                self._idle.keep(self._processes.pop(process.number))

    def _drop_messages(self, leaving: dict[int, Process], end: float) -> None:
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
        number = self._next_number
        self._next_number += 1
        begun = (number, self._surroundings, self._logs)
        kept = None if self._idle is None else self._idle.take(*begun)
        if kept is not None:
            self._joined.append(Joined(number))
        self._processes[number] = Process(*begun) if kept is None else kept

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

    def _receive(self, process: Process) -> list[Message]:
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

    def _unpickled(self, process: Process, payload: bytes) -> Message:
        message: Message = pickle.loads(payload)
        if isinstance(message, Outcome):
            job = process.jobs.pop(message.job, None)
            if job is not None:
                self._note_success(job, message)
            if message.values is not None or message.then:
                return with_values(message)
        return message

    def _note_success(self, job: Job, outcome: Outcome) -> None:
        for each, came in zip((job, *job.then), (outcome, *outcome.then), strict=False):
            if came.statuses.any():
                self._deaths.note_success(each.work)

    def _deadline(self, process: Process) -> float | None:
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

    def _lose(self, process: Process, *, overdue: bool = False) -> list[Message]:
        """Remove a lost worker, find the item to charge, and start another worker."""
        if not overdue:
            with suppress(subprocess.TimeoutExpired):
                process.process.wait(LEAVING_SECONDS)
        process.kill()
        seen = process.heartbeat.look()
        charged = work = None
        reason = _ending(process.process.returncode)
        if seen is not None and seen.job in process.jobs:
            work = process.jobs[seen.job].at(seen.position)[0].work
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

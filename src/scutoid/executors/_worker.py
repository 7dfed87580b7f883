"""The main function of a worker process.

A thread reads from the driver all the time, so that the driver can always send, and so that the
worker ends at once when its driver is gone; the main thread carries out the jobs.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import logging
import os
import pickle
import pkgutil
import queue
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np

from scutoid.executors._heartbeat import SharedHeartbeat
from scutoid.executors._pickling import dump_value, forget_classes, loads
from scutoid.executors._traces import Traces
from scutoid.executors._work import ItemFailure, Job, Joined, Outcome, Work
from scutoid.executors._workbench import Workbench
from scutoid.heap import give_back_memory
from scutoid.stopping import SIGNALS

_logger = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_IDLE = 0.1  # seconds
OVER = "over"
"""What a worker that stays answers once it has left its set-ups at the end of a run."""
AS_NEW = "as new"
"""What it answers before another run, if it is still as it has begun."""
_CHANGED = "changed"


class _Over(NamedTuple):
    """A run ends, and another may follow."""

    has_log: bool
    """Whether what is printed goes to a file of the run."""


class _Begin(NamedTuple):
    """Another run begins."""

    number: int
    """Of the worker in it."""
    log: str | None
    """File that what is printed goes to; None: where it went."""
    is_anew: bool
    """Whether modules of the user's own are to be loaded anew."""


def main(connection: Connection, heartbeat: int, parent: int) -> None:
    """Carry out the driver's jobs until it sends the end.

    Parameters
    ----------
    connection : Connection
        To the driver.
    heartbeat : int
        Descriptor of the shared page.
    parent : int
        The driver's process number.
    """
    # What the user's function starts must not keep the connection open after this process.
    os.set_inheritable(connection.fileno(), False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    worker = _Worker(connection, SharedHeartbeat(heartbeat))
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, worker.leave_early)
    os.register_at_fork(after_in_child=worker.restore_signals)
    worker.run()
    _leave(worker.exit_code)


def _leave(code: int) -> None:
    """End at once: the interpreter's tear-down would only keep the driver waiting."""
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public name for it
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _die_with(parent: int) -> None:
    """Make this process end with its parent, where the kernel supports it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class _Worker:
    """The two threads of a worker and their shared state."""

    def __init__(self, connection: Connection, heartbeat: SharedHeartbeat) -> None:
        self._connection = connection
        self._heartbeat = heartbeat
        self._inbox: queue.SimpleQueue[Job | _Begin | _Over | None] = queue.SimpleQueue()
        self._payloads: dict[int, bytes] = {}
        self._works: dict[int, Work] = {}
        self._bench = Workbench(-1, encode=dump_value)
        self._is_dropped = False
        self._is_between_runs = False
        self.exit_code = 0

    def run(self) -> None:
        """Take jobs until told to stop, then leave the set-ups."""
        self._traces = Traces()
        number = pickle.loads(self._connection.recv_bytes())
        self._bench.worker = number
        threading.Thread(target=self._read, name="scutoid-reader", daemon=True).start()
        self._send(Joined(number))
        while (job := self._next()) is not None:
            if isinstance(job, _Over):
                self._end_run(job)
                continue
            if isinstance(job, _Begin):
                self._begin_run(job)
                continue
            outcome = self._carry_out(job)
            if self._is_dropped:
                break
            self._send(outcome)
            del outcome  # it may be large, and the next one may be long in coming
        self._leave_set_ups()

    def _leave_set_ups(self) -> None:
        try:
            self._bench.close()
        except Exception:
            _logger.exception("worker %d: leaving a set-up failed", self._bench.worker)

    def _end_run(self, over: _Over) -> None:
        """Leave the set-ups and forget the works of a run; another may follow."""
        self._leave_set_ups()
        was_cancelled = self._bench.cancelled  # by a signal, which ends this process
        self._bench = Workbench(self._bench.worker, encode=dump_value)
        self._bench.cancelled = was_cancelled
        self._works.clear()
        self._payloads.clear()
        forget_classes()
        if over.has_log:
            _print_to(os.devnull)
        self._is_between_runs = True
        self._send(OVER)
        self._traces.note()

    def _begin_run(self, begin: _Begin) -> None:
        """Say whether this process is as a new one would be, and print to the log of the run."""
        if self._traces.are_there() or (begin.is_anew and self._traces.has_own_modules):
            self._send(_CHANGED)
            return
        self._is_between_runs = False
        self._bench.worker = begin.number
        if begin.log is not None:
            _print_to(begin.log)
        self._send(AS_NEW)

    def leave_early(self, number: int, frame: object) -> None:
        """Handle a signal: report the block that is computed now, and end.

        A batch system sends its signal to all processes of a job, and the driver is ending the run.
        """
        del frame
        self.exit_code = 128 + number
        self._bench.cancelled = True
        self._inbox.put(None)

    def restore_signals(self) -> None:
        """Give a process that the user's function has forked the handlers of any other."""
        for number in SIGNALS:
            if signal.getsignal(number) == self.leave_early:
                signal.signal(number, signal.SIG_DFL)

    def _next(self) -> Job | _Begin | _Over | None:
        """Wait for a job; give freed memory back to the system while idle."""
        try:
            return self._inbox.get(timeout=_IDLE)
        except queue.Empty:
            if self._is_between_runs:
                _let_go()
            give_back_memory()
            return self._inbox.get()

    def _read(self) -> None:
        while True:
            try:
                message = pickle.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                # The driver is gone, and nobody will ask for the current result.
                os._exit(1)
            match message:
                case ("work", number, payload):
                    self._payloads[number] = payload
                case ("job", number, work, indices, then):
                    behind = tuple(_job(number, *each) for each in then)
                    self._inbox.put(replace(_job(number, work, indices), then=behind))
                case ("begin", begin_number, log, is_anew):
                    self._inbox.put(_Begin(begin_number, log, is_anew))
                case ("over", has_log):
                    self._inbox.put(_Over(has_log))
                case ("halt",):
                    self._bench.cancelled = True
                case _:
                    self._is_dropped = self._bench.cancelled = True
                    self._inbox.put(None)
                    return

    def _carry_out(self, job: Job) -> Outcome:
        try:
            work = self._work(job.work)
        except BaseException as error:  # noqa: BLE001 - unpickling runs the user's imports
            return self._bench.refusal(job, ItemFailure.of(-1, error))
        try:
            then = [self._work(each.work) for each in job.then]
        except BaseException:  # noqa: BLE001 - who gets the job of that work alone is told
            then = []
        return self._bench.carry_out(job, work, self._heartbeat, then)

    def _work(self, number: int) -> Work:
        if number not in self._works:
            with self._traces.loading():
                work = loads(self._payloads[number])
                _limit_libraries()
            if not isinstance(work, Work):
                raise TypeError(type(work).__name__)
            _begin_collecting()
            give_back_memory()  # what the blocks of another step had, this one may not need
            self._works[number] = work
            del self._payloads[number]
        return self._works[number]

    def _send(self, message: object) -> None:
        self._connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def _job(number: int, work: int, indices: bytes) -> Job:
    return Job(number, work, np.frombuffer(indices, dtype=np.int64))


def _print_to(log: str) -> None:
    """Have what is printed from here on, by libraries too, go to a file."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(file, number)
    if file > 2:
        os.close(file)


def _let_go() -> None:
    """Close and free what a run has left: its files may be removed, its disk taken away."""
    if "scutoid.arrays" in sys.modules:  # of a layer above, which is not imported for this
        pkgutil.resolve_name("scutoid.arrays:let_go")()
    gc.collect()


def _begin_collecting() -> None:
    """Look for garbage once the first work is loaded, and never among what came with it."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.enable()


def _limit_libraries() -> None:
    """Keep the numeric libraries that the function has brought in to one thread each."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)

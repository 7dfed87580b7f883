"""Worker processes between two runs of one driver."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from scutoid.executors._process import LEAVING_SECONDS, Process, Surroundings

_IDLE_SECONDS = 300.0
"""Processes that no run needs end after this long."""


class Idle:
    """Processes that wait for the next run of the thread that has started them.

    Parameters
    ----------
    seconds : float, optional
        How long one waits; then it ends.  Default: until `close`.
    is_anew : bool
        Whether one ends that has loaded modules of the user's own, for what runs have left in them.

    Notes
    -----
    One that would not be as a new one is ended: the environment, the working folder, the path of
    modules or a limit is another, a file of a module that it has loaded has changed, or the
    function of a run has left it in another folder or with another environment.
    """

    _here: Idle | None = None

    def __init__(self, seconds: float | None = None, *, is_anew: bool = False) -> None:
        self._seconds = seconds
        self._is_anew = is_anew
        self._processes: list[tuple[Process, float]] = []
        """Those that wait, and since when; the last to come last."""
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._driver = os.getpid()

    @classmethod
    def of_this_process(cls) -> Idle:
        """Return those that all runs of this process have in common."""
        here = cls._here
        if here is None or not here.is_mine:  # a fork has none
            here = cls._here = cls(_IDLE_SECONDS, is_anew=True)
            atexit.register(here.close)
        return here

    @property
    def is_mine(self) -> bool:
        """Whether this process has started them, and not one that it was forked from."""
        return self._driver == os.getpid()

    def take(self, number: int, begun_in: Surroundings, logs: Path | None) -> Process | None:
        """Return one that is as a new one would be, as a worker of a run; None: there is none."""
        while (kept := self._latest(begun_in.thread)) is not None:
            if kept.begun_in == begun_in and kept.begin_run(number, logs, is_anew=self._is_anew):
                return kept
            kept.end()
        return None

    def _latest(self, thread: int) -> Process | None:
        """Take out the last to come of those of a thread: the others wait on, and end in time."""
        with self._lock:
            for place in reversed(range(len(self._processes))):
                if self._processes[place][0].begun_in.thread == thread:
                    return self._processes.pop(place)[0]
        return None

    def keep(self, process: Process) -> None:
        """Take one that has ended a run."""
        with self._lock:
            self._processes.append((process, time.monotonic()))
            self._set_timer()

    def close(self) -> None:
        """End them."""
        if not self.is_mine:
            return
        with self._lock:
            processes, self._processes = self._processes, []
            self._set_timer()
        _end([process for process, _ in processes])

    def _set_timer(self) -> None:
        """Wait for the time of the first."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._seconds is not None and self._processes:
            left = self._processes[0][1] + self._seconds - time.monotonic()
            self._timer = threading.Timer(max(left, 0), self._end_those_in_time)
            self._timer.daemon = True
            self._timer.start()

    def _end_those_in_time(self) -> None:
        """End those that have waited long enough."""
        with self._lock:
            until = time.monotonic() - (self._seconds or 0)
            processes = [process for process, since in self._processes if since <= until]
            del self._processes[: len(processes)]
            self._set_timer()
        _end(processes)


def _end(processes: Sequence[Process]) -> None:
    for process in processes:
        process.send(("stop",))
    end = time.monotonic() + LEAVING_SECONDS
    for process in processes:
        process.end(max(end - time.monotonic(), 0))

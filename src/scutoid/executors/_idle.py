"""Worker processes between two runs of one driver."""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path

from scutoid.executors._process import Process, Surroundings

_IDLE_SECONDS = 300.0
"""Processes that no run needs end after this long."""


class Idle:
    """Processes that wait for the next run.

    Parameters
    ----------
    seconds : float, optional
        How long one waits; then it ends.  Default: until `close`.
    is_anew : bool
        Whether one ends that has loaded modules of the user's own, for what runs have left in them.

    Notes
    -----
    One that would not be as a new one is ended: the thread, the environment, the working folder or
    the path of modules is another, a file of a module that it has loaded has changed, or the
    function of a run has left it in another folder or with another environment.
    """

    _here: Idle | None = None

    def __init__(self, seconds: float | None = None, *, is_anew: bool = False) -> None:
        self._seconds = seconds
        self._is_anew = is_anew
        self._processes: list[Process] = []
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
        while True:
            with self._lock:
                if not self._processes:
                    return None
                kept = self._processes.pop(0)
            if kept.begun_in == begun_in and kept.begin_run(number, logs, is_anew=self._is_anew):
                return kept
            kept.end()

    def keep(self, process: Process) -> None:
        """Take one that has ended a run."""
        with self._lock:
            self._processes.append(process)
            if self._timer is not None:
                self._timer.cancel()
            if self._seconds is not None:
                self._timer = threading.Timer(self._seconds, self.close)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """End them."""
        with self._lock:
            processes, self._processes = self._processes, []
            if self._timer is not None:
                self._timer.cancel()
        if not self.is_mine:
            return
        for process in processes:
            process.send(("stop",))
        for process in processes:
            process.end()

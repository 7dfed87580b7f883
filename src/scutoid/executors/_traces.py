"""What runs leave in a worker process, which does another one only while it is as a new one."""

from __future__ import annotations

import locale
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from scutoid.executors._inherited import folder_now, inherited
from scutoid.installed import is_installed


class Traces:
    """Whether functions have changed a process, or files the modules that it has loaded.

    What modules change as they are loaded, such as a variable of the environment, is no trace: a
    new process loads them too.
    """

    has_own_modules = False
    """Whether modules of the user's own were loaded: functions may have put something in them, such
    as a model."""

    def __init__(self) -> None:
        self._last = _surroundings()
        self._looked = time.time_ns()
        self._begun_with = _files()
        self._files: dict[str, tuple[int, int, int] | None] = {}
        self._are_there = False

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Load a function, and modules with it, in the body."""
        self._look()
        try:
            yield
        finally:
            self._last = _surroundings()

    def note(self) -> None:
        """Take note of the modules that a run has loaded, at its end."""
        for file in _files() - self._files.keys():
            stamp = self._files[file] = _stamp(file)
            # One that was written meanwhile may not be what was loaded
            self._are_there |= stamp is not None and max(stamp[:2]) > self._looked
            self.has_own_modules |= file not in self._begun_with and not is_installed(file)
        self._look()

    def are_there(self) -> bool:
        """Whether this process is other than a new one would be."""
        self._look()
        self._looked = time.time_ns()
        changed = (_stamp(file) != stamp for file, stamp in self._files.items())
        return self._are_there or any(changed)

    def _look(self) -> None:
        self._are_there |= _surroundings() != self._last


def _surroundings() -> tuple[object, ...]:
    process = folder_now(), dict(os.environ), tuple(sys.path), *inherited()
    signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
    is_timed = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    # Filters that make errors: libraries that are imported late add others
    strict = [each for each in warnings.filters if each[0] == "error"]
    numbers = np.geterr(), locale.setlocale(locale.LC_ALL)
    return *process, signals, is_timed, strict, numbers, sys.stdout, sys.stderr


def _files() -> set[str]:
    found = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {file for file in found if isinstance(file, str)}


def _stamp(file: str) -> tuple[int, int, int] | None:
    """Return when a file and its entry were changed, and its size; None: it is not there."""
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size

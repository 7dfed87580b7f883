"""What runs leave in a worker process, which does another one only while it is as a new one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Traces:
    """Whether functions have changed where a process is, or files the modules that it has loaded.

    What modules change as they are loaded, such as a variable of the environment, is no trace: a
    new process loads them too.
    """

    def __init__(self) -> None:
        self._last = _surroundings()
        self._looked = time.time_ns()
        self._files: dict[str, tuple[int, int] | None] = {}
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
            self._are_there |= stamp is not None and stamp[0] > self._looked
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
    return Path.cwd(), dict(os.environ), tuple(sys.path)


def _files() -> set[str]:
    found = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {file for file in found if isinstance(file, str)}


def _stamp(file: str) -> tuple[int, int] | None:
    """Return when a file was changed, and its size; None: it is not there."""
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size

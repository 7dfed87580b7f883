"""Keep the numeric libraries of a process to one thread each."""

from __future__ import annotations

import threading
from typing import Protocol

_LOCK = threading.Lock()
_UNDONE_TOGETHER: list[Limits] = []
"""Limits of this process, in the order in which they were set."""
_HELD: list[SharedLimits] = []
"""Those who want them now."""


class Limits(Protocol):
    """Limits that hold until they are undone."""

    def restore_original_limits(self) -> None:
        """Undo them."""
        ...


class SharedLimits:
    """Limits of all who want them at a time; undone when the last one does.

    One that begins under those of another would take them for the original ones.
    """

    def restore_original_limits(self) -> None:
        """Undo them, unless somebody else wants them."""
        with _LOCK:
            if self in _HELD:
                _HELD.remove(self)
            while not _HELD and _UNDONE_TOGETHER:
                _UNDONE_TOGETHER.pop().restore_original_limits()


def limit_libraries() -> Limits:
    """Keep the numeric libraries that this process has loaded to one thread each."""
    from threadpoolctl import threadpool_limits

    shared = SharedLimits()
    with _LOCK:
        _UNDONE_TOGETHER.append(threadpool_limits(limits=1))
        _HELD.append(shared)
    return shared

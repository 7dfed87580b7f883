"""What a process has of the one that started it, beside its environment."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

_LIMITS = tuple(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))


def folder_now() -> str:
    """Return the working folder of this process; empty where that is gone."""
    with suppress(OSError):
        return os.getcwd()  # noqa: PTH109 - the text of it
    return ""


def inherited() -> tuple[object, ...]:
    """Return what a process that is started here begins with: rights of files, limits, cores."""
    cores = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    limits = tuple(map(resource.getrlimit, _LIMITS))
    return _umask(), limits, cores, os.getpriority(os.PRIO_PROCESS, 0)


def _umask() -> str | None:
    """Return the mask of new files, where it can be read without setting it."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("Umask:"):
                return line
    return None

"""Measure what blocks take of their worker: time, memory, bytes read and written."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid import remote
from scutoid.blocks import Block, BlockStatus, Done
from scutoid.steps.compute import metered

_OWN = Path("/proc/self")
_RESET_PEAK = "5"
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)
_COUNTS = re.compile(r"^([rw])char: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one block took."""

    seconds: float
    """Time, in seconds."""
    of_functions: float
    """Time of it in functions of steps; the rest is reading, writing and handing on."""
    n_read: int
    """Bytes that the process read from files meanwhile; 0 where the system does not count them."""
    n_written: int
    """Bytes that it wrote."""
    n_requests: int
    """Requests that it made to servers."""
    peak: int
    """The most memory that the process held at once, in bytes; 0 where it is not known."""
    worker: int
    """Number of the process."""
    is_taken: bool
    """Whether it was taken over from an earlier result, and not computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Calls the function of a block, and returns what it took beside its value."""

    function: Callable[..., object]
    """Of a task, with a `collect` that gets pairs."""

    def __call__(self, block: Block, **ready: object) -> Done:
        """Run in a worker."""
        with suppress(OSError):
            (_OWN / "clear_refs").write_text(_RESET_PEAK)
        read, written = _counts()
        asked = remote.n_requests()
        start = time.perf_counter()
        with metered() as in_functions:
            value: Any = self.function(block, **ready)
        seconds = time.perf_counter() - start
        read_then, written_then = _counts()
        done = value if type(value) is Done else Done(value, is_empty=value is BlockStatus.EMPTY)
        usage = Usage(
            seconds,
            sum(in_functions.values()),
            read_then - read,
            written_then - written,
            remote.n_requests() - asked,
            _peak(),
            os.getpid(),
            done.is_taken,
        )
        return Done((done.value, usage), is_empty=done.is_empty, is_taken=done.is_taken)


def _counts() -> tuple[int, int]:
    """Return the bytes that this process has read and written so far."""
    with suppress(OSError):
        found = dict(_COUNTS.findall((_OWN / "io").read_text()))
        return int(found.get("r", 0)), int(found.get("w", 0))
    return 0, 0


def _peak() -> int:
    with suppress(OSError):
        found = _PEAK.search((_OWN / "status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0

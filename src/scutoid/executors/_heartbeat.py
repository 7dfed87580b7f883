"""The current item of a worker process: three numbers in memory shared with the driver.

The page outlives a process that is killed; so the driver can tell which block it was at, and how
long a block has been running.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from dataclasses import dataclass
from typing import IO

_SIZE = 24
_NOTHING = -1
_SETUP = -1


@dataclass(frozen=True, slots=True)
class Sighting:
    """The job and item that a worker was last seen at."""

    job: int
    """The job's number."""
    position: int
    """The item's place in its job; -1 for the set-up."""
    since: float
    """When it began, by `time.monotonic`, in seconds."""


def _unnamed_file() -> IO[bytes]:
    """Return a file that lies in memory, where the system has such: no disk can be too full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("scutoid-heartbeat"), "w+b")
    return tempfile.TemporaryFile()


class SharedHeartbeat:
    """The page of one worker, from either side.

    Parameters
    ----------
    descriptor : int
        An open file of at least 24 bytes; closed by this call, for the mapping outlives it.
    """

    def __init__(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, _SIZE)
        os.close(descriptor)
        self._view = memoryview(self._map)
        self._numbers = self._view[:16].cast("q")
        self._clock = self._view[16:24].cast("d")

    @staticmethod
    def create() -> tuple[SharedHeartbeat, int]:
        """Create a page, and a descriptor of it for the worker, which the caller closes."""
        with _unnamed_file() as file:
            file.write(bytes(_SIZE))  # there now: a page for which there is no room ends a process
            file.flush()
            for_worker = os.dup(file.fileno())
            heartbeat = SharedHeartbeat(os.dup(file.fileno()))
        heartbeat.end()
        return heartbeat, for_worker

    def begin(self, job: int) -> None:
        """Note that a job begins with its set-up."""
        self._numbers[1] = _SETUP
        self._clock[0] = time.monotonic()
        self._numbers[0] = job

    def at(self, position: int) -> None:
        """Note that an item begins."""
        # The clock goes first: an item seen with the time of the one before would look too old.
        self._clock[0] = time.monotonic()
        self._numbers[1] = position

    def end(self) -> None:
        """Note that no item is running."""
        self._numbers[0] = _NOTHING

    def look(self) -> Sighting | None:
        """Return the worker's current job and item; None between jobs.

        The driver reads while the worker writes, so it reads until two readings agree on the item.
        """
        while True:
            job, position = self._numbers[0], self._numbers[1]
            since = self._clock[0]
            if (job, position) == (self._numbers[0], self._numbers[1]):
                return None if job == _NOTHING else Sighting(job, position, since)

    def close(self) -> None:
        """Release the memory."""
        for view in (self._numbers, self._clock, self._view):
            view.release()
        self._map.close()

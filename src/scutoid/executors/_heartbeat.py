"""Where a worker process says what it is doing: three numbers in memory shared with the driver.

A process that is killed says nothing more, but the page stays; so the driver can tell which block
took it down, and how long a block has been going on.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from dataclasses import dataclass

_SIZE = 24
_NOTHING = -1
_SETUP = -1


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a worker was last seen doing."""

    job: int
    """The job's number."""
    position: int
    """The item's place in its job; -1 for the set-up."""
    since: float
    """When it began, by `time.monotonic`, in seconds."""


class SharedHeartbeat:
    """The page of one worker, seen from either side.

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
        """A new page, and a descriptor of it for the worker; the caller closes the descriptor."""
        with tempfile.TemporaryFile() as file:
            file.truncate(_SIZE)
            for_worker = os.dup(file.fileno())
            heartbeat = SharedHeartbeat(os.dup(file.fileno()))
        heartbeat.end()
        return heartbeat, for_worker

    def begin(self, job: int) -> None:
        """A job begins with its set-up."""
        self._numbers[1] = _SETUP
        self._clock[0] = time.monotonic()
        self._numbers[0] = job

    def at(self, position: int) -> None:
        """An item begins."""
        # The clock goes first: an item seen with the time of the one before would look too old.
        self._clock[0] = time.monotonic()
        self._numbers[1] = position

    def end(self) -> None:
        """No item is being worked on."""
        self._numbers[0] = _NOTHING

    def look(self) -> Sighting | None:
        """What the worker is doing; None between jobs.

        The driver reads while the worker writes, so it reads until two readings agree on the item.
        """
        while True:
            job, position = self._numbers[0], self._numbers[1]
            since = self._clock[0]
            if (job, position) == (self._numbers[0], self._numbers[1]):
                return None if job == _NOTHING else Sighting(job, position, since)

    def close(self) -> None:
        """Give the memory back."""
        for view in (self._numbers, self._clock, self._view):
            view.release()
        self._map.close()

"""What locks of a result have in common: who holds one, how long without a sign it is alive."""

from __future__ import annotations

import os
import secrets
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from scutoid.errors import StoreError
from scutoid.printable import printed
from scutoid.regular import read_regular
from scutoid.settings import time_of
from scutoid.texts import parse_json

LOCK_TIMEOUT = "SCUTOID_LOCK_TIMEOUT"
"""In the environment: for how long a holder on another machine is waited for without a sign."""
BEAT_SECONDS = 10.0
"""How often a holder touches its lock."""
_DEAD_SECONDS = 60.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that holds a lock."""

    host: str
    """Name of the machine."""
    process: int
    """Number of the process."""
    started: int
    """When the process started, in ticks of its machine; 0 where that is not known."""
    token: str
    """Tells this holding from all others."""

    @classmethod
    def new(cls) -> Owner:
        """Name this process, for one holding."""
        number = os.getpid()
        return cls(socket.gethostname(), number, _start_of(number), secrets.token_hex(8))

    @classmethod
    def read(cls, path: Path) -> Owner | None:
        """Who a lock file names; None if there is no file, or none that was written whole."""
        try:
            record = parse_json(read_regular(path))
            return cls(record["host"], record["process"], record["started"], record["token"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_running(self) -> bool:
        """Whether it is a process of this machine that runs."""
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        started = _start_of(self.process)
        # A number that was given to another process since tells by when that one started.
        return started != -1 and (not self.started or not started or started == self.started)

    @printed
    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


class TakenOver(StoreError):
    """Others have taken this process for dead, and make what it has begun."""

    @classmethod
    def of_share(cls, place: str) -> Self:
        """Return the error of a process that does shares of a result."""
        return cls(
            "a process that does a share of a result gives a sign of life while it does",
            value="others have taken this one for dead",
            place=place,
            remedy="let it go on: it begins a new share",
        )


class AnyLock(ABC):
    """A lock of one result: at most one process holds it, and computes the result."""

    _poll_seconds = _POLL_SECONDS

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it lies."""

    @property
    @abstractmethod
    def owner(self) -> Owner | None:
        """Who holds it now, dead or alive."""

    @property
    @abstractmethod
    def is_held(self) -> bool:
        """Whether somebody living holds it, or does a share of the result."""

    @property
    @abstractmethod
    def is_held_whole(self) -> bool:
        """Whether somebody living holds the lock itself."""

    @property
    @abstractmethod
    def last_seen(self) -> float | None:
        """Seconds since a holder on another machine gave a sign; None of one on this one."""

    @abstractmethod
    def acquire(self) -> bool:
        """Take the lock if it is free, or its holder is dead; says whether it was taken.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """

    @abstractmethod
    def release(self) -> None:
        """Give the lock back, unless somebody has taken it over."""

    @contextmanager
    def attempt(self) -> Iterator[bool]:
        """Hold the lock if it is free, and give it back at the end; says whether it is held.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        try:  # before it is held: Ctrl-C may come at any time
            yield self.acquire()
        finally:
            self.release()

    def wait(self, seconds: float) -> bool:
        """Wait until the lock is free or its holder dead; says whether it is."""
        end = time.monotonic() + seconds
        while self.is_held:
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, self._poll_seconds))
        return True

    def __enter__(self) -> Self:
        if not self.acquire():
            seen = self.last_seen
            ago = "" if seen is None else f"; it was last seen {seen:.0f} s ago"
            raise StoreError(
                "one process at a time makes a result",
                value=f"{self.owner} is making it{ago}",
                place=self.place,
                remedy="wait for it to end"
                + (f", or {dead_after():g} s without a sign of it" if ago else ""),
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def dead_after() -> float:
    """Return the seconds without a sign after which a holder on another machine counts as dead.

    Raises
    ------
    ParameterError
        If the environment says a time that is none, or too short for a holder that lives.
    """
    least = 2 * BEAT_SECONDS
    why = f"a process that lives touches its lock every {BEAT_SECONDS:g} s"
    return time_of(LOCK_TIMEOUT, _DEAD_SECONDS, least=least, why=why)


def _start_of(process: int) -> int:
    """When a process started, in ticks since its machine did; 0 unknown, -1 if it is dead."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return -1 if fields[0] in "ZX" else int(fields[19])

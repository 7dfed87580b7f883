"""Whether a run goes on, told without writing anything: `Lock.is_held` may touch a file."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from scutoid.store import Lock, dead_after

_LONG_DEAD_SECONDS = 3600.0


@dataclass(slots=True)
class Pulse:
    """The lock of a run, looked at again and again.

    Of a process on this machine the system knows whether it lives.  One on another touches its lock
    every ten seconds; this is seen by the lock's time changing, for the clocks of two machines may
    differ.  Only a lock that was not touched for an hour is taken as dead at the first look.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    """

    folder: Path
    _touched: float = 0.0
    _seen: float | None = None

    def is_alive(self, *, wall: float, steady: float) -> bool:
        """Return whether the run goes on.

        Parameters
        ----------
        wall : float
            Seconds since 1970.
        steady : float
            Seconds of a clock that never jumps.
        """
        lock = Lock(self.folder)
        owner = lock.owner
        if owner is not None and owner.host == socket.gethostname():
            return lock.is_held
        try:
            touched = lock.path.stat().st_mtime
        except OSError:
            return False
        if self._seen is None and wall - touched > _LONG_DEAD_SECONDS:
            return False
        if self._seen is None or touched != self._touched:
            self._touched, self._seen = touched, steady
        return steady - self._seen <= dead_after()

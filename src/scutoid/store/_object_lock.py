"""Lock a result in a bucket so that one process computes it: objects that are numbered.

::

    gaussian/.3f9a1c0b7d42.lock/00000007      host, process, its start, a token of its own;
                                              written again every few seconds while it is held

The highest number is the lock; it is an epoch, which grows with each holder.  Who takes the lock
over from the dead, or from who has given it back, creates the next one, and of several that try one
does; then it looks whether it is the highest, for lower ones are removed.  Whoever finds a higher
one than its own has lost the lock: nothing but a create decides, so an answer that was lost, a
clock or a pause of any length lets no two in.  Who holds it asks before it begins an attempt,
withdraws, removes or publishes a result, and then does it at once (`taken_over`).

Whether a holder on another machine lives is told by the age of its object, by the server's clock.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from scutoid import remote
from scutoid.errors import StoreError
from scutoid.store._any_lock import BEAT_SECONDS, AnyLock, Owner, TakenOver, dead_after
from scutoid.store._hold import TOKENS, Hold, has_ended, last_sign
from scutoid.store._lock import Lock
from scutoid.store._sharers import living, sharers

_POLL_SECONDS = 1.0
_DIGITS = 8
_HELD: dict[Path, ObjectLock] = {}
"""The locks that this process has taken, by the working folder of their results."""
_SWEPT_AFTER = 3
"""Times the time after which a holder counts as dead, until an object that nobody holds is removed:
somebody may have seen it just now, and be about to create the next."""


class ObjectLock(AnyLock):
    """A lock of one result in a bucket: at most one process holds it, and computes the result.

    Parameters
    ----------
    url : str
        Of the result; the lock lies beside it.
    """

    _poll_seconds = _POLL_SECONDS

    def __init__(self, url: str) -> None:
        self._result = url.rstrip("/")
        folder, _, name = self._result.rpartition("/")
        self.url = f"{folder}/.{name}.lock"
        self._mine: Hold | None = None
        self._epoch = 0
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    @property
    def place(self) -> str:
        """Where it lies."""
        return self.url

    @property
    def epoch(self) -> int:
        """Number of this holding: no holder before it has one as high; 0: it was never held."""
        return self._epoch

    @property
    def owner(self) -> Owner | None:
        """Who holds it now, dead or alive."""
        hold = self._hold_at(self._highest())
        if hold is None or hold.is_released:
            return next((one.owner for one in sharers(self._result)), None)
        return hold.owner

    @property
    def is_held(self) -> bool:
        """Whether somebody living holds it, or does shares of the result."""
        return self.is_held_whole or any(one.is_held for one in sharers(self._result))

    @property
    def is_held_whole(self) -> bool:
        """Whether somebody living holds the lock itself."""
        return not self._is_free(self._highest())

    @property
    def last_seen(self) -> float | None:
        """Seconds since a holder on another machine has written it; None of one on this one."""
        epoch = self._highest()
        hold = self._hold_at(epoch)
        if hold is None or hold.is_released:
            found = sharers(self._result)
            return next((one.last_seen for one in found if one.is_held), None)
        return last_sign(hold, self._object(epoch))

    def acquire(self) -> bool:
        """Take the lock if it is free, or its holder is dead; says whether it was taken.

        It is not while somebody living does shares of the result; what the dead have recorded
        counts, and nothing that they would still add.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        try:
            if not self._take():
                return False
            if living(self._result):  # who begins to do shares looks at this lock after that
                self.release()
                return False
            self._stop.clear()
            self._heart = threading.Thread(target=self._beat, name="scutoid-lock", daemon=True)
            self._heart.start()
        except BaseException:  # such as Ctrl-C: a lock of a process that lives is held for ever
            self.release()
            raise
        return True

    def is_mine(self) -> bool:
        """Whether this holds the lock, and nobody has taken it over; asked of the server.

        Raises
        ------
        StoreError
            If the server does not say so.
        """
        if self._mine is None or self._highest() != self._epoch:
            return False
        hold = self._hold_at(self._epoch)
        return hold is not None and hold.owner == self._mine.owner

    def release(self) -> None:
        """Give the lock back; who has taken it over keeps it."""
        try:
            self._give_back()
        except BaseException:  # Ctrl-C: a lock of a process that lives is held for ever
            self._give_back()
            raise

    def sweep(self) -> None:
        """Remove what nobody has held for long; a lock that is held, or was just now, stays."""
        epoch = self._highest()
        age = remote.age(self._object(epoch)) if epoch and self._is_free(epoch) else None
        if age is not None and age > _SWEPT_AFTER * dead_after():
            remote.remove([self._object(each) for each in self._epochs() if each <= epoch])

    def _object(self, epoch: int) -> str:
        return f"{self.url}/{epoch:0{_DIGITS}}"

    def _epochs(self) -> list[int]:
        return sorted(int(name) for name in remote.names(self.url) if name.isdecimal())

    def _highest(self) -> int:
        return max(self._epochs(), default=0)

    def _hold_at(self, epoch: int) -> Hold | None:
        return Hold.at(self._object(epoch)) if epoch else None

    def _is_free(self, epoch: int) -> bool:
        return epoch == 0 or has_ended(self._hold_at(epoch), self._object(epoch))

    def _take(self) -> bool:
        epoch = self._highest()
        if not self._is_free(epoch):
            return False
        mine = Hold.new()
        self._mine, self._epoch = mine, epoch + 1  # before there is an object, which `release` ends
        TOKENS.add(mine.owner.token)
        if not remote.create(self._object(self._epoch), mine.to_bytes()):
            self._forget()
            return False
        epochs = self._epochs()
        if max(epochs, default=0) != self._epoch:  # the one before it is long gone
            remote.remove([self._object(self._epoch)])
            self._forget()
            return False
        remote.remove([self._object(each) for each in epochs[:-1]])
        return True

    def _forget(self) -> None:
        if self._mine is not None:
            TOKENS.discard(self._mine.owner.token)
        self._mine, self._epoch = None, 0

    def _give_back(self) -> None:
        self._stop.set()
        if self._heart is not None and self._heart.is_alive():
            self._heart.join()
        mine = self._mine
        if mine is not None:
            TOKENS.discard(mine.owner.token)
        with suppress(StoreError):  # it is taken over when it is old enough
            # Of a create that was broken off it is not known whose object is there
            if mine is not None and self._hold_at(self._epoch) == mine:
                released = Hold(mine.owner, mine.machine, is_released=True)
                remote.put(self._object(self._epoch), released.to_bytes())
        self._mine = self._heart = None

    def _beat(self) -> None:
        mine, epoch = self._mine, self._epoch
        while mine is not None and not self._stop.wait(BEAT_SECONDS):
            with suppress(StoreError):
                if not self.is_mine():  # who was taken over writes no more
                    return
                remote.put(self._object(epoch), mine.to_bytes())


class LockAtUrl(AnyLock):
    """The lock of a result at a URL, and that of its working folder on this machine.

    Parameters
    ----------
    folder : Path
        The working folder.
    url : str
        Of the result.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._here = Lock(folder)
        self._there = ObjectLock(url)

    @property
    def place(self) -> str:
        """Where it lies, for all machines."""
        return self._there.place

    @property
    def owner(self) -> Owner | None:
        """Who holds it now, dead or alive."""
        return self._here.owner or self._there.owner

    @property
    def is_held(self) -> bool:
        """Whether somebody living holds it."""
        return self._here.is_held or self._there.is_held

    @property
    def is_held_whole(self) -> bool:
        """Whether somebody living holds the lock itself."""
        return self._here.is_held_whole or self._there.is_held_whole

    @property
    def last_seen(self) -> float | None:
        """Seconds since a holder on another machine has written it; None of one on this one."""
        return None if self._here.is_held else self._there.last_seen

    def acquire(self) -> bool:
        """Take the lock if it is free, or its holder is dead; says whether it was taken.

        Raises
        ------
        StoreError
            If the store, or the working folder, cannot be written.
        """
        is_taken = False
        try:
            is_taken = self._here.acquire() and self._there.acquire()
            if is_taken:
                _HELD[self._folder] = self._there
        finally:
            if not is_taken:
                self._here.release()
        return is_taken

    def release(self) -> None:
        """Give the lock back; who has taken it over keeps it."""
        if _HELD.get(self._folder) is self._there:
            del _HELD[self._folder]
        try:
            self._there.release()
        finally:
            self._here.release()


def holds(folder: Path) -> bool:
    """Whether this process has taken the lock of a result at a URL, by its working folder."""
    return folder in _HELD


def taken_over(folder: Path) -> TakenOver | None:
    """Return what to raise where another holds the lock that this process has taken.

    Parameters
    ----------
    folder : Path
        The working folder of a result at a URL.

    Returns
    -------
    TakenOver or None
        None: this process still has the lock, as the server says, or has never taken it.

    Raises
    ------
    StoreError
        If the server does not say who holds it.
    """
    lock = _HELD.get(folder)
    if lock is None or lock.is_mine():
        return None
    owner = lock.owner
    return TakenOver(
        "who makes a result has its lock until the end",
        value="this process gave no sign for so long that it was taken for dead; its lock "
        + ("was removed, or given back by another" if owner is None else f"is now of {owner}"),
        place=lock.place,
        remedy="run again: what is done is kept, and who has the lock is waited for",
    )

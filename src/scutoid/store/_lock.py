"""Lock a result so that one process computes it: a lock file that is taken over from the dead.

::

    gaussian/.3f9a1c0b7d42.lock      host, process, its start, a token of its own;
                                     touched every few seconds while it is held
    gaussian/3f9a1c0b7d42/segments/.share-7.lock         that of a share of the result

A result has one holder, or any number of holders of shares: who takes one looks at the others
afterwards, and gives it back if there are any.

The file is made with O_EXCL and moved away by rename, so it works wherever these two do.  Those
who take over from a dead holder do so one by one, behind an flock of ``gaussian/.locks``; where the
file system has no flock, a third who comes between a rename and its check could still be let in.
Whether a holder on another machine lives is told by the file's time alone, against the time of a
file that is made just now in the same folder: no two machines' clocks are compared, and none with
itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scutoid.regular import open_regular
from scutoid.segments import SEGMENTS
from scutoid.store._any_lock import BEAT_SECONDS, AnyLock, Owner, dead_after
from scutoid.store._durable import list_folder, make_folder, storing

_LOCK = ".lock"


class Lock(AnyLock):
    """A lock of one result: at most one process holds it, and computes the result.

    Parameters
    ----------
    entry : Path
        Folder of the result; the lock lies beside it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> first, second = (Lock(Path(folder.name) / "step" / "3f9a") for _ in range(2))
    >>> first.acquire(), second.acquire()
    (True, False)
    >>> first.release()
    >>> second.acquire()
    True
    >>> second.release()
    >>> folder.cleanup()
    """

    def __init__(self, entry: Path) -> None:
        self.path = entry.with_name(f".{entry.name}{_LOCK}")
        self._entry = entry
        self._mine: Owner | None = None
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    @property
    def place(self) -> str:
        """Where it lies."""
        return str(self.path)

    @property
    def owner(self) -> Owner | None:
        """Who holds it now, dead or alive, or a share of the result."""
        own = Owner.read(self.path)
        share = None if own is not None else self._living_share()
        return own if share is None else share.owner

    @property
    def is_held(self) -> bool:
        """Whether somebody living holds it, or a share of the result."""
        return self.is_held_whole or self._living_share() is not None

    @property
    def is_held_whole(self) -> bool:
        """Whether somebody living holds the lock itself."""
        return self.path.exists() and not self._is_dead(Owner.read(self.path))

    def shares(self) -> list[Lock]:
        """Return the locks of shares of the result that somebody has taken, dead or alive."""
        folder = self._entry / SEGMENTS
        names = (path.name for path in list_folder(folder, _is_lock_name))
        return [Lock(folder / name[1:].removesuffix(_LOCK)) for name in names]

    def _living_share(self) -> Lock | None:
        return next((share for share in self.shares() if share.is_held), None)

    @property
    def last_seen(self) -> float | None:
        """Seconds since a holder on another machine has touched it; None of one on this one."""
        if not self.path.exists() and (share := self._living_share()) is not None:
            return share.last_seen
        owner = Owner.read(self.path)
        is_here = owner is None or owner.host == socket.gethostname()
        return None if is_here else max(self._age(), 0.0)

    def acquire(self) -> bool:
        """Take the lock if it is free, or its holder is dead; says whether it was taken.

        It is not while somebody living holds a share of the result.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        make_folder(self.path.parent)
        try:
            if not self._make() and not self._take_over():
                return False
            if self._living_share() is not None:  # who takes one looks at this lock after that
                self.release()
                return False
            self._stop.clear()
            self._heart = threading.Thread(target=self._beat, name="scutoid-lock", daemon=True)
            self._heart.start()
        except BaseException:  # such as Ctrl-C: a lock that nobody gives back is held for ever
            self.release()
            raise
        return True

    def release(self) -> None:
        """Give the lock back, unless somebody has taken it over."""
        try:
            self._give_back()
        except BaseException:  # Ctrl-C: a lock of a process that lives is held for ever
            self._give_back()
            raise

    def _give_back(self) -> None:
        self._stop.set()
        if self._heart is not None and self._heart.is_alive():
            self._heart.join()
        if self._mine is not None and Owner.read(self.path) == self._mine:
            with suppress(OSError):
                self.path.unlink()
        self._mine = self._heart = None

    def sweep(self) -> None:
        """Remove what a dead holder has left; a lock that somebody has taken meanwhile stays."""
        if self._is_dead(Owner.read(self.path)):
            with one_by_one(self.path.with_name(".locks")):
                self._bury()

    def _make(self) -> bool:
        self._mine = mine = Owner.new()  # before there is a file, which `release` removes
        record = {name: getattr(mine, name) for name in Owner.__slots__}
        with storing(self.path):
            try:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                self._mine = None
                return False
            try:
                with os.fdopen(descriptor, "w") as file:
                    json.dump(record, file)
            except BaseException:  # such as of a full disk: half a lock would hold up the next run
                self.path.unlink(missing_ok=True)
                raise
        return True

    def _take_over(self) -> bool:
        if not self._is_dead(Owner.read(self.path)):
            return False
        with one_by_one(self.path.with_name(".locks")):
            return self._bury() and self._make()

    def _bury(self) -> bool:
        """Move the lock of a dead holder away; of several that try, one does."""
        dead = Owner.read(self.path)
        if not self._is_dead(dead):
            return False
        aside = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        try:
            self.path.rename(aside)
        except OSError:
            return not self.path.exists()
        moved = Owner.read(aside)
        if moved != dead and moved is not None:
            # Somebody was quicker, and this is the lock of the living: it goes back.
            with suppress(OSError):
                os.link(aside, self.path)
        with suppress(OSError):
            aside.unlink()
        return moved == dead or moved is None

    def _is_dead(self, owner: Owner | None) -> bool:
        if owner is None:  # half written: by somebody just now, or by somebody long gone
            # From the future too: then the clock was set back since.
            return abs(self._age()) > BEAT_SECONDS
        if owner.host == socket.gethostname():
            return not owner.is_running()
        return self._age() > dead_after()

    def _age(self) -> float:
        """Seconds since the lock was last touched, by the clock of the file system itself."""
        probe = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        try:
            probe.touch()
            return probe.stat().st_mtime - self.path.stat().st_mtime
        except OSError:
            return 0.0
        finally:
            with suppress(OSError):
                probe.unlink()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            with suppress(OSError):
                os.utime(self.path)


def _is_lock_name(name: str) -> bool:
    return name.startswith(".") and name.endswith(_LOCK)


@contextmanager
def one_by_one(path: Path) -> Iterator[None]:
    """Let in one caller at a time, of all processes and threads, where the file system can lock."""
    with storing(path):
        try:  # on a network, an exclusive lock needs a file that is open for writing
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except PermissionError:  # that of another user, which may be read
            descriptor = open_regular(path)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""One folder for temporary files of this process, of its workers and of Dask."""

from __future__ import annotations

import atexit
import fcntl
import importlib
import importlib.util
import os
import re
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from scutoid.errors import ParameterError, ScutoidWarning

_CLOSED: dict[tuple[str, str | None], str | None] = {}
"""What was set before sessions that were closed while another one within them was open."""
_VARIABLES = ("TMPDIR", "DASK_TEMPORARY_DIRECTORY")
_NAME = re.compile(r"scutoid-\w{8}")
_LOCK = "session.lock"
# Sockets of multiprocessing lie below it, and their addresses have an end.
_LONGEST_SOCKET = 107
_SOCKET = "/pymp-01234567/listener-01234567"


class Scratch:
    """A new folder below another one, in which temporary files are made as long as it is open.

    ::

        above/scutoid-k3jx0_2f/session.lock      held by this process
                              /driver            temporary files of this process
                              /workers           of its workers, and of all that it starts

    What a process that was killed has left above is removed by the next one on its machine.

    Parameters
    ----------
    above : Path
        Where the folder is made; it may be one that does not exist yet.

    Raises
    ------
    ParameterError
        If it cannot be written.

    Warns
    -----
    ScutoidWarning
        If its path is so long that sockets of multiprocessing do not fit below it.
    """

    def __init__(self, above: Path) -> None:
        self._stack = ExitStack()
        self._process = os.getpid()
        _check_length(above)
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            try:
                above.mkdir(parents=True, exist_ok=True)
                _sweep(above)
                self.folder = Path(tempfile.mkdtemp(prefix="scutoid-", dir=above))
                self._stack.callback(self._leave)
                self._lock = _locked(self.folder / _LOCK)
                self.driver, self.workers = self.folder / "driver", self.folder / "workers"
                for folder in (self.driver, self.workers):
                    folder.mkdir()
            except OSError as error:
                raise ParameterError(
                    "a temporary directory can be written",
                    value=error.strerror,
                    place=str(above),
                    remedy="give a folder of your own, on a scratch file system, as "
                    "temporary_directory=",
                ) from error
            self._use()
            undo.pop_all()

    def close(self) -> None:
        """Have temporary files made where they were before, and remove the folder.

        What this process still has in it, such as files that it has downloaded, stays until it
        ends.
        """
        self._stack.close()

    def _use(self) -> None:
        for name, (get, put) in _settings().items():
            mine = str(self.driver if name == "tempfile" else self.workers)
            self._stack.callback(_restore, name, mine, get())
            put(mine)

    def _leave(self) -> None:
        for name in ("workers", "driver"):
            if name == "workers" or not any((self.folder / name).glob("*")):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        if (self.folder / "driver").exists():
            atexit.register(self._remove)
        else:
            self._remove()

    def _remove(self) -> None:
        if os.getpid() != self._process:
            return  # a process that was forked, and ends
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(AttributeError, OSError):
            os.close(self._lock)


def _settings() -> dict[str, tuple[Callable[[], str | None], Callable[[str | None], None]]]:
    """Return what says where temporary files are made: how to read it, and how to set it."""

    def put_own(value: str | None) -> None:
        tempfile.tempdir = value

    def put_variable(name: str, value: str | None) -> None:
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value

    settings: dict[str, tuple[Callable[[], str | None], Callable[[str | None], None]]]
    settings = {"tempfile": (lambda: tempfile.tempdir, put_own)}
    for name in _VARIABLES:
        settings[name] = partial(os.environ.get, name), partial(put_variable, name)
    if importlib.util.find_spec("dask") is not None:
        config = importlib.import_module("dask.config")
        key = "temporary_directory"

        def put_in_dask(value: str | None) -> None:
            config.set({key: value})

        settings["dask"] = partial(config.get, key, None), put_in_dask
    return settings


def _restore(name: str, mine: str, before: str | None) -> None:
    """Set again what was set before, unless somebody has set something else since.

    That may be a session within this one, which would set at its end what is gone by then: it sets
    what was before both.
    """
    get, put = _settings()[name]
    if get() != mine:
        _CLOSED[name, mine] = before
        return
    while (name, before) in _CLOSED:
        before = _CLOSED.pop((name, before))
    put(before)


def _check_length(above: Path) -> None:
    n_more = len("/scutoid-01234567/workers" + _SOCKET)
    if len(os.fsencode(above)) + n_more > _LONGEST_SOCKET:
        warnings.warn(
            f"the temporary directory {above} has a path of more than {_LONGEST_SOCKET - n_more} "
            "bytes: what of multiprocessing needs sockets (managers, forkserver) fails below it",
            ScutoidWarning,
            stacklevel=5,
        )


def _locked(path: Path) -> int:
    """Make a file and hold its lock, which ends with this process however it ends."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, socket.gethostname().encode())
    return lock


def _sweep(above: Path) -> None:
    """Remove folders of sessions of this user and machine whose process has ended."""
    for folder in above.iterdir():
        if not _NAME.fullmatch(folder.name) or folder.is_symlink():
            continue
        with suppress(OSError):
            if folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.read(lock, 300) == socket.gethostname().encode():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)

"""The working folder of a store at a URL: what this machine has of it, small files alone.

::

    s3://bucket/results                     the store
    /tmp/scutoid-1000/5f0c.../              its working folder: as the folder of a store, but that
        .url                                the shards of images lie at the URL alone
    /tmp/scutoid-1000/5f0c...-3e8f.../      that of one process, which does shares of results

It may be removed at any time but while something is made in it.  What counts is at the URL.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from scutoid import remote
from scutoid.errors import StoreError
from scutoid.regular import read_regular
from scutoid.store._durable import make_folder, storing, write_file

URL_MARK = ".url"
"""File in a working folder that has the URL of its store."""
MACHINE_MARK = ".machine"
"""File in a working folder that no other has."""
_OPEN = ".open"
"""File in the working folder of one process, locked as long as that lives."""
_ELSEWHERE: dict[int, Path] = {}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether the place of a store is a URL."""
    return _URL.match(os.fspath(path)) is not None


def url_of_store(path: str | os.PathLike[str]) -> str | None:
    """Return the URL of a store, also of one that is named by its working folder; None: a folder.

    Raises
    ------
    StoreError
        If stores cannot lie at such URLs.
    ParameterError
        If a password or a signature stands in it.
    """
    text = os.fspath(path)
    if not is_url(text):
        try:
            return read_regular(Path(text) / URL_MARK).decode().strip()
        except (OSError, ValueError):
            return None
    remote.refuse_secrets(text)
    is_plain = "::" not in text and not (remote.is_http(text) and set("?#") & set(text))
    if not is_plain or not text.partition("://")[2].strip("/") or not remote.is_known_kind(text):
        raise StoreError(
            "a store is a folder of this machine or of a mounted file system, or lies in a bucket, "
            "or is read at the URL of a folder",
            value=text,
            place="store",
            remedy="mount it, or name a folder, a bucket, such as "
            '"s3://bucket/results", or a URL that fsspec knows, without a query',
        )
    return text.rstrip("/")


def working_folder(url: str) -> Path:
    """Return the working folder of a store at a URL; it is made, for this user alone.

    Raises
    ------
    StoreError
        If it is somebody else's, or cannot be made.
    """
    folder = _above() / _name_of(url)
    _mark(folder, url)
    return folder


def own_folder(url: str) -> Path:
    """Return a working folder of this process alone, which ends with it.

    Processes of one machine that do shares of a result are then as those of several.

    Raises
    ------
    StoreError
        As `working_folder`.
    """
    above = _above()
    for old in above.glob(f"{_name_of(url)}-*"):
        if not _is_open(old):  # of a process that was killed
            shutil.rmtree(old, ignore_errors=True)
    folder = above / f"{_name_of(url)}-{secrets.token_hex(8)}"
    make_folder(folder)
    lock = os.open(folder / _OPEN, os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the process ends
    _mark(folder, url)
    atexit.register(_end, os.getpid(), folder)
    return folder


def _end(process: int, folder: Path) -> None:
    """Remove the folder of a process that ends; not of one that it has forked."""
    if process == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)


def _is_open(folder: Path) -> bool:
    """Whether the process lives that a folder belongs to."""
    try:
        lock = os.open(folder / _OPEN, os.O_RDWR)
    except OSError:  # just made, or just removed
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _name_of(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def _above() -> Path:
    """Return the folder of all working folders of this user."""
    above = Path(tempfile.gettempdir()) / f"scutoid-{os.getuid()}"
    with storing(above):
        above.mkdir(mode=0o700, exist_ok=True)
        status = above.lstat()
        if status.st_uid != os.getuid() or above.is_symlink():
            raise StoreError(
                "the working folder of a store at a URL belongs to who runs it",
                value="that of another user",
                place=str(above),
                remedy="choose another temporary folder: TMPDIR=...",
            )
    return above


def _mark(folder: Path, url: str) -> None:
    make_folder(folder)
    if not (folder / URL_MARK).exists():
        write_file(folder / MACHINE_MARK, secrets.token_hex(16).encode())
        write_file(folder / URL_MARK, f"{url}\n".encode())


def mark_above(path: Path) -> bytes:
    """Return what tells the working folder that a path lies in from those of other machines."""
    for folder in path.parents:
        if (folder / URL_MARK).is_file():
            with suppress(OSError):
                return read_regular(folder / MACHINE_MARK)
    return b""


def folder_elsewhere() -> Path:
    """Return a folder for what a worker on another machine has of results; it ends with it.

    It is of one process, so that nobody reads what another changes.
    """
    process = os.getpid()
    if process not in _ELSEWHERE:
        folder = tempfile.TemporaryDirectory(prefix="scutoid-", ignore_cleanup_errors=True)
        atexit.register(folder.cleanup)
        _ELSEWHERE[process] = Path(folder.name)
    return _ELSEWHERE[process]


def is_elsewhere(path: Path) -> bool:
    """Whether a path lies in the folder that this process has as a worker on another machine."""
    folder = _ELSEWHERE.get(os.getpid())
    return folder is not None and path.is_relative_to(folder)

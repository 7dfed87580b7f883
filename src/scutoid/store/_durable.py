"""Files and folders of a store: what the operating system refuses becomes a `StoreError`."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scutoid import durable
from scutoid.durable import sync_folder
from scutoid.errors import ScutoidError, StoreError

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run again; what was finished is kept",
    errno.EDQUOT: "your quota is used up: free some space and run again; what was finished is kept",
    errno.EFBIG: "the file system takes no files of this size: choose another folder for the store",
    errno.EROFS: "the file system is read-only: choose another folder for the store",
    errno.EACCES: "you may not read or write here: choose another folder, or change its rights",
    errno.EPERM: "you may not read or write here: choose another folder, or change its rights",
    errno.ENOTDIR: "a part of the path is a file: choose another folder for the store",
    errno.ENAMETOOLONG: "the path is too long: choose a store nearer to the root, or shorter names",
}


def store_error(error: OSError, path: Path) -> StoreError:
    """Return an error that says what the operating system refused, where, and what to do."""
    return StoreError(
        "the store can be written and read",
        value=error.strerror or str(error),
        place=str(path),
        remedy=_REMEDIES.get(
            error.errno or 0, "check the disk; what was finished before is kept, so run again"
        ),
    )


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the body into a `StoreError` about `path`."""
    try:
        yield
    except ScutoidError:
        raise
    except OSError as error:
        raise store_error(error, path) from error


def list_folder(path: Path, is_wanted: Callable[[str], bool] | None = None) -> list[Path]:
    """Return what lies in a folder, by name; nothing where there is none (any more).

    Parameters
    ----------
    path : Path
        The folder.
    is_wanted : callable, optional
        Tells by its name whether something in it is returned; default: all is.

    Raises
    ------
    OSError
        If it may not be read.
    """
    try:
        with os.scandir(path) as entries:
            names = sorted(filter(is_wanted, (entry.name for entry in entries)))
    except (FileNotFoundError, NotADirectoryError):  # somebody may remove it at any time
        return []
    return [path / name for name in names]


def make_folder(path: Path) -> None:
    """Make a folder and those above it, durably.

    Raises
    ------
    StoreError
        If it cannot be made.
    """
    with storing(path):
        missing = [path, *path.parents]
        missing = missing[: next(i for i, place in enumerate(missing) if place.exists())]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
        if not path.is_dir():
            raise StoreError(
                "a store is made of folders",
                value="a file",
                place=str(path),
                remedy="choose another folder for the store, or move the file away",
            )


def empty_folder(path: Path) -> None:
    """Make a folder with nothing in it: what a try that failed or was killed has left is removed.

    Raises
    ------
    StoreError
        If that cannot be removed, or the folder not be made.
    """
    with storing(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    make_folder(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file whole, as `scutoid.durable.replacing` does.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    with storing(path), durable.replacing(path) as beside:
        yield beside


def write_file(path: Path, content: bytes) -> None:
    """Write bytes to a file, whole, or leave what was there.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with replacing(path) as beside:
        beside.write_bytes(content)
        written = beside.stat().st_size
        if written != len(content):
            raise OSError(errno.EIO, f"{written} of {len(content)} bytes arrived")

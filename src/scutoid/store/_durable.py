"""Files and folders of a store: what the operating system refuses becomes a `StoreError`."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scutoid import durable
from scutoid.durable import obstacle_in, store_error, sync_folder
from scutoid.errors import ScutoidError, StoreError


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the body into a `StoreError` about `path`."""
    try:
        yield
    except ScutoidError:
        raise
    except OSError as error:
        raise store_error(error, path) from error


@contextmanager
def filling(folder: Path | None) -> Iterator[None]:
    """Turn what a body raises for want of room in the folder that it fills into a `StoreError`.

    Whatever it raises: libraries say in words of their own that a disk is full.
    """
    try:
        yield
    except ScutoidError:
        raise
    except Exception as error:
        obstacle = None if folder is None else obstacle_in(folder)
        if folder is None or obstacle is None:
            raise
        raise store_error(obstacle, folder) from error


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
        if path.is_dir():  # as it is for each file of each member but the first
            return
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

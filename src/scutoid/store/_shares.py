"""Shares of a result that several processes make at once, and who records what of it.

::

    3f9a1c0b7d42/segments/
        .share-0.lock ... .share-63.lock      of the shares that somebody is doing now
        node7-4711-88213-1/                   what that process has recorded, of all its shares

A share is taken over from the dead.  What they have recorded until then counts, and a fence keeps
out what one that was only held up would still add, so that no block counts twice.
"""

from __future__ import annotations

import itertools
import re
import shutil
from contextlib import suppress
from pathlib import Path

from scutoid.durable import beside
from scutoid.segments import SEGMENTS, fence_off, is_fenced, segments_in
from scutoid.store._any_lock import Owner
from scutoid.store._durable import make_folder, storing
from scutoid.store._lock import Lock

__all__ = ["Segment", "remove_segments", "share_lock", "take_share"]

_UNSAFE = re.compile(r"[^\w-]+", re.ASCII)


class Segment:
    """What this process records of a result that others make at the same time.

    Parameters
    ----------
    entry : Path
        Folder of the result.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """

    def __init__(self, entry: Path) -> None:
        self._entry = entry
        self.path = self._new()

    def _new(self) -> Path:
        stem = _stem(Owner.new())
        for number in itertools.count(1):
            path = self._entry / SEGMENTS / f"{stem}{number}"
            make_folder(path.parent)
            with storing(path):
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
            return path
        raise AssertionError

    @property
    def is_fenced(self) -> bool:
        """Whether what is added does not count: others have taken this process for dead."""
        return is_fenced(self.path)

    def remove_if_empty(self) -> None:
        """Remove the folder where nothing was recorded."""
        if not any(self.path.iterdir()):
            self.path.rmdir()


def share_lock(entry: Path, number: int) -> Lock:
    """Return the lock of a share of a result."""
    return Lock(entry / SEGMENTS / f"share-{number}")


def take_share(entry: Path, number: int) -> Lock | None:
    """Take a share of a result, also from a process that is dead; None if another has it.

    Parameters
    ----------
    entry : Path
        Folder of the result.
    number : int
        Which share.

    Returns
    -------
    Lock or None
        To be released.  None also where somebody makes all of the result now.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    lock = share_lock(entry, number)
    if lock.path.exists():
        if lock.is_held:
            return None
        if (dead := lock.owner) is not None:
            for segment in segments_in(entry):
                if segment.name.startswith(_stem(dead)):
                    fence_off(segment)
    if not lock.acquire():
        return None
    if Lock(entry).is_held_whole:
        lock.release()
        return None
    return lock


def remove_segments(entry: Path) -> None:
    """Remove the segments of a result, whose content is elsewhere; nobody holds a share of it."""
    folder = entry / SEGMENTS
    if folder.is_dir() and not folder.is_symlink():
        aside = beside(folder)  # gone at once for who reads, and swept where this is killed
        with storing(folder):
            with suppress(FileNotFoundError):
                folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)  # somebody may try to take a share meanwhile


def _stem(owner: Owner) -> str:
    """Return what the names of all segments of a process begin with."""
    return f"{_UNSAFE.sub('_', owner.host)}-{owner.process}-{owner.started}-"

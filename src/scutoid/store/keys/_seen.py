"""How inputs were when their keys were made, for a second look at them.

A key says what the content of an input was.  What is read later is that content only if the input
has not changed until then, which a stat of each file tells.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

Stamp = tuple[int, int, int, int]
"""Size in bytes, time of change in ns, inode, and when any of these changed: no user sets that."""

SETTLED_NS = 2_000_000_000
"""A file that changed later than this before it was read may change again within the same tick of
its clock."""


class Seen:
    """The inputs that entered keys, each as it was when it was read for its key."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Stamp, str | None]] = {}
        self._folders: dict[str, tuple[list[str], Callable[[], list[str]]]] = {}
        self._states: dict[str, tuple[int, Callable[[], int]]] = {}
        self._remote: dict[str, Callable[[], bool]] = {}
        self.given: list[str] = []
        """Paths that were given as values, in the order in which they entered keys."""

    def file(self, path: str, stamp: Stamp, digest: str | None = None) -> None:
        """Take note of a file; its digest is given where its stamp may not tell a change."""
        self._files[path] = (stamp, digest)

    def folder(self, path: str, listed: list[str], look: Callable[[], list[str]]) -> None:
        """Take note of a folder that counts by its files, each of which is noted too."""
        self._folders[path] = (listed, look)

    def state(self, location: str, state: int, look: Callable[[], int]) -> None:
        """Take note of what else enters a key, such as the listing of a zarr, by its hash."""
        self._states[location] = (state, look)

    def remote(self, url: str, is_unchanged: Callable[[], bool]) -> None:
        """Take note of what lies at a URL; a server that does not answer raises a `SourceError`."""
        self._remote[url] = is_unchanged

    def changed(self, location: str, digest: Callable[[str], str]) -> str | None:
        """Return what is not as it was: the location, or a file below it; None: nothing is.

        Parameters
        ----------
        location : str
            A path or URL that entered a key; of any other nothing is known.
        digest : callable
            Digests a file.
        """
        known = self._files.get(location)
        if known is not None:
            return location if _differs(location, *known, digest) else None
        if location in self._states and not self._is_state(location):
            return location
        if location in self._remote and not self._remote[location]():
            return location
        if location not in self._folders:
            return None
        return next(self._changed_below(*self._folders[location], digest), None)

    def _is_state(self, location: str) -> bool:
        state, look = self._states[location]
        with suppress(OSError):
            return look() == state
        return False

    def _changed_below(
        self,
        listed: list[str],
        look: Callable[[], list[str]],
        digest: Callable[[str], str],
    ) -> Iterator[str]:
        yield from (path for path in listed if self.changed(path, digest))
        now: list[str] = []
        with suppress(OSError):
            now = look()
        yield from sorted(set(now) ^ set(listed))


def _differs(path: str, stamp: Stamp, digest: str | None, read: Callable[[str], str]) -> bool:
    try:
        if stamp_of_status(os.stat(path)) != stamp:  # noqa: PTH116
            return True
        return digest is not None and read(path) != digest
    except OSError:
        return True


def stamp_of_status(status: os.stat_result) -> Stamp:
    """Return the stamp by which a changed or replaced file is told."""
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns

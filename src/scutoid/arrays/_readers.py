"""The open readers of this process: lent to one thread at a time, and kept for the next read.

To open a file of a microscope is to read the list of all its parts, which takes longer than a small
region of it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from scutoid.arrays._source import Stamp

_LIMIT = 8
_Key = tuple[str, Stamp]


class Closable(Protocol):
    """What holds a file open."""

    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


class OpenReaders(Generic[T]):
    """Keeps readers open between reads.

    Parameters
    ----------
    limit : int
        Number of readers that stay open while no one reads from them.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[_Key, T]] = OrderedDict()
        self._of_parent: list[object] = []
        self._number = 0
        self._is_watching = False

    @contextlib.contextmanager
    def lend(self, path: str, stamp: Stamp, open_reader: Callable[[str], T]) -> Iterator[T]:
        """Lend a reader of this version of a file, which no one else uses meanwhile.

        One that fails is closed, and opened again by the next.
        """
        reader = self._taken((path, stamp))
        if reader is None:
            reader = open_reader(path)
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        self._give_back((path, stamp), reader)

    def close(self) -> None:
        """Close all readers that are not lent."""
        with self._lock:
            closed = [reader for _, reader in self._idle.values()]
            self._idle.clear()
        for reader in closed:
            reader.close()

    def _taken(self, key: _Key) -> T | None:
        with self._lock:
            number = next((n for n, (own, _) in reversed(self._idle.items()) if own == key), None)
            return None if number is None else self._idle.pop(number)[1]

    def _give_back(self, key: _Key, reader: T) -> None:
        with self._lock:
            if not self._is_watching:
                atexit.register(self.close)
                os.register_at_fork(after_in_child=self._forget)
                self._is_watching = True
            path, stamp = key
            old = [n for n, ((own, at), _) in self._idle.items() if own == path and at != stamp]
            self._idle[self._number] = (key, reader)
            self._number += 1
            old += [n for n in self._idle if n not in old][: max(len(self._idle) - self._limit, 0)]
            closed = [self._idle.pop(number)[1] for number in old]
        for each in closed:
            each.close()

    def _forget(self) -> None:
        """Leave the readers of the process that this one was forked from, which shares them.

        They share their places in the files too, so that they are of no use here.
        """
        self._lock = threading.Lock()
        self._of_parent.append(self._idle)
        self._idle = OrderedDict()

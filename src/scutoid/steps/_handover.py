"""Blocks handed on in memory, from the step that wrote them to the next that reads the very same.

A block is on the disk before it is handed on; whoever does not find it here, for it was computed in
another process or had to make room, reads it from there.  Each is taken once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.geometry import Roi
from scutoid.steps._compute import Readable

_LIMIT = 20 * 2**20
"""Bytes that wait in a process."""


class _Waiting:
    """Blocks of this process that wait to be read."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[str, Roi], NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, key: tuple[str, Roi], block: NDArray[Any]) -> None:
        if block.nbytes > _LIMIT:
            return
        own = np.array(block)  # what comes of the step's own array is its own affair
        with self._lock:
            self._remove(key)
            self._blocks[key] = own
            self._bytes += own.nbytes
            while self._bytes > _LIMIT:
                self._remove(next(iter(self._blocks)))

    def take(self, key: tuple[str, Roi]) -> NDArray[Any] | None:
        with self._lock:
            return self._remove(key)

    def forget(self, name: str) -> None:
        with self._lock:
            for key in [key for key in self._blocks if key[0] == name]:
                self._remove(key)

    def _remove(self, key: tuple[str, Roi]) -> NDArray[Any] | None:
        block = self._blocks.pop(key, None)
        self._bytes -= 0 if block is None else block.nbytes
        return block


_WAITING = _Waiting()


@dataclass(frozen=True, slots=True)
class Handover:
    """The way from one step of a run to the next."""

    name: str
    """Of the image and the run, unlike all others."""

    def put(self, roi: Roi, block: NDArray[Any]) -> None:
        """Hand a block on that was written."""
        _WAITING.put((self.name, roi), block)

    def take(self, roi: Roi) -> NDArray[Any] | None:
        """Take a block, if it is here; it is the caller's own."""
        return _WAITING.take((self.name, roi))

    def close(self) -> None:
        """Forget what nobody has taken in this process."""
        _WAITING.forget(self.name)


@dataclass(frozen=True, slots=True)
class HandedImage:
    """A stored image of whose blocks some are handed on."""

    source: Readable
    """The image in its store."""
    handover: Handover
    """Where its blocks may be."""

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region, in the image's own voxels."""
        block = self.handover.take(roi)
        return self.source.read(roi) if block is None else block

"""Blocks handed on in memory, from the step that wrote them to the next that reads the very same.

A block is on the disk before it is handed on; whoever does not find it here, for it was computed in
another process or had to make room, reads it from there.  Each is taken once by each reader.
Images of members go the same way, whole.

Labels whose readers take what lies around their blocks go as runs of equal labels, which are many
times smaller: those of a block stay until its last reader has taken the block itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import Readable
from scutoid.geometry import Roi
from scutoid.kernels import Runs

LIMIT = 20 * 2**20
"""Bytes of blocks that wait in a process."""
OF_MEMBERS = 32 * 2**20
"""The same of images of members: what a worker makes in two batches is read in the third."""

OF_RUNS = 32 * 2**20
"""The same of blocks that wait as runs."""
_WORTH = 8
"""How many times smaller than their block runs are."""
_RUN = np.dtype([("label", np.uint32), ("start", np.uint32), ("length", np.uint32)])
_END = 2**32

Key = tuple[str, Hashable]
"""Name of a way from step to step, and what goes it: the region of a block, or a member."""


@dataclass(slots=True)
class _Held:
    array: NDArray[Any]
    readers: int
    about: object


class _Waiting:
    """Blocks and images of members of this process that wait to be read."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, key: Key, own: NDArray[Any], *, readers: int = 1, about: object = None) -> None:
        """Keep an array that nobody else has."""
        if own.nbytes > self.limit or readers < 1:
            return
        with self._lock:
            self._remove(key)
            self._held[key] = _Held(own, readers, about)
            self._bytes += own.nbytes
            while self._bytes > self.limit:
                self._remove(next(iter(self._held)))

    def take(self, key: Key) -> tuple[NDArray[Any], Any] | None:
        """Return an array of the caller's own, if it is here, and what was put about it."""
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            held.readers -= 1
            if not held.readers:
                self._remove(key)
                return held.array, held.about
            # As long as no other reader changes it
            return np.array(held.array), held.about

    def look_at(self, key: Key) -> tuple[NDArray[Any], Any] | None:
        """Return an array that stays here, if it is, and what was put about it."""
        with self._lock:
            held = self._held.get(key)
            return None if held is None else (held.array, held.about)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def forget(self, name: str) -> None:
        """Drop all that goes one way."""
        with self._lock:
            for key in [key for key in self._held if key[0] == name]:
                self._remove(key)

    def _remove(self, key: Key) -> None:
        held = self._held.pop(key, None)
        self._bytes -= 0 if held is None else held.array.nbytes


WAITING = _Waiting(LIMIT)
"""Blocks that wait in this process."""
RUNS = _Waiting(OF_RUNS)
"""Runs of blocks that wait in this process."""
MEMBERS = _Waiting(OF_MEMBERS)
"""Images of members that wait in this process."""


@dataclass(frozen=True, slots=True)
class Handover:
    """The way from one step of a run to the next."""

    name: str
    """Of the image and the run, unlike all others."""

    as_runs: bool = False
    """Whether blocks wait as runs of equal labels."""

    def put(self, roi: Roi, block: NDArray[Any]) -> None:
        """Hand a block on that was written."""
        if self.as_runs:
            self.put_runs(roi, block)
        elif block.nbytes <= LIMIT:  # what comes of the step's own array is its own affair
            WAITING.put((self.name, roi), np.array(block))

    def put_runs(self, roi: Roi, block: NDArray[Any]) -> Runs:
        """Hand a block on as its runs, where these are short; return them."""
        runs = Runs.of(np.ascontiguousarray(block))
        least = int(runs.label.min(initial=_END**2 - 1))
        is_short = len(runs.label) * _RUN.itemsize * _WORTH <= block.nbytes
        if is_short and block.size < _END and int(runs.label.max(initial=0)) - least < _END:
            packed = np.empty(len(runs.label), _RUN)
            packed["label"] = runs.label - np.uint64(least)
            packed["start"], packed["length"] = runs.start, runs.length
            RUNS.put((self.name, roi), packed, about=(least, block.dtype))
        return runs

    def runs(self, roi: Roi) -> Runs | None:
        """Return the runs of a block, if they are here."""
        found = RUNS.look_at((self.name, roi))
        return None if found is None else _unpacked(found[0], found[1][0])

    def take(self, roi: Roi) -> NDArray[Any] | None:
        """Take a block, if it is here; it is the caller's own."""
        if not self.as_runs:
            found = WAITING.take((self.name, roi))
            return None if found is None else found[0]
        found = RUNS.take((self.name, roi))
        if found is None:
            return None
        least, dtype = found[1]
        return _unpacked(found[0], least).painted(roi.shape).astype(dtype, copy=False)

    def close(self) -> None:
        """Forget what nobody has taken in this process."""
        WAITING.forget(self.name)
        RUNS.forget(self.name)


def _unpacked(packed: NDArray[Any], least: int) -> Runs:
    label = packed["label"] + np.uint64(least)
    return Runs(label, packed["start"].astype(np.int64), packed["length"].astype(np.int64))


@dataclass(frozen=True, slots=True)
class HandedImage:
    """A stored image of whose blocks some are handed on."""

    source: Readable
    """The image in its store."""
    handover: Handover
    """Where its blocks may be."""

    @property
    def reads_at_once(self) -> bool:
        """Whether it is dear to read a region part by part."""
        return getattr(self.source, "reads_at_once", False)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region, in the image's own voxels."""
        block = self.handover.take(roi)
        return self.source.read(roi) if block is None else block

    def runs_of_blocks(self, blocks: Sequence[Roi]) -> Sequence[Runs] | None:
        """Return the runs of whole blocks; None if so few are here that to read others is dear."""
        if not self.handover.as_runs:
            return None
        held = [self.handover.runs(roi) for roi in blocks]
        if 2 * sum(runs is None for runs in held) > len(blocks):
            return None
        return [
            self.handover.put_runs(roi, self.source.read(roi)) if runs is None else runs
            for roi, runs in zip(blocks, held, strict=True)
        ]

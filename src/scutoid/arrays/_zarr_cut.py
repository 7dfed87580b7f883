"""Decoded chunks of which blocks with a halo need parts, kept only as far as others come for them.

::

    +-----------+-----------+       a block reads its own chunk whole, and of those around it
    |         b |b b b b b b|       what lies at their faces: each chunk is read once from each
    +-----------+-----------+       side.  Whole, it is kept until its own block has come; then
    |         b |b b b b b b|       only the faces (a tenth of it each), until they were read.
    |         b |b  own   b |
    +-----------+-----------+

A cache of whole chunks must hold all of those around a block, 27 in three dimensions, to be of any
use.  Whatever is not so (a chunk larger than a block, a file that is not there) is left to others.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._source import Stamp, stamp_of
from scutoid.arrays._zarr_whole import WholeChunks
from scutoid.geometry import Roi

LIMIT = 96 * 2**20
"""Bytes that the driver holds, for all its threads."""
OF_WORKER = 40 * 2**20
"""The same of a worker process, which is one of several."""
_WORTH = 0.8
"""Faces that take a greater part of a chunk are not cut out of it."""

_SOON = 99
"""Nearness of a chunk that was decoded just now, more than any axis."""

Side = tuple[int, ...]
"""Along each axis -1 or 1 where a part lies at the lower or the upper face, 0 where it is all."""
Face = tuple[int, int]
"""An axis, and -1 or 1."""


class _Part(NamedTuple):
    """What a region takes of a chunk along an axis."""

    chunk: int
    """Number of the chunk."""
    within: slice
    """Which voxels of the chunk."""
    into: slice
    """Where they go in the region."""
    side: int
    """-1, 0 or 1, as in `Side`."""
    others: tuple[int, ...]
    """Sides from which blocks come, if all of it is taken; 0 among them."""


def _along(start: int, stop: int, edge: int, size: int) -> tuple[list[_Part], int] | None:
    """Cut an interval by chunks; return also the depth of the halo.

    None if it holds no whole chunk: it is of a block that is smaller than a chunk.
    """
    parts = []
    first = -(-start // edge)
    last = (stop - 1) // edge if stop == size else stop // edge - 1
    if first > last:
        return None
    depth = 0
    for n in range(start // edge, (stop - 1) // edge + 1):
        low, high = max(start, n * edge), min(stop, (n + 1) * edge)
        side = 1 if n < first else -1 if n > last else 0
        depth = max(depth, high - low if side else 0)
        others = [0]
        if n == first and n > 0:
            others.append(-1)
        if n == last and (n + 1) * edge < size:
            others.append(1)
        within, into = slice(low - n * edge, high - n * edge), slice(low - start, high - start)
        parts.append(_Part(n, within, into, side, tuple(others)))
    return parts, depth


@dataclass(slots=True)
class _Kept:
    """What is kept of a chunk."""

    stamp: Stamp
    """Of its file when it was decoded."""
    whole: NDArray[Any] | None
    """All of it, until its own block has come."""
    faces: dict[Face, NDArray[Any]] = field(default_factory=dict)
    """Else its faces."""
    was_read: set[Side] = field(default_factory=set)
    """From which sides it was read."""
    left: set[Side] | None = None
    """From which sides it will be; None: its own block has not come yet, which tells."""
    depths: tuple[int, ...] = ()
    """Voxels of its faces along each axis."""

    @property
    def nbytes(self) -> int:
        """Bytes of it."""
        own = 0 if self.whole is None else self.whole.nbytes
        return own + sum(face.nbytes for face in self.faces.values())

    def part(self, within: Sequence[slice], side: Side) -> NDArray[Any] | None:
        """Return a part, if it is here."""
        if self.whole is not None:
            return self.whole[tuple(within)]
        for axis, at in enumerate(side):
            face = self.faces.get((axis, at))
            depth = within[axis].stop - within[axis].start
            if face is not None and depth <= face.shape[axis]:
                along = slice(0, depth) if at < 0 else slice(face.shape[axis] - depth, None)
                return face[(*within[:axis], along, *within[axis + 1 :])]
        return None

    def note(self, side: Side, depths: tuple[int, ...], others: Sequence[tuple[int, ...]]) -> None:
        """Note that it was read from a side; keep what is still to be read."""
        self.was_read.add(side)
        self.depths = tuple(map(max, depths, self.depths or depths))
        if not any(side):
            self.left = set(itertools.product(*others))
        if self.left is not None:
            self.left -= self.was_read
            self._cut(_faces(self.left))

    def cut_before_its_block(self) -> None:
        """Keep no more than the faces across which it is being read.

        Blocks across the others come about when its own does, for which it is decoded once more.
        """
        self._cut(_faces(self.was_read))

    @property
    def nearness(self) -> int:
        """How soon its own block comes: the last axis across which blocks have come to read it.

        Blocks are numbered along the last axis first: one across the first axis is the farthest.
        """
        axes = (next((n for n, at in enumerate(side) if at), len(side)) for side in self.was_read)
        return max(axes, default=_SOON)

    def _cut(self, needed: set[Face]) -> None:
        """Keep no more than these faces."""
        if self.whole is None:
            self.faces = {face: kept for face, kept in self.faces.items() if face in needed}
            return
        shape = self.whole.shape
        share = sum(self.depths[axis] / shape[axis] for axis, _ in needed)
        if share < _WORTH:
            self.faces = {face: self._face(self.whole, *face) for face in needed}
            self.whole = None

    def _face(self, whole: NDArray[Any], axis: int, at: int) -> NDArray[Any]:
        depth = self.depths[axis]
        along = slice(0, depth) if at < 0 else slice(whole.shape[axis] - depth, None)
        return whole[(slice(None),) * axis + (along,)].copy()


class CutChunks:
    """Decoded chunks of this process, and their faces.

    Parameters
    ----------
    limit : int, optional
        Bytes; default: by whether this process is a worker.
    """

    def __init__(self, limit: int | None = None) -> None:
        # A worker's environment says so to numeric libraries; a driver's holds less where it does
        is_worker = os.environ.get("OMP_NUM_THREADS") == "1"
        self.limit = limit or (OF_WORKER if is_worker else LIMIT)
        self.n_bytes = 0
        """Bytes that are held."""
        self._held: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._wholes: OrderedDict[Hashable, None] = OrderedDict()
        """Those whose own block has not come, the oldest first."""
        self._coming: dict[Hashable, threading.Event] = {}
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Drop all that is kept."""
        with self._lock:
            self._held.clear()
            self._wholes.clear()
            self.n_bytes = 0

    def read(
        self, array: Hashable, chunks: WholeChunks, shape: Sequence[int], roi: Roi
    ) -> NDArray[Any] | None:
        """Read a region; None if it is not one of a block with a halo, or a chunk is not plain.

        Parameters
        ----------
        array : hashable
            Names the array, and its version.
        chunks : WholeChunks
            Its chunks.
        shape : sequence of int
            Of the array.
        roi : Roi
            The region, in voxels.
        """
        cuts = [
            _along(*each) for each in zip(roi.offset, roi.end, chunks.shape, shape, strict=True)
        ]
        if 0 in roi.shape or None in cuts:
            return None
        along = [cut[0] for cut in cuts if cut is not None]
        depths = tuple(cut[1] for cut in cuts if cut is not None)
        out = np.empty(tuple(roi.shape), chunks.dtype)
        for parts in itertools.product(*along):
            place = tuple(part.chunk for part in parts)
            if not self._take((array, place), chunks, place, parts, out):
                return None
            self._note((array, place), parts, depths)
        return out

    def _take(
        self,
        key: Hashable,
        chunks: WholeChunks,
        place: tuple[int, ...],
        parts: Sequence[_Part],
        out: NDArray[Any],
    ) -> bool:
        """Copy a part of a chunk; False if it cannot be decoded here."""
        try:
            stamp = stamp_of(chunks.path(place))
        except OSError:
            return False
        within, side = [part.within for part in parts], tuple(part.side for part in parts)
        into = tuple(part.into for part in parts)
        while True:
            with self._lock:
                kept = self._held.get(key)
                found = None
                if kept is not None and kept.stamp == stamp:
                    found = kept.part(within, side)
                coming = self._coming.get(key)
                if found is None and coming is None:
                    mine = self._coming[key] = threading.Event()
                    break
            if found is not None:
                out[into] = found
                return True
            if coming is not None:
                coming.wait()
        whole = None
        try:
            whole = chunks.decoded(place)
        finally:
            with self._lock:
                if whole is not None:
                    self._hold(key, _Kept(stamp, whole))
                del self._coming[key]
            mine.set()
        if whole is None:
            return False
        out[into] = whole[tuple(within)]
        return True

    def _hold(self, key: Hashable, kept: _Kept) -> None:
        before = self._held.get(key)
        if before is not None and before.stamp == kept.stamp:
            kept.was_read, kept.left = before.was_read, before.left
        self._drop(key)
        self._held[key] = kept
        self._wholes[key] = None
        self.n_bytes += kept.nbytes

    def _drop(self, key: Hashable) -> None:
        self._wholes.pop(key, None)
        kept = self._held.pop(key, None)
        self.n_bytes -= 0 if kept is None else kept.nbytes

    def _note(self, key: Hashable, parts: Sequence[_Part], depths: tuple[int, ...]) -> None:
        """Note what was read; make room."""
        side = tuple(part.side for part in parts)
        with self._lock:
            kept = self._held.get(key)
            if kept is None:
                return
            self._held.move_to_end(key)
            before = kept.nbytes
            kept.note(side, depths, [part.others for part in parts])
            self.n_bytes += kept.nbytes - before
            if kept.left is not None:
                self._wholes.pop(key, None)
                if not kept.left:
                    self._drop(key)
            while self.n_bytes > self.limit:
                self._make_room()

    def _make_room(self) -> None:
        """Cut the faces out of the whole chunk that is needed last; else drop the longest unread.

        It is decoded once more for its own block.
        """
        if not self._wholes:
            self._drop(next(iter(self._held)))
            return
        key = min(self._wholes, key=lambda each: self._held[each].nearness)
        del self._wholes[key]
        kept = self._held[key]
        before = kept.nbytes
        if kept.depths:
            kept.cut_before_its_block()
        self.n_bytes += kept.nbytes - before


def _faces(sides: Iterable[Side]) -> set[Face]:
    """Return the faces that regions on these sides touch."""
    return {(axis, at) for side in sides for axis, at in enumerate(side) if at}


CUT = CutChunks()
"""Those of this process."""

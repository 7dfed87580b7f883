"""Note what each shard of a stored image is, so that one in another's place is told from it.

A shard says nowhere which one it is: a copy from elsewhere is read as values like any other.  A
note has its size, and a crc32 over its index and the checksums of the chunks inside, which end each
of them; no voxel is read.

::

    shard:  | chunk | crc32c | chunk | crc32c | index: offset, bytes a chunk | crc32c |
                      ^^^^^^           ^^^^^^   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays._axis_order import Order, as_here, stored_roi
from scutoid.arrays._shards import levels_of, places_of
from scutoid.arrays._zarr_metadata import shard_grid
from scutoid.arrays._zarr_nodes import Node
from scutoid.errors import SIGNS_OF_DAMAGE
from scutoid.geometry import Roi
from scutoid.regular import open_regular, opened_regular

NOTE = np.dtype([("level", "u1"), ("shard", "<u8"), ("bytes", "<u8"), ("crc32", "<u4")])
"""A note: level of the pyramid, number of the shard in C order, its bytes and checksum."""
Notes = NDArray[np.void]
_CRC = 4
_ABSENT = 2**64 - 1
_SPAN = np.dtype([("offset", "<u8"), ("bytes", "<u8")])


@dataclass(frozen=True, slots=True)
class ShardLevel:
    """Where the shards of a level of a pyramid lie."""

    number: int
    """Number of the level, 0 the finest."""
    folder: str
    """The folder of its array."""
    grid: tuple[int, ...]
    """Shards along each axis."""
    edge: tuple[int, ...]
    """Shape of a shard, in voxels."""
    n_chunks: int
    """Chunks inside a shard."""
    order: Order = ()
    """Where each axis of the image is stored."""

    @classmethod
    def of(cls, node: Node, number: int, order: Order) -> ShardLevel | None:
        """Describe an array; None if it has no shards of the form that scutoid writes."""
        _, edge, grid = shard_grid(node)
        codec = node.metadata["codecs"][0]
        inside = codec.get("configuration", {})
        ends = [each["name"] for each in inside.get("codecs", ())][-1:]
        index = [each["name"] for each in inside.get("index_codecs", ())]
        if ends != ["crc32c"] or index != ["bytes", "crc32c"]:
            return None
        if inside.get("index_location", "end") != "end":
            return None
        n_chunks = math.prod(e // c for e, c in zip(edge, inside["chunk_shape"], strict=True))
        return cls(number, node.location, grid, edge, n_chunks, order)

    def places(self, roi: Roi) -> Iterator[tuple[int, ...]]:
        """Places of the shards that a region of the image meets, a number an axis as stored."""
        stored = stored_roi(roi, self.order)
        spans = (
            range(start // edge, -(-stop // edge))
            for start, stop, edge in zip(stored.offset, stored.end, self.edge, strict=True)
        )
        return product(*spans)

    def path(self, place: tuple[int, ...]) -> str:
        """Return the file of a shard."""
        return "/".join((self.folder, "c", *map(str, place)))

    def region(self, place: tuple[int, ...]) -> Roi:
        """Return the region of the image that a shard has, which may end beyond the image."""
        corner = tuple(at * edge for at, edge in zip(place, self.edge, strict=True))
        return Roi(as_here(corner, self.order), as_here(self.edge, self.order))

    def number_of(self, place: tuple[int, ...]) -> int:
        """Return the number of a shard in C order."""
        number = 0
        for at, size in zip(place, self.grid, strict=True):
            number = number * size + at
        return number

    def place_of(self, number: int) -> tuple[int, ...]:
        """Return the place of the shard that has a number."""
        return tuple(map(int, np.unravel_index(number, self.grid)))

    def stamp(self, place: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return what tells one version of a shard's file from others; None if it is not there."""
        try:
            status = os.stat(self.path(place))  # noqa: PTH116  # of each shard that is read
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns

    def sizes(self, place: tuple[int, ...]) -> NDArray[np.int64] | None:
        """Return the stored bytes of each chunk of a shard in C order, 0 of those that are not.

        None if there is no such file, or it has no index.
        """
        length = self.n_chunks * _SPAN.itemsize + _CRC
        index = _end_of(self.path(place), length)
        if len(index) != length:
            return None
        found = np.frombuffer(index[:-_CRC], _SPAN)["bytes"]
        return np.where(found == _ABSENT, 0, found).astype(np.int64)

    def note(self, place: tuple[int, ...]) -> tuple[int, int, int, int] | None:
        """Return the note of a shard, as in `NOTE`; None if there is no such file."""
        found = _described(self.path(place), self.n_chunks)
        return None if found is None else (self.number, self.number_of(place), *found)

    def note_of(self, place: tuple[int, ...], shard: bytes) -> tuple[int, int, int, int]:
        """Return the note of a shard that has a content."""
        crc = _checksum(lambda n, at: shard[at : at + n], len(shard), self.n_chunks)
        return self.number, self.number_of(place), len(shard), crc


def _end_of(path: str, length: int) -> bytes:
    """Return the last bytes of a shard; fewer where it has not so many, none where it is not."""
    if "://" in path:
        return remote.read_part(path, -length) or b""
    with suppress(OSError), opened_regular(path) as shard:
        size = os.fstat(shard.fileno()).st_size
        shard.seek(max(size - length, 0))
        return shard.read(min(length, size))
    return b""


def shard_levels(path: str | os.PathLike[str]) -> tuple[ShardLevel, ...]:
    """Return the levels of a stored image, the finest first; none where shards have no notes."""
    try:
        nodes, order = levels_of(path)
        levels = [ShardLevel.of(node, n, order) for n, node in enumerate(nodes)]
    except SIGNS_OF_DAMAGE:
        return ()
    known = tuple(level for level in levels if level is not None)
    return known if len(known) == len(levels) else ()


def as_notes(notes: list[tuple[int, int, int, int]]) -> Notes:
    """Return notes as an array."""
    return np.array(notes, NOTE)


def missing_notes(path: str | os.PathLike[str], notes: Notes) -> Notes:
    """Return notes of those shards that are there and have none among these."""
    known = set(zip(notes["level"].tolist(), notes["shard"].tolist(), strict=True))
    found = [
        level.note(place)
        for level in shard_levels(path)
        for place in sorted(places_of(level.folder, level.grid))
        if (level.number, level.number_of(place)) not in known
    ]
    return as_notes([note for note in found if note is not None])


def misplaced_shards(path: str | os.PathLike[str], notes: Notes, *, is_whole: bool) -> list[Path]:
    """Return the files of shards that are there and are not what was noted.

    Parameters
    ----------
    path : path
        Of the image's folder.
    notes : ndarray of `NOTE`
        Of its shards; of two of one shard the later holds.
    is_whole : bool
        Whether all shards have one; then one without is misplaced too.
    """
    known = {(n, shard): note for n, shard, *note in notes.tolist()}
    bad = []
    for level in shard_levels(path):
        for place in places_of(level.folder, level.grid):
            found = _described(level.path(place), level.n_chunks)
            noted = known.get((level.number, level.number_of(place)))
            is_right = not is_whole if noted is None else tuple(noted) == found
            if found is not None and not is_right:
                bad.append(Path(level.path(place)))
    return bad


def _described(path: str, n_chunks: int) -> tuple[int, int] | None:
    """Return the bytes of a shard, and a checksum of its index and the ends of its chunks."""
    try:
        descriptor = open_regular(path)
    except OSError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        return size, _checksum(partial(os.pread, descriptor), size, n_chunks)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _checksum(read: Callable[[int, int], bytes], size: int, n_chunks: int) -> int:
    """Return the checksum of a shard, of which `read` gives so many bytes from a place on."""
    length = n_chunks * _SPAN.itemsize + _CRC
    index = read(min(length, size), max(size - length, 0))
    crc = zlib.crc32(index)
    if len(index) < length:
        return crc
    for offset, nbytes in np.frombuffer(index[:-_CRC], _SPAN).tolist():
        if nbytes != _ABSENT and _CRC <= nbytes <= size - offset:
            crc = zlib.crc32(read(_CRC, offset + nbytes - _CRC), crc)
    return crc

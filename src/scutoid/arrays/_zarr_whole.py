"""Whole chunks of local zarrs, packed by zstd, decoded into the very array that is asked for.

Tensorstore decodes a chunk into its cache and copies it from there, which a block that reads each
chunk once has nothing of: a third of the time, and the memory of the cache.  Whatever is not plain
(a file that is not there or is damaged, other codecs) is left to tensorstore, and to its errors.

Of shards, those that scutoid writes::

    shard:  | chunk | crc32c | chunk | crc32c | index: offset, bytes a chunk | crc32c |
"""

from __future__ import annotations

import itertools
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.geometry import Roi
from scutoid.zstd import decompress_into

_TYPES = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)).union(
    ["bool", "float16", "float32", "float64"]
)
_LARGE = 2**20
"""Bytes of a chunk from which decoding it takes so long that nobody waits for Python."""
_CRC = 4
_SPAN = 16
"""Bytes of a chunk's offset and size in the index of a shard."""
_ABSENT = 2**64 - 1


@dataclass(frozen=True, slots=True)
class WholeChunks:
    """Where the chunks of an array lie, and what is in each."""

    folder: str
    """Of the array, with a "/" at its end."""
    prefix: str
    """What the key of each chunk begins with."""
    separator: str
    """What stands between the numbers of a key."""
    shape: tuple[int, ...]
    """Voxels of a chunk along each axis."""
    dtype: np.dtype[Any]
    """Of the voxels."""

    def read(self, roi: Roi, dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """Read a region; None if it is not one whole chunk, or tensorstore has to look at it."""
        if tuple(roi.shape) != self.shape or dtype != self.dtype:
            return None
        places = [divmod(at, edge) for at, edge in zip(roi.offset, self.shape, strict=True)]
        if any(rest for _, rest in places):
            return None
        return self.decoded([place for place, _ in places])

    def read_several(self, roi: Roi, dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """Read a region that begins and ends with whole chunks, or at the image's end.

        One after the other; None if they are small, or tensorstore has to look at one.
        """
        is_large = math.prod(self.shape) * self.dtype.itemsize >= _LARGE
        edges = list(zip(roi.offset, roi.end, self.shape, strict=True))
        if not is_large or dtype != self.dtype or any(low % edge for low, _, edge in edges):
            return None
        voxels = np.empty(tuple(roi.shape), self.dtype)
        for place in itertools.product(*(range(a // n, -(-b // n)) for a, b, n in edges)):
            chunk = self.decoded(place)
            if chunk is None:
                return None
            starts = [at * n - low for at, (low, _, n) in zip(place, edges, strict=True)]
            into = tuple(slice(at, at + n) for at, n in zip(starts, self.shape, strict=True))
            part = voxels[into]
            part[...] = chunk[tuple(map(slice, part.shape))]
        return voxels

    def path(self, place: Sequence[int]) -> str:
        """Return where the chunk with these numbers lies."""
        return self.folder + self.prefix + self.separator.join(map(str, place))

    def decoded(self, place: Sequence[int]) -> NDArray[Any] | None:
        """Read a chunk; None if tensorstore has to look at it."""
        try:
            content = Path(self.path(place)).read_bytes()
        except OSError:
            return None
        voxels = np.empty(self.shape, self.dtype)
        return voxels if _decoded(content, voxels) else None


@dataclass(frozen=True, slots=True)
class ShardedChunks(WholeChunks):
    """Where the chunks of an array lie, some in each file."""

    per_shard: tuple[int, ...] = ()
    """Chunks of a shard along each axis."""

    def path(self, place: Sequence[int]) -> str:
        """Return where the shard lies that has the chunk with these numbers."""
        shard = (at // n for at, n in zip(place, self.per_shard, strict=True))
        return self.folder + self.prefix + self.separator.join(map(str, shard))

    def decoded(self, place: Sequence[int]) -> NDArray[Any] | None:
        """Read a chunk; None if tensorstore has to look at it."""
        content = self._content(place)
        if content is None:
            return None
        if not content:  # chunks of zeros are not stored
            return np.zeros(self.shape, self.dtype)
        voxels = np.empty(self.shape, self.dtype)
        return voxels if _decoded(content, voxels) else None

    def _content(self, place: Sequence[int]) -> bytes | None:
        """Return the bytes of a chunk, after their check; empty: it is not stored."""
        number = 0
        for at, n in zip(place, self.per_shard, strict=True):
            number = number * n + at % n
        length = math.prod(self.per_shard) * _SPAN + _CRC
        with suppress(OSError), open(self.path(place), "rb", buffering=0) as file:  # noqa: PTH123
            end = os.fstat(file.fileno()).st_size
            index = _checked(os.pread(file.fileno(), length, max(end - length, 0)))
            if index is None or len(index) != length - _CRC:
                return None
            span = index[number * _SPAN : (number + 1) * _SPAN]
            offset, size = (int.from_bytes(span[at : at + 8], "little") for at in (0, 8))
            if offset == size == _ABSENT:
                return b""
            if offset + size > end:
                return None
            return _checked(os.pread(file.fileno(), size, offset)) or None
        return None


def _checked(content: bytes) -> bytes | None:
    """Return what stands before a checksum; None where it is that of something else."""
    from google_crc32c import value as crc32c

    own, crc = content[:-_CRC], content[-_CRC:]
    return own if crc32c(own) == int.from_bytes(crc, "little") else None


def whole_chunks(spec: Mapping[str, Any]) -> WholeChunks | None:
    """Return where the chunks of an array lie; None if they are not read in this way.

    Parameters
    ----------
    spec : mapping
        Of the open array, as tensorstore describes it.
    """
    metadata = spec.get("metadata", {})
    grid, keys = metadata.get("chunk_grid", {}), metadata.get("chunk_key_encoding", {})
    is_plain = (
        spec.get("driver") == "zarr3"
        and spec["kvstore"].get("driver") == "file"
        and grid.get("name") == "regular"
        and keys.get("name") == "default"
        and metadata.get("data_type") in _TYPES
        and sys.byteorder == "little"
    )
    if not is_plain or not grid["configuration"]["chunk_shape"]:
        return None
    separator = keys.get("configuration", {}).get("separator", "/")
    shape = tuple(grid["configuration"]["chunk_shape"])
    dtype = np.dtype(metadata["data_type"])
    place = spec["kvstore"]["path"], f"c{separator}", separator
    codecs = metadata.get("codecs", [])
    if _are(codecs, "bytes", "zstd"):
        return WholeChunks(*place, shape, dtype)
    inside = codecs[0].get("configuration", {}) if _are(codecs, "sharding_indexed") else {}
    is_ours = (
        _are(inside.get("codecs", []), "bytes", "zstd", "crc32c")
        and _are(inside.get("index_codecs", []), "bytes", "crc32c")
        and inside.get("index_location", "end") == "end"
        and not metadata.get("fill_value", 0)
    )
    if not is_ours:
        return None
    inner = tuple(inside["chunk_shape"])
    per_shard = tuple(edge // own for edge, own in zip(shape, inner, strict=True))
    return ShardedChunks(*place, inner, dtype, per_shard)


def _are(codecs: Sequence[Mapping[str, Any]], *names: str) -> bool:
    """Whether codecs have these names, and write numbers as this machine does."""
    endian = codecs[0].get("configuration", {}).get("endian", "little") if codecs else ""
    return [codec.get("name") for codec in codecs] == [*names] and endian == "little"


def _decoded(content: bytes, voxels: NDArray[Any]) -> bool:
    """Decode a chunk into its voxels; False if it is not what was written."""
    try:
        decompress_into(content, voxels)
    except (RuntimeError, ValueError):
        return False
    return voxels.dtype != bool or int(voxels.view(np.uint8).max()) <= 1

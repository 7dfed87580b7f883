"""Whole chunks of local zarrs, packed by zstd, decoded into the very array that is asked for.

Tensorstore decodes a chunk into its cache and copies it from there, which a block that reads each
chunk once has nothing of: a third of the time, and the memory of the cache.  Whatever is not plain
(a chunk that is not there or is damaged, other codecs) is left to tensorstore, and to its errors.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
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


def whole_chunks(spec: Mapping[str, Any]) -> WholeChunks | None:
    """Return where the chunks of an array lie; None if they are not read in this way.

    Parameters
    ----------
    spec : mapping
        Of the open array, as tensorstore describes it.
    """
    metadata = spec.get("metadata", {})
    grid, keys = metadata.get("chunk_grid", {}), metadata.get("chunk_key_encoding", {})
    codecs = metadata.get("codecs", [])
    is_plain = (
        spec.get("driver") == "zarr3"
        and spec["kvstore"].get("driver") == "file"
        and grid.get("name") == "regular"
        and keys.get("name") == "default"
        and metadata.get("data_type") in _TYPES
        and [codec.get("name") for codec in codecs] == ["bytes", "zstd"]
        and codecs[0].get("configuration", {}).get("endian", "little") == sys.byteorder == "little"
    )
    if not is_plain:
        return None
    separator = keys.get("configuration", {}).get("separator", "/")
    shape = tuple(grid["configuration"]["chunk_shape"])
    if not shape:
        return None
    dtype = np.dtype(metadata["data_type"])
    return WholeChunks(spec["kvstore"]["path"], f"c{separator}", separator, shape, dtype)


def _decoded(content: bytes, voxels: NDArray[Any]) -> bool:
    """Decode a chunk into its voxels; False if it is not what was written."""
    try:
        decompress_into(content, voxels)
    except (RuntimeError, ValueError):
        return False
    return voxels.dtype != bool or int(voxels.view(np.uint8).max()) <= 1

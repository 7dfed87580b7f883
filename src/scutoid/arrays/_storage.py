"""How a result is stored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Storage:
    """Format, chunks and compression of stored images; never part of a key.

    Examples
    --------
    >>> Storage(chunks=32, compressor="none").format is None
    True
    """

    format: str | None = None
    """ "zarr" (OME-Zarr 0.5) or "tiff" (OME-TIFF); None: zarr."""
    chunks: tuple[int, ...] | int | None = None
    """Inner chunks, in voxels; None: up to 64 on each axis."""
    shards: tuple[int, ...] | None = None
    """Shards, in voxels; None: one a block."""
    compressor: str | None = None
    """ "zstd", "blosc", "gzip" or "none"; None: zstd."""
    levels: int = 1
    """Pyramid levels."""

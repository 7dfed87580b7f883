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
    """Of images "zarr" (OME-Zarr 0.5) or "tiff" (OME-TIFF); of a collection's members also "npy"
    and "png".  Of values and tables one of `scutoid.store.FORMATS`, such as "csv".  None: zarr,
    for members of up to half a gigabyte tiff, and for all else by its type."""
    chunks: tuple[int, ...] | int | None = None
    """Inner chunks, in voxels; None: up to 64 on each axis."""
    shards: tuple[int, ...] | None = None
    """Shards, in voxels; None: one a block."""
    compressor: str | None = None
    """ "zstd", "blosc", "gzip" or "none"; None: zstd."""
    levels: int = 1
    """Pyramid levels."""

"""Options of storage: format, chunks, compression, pyramid."""

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
    """Pyramid levels, of a zarr: each is downsampled from the one above, a block at a time."""
    factors: tuple[int, ...] | int | None = None
    """Voxels of a level in one of the next, for all spatial axes or one for each; None: 2, but an
    axis whose voxels are twice as long as those of others waits until these have caught up."""
    downsampling: str | None = None
    """Method of downsampling: "mean", "mode", "nearest" or "max", as in
    `scutoid.kernels.downsample`; None: the mean, of labels and truth values the mode."""

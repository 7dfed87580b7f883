"""How a result is stored, and what to say when the disk refuses."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from scutoid.errors import MetadataError, StoreError

COMPRESSORS = ("zstd", "blosc", "gzip", "none")
"""Names of compressors of zarr chunks."""

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run again; what was finished is kept",
    errno.EDQUOT: "your quota is used up: free some space and run again; what was finished is kept",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "you may not write here: choose another folder, or change its permissions",
    errno.EPERM: "you may not write here: choose another folder, or change its permissions",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """Format, chunks and compression of stored images; never part of a key.

    Raises
    ------
    MetadataError
        If a compressor is unknown, or a length is not positive.

    Examples
    --------
    >>> Storage(chunks=32, compressor="none").format is None
    True
    """

    format: str | None = None
    """ "zarr" (OME-Zarr 0.5) or "tiff" (OME-TIFF); None: zarr."""
    chunks: tuple[int, ...] | int | None = None
    """Inner chunks, in voxels, at most: the largest that divide a shard; None: 64 on each axis."""
    shards: tuple[int, ...] | None = None
    """Shards, in voxels, of which a block is made; None: one a block."""
    compressor: str | None = None
    """ "zstd", "blosc", "gzip" or "none"; None: zstd."""
    levels: int = 1
    """Pyramid levels."""

    def __post_init__(self) -> None:
        if self.compressor is not None and self.compressor not in COMPRESSORS:
            raise MetadataError(
                f"a compressor is one of {', '.join(COMPRESSORS)}",
                value=self.compressor,
                place="storage",
            )
        lengths = (self.chunks,) if isinstance(self.chunks, int) else self.chunks or ()
        if any(length < 1 for length in (*lengths, *(self.shards or ()), self.levels)):
            raise MetadataError("chunks, shards and levels are 1 or more", value=self)


def write_error(error: Exception, place: str) -> StoreError:
    """Say what the operating system refused, where, and what to do about it.

    Tensorstore puts the system's error number into its text.
    """
    number = getattr(error, "errno", None)
    if number is None and (said := re.search(r"os_error_code='(\d+)'", str(error))):
        number = int(said[1])
    return StoreError(
        "an image can be written to its store",
        value=(getattr(error, "strerror", None) or str(error))[:500],
        place=place,
        remedy=_REMEDIES.get(
            number or 0, "check the folder and the disk; what was finished before is kept"
        ),
    )

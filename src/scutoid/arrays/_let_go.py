"""What a process keeps of images between two reads, given back where none is to follow soon."""

from __future__ import annotations

from scutoid.arrays._cache import SHARED
from scutoid.arrays._microscopes import close_readers
from scutoid.arrays._tiff_files import FILES
from scutoid.arrays._zarr_cut import CUT


def let_go() -> None:
    """Drop decoded chunks, and close files that are open for the next read."""
    SHARED.clear()
    CUT.clear()
    FILES.close()
    close_readers()

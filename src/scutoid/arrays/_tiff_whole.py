"""Whether the pages of a TIFF are whole: all their data are named, and lie in the file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scutoid.errors import SourceError

if TYPE_CHECKING:
    from tifffile import TiffFrame, TiffPage, TiffPageSeries

CHECKED_PAGES = 4096
"""Pages that are looked at when a file is opened; the others are when they are read."""
DAMAGED = "the file is damaged or cut off: restore it from its source"


def data_offset(series: TiffPageSeries) -> int | None:
    """Return where the voxels of an image begin, if they lie in one piece, of one file.

    tifffile takes no notice of the files of its pages.
    """
    offset = series.dataoffset
    if offset is None:
        return None
    parent = series.keyframe.parent
    is_one = all(page is not None and page.parent is parent for page in series.pages)
    return int(offset) if is_one else None


def check_length(series: TiffPageSeries) -> None:
    """Refuse truncated files; of an image without voxels nothing is stored."""
    if 0 in series.shape:
        return
    offset = data_offset(series)
    if offset is None:
        check_pages(series, 0, CHECKED_PAGES)
        return
    path, size = series.keyframe.parent.filehandle.path, series.keyframe.parent.filehandle.size
    if offset + series.nbytes > size:
        whole = max((size - offset) // max(series.keyframe.nbytes, 1), 0)
        raise _cut_off(path, f"page {whole}", offset + series.nbytes, size)


def check_pages(series: TiffPageSeries, first: int, stop: int | None) -> None:
    """Refuse pages that are not whole, among some of an image."""
    for number, page in enumerate(series.pages[first:stop], first):
        if page is not None:
            check_page(page, number)


def check_page(page: TiffPage | TiffFrame, number: object) -> None:
    """Refuse a page whose data lie outside its file, or which names less than all of them.

    What has neither place nor length was left out on purpose, as empty tiles are.
    """
    offsets, counts, keyframe = page.dataoffsets, page.databytecounts, page.keyframe
    n_named = min(len(offsets), len(counts))
    n_needed = n_named if keyframe is None else math.prod(keyframe.chunked)
    if 0 in offsets:
        n_named -= sum(o == 0 and n > 0 for o, n in zip(offsets, counts, strict=False))
    if n_named < n_needed:
        raise SourceError(
            "a page of a TIFF says where each of its strips or tiles lies",
            value=f"page {number} says so of {n_named} of {n_needed}",
            place=page.parent.filehandle.path,
            remedy=DAMAGED,
        )
    ends = (o + n for o, n in zip(offsets, counts, strict=False))
    needed, handle = max(ends, default=0), page.parent.filehandle
    if needed > handle.size:
        raise _cut_off(handle.path, f"page {number}", needed, handle.size)


def _cut_off(path: str, where: str, needed: int, size: int) -> SourceError:
    return SourceError(
        "a TIFF holds all the data that it names",
        value=f"{where} is not whole: {needed} bytes are named, the file has {size}",
        place=path,
        remedy="the file is cut off: copy it again from its source",
    )

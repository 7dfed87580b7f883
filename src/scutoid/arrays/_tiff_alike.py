"""TIFF files that differ in nothing but their voxels from one that was opened before.

::

    header, tags, values    voxels, as they are    more values
    ───── the same ─────                           ─ the same ─

A folder often holds thousands of such.  A library takes longer to parse the tags of a small one
than the system to read all of it; and whatever is said of a file follows from its size and the
bytes around its voxels, if all that tags name lies there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scutoid.arrays._endings import TIFF_ENDINGS
from scutoid.arrays._parts import parts_at
from scutoid.arrays._request import Request
from scutoid.arrays._source import SourceFiles, stamp_in
from scutoid.arrays._tiff import PlainVoxels, TiffSource
from scutoid.arrays._tiff_layout import SMALL
from scutoid.arrays._tiff_whole import data_offset
from scutoid.regular import open_regular

if TYPE_CHECKING:
    from tifffile import TiffFile

_MOST = 8
"""Forms of files that are remembered."""
_AROUND = 2**16
"""Bytes around voxels up to which they are compared."""
_KNOWN_TAGS = frozenset(
    {*range(254, 260), 262, 266, *range(269, 275), *range(277, 288), 296, 305, 306}
    | {*range(315, 318), 338, 339}
)
"""Tags of the standard whose values name nothing further in the file, but its strips."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A file but for its voxels."""

    size: int
    """Bytes of the file."""
    before: bytes
    """What is before the voxels."""
    behind: bytes
    """What is behind them."""
    request: Request
    """What was said of it when it was opened."""
    source: TiffSource
    """What it was found to be."""

    def is_of(self, descriptor: int) -> bool:
        """Whether a file of this size is of this form."""
        start = self.size - len(self.behind)
        return (
            os.pread(descriptor, len(self.before), 0) == self.before
            and os.pread(descriptor, len(self.behind), start) == self.behind
        )


class Forms:
    """The forms of the files that this process has opened last."""

    def __init__(self) -> None:
        self._forms: tuple[_Form, ...] = ()

    def opened(self, path: str, request: Request) -> TiffSource | None:
        """Open a file that is like one before; None: it is not, or cannot be read.

        Parameters
        ----------
        path : str
            Absolute path.
        request : Request
            What is said of it.
        """
        forms = self._forms
        if not forms or not path.lower().endswith(TIFF_ENDINGS) or parts_at(path) is not None:
            return None
        try:
            descriptor = open_regular(path)
        except OSError:  # who opens it otherwise says so
            return None
        try:
            stamp = stamp_in(os.fstat(descriptor))
            for form in forms:
                if form.size == stamp[0] and form.request == request and form.is_of(descriptor):
                    files = SourceFiles((path,), (stamp,))
                    return replace(form.source, path=path, files=files)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return None

    def remember(self, file: TiffFile, request: Request, source: TiffSource) -> None:
        """Remember the form of an open file of one page, if others can be told to be like it."""
        voxels = _voxels_of(file, source)
        if voxels is None:
            return
        start, end, size = voxels
        with file.filehandle.lock:
            file.filehandle.seek(0)
            before = file.filehandle.read(start)
            file.filehandle.seek(end)
            behind = file.filehandle.read(size - end)
        series = file.series[0]
        plain = PlainVoxels(start, series.dtype.newbyteorder(file.byteorder))
        form = _Form(size, before, behind, request, replace(source, plain=plain))
        self._forms = (form, *self._forms)[:_MOST]


FORMS = Forms()
"""Those of this process."""


def _voxels_of(file: TiffFile, source: TiffSource) -> tuple[int, int, int] | None:
    """Return where voxels begin and end, and the size of the file, if nothing else lies there."""
    if not source.path.lower().endswith(TIFF_ENDINGS) or file.is_ome or len(file.series) != 1:
        return None
    series, page, size = file.series[0], file.pages.first, file.filehandle.size
    start = data_offset(series)
    end = (start or 0) + series.nbytes
    if start is None or not start < end <= size <= SMALL or source.layout.way != "whole":
        return None
    head, of_tag, link = (8, 20, 8) if file.is_bigtiff else (2, 12, 4)
    spans = [(page.offset, page.offset + head + of_tag * len(page.tags) + link)]
    for tag in page.tags:
        if tag.code not in _KNOWN_TAGS:
            return None
        spans.append((tag.valueoffset, tag.valueoffset + tag.valuebytecount))
    is_apart = all(stop <= start or first >= end for first, stop in spans)
    is_apart = is_apart and start + size - end <= _AROUND
    return (start, end, size) if is_apart else None

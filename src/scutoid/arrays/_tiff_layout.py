"""In what pieces the image of a TIFF is read, and where each lies in what the file stores.

A TIFF has no axes of one voxel; an image that has them is read in the pieces of one without::

    image      (1, 30, 1, 512, 512)     piece (0, 7, 0, 0, 0)
    stored        (30,    512, 512)     piece    (7,    0, 0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tiff_whole import data_offset

if TYPE_CHECKING:
    from tifffile import TiffPageSeries

SMALL = 16 * 2**20
"""Bytes up to which a file, or a page, is decoded in one piece."""
_SLAB = 4 * 2**20
"""Bytes that are read in one piece where all voxels of a file lie together."""

Way = Literal["whole", "plain", "pages", "segments"]


@dataclass(frozen=True, slots=True)
class StoredLayout:
    """The pieces of an image as a file stores it.

    Examples
    --------
    >>> layout = StoredLayout("pages", (30, 512, 512), (1, 512, 512))
    >>> layout.chunks_of((1, 30, 1, 512, 512)), layout.place((0, 7, 0, 0, 0), (1, 30, 1, 512, 512))
    ((1, 1, 1, 512, 512), (7, 0, 0))
    """

    way: Way
    """The way it is read: in one piece, as it lies there, by page or by strip or tile."""
    shape: tuple[int, ...]
    """Voxels along each axis that is stored."""
    chunks: tuple[int, ...]
    """Shape of a piece: all, a slab, a page, or a strip or tile."""

    def chunks_of(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a piece by the axes of the image, whose shape is given."""
        if self.way == "whole":
            return tuple(max(n, 1) for n in shape)
        return self.spread(self.chunks, shape)

    def spread(self, lengths: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
        """Return lengths by axis that is stored, by axis of the image, whose shape is given."""
        return _spread(lengths, self.shape, shape, 1)

    def place(self, place: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
        """Return the place of a piece among those that are stored."""
        return _spread(place, shape, self.shape, 0)

    def slices(self, place: Sequence[int]) -> tuple[slice, ...]:
        """Return where a piece that is stored lies."""
        return tuple(
            slice(p * c, min((p + 1) * c, n))
            for p, c, n in zip(place, self.chunks, self.shape, strict=True)
        )

    def piece(self, place: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a piece that is stored, which an edge may cut off."""
        return tuple(each.stop - each.start for each in self.slices(place))


def _spread(
    values: Sequence[int], own: Sequence[int], other: Sequence[int], of_one: int
) -> tuple[int, ...]:
    """Return values by axis of a shape, by axis of another, which differs in axes of one voxel."""
    longer = iter([value for value, n in zip(values, own, strict=True) if n != 1])
    return tuple(of_one if n == 1 else next(longer) for n in other)


def layout_of(series: TiffPageSeries, spec: ImageSpec) -> StoredLayout:
    """Choose the way in which an image is read, once for all its regions."""
    shape = tuple(max(n, 1) for n in series.shape)
    whole = StoredLayout("whole", shape, shape)
    page = series.keyframe
    of_page = tuple(page.shape)
    n_lead = len(shape) - len(of_page)
    lead = (1,) * max(n_lead, 0)
    if spec.nbytes <= SMALL or _longer(spec.shape) != _longer(series.shape):
        return whole
    if data_offset(series) is not None:
        # The last axes that fit in a slab together, and as much of the next one as fits.
        chunks: tuple[int, ...] = ()
        room = _SLAB // spec.dtype.itemsize
        for size in reversed(shape):
            chunks = (max(min(size, room), 1), *chunks)
            room //= chunks[0] if chunks[0] == size else room + 1
        return StoredLayout("plain", shape, chunks)
    if n_lead < 0 or shape[n_lead:] != of_page:
        return whole
    if page.nbytes <= SMALL or len(page.chunked) != len(of_page):
        return StoredLayout("pages", shape, (*lead, *of_page))
    segment = (1,) * (len(of_page) - len(page.chunks)) + tuple(page.chunks)
    return StoredLayout("segments", shape, (*lead, *segment))


def _longer(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n != 1]

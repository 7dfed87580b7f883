"""TIFF, OME-TIFF and ImageJ files, read by page, strip or tile when they are needed.

The way a file is read is chosen once, when it is opened: small files go in one piece, data
that lie in one piece are read as they are, large pages go strip by strip or tile by tile, and
others page by page.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._guard import check_system, guarded
from scutoid.arrays._parts import parts_at
from scutoid.arrays._plain_array import PlainArray
from scutoid.arrays._source import SourceFiles, SourceIdentity, Stamp, owned
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tiff_files import FILES
from scutoid.arrays._tiff_handles import readable
from scutoid.arrays._tiff_images import series_at
from scutoid.arrays._tiff_layout import StoredLayout, Way
from scutoid.arrays._tiff_whole import CHECKED_PAGES, DAMAGED, check_page, check_pages, data_offset
from scutoid.errors import SIGNS_OF_DAMAGE, MissingExtra, ScutoidError, SourceError
from scutoid.geometry import Roi

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries


@dataclass(frozen=True, slots=True)
class PlainVoxels:
    """Where all voxels of a small file lie in one piece, so that nothing need be parsed to read."""

    start: int
    """Byte at which they begin."""
    dtype: np.dtype[Any]
    """Their type as it is stored, in its byte order."""


@dataclass(frozen=True, slots=True, eq=False)
class TiffSource:
    """An image of a TIFF file."""

    threadsafe: ClassVar[bool] = True
    spec: ImageSpec
    """Description of the image."""
    path: str
    """Absolute path."""
    chunks: tuple[int, ...]
    """Shape of the whole image, a page, or a strip or tile."""
    layout: StoredLayout
    """The way it is read, and in what pieces of what is stored."""
    files: SourceFiles
    """The file, and the others that hold pages of this image."""
    level: int = 0
    """Pyramid level."""
    levels: int = 1
    """Number of pyramid levels."""
    ome: bool | str = True
    """Whether its OME-XML is followed, if it has any, else its pages alone; or the file that has
    the OME-XML in its place."""
    series: int | None = 0
    """Number of the image in the file; None: the stack of its pages."""
    is_one_of: bool = False
    """Whether the file has others."""
    plain: PlainVoxels | None = None
    """Where its voxels lie, if that is known without a look at its tags."""

    @property
    def identity(self) -> SourceIdentity:
        """The files."""
        series = f", series {self.series}" if self.is_one_of else ""
        return SourceIdentity("files", self.files.paths, detail=f"level {self.level}{series}")

    @guarded
    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        stamps = self.files.stamps_now()  # chunks in the cache may be of what the files were
        return read_chunked(
            ("tiff", self.path, self.series, self.level, stamps),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda place: self._decode(place, stamps),
        )

    def _decode(self, place: tuple[int, ...], stamps: tuple[Stamp, ...]) -> NDArray[Any]:
        import tifffile

        try:
            if self.plain is not None:
                decoded = self._decode_plain(self.plain)
            else:
                with FILES.borrow(self.path, stamps, ome=self.ome) as file:
                    decoded = self._decode_piece(file, place)
        except ScutoidError:
            raise
        except (tifffile.TiffFileError, *SIGNS_OF_DAMAGE) as error:
            if "imagecodecs" in str(error):
                raise MissingExtra.of("imagecodecs", extra="formats") from error
            check_system(error, self.path)
            raise SourceError(
                "the pages of a TIFF can be decoded",
                value=f"{type(error).__name__}: {error}",
                place=f"{self.path}, chunk {place}",
                remedy=DAMAGED,
            ) from error
        return owned(decoded, self.spec.dtype)

    def _decode_plain(self, plain: PlainVoxels) -> NDArray[Any]:
        shape = self.layout.shape
        array = PlainArray(self.path, plain.start, plain.dtype, shape)
        return array.read(tuple(slice(0, n) for n in shape)).reshape(self.spec.shape)

    def _decode_piece(self, file: TiffFile, place: tuple[int, ...]) -> NDArray[Any]:
        series, shape = _series(self, file), self.spec.shape
        if self.layout.way == "whole":
            return _whole(series, file).reshape(shape)
        stored = _WAYS[self.layout.way](series, self.layout, self.layout.place(place, shape), file)
        return stored.reshape(self.layout.spread(stored.shape, shape))


def _series(source: TiffSource, file: TiffFile) -> TiffPageSeries:
    with file.filehandle.lock:  # parses the file the first time
        series = series_at(file, source.series)
        if series is None:
            raise ValueError("its pages are gone")
        return series.levels[source.level]


def _page(
    series: TiffPageSeries, layout: StoredLayout, place: tuple[int, ...]
) -> TiffPage | TiffFrame | None:
    """Return the page of a chunk; None for a page that the file leaves out."""
    n_lead = len(layout.shape) - len(series.keyframe.shape)
    number = int(np.ravel_multi_index(place[:n_lead], layout.shape[:n_lead])) if n_lead else 0
    with series.keyframe.parent.filehandle.lock:
        return series.pages[number]


def _whole(series: TiffPageSeries, file: TiffFile) -> NDArray[Any]:
    if data_offset(series) is None:
        check_pages(series, CHECKED_PAGES, None)
    if all(page is None or page.parent is file for page in series.pages):
        voxels: NDArray[Any] = series.asarray(maxworkers=1)
        return voxels
    out = np.zeros((len(series.pages), *series.keyframe.shape), series.dtype)
    for number, page in enumerate(series.pages):
        if page is not None:
            with readable(file, page):
                out[number] = page.asarray(maxworkers=1)
    return out


def _plain(
    series: TiffPageSeries, layout: StoredLayout, place: tuple[int, ...], _file: TiffFile
) -> NDArray[Any]:
    parent = series.keyframe.parent
    dtype = np.dtype(series.dtype).newbyteorder(parent.byteorder)
    if series.dataoffset is None:
        raise ValueError("its pages are not in one piece")
    path, region = parent.filehandle.path, layout.slices(place)
    ranged = parts_at(path)
    if ranged is None:
        return PlainArray(path, series.dataoffset, dtype, layout.shape).read(region)
    first = int(np.ravel_multi_index([each.start for each in region], layout.shape))
    shape = layout.piece(place)  # a piece lies together
    n_bytes, start = math.prod(shape) * dtype.itemsize, series.dataoffset + first * dtype.itemsize
    return np.frombuffer(ranged.pread(n_bytes, start), dtype).reshape(shape)


def _paged(
    series: TiffPageSeries, layout: StoredLayout, place: tuple[int, ...], file: TiffFile
) -> NDArray[Any]:
    shape = layout.piece(place)
    page = _page(series, layout, place)
    if page is None:
        return np.zeros(shape, series.dtype)
    check_page(page, place)  # most codecs notice a part that is missing, JPEG does not
    with readable(file, page):
        return page.asarray(maxworkers=1).reshape(shape)


def _segment(
    series: TiffPageSeries, layout: StoredLayout, place: tuple[int, ...], file: TiffFile
) -> NDArray[Any]:
    shape = layout.piece(place)
    page = _page(series, layout, place)
    if page is None:
        return np.zeros(shape, series.dtype)
    keyframe = page.keyframe
    if keyframe is None:
        raise ValueError("a page refers to no other that describes it")
    n_page = len(keyframe.chunked)
    index = int(np.ravel_multi_index(place[len(place) - n_page :], keyframe.chunked))
    count = page.databytecounts[index]
    if count == 0:  # a sparse file leaves out empty tiles
        return np.full(shape, keyframe.nodata, series.dtype)
    data = _stored(file, page, page.dataoffsets[index], count)
    if len(data) != count:
        raise ValueError(f"{len(data)} of {count} bytes are there")
    options: dict[str, object] = {"_fullsize": True} if keyframe.is_tiled else {}
    if keyframe.compression in {6, 7, 34892, 33007}:  # JPEG keeps its tables apart
        options |= {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader}
    segment: NDArray[Any] = np.asarray(keyframe.decode(data, index, **options)[0])
    # (depth, length, width, samples) to the axes of the page; a tile may stick out of it.
    full = (1,) * (len(shape) - len(keyframe.chunks)) + tuple(keyframe.chunks)
    if not keyframe.is_tiled:
        return segment.reshape(shape)
    return segment.reshape(full)[tuple(slice(n) for n in shape)]


def _stored(file: TiffFile, page: TiffPage | TiffFrame, start: int, count: int) -> bytes:
    ranged = parts_at(page.parent.filehandle.path)
    if ranged is not None:  # several threads ask at once
        return ranged.pread(count, start)
    with readable(file, page) as handle, handle.lock:
        handle.seek(start)
        data: bytes = handle.read(count)
        return data


_Decoder: TypeAlias = Callable[
    ["TiffPageSeries", StoredLayout, tuple[int, ...], "TiffFile"], NDArray[Any]
]
_WAYS: dict[Way, _Decoder] = {
    "plain": _plain,
    "pages": _paged,
    "segments": _segment,
}

"""TIFF, OME-TIFF and ImageJ files, read by page, strip or tile when they are needed.

The way a file is read is chosen once, when it is opened: small files go in one piece, contiguous
data is mapped, large pages go strip by strip or tile by tile, and others page by page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._notes import NOTHING
from scutoid.arrays._source import SourceFiles, SourceIdentity, Stamp, check_inside, owned
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tiff_chain import BrokenChain, count_pages
from scutoid.arrays._tiff_files import FILES, open_pages
from scutoid.arrays._tiff_layout import StoredLayout, Way, layout_of
from scutoid.arrays._tiff_metadata import ome_root, read_spec
from scutoid.arrays._tiff_named import (
    check_files,
    check_is_ome,
    check_planes,
    check_series,
    outside,
)
from scutoid.errors import (
    SIGNS_OF_DAMAGE,
    MetadataError,
    MissingExtra,
    ScutoidError,
    SourceError,
)
from scutoid.geometry import Roi

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries

TIFF_ENDINGS = (".tif", ".tiff")
_CHECKED_PAGES = 4096
"""Pages that are looked at when a file is opened; the others are when they are read."""
_DESCRIBED = frozenset(("axes", "voxel_size"))
"""What a user gives of an image whose metadata are not needed."""

_DAMAGED = "the file is damaged or cut off: restore it from its source"


@dataclass(frozen=True, slots=True, eq=False)
class TiffSource:
    """The first image of a TIFF file."""

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
    is_ome: bool = True
    """Whether its OME-XML is followed, if it has any; else its pages alone."""

    @property
    def identity(self) -> SourceIdentity:
        """The files."""
        return SourceIdentity("files", self.files.paths, detail=f"level {self.level}")

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        check_inside(roi, self.spec)
        stamps = self.files.stamps_now()  # chunks in the cache may be of what the files were
        return read_chunked(
            ("tiff", self.path, self.level, stamps),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda place: self._decode(place, stamps),
        )

    def _decode(self, place: tuple[int, ...], stamps: tuple[Stamp, ...]) -> NDArray[Any]:
        import tifffile

        try:
            with FILES.borrow(self.path, stamps, is_ome=self.is_ome) as file:
                decoded = self._decode_piece(file, place)
        except ScutoidError:
            raise
        except (tifffile.TiffFileError, *SIGNS_OF_DAMAGE) as error:
            if "imagecodecs" in str(error):
                raise MissingExtra.of("imagecodecs", extra="formats") from error
            raise SourceError(
                "the pages of a TIFF can be decoded",
                value=f"{type(error).__name__}: {error}",
                place=f"{self.path}, chunk {place}",
                remedy=_DAMAGED,
            ) from error
        return owned(decoded, self.spec.dtype)

    def _decode_piece(self, file: TiffFile, place: tuple[int, ...]) -> NDArray[Any]:
        series, shape = _series(file, self.level), self.spec.shape
        if self.layout.way == "whole":
            return _whole(series).reshape(shape)
        stored = _WAYS[self.layout.way](series, self.layout, self.layout.place(place, shape))
        return stored.reshape(self.layout.spread(stored.shape, shape))


def _series(file: TiffFile, level: int) -> TiffPageSeries:
    with file.filehandle.lock:  # parses the file the first time
        return file.series[0].levels[level]


def _page(
    series: TiffPageSeries, layout: StoredLayout, place: tuple[int, ...]
) -> TiffPage | TiffFrame | None:
    """Return the page of a chunk; None for a page that the file leaves out."""
    n_lead = len(layout.shape) - len(series.keyframe.shape)
    number = int(np.ravel_multi_index(place[:n_lead], layout.shape[:n_lead])) if n_lead else 0
    with series.keyframe.parent.filehandle.lock:
        return series.pages[number]


def _whole(series: TiffPageSeries) -> NDArray[Any]:
    if series.dataoffset is None:
        _check_pages(series, _CHECKED_PAGES, None)
    voxels: NDArray[Any] = series.asarray(maxworkers=1)
    return voxels


def _mapped(series: TiffPageSeries, layout: StoredLayout, place: tuple[int, ...]) -> NDArray[Any]:
    parent = series.keyframe.parent
    dtype = np.dtype(series.dtype).newbyteorder(parent.byteorder)
    if series.dataoffset is None:
        raise ValueError("its pages are not in one piece")
    mapped: NDArray[Any] = np.memmap(
        parent.filehandle.path, dtype, mode="r", offset=series.dataoffset, shape=layout.shape
    )
    piece: NDArray[Any] = mapped[layout.slices(place)]
    return piece


def _paged(series: TiffPageSeries, layout: StoredLayout, place: tuple[int, ...]) -> NDArray[Any]:
    shape = layout.piece(place)
    page = _page(series, layout, place)
    if page is None:
        return np.zeros(shape, series.dtype)
    _check_page(page, place)  # most codecs notice a part that is missing, JPEG does not
    return page.asarray(maxworkers=1).reshape(shape)


def _segment(series: TiffPageSeries, layout: StoredLayout, place: tuple[int, ...]) -> NDArray[Any]:
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
    handle = page.parent.filehandle
    with handle.lock:
        handle.seek(page.dataoffsets[index])
        data = handle.read(count)
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


_WAYS: dict[Way, Callable[[TiffPageSeries, StoredLayout, tuple[int, ...]], NDArray[Any]]] = {
    "mapped": _mapped,
    "pages": _paged,
    "segments": _segment,
}


def open_tiff(
    path: str,
    *,
    level: int = 0,
    axes: str | None = None,
    allow_outside: bool = False,
    given: Mapping[str, object] = NOTHING,
) -> TiffSource:
    """Open the first image of a TIFF file; reads metadata only.

    Parameters
    ----------
    path : str
        Absolute path.
    level : int
        Pyramid level.
    axes : str, optional
        One letter an axis; default: what the file says.
    allow_outside : bool
        Whether files that it names may lie outside its folder.
    given : mapping
        What the user says of the image, by name, which its metadata then need not.

    Raises
    ------
    SourceError
        If it is no TIFF, truncated, or without all that it names.
    MetadataError
        If its axes are unknown, or there is no such level.
    """
    import tifffile

    try:
        try:
            with open_pages(path) as file:
                return _describe(file, path, level, axes, given, allow_outside=allow_outside)
        except _BrokenOme as broken:
            if not given.keys() >= _DESCRIBED:
                raise _unfollowed(broken.__cause__, path) from broken
        with open_pages(path, is_ome=False) as file:
            source = _describe(file, path, level, axes, given, allow_outside=allow_outside)
            return replace(source, is_ome=False)
    except ScutoidError:
        raise
    except BrokenChain as error:
        raise SourceError(
            "a TIFF has at least one image, and all the pages that it lists",
            value=f"it breaks off after page {max(error.n_whole - 1, 0)}: {error}",
            place=path,
            remedy=_DAMAGED,
        ) from error
    except (tifffile.TiffFileError, *SIGNS_OF_DAMAGE) as error:
        raise SourceError(
            "a TIFF file can be read",
            value=f"{type(error).__name__}: {error}",
            place=path,
            remedy="the file is damaged, cut off, or no TIFF: restore it from its source",
        ) from error


class _BrokenOme(Exception):
    """OME-XML that cannot be followed; its cause says why."""


def _read_ome(file: TiffFile, n_pages: int, *, allow_outside: bool) -> ET.Element | None:
    """Return the OME-XML of a file, if it has any, seen to be one that can be followed."""
    try:
        root = ome_root(file)
        if root is not None:
            check_files(root, file.filehandle.path, allow_outside=allow_outside)
            check_planes(root, file.filehandle.path, n_pages)
            file.series  # noqa: B018 - takes its numbers, and opens the other files
    except (ScutoidError, BrokenChain):
        raise
    except (SyntaxError, ValueError, KeyError) as error:
        raise _BrokenOme from error
    return root


def _unfollowed(error: BaseException | None, path: str) -> MetadataError:
    return MetadataError(
        "the OME-XML of a TIFF is well-formed, with numbers where its schema has them",
        value=f"{type(error).__name__}: {error}",
        place=f"the OME-XML of {path}; its pixels may be good",
        remedy="give axes= and voxel_size= to open it without, or mend the OME-XML",
    )


def _describe(
    file: TiffFile,
    path: str,
    level: int,
    axes: str | None,
    given: Mapping[str, object],
    *,
    allow_outside: bool,
) -> TiffSource:
    root = _read_ome(file, count_pages(path), allow_outside=allow_outside)
    levels = file.series[0].levels if file.series else ()
    if not levels:
        raise SourceError(
            "a TIFF has at least one image", value="no image", place=path, remedy=_DAMAGED
        )
    if not 0 <= level < len(levels):
        raise MetadataError(
            f"the pyramid has levels 0 to {len(levels) - 1}", value=level, place=path
        )
    series = levels[level]
    check_series(file, levels[0], path, is_named=axes is not None)
    if root is not None and axes is None:
        check_is_ome(root, levels[0], path)
    _check_length(series, path)
    spec = read_spec(file, series, levels[0], path, axes, given)
    layout = layout_of(series, spec)
    others = _companions(file, series, path, allow_outside=allow_outside)
    files = SourceFiles.of((path, *others))
    return TiffSource(spec, path, layout.chunks_of(spec.shape), layout, files, level, len(levels))


def _companions(
    file: TiffFile, series: TiffPageSeries, path: str, *, allow_outside: bool
) -> tuple[str, ...]:
    """Return the other files that hold pages of an image."""
    files = dict.fromkeys(page.parent for page in series.pages if page is not None)
    handles = [each.filehandle for each in files if each is not file]
    for handle in handles:
        if handle.dirname != file.filehandle.dirname and not allow_outside:
            raise outside(handle.path, path)
    return tuple(sorted({handle.path for handle in handles}))


def _check_length(series: TiffPageSeries, path: str) -> None:
    """Refuse truncated files."""
    size = Path(path).stat().st_size
    if series.dataoffset is not None:
        needed = series.dataoffset + series.nbytes
        if needed > size:
            whole = max((size - series.dataoffset) // max(series.keyframe.nbytes, 1), 0)
            raise _cut_off(path, f"page {whole}", needed, size)
        return
    _check_pages(series, 0, _CHECKED_PAGES)


def _check_pages(series: TiffPageSeries, first: int, stop: int | None) -> None:
    for number, page in enumerate(series.pages[first:stop], first):
        if page is not None:
            _check_page(page, number)


def _check_page(page: TiffPage | TiffFrame, number: object) -> None:
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
            remedy=_DAMAGED,
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

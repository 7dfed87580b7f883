"""TIFF, OME-TIFF and ImageJ files: pages, tiles and strips read when they are needed.

Which way a file is read is settled once, when it is opened: small files in one piece, contiguous
data from a map of the file, tiles and the strips of huge pages one by one, all else page by page.
"""

from __future__ import annotations

import atexit
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import chunk_slices, read_chunked
from scutoid.arrays._files import Stamp, is_url, open_binary, stamp_of
from scutoid.arrays._source import SourceIdentity, SourceKind, check_inside, owned
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tiff_metadata import read_spec
from scutoid.errors import MetadataError, ScutoidError, SourceError
from scutoid.geometry import Roi

_SMALL = 16 * 2**20
_LARGE_PAGE = 64 * 2**20
_OPEN_FILES = 16
_CHECKED_PAGES = 4096
_JPEG = {6, 7, 33007, 34892}

Way = Literal["whole", "mapped", "pages", "segments"]


class _OpenTiff:
    """An open file, and how many threads read from it now."""

    def __init__(self, path: str) -> None:
        import tifffile

        self.binary = open_binary(path)
        try:
            self.tiff = tifffile.TiffFile(self.binary, name=path.rpartition("/")[2])
            self.tiff.filehandle.set_lock(True)
        except BaseException:
            self.binary.close()
            raise
        self.lock = threading.Lock()
        self.users = 0

    def close(self) -> None:
        self.tiff.close()
        self.binary.close()


class _OpenFiles:
    """The TIFF files that this process has open: the last few used, and those in use."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, Stamp], _OpenTiff] = OrderedDict()
        self._lock = threading.Lock()
        atexit.register(self.close)

    @contextmanager
    def use(self, path: str, stamp: Stamp) -> Iterator[_OpenTiff]:
        key = path, stamp
        with self._lock:
            if key not in self._files:
                self._files[key] = _OpenTiff(path)
            self._files.move_to_end(key)
            opened = self._files[key]
            opened.users += 1
        try:
            yield opened
        finally:
            with self._lock:
                opened.users -= 1
                idle = [k for k, file in self._files.items() if not file.users]
                for k in idle[: max(len(self._files) - _OPEN_FILES, 0)]:
                    self._files.pop(k).close()

    def close(self) -> None:
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()


_FILES = _OpenFiles()


@dataclass(frozen=True, slots=True, eq=False)
class TiffSource:
    """The first image of a TIFF file."""

    spec: ImageSpec
    """What it is."""
    path: str
    """Absolute path, or URL."""
    chunks: tuple[int, ...]
    """A page, a tile, a strip, or all."""
    way: Way
    """How it is read."""
    level: int = 0
    """Pyramid level."""
    levels: int = 1
    """Number of pyramid levels."""
    stamp: Stamp = ()
    """Version of the file that was opened."""
    others: tuple[str, ...] = ()
    """Other files that hold pages of the same image."""

    @property
    def identity(self) -> SourceIdentity:
        """The file."""
        kind: SourceKind = "url" if is_url(self.path) else "files"
        return SourceIdentity(kind, (self.path, *self.others), detail=f"level {self.level}")

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        check_inside(roi, self.spec)
        if self.way == "mapped" and not roi.is_empty:
            return self._checked(lambda: self._mapped(roi))
        return read_chunked(
            ("tiff", self.path, self.level, self.stamp),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda place: self._checked(lambda: self._chunk(place)),
        )

    def _checked(self, decode: Any) -> NDArray[Any]:
        """Decode, if the file is the one that was opened; say where it is damaged if it is."""
        import tifffile

        if stamp_of(self.path) != self.stamp:
            raise SourceError(
                "a file stays as it was when it was opened",
                value="it has changed",
                place=self.path,
                remedy="open it again",
            )
        try:
            return owned(decode(), self.spec.dtype)
        except ScutoidError:
            raise
        except (
            ValueError,
            OSError,
            RuntimeError,
            IndexError,
            TypeError,
            tifffile.TiffFileError,
        ) as error:
            raise SourceError(
                "the pages of a TIFF can be decoded",
                value=f"{type(error).__name__}: {error}",
                place=self.path,
                remedy="the file is damaged or cut off: restore it from its source",
            ) from error

    def _chunk(self, place: tuple[int, ...]) -> NDArray[Any]:
        shape = self.spec.shape
        with _FILES.use(self.path, self.stamp) as opened:
            if self.way == "whole":
                with opened.lock:
                    return self._series(opened).asarray(maxworkers=1).reshape(shape)  # type: ignore[no-any-return]
            slices = chunk_slices(place, self.chunks, shape)
            wanted = tuple(s.stop - s.start for s in slices)
            with opened.lock:
                series = self._series(opened)
                n_lead = len(shape) - len(series.keyframe.shape)
                number = int(np.ravel_multi_index(place[:n_lead], shape[:n_lead])) if n_lead else 0
                page = series.pages[number]
            if page is None:  # the file says that this plane was not taken
                return np.zeros(wanted, self.spec.dtype)
            if self.way == "pages":
                return page.asarray(maxworkers=1).reshape(wanted)  # type: ignore[no-any-return]
            return _segment(page, place[n_lead:], wanted, self.spec.dtype)

    def _mapped(self, roi: Roi) -> NDArray[Any]:
        with _FILES.use(self.path, self.stamp) as opened, opened.lock:
            series = self._series(opened)
            dtype = np.dtype(series.dtype).newbyteorder(opened.tiff.byteorder)
            offset = series.dataoffset
        mapped = np.memmap(self.path, dtype, mode="r", offset=offset, shape=self.spec.shape)
        return owned(mapped[roi.to_slices()], self.spec.dtype)

    def _series(self, opened: _OpenTiff) -> Any:
        return opened.tiff.series[0].levels[self.level]


def _segment(
    page: Any, place: tuple[int, ...], wanted: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Decode one tile or strip of a page; one that the file leaves out is zero."""
    index = int(np.ravel_multi_index(place, page.chunked))
    file = page.parent.filehandle
    offset, count = page.dataoffsets[index], page.databytecounts[index]
    if not count:
        return np.zeros(wanted, dtype)
    with file.lock:
        file.seek(offset)
        data = file.read(count)
    if len(data) < count:
        raise OSError(f"{len(data)} of {count} bytes")
    keyframe = page.keyframe
    tables = {}
    if keyframe.compression in _JPEG:
        tables = {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader}
    found, _, shape = keyframe.decode(data, index, **tables)
    # (depth, length, width, samples): tiles at the edge stick out, and are cut off here
    cut = found.reshape(shape)[tuple(slice(0, n) for n in _four(page, wanted))]
    return cut.reshape(wanted)  # type: ignore[no-any-return]


def _four(page: Any, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a piece of a page as (depth, length, width, samples)."""
    keyframe = page.keyframe
    sizes = list(wanted)
    if keyframe.samplesperpixel > 1 and keyframe.planarconfig == 2:
        sizes = sizes[1:]
    samples = sizes.pop() if keyframe.samplesperpixel > 1 and keyframe.planarconfig == 1 else 1
    depth = sizes[0] if len(sizes) == 3 else 1
    return depth, *sizes[-2:], samples


def open_tiff(path: str, *, level: int = 0, axes: str | None = None) -> TiffSource:
    """Open the first image of a TIFF file; reads metadata only.

    Raises
    ------
    SourceError
        If it is no TIFF, or cut off.
    MetadataError
        If its axes cannot be told, or there is no such level.
    """
    import tifffile

    stamp = stamp_of(path)
    try:
        with _FILES.use(path, stamp) as opened, opened.lock:
            file = opened.tiff
            levels = file.series[0].levels if file.series else []
            if not level < max(len(levels), 1):
                raise MetadataError(
                    f"the pyramid has levels 0 to {len(levels) - 1}", value=level, place=path
                )
            if not levels:
                raise SourceError("a TIFF has at least one image", place=path)
            series = levels[level]
            others = _check_complete(file, series, path)
            spec = read_spec(file, series, levels[0], path, axes)
            chunks, way = _way(series, spec, path)
            return TiffSource(spec, path, chunks, way, level, len(levels), stamp, others)
    except ScutoidError:
        raise
    except (
        ValueError,
        OSError,
        KeyError,
        IndexError,
        TypeError,
        RuntimeError,
        tifffile.TiffFileError,
    ) as error:
        raise SourceError(
            "a TIFF file can be read",
            value=f"{type(error).__name__}: {error}",
            place=path,
            remedy="the file is damaged, cut off, or no TIFF: restore it from its source",
        ) from error


def _check_complete(file: Any, series: Any, path: str) -> tuple[str, ...]:
    """Refuse a file that ends before its data does; return the other files of the image."""
    if series.dataoffset is not None:
        needed = series.dataoffset + series.nbytes
        if needed > file.filehandle.size:
            raise _cut_off(path, "its data", needed, file.filehandle.size)
        return ()
    expected = math.prod(series.shape) // max(math.prod(series.keyframe.shape), 1)
    if len(series.pages) < expected:
        raise _cut_off(path, f"page {len(series.pages)}", expected, len(series.pages))
    others: dict[str, None] = {}
    for number in range(min(len(series.pages), _CHECKED_PAGES)):
        page = series.pages[number]
        if page is None:
            continue
        holder = page.parent.filehandle
        if holder is not file.filehandle:
            others[str(holder.path)] = None
        ends = (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False))
        needed = max(ends, default=0)
        if needed > holder.size:
            raise _cut_off(path, f"page {number}", needed, holder.size)
    return tuple(others)


def _cut_off(path: str, where: str, needed: int, found: int) -> SourceError:
    return SourceError(
        "a TIFF holds all the data that it names",
        value=f"{where} would end at {needed}, the file ends at {found}",
        place=path,
        remedy="the file is cut off: copy it again from its source",
    )


def _way(series: Any, spec: ImageSpec, path: str) -> tuple[tuple[int, ...], Way]:
    """Choose how a file is read, and what one decoding brings."""
    shape = tuple(max(n, 1) for n in spec.shape)
    if spec.nbytes <= _SMALL:
        return shape, "whole"
    page = series.keyframe
    n_lead = len(shape) - len(page.shape)
    has_pages = n_lead >= 0 and shape[n_lead:] == tuple(page.shape)
    lead = (1,) * n_lead
    if series.dataoffset is not None and not is_url(path):
        return (*lead, *page.shape) if has_pages else shape, "mapped"
    if not has_pages or len(series.pages) != math.prod(shape[:n_lead]):
        return shape, "whole"
    segment = (1,) * (len(page.chunked) - len(page.chunks)) + tuple(page.chunks)
    is_cut = page.is_tiled or page.nbytes > _LARGE_PAGE
    if is_cut and len(segment) == len(page.shape):
        return (*lead, *segment), "segments"
    return (*lead, *page.shape), "pages"

"""Write TIFF files: whole images, and blocks directly into an uncompressed file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import struct
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._plain_array import PlainArray
from scutoid.arrays._shard_notes import Notes, as_notes
from scutoid.arrays._source import check_block, stored_values
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tiff_metadata import note
from scutoid.arrays._tiff_open import open_tiff
from scutoid.arrays._units import ome_unit
from scutoid.checksums import crc32
from scutoid.durable import replacing, store_error
from scutoid.errors import GeometryError, ScutoidError, StoreError
from scutoid.geometry import Roi

_COLOURS = (3, 4)
_PLANE = 2
_OME_TYPES = {"int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"}
_AT_ONCE = 2**24
"""Bytes of voxels up to which a file is made in memory."""
_UUID_MARK = b"urn:uuid:"
_UUID = re.compile(rb"urn:uuid:[0-9a-f-]{36}")
_SAMPLE = 2**15
_WORTH_IT = 0.5
_MAX_CLASSIC = 2**32 - 2**25
"""Bytes of voxels that a file with addresses of 32 bits holds beside its metadata."""


class _Layout(TypedDict, total=False):
    """Options by which tifffile lays a file out."""

    ome: bool
    bigtiff: bool
    photometric: str
    planarconfig: str
    metadata: dict[str, object]


class Compression(TypedDict, total=False):
    """Options by which tifffile compresses; empty: it does not."""

    compression: str
    compressionargs: dict[str, int]


_FASTEST = Compression(compression="zlib", compressionargs={"level": 1})
_BYTE_COUNTS = 279
"""The tag that says how many bytes each strip has."""


@dataclass(frozen=True, slots=True, eq=False)
class WrittenTiff:
    """What was written into a TIFF."""

    voxels: NDArray[Any]
    """The voxels, of the type of the image."""
    checksum: int | None
    """The CRC-32 of the file; None where it was not made in memory."""


def write_tiff(path: str | os.PathLike[str], data: NDArray[Any], spec: ImageSpec) -> WrittenTiff:
    """Write an array as an OME-TIFF in one atomic step: to a temporary file, synced, renamed.

    Types and axes that OME does not know (bool, 64-bit integers) become a plain TIFF with the same
    facts as JSON in its description.  Colours (y, x, 3 or 4) are written as such, a page a plane.

    Raises
    ------
    GeometryError
        If the array has not the shape of `spec`.
    StoreError
        If it cannot be written.
    """
    target = Path(path)
    if tuple(data.shape) != spec.shape:
        raise GeometryError(
            "an image is written in the shape of its description",
            value=f"{data.shape}, described as {spec.shape}",
            place=str(target),
        )
    voxels = stored_values(data, spec, str(target))
    values = as_stored(voxels)
    with reporting(target), replacing(target) as new:
        checksum = _put_array(new, values, spec)
    return WrittenTiff(voxels, checksum)


def _put_array(path: Path, values: NDArray[Any], spec: ImageSpec) -> int | None:
    """Write an array to a path; return the CRC-32 of the file if it was made in memory."""
    stored = values.reshape(at_least_2d(spec.shape))
    compression = compression_of(values)
    if not 0 < values.nbytes <= _AT_ONCE:
        put_tiff(path, stored, spec, **compression)
        return None
    checksum = 0
    with path.open("wb", buffering=0) as file:
        for piece in _pieces(stored, spec, compression):
            checksum = crc32(piece, checksum)
            rest = piece
            while rest.nbytes:
                rest = rest[file.write(rest) :]
    return checksum


def _pieces(
    stored: NDArray[Any], spec: ImageSpec, compression: Compression
) -> Sequence[memoryview]:
    """Return what a file consists of, one after the other."""
    if compression and stored.ndim != _PLANE:
        content = io.BytesIO()
        put_tiff(content, stored, spec, **compression)
        return (content.getbuffer(),)
    if compression:  # what tifffile takes for a page is plain
        page = memoryview(_deflated(stored))
        before, behind = _around_page(spec, spec.display).of(page.nbytes)
    else:
        page = stored.reshape(-1).view(np.uint8).data
        before, behind = _around(spec, spec.display)
    # As every OME-XML has a number of its own, so has that of each file
    if _UUID_MARK in before or _UUID_MARK in behind:
        named = _UUID_MARK + str(uuid.uuid4()).encode()
        before, behind = (_UUID.sub(named, part) for part in (before, behind))
    return memoryview(before), page, memoryview(behind)


def _deflated(page: NDArray[Any]) -> bytes:
    """Compress a page for speed, as a strip of its own; what tifffile takes is slower at masks."""
    plain = page.reshape(-1).view(np.uint8).data
    try:
        from imagecodecs import zlibng_encode
    except ImportError:
        return zlib.compress(plain, 1)
    return bytes(zlibng_encode(plain.tobytes(), 1))


@lru_cache(maxsize=32)
def _around(spec: ImageSpec, _display: tuple[ChannelDisplay, ...]) -> tuple[bytes, bytes]:
    """Return what a file has before its voxels and behind them, if these are not compressed.

    It depends on nothing but the description, and takes tifffile longer than the voxels of a small
    image.
    """
    file = io.BytesIO()
    start, _ = put_tiff(file, None, spec, returnoffset=True)
    content = file.getbuffer()
    return bytes(content[:start]), bytes(content[start + spec.nbytes :])


@dataclass(frozen=True, slots=True)
class _AroundPage:
    """What a file has before a compressed page and behind it, whatever its length.

    ::

        before: tags, the page's length, places behind it    page    (0)    behind: values
    """

    before: bytes
    """What is before the page."""
    behind: bytes
    """What is behind it, from an even byte on."""
    number: struct.Struct
    """How its numbers are written."""
    length: int
    """Byte at which the length of the page stands."""
    places: tuple[tuple[int, int], ...]
    """Bytes at which the places of values behind it stand, and how far behind these are."""

    def of(self, length: int) -> tuple[bytes, bytes]:
        """Return both for a page of so many bytes."""
        odd = length % 2 if self.behind else 0
        before = bytearray(self.before)
        self.number.pack_into(before, self.length, length)
        for at, place in self.places:
            self.number.pack_into(before, at, len(before) + length + odd + place)
        return bytes(before), bytes(odd) + self.behind


@lru_cache(maxsize=32)
def _around_page(spec: ImageSpec, _display: tuple[ChannelDisplay, ...]) -> _AroundPage:
    """Return what a file has around its only page, which is compressed, as `_around` does."""
    import tifffile

    page, content = bytes(2), io.BytesIO()
    put_tiff(content, iter([page]), spec, rowsperstrip=at_least_2d(spec.shape)[0], **_FASTEST)
    plain = content.getvalue()
    with tifffile.TiffFile(io.BytesIO(plain)) as file:
        tags, order = list(file.pages.first.tags), file.byteorder
        start = file.pages.first.dataoffsets[0]
    end = start + len(page)
    # A tag is its number, type, count and value, or the place of that: 2 + 2 + 4 + 4 bytes
    places = tuple((t.offset + 8, t.valueoffset - end) for t in tags if t.valueoffset >= end)
    length = next(tag.offset + 8 for tag in tags if tag.code == _BYTE_COUNTS)
    return _AroundPage(plain[:start], plain[end:], struct.Struct(f"{order}I"), length, places)


def put_tiff(path: Path | IO[bytes], pages: Any, spec: ImageSpec, **options: Any) -> Any:
    """Write pages to a path, with what is known of the image; returns what tifffile does.

    Parameters
    ----------
    path : Path or binary file
        Of the file, or the file.
    pages : ndarray or iterator, optional
        As tifffile takes them; None: the place for them, filled with zeros.
    spec : ImageSpec
        Description of the image.
    **options
        Of tifffile, on compression and tiles.
    """
    import tifffile

    if not isinstance(pages, np.ndarray):
        stored = np.dtype(np.uint8) if spec.dtype == bool else spec.dtype
        options |= {"shape": at_least_2d(spec.shape), "dtype": stored}
    # The byte order is fixed by numpy's native type, so that blocks are copied as they are.
    return tifffile.imwrite(path, pages, **_how(spec), **options)


@contextlib.contextmanager
def reporting(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise store_error(error, target, rule="an image can be written") from error


def compression_of(values: NDArray[Any]) -> Compression:
    """Compress masks and labels, which shrink a lot; not noise, which hardly does."""
    plain = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    if not plain.size or values.dtype.kind in "fc":
        return {}
    middle = plain.size // 2
    sample = plain[max(middle - _SAMPLE // 2, 0) : middle + _SAMPLE // 2].tobytes()
    if len(zlib.compress(sample, 1)) > _WORTH_IT * len(sample):
        return {}
    return _FASTEST


def as_stored(values: NDArray[Any]) -> NDArray[Any]:
    return values.view(np.uint8) if values.dtype == bool else values


def at_least_2d(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that TIFF stores: a page has two axes."""
    return (1,) * (2 - len(shape)) + shape


def page_shape(spec: ImageSpec) -> tuple[int, ...]:
    """Return the shape of a page: (y, x), or (y, x, 3 or 4) of colours."""
    return at_least_2d(spec.shape)[-3 if has_colours(spec) else -2 :]


def has_colours(spec: ImageSpec) -> bool:
    """Whether an image is of pixels with colours, which a TIFF says of its pages."""
    is_colour = spec.axes.endswith("yxc") and spec.shape[-1] in _COLOURS
    return is_colour and spec.dtype.kind != "c" and spec.size > 0


def _how(spec: ImageSpec) -> _Layout:
    """Return the options by which tifffile writes an image."""
    layout: _Layout = {"photometric": "minisblack"}
    axes = spec.axes
    if has_colours(spec):
        layout = {"photometric": "rgb", "planarconfig": "contig"}
        axes = spec.axes.removesuffix("c")
    if spec.nbytes > _MAX_CLASSIC:  # also where it is compressed, nobody knows how much
        layout["bigtiff"] = True
    is_ome = (
        spec.dtype.name in _OME_TYPES
        and set(axes) <= set("tczyx")
        and axes.endswith("yx")
        and spec.size > 0
    )
    if not is_ome:
        # Of an image of one voxel that names no axes, tifffile finds none that fit, from five on
        axes_of_one = {"axes": "Q" * len(spec.shape)} if spec.size == 1 else {}
        return layout | {"metadata": note(spec) | axes_of_one}
    metadata: dict[str, object] = {
        "axes": axes.upper() + "S" * has_colours(spec),
        "Description": json.dumps(note(spec)),
    }
    for letter, size in spec.sizes.items():
        unit = "pixel" if spec.unit is None else ome_unit(spec.unit)
        metadata[f"PhysicalSize{letter.upper()}"] = size
        metadata[f"PhysicalSize{letter.upper()}Unit"] = unit
    if spec.time is not None and spec.time.unit is not None:  # without a unit they would be seconds
        metadata["TimeIncrement"] = spec.time.interval
        metadata["TimeIncrementUnit"] = ome_unit(spec.time.unit)
    if not has_colours(spec):  # in OME-XML all colours are one channel
        channel: dict[str, object] = {"Name": list(spec.channels)} if spec.channels else {}
        if spec.display:
            channel["Color"] = [each.ome_xml_color for each in spec.display]
        if channel:
            metadata["Channel"] = channel
    return layout | {"ome": True, "metadata": metadata}


@dataclass(frozen=True, slots=True, eq=False)
class TiffWriter:
    """Writes blocks directly into an uncompressed TIFF."""

    spec: ImageSpec
    """Description of the image."""
    path: str
    """Path of the file."""
    dataoffset: int
    """Offset of the voxels in the file, in bytes."""

    def write(self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False) -> bool:
        """Write a region; it is on the disk when this returns, zeros too.

        Returns
        -------
        bool
            Whether anything but zeros was written.
        """
        check_block(roi, data, self.spec, self.path)
        if roi.is_empty:
            return False
        values = as_stored(stored_values(data, self.spec, self.path))
        with reporting(Path(self.path)):
            array = PlainArray(self.path, self.dataoffset, values.dtype, self.spec.shape)
            array.write(roi.to_slices(), values)
        return bool(np.any(values))

    def write_noted(
        self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False
    ) -> Notes | None:
        """Write a region; return no notes, for a TIFF has no shards, or None if it is all zeros."""
        return as_notes([]) if self.write(roi, data, stores_zeros=stores_zeros) else None


def create_tiff(path: Path, spec: ImageSpec) -> TiffWriter:
    """Create a TIFF of zeros for blocks to be written into, or continue an equal one that exists.

    Raises
    ------
    StoreError
        If something else exists at `path`, or it cannot be written.
    """
    if not path.exists():
        with reporting(path), replacing(path) as new:
            put_tiff(new, None, spec)
            _reserve(new)
    return TiffWriter(spec, str(path), _dataoffset(path, spec))


def _reserve(path: Path) -> None:
    """Reserve the space now: a full disk is told before anything is computed."""
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        os.fsync(file.fileno())


def _dataoffset(path: Path, spec: ImageSpec) -> int:
    import tifffile

    try:
        stored = open_tiff(str(path)).spec
        with tifffile.TiffFile(path) as file:
            offset = file.series[0].dataoffset
    except ScutoidError as error:
        raise _occupied(path, str(error)) from error
    if stored != spec or offset is None:
        raise _occupied(path, f"{stored.shape} {stored.dtype} {stored.axes!r}")
    return int(offset)


def _occupied(path: Path, value: str) -> StoreError:
    return StoreError(
        "an image is created at an empty path, or where the same image was begun",
        value=value,
        place=str(path),
        remedy="choose another path, or remove what exists there",
    )

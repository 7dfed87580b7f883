"""Store arrays as PNG and TIFF, pictures of PIL and figures of matplotlib as PNG.

Neither PIL nor matplotlib is imported unless a value is one of theirs, or a PNG is written or read.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from scutoid.regular import read_regular
from scutoid.store._damage import reading
from scutoid.store._durable import replacing, write_file
from scutoid.texts import parse_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COMPRESSION = 3
"""Of zlib: half the time of the usual 6, for files that are a few per cent larger."""
_LONGEST_SIDE = 2**31 - 1
_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}
"""Modes of PIL that a PNG holds as they are."""
_DPI = 150
"""Of figures, whatever they are set to: a picture of 6.4 by 4.8 inches is 960 by 720 pixels."""

_SHAPE = "scutoid_shape"
_TYPE = "scutoid_type"
_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_IMAGEJ_AXES = {2: "YX", 3: "ZYX", 4: "ZCYX", 5: "TZCYX"}
_COLOURS = (3, 4)
_MAX_IMAGEJ = 2**32 - 2**20
"""Bytes: ImageJ's files address 32 bits."""
_MAX_ITEM = 16
_END = struct.Struct(">8sI")
_END_MARK = b"scutoid\0"
"""Stands behind a TIFF, which has no checksum, with that of all before it; readers pass it by."""


def is_picture_array(value: object) -> bool:
    """Whether a PNG holds an array: (y, x) of bool, uint8 or uint16, (y, x, 3 or 4) of uint8."""
    if type(value) is not np.ndarray or not _has_pixels(value.shape[:2]):
        return False
    if not value.dtype.isnative:
        return False
    is_plane = value.ndim == 2 and value.dtype.name in {"bool", "uint8", "uint16"}
    is_colour = value.ndim == 3 and value.shape[2] in _COLOURS and value.dtype == np.uint8
    return is_plane or is_colour


def _has_pixels(shape: tuple[int, ...]) -> bool:
    return all(0 < size <= _LONGEST_SIDE for size in shape)


def save_png(value: NDArray[Any], path: Path) -> None:
    """Write an array as PNG, of one bit, 8 or 16 bits."""
    from PIL import Image

    _write_png(Image.fromarray(np.ascontiguousarray(value)), path)


def load_png(path: Path) -> NDArray[Any]:
    """Read an array back from a PNG."""
    with reading("picture", path):
        picture = _read_png(path)
        array: NDArray[Any] = np.array(picture)
        if picture.mode == "1":
            array = array.view(np.uint8).astype(bool)  # PIL's True is 255
        # Older versions of PIL widen 16 bits to 32.
        return array.astype(np.uint16) if picture.mode.startswith("I") else array


def _write_png(picture: Image, path: Path) -> None:
    written = io.BytesIO()
    picture.save(written, "PNG", compress_level=_COMPRESSION)
    write_file(path, written.getvalue())


def _read_png(path: Path) -> Image:
    from PIL.PngImagePlugin import PngImageFile

    content = read_regular(path)
    _check_chunks(content)
    # Not by Image.open, which takes a large picture for an attack.
    with PngImageFile(io.BytesIO(content)) as picture:
        picture.load()
        return picture.copy()


def _check_chunks(content: bytes) -> None:
    """Check that a PNG is whole; PIL lets the checksums of pixels and a missing end pass."""
    if not content.startswith(_SIGNATURE):
        raise ValueError("it does not begin as a PNG does")
    at, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 8 + length
        (checksum,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(memoryview(content)[at + 4 : end]) != checksum:
            raise ValueError(f"the checksum of {kind!r} at byte {at} differs")
        at = end + 4
    if at != len(content):
        raise ValueError("it does not end as a PNG does")


def _is_a(value: object, module: str, name: str) -> bool:
    """Whether a value is of a class, or one derived from it, without importing the module."""
    return any(kind.__module__ == module and kind.__name__ == name for kind in type(value).__mro__)


def is_pil(value: object) -> bool:
    """Whether a value is a single picture of PIL, in a mode that a PNG holds."""
    if not _is_a(value, "PIL.Image", "Image"):
        return False
    picture = cast("Image", value)
    is_single = getattr(picture, "n_frames", 1) == 1
    return is_single and picture.mode in _MODES and _has_pixels(picture.size)


def save_pil(value: Image, path: Path) -> None:
    """Write a picture as PNG: its pixels, palette, transparency and colour profile."""
    _write_png(value, path)


def load_pil(path: Path) -> Image:
    """Read it back as a picture of PIL."""
    with reading("picture", path):
        return _read_png(path)


def is_figure(value: object) -> bool:
    """Whether a value is a figure of matplotlib."""
    return _is_a(value, "matplotlib.figure", "Figure")


def save_figure(value: Figure, path: Path) -> None:
    """Draw a figure as PNG, the same bytes for the same figure: no date, no version."""
    written = io.BytesIO()
    value.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    write_file(path, written.getvalue())


def is_number_array(value: object) -> bool:
    """Whether a TIFF holds an array: of numbers or truth values, with at least one of them."""
    if type(value) is not np.ndarray or value.size == 0:
        return False
    return value.dtype.kind in "biufc" and value.dtype.itemsize <= _MAX_ITEM


def save_tiff(value: NDArray[Any], path: Path) -> None:
    """Write an array as TIFF, with a note of its shape and type, of which TIFF loses some.

    Arrays of uint8, uint16 and float32 with two to five axes are written as ImageJ does: (y, x),
    (z, y, x), (z, c, y, x), (t, z, c, y, x), and colours (y, x, 3 or 4) of uint8.  Behind the image
    stands a checksum of the whole file.
    """
    import tifffile

    native = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("="), copy=False))
    stored = native.view(np.uint8) if native.dtype == bool else native
    stored = stored.reshape((1,) * (2 - value.ndim) + value.shape)
    metadata = {_SHAPE: json.dumps(value.shape), _TYPE: value.dtype.str}
    is_colour = value.ndim == 3 and value.shape[2] in _COLOURS and value.dtype == np.uint8
    axes = "YXS" if is_colour else _IMAGEJ_AXES.get(value.ndim, "")
    is_imagej = bool(axes) and value.dtype.name in _IMAGEJ_TYPES and value.nbytes < _MAX_IMAGEJ
    if is_imagej:
        metadata["axes"] = axes
    written = io.BytesIO()
    tifffile.imwrite(
        written,
        stored,
        metadata=metadata,
        photometric="rgb" if is_colour else "minisblack",
        planarconfig="contig" if is_colour else None,
        imagej=is_imagej,
    )
    written.seek(0, io.SEEK_END)
    written.write(_END.pack(_END_MARK, zlib.crc32(written.getbuffer())))
    with replacing(path) as beside, beside.open("wb") as file:
        file.write(written.getbuffer())


def load_tiff(path: Path) -> NDArray[Any]:
    """Read an array back from a TIFF."""
    import tifffile

    with reading("image", path):
        content = read_regular(path)
        mark, checksum = _END.unpack(content[-_END.size :])
        if mark != _END_MARK or zlib.crc32(memoryview(content)[: -_END.size]) != checksum:
            raise ValueError("its checksum differs")
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            notes = file.imagej_metadata or (file.shaped_metadata or ({},))[0]
            shape, dtype = tuple(parse_json(notes[_SHAPE])), np.dtype(notes[_TYPE])
            pixels = np.ascontiguousarray(file.series[0].asarray(maxworkers=1)).reshape(shape)
        return pixels.view(bool) if dtype.kind == "b" else pixels.astype(dtype, copy=False)

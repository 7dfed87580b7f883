"""Pictures: PNG, JPEG, BMP, and arrays in npy files.

Pillow reads pictures, except those whose numbers it would narrow: colours of 16 bits, which
imagecodecs reads.  A picture with a palette is its numbers, as label images are written; of these
Pillow would give the colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._guard import check_bytes, check_system, guarded
from scutoid.arrays._notes import Note, turned
from scutoid.arrays._npy import NpyHeader, npy_header, read_npy
from scutoid.arrays._pillow import STRICT
from scutoid.arrays._source import SourceIdentity, outdated, owned, stamp_of
from scutoid.arrays._spec import COLOUR_AXES, ImageSpec, unnamed_spec
from scutoid.errors import MissingExtra, ScutoidError, SourceError
from scutoid.geometry import Roi

_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 26
_ORIENTATION = 274
_SAMPLES = {2: 3, 4: 2, 6: 4}
"""Numbers a pixel, by the colour type of a PNG: colours, grey and alpha, colours and alpha."""
_MODE_BYTES = {"I": 4, "F": 4, "I;16": 2, "I;16B": 2}
"""Bytes of a pixel by its mode in Pillow; of the others a band takes one."""
_UNREADABLE = (ValueError, OSError, SyntaxError, EOFError)


@dataclass(frozen=True, slots=True, eq=False)
class PictureSource:
    """A picture file, decoded in one piece."""

    threadsafe: ClassVar[bool] = True
    spec: ImageSpec
    """Description of the image."""
    path: str
    """Absolute path."""
    has_colours: bool = False
    """Whether the colours of a palette are read, not the numbers."""
    levels: int = 1
    """1: no pyramid."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """The whole picture."""
        return tuple(max(n, 1) for n in self.spec.shape)

    @property
    def is_decoded(self) -> bool:
        """Whether it is decoded as a whole; the numbers of an npy file lie there as they are."""
        return not _is_npy(self.path)

    @property
    def identity(self) -> SourceIdentity:
        """The file."""
        return SourceIdentity("files", (self.path,))

    @guarded
    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        if not self.is_decoded:  # the system keeps what was read
            header = _npy_header(self.path)
            self._check_is(header.shape, header.dtype)
            found = read_npy(self.path, header, roi.to_slices())  # of the caller already
            return np.asarray(found, self.spec.dtype, order="C")
        return read_chunked(
            ("picture", self.path, self.has_colours, stamp_of(self.path)),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda _: owned(self._load(), self.spec.dtype),
        )

    def _load(self) -> NDArray[Any]:
        array = _load(self.path, has_colours=self.has_colours)[0]
        self._check_is(array.shape, array.dtype)
        return array

    def _check_is(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Refuse another array than the one that was opened."""
        if (shape, dtype.newbyteorder("=")) != (self.spec.shape, self.spec.dtype):
            now, then = f"{shape} {dtype}", f"{self.spec.shape} {self.spec.dtype}"
            raise outdated(self.path, f"it has {now} now, and had {then}")


def open_picture(path: str, *, axes: str | None = None) -> PictureSource:
    """Open a PNG, JPEG, BMP or npy file.

    Of a picture with a palette the pixels are its numbers; three `axes` ask for the colours.

    Raises
    ------
    SourceError
        If it cannot be decoded.
    MetadataError
        If its axes are unknown.
    """
    if _is_npy(path):
        header = _npy_header(path)
        return PictureSource(
            unnamed_spec(header.shape, header.dtype, axes, place=path, is_said=True), path
        )
    has_colours = axes is not None and len(axes) == len(COLOUR_AXES)
    array, kind = _load(path, has_colours=has_colours)
    letters = axes
    if letters is None and array.ndim == len(COLOUR_AXES) and kind.is_single:
        letters = COLOUR_AXES
    spec = unnamed_spec(array.shape, array.dtype, letters, place=path, is_said=True)
    return PictureSource(spec.replace(notes=(*spec.notes, *kind.notes)), path, has_colours)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a file says of its pixels."""

    is_single: bool = False
    """Whether it is one picture: its third axis, if it has one, is of colours."""
    is_palette: bool = False
    """Whether pixels are numbers of colours of a palette."""
    is_told: bool = False
    """Whether these differ from the grey values that the palette shows them as."""
    samples: int = 0
    """Numbers of 16 bits a pixel, if there are several, which Pillow narrows; else 0."""
    shape: tuple[int, ...] = ()
    """Pixels along y and x, after the number of pictures where there are several."""
    n_bytes: int = 1
    """Bytes of a pixel, once it is decoded."""
    orientation: object = 1
    """How it is to be shown turned, as EXIF has it."""

    @property
    def nbytes(self) -> int:
        """What all of its pixels take."""
        return math.prod(self.shape) * self.n_bytes

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was assumed of it."""
        notes = turned(self.orientation)
        if not self.is_told:
            return notes
        text = "its pixels have numbers, and a palette of colours: they are taken for the numbers"
        remedy = 'give axes="yx" if that is right, axes="yxc" for the colours'
        return (*notes, Note("axes", text, remedy))


def _load(path: str, *, has_colours: bool) -> tuple[NDArray[Any], _Kind]:
    try:
        kind = _kind_of(path)
        check_bytes(kind.nbytes, path, shape=kind.shape)
        if kind.samples:
            return _load_deep(path, kind), kind
        import imageio.v3 as iio

        mode = "P" if kind.is_palette and not has_colours else None
        with STRICT:
            return np.asarray(iio.imread(path, plugin="pillow", mode=mode)), kind
    except _UNREADABLE as error:
        check_system(error, path)
        raise _undecodable(path, error) from error


def _is_npy(path: str) -> bool:
    return path.lower().endswith(".npy")


def _npy_header(path: str) -> NpyHeader:
    try:
        return npy_header(path)
    except ScutoidError:
        raise
    except _UNREADABLE as error:
        check_system(error, path)
        raise _undecodable(path, error) from error


def _kind_of(path: str) -> _Kind:
    """Look at the header of a picture."""
    from PIL import Image

    with STRICT, Image.open(path) as picture:
        is_single = getattr(picture, "custom_mimetype", None) != "image/apng"
        is_palette = picture.mode == "P" and is_single
        width, height = picture.size
        samples = _deep_samples(path)
        n_frames = 1 if is_single else int(getattr(picture, "n_frames", 1))
        return _Kind(
            is_single,
            is_palette,
            is_palette and not _is_grey(picture.getpalette("RGB")),
            samples,
            (n_frames, height, width)[n_frames == 1 :],
            _MODE_BYTES.get(picture.mode, 2 * samples or len(picture.getbands())),
            # Without it in its header, a PNG would be decoded to look for it behind the pixels.
            picture.getexif().get(_ORIENTATION, 1) if "exif" in picture.info else 1,
        )


def _is_grey(palette: list[int] | None) -> bool:
    """Whether a palette shows each number as the grey of that number."""
    colours = palette or []
    return colours == [number for number in range(len(colours) // 3) for _ in range(3)]


def _deep_samples(path: str) -> int:
    with Path(path).open("rb") as file:
        header = file.read(_HEADER_BYTES)
    is_deep = header.startswith(_PNG) and header[24:25] == b"\x10"
    return _SAMPLES.get(header[25], 0) if is_deep else 0


def _load_deep(path: str, kind: _Kind) -> NDArray[Any]:
    """Read a PNG with several numbers of 16 bits a pixel."""
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtra.of("imagecodecs", extra="formats") from error

    decode = imagecodecs.png_decode if kind.is_single else imagecodecs.apng_decode
    try:
        pixels: NDArray[Any] = decode(Path(path).read_bytes())
    except RuntimeError as error:  # what imagecodecs raises of all kinds of damage
        raise _undecodable(path, error) from error
    return pixels[..., : kind.samples]  # without the alpha of a colour that counts as clear


def _undecodable(path: str, error: Exception) -> SourceError:
    return SourceError(
        "a picture can be decoded",
        value=f"{type(error).__name__}: {error}",
        place=path,
        remedy="the file is damaged, cut off or of another format: restore it from its source",
    )

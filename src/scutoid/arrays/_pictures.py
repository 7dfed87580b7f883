"""Files that are decoded in one piece: PNG, JPEG, BMP and npy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._files import Stamp, is_url, open_binary, stamp_of
from scutoid.arrays._source import SourceIdentity, check_inside
from scutoid.arrays._spec import ImageSpec, default_axes
from scutoid.errors import ScutoidError, SourceError
from scutoid.geometry import Roi

PICTURES = (".png", ".npy", ".jpg", ".jpeg", ".bmp")
"""Endings of their names."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureSource:
    """A file that is decoded in one piece."""

    spec: ImageSpec
    """What it is."""
    path: str
    """Absolute path, or URL."""
    stamp: Stamp
    """Version of the file that was opened."""
    levels: int = 1

    @property
    def chunks(self) -> tuple[int, ...]:
        """All of it."""
        return tuple(max(n, 1) for n in self.spec.shape)

    @property
    def identity(self) -> SourceIdentity:
        """The file."""
        return SourceIdentity("url" if is_url(self.path) else "files", (self.path,))

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        check_inside(roi, self.spec)
        return read_chunked(
            ("picture", self.path, self.stamp),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda _: self._decode(),
        )

    def _decode(self) -> NDArray[Any]:
        found = _decoded(self.path)
        if found.shape != self.spec.shape:
            raise SourceError(
                "a file stays as it was when it was opened",
                value=f"shape {found.shape}, was {self.spec.shape}",
                place=self.path,
                remedy="open it again",
            )
        return np.array(found, self.spec.dtype, order="C")


def open_picture(path: str, *, axes: str | None = None) -> PictureSource:
    """Open a PNG, JPEG, BMP or npy file; reads its header only.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    stamp = stamp_of(path)
    shape, dtype = _header(path)
    is_colour = len(shape) == 3 and not path.lower().endswith(".npy")
    letters = axes or ("yxc" if is_colour else default_axes(shape, dtype, place=path))
    return PictureSource(ImageSpec(shape, dtype, letters), path, stamp)


def _header(path: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    def read(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
        if path.lower().endswith(".npy"):
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(file)
            return tuple(shape), dtype
        import imageio.v3 as iio

        said = iio.improps(file, index=0)
        return tuple(said.shape), np.dtype(said.dtype)

    return _read(path, read)  # type: ignore[no-any-return]


def _decoded(path: str) -> NDArray[Any]:
    def read(file: Any) -> NDArray[Any]:
        if path.lower().endswith(".npy"):
            return np.load(file, allow_pickle=False)  # type: ignore[no-any-return]
        import imageio.v3 as iio

        return np.asarray(iio.imread(file, index=0))

    return _read(path, read)  # type: ignore[no-any-return]


def _read(path: str, read: Any) -> Any:
    with open_binary(path) as file:
        try:
            return read(file)
        except ScutoidError:
            raise
        except (ValueError, OSError, SyntaxError, EOFError, TypeError) as error:
            raise SourceError(
                "a picture can be decoded",
                value=f"{type(error).__name__}: {error}",
                place=path,
                remedy="the file is damaged or cut off: restore it from its source",
            ) from error

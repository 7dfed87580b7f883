"""A folder of planes as one volume, and pictures (PNG, npy) in one piece."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._source import ArraySource, SourceIdentity, check_inside
from scutoid.arrays._spec import ImageSpec, colour_axes, default_axes
from scutoid.arrays._tiff import natural, open_tiff
from scutoid.errors import MetadataError, SourceError
from scutoid.geometry import Roi

PICTURES = (".tif", ".tiff", ".png", ".npy", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True, slots=True, eq=False)
class PictureSource:
    """A file that is decoded in one piece."""

    spec: ImageSpec
    """What it is."""
    path: str
    """Absolute path."""
    stamp: tuple[int, int]
    """Size and time of the file when it was opened."""
    levels: int = 1

    @property
    def chunks(self) -> tuple[int, ...]:
        """All of it."""
        return tuple(max(n, 1) for n in self.spec.shape)

    @property
    def identity(self) -> SourceIdentity:
        """The file."""
        return SourceIdentity("files", (self.path,))

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        check_inside(roi, self.spec)
        return read_chunked(
            ("picture", self.path, *self.stamp),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda _: _load(self.path),
        )


def open_picture(path: str) -> PictureSource:
    """Open a PNG, JPEG, BMP or npy file.

    Raises
    ------
    SourceError
        If it cannot be decoded.
    """
    array = _load(path)
    axes = colour_axes(array.shape, array.dtype)
    axes = axes or default_axes(array.shape, array.dtype, place=path)
    stat = Path(path).stat()
    spec = ImageSpec(array.shape, array.dtype, axes)
    return PictureSource(spec, path, (stat.st_size, stat.st_mtime_ns))


def _load(path: str) -> NDArray[Any]:
    try:
        if path.lower().endswith(".npy"):
            array = np.load(path, allow_pickle=False)
        else:
            import imageio.v3 as iio

            array = np.asarray(iio.imread(path))
    except (ValueError, OSError, SyntaxError, EOFError) as error:
        raise SourceError(
            "a picture can be decoded",
            value=f"{type(error).__name__}: {error}",
            place=path,
            remedy="the file is damaged or cut off: restore it from its source",
        ) from error
    return np.array(array, order="C")


@dataclass(frozen=True, slots=True, eq=False)
class PlanesSource:
    """Files of equal shape, one a plane."""

    spec: ImageSpec
    """What it is; the first axis runs over the files."""
    paths: tuple[str, ...]
    """A file a plane, in order."""
    levels: int = 1

    @property
    def chunks(self) -> tuple[int, ...]:
        """A plane."""
        return (1, *(max(n, 1) for n in self.spec.shape[1:]))

    @property
    def identity(self) -> SourceIdentity:
        """All files."""
        return SourceIdentity("files", self.paths)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region; each plane is decoded about once."""
        check_inside(roi, self.spec)
        out = np.empty(tuple(roi.shape), self.spec.dtype)
        inner = Roi(roi.offset[1:], roi.shape[1:])
        for n in range(roi.shape[0]):
            out[n] = self._plane(roi.offset[0] + n).read(inner)
        return out

    def _plane(self, number: int) -> ArraySource:
        source = open_file(self.paths[number])
        if source.spec.shape != self.spec.shape[1:] or source.spec.dtype != self.spec.dtype:
            raise SourceError(
                "the planes of a volume have one shape and one type",
                value=f"{source.spec.shape} {source.spec.dtype}; "
                f"the first has {self.spec.shape[1:]} {self.spec.dtype}",
                place=self.paths[number],
                remedy="move the file out of the folder, or open the folder with sc.open_folder",
            )
        return source


def open_file(path: str, *, level: int = 0, axes: str | None = None) -> Any:
    """Open one file by its ending."""
    if path.lower().endswith((".tif", ".tiff")):
        return open_tiff(path, level=level, axes=axes)
    return open_picture(path)


def open_planes(folder: Path) -> PlanesSource:
    """Open a folder of files, one a plane, as one volume.

    Raises
    ------
    SourceError
        If there is none, or they differ.
    """
    names = [p.name for p in folder.iterdir() if p.suffix.lower() in PICTURES and p.name[0] != "."]
    endings = {Path(name).suffix.lower() for name in names}
    if len(endings) != 1:
        raise SourceError(
            "a folder that is opened as a volume holds planes of one format",
            value=", ".join(sorted(endings)) or "no images",
            place=str(folder),
            remedy="name a file, a zarr, or a folder of TIFF planes",
        )
    paths = tuple(str(folder / name) for name in natural(names))
    first = open_file(paths[0]).spec
    if first.axes != "yx":
        raise MetadataError(
            "each file of a folder that is opened as a volume is one plane",
            value=f"axes {first.axes!r}, shape {first.shape}",
            place=paths[0],
            remedy="use sc.open_folder for a folder of images",
        )
    shape = (len(paths), *first.shape)
    source = PlanesSource(ImageSpec(shape, first.dtype, "zyx"), paths)
    for number in range(1, len(paths)):
        source._plane(number)  # noqa: SLF001
    return source

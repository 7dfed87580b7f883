"""A folder of planes as one volume."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._files import Stamp, natural, stamp_of
from scutoid.arrays._pictures import PICTURES, open_picture
from scutoid.arrays._source import ArraySource, SourceIdentity, check_inside
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tiff import open_tiff
from scutoid.errors import MetadataError, SourceError
from scutoid.geometry import Roi

TIFFS = (".tif", ".tiff")
"""Endings of the names of TIFF files."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanesSource:
    """Files of equal shape, one a plane."""

    spec: ImageSpec
    """What it is; the first axis runs over the files."""
    paths: tuple[str, ...]
    """A file a plane, in order."""
    plane_chunks: tuple[int, ...]
    """What one decoding of a plane brings."""
    levels: int = 1

    @property
    def chunks(self) -> tuple[int, ...]:
        """A plane, or a tile of one."""
        return (1, *self.plane_chunks)

    @property
    def identity(self) -> SourceIdentity:
        """All files."""
        return SourceIdentity("files", self.paths)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region; each plane is decoded about once."""
        check_inside(roi, self.spec)
        out = np.empty(tuple(roi.shape), self.spec.dtype)
        inner = Roi(roi.offset[1:], roi.shape[1:])
        if not roi.is_empty:
            for n in range(roi.shape[0]):
                out[n] = self.plane(roi.offset[0] + n).read(inner)
        return out

    def plane(self, number: int) -> ArraySource:
        """Open one plane.

        Raises
        ------
        SourceError
            If it is unlike the first.
        """
        path = self.paths[number]
        source = _open_plane(path, stamp_of(path))
        if source.spec.shape != self.spec.shape[1:] or source.spec.dtype != self.spec.dtype:
            raise SourceError(
                "the planes of a volume have one shape and one type",
                value=f"{source.spec.shape} {source.spec.dtype}; "
                f"the first has {self.spec.shape[1:]} {self.spec.dtype}",
                place=path,
                remedy="move the file out of the folder, or open the folder with sc.open_folder",
            )
        return source


@functools.lru_cache(maxsize=4096)
def _open_plane(path: str, stamp: Stamp) -> ArraySource:
    """Open a file once for all blocks that read it, as long as it does not change."""
    del stamp
    return open_tiff(path) if path.lower().endswith(TIFFS) else open_picture(path)


def open_planes(folder: str) -> PlanesSource:
    """Open a folder of files, one a plane, as one volume; their names are sorted by number.

    Raises
    ------
    SourceError
        If there is none, or they differ.
    MetadataError
        If a file is more than a plane.
    """
    names = [p.name for p in Path(folder).iterdir() if p.suffix.lower() in (*TIFFS, *PICTURES)]
    names = natural([name for name in names if not name.startswith(".")])
    endings = {Path(name).suffix.lower() for name in names}
    if not names or (len(endings) > 1 and not endings <= set(TIFFS)):
        raise SourceError(
            "a folder that is opened as a volume holds planes of one format",
            value=", ".join(sorted(endings)) or "no images",
            place=folder,
            remedy="name a file, a zarr, or a folder of TIFF planes",
        )
    paths = tuple(str(Path(folder) / name) for name in names)
    first = _open_plane(paths[0], stamp_of(paths[0]))
    spec = first.spec
    if "z" in spec.axes or not set("yx") <= set(spec.axes):
        raise MetadataError(
            "each file of a folder that is opened as a volume is one plane",
            value=f"axes {spec.axes!r}, shape {spec.shape}",
            place=paths[0],
            remedy="use sc.open_folder for a folder of images",
        )
    shape, axes = (len(paths), *spec.shape), f"z{spec.axes}"
    channels: Any = spec.channels
    volume = ImageSpec(shape, spec.dtype, axes, channels=channels)
    source = PlanesSource(volume, paths, first.chunks)
    for number in range(1, len(paths)):
        source.plane(number)
    return source

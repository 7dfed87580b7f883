"""Writing TIFF files: whole, or block by block into one that is mapped into memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._files import sync_folder
from scutoid.arrays._source import ImageWriter, check_data, check_inside
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._storage import write_error
from scutoid.arrays._tiff_metadata import MARK, describe
from scutoid.errors import GeometryError, StoreError
from scutoid.geometry import Roi

_OME_TYPES = {
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64", "complex64",
    "complex128",
}  # fmt: skip
_OME_UNITS = {"um": "µm", "angstrom": "Å", "inch": "in", None: "pixel"}
_SERIAL = itertools.count()


def write_tiff(path: str | os.PathLike[str], data: NDArray[Any], spec: ImageSpec) -> None:
    """Write an array as an OME-TIFF, beside its place, synced and renamed.

    Types and axes that OME does not know (64-bit integers, float16; positions and the like) become
    a plain TIFF with scutoid's own description; booleans are stored as 0 and 1.  All are read back
    as they were.

    Parameters
    ----------
    path : path
        Of the file.
    data : ndarray
        The voxels, shape `spec.shape`.
    spec : ImageSpec
        What they are.

    Raises
    ------
    GeometryError
        If the array has not the shape of `spec`, or no voxels.
    StoreError
        If it cannot be written.
    """
    import tifffile

    target = Path(path)
    check_data(data, spec.roi, str(target))
    how = _how(spec, str(target))
    with _replacing(target) as beside:
        tifffile.imwrite(
            beside,
            _stored(data, spec),
            **how,
            compression="zlib",
            compressionargs={"level": 1},
        )


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Give a path to write to; what was written replaces `target` once it is on the disk."""
    beside = target.with_name(f".{target.name[:100]}.{os.getpid()}-{next(_SERIAL)}.new.tif")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise write_error(error, str(target)) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _stored(data: NDArray[Any], spec: ImageSpec) -> NDArray[Any]:
    array = np.ascontiguousarray(data, dtype=spec.dtype).reshape(data.shape)
    return array.view(np.uint8) if spec.dtype == bool else array


def _how(spec: ImageSpec, place: str) -> dict[str, Any]:
    """Return how tifffile shall write an image of this kind."""
    if not spec.size or not spec.ndim:
        raise GeometryError(
            "a TIFF has at least one axis and one voxel",
            value=spec.shape,
            place=place,
            remedy="store it as a zarr",
        )
    is_colour = (
        spec.axes.endswith("yxc")
        and spec.shape[-1] in (3, 4)
        and spec.dtype in (np.uint8, np.uint16)
    )
    axes = spec.axes.upper()
    how: dict[str, Any] = {"photometric": "rgb" if is_colour else "minisblack"}
    name = "uint8" if spec.dtype == bool else spec.dtype.name
    if name not in _OME_TYPES or not set(spec.axes) <= set("tczyx") or not axes.endswith("YX"):
        axes = f"{axes[:-1]}S" if is_colour else axes
        return {**how, "metadata": {"axes": axes, MARK: describe(spec)}}
    metadata: dict[str, Any] = {"axes": axes, "Description": describe(spec)}
    for letter, size in zip(spec.spatial_axes, spec.voxel_size or (), strict=False):
        metadata[f"PhysicalSize{letter.upper()}"] = size
        metadata[f"PhysicalSize{letter.upper()}Unit"] = _OME_UNITS.get(spec.unit, spec.unit)
    if spec.channels:
        metadata["Channel"] = {"Name": list(spec.channels)}
    return {**how, "ome": True, "metadata": metadata}


@dataclass(frozen=True, slots=True, eq=False)
class TiffWriter:
    """Writes blocks straight into an uncompressed TIFF that is mapped into memory."""

    spec: ImageSpec
    """What the image is."""
    path: str
    """The file."""
    offset: int
    """Where its voxels begin, in bytes."""

    def write(self, roi: Roi, data: NDArray[Any]) -> bool:
        """Write a region; it is on the disk when this returns.

        Returns
        -------
        bool
            Whether anything but zeros was written.

        Raises
        ------
        GeometryError
            If the region sticks out, or the data has another shape.
        StoreError
            If the disk refuses.
        """
        check_inside(roi, self.spec)
        check_data(data, roi, self.path)
        if roi.is_empty:
            return False
        values = _stored(data, self.spec)
        try:
            # The disk's space was taken when the file was made, so a full disk cannot fault here.
            mapped = np.memmap(self.path, values.dtype, "r+", self.offset, self.spec.shape)
            mapped[roi.to_slices()] = values
            mapped.flush()
        except (OSError, ValueError) as error:
            raise write_error(error, self.path) from error
        return bool(values.view(np.uint8).any())


def create_tiff(path: Path, spec: ImageSpec, *, overwrite: bool) -> ImageWriter:
    """Make a TIFF of zeros that blocks are written into, or take up one of the same kind.

    Raises
    ------
    StoreError
        If it cannot be written, or there is another file.
    """
    import tifffile

    how = _how(spec, str(path))
    dtype = np.dtype(np.uint8) if spec.dtype == bool else spec.dtype
    if path.exists():
        offset = _offset(path, spec)
        if offset is not None:
            return TiffWriter(spec, str(path), offset)
        if not overwrite:
            raise StoreError(
                "an image is created where there is none, or one of the same kind",
                value="another file",
                place=str(path),
                remedy="choose another name, or give overwrite=True",
            )
    with _replacing(path) as beside:
        mapped = tifffile.memmap(beside, shape=spec.shape, dtype=dtype, **how)
        mapped.flush()
        offset = int(mapped.offset)
        del mapped
        with beside.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, beside.stat().st_size)
    return TiffWriter(spec, str(path), offset)


def _offset(path: Path, spec: ImageSpec) -> int | None:
    """Return where the voxels of a file of the same kind begin; None: it is another kind."""
    import tifffile

    from scutoid.arrays._tiff import open_tiff
    from scutoid.errors import MetadataError, SourceError

    try:
        if open_tiff(str(path)).spec != spec:
            return None
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            is_native = np.dtype(file.byteorder + "u2").isnative
            return series.dataoffset if is_native else None
    except (SourceError, MetadataError):
        return None


def open_tiff_writer(path: Path) -> ImageWriter:
    """Take up a TIFF that `create_tiff` made."""
    from scutoid.arrays._tiff import open_tiff

    spec = open_tiff(str(path)).spec
    offset = _offset(path, spec)
    if offset is None:
        raise StoreError(
            "blocks are written into an uncompressed TIFF that scutoid created", place=str(path)
        )
    return TiffWriter(spec, str(path), offset)

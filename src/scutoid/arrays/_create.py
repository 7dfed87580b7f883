"""Making images that blocks are written into."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.arrays._open import open_source
from scutoid.arrays._source import ArraySource, ImageWriter
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._storage import Storage
from scutoid.arrays._tiff_write import create_tiff, open_tiff_writer
from scutoid.arrays._zarr_write import create_zarr, open_zarr_writer
from scutoid.errors import GeometryError, MetadataError, ParameterError
from scutoid.geometry import Coordinate, Roi, RoiLike

_TIFFS = (".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class _Order:
    """An image that is to be made."""

    path: Path
    spec: ImageSpec
    block: Coordinate
    storage: Storage
    label: bool
    overwrite: bool


def _make_zarr(order: _Order) -> ImageWriter:
    return create_zarr(
        order.path,
        order.spec,
        block=order.block,
        storage=order.storage,
        label=order.label,
        overwrite=order.overwrite,
    )


def _make_tiff(order: _Order) -> ImageWriter:
    return create_tiff(order.path, order.spec, overwrite=order.overwrite)


_FORMATS: dict[str, Callable[[_Order], ImageWriter]] = {"zarr": _make_zarr, "tiff": _make_tiff}


def create_image(
    path: str | os.PathLike[str],
    spec: ImageSpec,
    *,
    format: str = "zarr",  # noqa: A002
    block: Sequence[int] | int | None = None,
    storage: Storage | None = None,
    label: bool = False,
    overwrite: bool = True,
) -> ImageWriter:
    """Make an image that blocks are written into, or take up one of the same kind that is there.

    Parameters
    ----------
    path : path
        Of the zarr folder or the TIFF file.
    spec : ImageSpec
        What it is.
    format : {"zarr", "tiff"}
        OME-Zarr 0.5, sharded by block; or an uncompressed OME-TIFF.
    block : sequence of int or int, optional
        What one call of `write` covers, in voxels; default: the whole image.
    storage : Storage, optional
        Chunks and compression.
    label : bool
        Whether voxels are object numbers.
    overwrite : bool
        Whether another image of scutoid's at that place is replaced; what scutoid did not make
        never is, a TIFF file excepted.

    Raises
    ------
    GeometryError
        If blocks are not made of whole shards.
    StoreError
        If it cannot be written, or something else is there.
    """
    if format not in _FORMATS:
        raise MetadataError(
            f"an image is stored as {' or '.join(_FORMATS)}", value=format, place="storage"
        )
    whole = Coordinate.of(spec.shape if block is None else block, spec.ndim)
    order = _Order(Path(path), spec, whole, storage or Storage(), label, overwrite)
    return _FORMATS[format](order)


def open_writer(path: str | os.PathLike[str]) -> ImageWriter:
    """Take up an image that `create_image` made, such as in a worker that was started apart.

    Raises
    ------
    SourceNotFound, SourceError
        If there is none.
    StoreError
        If blocks cannot be written into it.
    """
    place = Path(path)
    return open_tiff_writer(place) if place.suffix.lower() in _TIFFS else open_zarr_writer(place)


@dataclass(frozen=True, slots=True, eq=False)
class WritableImage:
    """An image that a user's own blocks write into; can be sent to other processes."""

    writer: ImageWriter
    """What writes."""
    path: str
    """Where it lies."""

    @property
    def spec(self) -> ImageSpec:
        """What the image is."""
        return self.writer.spec

    def write(self, roi: RoiLike, data: NDArray[Any], data_roi: RoiLike | None = None) -> bool:
        """Write a region; it is on the disk when this returns.

        Parameters
        ----------
        roi : Roi
            What is written: a block's write region.
        data : ndarray
            Its voxels.
        data_roi : Roi, optional
            What `data` covers, if more than `roi`: the block's read region.  It is cropped.

        Returns
        -------
        bool
            Whether it holds anything but zeros.

        Raises
        ------
        GeometryError
            If the shapes do not fit, or the region shares a shard with others.
        MetadataError
            If the data's type does not fit the image's.
        StoreError
            If the disk refuses.
        """
        target, array = Roi.of(roi), np.asarray(data)
        covered = target if data_roi is None else Roi.of(data_roi)
        if array.shape != tuple(covered.shape) or not covered.contains(target):
            raise GeometryError(
                "data covers the region that is written, and has the shape of what it covers",
                value=f"data of shape {array.shape} covers {covered}, to write {target}",
                place=self.path,
                remedy="give write(block.write_roi, result, block.read_roi) for a haloed result",
            )
        if not np.can_cast(array.dtype, self.spec.dtype, "same_kind"):
            raise MetadataError(
                f"an image of {self.spec.dtype} takes values of that kind",
                value=str(array.dtype),
                place=self.path,
                remedy=f'convert them: data.astype("{self.spec.dtype}")',
            )
        return self.writer.write(target, array[target.to_slices(covered.offset)])

    def open(self) -> ArraySource:
        """Return what has been written so far, for reading; the rest is zero."""
        return open_source(self.path)


def create(
    path: str | os.PathLike[str],
    *,
    like: object,
    dtype: DTypeLike | None = None,
    block: Sequence[int] | int | None = None,
    storage: Storage | None = None,
    label: bool = False,
    overwrite: bool = False,
) -> WritableImage:
    """Make an image of zeros on the grid of another, for blocks to write into.

    What is there of the same kind is taken up, with the blocks that it holds.

    Parameters
    ----------
    path : path
        Of a TIFF file, if it ends in .tif or .tiff; else of an OME-Zarr folder.
    like : ImageSpec, opened image or array
        Whose shape, axes, voxel size, unit and origin it gets.
    dtype : dtype, optional
        Of its voxels; default: that of `like`.
    block : sequence of int or int, optional
        What one `write` covers, in voxels; default: the whole image.
    storage : Storage, optional
        Chunks and compression.
    label : bool
        Whether voxels are object numbers.
    overwrite : bool
        Whether another image of scutoid's at that place is replaced.

    Returns
    -------
    WritableImage

    Raises
    ------
    StoreError
        If it cannot be written, or something else is there.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from scutoid.geometry import BlockGrid, Roi
    >>> raw = np.ones((8, 8), "uint16")
    >>> grid = BlockGrid(Roi((0, 0), (8, 8)), (4, 4), halo=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     out = create(f"{folder}/out.ome.zarr", like=raw, dtype="float32", block=4)
    ...     read, write = grid.read_roi(0).intersect(grid.total), grid.write_roi(0)
    ...     _ = out.write(write, raw[read.to_slices()] / 2, read)
    ...     float(out.open().read(write).sum())
    8.0
    """
    spec = _spec_of(like)
    if dtype is not None:
        spec = spec.replace(dtype=np.dtype(dtype))
    place, storage = Path(path).absolute(), storage or Storage()
    by_name = "tiff" if place.suffix.lower() in _TIFFS else "zarr"
    writer = create_image(
        place,
        spec,
        format=storage.format or by_name,
        block=block,
        storage=storage,
        label=label,
        overwrite=overwrite,
    )
    return WritableImage(writer, str(place))


def _spec_of(like: object) -> ImageSpec:
    if isinstance(like, ImageSpec):
        return like
    if isinstance(spec := getattr(like, "spec", None), ImageSpec):
        return spec
    names = ("shape", "dtype", "axes", "voxel_size", "unit", "origin", "channels")
    said = {name: getattr(like, name) for name in names if getattr(like, name, None) is not None}
    if isinstance(said.get("axes"), str) and {"shape", "dtype"} <= set(said):
        return ImageSpec(**said)
    if isinstance(like, np.ndarray):
        return open_source(like).spec
    raise ParameterError(
        "an image is created like another: like= is an image, an array or an ImageSpec",
        value=type(like).__name__,
        place="create",
    )

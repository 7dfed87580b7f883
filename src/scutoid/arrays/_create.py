"""Create images for blocks to be written into."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.arrays._memory import check_unmasked
from scutoid.arrays._shard_notes import Notes
from scutoid.arrays._spec import SPATIAL, ImageSpec
from scutoid.arrays._storage import Storage
from scutoid.arrays._zarr_write import create_zarr
from scutoid.errors import GeometryError, MetadataError
from scutoid.geometry import Coordinate, Roi, RoiLike
from scutoid.paths import absolute

_BLOCK = 128
"""Default number of voxels along each spatial axis of a block."""


class ImageWriter(Protocol):
    """An image that is written block by block; can be sent to other processes."""

    @property
    def spec(self) -> ImageSpec:
        """Description of the image."""
        ...

    def write(self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False) -> bool:
        """Write a region durably; return whether anything is stored for it."""
        ...

    def write_noted(
        self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False
    ) -> Notes | None:
        """Write a region; return notes of its shards, or None if nothing is stored for it."""
        ...


@runtime_checkable
class _BlockLike(Protocol):
    @property
    def read_roi(self) -> Roi: ...
    @property
    def write_roi(self) -> Roi: ...


@runtime_checkable
class _SeesNeighbours(_BlockLike, Protocol):
    @property
    def neighbours(self) -> tuple[Roi, ...]: ...


def create_image(
    path: str | os.PathLike[str],
    spec: ImageSpec,
    *,
    format: str = "zarr",  # noqa: A002
    block: Sequence[int] | None = None,
    storage: Storage | None = None,
    label: bool = False,
    overwrite: bool = True,
) -> ImageWriter:
    """Create an image for blocks to be written into, or continue an equal one that exists.

    Parameters
    ----------
    path : path
        Of the zarr folder or the TIFF file.
    spec : ImageSpec
        Its description.
    format : {"zarr", "tiff"}
        OME-Zarr 0.5, sharded by block; or an uncompressed OME-TIFF.
    block : sequence of int, optional
        Shape that one call of `write` covers, in voxels; default: the whole image.
    storage : Storage, optional
        Chunks, compression, pyramid levels.
    label : bool
        Whether voxels are object numbers.
    overwrite : bool
        Whether another zarr that scutoid made is replaced; anything else never is.

    Raises
    ------
    GeometryError
        If blocks, shards and pyramid levels do not fit together.
    MetadataError
        If the format is unknown, or holds no pyramid, or the type of the voxels is not stored.
    StoreError
        If something else exists at `path`, or it cannot be written.
    """
    if spec.dtype.itemsize > (16 if spec.dtype.kind == "c" else 8):
        raise MetadataError(
            "stored images have up to 64 bits a number",
            value=str(spec.dtype),
            place=str(path),
            remedy='convert it in the step, such as by astype("float64")',
        )
    storage = storage or Storage()
    shards = storage.shards or block or spec.shape
    if storage.shards and block:
        _check_shards(storage.shards, block, spec)
    makers: dict[str, Callable[[], ImageWriter]] = {
        "zarr": lambda: create_zarr(
            Path(path),
            spec,
            block=[max(n, 1) for n in shards],
            storage=storage,
            label=label,
            overwrite=overwrite,
        ),
        "tiff": lambda: _create_tiff(path, spec),
    }
    if format not in makers:
        raise MetadataError(
            f"an image is stored as {' or '.join(makers)}", value=format, place="storage"
        )
    if format != "zarr" and storage.levels != 1:
        raise MetadataError(
            "an image with pyramid levels is stored as zarr",
            value=f"levels={storage.levels} of {format}",
            place=str(path),
            remedy='give format="zarr", or one level',
        )
    return makers[format]()


def _create_tiff(path: str | os.PathLike[str], spec: ImageSpec) -> ImageWriter:
    from scutoid.arrays._tiff_write import create_tiff  # as long to load as all that zarr needs

    return create_tiff(Path(path), spec)


def _check_shards(shards: Sequence[int], block: Sequence[int], spec: ImageSpec) -> None:
    sizes = Coordinate.of(shards, spec.ndim)
    for edge, shard, size, letter in zip(block, sizes, spec.shape, spec.axes, strict=True):
        if edge < size and (shard < 1 or edge % shard):
            raise GeometryError(
                "a block is made of whole shards, for two that share one would destroy each other",
                value=f"blocks of {edge}, shards of {shard}",
                place=f"storage, axis {letter!r}",
                remedy="give shards= that divide the block, or leave them out",
            )


@dataclass(frozen=True, slots=True, eq=False)
class WritableImage:
    """An image that any number of processes write blocks into.

    Made by `create`; read it again by opening its `path`.
    """

    path: str
    """Path of the image."""
    writer: ImageWriter
    """Writes its regions."""

    @property
    def spec(self) -> ImageSpec:
        """Description of the image."""
        return self.writer.spec

    def write(
        self,
        region: RoiLike | _BlockLike,
        data: NDArray[Any],
        *,
        data_roi: RoiLike | None = None,
    ) -> bool:
        """Write a region; it is on the disk when this returns.

        Parameters
        ----------
        region : Roi or Block
            The region to write; of a block, its `write_roi`.
        data : ndarray
            Its voxels, or those of a larger region, which is cropped.
        data_roi : Roi, optional
            The region that `data` cover, if larger than `region`; known for a block.  By default
            the same halo on both sides, which is refused where it may have been cut at the edge.

        Returns
        -------
        bool
            Whether anything but zeros was written.

        Raises
        ------
        GeometryError
            If it is not clear which region `data` cover, or the region is not made of whole shards.
        MetadataError
            If the image's type does not hold the type of `data`, or voxels of them are masked.
        """
        check_unmasked(data, f"{self.path}, data that are written")
        array = np.asarray(data)
        if isinstance(region, _BlockLike):
            roi = Roi.of(region.write_roi)
            known = [region.read_roi, roi, Roi.of(region.read_roi).intersect(self.spec.roi)]
            covers = next((Roi.of(r) for r in known if tuple(r.shape) == array.shape), None)
        else:
            roi, covers = Roi.of(region), None
        if data_roi is not None:
            covers = Roi.of(data_roi)
        if covers is None:
            covers = self._guess(roi, array.shape)
        if tuple(covers.shape) != array.shape or not covers.contains(roi):
            raise GeometryError(
                "data that are written cover their region",
                value=f"data of shape {array.shape}, given for {covers}",
                place=f"{self.path}, {roi}",
                remedy="give data_roi= the region that the data cover",
            )
        inside = roi.intersect(self.spec.roi)
        return self.writer.write(inside, array[inside.to_slices(covers.offset)])

    def read_neighbours(self, block: _SeesNeighbours) -> NDArray[Any]:
        """Read the output of earlier blocks in the read region of a block, and nothing else.

        Voxels left there by an interrupted run read as zero, so that a block sees the same in every
        run.

        Parameters
        ----------
        block : Block
            Of a task with ``conflict=True``.

        Returns
        -------
        ndarray
            Of the shape of the block's read region; zero elsewhere.
        """
        region = block.read_roi
        output = np.zeros(tuple(region.shape), self.spec.dtype)
        from scutoid.arrays._open import open_source  # the readers of all formats

        source = open_source(self.path)
        for part in block.neighbours:
            inside = part.intersect(self.spec.roi)
            if not inside.is_empty:
                output[inside.to_slices(region.offset)] = source.read(inside)
        return output

    def _guess(self, roi: Roi, shape: tuple[int, ...]) -> Roi:
        """Return the region that data of a shape cover, if that is certain."""
        if len(shape) == roi.ndim:
            excess = Coordinate(*shape) - roi.shape
            halo = excess // 2
            whole = self.spec.roi
            if not any(excess):
                return roi
            if all(n >= 0 and n % 2 == 0 for n in excess) and whole.contains(roi.grow(halo)):
                return roi.grow(halo)
        raise GeometryError(
            "it must be clear which region the data cover",
            value=f"data of shape {shape} for a region of shape {tuple(roi.shape)}",
            place=f"{self.path}, {roi}",
            remedy="give the block, or data_roi= the region that the data cover",
        )


def create(
    path: str | os.PathLike[str],
    *,
    like: object,
    dtype: DTypeLike | None = None,
    block: int | Sequence[int] | None = None,
    format: str | None = None,  # noqa: A002
    storage: Storage | None = None,
    label: bool = False,
    overwrite: bool = False,
) -> WritableImage:
    """Create an image for blocks to be written into, on the grid of another one.

    An equal image that exists is continued, with the blocks that it holds.

    Parameters
    ----------
    path : path
        Of the zarr folder, or of the TIFF file.
    like : image, ImageSpec, or anything that can be opened
        Gives the shape, axes, voxel size and place.
    dtype : dtype, optional
        Default: the type of `like`.
    block : int or sequence of int, optional
        Shape that one call of `write` covers, in voxels; default 128 along spatial axes, 1 along
        others.
    format : {"zarr", "tiff"}, optional
        Default: TIFF if `path` ends so, else zarr.
    storage : Storage, optional
        Chunks, compression, pyramid levels.
    label : bool
        Whether voxels are object numbers.
    overwrite : bool
        Whether another zarr that scutoid made is replaced; anything else never is.

    Returns
    -------
    WritableImage
        Its ``write(roi, data)`` can be called in other processes.

    Raises
    ------
    GeometryError
        If a block is not 1 voxel or more.
    StoreError
        If something else exists at `path`, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from scutoid.arrays import open_source
    >>> from scutoid.geometry import Roi
    >>> raw = np.ones((64, 64), "uint8")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     out = create(f"{folder}/out.zarr", like=raw, dtype="float32", block=32)
    ...     written = out.write(Roi((32, 0), (32, 32)), np.full((32, 32), 0.5, "float32"))
    ...     float(open_source(out.path).read(out.spec.roi).sum())
    512.0
    """
    spec = _spec_of(like)
    if dtype is not None:
        spec = spec.of_type(dtype)
    path = absolute(path)
    if block is None:
        block = [_BLOCK if letter in SPATIAL else 1 for letter in spec.axes]
    edges = Coordinate.of(block, spec.ndim)
    storage = storage or Storage()
    is_tiff = path.suffix.lower() in (".tif", ".tiff")
    chosen = format or storage.format or ("tiff" if is_tiff else "zarr")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = create_image(
        path,
        spec,
        format=chosen,
        block=edges,
        storage=storage,
        label=label,
        overwrite=overwrite,
    )
    return WritableImage(str(path), writer)


def _spec_of(like: Any) -> ImageSpec:
    if isinstance(like, ImageSpec):
        return like
    spec = getattr(getattr(like, "framed", like), "spec", None)
    if isinstance(spec, ImageSpec):
        return spec
    if all(hasattr(like, name) for name in ("shape", "dtype", "axes", "voxel_size", "unit")):
        return ImageSpec(
            like.shape,
            like.dtype,
            like.axes,
            voxel_size=like.voxel_size,
            unit=like.unit,
            origin=getattr(like, "origin", None),
            channels=tuple(getattr(like, "channels", None) or ()),
        )
    from scutoid.arrays._open import open_source

    return open_source(like).spec

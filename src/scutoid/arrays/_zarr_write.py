"""Write OME-Zarr 0.5: one shard a block, small chunks inside it, a checksum on each.

Coarser levels of a pyramid are downsampled from the block in memory; nothing is read back.

::

    shard = block, written by one process in one piece:  tensorstore writes a temporary file,
    +----+----+                                          syncs it and renames it
    | c  | c  |   chunks inside, read one by one by viewers and neighbours;
    +----+----+   codecs: bytes, compressor, crc32c
    | c  | c  |
    +----+----+
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._axis_order import Order, as_stored, order_of, stored_spec
from scutoid.arrays._ome_write import describe_group, is_ours, without_display
from scutoid.arrays._pyramid import (
    PyramidLevel,
    check_multiples,
    pyramid_levels,
    pyramid_method,
)
from scutoid.arrays._shard_notes import Notes, ShardLevel, as_notes, shard_levels
from scutoid.arrays._source import check_block, stored_values
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._storage import Storage
from scutoid.arrays._zarr_array import ZarrArray, open_tensorstore
from scutoid.arrays._zarr_nodes import read_node
from scutoid.durable import beside, store_error, sync_folder
from scutoid.errors import GeometryError, MetadataError, ScutoidError, StoreError
from scutoid.geometry import Coordinate, Roi
from scutoid.kernels import downsample
from scutoid.paths import absolute
from scutoid.texts import json_text

_CHUNK = 64
"""Voxels along an axis of a chunk: good for viewers, and little waste at a halo."""
_SMALL_CHUNK = 16
_STRETCH = 2**18
"""Bytes that are looked at together."""


class _Codec(TypedDict):
    """A codec in the metadata of an array."""

    name: str
    configuration: dict[str, object]


# Level 1: level 3 gave files of the same size on images of cells.
_COMPRESSORS: dict[str, list[_Codec]] = {
    "none": [],
    "zstd": [{"name": "zstd", "configuration": {"level": 1}}],
    "gzip": [{"name": "gzip", "configuration": {"level": 1}}],
    "blosc": [
        {
            "name": "blosc",
            "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"},
        }
    ],
}


@dataclass(frozen=True, slots=True, eq=False)
class CoarseLevel:
    """A coarser level of a pyramid, and its array."""

    array: ZarrArray
    """The array."""
    factors: tuple[int, ...]
    """Voxels of the level above in each of its voxels, an entry an axis."""
    total: tuple[int, ...]
    """Voxels of level 0 in each of its voxels, an entry an axis."""

    def region(self, roi: Roi) -> Roi:
        """The region of this level under a region of level 0 whose corner is on its grid."""
        start = [a // width for a, width in zip(roi.offset, self.total, strict=True)]
        stop = [-(-b // width) for b, width in zip(roi.end, self.total, strict=True)]
        return Roi(start, [b - a for a, b in zip(start, stop, strict=True)])


@dataclass(frozen=True, slots=True, eq=False)
class ZarrWriter:
    """Writes whole shards of an image; several processes write disjoint ones at once."""

    spec: ImageSpec
    """Description of the image."""
    array: ZarrArray
    """Its array of level 0."""
    shard: tuple[int, ...]
    """Shape of a shard, which is written in one piece, in voxels."""
    coarse: tuple[CoarseLevel, ...] = ()
    """Coarser levels, each downsampled from the one before."""
    method: str = "mean"
    """Method of downsampling."""
    levels: tuple[ShardLevel, ...] = ()
    """Where the shards of all levels lie, the finest first."""

    def write_noted(
        self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False
    ) -> Notes | None:
        """Write a region as `write` does; return notes of its shards, on all levels, if any are."""
        if not self.write(roi, data, stores_zeros=stores_zeros):
            return None
        regions = (roi, *(level.region(roi) for level in self.coarse))
        found = [
            level.note(place)
            for level, region in zip(self.levels, regions, strict=True)
            for place in level.places(region)
        ]
        return as_notes([note for note in found if note is not None])

    def write(self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False) -> bool:
        """Write a region that is made of whole shards; it is on the disk when this returns.

        Parameters
        ----------
        stores_zeros : bool
            Whether zeros are stored too.

        Returns
        -------
        bool
            False if all is zero and zeros are not stored: then earlier voxels there are removed.

        Raises
        ------
        GeometryError
            If the region cuts a shard, which another block may be writing.
        MetadataError
            If the image's type does not hold the data.
        StoreError
            If the disk is full or refuses.
        """
        values = self.values_of(roi, data)
        if roi.is_empty:
            return False
        is_written = stores_zeros or has_voxels(values)
        try:
            waiting = []
            for level, region, coarse in self.coarse_parts(roi, values):
                # Without a cache: written chunks would displace those that the next blocks read.
                array = open_tensorstore(level.array, 0, stores_zeros=is_written)
                waiting.append(array[region.to_slices()].write(coarse))
            for write in waiting:
                write.result()
            # The finest is the last: if it exists, all of them do.
            # It copies the voxels: told that it need not, tensorstore lost inner chunks of shards.
            target = open_tensorstore(self.array, 0, stores_zeros=stores_zeros)
            target[roi.to_slices()].write(values).result()
        except (ValueError, NotImplementedError, OSError, ScutoidError) as error:
            if isinstance(error, StoreError):
                raise
            rule = "a block can be written to its store"
            raise store_error(error, f"{self.array.location}, {roi}", rule=rule) from error
        return is_written

    def values_of(self, roi: Roi, data: NDArray[Any]) -> NDArray[Any]:
        """Return data of a region as they are stored; see `write` for what is refused."""
        check_block(roi, data, self.spec, self.array.location)
        self._check_aligned(roi)
        return stored_values(data, self.spec, self.array.location)

    def coarse_parts(
        self, roi: Roi, values: NDArray[Any]
    ) -> Iterator[tuple[CoarseLevel, Roi, NDArray[Any]]]:
        """Yield each coarser level with its part of a region, and its voxels.

        They are stored also where they are zeros, if those of level 0 are not: so a shard that is
        missing only on a coarser level is known to be lost.
        """
        for level in self.coarse:
            values = downsample(values, level.factors, self.method)
            yield level, level.region(roi), values

    def _check_aligned(self, roi: Roi) -> None:
        for axis, (start, stop, size, edge) in enumerate(
            zip(roi.offset, roi.end, self.spec.shape, self.shard, strict=True)
        ):
            if start % edge or (stop % edge and stop != size):
                aligned = math.ceil((stop - start) / edge) * edge
                raise GeometryError(
                    "a block writes whole shards, for two that share one would destroy each other",
                    value=f"{start} to {stop} with shards of {edge}",
                    place=f"{self.array.location}, axis {self.spec.axes[axis]!r}",
                    remedy=f"use blocks of {aligned} that start at multiples of {edge}, "
                    f"or create the image with block={stop - start}",
                )


def has_voxels(values: NDArray[Any]) -> bool:
    """Whether there is anything but zeros; -0.0 is none."""
    content = values.reshape(-1).view(np.uint8)
    # A stretch at a time, for numpy would look at all of them
    return any(content[at : at + _STRETCH].any() for at in range(0, content.size, _STRETCH))


def shards_and_chunks(
    shape: Sequence[int], block: Sequence[int], chunks: Sequence[int] | int | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose shards that blocks write whole, and inner chunks that viewers read.

    Parameters
    ----------
    shape, block : sequence of int
        Of the image and of one write, in voxels.
    chunks : int or sequence of int, optional
        The largest inner chunk wanted; default 64 along each axis.

    Raises
    ------
    GeometryError
        If a size is not 1 or more, or there is not one an axis.

    Examples
    --------
    >>> shards_and_chunks((300, 1000, 50), (128, 128, 50), None)
    ((128, 128, 50), (64, 64, 50))
    """
    limits = Coordinate.of(_CHUNK if chunks is None else chunks, len(shape))
    edges = Coordinate.of(block, len(shape))
    if any(n < 1 for n in (*limits, *edges)):
        raise GeometryError(
            "blocks, shards and chunks are 1 voxel or more along each axis",
            value=f"block {tuple(edges)}, chunks {tuple(limits)}",
            place="storage",
        )
    shard, chunk = [], []
    for size, edge, limit in zip(shape, edges, limits, strict=True):
        if edge >= size:  # one block covers the axis: its shard may be longer than the image
            chunk.append(max(min(limit, size), 1))
            shard.append(max(-(-size // chunk[-1]), 1) * chunk[-1])
        else:
            chunk.append(_divisor(edge, limit))
            shard.append(edge)
    return tuple(shard), tuple(chunk)


def _divisor(edge: int, limit: int) -> int:
    """Return the largest divisor up to a limit; if that is tiny, the smallest one above."""
    divisor = next(d for d in range(min(limit, edge), 0, -1) if edge % d == 0)
    if divisor >= min(limit, edge, _SMALL_CHUNK):
        return divisor
    return next(d for d in range(limit + 1, edge + 1) if edge % d == 0)


def create_zarr(
    path: Path,
    spec: ImageSpec,
    *,
    block: Sequence[int],
    storage: Storage,
    label: bool,
    overwrite: bool = True,
) -> ZarrWriter:
    """Create an OME-Zarr 0.5 image, sharded by `block`, or continue an equal one that exists.

    Its axes are stored in the order of OME-NGFF, and read in their own.  What OME-NGFF does not
    know, such as an image of one axis, becomes a zarr without its metadata.

    A different image of ours is replaced if `overwrite` is true.

    Raises
    ------
    GeometryError
        If a shard of the coarsest level would not cover the region of one of level 0.
    StoreError
        If something else exists at `path`, or it cannot be written.
    """
    compressor = storage.compressor or "zstd"
    if compressor not in _COMPRESSORS:
        raise MetadataError(
            f"a compressor is one of {', '.join(_COMPRESSORS)}", value=compressor, place="storage"
        )
    levels = pyramid_levels(spec, storage)
    method = pyramid_method(spec, storage, label=label)
    check_multiples(block, levels, spec, str(path))
    order = order_of(spec.axes)
    shards, arrays = [], {}
    for number, level in enumerate(levels):
        shard, chunk = _shards_of(level, block, spec, storage)
        shards.append(shard)
        arrays[str(number)] = _array_metadata(
            stored_spec(level.spec, order),
            as_stored(shard, order),
            as_stored(chunk, order),
            _COMPRESSORS[compressor],
        )
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": describe_group(levels, label=label, method=method),
    }
    path = absolute(path)
    try:
        if not _holds(path, arrays, group, overwrite=overwrite):
            _place(path, arrays, group)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise store_error(error, path, rule="an image can be created in its store") from error
    finest, *others = [_placed(path / name, order) for name in arrays]
    coarse = tuple(
        CoarseLevel(array, level.factors, level.total)
        for array, level in zip(others, levels[1:], strict=True)
    )
    return ZarrWriter(spec, finest, shards[0], coarse, method, shard_levels(path))


def _shards_of(
    level: PyramidLevel, block: Sequence[int], spec: ImageSpec, storage: Storage
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose chunks of a level, and shards that cover the regions of those of level 0."""
    edges = [
        edge // width if edge < size else max(edge, 1)
        for edge, width, size in zip(block, level.total, spec.shape, strict=True)
    ]
    return shards_and_chunks(level.spec.shape, edges, storage.chunks)


def _placed(path: Path, order: Order) -> ZarrArray:
    node = read_node(str(path))
    return ZarrArray(str(path), 3, () if node is None else node.stamp, order=order)


def _holds(
    path: Path, arrays: dict[str, dict[str, object]], group: dict[str, object], *, overwrite: bool
) -> bool:
    """Return whether this same image exists; remove a different one of ours."""
    if not path.exists():
        return False
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
        return False
    try:
        node = read_node(str(path))
        inner = [read_node(str(path / name)) for name in arrays]
    except ScutoidError:
        node, inner = None, []
    links = [p for name in arrays for p in (path / name, path / name / "c") if p.is_symlink()]
    mine = node is not None and is_ours(node.attributes) and not links
    metadata = [None if each is None else each.metadata for each in inner]
    if mine and node and metadata == [*arrays.values()] and _are_alike(node.metadata, group):
        return True
    if not mine or not overwrite:
        raise StoreError(
            "an image is created at an empty path, or where the same image was begun",
            value="another image of scutoid's" if mine else "something that scutoid did not make",
            place=str(path),
            remedy="choose another path, or remove what exists there",
        )
    # Renamed first: the owner of a half removed folder could not be known.
    away = beside(path, ending=".old")
    path.rename(away)
    shutil.rmtree(away)
    return False


def _are_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two descriptions of a group differ in nothing but how its channels are shown."""
    plain = [
        dict(each) | {"attributes": without_display(each["attributes"])} for each in (one, other)
    ]
    return plain[0] == plain[1]


def _place(path: Path, arrays: dict[str, dict[str, object]], group: dict[str, object]) -> None:
    """Write the metadata in one atomic step: to a temporary folder, synced and renamed."""
    new = beside(path)
    new.mkdir(parents=True)
    try:
        for folder, content in (*((new / n, a) for n, a in arrays.items()), (new, group)):
            folder.mkdir(exist_ok=True)
            with (folder / "zarr.json").open("w") as stream:
                stream.write(json_text(content))
                stream.flush()
                os.fsync(stream.fileno())
            sync_folder(folder)
        new.rename(path)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _array_metadata(
    spec: ImageSpec,
    shard: Sequence[int],
    chunk: Sequence[int],
    compressor: list[_Codec],
) -> dict[str, object]:
    little: dict[str, object] = {"name": "bytes"}
    if spec.dtype.itemsize > 1:
        little["configuration"] = {"endian": "little"}
    index = {"name": "bytes", "configuration": {"endian": "little"}}
    fill: object = {"b": False, "f": 0.0, "c": [0.0, 0.0]}.get(spec.dtype.kind, 0)
    sharding = {
        "chunk_shape": list(chunk),
        "codecs": [little, *_sized(compressor, spec), {"name": "crc32c"}],
        "index_codecs": [index, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(spec.shape),
        "data_type": spec.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shard)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "dimension_names": list(spec.axes),
        "attributes": {},
    }


def _sized(compressor: list[_Codec], spec: ImageSpec) -> list[_Codec]:
    """Add blosc's size of a voxel, which it shuffles by; no checksum of zstd besides crc32c."""
    added: dict[str, dict[str, object]] = {
        "blosc": {"typesize": spec.dtype.itemsize, "blocksize": 0},
        "zstd": {"checksum": False},
    }
    return [
        {"name": c["name"], "configuration": c["configuration"] | added.get(c["name"], {})}
        for c in compressor
    ]

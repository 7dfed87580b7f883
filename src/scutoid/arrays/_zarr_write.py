"""Writing sharded OME-Zarr 0.5, block by block, from several processes at once.

::

    block (= shard)   |---------------|---------------|------|    the last is cut by the image
    inner chunks      |---|---|---|---|---|---|---|---|---|--|

Tensorstore writes a shard beside its place, syncs and renames it; a shard of zeros is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._files import sync_folder, write_durably
from scutoid.arrays._ome import MARK, describe_group
from scutoid.arrays._source import ImageWriter, check_data, check_inside
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._storage import Storage, write_error
from scutoid.arrays._zarr import open_zarr
from scutoid.arrays._zarr_array import ZarrArray
from scutoid.errors import GeometryError, StoreError
from scutoid.geometry import Roi

_CHUNK = 64
_SMALL_CHUNK = 16
# Level 1: on the smoothed image of the benchmarks level 3 is a fifth slower and saves one percent.
_COMPRESSORS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "zstd": [{"name": "zstd", "configuration": {"level": 1}}],
    "gzip": [{"name": "gzip", "configuration": {"level": 1}}],
    "blosc": [
        {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"}}
    ],
}


def shards_and_chunks(
    shape: Sequence[int], block: Sequence[int], chunks: Sequence[int] | int | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose shards that blocks write whole, and inner chunks that viewers read.

    Parameters
    ----------
    shape, block : sequence of int
        Of the image, and of what is written in one piece, in voxels.
    chunks : sequence of int or int, optional
        At most this long on each axis; default: 64.

    Returns
    -------
    shard, chunk : tuple of int
        On an axis that one block covers, the shard may be longer than the image.

    Examples
    --------
    >>> shards_and_chunks((300, 1000, 50), (128, 128, 50), None)
    ((128, 128, 50), (64, 64, 50))
    """
    limits = (chunks,) * len(shape) if isinstance(chunks, int) else chunks
    pairs = [
        _shard_and_chunk(max(size, 1), max(edge, 1), limits[n] if limits else None)
        for n, (size, edge) in enumerate(zip(shape, block, strict=True))
    ]
    return tuple(shard for shard, _ in pairs), tuple(chunk for _, chunk in pairs)


def _shard_and_chunk(size: int, edge: int, limit: int | None) -> tuple[int, int]:
    most = limit or _CHUNK
    if edge >= size:
        chunk = min(most, size)
        return -(-size // chunk) * chunk, chunk
    divisors = [d for d in range(1, edge + 1) if edge % d == 0]
    chunk = max(d for d in divisors if d <= most)
    if limit is None and chunk < min(_SMALL_CHUNK, edge):  # such as 1 of a prime number
        chunk = min(d for d in divisors if d > chunk)
    return edge, chunk


def create_zarr(
    path: Path,
    spec: ImageSpec,
    *,
    block: Sequence[int],
    storage: Storage,
    label: bool,
    overwrite: bool,
) -> ImageWriter:
    """Make an OME-Zarr 0.5 image with one level, or take up one of the same kind that is there.

    Raises
    ------
    GeometryError
        If blocks are not made of whole shards.
    StoreError
        If it cannot be written, or there is something else.
    """
    for name, given in (("a block", block), ("chunks", storage.chunks), ("shards", storage.shards)):
        if given is not None and not isinstance(given, int) and len(given) != spec.ndim:
            raise GeometryError(
                f"{name} of an image with axes {spec.axes!r} have {spec.ndim} lengths", value=given
            )
    shard, chunk = shards_and_chunks(spec.shape, storage.shards or block, storage.chunks)
    _check_blocks(spec, block, shard)
    array = _array_metadata(spec, shard, chunk, _COMPRESSORS[storage.compressor or "zstd"])
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": describe_group(spec, label=label),
    }
    try:
        if not _is_there(path, array, group, overwrite=overwrite):
            (path / "0").mkdir(parents=True, exist_ok=True)
            write_durably(path / "0" / "zarr.json", _text(array))
        write_durably(path / "zarr.json", _text(group))
        sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise write_error(error, str(path)) from error
    return ZarrWriter(spec, _array(path, array), shard)


def _text(metadata: dict[str, Any]) -> bytes:
    return json.dumps(metadata, indent=1).encode()


def _array(path: Path, metadata: dict[str, Any]) -> ZarrArray:
    digest = hashlib.sha256(json.dumps(metadata).encode()).hexdigest()
    return ZarrArray(str((path / "0").absolute()), 3, digest)


def _is_there(path: Path, array: dict[str, Any], group: dict[str, Any], *, overwrite: bool) -> bool:
    """Return whether the array is there already; move away another image of ours."""
    if not path.exists():
        return False
    found_array, found_group = _read(path / "0" / "zarr.json"), _read(path / "zarr.json")
    if found_array == array and found_group in (None, group):
        return True
    names = [p.name for p in path.iterdir()] if path.is_dir() else [path.name]
    is_ours = path.is_dir() and all(n == "0" or n.startswith(("zarr.json", ".zarr")) for n in names)
    if found_group is not None:
        is_ours = is_ours and MARK in found_group.get("attributes", {})
    elif is_ours and found_array is None:
        return False  # killed while it was made: voxels come after the metadata, so there are none
    if not is_ours or not overwrite:
        raise StoreError(
            "an image is created where there is none, or one of the same kind",
            value="another image of scutoid's"
            if is_ours
            else "something that scutoid did not make",
            place=str(path),
            remedy="choose another name" + (", or give overwrite=True" if is_ours else ""),
        )
    # Renamed first: half of a folder that was being removed could be taken for a new image.
    away = path.with_name(f".{path.name}.{os.getpid()}.old")
    path.rename(away)
    shutil.rmtree(away)
    return False


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def open_zarr_writer(path: Path) -> ImageWriter:
    """Take up an image that `create_zarr` made."""
    spec = open_zarr(str(path.absolute()), level=0, mode="listing").spec
    array = _read(path / "0" / "zarr.json")
    group = _read(path / "zarr.json")
    if not array or not group or MARK not in group.get("attributes", {}):
        raise StoreError("blocks are written into images that scutoid created", place=str(path))
    return ZarrWriter(
        spec, _array(path, array), tuple(array["chunk_grid"]["configuration"]["chunk_shape"])
    )


def _check_blocks(spec: ImageSpec, block: Sequence[int], shard: Sequence[int]) -> None:
    for letter, size, edge, length in zip(spec.axes, spec.shape, block, shard, strict=True):
        if edge < size and edge % length:
            raise GeometryError(
                "a block is made of whole shards, for two that share one would destroy each other",
                value=f"blocks of {edge} with shards of {length}",
                place=f"axis {letter!r}",
                remedy=f"use blocks of {-(-edge // length) * length}, or leave out shards=",
            )


def _array_metadata(
    spec: ImageSpec,
    shard: Sequence[int],
    chunk: Sequence[int],
    compressor: list[dict[str, Any]],
) -> dict[str, Any]:
    little: dict[str, Any] = {"name": "bytes"}
    if spec.dtype.itemsize > 1:
        little["configuration"] = {"endian": "little"}
    index = {"name": "bytes", "configuration": {"endian": "little"}}
    fill: Any = {"b": False, "f": 0.0, "c": [0.0, 0.0]}.get(spec.dtype.kind, 0)
    sharding = {
        "chunk_shape": list(chunk),
        # The checksum comes last: it covers the bytes that lie on the disk.
        "codecs": [little, *compressor, {"name": "crc32c"}],
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


@dataclass(frozen=True, slots=True, eq=False)
class ZarrWriter:
    """Writes whole shards of an image; several processes write disjoint ones at once."""

    spec: ImageSpec
    """What the image is."""
    array: ZarrArray
    """Where it lies."""
    shard: tuple[int, ...]
    """What is written in one piece, in voxels."""

    def write(self, roi: Roi, data: NDArray[Any]) -> bool:
        """Write a region that is made of whole shards; it is on the disk when this returns.

        Returns
        -------
        bool
            False if all is zero, and so nothing is stored; an older shard is removed.

        Raises
        ------
        GeometryError
            If the region cuts a shard, which another block may be writing.
        StoreError
            If the disk is full or refuses.
        """
        check_inside(roi, self.spec)
        check_data(data, roi, self.array.location)
        if roi.is_empty:
            return False
        self._check_shards(roi)
        values = np.ascontiguousarray(data, dtype=self.spec.dtype).reshape(data.shape)
        try:
            self.array.writable()[roi.to_slices()].write(values).result()
        except (ValueError, OSError, NotImplementedError) as error:
            raise write_error(error, f"{self.array.location}, {roi}") from error
        return bool(values.reshape(-1).view(np.uint8).any())

    def _check_shards(self, roi: Roi) -> None:
        for letter, start, stop, size, edge in zip(
            self.spec.axes, roi.offset, roi.end, self.spec.shape, self.shard, strict=True
        ):
            if start % edge or (stop % edge and stop != size):
                aligned = -(-(stop - start) // edge) * edge
                raise GeometryError(
                    "a block writes whole shards, for two that share one would destroy each other",
                    value=f"{start} to {stop} with shards of {edge}",
                    place=f"{self.array.location}, axis {letter!r}",
                    remedy=f"use blocks of {aligned} that start at multiples of {edge}, "
                    f"or create the image with block={stop - start}",
                )

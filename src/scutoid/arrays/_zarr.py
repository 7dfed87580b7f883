"""Zarr arrays, versions 2 and 3, read and written by tensorstore.

Tensorstore decodes a chunk once for all who need it soon (its cache pool), writes a shard beside its
place, syncs and renames it.  What it cannot open (other URLs, rare codecs) zarr-python reads.
"""

from __future__ import annotations

import functools
import json
import math
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._ome import Multiscale, describe_group, read_multiscale
from scutoid.arrays._source import SourceIdentity, check_inside
from scutoid.arrays._spec import SPATIAL, ImageSpec, colour_axes, default_axes
from scutoid.errors import GeometryError, MetadataError, SourceError, StoreError
from scutoid.geometry import Roi

CACHE_BYTES = 128 * 2**20
"""Bytes of decoded chunks that a process holds."""
_CHUNK = 64
_COMPRESSORS: dict[str, list[dict[str, Any]]] = {
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


@functools.cache
def _context(cache_bytes: int) -> Any:
    import tensorstore as ts

    # Few threads of its own: workers are processes or threads of ours, one a core.
    return ts.Context(
        {
            "cache_pool": {"total_bytes_limit": cache_bytes},
            "data_copy_concurrency": {"limit": 2},
            "file_io_concurrency": {"limit": 4},
        }
    )


@dataclass(frozen=True, slots=True)
class ZarrArray:
    """One array of a zarr: where it lies, and how it is opened."""

    location: str
    """Path or URL of the array."""
    version: int
    """2 or 3."""

    def open(self) -> Any:
        """Return the open array, the same one for all who ask in this process."""
        return _opened(self.location, self.version, CACHE_BYTES)

    def read(self, roi: Roi, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Read a region."""
        array = self.open()
        if isinstance(array, _ZarrPython):
            return array.read(roi, dtype)
        try:
            found = array[roi.to_slices()].read().result()
        except ValueError as error:
            raise SourceError(
                "chunks of a zarr can be decoded",
                value=str(error)[:500],
                place=self.location,
                remedy="the file is damaged: restore it, or compute it again",
            ) from error
        found = np.asarray(found)
        if found.dtype != dtype or not found.flags.c_contiguous or not found.flags.writeable:
            found = np.array(found, dtype=dtype, order="C")
        return found


@functools.lru_cache(maxsize=512)
def _opened(location: str, version: int, cache_bytes: int) -> Any:
    import tensorstore as ts

    kvstore = _kvstore(location)
    if kvstore is not None:
        driver = "zarr3" if version == 3 else "zarr"
        spec = {"driver": driver, "kvstore": kvstore, "open": True}
        try:
            return ts.open(spec, context=_context(cache_bytes)).result()
        except (ValueError, NotImplementedError):
            pass  # a codec or type that tensorstore does not know
    return _ZarrPython(location)


def _kvstore(location: str) -> dict[str, Any] | str | None:
    scheme = location.partition("://")[0] if "://" in location else "file"
    if scheme == "file":
        return {"driver": "file", "path": location.removeprefix("file://").rstrip("/") + "/"}
    if scheme in ("http", "https"):
        return {"driver": "http", "base_url": location.rstrip("/") + "/"}
    return None


class _ZarrPython:
    """An array that zarr-python reads, chunk by chunk through our cache."""

    def __init__(self, location: str) -> None:
        import zarr

        self.array: Any = zarr.open_array(location, mode="r")
        self.location = location
        self.lock = threading.Lock()

    def read(self, roi: Roi, dtype: np.dtype[Any]) -> NDArray[Any]:
        chunks = tuple(int(c) for c in self.array.chunks)
        return read_chunked(
            self.location,
            tuple(roi.offset),
            tuple(roi.end),
            chunks,
            dtype,
            lambda place: np.array(
                self.array[
                    tuple(slice(p * c, (p + 1) * c) for p, c in zip(place, chunks, strict=True))
                ],
                dtype,
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class ZarrSource:
    """A zarr array as an image."""

    spec: ImageSpec
    """What it is."""
    array: ZarrArray
    """Where it lies."""
    chunks: tuple[int, ...]
    """What one decoding brings: the inner chunks of shards."""
    levels: int = 1
    """Number of pyramid levels beside it."""
    mode: str = "listing"
    """How a change is noticed."""

    @property
    def identity(self) -> SourceIdentity:
        """The array's folder."""
        kind = "url" if "://" in self.array.location else "zarr"
        return SourceIdentity(kind, (self.array.location,), mode=self.mode)  # type: ignore[arg-type]

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        check_inside(roi, self.spec)
        return self.array.read(roi, self.spec.dtype)


def _load(text: bytes | None, place: str) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SourceError(
            "zarr metadata is JSON", value=str(error), place=place, remedy="restore the file"
        ) from error
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class _Node:
    """A zarr group or array, by its metadata files."""

    location: str
    version: int
    is_array: bool
    metadata: Mapping[str, Any]
    attributes: Mapping[str, Any]


def _get(location: str, name: str) -> bytes | None:
    if "://" not in location or location.startswith("file://"):
        path = Path(location.removeprefix("file://")) / name
        return path.read_bytes() if path.is_file() else None
    import fsspec

    url = f"{location.rstrip('/')}/{name}"
    try:
        with fsspec.open(url, "rb") as file:
            return file.read()  # type: ignore[no-any-return]
    except (FileNotFoundError, KeyError):
        return None


def read_node(location: str) -> _Node | None:
    """Return the group or array at a place; None if there is none."""
    found = _load(_get(location, "zarr.json"), f"{location}/zarr.json")
    if found:
        is_array = found.get("node_type") == "array"
        return _Node(location, 3, is_array, found, found.get("attributes") or {})
    attributes = _load(_get(location, ".zattrs"), f"{location}/.zattrs")
    found = _load(_get(location, ".zarray"), f"{location}/.zarray")
    if found:
        return _Node(location, 2, True, found, attributes)
    found = _load(_get(location, ".zgroup"), f"{location}/.zgroup")
    return _Node(location, 2, False, found, attributes) if found or attributes else None


def open_zarr(location: str, *, level: int, mode: str, axes: str | None = None) -> ZarrSource:
    """Open an OME-Zarr image, a plain array, or a group with one array.

    Raises
    ------
    SourceError, MetadataError
        If there is no zarr, or it is not clear which array is meant.
    """
    node = read_node(location)
    if node is None:
        raise SourceError(
            "a zarr has metadata",
            value="neither zarr.json nor .zarray or .zgroup",
            place=location,
            remedy="check the path: it names the folder that holds zarr.json or .zarray",
        )
    if node.is_array:
        return _source(node, None, level, 1, mode, axes)
    multiscale = read_multiscale(node.attributes, location)
    if multiscale is None:
        return _source(_only_array(node), None, level, 1, mode, axes)
    n_levels = len(multiscale.paths)
    if not 0 <= level < n_levels:
        raise MetadataError(
            f"the pyramid has levels 0 to {n_levels - 1}", value=level, place=location
        )
    inner = read_node(f"{location.rstrip('/')}/{multiscale.paths[level]}")
    if inner is None or not inner.is_array:
        raise SourceError(
            "the arrays that OME-NGFF metadata names exist",
            value=multiscale.paths[level],
            place=location,
        )
    return _source(inner, multiscale, level, n_levels, mode)


def _only_array(node: _Node) -> _Node:
    names: list[str] = []
    if "://" not in node.location:
        folders = sorted(p for p in Path(node.location).iterdir() if p.is_dir())
        names = [p.name for p in folders if (p / "zarr.json").exists() or (p / ".zarray").exists()]
    inner = [found for name in names if (found := read_node(f"{node.location}/{name}"))]
    arrays = [found for found in inner if found.is_array]
    if len(arrays) == 1:
        return arrays[0]
    raise MetadataError(
        "a zarr group is an OME-Zarr image, or holds one array",
        value=f"arrays: {', '.join(Path(a.location).name for a in arrays) or 'none'}",
        place=node.location,
        remedy="name the array: " + (f"{node.location}/{names[0]}" if names else "…/array"),
    )


def _source(
    node: _Node,
    multiscale: Multiscale | None,
    level: int,
    n_levels: int,
    mode: str,
    axes: str | None = None,
) -> ZarrSource:
    shape = tuple(int(n) for n in node.metadata["shape"])
    dtype = _dtype(node)
    array = ZarrArray(node.location, node.version)
    chunks = tuple(max(int(c), 1) for c in _chunks(node))
    if multiscale is not None:
        letters = multiscale.axes
        spatial = [n for n, letter in enumerate(letters) if letter in SPATIAL]
        scale, shift = multiscale.scales[level], multiscale.translations[level]
        spec = ImageSpec(
            shape,
            dtype,
            letters,
            voxel_size=tuple(scale[n] for n in spatial) if multiscale.has_scale else None,
            unit=multiscale.unit,
            origin=tuple(shift[n] for n in spatial),
            channels=multiscale.channels
            if _n_channels(letters, shape) == len(multiscale.channels)
            else (),
        )
        return ZarrSource(spec, array, chunks, n_levels, mode)
    names = node.metadata.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS")
    is_named = names and all(isinstance(n, str) and len(n) == 1 for n in names)
    if axes is None and is_named and len(set(names)) == len(names):
        axes = "".join(names).lower()
    if axes is None:
        axes = colour_axes(shape, dtype) or default_axes(shape, dtype, place=node.location)
    return ZarrSource(ImageSpec(shape, dtype, axes), array, chunks, 1, mode)


def _n_channels(axes: str, shape: Sequence[int]) -> int:
    return shape[axes.index("c")] if "c" in axes else 0


def _dtype(node: _Node) -> np.dtype[Any]:
    text = node.metadata["dtype" if node.version == 2 else "data_type"]
    try:
        return np.dtype(text).newbyteorder("=")
    except TypeError as error:
        raise SourceError(
            "an image's zarr holds numbers", value=text, place=node.location
        ) from error


def _chunks(node: _Node) -> Sequence[int]:
    if node.version == 2:
        return node.metadata["chunks"]  # type: ignore[no-any-return]
    codecs = node.metadata.get("codecs", ())
    for codec in codecs:
        if codec.get("name") == "sharding_indexed":
            return codec["configuration"]["chunk_shape"]  # type: ignore[no-any-return]
    return node.metadata["chunk_grid"]["configuration"]["chunk_shape"]  # type: ignore[no-any-return]


def shards_and_chunks(
    shape: Sequence[int], block: Sequence[int], chunks: Sequence[int] | int | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose shards that blocks write whole, and inner chunks that viewers read.

    Examples
    --------
    >>> shards_and_chunks((300, 1000, 50), (128, 128, 50), None)
    ((128, 128, 50), (64, 64, 50))
    """
    inner = [chunks] * len(shape) if isinstance(chunks, int) else chunks
    shard, chunk = [], []
    for n, (size, edge) in enumerate(zip(shape, block, strict=True)):
        size, edge = max(size, 1), max(edge, 1)
        limit = _CHUNK if inner is None else max(int(inner[n]), 1)
        if edge >= size:  # one block covers the axis: its shard may be longer than the image
            chunk.append(min(limit, size))
            shard.append(-(-size // chunk[-1]) * chunk[-1])
        else:
            divisors = (d for d in range(min(limit, edge), 0, -1) if edge % d == 0)
            chunk.append(next(divisors))
            shard.append(edge)
    return tuple(shard), tuple(chunk)


def create_zarr(
    path: Path,
    spec: ImageSpec,
    *,
    block: Sequence[int],
    chunks: Sequence[int] | int | None,
    compressor: str,
    label: bool,
) -> ZarrWriter:
    """Make an OME-Zarr 0.5 image with one level, sharded by `block`, or take up one that is there.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    if compressor not in _COMPRESSORS:
        raise MetadataError(
            f"a compressor is one of {', '.join(_COMPRESSORS)}", value=compressor, place="storage"
        )
    shard, chunk = shards_and_chunks(spec.shape, block, chunks)
    metadata = _array_metadata(spec, shard, chunk, _COMPRESSORS[compressor])
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": describe_group(spec, label=label),
    }
    writer = ZarrWriter(spec, str(path / "0"), shard)
    array_file, group_file = path / "0" / "zarr.json", path / "zarr.json"
    try:
        if array_file.exists() and json.loads(array_file.read_bytes()) == metadata:
            return writer
        if path.exists():
            shutil.rmtree(path)
        (path / "0").mkdir(parents=True)
        array_file.write_text(json.dumps(metadata, indent=1))
        group_file.write_text(json.dumps(group, indent=1))
    except OSError as error:
        raise StoreError(
            "an image can be created in its store",
            value=error.strerror or str(error),
            place=str(path),
            remedy="check the folder, its permissions and the free space",
        ) from error
    _opened.cache_clear()
    return writer


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
    fill: Any = False if spec.dtype == bool else 0.0 if spec.dtype.kind == "f" else 0
    if spec.dtype.kind == "c":
        fill = [0.0, 0.0]
    sharding = {
        "chunk_shape": list(chunk),
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
    location: str
    """Path of the array."""
    shard: tuple[int, ...]
    """What is written in one piece, in voxels."""

    def write(self, roi: Roi, data: NDArray[Any]) -> bool:
        """Write a region that is made of whole shards; it is on the disk when this returns.

        Returns
        -------
        bool
            False if all is zero, and so nothing is stored.

        Raises
        ------
        GeometryError
            If the region cuts a shard, which another block may be writing.
        StoreError
            If the disk is full or refuses.
        """
        self._check(roi, data)
        if roi.is_empty:
            return False
        # Without a cache: what is written would push out of it what the next blocks read.
        array = _opened(self.location, 3, 0)
        values = np.ascontiguousarray(data, dtype=self.spec.dtype)
        try:
            array[roi.to_slices()].write(values).result()
        except (ValueError, OSError) as error:
            raise StoreError(
                "a block can be written to its store",
                value=str(error)[:500],
                place=f"{self.location}, {roi}",
                remedy="free some space or choose another store, and run again: "
                "what was finished is kept",
            ) from error
        return bool(np.any(values))

    def _check(self, roi: Roi, data: NDArray[Any]) -> None:
        check_inside(roi, self.spec)
        if tuple(data.shape) != tuple(roi.shape):
            raise GeometryError(
                "what is written has the shape of its region",
                value=f"{data.shape} for {tuple(roi.shape)}",
                place=self.location,
            )
        for axis, (start, stop, size, edge) in enumerate(
            zip(roi.offset, roi.end, self.spec.shape, self.shard, strict=True)
        ):
            if start % edge or (stop % edge and stop != size):
                aligned = math.ceil((stop - start) / edge) * edge
                raise GeometryError(
                    "a block writes whole shards, for two that share one would destroy each other",
                    value=f"{start} to {stop} with shards of {edge}",
                    place=f"{self.location}, axis {self.spec.axes[axis]!r}",
                    remedy=f"use blocks of {aligned} that start at multiples of {edge}, "
                    f"or create the image with block={stop - start}",
                )

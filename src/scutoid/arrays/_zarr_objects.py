"""Write shards of an image to a URL, each as an object that is created once and never written over.

::

    block --tensorstore--> shards in memory --create--> s3://.../image.ome.zarr/0/c/1/0
                                                there is one already, of an earlier writer of
                                                the block: that one holds, is noted, and is
                                                what coarser levels are made of
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays._axis_order import Order
from scutoid.arrays._create import ImageWriter
from scutoid.arrays._shard_notes import Notes, as_notes
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tensorstore import load_tensorstore
from scutoid.arrays._zarr_write import ZarrWriter, has_voxels
from scutoid.errors import MetadataError, StoreError
from scutoid.geometry import Roi
from scutoid.texts import parse_json

if TYPE_CHECKING:
    import tensorstore

_METADATA = "zarr.json"


@dataclass(frozen=True, slots=True, eq=False)
class ObjectWriter:
    """Writes whole shards of an image to a URL; several processes may write the same ones.

    Its metadata lie in a folder, which need not be there where blocks are written.
    """

    zarr: ZarrWriter
    """Describes the image, as in the folder of its metadata."""
    url: str
    """The URL of the image."""
    metadata: tuple[str, ...]
    """The metadata of the array of each level, JSON."""

    @property
    def spec(self) -> ImageSpec:
        """Description of the image."""
        return self.zarr.spec

    def write(self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False) -> bool:
        """Write a region that is made of whole shards, as `ZarrWriter.write` does."""
        return self.write_noted(roi, data, stores_zeros=stores_zeros) is not None

    def write_noted(
        self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False
    ) -> Notes | None:
        """Write a region; return notes of the shards that are there now, or None if none are.

        A shard that an earlier writer has made stays, and is the one that is noted.

        Raises
        ------
        GeometryError, MetadataError
            As `ZarrWriter.write`.
        StoreError
            If the store of objects refuses or fails.
        """
        return self.write_kept(roi, data, stores_zeros=stores_zeros)[0]

    def write_kept(
        self, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False
    ) -> tuple[Notes | None, NDArray[Any]]:
        """Write a region as `write_noted` does; return the notes, and the voxels that are there.

        They are those of who has created the shards of the finest level, and so are the coarser
        levels, whoever makes these.
        """
        values = self.zarr.values_of(roi, data)
        is_written = stores_zeros or (not roi.is_empty and has_voxels(values))
        if roi.is_empty or not is_written:
            return None, data
        notes, kept = self._put(0, roi, values, stores_zeros)
        for number, (_, region, part) in enumerate(self.zarr.coarse_parts(roi, kept), 1):
            notes += self._put(number, region, part, stores_zeros=True)[0]
        return as_notes(notes), data if kept is values else kept.astype(data.dtype, copy=False)

    def shards_of(self, roi: Roi) -> list[str]:
        """Return the URLs of the shards of a region, on all levels, whether they are there."""
        regions = (roi, *(level.region(roi) for level in self.zarr.coarse))
        return [
            "/".join((self.url, Path(level.folder).name, "c", *map(str, place)))
            for level, region in zip(self.zarr.levels, regions, strict=True)
            for place in level.places(region)
        ]

    def _put(
        self, number: int, region: Roi, values: NDArray[Any], stores_zeros: bool
    ) -> tuple[list[tuple[int, int, int, int]], NDArray[Any]]:
        """Create the shards of a region of a level; return notes and voxels of those there."""
        level, order = self.zarr.levels[number], self.zarr.array.order
        own = _encoded(self.metadata[number], order, region, values, stores_zeros)
        folder = f"{self.url}/{Path(level.folder).name}"
        there = {name: _created(f"{folder}/{name}", content) for name, content in own.items()}
        places = {name: tuple(map(int, name.split("/")[1:])) for name in there}
        notes = [level.note_of(places[name], content) for name, content in there.items()]
        if there == own:
            return notes, values
        return notes, _decoded(self.metadata[number], order, region, there, folder)


def writer_to_url(writer: ImageWriter, url: str, *, is_begun: bool = False) -> ObjectWriter:
    """Return what writes an image to a URL whose metadata were created in a folder.

    The metadata are created there, unless an earlier run has written them, which are the same:
    those of a complete result, which say how it is shown too, are changed by nobody who comes late.

    Parameters
    ----------
    writer : ImageWriter
        Of the folder.
    url : str
        Of the image.
    is_begun : bool
        Whether they are there, and others write blocks too.

    Raises
    ------
    MetadataError
        If it is no zarr.
    StoreError
        If they cannot be written.
    """
    if not isinstance(writer, ZarrWriter) or not writer.levels:
        raise MetadataError(
            "images in a store of objects are zarrs", value="a TIFF", place=url,
            remedy='leave out format="tiff", or export the result as TIFF',
        )  # fmt: skip
    folder = Path(writer.levels[0].folder).parent
    for path in () if is_begun else sorted(folder.rglob(_METADATA), reverse=True):
        remote.create(f"{url}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    texts = tuple(Path(level.folder, _METADATA).read_text() for level in writer.levels)
    return ObjectWriter(writer, url, texts)


def write_kept(
    writer: ImageWriter, roi: Roi, data: NDArray[Any], *, stores_zeros: bool = False
) -> tuple[Notes | None, NDArray[Any]]:
    """Write a region of any image; return notes of its shards, and the voxels that are there.

    At a URL these may be those of another process, which has written the region before.
    """
    if isinstance(writer, ObjectWriter):
        return writer.write_kept(roi, data, stores_zeros=stores_zeros)
    return writer.write_noted(roi, data, stores_zeros=stores_zeros), data


def is_decodable(metadata: str, place: tuple[int, ...], shard: bytes) -> bool:
    """Whether all chunks of a shard are what was written, by their checksums.

    Parameters
    ----------
    metadata : str
        Of the array, JSON.
    place : tuple of int
        Of the shard, a number an axis as stored.
    shard : bytes
        Its content.
    """
    array = _in_memory(metadata, stores_zeros=False)
    memory: Any = array.kvstore
    memory.write("/".join(("c", *map(str, place))), shard).result()
    edges = _parsed(metadata)["chunk_grid"]["configuration"]["chunk_shape"]
    spans = zip(place, edges, array.shape, strict=True)
    region = tuple(slice(n * e, min((n + 1) * e, size)) for n, e, size in spans)
    try:
        array[region].read().result()
    except ValueError:  # what tensorstore raises for any failure to read
        return False
    return True


def _created(url: str, content: bytes) -> bytes:
    """Create a shard, and return what is there."""
    if remote.create(url, content):
        return content
    earlier = remote.get(url)
    if earlier is None:
        raise StoreError(
            "the shard of a block that was made twice stays",
            value="it was there, and is gone",
            place=url,
            remedy="see whether something else removes objects there, and run again",
        )
    return earlier


def _encoded(
    metadata: str, order: Order, region: Roi, values: NDArray[Any], stores_zeros: bool
) -> dict[str, bytes]:
    """Return the shards of a region as they are stored, by their names in the array's folder."""
    array = _in_memory(metadata, stores_zeros)
    shown = array.transpose(order) if order else array
    shown[region.to_slices()].write(values).result()
    memory: Any = array.kvstore
    names = [name for name in memory.list().result() if name.startswith(b"c/")]
    return {name.decode(): bytes(memory.read(name).result().value) for name in sorted(names)}


def _decoded(
    metadata: str, order: Order, region: Roi, shards: Mapping[str, bytes], place: str
) -> NDArray[Any]:
    """Return the voxels of a region whose shards are these; see `_encoded`."""
    array = _in_memory(metadata, stores_zeros=False)
    memory: Any = array.kvstore
    for name, content in shards.items():
        memory.write(name, content).result()
    shown = array.transpose(order) if order else array
    try:
        voxels: NDArray[Any] = shown[region.to_slices()].read().result()
    except ValueError as error:  # what tensorstore raises for any failure to read
        raise StoreError(
            "the shard of a block that was made twice can be read",
            value=str(error),
            place=place,
            remedy="make the result again, by a run with force= and the name of its step",
        ) from error
    return voxels


def _in_memory(metadata: str, stores_zeros: bool) -> tensorstore.TensorStore:
    """Return an empty array that has memory of its own."""
    load_tensorstore()
    import tensorstore as ts

    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "memory"},
        "metadata": _parsed(metadata),
        "create": True,
        "store_data_equal_to_fill_value": stores_zeros,
    }
    return ts.open(spec, context=ts.Context()).result()


@lru_cache(maxsize=64)
def _parsed(metadata: str) -> dict[str, Any]:
    parsed: dict[str, Any] = parse_json(metadata)
    return parsed

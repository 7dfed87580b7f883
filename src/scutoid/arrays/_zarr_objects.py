"""Write shards of an image to a URL, each as an object that is created once and never written over.

::

    block --tensorstore--> shards in memory --create--> s3://.../image.ome.zarr/0/c/1/0
                                                there is one already, of an earlier writer of
                                                the block: that one holds, and is noted
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays._axis_order import Order
from scutoid.arrays._create import ImageWriter
from scutoid.arrays._shard_notes import Notes, ShardLevel, as_notes
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
        values = self.zarr.values_of(roi, data)
        is_written = stores_zeros or (not roi.is_empty and has_voxels(values))
        if roi.is_empty or not is_written:
            return None
        coarse = [(region, part) for _, region, part in self.zarr.coarse_parts(roi, values)]
        parts = [*enumerate(coarse, 1), (0, (roi, values))]  # the finest last, as in a folder
        return as_notes(
            [
                note
                for number, (region, part) in parts
                for note in self._put(number, region, part, stores_zeros or number > 0)
            ]
        )

    def _put(
        self, number: int, region: Roi, values: NDArray[Any], stores_zeros: bool
    ) -> list[tuple[int, int, int, int]]:
        level = self.zarr.levels[number]
        order = self.zarr.array.order
        shards = _encoded(self.metadata[number], order, region, values, stores_zeros)
        folder = f"{self.url}/{Path(level.folder).name}"
        return [_created(f"{folder}/{name}", content, level) for name, content in shards.items()]


def writer_to_url(writer: ImageWriter, url: str) -> ObjectWriter:
    """Return what writes an image to a URL whose metadata were created in a folder.

    The metadata are written there, over those of an earlier run, which are the same.

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
    for path in sorted(folder.rglob(_METADATA), reverse=True):
        remote.put(f"{url}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    texts = tuple(Path(level.folder, _METADATA).read_text() for level in writer.levels)
    return ObjectWriter(writer, url, texts)


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


def _created(url: str, content: bytes, level: ShardLevel) -> tuple[int, int, int, int]:
    """Create a shard, and return the note of the one that is there."""
    place = tuple(int(part) for part in url.rpartition("/c/")[2].split("/"))
    if remote.create(url, content):
        return level.note_of(place, content)
    earlier = remote.get(url)
    if earlier is None:
        raise StoreError(
            "the shard of a block that was made twice stays",
            value="it was there, and is gone",
            place=url,
            remedy="see whether something else removes objects there, and run again",
        )
    return level.note_of(place, earlier)


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

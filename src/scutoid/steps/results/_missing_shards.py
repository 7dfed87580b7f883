"""Detect missing shards of stored images from the names of files alone; no voxel is read.

Where a shard holds one block, as it does by default, the journal says which shards there must be.
Of all other images the recipe does, from when they were completed.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import misfit_shards, stored_shards
from scutoid.blocks import BlockStatus, Journal
from scutoid.errors import DamagedResult
from scutoid.paths import inside
from scutoid.steps.results._notes_file import Notes, notes_of
from scutoid.steps.results._record import ImageRecord, ResultRecord
from scutoid.store import RECIPE, Entry

SHARDS = "shards"
"""In a recipe: by file, how many shards there are, and a checksum of which."""
JOURNALLED = "journalled"
"""In a recipe: how many blocks the journal named when all was done."""
Ints = NDArray[np.int64]


def lost_blocks(entry: Entry, *, is_sized: bool = False) -> dict[str, Ints]:
    """Numbers of the blocks whose shards are missing, by file.

    Parameters
    ----------
    entry : Entry
        The result.
    is_sized : bool
        Whether shards of another size than was noted count as missing: one stat each.
    """
    images = zarr_images(entry)
    if not images or entry.remote is not None:  # one at a URL is asked for when it is read
        return {}
    statuses = Journal.read(entry.journal, key=entry.key)
    lost = {}
    for image in images:
        notes = notes_of(entry, image.file) if is_sized else None
        missing = _lost(entry.path / image.file, image, statuses, notes)
        if missing is not None and len(missing):
            lost[image.file] = missing
    return lost


def shard_record(entry: Entry) -> dict[str, object]:
    """Describe, for the recipe, those images whose shards the journal does not tell."""
    if entry.remote is not None:  # the notes of its shards are whole
        return {}
    statuses = Journal.read(entry.journal, key=entry.key)
    counts = {
        image.file: shard_count(entry.path / image.file)
        for image in zarr_images(entry)
        if _lost(entry.path / image.file, image, statuses) is None
    }
    return {SHARDS: counts} if counts else {}


def remove_misfits(entry: Entry) -> None:
    """Remove shards of another size than was noted, of all levels: their blocks are made again.

    What is left of one would be read where a block at the edge of an image fills it in part.
    """
    for image in zarr_images(entry):
        notes = notes_of(entry, image.file)
        path = entry.path / image.file
        if notes is not None and not path.is_symlink():
            for shard in misfit_shards(path, notes):
                shard.unlink(missing_ok=True)


def changed_files(entry: Entry, *, is_sized: bool = False) -> list[str]:
    """Names of files of a complete result that are gone or of another size, and of such images.

    See `lost_blocks`.
    """
    recipe = entry.recipe
    counts = {} if recipe is None or entry.url else recipe.extra.get(SHARDS, {})
    return [
        *entry.misfits(),
        *(
            file
            for file, count in counts.items()
            if list(count) != _shard_count(entry, file, notes_of(entry, file) if is_sized else None)
        ),
    ]


def _shard_count(entry: Entry, file: str, notes: Notes | None) -> list[int] | None:
    try:
        return shard_count(inside(entry.path, file), notes)
    except DamagedResult:
        return None


def shard_bytes(entry: Entry) -> int:
    """Bytes of the shards of a result, as they were noted."""
    notes = (notes_of(entry, image.file) for image in zarr_images(entry))
    sizes = {
        (number, level, shard): nbytes
        for number, found in enumerate(notes)
        if found is not None
        for level, shard, nbytes, _ in found.tolist()
    }
    return sum(sizes.values())


def zarr_images(entry: Entry) -> list[ImageRecord]:
    """Return the images among the outputs of a result that are zarrs."""
    record = ResultRecord.of(entry.recipe, place=entry.path / RECIPE)
    images = () if record is None else (output.image for output in record.outputs)
    return [image for image in images if image is not None and image.file.endswith(".zarr")]


def shard_count(path: Path, notes: Notes | None = None) -> list[int]:
    """How many shards an image has, and a checksum of which; see `stored_shards`."""
    shards = None if path.is_symlink() else stored_shards(path, notes)
    if shards is None:
        return [0, 0]
    return [int(shards.present.sum()), zlib.crc32(np.packbits(shards.present).tobytes())]


def _lost(
    path: Path, image: ImageRecord, statuses: NDArray[np.uint8], notes: Notes | None = None
) -> Ints | None:
    """Blocks whose shards are missing; None where shards and blocks do not tell of each other."""
    written: Ints = np.flatnonzero(statuses == BlockStatus.WRITTEN)
    where = image.grid
    if where is None or len(statuses) != where.grid.n_blocks:
        return None
    grid = where.grid
    shards = None if path.is_symlink() else stored_shards(path, notes)
    if shards is None:
        return written
    places = np.unravel_index(written, tuple(grid.shape))
    shard = []
    for axis, first, size, edge in zip(
        image.axes, image.offset, shards.shape, shards.edge, strict=True
    ):
        place = where.axes.find(axis)
        if edge >= size:
            shard.append(np.zeros(len(written), dtype=np.int64))
        elif place >= 0 and edge == grid.block_shape[place]:
            start = grid.total.offset[place] - first + places[place] * edge
            shard.append(start // edge)
        else:
            return None
    return written[~shards.present[tuple(shard)]]

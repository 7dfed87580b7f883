"""What of stored images is gone although it was written: told by names alone, no voxel is read.

Where a shard holds one block, as it does by default, the journal says which shards there must be.
Of all other images the recipe does, from when they were completed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import stored_shards
from scutoid.blocks import BlockStatus, Journal
from scutoid.steps._parts import read_parts_grid
from scutoid.store import Entry

SHARDS = "shards"
"""In a recipe: by file, how many shards there are, and a checksum of which."""
JOURNALLED = "journalled"
"""In a recipe: how many blocks the journal named when all was done."""
Ints = NDArray[np.int64]


def lost_blocks(entry: Entry) -> dict[str, Ints]:
    """Numbers of the blocks whose shards are missing, by file."""
    recipe = entry.recipe
    if recipe is None:
        return {}
    statuses = Journal.read(entry.journal)
    lost = {}
    for said in recipe.output.get("outputs", ()):
        if _is_zarr(said):
            found = _lost(entry.path / said["file"], said, statuses)
            if found is not None and len(found):
                lost[said["file"]] = found
    return lost


def shard_record(entry: Entry) -> dict[str, Any]:
    """What to say in a recipe of images whose journal does not tell their shards."""
    recipe = entry.recipe
    outputs = () if recipe is None else recipe.output.get("outputs", ())
    statuses = Journal.read(entry.journal)
    told = {
        said["file"]: shard_count(entry.path / said["file"])
        for said in outputs
        if _is_zarr(said) and _lost(entry.path / said["file"], said, statuses) is None
    }
    return {SHARDS: told} if told else {}


def changed_files(entry: Entry) -> list[str]:
    """Names of files of a complete result that are gone or of another size, and of such images."""
    recipe = entry.recipe
    said = {} if recipe is None else recipe.extra.get(SHARDS, {})
    return [
        *entry.misfits(),
        *(file for file, count in said.items() if list(count) != shard_count(entry.path / file)),
    ]


def _is_zarr(said: Mapping[str, Any]) -> bool:
    return bool(said["kind"] == "image" and said.get("file", "").endswith(".zarr"))


def shard_count(path: Path) -> list[int]:
    """How many shards an image has, and a checksum of which."""
    shards = stored_shards(path)
    if shards is None:
        return [0, 0]
    return [int(shards.present.sum()), zlib.crc32(np.packbits(shards.present).tobytes())]


def _lost(path: Path, said: Mapping[str, Any], statuses: NDArray[np.uint8]) -> Ints | None:
    """Blocks whose shards are missing; None where shards and blocks do not tell of each other."""
    written: Ints = np.flatnonzero(statuses == BlockStatus.WRITTEN)
    if not said.get("grid"):
        return None
    where = read_parts_grid(said["grid"])
    grid = where.grid
    if len(statuses) != grid.n_blocks:
        return None
    shards = stored_shards(path)
    if shards is None:
        return written
    places = np.unravel_index(written, tuple(grid.shape))
    shard = []
    for axis, first, size, edge in zip(
        said["axes"], said["offset"], shards.shape, shards.edge, strict=True
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

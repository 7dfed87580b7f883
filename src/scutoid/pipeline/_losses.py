"""Blocks of stored images that are gone although their journal names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import stored_shards
from scutoid.blocks import BlockStatus, Journal
from scutoid.pipeline._parts import read_parts_grid
from scutoid.store import Entry

Ints = NDArray[np.int64]


def lost_blocks(entry: Entry) -> dict[str, Ints]:
    """Numbers of the blocks whose shards are missing, by file; nothing is read but names.

    Only images in shards of one block each can tell, which is how they are stored by default.
    """
    recipe = entry.recipe
    if recipe is None:
        return {}
    statuses = Journal.read(entry.journal)
    lost = {}
    for said in recipe.output.get("outputs", ()):
        if said["kind"] == "image" and said.get("grid") and said["file"].endswith(".zarr"):
            found = _lost(entry.path / said["file"], said, statuses)
            if len(found):
                lost[said["file"]] = found
    return lost


def _lost(path: Path, said: Mapping[str, Any], statuses: NDArray[np.uint8]) -> Ints:
    written: Ints = np.flatnonzero(statuses == BlockStatus.WRITTEN)
    where = read_parts_grid(said["grid"])
    grid = where.grid
    if len(statuses) != grid.n_blocks:
        return written[:0]
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
            return written[:0]
    return written[~shards.present[tuple(shard)]]

"""Which shards of a stored image are there: a listing, no voxel is read.

A shard that is missing reads as zeros, so whoever knows that it was written must look.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._zarr import read_node
from scutoid.errors import ScutoidError


@dataclass(frozen=True, slots=True, eq=False)
class StoredShards:
    """The shards of a zarr array on this machine's disks."""

    shape: tuple[int, ...]
    """Shape of the array, in voxels."""
    edge: tuple[int, ...]
    """Shape of a shard, in voxels."""
    present: NDArray[np.bool_]
    """Which are there, one value a shard."""


def stored_shards(path: str | os.PathLike[str]) -> StoredShards | None:
    """List the shards of an image that scutoid has written; None if it has no readable metadata.

    Parameters
    ----------
    path : path
        Of the image's folder.
    """
    level = Path(path) / "0"
    try:
        node = read_node(str(level))
    except ScutoidError:
        node = None
    if node is None:
        return None
    metadata = node.metadata
    shape = tuple(metadata["shape"])
    edge = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    present = np.zeros([-(-n // e) for n, e in zip(shape, edge, strict=True)], dtype=np.bool_)
    found = _leaves(level / "c", len(shape))
    if found:
        present[tuple(np.array(found).T)] = True
    return StoredShards(shape, edge, present)


def _leaves(folder: Path, depth: int, above: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Places of the files some levels below a folder; what is named otherwise is left out."""
    try:
        with os.scandir(folder) as entries:
            named = [(int(entry.name), entry) for entry in entries if entry.name.isdigit()]
    except OSError:
        return []
    if depth == 1:
        return [(*above, number) for number, _ in named]
    return [
        leaf
        for number, entry in named
        for leaf in _leaves(Path(entry.path), depth - 1, (*above, number))
    ]

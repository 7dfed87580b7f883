"""Which shards of a stored image are there: a listing, no voxel is read.

A shard that is missing reads as zeros, so whoever knows that it was written must look.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._zarr import ZarrArray, open_array, read_node
from scutoid.errors import ScutoidError, SourceError


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


def damaged_shards(path: str | os.PathLike[str]) -> list[Path]:
    """Read all shards of an image that scutoid has written; return the files that are damaged.

    Raises
    ------
    SourceError
        If its metadata cannot be read.
    """
    level = Path(path) / "0"
    shards = stored_shards(path)
    node = read_node(str(level))
    if shards is None or node is None:
        raise SourceError("a zarr has metadata", value="none that can be read", place=str(level))
    # Without a cache, so that what is read is what lies on the disk.
    array = open_array(ZarrArray(node.location, node.version, node.stamp), 0)
    bad = []
    for place in np.argwhere(shards.present).tolist():
        start = [n * edge for n, edge in zip(place, shards.edge, strict=True)]
        stop = [
            min(first + edge, size)
            for first, edge, size in zip(start, shards.edge, shards.shape, strict=True)
        ]
        region = tuple(slice(*ends) for ends in zip(start, stop, strict=True))
        try:
            array[region].read().result()
        except ValueError:  # what tensorstore raises for any failure to read
            bad.append(level.joinpath("c", *map(str, place)))
    return bad


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

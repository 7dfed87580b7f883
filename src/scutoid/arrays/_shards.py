"""List the shards of a stored image that exist; no voxel is read.

A missing shard reads as zeros, so a reader that knows that it was written must check for it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._ome import read_multiscale
from scutoid.arrays._zarr import ZarrArray, open_tensorstore
from scutoid.arrays._zarr_nodes import Node, read_node
from scutoid.errors import ScutoidError, SourceError
from scutoid.paths import inside


@dataclass(frozen=True, slots=True, eq=False)
class StoredShards:
    """The shards of a zarr array on this machine's disks."""

    shape: tuple[int, ...]
    """Shape of the array, in voxels."""
    edge: tuple[int, ...]
    """Shape of a shard, in voxels."""
    present: NDArray[np.bool_]
    """Whether each shard exists, on all levels of a pyramid; one value a shard."""


def stored_shards(path: str | os.PathLike[str]) -> StoredShards | None:
    """List the shards of an image that scutoid has written; None if it has no readable metadata.

    A shard of level 0 counts as missing if its shard of a coarser level is: both are written
    together, the coarser ones first.

    Parameters
    ----------
    path : path
        Of the image's folder.
    """
    nodes = levels_of(Path(path))
    if not nodes:
        return None
    metadata = nodes[0].metadata
    shape = tuple(metadata["shape"])
    edge = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    present = np.ones([-(-n // e) for n, e in zip(shape, edge, strict=True)], dtype=np.bool_)
    for node in nodes:
        exists = np.zeros_like(present)
        places = places_of(node.location, len(shape))
        if places:
            exists[tuple(np.array(places).T)] = True
        present &= exists
    return StoredShards(shape, edge, present)


def levels_of(path: Path) -> list[Node]:
    """Return the arrays of an image that scutoid has written, the finest first."""
    names: tuple[str, ...] = ("0",)
    try:
        group = read_node(str(path))
        multiscale = None if group is None else read_multiscale(group.attributes, str(path))
        names = names if multiscale is None else multiscale.paths
    except ScutoidError:
        pass  # level 0 may still be readable
    try:
        nodes = [read_node(str(inside(path, name))) for name in names]
    except ScutoidError:
        return []
    arrays = [node for node in nodes if node is not None]
    return arrays if len(arrays) == len(nodes) else []


def damaged_shards(path: str | os.PathLike[str]) -> list[Path]:
    """Read all shards of an image that scutoid has written; return the files that are damaged.

    Raises
    ------
    SourceError
        If its metadata cannot be read.
    """
    nodes = levels_of(Path(path))
    if not nodes:
        raise SourceError("a zarr has metadata", value="none that can be read", place=str(path))
    return [file for node in nodes for file in _damaged(node)]


def _damaged(node: Node) -> list[Path]:
    # Without a cache, so that the disk itself is read.
    try:
        array = open_tensorstore(ZarrArray(node.location, node.version, node.stamp), 0)
    except (ValueError, NotImplementedError) as error:
        raise SourceError(
            "an array that scutoid has written can be opened",
            value=str(error)[:500],
            place=node.location,
        ) from error
    shape = node.metadata["shape"]
    edges = node.metadata["chunk_grid"]["configuration"]["chunk_shape"]
    bad = []
    for place in places_of(node.location, len(shape)):
        ends = [
            (n * edge, min((n + 1) * edge, size))
            for n, edge, size in zip(place, edges, shape, strict=True)
        ]
        try:
            array[tuple(slice(*pair) for pair in ends)].read().result()
        except ValueError:  # what tensorstore raises for any failure to read
            bad.append(Path(node.location).joinpath("c", *map(str, place)))
    return bad


def places_of(location: str, ndim: int) -> list[tuple[int, ...]]:
    """Places of the shards of an array, one number an axis."""
    folder = Path(location) / "c"
    return [] if folder.is_symlink() else _leaves(folder, ndim)


def _leaves(folder: Path, depth: int, above: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Places of the numbered files some levels below a folder; other names and links are none."""
    try:
        with os.scandir(folder) as entries:
            named = [
                (int(entry.name), entry)
                for entry in entries
                if entry.name.isdecimal() and not entry.is_symlink()
            ]
    except OSError:
        return []
    if depth == 1:
        return [(*above, number) for number, _ in named]
    return [
        leaf
        for number, entry in named
        for leaf in _leaves(Path(entry.path), depth - 1, (*above, number))
    ]

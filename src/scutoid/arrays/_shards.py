"""List the shards of a stored image that exist; no voxel is read.

A missing shard reads as zeros, so a reader that knows that it was written must check for it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays._axis_order import Order, as_here
from scutoid.arrays._ome import read_multiscale
from scutoid.arrays._zarr_array import ZarrArray, open_tensorstore
from scutoid.arrays._zarr_metadata import shard_grid
from scutoid.arrays._zarr_nodes import Node, read_node
from scutoid.errors import DamagedResult, ScutoidError, SourceError
from scutoid.paths import inside, is_inner_name

_PAST_ALL = 2**63
_MISSING = -1
"""Bytes of a shard that is not there, or has not those that were noted."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredShards:
    """The shards of a zarr array on this machine's disks."""

    shape: tuple[int, ...]
    """Shape of the array, in voxels."""
    edge: tuple[int, ...]
    """Shape of a shard, in voxels."""
    present: NDArray[np.bool_]
    """Whether each shard exists, on all levels of a pyramid; one value a shard, by axis of the
    image."""


def stored_shards(
    path: str | os.PathLike[str], notes: NDArray[np.void] | None = None
) -> StoredShards | None:
    """List the shards of an image that scutoid has written; None if it has no readable metadata.

    A shard of level 0 counts as missing if its shard of a coarser level is: both are written
    together, the coarser ones first.

    Parameters
    ----------
    path : path
        Of the image's folder.
    notes : ndarray of `NOTE`, optional
        Notes of its shards; one whose file has not the bytes that were noted counts as missing.
    """
    nodes, order = levels_of(path)
    if not nodes:
        return None
    shape, edge, grid = shard_grid(nodes[0])
    present = np.ones(grid, dtype=np.bool_)
    for number, node in enumerate(nodes):
        found = _bytes_of(node.location, grid, is_sized=notes is not None)
        if notes is not None:
            own = notes[notes["level"] == number]
            own = own[own["shard"] < found.size]
            noted = found.ravel().copy()
            noted[own["shard"].astype(np.int64)] = own["bytes"]
            found[(noted.reshape(grid) != found)] = _MISSING
        present &= found != _MISSING
    present = present.transpose(order) if order else present
    return StoredShards(as_here(shape, order), as_here(edge, order), present)


def _bytes_of(location: str, grid: tuple[int, ...], *, is_sized: bool) -> NDArray[np.int64]:
    """Return the bytes of each shard of an array, or 0 unless they are wanted; see `_MISSING`."""
    found = np.full(grid, _MISSING, dtype=np.int64)
    files = shard_files(location, grid)
    if files:
        places = np.array([place for place, _ in files])
        nbytes = [_size(entry) for _, entry in files] if is_sized else [0] * len(files)
        found[tuple(places.T)] = nbytes
    return found


def misfit_shards(path: str | os.PathLike[str], notes: NDArray[np.void]) -> list[Path]:
    """Return the files of shards, of all levels, that have not the bytes that were noted of them.

    Parameters
    ----------
    path : path
        Of the image's folder.
    notes : ndarray of `NOTE`
        Notes of its shards; of two of one shard the later holds.
    """
    noted = {(level, shard): nbytes for level, shard, nbytes, _ in notes.tolist()}
    nodes, _ = levels_of(path)
    found = []
    for number, node in enumerate(nodes):
        shape, edge = (_along(node, name) for name in ("shape", "chunk_shape"))
        grid = tuple(-(-n // e) for n, e in zip(shape, edge, strict=True))
        for place, entry in shard_files(node.location, grid):
            nbytes = _size(entry)
            if noted.get((number, int(np.ravel_multi_index(place, grid))), nbytes) != nbytes:
                found.append(Path(entry.path))
    return found


def _along(node: Node, name: str) -> tuple[int, ...]:
    """Return the shape of an array or of its shards."""
    grid = node.metadata["chunk_grid"]["configuration"]
    return tuple(grid[name] if name in grid else node.metadata[name])


def levels_of(path: str | os.PathLike[str]) -> tuple[list[Node], Order]:
    """Return the arrays of an image that scutoid has written, the finest first; none if damaged.

    And where each axis of the image is stored in them.
    """
    names: tuple[str, ...] = ("0",)
    order: Order = ()
    try:
        group = read_node(str(path))
        multiscale = None if group is None else read_multiscale(group.attributes, str(path))
        if multiscale is not None:
            names, order = multiscale.paths, multiscale.order
    except ScutoidError:
        pass  # level 0 may still be readable
    try:
        nodes = [read_node(_below(os.fspath(path), name)) for name in names]
        arrays = [node for node in nodes if node is not None]
        for node in arrays:
            shard_grid(node)
    except ScutoidError:
        return [], ()
    return (arrays, order) if len(arrays) == len(nodes) else ([], ())


def _below(place: str, name: str) -> str:
    """Return where an array of an image lies that its metadata name."""
    if "://" not in place:
        return str(inside(Path(place), name))
    if not is_inner_name(name):
        raise DamagedResult("an image names arrays of its own", value=name, place=place)
    return f"{place}/{name}"


def damaged_shards(path: str | os.PathLike[str]) -> list[Path]:
    """Read all shards of an image that scutoid has written; return the files that are damaged.

    Raises
    ------
    SourceError
        If its metadata cannot be read.
    """
    nodes, _ = levels_of(path)
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
    shape, edges, grid = shard_grid(node)
    bad = []
    for place in places_of(node.location, grid):
        ends = [
            (n * edge, min((n + 1) * edge, size))
            for n, edge, size in zip(place, edges, shape, strict=True)
        ]
        try:
            array[tuple(slice(*pair) for pair in ends)].read().result()
        except ValueError:  # what tensorstore raises for any failure to read
            bad.append(Path(node.location).joinpath("c", *map(str, place)))
    return bad


def places_of(location: str, grid: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Places of the shards of an array that are there, one number an axis."""
    return [place for place, _ in shard_files(location, grid)]


def objects_of(location: str, grid: tuple[int, ...]) -> dict[tuple[int, ...], int]:
    """Return the places of the shards of an array at a URL that are there, and their bytes."""
    begin = len(f"{location}/c/")
    found = {}
    for each in remote.objects(f"{location}/c"):
        place = tuple(map(_number, each.url[begin:].split("/")))
        if len(place) == len(grid) and all(n < size for n, size in zip(place, grid, strict=True)):
            found[place] = each.size
    return found


def shard_files(
    location: str, grid: tuple[int, ...]
) -> list[tuple[tuple[int, ...], os.DirEntry[str]]]:
    """Places of the shards of an array that are there, with their files."""
    folder = Path(location) / "c"
    return [] if folder.is_symlink() else _leaves(str(folder), grid)


def _leaves(
    folder: str, grid: tuple[int, ...], above: tuple[int, ...] = ()
) -> list[tuple[tuple[int, ...], os.DirEntry[str]]]:
    """Find the files of shards below a folder; other names, links and pipes are none."""
    size, *rest = grid
    try:
        with os.scandir(folder) as entries:
            named = [
                ((*above, number), entry)
                for entry in entries
                if (number := _number(entry.name)) < size and not entry.is_symlink()
            ]
    except OSError:
        return []
    if not rest:
        return [(at, entry) for at, entry in named if entry.is_file()]
    return [leaf for at, entry in named for leaf in _leaves(entry.path, tuple(rest), at)]


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:  # it is being made again
        return _MISSING


def _number(name: str) -> int:
    """Return the number that a name is as shards are called; past all of them for other names."""
    is_one = name.isdecimal() and name.isascii() and (name[0] != "0" or name == "0")
    return int(name) if is_one else _PAST_ALL

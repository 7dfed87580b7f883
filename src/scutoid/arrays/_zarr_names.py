"""The files of a zarr array by its metadata, for servers that list no folders."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from scutoid.arrays._zarr_metadata import written_out
from scutoid.arrays._zarr_nodes import read_node
from scutoid.errors import SourceError


def files_of_array(location: str, *, fills: bool = False) -> list[str] | None:
    """Return the names of the files that an array may have, below it; None: no array is there.

    Chunks that hold the fill value alone may be absent.  Shards count as one file each.

    Parameters
    ----------
    location : str
        Path or URL.
    fills : bool
        Whether what a server refuses is absent.

    Raises
    ------
    SourceError
        If its metadata cannot be read, or place chunks in a way that is not known.
    """
    node = read_node(location, fills=fills)
    if node is None or not node.is_array:
        return None
    try:
        if node.version == 2:
            shape, chunks = node.metadata["shape"], node.metadata["chunks"]
            separator = node.metadata.get("dimension_separator") or "."
            own, begin, scalar = [".zarray", ".zattrs"], "", "0"
        else:
            own, metadata = ["zarr.json"], written_out(node.metadata)
            shape, chunks = metadata["shape"], _regular(metadata["chunk_grid"])
            separator, begin, scalar = _encoding(metadata["chunk_key_encoding"])
        counts = [-(-int(n) // max(int(c), 1)) for n, c in zip(shape, chunks, strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            "the metadata of a zarr array say which files its chunks are",
            value=f"{type(error).__name__}: {error}",
            place=location,
            remedy="write it with a regular chunk grid, and chunk keys of kind default or v2",
        ) from error
    if not counts:
        return [*own, scalar]
    places = itertools.product(*(range(n) for n in counts))
    return [*own, *(begin + separator.join(map(str, place)) for place in places)]


def _regular(grid: Mapping[str, Any]) -> list[int]:
    if grid["name"] != "regular":
        raise ValueError(f"a chunk grid {grid['name']!r}")
    shape: list[int] = grid["configuration"]["chunk_shape"]
    return shape


def _encoding(encoding: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what separates numbers, what a name begins with, and the name of a lone chunk."""
    options = encoding.get("configuration") or {}
    if encoding["name"] == "default":
        separator = options.get("separator", "/")
        return separator, f"c{separator}", "c"
    if encoding["name"] == "v2":
        return options.get("separator", "."), "", "0"
    raise ValueError(f"chunk keys of kind {encoding['name']!r}")

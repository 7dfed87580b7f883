"""The files that the chunks of a local zarr lie in: named pipes among them would be waited for."""

from __future__ import annotations

import functools
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

from scutoid.arrays._zarr_nodes import file_in
from scutoid.geometry import Roi
from scutoid.regular import check_regular


@dataclass(frozen=True, slots=True)
class _Naming:
    """How the files of an array are called, as it is stored."""

    edge: tuple[int, ...]
    """Voxels along each axis of what a file holds: a chunk, or a shard."""
    before: str
    """What all names begin with."""
    separator: str
    """What stands between the numbers of a name."""


def check_chunks(location: str, version: int, described: str, roi: Roi) -> None:
    """Refuse named pipes, sockets and devices among the files that a region is read from.

    Parameters
    ----------
    location : str
        Folder of the array.
    version : {2, 3}
        Of zarr.
    described : str
        Digest of its metadata.
    roi : Roi
        The region, as it is stored.

    Raises
    ------
    SourceError
        If there is one.
    """
    naming = _naming(location, version, described)
    if naming is None or roi.is_empty:
        return
    spans = (
        map(str, range(start // edge, -(-stop // edge)))
        for start, stop, edge in zip(roi.offset, roi.end, naming.edge, strict=True)
    )
    begin, join, is_file = f"{location}/{naming.before}", naming.separator.join, stat.S_ISREG
    for path in (begin + join(place) for place in product(*spans)):
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116  # of each chunk that is read
        except OSError:
            continue
        if not is_file(mode):
            check_regular(path)


@functools.lru_cache(maxsize=512)
def _naming(location: str, version: int, _described: str) -> _Naming | None:
    """Return how files are called; None where that is not known."""
    name = "zarr.json" if version == 3 else ".zarray"
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        metadata = json.loads(file_in(location, name) or b"{}")
        return _of_version_3(metadata) if version == 3 else _of_version_2(metadata)
    return None


def _of_version_2(metadata: Mapping[str, Any]) -> _Naming:
    return _Naming(
        tuple(map(int, metadata["chunks"])), "", metadata.get("dimension_separator") or "."
    )


def _of_version_3(metadata: Mapping[str, Any]) -> _Naming | None:
    encoding = metadata["chunk_key_encoding"]
    is_default = encoding["name"] == "default"
    separator = encoding.get("configuration", {}).get("separator") or ("/" if is_default else ".")
    if metadata["chunk_grid"]["name"] != "regular":
        return None
    edge = tuple(map(int, metadata["chunk_grid"]["configuration"]["chunk_shape"]))
    return _Naming(edge, f"c{separator}" if is_default else "", separator)

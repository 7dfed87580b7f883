"""The backend of zarrs on this machine: folders and zips."""

from __future__ import annotations

import os
from pathlib import Path

from scutoid.arrays._request import Request
from scutoid.arrays._source import ArraySource
from scutoid.arrays._zarr_zip import is_zip, root_in, split_zip


def open_local_zarr(source: object, request: Request) -> ArraySource | None:
    """Open a folder or a zip that is a zarr."""
    if isinstance(source, str) and is_zip(source) and Path(source).is_file():
        return open_as_zarr(root_in(source), request)
    # As text: every file of a folder comes by here
    if not isinstance(source, str) or not (os.path.isdir(source) or split_zip(source)):  # noqa: PTH112
        return None
    from scutoid.arrays._zarr_nodes import read_node

    if read_node(source) is None and not source.endswith(".zarr"):
        return None
    return open_as_zarr(source, request)


def open_as_zarr(location: str, request: Request) -> ArraySource:
    """Open a zarr, as a request asks for it."""
    from scutoid.arrays._zarr import open_zarr

    return open_zarr(
        location,
        level=request.level,
        mode=request.mode,
        axes=request.axes,
        allow_outside=request.allow_outside,
        coordinate_system=request.coordinate_system,
        given=request.given,
        fills=request.missing == "fill",
        series=request.series,
    )

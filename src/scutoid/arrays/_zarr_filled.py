"""Chunks that a server refuses: to whom it does not list them, S3 says so of those not there."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.geometry import Roi

if TYPE_CHECKING:
    import tensorstore

REFUSED_BY_SERVER = "PERMISSION_DENIED"
"""How tensorstore begins to say that a server refuses something (403, 401)."""
_UNKNOWN_USER = "HTTP code 401"


def read_filled(array: tensorstore.TensorStore, roi: Roi) -> NDArray[Any]:
    """Read a region; chunks, or shards, that are refused have the fill value.

    Raises
    ------
    ValueError
        What tensorstore says of others that it cannot read.
    """
    edges = array.chunk_layout.write_chunk.shape or ()
    fill = 0 if array.fill_value is None else array.fill_value
    voxels = np.empty(tuple(roi.shape), array.dtype.numpy_dtype)
    spans = [
        _pieces(start, stop, edge or stop)
        for start, stop, edge in zip(roi.offset, roi.end, edges, strict=True)
    ]
    reading = []
    for corners in product(*spans):
        part = Roi([a for a, _ in corners], [b - a for a, b in corners])
        reading.append((part, array[part.to_slices()].read()))
    for part, future in reading:
        place = part.to_slices(roi.offset)
        try:
            voxels[place] = future.result()
        except ValueError as error:
            if not _is_refused(str(error)):
                raise
            voxels[place] = fill
    return voxels


def _is_refused(said: str) -> bool:
    """Whether a server refuses a chunk, and not all that it is asked without a name (401)."""
    return said.startswith(REFUSED_BY_SERVER) and _UNKNOWN_USER not in said


def _pieces(start: int, stop: int, edge: int) -> list[tuple[int, int]]:
    """Cut a span where chunks begin."""
    numbers = range(start // edge, -(-stop // edge))
    return [(max(n * edge, start), min((n + 1) * edge, stop)) for n in numbers]

"""The grid of blocks of a task, cut as daisy cuts it."""

from __future__ import annotations

import math
import warnings

from scutoid.errors import GeometryError
from scutoid.geometry import BlockGrid, Roi


def block_grid(task: str, total: Roi, read: Roi, write: Roi, fit: str) -> BlockGrid:
    """The grid of blocks of a total *read* region.

    ::

        total    |..[====][====][====]..|      the context in dots
        a block     ..[====]..

    Raises
    ------
    GeometryError
        If there is no such grid.
    """
    low, high = write.offset - read.offset, read.end - write.end
    if min((*low, *high), default=0) < 0:
        raise GeometryError(
            "a block's write region lies in its read region",
            value=f"read {read}, write {write}",
            place=f"task {task!r}",
        )
    written = total.shape - low - high
    if min(written, default=0) < 0:
        raise GeometryError(
            "the total region is the one that is read, with room for the context on both sides",
            value=f"total {total}, context {tuple(low)} below and {tuple(high)} above",
            place=f"task {task!r}",
            remedy="grow total_roi by the context",
        )
    halo = list(zip(low, high, strict=True))
    grid = BlockGrid(Roi(total.offset + low, written), write.shape, halo=halo, fit=fit)  # type: ignore[arg-type]
    left = grid.total.size - math.prod((grid.shape * grid.block_shape).minimum(written))
    if left and fit == "valid":
        warnings.warn(
            f"task {task!r}: {left} voxels of the total region are written by no block; "
            "give fit='shrink' to write them too",
            UserWarning,
            stacklevel=4,
        )
    return grid

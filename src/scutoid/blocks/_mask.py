"""Choose the blocks of a grid that a coarse mask meets, by arithmetic.

::

    mask, 4 voxels each      0     0     1     1     0
    blocks of 6 voxels       |------|------|------|----
                               skip   run    run   skip

Each axis is reduced by itself, so that a grid of 10^7 blocks takes well under a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError
from scutoid.geometry import BlockGrid

# A mask of 3.3333 voxels a step meets voxel 10 at its third step, not a hair before.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A coarse image, non-zero where blocks are to run.

    Parameters
    ----------
    array : ndarray
        Non-zero where blocks are to run; one axis for each axis of the grid.
    scale : float or sequence of float
        Voxels of the grid for each voxel of the mask, on each axis.
    offset : sequence of float, optional
        Where the first voxel of the mask begins, in voxels of the grid; by default at the grid's
        total region.

    Raises
    ------
    GeometryError
        If a scale is not above 0, or there is not one for each axis.

    Examples
    --------
    >>> from scutoid.geometry import Roi
    >>> grid = BlockGrid(Roi((0,), (20,)), 6)
    >>> Mask(np.array([0, 0, 1, 1, 0]), scale=4).choose(grid)
    array([False,  True,  True, False])
    """

    array: NDArray[Any]
    """Non-zero where blocks are to run."""
    scale: float | Sequence[float]
    """Voxels of the grid for each voxel of the mask."""
    offset: Sequence[float] | None = None
    """Where the first voxel of the mask begins, in voxels of the grid."""

    def __post_init__(self) -> None:
        scales = self.scales
        if len(scales) != self.array.ndim or not all(
            math.isfinite(scale) and scale > 0 for scale in scales
        ):
            raise GeometryError(
                f"a mask of {self.array.ndim} axes has a scale above 0 for each of them",
                value=self.scale,
            )

    @property
    def scales(self) -> tuple[float, ...]:
        """Voxels of the grid for each voxel of the mask, an axis each."""
        if isinstance(self.scale, Sequence):
            return tuple(map(float, self.scale))
        return (float(self.scale),) * self.array.ndim

    def choose(self, grid: BlockGrid) -> NDArray[np.bool_]:
        """The blocks whose write regions meet the mask, in the grid's shape; none beyond it.

        Raises
        ------
        GeometryError
            If the mask has not the grid's number of axes.
        """
        offset = grid.total.offset if self.offset is None else self.offset
        if self.array.ndim != grid.ndim or len(offset) != grid.ndim:
            raise GeometryError(
                f"a mask for a grid of {grid.ndim} axes has as many, and so has its offset",
                value=f"shape {self.array.shape}, offset {tuple(offset)}",
            )
        chosen: NDArray[np.bool_] = self.array != 0
        for axis, scale in enumerate(self.scales):
            start = grid.total.offset[axis] + np.arange(grid.shape[axis]) * grid.block_shape[axis]
            end = start + grid.block_shape[axis]
            if grid.fit == "shrink":
                end = np.minimum(end, grid.total.end[axis])
            first = np.floor((start - offset[axis]) / scale + _ROUNDING)
            last = np.ceil((end - offset[axis]) / scale - _ROUNDING)
            chosen = _any_between(chosen, axis, first, np.maximum(last, first))
        return chosen


def _any_between(
    values: NDArray[np.bool_], axis: int, first: NDArray[Any], last: NDArray[Any]
) -> NDArray[np.bool_]:
    """Whether any value is true in each of some half-open ranges of an axis."""
    n = values.shape[axis]
    shape = list(values.shape)
    shape[axis] = n + 1
    running = np.zeros(shape, dtype=np.int64)
    inner = [slice(None)] * values.ndim
    inner[axis] = slice(1, None)
    np.cumsum(values, axis=axis, out=running[tuple(inner)])
    low, high = (np.clip(side, 0, n).astype(np.int64) for side in (first, last))
    is_any: NDArray[np.bool_] = running.take(high, axis=axis) > running.take(low, axis=axis)
    return is_any

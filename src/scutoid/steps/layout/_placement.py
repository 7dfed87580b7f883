"""Where images and blocks lie: in the frame of the uncropped image, and in one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from scutoid.arrays import ImageSpec
from scutoid.geometry import BlockGrid, Coordinate, Roi


@dataclass(frozen=True, slots=True)
class Framed:
    """An image's description and where it lies in the frame of the uncropped image."""

    spec: ImageSpec
    """Shape, axes, dtype, voxel size."""
    offset: Coordinate
    """Voxel of the uncropped image that is the first one here."""
    chunks: tuple[int, ...]
    """What one decode brings, in voxels."""

    @property
    def roi(self) -> Roi:
        """The region in the frame."""
        return Roi(self.offset, self.spec.shape)


class Placed(NamedTuple):
    """Where an input lies."""

    axes: str
    """Its axes."""
    offset: Coordinate
    """Of its first voxel in the frame."""
    shape: tuple[int, ...]
    """Its voxels on each axis."""


@dataclass(frozen=True, slots=True)
class PartsGrid:
    """The blocks that parts belong to."""

    grid: BlockGrid
    """Write regions and their numbers."""
    axes: str
    """Axes of the grid."""
    iterated: str
    """Those of them along which every place is an image of its own."""


def describe_parts(where: PartsGrid | None) -> dict[str, Any] | None:
    """Return a grid as plain JSON; the reverse of `read_parts_grid`."""
    if where is None:
        return None
    grid = where.grid
    return {
        "offset": list(grid.total.offset),
        "shape": list(grid.total.shape),
        "block": list(grid.block_shape),
        "halo": [list(side) for side in grid.halo],
        "axes": where.axes,
        "iterated": where.iterated,
    }


def read_parts_grid(record: Mapping[str, Any]) -> PartsGrid:
    """Return the grid that `describe_parts` wrote down."""
    low, high = (Coordinate(*side) for side in record["halo"])
    grid = BlockGrid(Roi(record["offset"], record["shape"]), record["block"], halo=(low, high))
    return PartsGrid(grid, record["axes"], record["iterated"])

"""Where images and blocks lie: in the frame of the uncropped image, and in one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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

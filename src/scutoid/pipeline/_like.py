"""An image on the grid of another, by where the voxels of both lie in the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import METRES
from scutoid.errors import MetadataError, ParameterError
from scutoid.geometry import Roi
from scutoid.kernels import Affine, affine
from scutoid.pipeline._compute import StepBlock
from scutoid.pipeline._decorators import Step, blockwise
from scutoid.pipeline._grids import OutputGrid
from scutoid.pipeline._lazy import Image

_HALF = 0.5


@dataclass(frozen=True, slots=True)
class _Grid:
    """A grid of voxels in the world, along the spatial axes of the image that is put on it."""

    shape: tuple[int, ...]
    voxel_size: tuple[float, ...]
    origin: tuple[float, ...]
    matrix: tuple[tuple[float, ...], ...]
    """From its indices to places in the image, the shift last."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What interpolation needs of an image."""

    matrix: tuple[tuple[float, ...], ...]
    shape: tuple[int, ...]

    def __call__(self, number: int, region: Roi) -> Roi:
        del number
        transform = Affine.of(self.matrix, len(self.shape))
        return Roi(*transform.source(region.offset, region.shape, self.shape, "nearest"))


def _grid_of(images: list[Image], grid: _Grid) -> OutputGrid:
    image = images[0]
    shape = tuple(n for n, axis in zip(image.shape, image.axes, strict=True) if axis in "zyx")
    source = _Source(grid.matrix, shape)
    return OutputGrid(grid.shape, source, grid.voxel_size, grid.origin)


@blockwise(grid=_grid_of, dtype="same", block_invariant=True, version="1")
def on_grid(
    image: NDArray[Any], *, grid: _Grid, order: int, shape: tuple[int, ...], block: StepBlock
) -> NDArray[Any]:
    """Compute one block of an image on another grid."""
    read = block.sources[0]
    if read is None:
        raise TypeError(block)
    start = block.write_roi.offset[-image.ndim :]
    transform = Affine.of(grid.matrix, image.ndim)
    size = block.write_roi.shape[-image.ndim :]
    found = affine(image, transform, start, size, order=order, mode="nearest", offset=read.offset)
    for axis, (first, count, extent) in enumerate(zip(start, size, shape, strict=True)):
        place = (
            transform.shift[axis] + np.arange(first, first + count) * transform.matrix[axis][axis]
        )
        # a voxel is as wide as its size: half of it lies beyond its centre
        is_outside = (place < -_HALF) | (place >= extent - _HALF)
        found[(slice(None),) * axis + (is_outside,)] = 0
    return found


def like(image: Image, other: Image, order: int | None) -> Image:
    """Put an image on the grid of another; see `Image.like`."""
    if order is None:
        order = 0 if image.is_labels or image.dtype == bool else 1
    place = f"{image.name!r} like {other.name!r}"
    if order not in (0, 1) or (order == 1 and image.is_labels):
        raise ParameterError(
            "order is 0 (the nearest voxel) or 1 (linear), and 0 for labels",
            value=order,
            place=place,
        )
    axes = [axis for axis in image.axes if axis in "zyx"]
    theirs = [axis for axis in other.axes if axis in "zyx"]
    if axes != theirs or image.voxel_size is None or other.voxel_size is None:
        raise MetadataError(
            "an image is put on the grid of another if both have the same spatial axes, and voxel "
            "sizes",
            value=f"axes {''.join(axes)!r} and {''.join(theirs)!r}, "
            f"voxel sizes {image.voxel_size} and {other.voxel_size}",
            place=place,
            remedy="give voxel_size= to sc.open, or use scutoid.affine_transform",
        )
    to_ours = METRES[other.unit] / METRES[image.unit] if image.unit and other.unit else 1.0
    pitch = np.array(other.voxel_size) * to_ours
    first = np.array(other.origin) * to_ours
    size = np.array(image.voxel_size)
    shift = (first - np.array(image.origin)) / size
    grid = _Grid(
        tuple(n for n, axis in zip(other.shape, other.axes, strict=True) if axis in "zyx"),
        tuple(pitch.tolist()),
        tuple(first.tolist()),
        tuple(map(tuple, np.column_stack([np.diag(pitch / size), shift]).tolist())),
    )
    step = Step(replace(on_grid.spec, labels=image.is_labels)).options(name="like")
    shape = tuple(n for n, axis in zip(image.shape, image.axes, strict=True) if axis in "zyx")
    made: Image = step(image, grid=grid, order=order, shape=shape)
    return made

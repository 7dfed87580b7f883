"""An image on the grid of another, by where the voxels of both lie in the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import METRES
from scutoid.errors import MetadataError, PipelineError
from scutoid.kernels import Affine
from scutoid.steps._affine import Beneath, check_order, interpolate
from scutoid.steps.declaration import StepBlock
from scutoid.steps.handles import Image, Step, blockwise
from scutoid.steps.layout import OutputGrid


@dataclass(frozen=True, slots=True)
class _Grid:
    """A grid of voxels in the world, along the spatial axes of the image that is put on it."""

    shape: tuple[int, ...]
    voxel_size: tuple[float, ...]
    origin: tuple[float, ...]
    matrix: tuple[tuple[float, ...], ...]
    """From its indices to places in the image, the shift last."""


def _grid_of(images: list[Image], grid: _Grid) -> OutputGrid:
    image = images[0]
    shape = tuple(n for n, axis in zip(image.shape, image.axes, strict=True) if axis in "zyx")
    source = Beneath(Affine.of(grid.matrix, len(shape)), shape, "voxel")
    return OutputGrid(grid.shape, source, grid.voxel_size, grid.origin)


@blockwise(grid=_grid_of, dtype="same", block_invariant=True, version="1")
def on_grid(image: NDArray[Any], *, grid: _Grid, order: int, block: StepBlock) -> NDArray[Any]:
    """Compute one block of an image on another grid."""
    return interpolate(image, Affine.of(grid.matrix, image.ndim), block, order=order, mode="voxel")


def like(image: Image, other: Image, order: int | None) -> Image:
    """Put an image on the grid of another; see `Image.like`."""
    if not isinstance(other, Image):
        raise PipelineError(
            "an image is put on the grid of another image",
            value=type(other).__name__,
            place=f"{image.name!r}.like",
            remedy="open it by scutoid.open, with its voxel_size=",
        )
    if order is None:
        order = 0 if image.is_labels or image.dtype == bool else 1
    check_order(image, order)
    axes = [axis for axis in image.axes if axis in "zyx"]
    theirs = [axis for axis in other.axes if axis in "zyx"]
    if axes != theirs or image.voxel_size is None or other.voxel_size is None:
        raise MetadataError(
            "an image is put on the grid of another if both have the same spatial axes, and voxel "
            "sizes",
            value=f"axes {''.join(axes)!r} and {''.join(theirs)!r}, "
            f"voxel sizes {image.voxel_size} and {other.voxel_size}",
            place=f"{image.name!r} like {other.name!r}",
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
    made: Image = step(image, grid=grid, order=order)
    return made

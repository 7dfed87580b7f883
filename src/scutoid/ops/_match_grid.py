"""Resample an image on the grid of another, by where the voxels of both lie in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scutoid.arrays import METRES, SPATIAL
from scutoid.errors import MetadataError, ParameterError
from scutoid.kernels import Affine
from scutoid.ops._affine_blocks import Beneath, check_order, interpolate
from scutoid.ops._grids import Extent, kept_labels
from scutoid.ops._types import Array
from scutoid.steps import Image, OutputGrid, StepBlock, blockwise, injected, remedy_for_image


@dataclass(frozen=True, slots=True)
class _Grid:
    """A grid of voxels in the world, along the spatial axes of the image that is put on it."""

    shape: tuple[int, ...]
    voxel_size: tuple[float, ...]
    origin: tuple[float, ...]
    matrix: tuple[tuple[float, ...], ...]
    """From its indices to places in the image, the shift last."""


def _grid_of(images: list[Image], grid: _Grid) -> OutputGrid:
    shape = Extent.of(images[0]).shape
    source = Beneath(Affine.of(grid.matrix, len(shape)), shape, "voxel")
    return OutputGrid(grid.shape, source, grid.voxel_size, grid.origin)


@blockwise(grid=_grid_of, dtype="same", block_invariant=True, version="1", threadsafe=True)
def match_grid_step(image: Array, *, grid: _Grid, order: int, block: StepBlock = injected) -> Array:
    """Compute one block of an image on another grid."""
    return interpolate(image, Affine.of(grid.matrix, image.ndim), block, order=order, mode="voxel")


match_grid_step = match_grid_step.options(name="resample")


def match_grid(image: object, other: object, order: int | None) -> Image:
    """Put an image on the grid of another; see `scutoid.resample`."""
    if not isinstance(image, Image):
        raise _not_one_image(image, "resample")
    if not isinstance(other, Image):
        raise _not_one_image(other, "like= of resample")
    if order is None:
        order = 0 if image.is_labels or image.dtype == bool else 1
    check_order(image, order)
    step = kept_labels(match_grid_step, image)
    matched: Image = step(image, grid=_found_grid(image, other), order=order)
    return matched


def _not_one_image(value: object, place: str) -> ParameterError:
    return ParameterError(
        "one image is put on the grid of another",
        value=type(value).__name__,
        place=place,
        remedy=remedy_for_image(
            value,
            "open it by scutoid.open, with its voxel_size=; resample the members of a "
            "collection one by one, or give voxel_size=",
        ),
    )


def _found_grid(image: Image, other: Image) -> _Grid:
    """Return the grid of another image, in the unit of this one."""
    axes, theirs = (
        "".join(axis for axis in item.axes if axis in SPATIAL) for item in (image, other)
    )
    if axes != theirs or image.voxel_size is None or other.voxel_size is None:
        raise MetadataError(
            "an image is put on the grid of another if both have the same spatial axes, and voxel "
            "sizes",
            value=f"axes {axes!r} and {theirs!r}, "
            f"voxel sizes {image.voxel_size} and {other.voxel_size}",
            place=f"resample of {image.name!r} like {other.name!r}",
            remedy="give voxel_size= to sc.open, or use scutoid.affine_transform",
        )
    to_ours = METRES[other.unit] / METRES[image.unit] if image.unit and other.unit else 1.0
    pitch = np.array(other.voxel_size) * to_ours
    first = np.array(other.origin) * to_ours
    size = np.array(image.voxel_size)
    shift = (first - np.array(image.origin)) / size
    return _Grid(
        Extent.of(other).shape,
        tuple(pitch.tolist()),
        tuple(first.tolist()),
        tuple(map(tuple, np.column_stack([np.diag(pitch / size), shift]).tolist())),
    )

"""What steps on another grid share: where images lie, and what a block is given of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scutoid.errors import ParameterError
from scutoid.geometry import Roi
from scutoid.kernels import Affine
from scutoid.pipeline import Image, Images, OutputGrid, Step, StepBlock

SPATIAL = "zyx"
"""Letters of the axes of space."""
REACH = 2
"""Voxels that interpolation reads beyond the scaled region, at most."""
_EDGES = {1: 2**20, 2: 1024, 3: 128}
"""Edge of a block that the engine chooses, by the number of spatial axes."""
_READ = 2**24
"""Voxels that a block shall read, at most about."""


@dataclass(frozen=True, slots=True)
class Extent:
    """An image along its spatial axes."""

    shape: tuple[int, ...]
    """Voxels."""
    voxel_size: tuple[float, ...] | None
    """Size of one; None: unknown."""
    origin: tuple[float, ...]
    """World position of the centre of the first."""

    @classmethod
    def of(cls, image: Image) -> Extent:
        """Describe an image."""
        shape = [n for n, axis in zip(image.shape, image.axes, strict=True) if axis in SPATIAL]
        return cls(tuple(shape), image.voxel_size, image.origin)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.shape)

    def grid(self, affine: Affine, shape: Sequence[int], source: Any, **more: Any) -> OutputGrid:
        """Place an output whose voxels lie in the image where `affine` says."""
        placed: dict[str, Any] = {}
        if self.voxel_size is not None:
            sizes, matrix = np.array(self.voxel_size), np.array(affine.matrix)
            steps = np.linalg.norm(sizes[:, None] * matrix, axis=0)
            first = np.array(self.origin) + np.array(affine.shift) * sizes
            placed = {"voxel_size": tuple(steps.tolist()), "origin": tuple(first.tolist())}
        return OutputGrid(tuple(shape), source, **{**placed, **more})


def corner_affine(scale: Sequence[float]) -> Affine:
    """Return where voxels of another size lie that begin at the same corner as the image's."""
    numbers = np.asarray(scale, np.float64)
    return Affine.of(np.column_stack([np.diag(numbers), (numbers - 1) / 2]), len(numbers))


def local_write(block: StepBlock) -> Roi:
    """Return what a block writes over the function's axes, from the output's first voxel."""
    places = [block.axes.index(axis) for axis in block.function_axes]
    first, written = block.image_roi.offset, block.write_roi
    return Roi([written.offset[n] - first[n] for n in places], [written.shape[n] for n in places])


def local_read(block: StepBlock, number: int = 0) -> Roi:
    """Return what the array of an input shows of it."""
    found = block.sources[number]
    if found is None:
        raise TypeError(number)
    return found


def are_labels(image: Image | Images) -> bool:
    """Whether voxels are object numbers."""
    if isinstance(image, Image):
        return image.is_labels
    return image.producer.is_labels(image.output)


def kept_labels(step: Step, image: Image | Images) -> Step:
    """Return a step whose images hold object numbers where those of its input do."""
    return Step(replace(step.spec, labels=True)) if are_labels(image) else step


def limited(step: Step, image: Image | Images, affine: Affine) -> Step:
    """Return a step whose blocks are small enough that what they read is of moderate size.

    Members of a collection, which fit in memory, are left as they are.
    """
    if not isinstance(image, Image):
        return step
    shape = Extent.of(image).shape
    reach = [sum(map(abs, row)) for row in affine.matrix]

    def n_read(edge: int) -> float:
        return math.prod(min(edge * r + 1, n) for r, n in zip(reach, shape, strict=True))

    edge = _EDGES.get(len(shape), 1)
    if n_read(edge) <= 2 * _READ:
        return step
    while edge > 1 and n_read(edge) > _READ:
        edge //= 2
    return step.options(block=edge)


def check_shape(shape: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return the shape of a result, one size a spatial axis.

    Raises
    ------
    ParameterError
        If it is not whole numbers of 1 or more, or there is not one an axis.
    """
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = ()
    if len(sizes) != ndim or any(size < 1 for size in sizes):
        raise ParameterError(
            f"a shape is whole numbers of 1 or more, one for each of the {ndim} spatial axes",
            value=shape,
            place="shape",
        )
    return sizes

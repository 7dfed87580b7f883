"""Shared parts of steps on another grid: where images lie, and what a block reads of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, TypeVar, Unpack, cast

import numpy as np

from scutoid.arrays import SPATIAL
from scutoid.errors import ParameterError, PipelineError
from scutoid.geometry import Roi
from scutoid.kernels import Affine
from scutoid.ops._inputs import first_of
from scutoid.steps import Described, Image, Images, OutputGrid, Step, remedy_for_image

AnyStep = TypeVar("AnyStep", bound=Step[Callable[..., object], object, object])
T = TypeVar("T")
Source = Callable[[int, Roi], Roi]

REACH = 2
"""Voxels that interpolation reads beyond the scaled region, at most."""
_EDGES = {1: 2**20, 2: 1024, 3: 128}
"""Edge of a block that the engine chooses, by the number of spatial axes."""
_READ = 2**24
"""Voxels that a block reads, roughly at most."""


class Placed(TypedDict, total=False):
    """Optional fields of an `OutputGrid`: where it lies, and how it is scaled."""

    voxel_size: tuple[float, ...]
    origin: tuple[float, ...]
    scale: tuple[float, ...]
    margin: int


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

    def grid(
        self, affine: Affine, shape: Sequence[int], source: Source, **more: Unpack[Placed]
    ) -> OutputGrid:
        """Place an output whose voxels lie in the image where `affine` says."""
        placed = Placed()
        if self.voxel_size is not None:
            sizes, matrix = np.array(self.voxel_size), np.array(affine.matrix)
            steps = np.linalg.norm(sizes[:, None] * matrix, axis=0)
            first = np.array(self.origin) + np.array(affine.shift) * sizes
            placed = {"voxel_size": tuple(steps.tolist()), "origin": tuple(first.tolist())}
        placed.update(more)
        return OutputGrid(tuple(shape), source, **placed)


def corner_affine(scale: Sequence[float]) -> Affine:
    """Return where voxels of another size lie that begin at the same corner as the image's."""
    numbers = np.asarray(scale, np.float64)
    return Affine.of(np.column_stack([np.diag(numbers), (numbers - 1) / 2]), len(numbers))


def check_images(image: object, place: str) -> None:
    """Raise a `PipelineError` for what is no image, nor a collection of images."""
    if not isinstance(image, (Image, Images)):
        raise PipelineError(
            "an operation on images takes an Image, Images or an array",
            value=type(image).__name__,
            place=place,
            remedy=remedy_for_image(
                image, "open it by scutoid.open, or make it an array by numpy.asarray"
            ),
        )


def letters_of(axis: object, axes: str) -> str:
    """Read axes given by letter, by number as numpy has them, or as a sequence of these."""
    if isinstance(axis, str):
        return axis
    try:
        if isinstance(axis, Iterable):
            return "".join(letters_of(entry, axes) for entry in axis)
        return axes[operator.index(axis)]  # type: ignore[arg-type]
    except (TypeError, IndexError):
        return ""


@dataclass(frozen=True, slots=True)
class SameAxes:
    """Refuses images whose axes are not those by which numbers of axes were read."""

    axes: str
    """Those of the first image."""
    place: str
    """The operation."""

    def __call__(self, images: Sequence[Described]) -> None:
        """Refuse images with others."""
        for image in images:
            if image.axes != self.axes:
                raise ParameterError(
                    "axes are given by number for images with the same axes",
                    value=f"{image.axes!r} of {image.name!r}, where the first image has "
                    f"{self.axes!r}",
                    place=self.place,
                    remedy="give the axis by its letter, or axes= where the images are opened",
                )


def of_same_axes(step: AnyStep, axis: object, images: Sequence[Image | Images]) -> AnyStep:
    """Return a step that refuses members whose axes are not those of the first image.

    Axes that were given by letter mean the same whatever the order of a member's axes is, and the
    step is returned as it is.

    Parameters
    ----------
    step : Step
        Gets the letters that numbers stand for.
    axis : str, int, sequence or None
        As the user gave it.
    images : sequence of Image or Images

    Raises
    ------
    ParameterError
        If a single image has other axes than the first.
    """
    parts = [axis] if isinstance(axis, str) or not isinstance(axis, Iterable) else axis
    if all(isinstance(part, str) for part in parts):
        return step
    check = SameAxes(first_of(images[0]).axes, step.spec.label)
    check([image for image in images if isinstance(image, Image)])
    if all(isinstance(image, Image) for image in images):
        return step
    version = f"{step.spec.version}, axes {check.axes}"  # of which the numbers are
    return cast("AnyStep", Step(replace(step.spec, check=check, version=version)))


def checked_by(step: AnyStep, check: Callable[[list[Described]], None]) -> AnyStep:
    """Return a step that refuses what `check` does, of single images and of each member."""
    return cast("AnyStep", Step(replace(step.spec, check=check)))


def plain(value: T) -> T:
    """Return a parameter without numpy's types, which would make another key."""
    return cast("T", value.tolist()) if isinstance(value, (np.ndarray, np.generic)) else value


def seen_to(result: T) -> T:
    """Return a result; errors of an image's grid are raised now rather than when it runs."""
    if isinstance(result, Image):
        _ = result.framed
    return result


def are_labels(image: Image | Images) -> bool:
    """Whether voxels are object numbers."""
    return image.ref.holds_labels


def kept_labels(step: AnyStep, image: object) -> AnyStep:
    """Return a step whose images hold object numbers where those of its input do.

    Raises
    ------
    PipelineError
        If the input is no image, nor a collection of images.
    """
    check_images(image, step.spec.label)
    if not are_labels(cast("Image | Images", image)):
        return step
    return cast("AnyStep", Step(replace(step.spec, labels=True)))


def limited(step: AnyStep, image: object, affine: Affine) -> AnyStep:
    """Return a step whose blocks are small enough that what they read is of moderate size.

    Members of a collection, which fit in memory, are left as they are.
    """
    if not isinstance(image, Image):
        return step
    shape = Extent.of(image).shape
    reach = [sum(map(abs, row)) for row in affine.matrix]

    def n_read(edge: int) -> float:
        return math.prod(min(edge * r + 1, n) for r, n in zip(reach, shape, strict=True))

    return _of_edge(step, len(shape), n_read)


def limited_depth(step: AnyStep, images: Sequence[object], seen: str) -> AnyStep:
    """Limit the blocks of a step whose function sees axes, `seen`, that blocks do not cut."""
    single = [image for image in images if isinstance(image, Image)]
    if len(single) < len(images):
        return step
    n_spatial = sum(axis in SPATIAL for axis in seen)
    deep = set(seen) - set(SPATIAL)
    depth = sum(
        math.prod(n for n, axis in zip(image.shape, image.axes, strict=True) if axis in deep)
        for image in single
    )
    return _of_edge(step, n_spatial, lambda edge: float(depth * edge**n_spatial))


def _of_edge(step: AnyStep, n_spatial: int, n_read: Callable[[int], float]) -> AnyStep:
    edge = _EDGES.get(n_spatial, 1)
    if n_read(edge) <= 2 * _READ:
        return step
    while edge > 1 and n_read(edge) > _READ:
        edge //= 2
    return cast("AnyStep", step.options(block=edge))


def check_shape(shape: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return the shape of a result, one size a spatial axis; one number is that of all of them.

    Raises
    ------
    ParameterError
        If it is not whole numbers of 1 or more, or there is not one an axis.
    """
    try:
        entries = shape if isinstance(shape, Iterable) else (shape,) * ndim
        sizes = tuple(operator.index(size) for size in entries)
    except TypeError:
        sizes = ()
    if len(sizes) != ndim or any(size < 1 for size in sizes):
        raise ParameterError(
            "a shape is whole numbers of 1 or more, one for all or for each of the "
            f"{ndim} spatial axes",
            value=shape,
            place="shape",
        )
    return sizes

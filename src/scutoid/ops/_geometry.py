"""Images on a coarser grid, or one of another shape, by whole voxels of the image.

A block of the result knows where its voxels lie in the image, and reads that region alone.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.errors import MetadataError
from scutoid.geometry import Roi
from scutoid.ops._composed import of_images, opened, operation
from scutoid.ops._grids import (
    REACH,
    Extent,
    are_labels,
    check_shape,
    corner_affine,
    kept_labels,
    limited,
    plain,
    seen_to,
)
from scutoid.ops._inputs import check_voxels
from scutoid.ops._types import Array, DType, ImageLike
from scutoid.steps import Image, OutputGrid, StepBlock, blockwise, injected


@dataclass(frozen=True, slots=True)
class _Windows:
    """Reads the windows of voxels to write."""

    factors: tuple[int, ...]

    def __call__(self, number: int, region: Roi) -> Roi:
        del number
        start = list(map(operator.mul, region.offset, self.factors))
        return Roi(start, list(map(operator.mul, region.shape, self.factors)))


def _downsampled_grid(images: list[Image], factors: int | Sequence[int]) -> OutputGrid:
    extent = Extent.of(images[0])
    widths = kernels.check_factors(factors, extent.ndim)
    affine = corner_affine(widths)
    shape = [-(-size // width) for size, width in zip(extent.shape, widths, strict=True)]
    return extent.grid(affine, shape, _Windows(widths), scale=tuple(map(float, widths)))


@blockwise(grid=_downsampled_grid, dtype="same", block_invariant=True, version="1", threadsafe=True)
def downsample_step(image: Array, *, factors: int | Sequence[int], method: str | None) -> Array:
    """Join the windows that one block is made of."""
    return kernels.downsample(image, factors, method or _default_method(image.dtype))


downsample_step = downsample_step.options(name="downsample")


def _default_method(dtype: DType) -> str:
    return "mode" if dtype.kind == "b" else "mean"


@operation
def downsample(
    image: ImageLike,
    *,
    factors: int | Sequence[int],
    method: str | None = None,
) -> ImageLike:
    """Make an image coarser by whole factors.

    **Exact**: equals `scutoid.kernels.downsample` on the whole array for every block shape, and so
    the level of a pyramid that is written with the same factors.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities, a mask or labels; spatial axes become coarser, others are iterated.
    factors : int or sequence of int
        Voxels of the image in one of the result, for all spatial axes or one for each; windows that
        the image's end cuts are taken for as far as they exist.
    method : {"mean", "mode", "nearest", "max"}, optional
        Mean (of integers exact, rounded to the nearest, ties to even), most frequent value (of
        these the largest), voxel in the middle, or largest.  Default: the mean; of labels and masks
        the mode.

    Returns
    -------
    Image or ndarray
        Same dtype; its voxel size and origin say where it lies.

    Raises
    ------
    ParameterError
        If a factor is not a whole number of 1 or more, or the method is unknown.
    MetadataError
        If object numbers are to be averaged.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> coarse = sc.downsample(sc.open(np.eye(4) * 8, voxel_size=0.5), factors=2)
    >>> coarse.voxel_size, coarse.origin, coarse.read().tolist()
    ((1.0, 1.0), (0.25, 0.25), [[4.0, 0.0], [0.0, 4.0]])
    """
    image = opened(image)
    if isinstance(image, np.ndarray):
        return kernels.downsample(image, factors, method or _default_method(image.dtype))
    if method is not None:
        kernels.check_method(method)
    step = kept_labels(downsample_step, image)
    if are_labels(image):
        if method == "mean":
            raise MetadataError(
                "object numbers are never averaged",
                value=method,
                place="downsample",
                remedy='leave method= out, or give "mode" or "nearest"',
            )
        method = method or "mode"
    if isinstance(image, Image):
        widths = kernels.check_factors(factors, Extent.of(image).ndim)
        step = limited(step, image, corner_affine(widths))
    return step(image, factors=plain(factors), method=method)


@dataclass(frozen=True, slots=True)
class _Nearest:
    """Reads the nearest voxels, found by integer arithmetic."""

    image: tuple[int, ...]
    result: tuple[int, ...]

    def indices(self, region: Roi) -> list[NDArray[np.int64]]:
        """Return, for each axis, the voxel of the image for each of the result."""
        return [
            (2 * np.arange(a, b, dtype=np.int64) + 1) * size // (2 * wanted)
            for a, b, size, wanted in zip(
                region.offset, region.end, self.image, self.result, strict=True
            )
        ]

    def __call__(self, number: int, region: Roi) -> Roi:
        del number
        ends = [(int(places[0]), int(places[-1]) + 1) for places in self.indices(region)]
        return Roi([a for a, _ in ends], [b - a for a, b in ends])


def _scaled_grid(
    images: list[Image], image_shape: Sequence[int] | None, shape: int | Sequence[int]
) -> OutputGrid:
    extent = Extent.of(images[0])
    sizes = check_shape(shape, extent.ndim)
    check_voxels(images[0], "scale_nearest")
    scale = [n / wanted for n, wanted in zip(extent.shape, sizes, strict=True)]
    if image_shape is None:
        return extent.grid(corner_affine(scale), sizes, _Whole(extent.shape))
    source = _Nearest(extent.shape, sizes)
    return extent.grid(corner_affine(scale), sizes, source, scale=tuple(scale), margin=REACH)


@dataclass(frozen=True, slots=True)
class _Whole:
    """Reads all of the image."""

    image: tuple[int, ...]

    def __call__(self, number: int, region: Roi) -> Roi:
        del number, region
        return Roi([0] * len(self.image), self.image)


@blockwise(grid=_scaled_grid, dtype="same", block_invariant=True, version="1", threadsafe=True)
def scale_step(
    image: Array,
    *,
    image_shape: Sequence[int] | None,
    shape: int | Sequence[int],
    block: StepBlock = injected,
) -> Array:
    """Take the nearest voxels for one block; without a shape, of the image that is read whole."""
    extent = image.shape if image_shape is None else tuple(image_shape)
    indices = _Nearest(extent, check_shape(shape, image.ndim)).indices(block.local_write)
    first = block.source().offset
    for axis, (places, start) in enumerate(zip(indices, first, strict=True)):
        image = image.take(places - start, axis)
    return image


scale_step = scale_step.options(name="scale_nearest")


@of_images
def scale_nearest(image: ImageLike, *, shape: int | Sequence[int]) -> ImageLike:
    """Give an image another shape, by the nearest voxel.

    **Exact**: voxel i of m is voxel ``(2 * i + 1) * n // (2 * m)`` of n, in integers, for every
    block shape: that nearest to its centre when both images cover the same space.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities or labels; spatial axes are scaled, others are iterated.
    shape : int or sequence of int
        Voxels of the result, for all spatial axes or one for each.

    Returns
    -------
    Image, Images or ndarray
        Same dtype; its voxel size and origin say where it lies.

    Raises
    ------
    ParameterError
        If the shape does not fit the spatial axes, or there is no voxel.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.scale_nearest(np.array([[1, 2, 3]]), shape=(1, 6))
    array([[1, 1, 2, 2, 3, 3]])
    """
    step, wanted = kept_labels(scale_step, image), plain(shape)
    if not isinstance(image, Image):  # members have a shape each, and are read whole
        return step(image, image_shape=None, shape=wanted)
    extent = Extent.of(image)
    sizes = check_shape(wanted, extent.ndim)
    scale = [n / size for n, size in zip(extent.shape, sizes, strict=True)]
    step = limited(step, image, corner_affine(scale))
    return seen_to(step(image, image_shape=list(extent.shape), shape=list(sizes)))

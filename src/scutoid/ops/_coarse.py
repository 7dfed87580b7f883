"""The coarse level that slow changes are estimated on.

Each block averages the windows that begin in it, each a coarse voxel; a step puts the coarse image
together, so that what is estimated on it is the same whatever the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.errors import ParameterError
from scutoid.kernels import coarse_range, coarse_shape
from scutoid.ops._inputs import check_given, check_real, first_of
from scutoid.ops._label import images_of
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import BlockParts, Image, StepBlock, blockwise, injected

Coarse = NDArray[np.float64]


def _check_real(images: list[Image]) -> None:
    check_real(images[0], repr(images[0].name))


@blockwise(
    out="parts",
    check=_check_real,
    halo=lambda factors: [(0, factor - 1) for factor in factors],
    block_invariant=True,
    version="2",
    threadsafe=True,
)
def coarse_means(
    image: Array, *, factors: Sequence[int], block: StepBlock = injected
) -> dict[str, Coarse]:
    """Average the voxels of each coarse voxel that begins in one block."""
    start, stop, shape = extent_of(block)
    return {"means": kernels.coarse_means(image, start, stop, factors, shape)}


def coarse_images(means: BlockParts, factors: Sequence[int]) -> Iterator[tuple[list[int], Coarse]]:
    """Yield the numbers of an image's blocks and its coarse image, one image after the other."""
    for blocks, _ in images_of(means):
        shape = block_extent(means, blocks[0])[2]
        coarse = np.zeros(coarse_shape(shape, factors))
        for index in blocks:
            start, stop, _ = block_extent(means, index)
            place = tuple(
                slice(-(-low // factor), -(-high // factor))
                for low, high, factor in zip(start, stop, factors, strict=True)
            )
            coarse[place] = means[index]["means"]
        yield blocks, coarse


Extent = tuple[list[int], list[int], list[int]]


def block_extent(parts: BlockParts, index: int) -> Extent:
    """Return where a block begins and ends in its image, and the image's shape."""
    where, total = parts.where, parts.grid.total
    places = [n for n, axis in enumerate(where.axes) if axis not in where.iterated]
    region = parts.grid.write_roi(index)
    return _along(places, region.offset, region.end, total.offset, total.shape)


def extent_of(block: StepBlock) -> Extent:
    """Return where the block that a step's function gets begins and ends in its image."""
    places = [block.axes.index(axis) for axis in block.function_axes]
    image = block.image_roi
    return _along(places, block.write_roi.offset, block.write_roi.end, image.offset, image.shape)


def _along(
    places: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    origin: Sequence[int],
    shape: Sequence[int],
) -> Extent:
    return (
        [low[n] - origin[n] for n in places],
        [high[n] - origin[n] for n in places],
        [shape[n] for n in places],
    )


def coarse_slices(
    start: Sequence[int], stop: Sequence[int], factors: Sequence[int], shape: Sequence[int]
) -> tuple[slice, ...]:
    """Return the coarse voxels that interpolation over a region needs."""
    return tuple(
        slice(*coarse_range(*along)) for along in zip(start, stop, factors, shape, strict=True)
    )


def spatial_shape(image: ImageLike) -> list[int]:
    """Return the voxels along the spatial axes; of a collection, of its first member."""
    check_given(image, "image")
    first = first_of(image)
    return [size for axis, size in zip(first.axes, first.shape, strict=True) if axis in "zyx"]


def per_axis(entries: float | Sequence[float], ndim: int, name: str) -> list[float]:
    """Return a number for each spatial axis."""
    values = np.asarray(entries)
    if values.dtype.kind not in "iuf" or values.shape not in ((), (ndim,)):
        raise ParameterError(
            f"{name} is one number, or one for each of {ndim} spatial axes",
            value=entries,
            place=name,
        )
    return np.broadcast_to(values, (ndim,)).astype(np.float64).tolist()  # type: ignore[no-any-return]


def coarse_factors(factors: int | Sequence[int], ndim: int) -> list[int]:
    """Return the edges of a coarse voxel along each spatial axis, in voxels.

    Raises
    ------
    ParameterError
        If one is not a whole number of voxels, 1 or more.
    """
    edges = per_axis(factors, ndim, "factors")
    if not all(value >= 1 and value.is_integer() for value in edges):
        raise ParameterError(
            "factors are numbers of voxels, 1 or more", value=factors, place="factors"
        )
    return [int(value) for value in edges]

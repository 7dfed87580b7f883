"""Pad images with voxels around them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number

import numpy as np

from scutoid.arrays import pad_to
from scutoid.errors import ParameterError
from scutoid.geometry import Coordinate, Roi
from scutoid.kernels import Affine
from scutoid.ops._composed import of_images
from scutoid.ops._grids import Extent, kept_labels, plain, seen_to
from scutoid.ops._inputs import check_voxels
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import Image, OutputGrid, StepBlock, blockwise, injected

Widths = int | Sequence[int | Sequence[int]]
_SEQUENCES = (list, tuple, np.ndarray)


def _pairs(width: object, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many voxels come low and high, an entry an axis."""
    entries = list(width) if isinstance(width, _SEQUENCES) else [width] * ndim
    try:
        pairs = [
            tuple(map(operator.index, entry))
            if isinstance(entry, _SEQUENCES)
            else (operator.index(entry),) * 2  # type: ignore[arg-type]
            for entry in entries
        ]
    except TypeError:
        pairs = []
    if len(pairs) != ndim or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ParameterError(
            "a width is voxels of 0 or more: one number, or for each of the "
            f"{ndim} spatial axes a number or (low, high)",
            value=width,
            place="pad",
            remedy="use image.crop to take voxels away",
        )
    return tuple(low for low, _ in pairs), tuple(high for _, high in pairs)


@dataclass(frozen=True, slots=True)
class _Inside:
    """Reads what padding shows of the image."""

    low: tuple[int, ...]
    image: tuple[int, ...]
    fill: object

    def __call__(self, number: int, region: Roi) -> Roi:
        del number
        start, stop = [], []
        for first, last, low, size in zip(
            region.offset, region.end, self.low, self.image, strict=True
        ):
            a, b = first - low, last - low
            below, above = max(-a, 0), max(b - size, 0)
            inner = (min(max(a, 0), size), min(max(b, 0), size))
            if isinstance(self.fill, str) and below:  # mirrored at the true edge, which is read too
                reach = below if self.fill == "reflect" else 1
                inner = (0, max(inner[1], min(reach, size)))
            if isinstance(self.fill, str) and above:
                reach = above if self.fill == "reflect" else 1
                inner = (min(inner[0], max(size - reach, 0)), size)
            start.append(inner[0])
            stop.append(max(inner))
        return Roi(start, [b - a for a, b in zip(start, stop, strict=True)])


def _padded_grid(images: list[Image], width: Widths, fill: float | str) -> OutputGrid:
    extent = Extent.of(images[0])
    low, high = _pairs(width, extent.ndim)
    shape = [sum(sizes) for sizes in zip(low, extent.shape, high, strict=True)]
    _check_fill(images[0], fill)
    affine = Affine.of(
        np.column_stack([np.eye(extent.ndim), [-float(n) for n in low]]), extent.ndim
    )
    return extent.grid(affine, shape, _Inside(low, extent.shape, fill))


def _check_fill(image: Image, fill: object) -> None:
    is_number = isinstance(fill, (Number, np.generic))
    if not is_number and fill not in ("nearest", "reflect"):
        raise ParameterError("a fill is a number, 'nearest' or 'reflect'", value=fill, place="pad")
    if isinstance(fill, str):
        check_voxels(image, "pad")
        return
    voxel = Roi((0,), (1,))  # refused now if the type does not hold it
    pad_to(np.zeros(0, image.dtype), Roi((0,), (0,)), voxel, fill)  # type: ignore[arg-type]


@blockwise(grid=_padded_grid, dtype="same", block_invariant=True, version="1", threadsafe=True)
def pad_step(
    image: Array, *, width: Widths, fill: float | str, block: StepBlock = injected
) -> Array:
    """Pad one block."""
    low, _ = _pairs(width, image.ndim)
    return pad_to(image, block.source(), block.local_write.shift(-Coordinate(*low)), fill)


pad_step = pad_step.options(name="pad")


@of_images
def pad(image: ImageLike, *, width: Widths, fill: float | str = 0) -> ImageLike:
    """Add voxels around an image.

    **Exact**: equals `numpy.pad` on the whole array for every block shape.

    Parameters
    ----------
    image : Image, Images or ndarray
        Spatial axes are padded, others are iterated.
    width : int or sequence
        Voxels to add: one number, or for each spatial axis a number or ``(low, high)``.
    fill : number, "nearest" or "reflect"
        A constant; the nearest voxel; or the mirror image with the edge voxel repeated, as
        `scipy.ndimage` has it (``d c b a | a b c d``), which numpy calls "symmetric".

    Returns
    -------
    Image or ndarray
        Same dtype; voxels of the image keep their place in the world.

    Raises
    ------
    ParameterError
        If the width does not fit the spatial axes, or the fill is unknown.
    GeometryError
        If the image's type does not hold the fill.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.pad(np.array([[1, 2]]), width=((0, 1), 2), fill="reflect")
    array([[2, 1, 1, 2, 2, 1],
           [2, 1, 1, 2, 2, 1]])
    """
    return seen_to(kept_labels(pad_step, image)(image, width=plain(width), fill=fill))

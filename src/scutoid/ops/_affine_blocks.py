"""Interpolation of one block at the places that an affine transformation gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scutoid import kernels
from scutoid.errors import ParameterError
from scutoid.geometry import Roi
from scutoid.kernels import Affine
from scutoid.ops._types import Array
from scutoid.steps import Image, StepBlock

Edge = Literal["constant", "nearest", "voxel"]


@dataclass(frozen=True, slots=True)
class Beneath:
    """Reads what lies beneath voxels to write: the source of an `OutputGrid`."""

    affine: Affine
    """From an index of the result to a place in the image."""
    image: tuple[int, ...]
    """Shape of the image, along the same axes."""
    mode: Edge
    """What lies beyond its edge, as in `scutoid.kernels.affine`."""

    def __call__(self, number: int, region: Roi) -> Roi:
        """Return the region of the image."""
        del number
        offset_and_shape = self.affine.source(region.offset, region.shape, self.image, self.mode)
        return Roi(*offset_and_shape)


def interpolate(
    image: Array, affine: Affine, block: StepBlock, *, order: int, mode: Edge, cval: float = 0
) -> Array:
    """Compute what a block of a transformed image writes, from what `Beneath` read for it."""
    write = block.local_write
    return kernels.affine(
        image,
        affine,
        write.offset,
        write.shape,
        order=order,
        mode=mode,
        cval=cval,
        offset=block.source().offset,
    )


def check_order(image: Image, order: object) -> None:
    """Refuse an unsupported order of interpolation, and one that an image does not take.

    Raises
    ------
    ParameterError
        If it is not 0 or 1, or masks or object numbers would be interpolated.
    """
    if order not in (0, 1) or isinstance(order, (bool, np.bool_)):
        raise ParameterError(
            "order= is 0, the nearest voxel, or 1, linear between voxels",
            value=order,
            place=image.name,
        )
    if order and (image.is_labels or image.dtype.kind in "bc"):
        what = "complex numbers" if image.dtype.kind == "c" else "masks and labels"
        raise ParameterError(
            f"{what} are not interpolated",
            value=f"order={order} of {image.dtype}",
            place=image.name,
            remedy="give order=0, or convert a mask to floating-point numbers first",
        )

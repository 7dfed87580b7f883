"""Whether two results for the same voxels differ, and whether it is by more than rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NOISE = 1e-6
_ROUNDINGS = 64
_LIKE = 3
"""How many times as large as another a difference may be that is of the same kind."""
_EXACT = 2
"""Bytes of the integers that float32 holds."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two results for the same voxels differ."""

    greatest: float | None
    """The greatest difference of two numbers; None where the image is of bool."""
    share: float
    """Share of the voxels that differ."""

    def __str__(self) -> str:
        share = f"in {self.share:.2g} of its voxels"
        return share if self.greatest is None else f"by up to {self.greatest:.3g}, {share}"

    def is_like(self, noise: Difference | None) -> bool:
        """Whether it is as the difference that rounding makes: as large, and in as many voxels."""
        if noise is None or not 1 / _LIKE <= self.share / noise.share <= _LIKE:
            return False
        if self.greatest is None or noise.greatest is None or not np.isfinite(noise.greatest):
            return True
        return self.greatest <= _LIKE * noise.greatest


def difference(one: NDArray[Any], other: NDArray[Any], *inputs: np.dtype[Any]) -> Difference | None:
    """Return how far two images differ; None: not at all, or by rounding.

    Integers and bool are compared exactly.  Floating-point numbers differ by more than rounding
    where the difference exceeds a millionth of the greatest value, or 64 roundings of the coarsest
    type among `one` and `inputs`: sums over windows, FFTs and integral images lose some digits by
    the size of the array that they are given.

    Parameters
    ----------
    one, other : ndarray
        Images of one shape and dtype.
    *inputs : dtype
        Of the images that they were made of.
    """
    differs = one != other
    if one.dtype.kind in "fc":
        differs &= ~(np.isnan(one) & np.isnan(other))
    if not differs.any():
        return None
    if one.dtype.kind == "b":
        return Difference(None, float(differs.mean()))
    with np.errstate(all="ignore"):
        if one.dtype.kind in "fc":
            wide = np.result_type(one.dtype, np.float64)
            a, b = one.astype(wide), other.astype(wide)
            size = np.abs(a - b)
            sizes = np.abs(np.concatenate([a.ravel(), b.ravel()]))
            floats = (dtype for dtype in (one.dtype, *inputs) if dtype.kind in "fc")
            relative = max(_NOISE, *(_ROUNDINGS * float(np.finfo(d).eps) for d in floats))
            allowed = relative * float(sizes[np.isfinite(sizes)].max(initial=0))
            differs &= ~(size <= allowed)  # a NaN beside a number is more than any
        else:
            size = np.maximum(one, other) - np.minimum(one, other)
    if not differs.any():
        return None
    return Difference(float(size[differs].max()), float(differs.mean()))


def rescaled(image: NDArray[Any], *, whole: bool = False, factor: bool = True) -> NDArray[Any]:
    """Multiply an image by nearly 1, so that each operation on it rounds otherwise.

    What is equal stays equal, and in order.

    Parameters
    ----------
    image : ndarray
        Of any dtype.
    whole : bool
        Whether whole numbers are multiplied too, integers as floating-point numbers.  They may
        stand for something; without it, an image of nothing else is returned itself.
    factor : bool
        Whether it is multiplied, and not just made one of floating-point numbers.
    """
    if image.dtype.kind not in "iufc":
        return image
    if image.dtype.kind in "iu":
        if not whole:
            return image
        image = image.astype(np.float32 if image.dtype.itemsize <= _EXACT else np.float64)
    if not factor:
        return image
    eps = float(max(np.finfo(image.dtype).eps, np.finfo(np.float32).eps if whole else 0))
    multiplied: NDArray[Any] = image * image.dtype.type(1 + 4 * eps)
    if whole:
        return multiplied
    is_whole = image == np.round(image)
    return image if is_whole.all() else np.where(is_whole, image, multiplied)

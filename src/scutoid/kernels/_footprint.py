"""Footprints: which neighbours of a voxel a filter looks at, and how far they reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError

Footprint = float | Sequence[float] | NDArray[Any]
"""A radius in voxels, one for each axis, or the footprint itself: an array of one axis for each."""

# (3 / 5)^2 + (4 / 5)^2 is a little more than 1 in floating point; no other voxel is as near
_ROUNDING = 1e-9


def is_radius(footprint: Footprint) -> bool:
    """Whether a footprint is given by one radius for all axes.

    Raises
    ------
    ParameterError
        If a radius is negative or not finite, or the array has no axis or no voxel.
    """
    if isinstance(footprint, np.ndarray) and footprint.ndim > 0:
        if not footprint.any():
            raise ParameterError(
                "a footprint has at least one voxel",
                value=f"shape {footprint.shape}, all False",
                place="argument 'footprint'",
            )
        return False
    radii = np.asarray(footprint)
    if radii.ndim > 1:
        return is_radius(radii)
    if radii.dtype.kind not in "iuf" or not np.all(np.isfinite(radii) & (radii >= 0)):
        raise ParameterError(
            "a radius is a number of voxels, 0 or more, one for all axes or one for each",
            value=footprint,
            place="argument 'footprint' or 'radius'",
            remedy="give the footprint itself as a numpy array of bool",
        )
    return radii.ndim == 0


def footprint_shape(footprint: Footprint) -> list[int]:
    """Return the voxels along each axis; a single entry for a radius that holds for all axes.

    Examples
    --------
    >>> footprint_shape(1.5), footprint_shape((0, 2)), footprint_shape(np.ones((2, 3)))
    ([3], [1, 5], [2, 3])
    """
    if is_radius(footprint):
        return [2 * int(footprint) + 1]  # type: ignore[arg-type]
    array = np.asarray(footprint)
    if isinstance(footprint, np.ndarray) or array.ndim > 1:
        return list(array.shape)
    return [2 * int(radius) + 1 for radius in array]


def footprint_array(footprint: Footprint, ndim: int) -> NDArray[np.bool_]:
    """Return a footprint as an array: for radii, the voxels of a ball or an ellipsoid.

    Raises
    ------
    ParameterError
        If it has another number of axes.

    Examples
    --------
    >>> footprint_array(1, 2).astype(int)
    array([[0, 1, 0],
           [1, 1, 1],
           [0, 1, 0]])
    """
    shape = footprint_shape(footprint)
    if is_radius(footprint):
        shape = shape * ndim
    if len(shape) != ndim:
        raise ParameterError(
            f"a footprint has one axis, or one radius, for each of the {ndim} axes",
            value=len(shape),
            place="argument 'footprint'",
        )
    array = np.asarray(footprint)
    if (isinstance(footprint, np.ndarray) and array.ndim > 0) or array.ndim > 1:
        return array.astype(bool)
    radii = np.broadcast_to(array.astype(np.float64), (ndim,))
    distance = np.zeros(shape)
    for axis, (size, radius) in enumerate(zip(shape, radii, strict=True)):
        along = np.arange(size) - size // 2
        # A radius below 1 is a single voxel
        line = (along / max(radius, 1)) ** 2
        distance += line.reshape([-1 if n == axis else 1 for n in range(ndim)])
    return distance <= 1 + _ROUNDING

"""Average voxels into coarse voxels, and interpolate linearly between these.

Coarse voxels are counted from the image's first voxel, so they are the same whatever the blocks.  A
block has those that *begin* in it, and sees them whole by a halo of ``factor - 1`` voxels above::

    factor 3              |0 0 0|1 1 1|2 2 2|3 3        the last is cut off by the edge
    blocks of 4 voxels    [a a a a|b b b b|c c c]       a has 0 and 1, b has 2, c has 3
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels._whole_numbers import LARGEST_IN_FLOAT64, check_in_float64

Ints = Sequence[int]


def coarse_shape(image_shape: Ints, factors: Ints) -> tuple[int, ...]:
    """Return the number of coarse voxels along each axis."""
    return tuple(-(-size // factor) for size, factor in zip(image_shape, factors, strict=True))


def coarse_means(
    values: NDArray[Any], start: Ints, stop: Ints, factors: Ints, image_shape: Ints
) -> NDArray[np.float64]:
    """Average the voxels of each coarse voxel that begins in a block.

    Parameters
    ----------
    values : ndarray of real numbers
        From `start` on, and up to ``factor - 1`` voxels beyond `stop`, as far as the image goes.
    start, stop : sequence of int
        Voxels of the block, half-open, in the image.
    factors : sequence of int
        Voxels along the edges of a coarse voxel.
    image_shape : sequence of int

    Returns
    -------
    ndarray of float64
        One a coarse voxel; those at the image's edge are means of the voxels that they have.  The
        same for every block shape, to the last bit: a coarse voxel is always summed up as a whole.

    Raises
    ------
    ParameterError
        If a value is not finite, or an integer beyond 2**53, or of which sums do not fit 64 bits.

    Examples
    --------
    >>> coarse_means(np.array([4, 5, 6, 7, 9]), (4,), (9,), (3,), (9,))
    array([7.33333333])
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ParameterError(
            "means are of finite values",
            value="NaN or infinity",
            place="image",
            remedy="replace them first, by numpy.nan_to_num",
        )
    n_voxels = math.prod(factors)
    largest = min(LARGEST_IN_FLOAT64, (2**63 - 1) // n_voxels)
    rule = (
        "2**53"
        if largest == LARGEST_IN_FLOAT64
        else f"2**63 / {n_voxels}, of which the sum is known"
    )
    check_in_float64(values, "means over factors", largest=largest, name=rule)
    inside, padding, shape = [], [], []
    counts: NDArray[Any] = np.ones((), np.int64)
    for low, high, factor, size in zip(start, stop, factors, image_shape, strict=True):
        first, last = -(-low // factor), -(-high // factor)
        begin, end = min(first * factor, size), min(last * factor, size)
        inside.append(slice(begin - low, end - low))
        padding.append((0, (last - first) * factor - (end - begin)))
        shape += [last - first, factor]
        begins = np.arange(first, last) * factor
        counts = np.multiply.outer(counts, np.minimum(begins + factor, size) - begins)
    exact = np.float64 if values.dtype.kind == "f" else np.int64
    whole = np.pad(values[tuple(inside)].astype(exact), padding)
    ndim = values.ndim
    order = [*range(0, 2 * ndim, 2), *range(1, 2 * ndim, 2)]
    # A row a coarse voxel, so that floats are added up in the same order whatever the block
    rows = np.ascontiguousarray(whole.reshape(shape).transpose(order))
    total = rows.reshape(*counts.shape, n_voxels).sum(axis=-1)
    return np.asarray(total / counts, np.float64)


def coarse_range(start: int, stop: int, factor: int, size: int) -> tuple[int, int]:
    """Return the coarse voxels, half-open, that interpolation over one axis needs."""
    return max(start // factor - 1, 0), min((stop - 1) // factor + 2, -(-size // factor))


def interpolate_coarse(
    coarse: NDArray[Any], start: Ints, stop: Ints, factors: Ints, image_shape: Ints
) -> NDArray[np.float64]:
    """Interpolate between the centres of coarse voxels, linearly along each axis.

    Parameters
    ----------
    coarse : ndarray
        Values of the coarse voxels that `coarse_range` names on each axis.
    start, stop : sequence of int
        Voxels to interpolate at, half-open, in the image.
    factors, image_shape : sequence of int
        As in `coarse_means`.

    Returns
    -------
    ndarray of float64, shape ``stop - start``
        Beyond the outermost centres, as at them.

    Examples
    --------
    >>> interpolate_coarse(np.array([1.0, 4.0, 7.0]), (0,), (9,), (3,), (9,))
    array([1., 1., 2., 3., 4., 5., 6., 7., 7.])
    """
    values: NDArray[Any] = np.asarray(coarse, np.float64)
    # The first axis last: whole planes are mixed where there are most voxels
    for axis in reversed(range(values.ndim)):
        factor, size = factors[axis], image_shape[axis]
        first, last = coarse_range(start[axis], stop[axis], factor, size)
        begins = np.arange(first, last) * factor
        centres = (begins + np.minimum(begins + factor, size) - 1) / 2
        voxels = np.arange(start[axis], stop[axis])
        below = np.searchsorted(centres, voxels, side="right") - 1
        below = np.clip(below, 0, max(len(centres) - 2, 0))
        above = np.minimum(below + 1, len(centres) - 1)
        gap = np.maximum(centres[above] - centres[below], 1)
        share = np.clip((voxels - centres[below]) / gap, 0, 1)
        share = share.reshape([-1 if n == axis else 1 for n in range(values.ndim)])
        low = values.take(below, axis=axis)
        values = low + (values.take(above, axis=axis) - low) * share
    return values

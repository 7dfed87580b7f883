"""Distance to the background, exact up to a maximum distance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import as_foreground, bounded_distance
from scutoid.ops._masks import check_mask
from scutoid.ops._types import Array
from scutoid.steps import Image, blockwise, is_lazy

# 2 um over voxels of 0.4 um are 5 voxels, not 6 by the rounding of the division
_ROUNDING = 1e-9


def _check_distance(max_distance: float) -> None:
    is_number = np.asarray(max_distance).dtype.kind in "iuf" and np.ndim(max_distance) == 0
    if not is_number or not 0 < max_distance < math.inf:
        raise ParameterError(
            "max_distance is a number above 0, in the image's unit, or in voxels where it has none",
            value=max_distance,
            place="max_distance of distance_transform",
            remedy="give the number in that unit, such as 20 for 20 um",
        )


def _sampling(voxel_size: Sequence[float] | None, ndim: int) -> tuple[float, ...] | None:
    """Return the size of a voxel along each axis; None where it is not known."""
    if voxel_size is None:
        return None
    sizes = np.asarray(voxel_size)
    is_size = sizes.dtype.kind in "iuf" and sizes.shape == (ndim,)
    if not is_size or not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise ParameterError(
            f"the voxel size of an array is a number above 0 for each of {ndim} axes",
            value=voxel_size,
            place="voxel_size of distance_transform",
        )
    return tuple(sizes.tolist())


def _check(images: list[Image], max_distance: float) -> None:
    check_mask(images)
    if not is_lazy(max_distance):
        _check_distance(max_distance)


def _reach(max_distance: float, voxel_size: Sequence[float] | None) -> int | list[int]:
    _check_distance(max_distance)
    if voxel_size is None:
        return math.ceil(max_distance)
    return [math.ceil(max_distance / size - _ROUNDING) for size in voxel_size]


@blockwise(
    halo=_reach, dtype=np.float64, check=_check, block_invariant=True, version="1", threadsafe=True
)
def distance_transform(
    mask: Array, *, max_distance: float, voxel_size: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Measure how far each voxel of the foreground lies from the background.

    **Exact** up to `max_distance`: equals ``numpy.minimum(scipy.ndimage.distance_transform_edt(
    mask, sampling=voxel_size), max_distance)`` on the whole array; to the last bit where all
    voxel sizes are integers or none is known, and within the rounding of a sum of squares
    elsewhere.  A voxel without background within `max_distance` gets `max_distance`, also where
    there is no background at all.

    Parameters
    ----------
    mask : Image, Images or ndarray of bool or integer
        Nonzero is foreground; spatial axes are measured together, others iterated.
    max_distance : float
        In the unit of the image's voxel size; in voxels where it is unknown.  As far is read
        around each block.
    voxel_size : sequence of float, optional
        Along the spatial axes; of an Image it is known, for an array 1 by default.

    Returns
    -------
    Image or ndarray
        float64, in the same unit; 0 in the background.

    Raises
    ------
    ParameterError
        If the mask is of floating-point numbers, or `max_distance` or a voxel size is not above 0.

    References
    ----------
    C. R. Maurer, R. Qi and V. Raghavan, "A linear time algorithm for computing exact Euclidean
    distance transforms of binary images in arbitrary dimensions", IEEE PAMI 25 (2003); by scipy.
    Where lengths are multiples of a power of two: one pass an axis, as in P. Felzenszwalb and
    D. Huttenlocher, "Distance transforms of sampled functions", Theory of Computing 8 (2012).

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.distance_transform(np.array([[0, 1, 1, 1, 1, 1]]), max_distance=3)
    array([[0., 1., 2., 3., 3., 3.]])
    """
    _check_distance(max_distance)
    inside = as_foreground(mask, "distance_transform")
    return bounded_distance(inside, max_distance, _sampling(voxel_size, mask.ndim))

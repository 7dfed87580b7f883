"""Thresholds by each voxel's own neighbourhood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import LARGEST_IN_FLOAT64, check_in_float64, filter_mirrored
from scutoid.ops._inputs import check_intensities, check_number, check_per_axis
from scutoid.ops._types import Array
from scutoid.steps import Image, blockwise, is_lazy


def _local_reach(size: int | Sequence[int], method: str) -> int | list[int]:
    sizes = np.asarray(size)
    if sizes.dtype.kind not in "iu" or np.any((sizes < 1) | (sizes % 2 == 0)):
        raise ParameterError(
            "a neighbourhood has an odd number of voxels",
            value=size,
            place="size of threshold_local",
        )
    if method not in ("gaussian", "mean", "median"):
        raise ParameterError(
            "method is 'gaussian', 'mean' or 'median'", value=method, place="threshold_local"
        )
    reach = [int(4 * (n - 1) / 6 + 0.5) if method == "gaussian" else n // 2 for n in sizes.flat]
    return reach if sizes.ndim else reach[0]


def _check_local(
    images: list[Image], size: int | Sequence[int], method: str, offset: float
) -> None:
    check_intensities(images[0], repr(images[0].name))
    if not (is_lazy(size) or is_lazy(method)):
        _local_reach(size, method)
        check_per_axis(size, images[0], "size of threshold_local")
    check_number(offset, "offset of threshold_local")


@blockwise(
    dtype=bool,
    halo=_local_reach,
    check=_check_local,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def threshold_local(
    image: Array,
    *,
    size: int | Sequence[int],
    method: Literal["gaussian", "mean", "median"] = "gaussian",
    offset: float = 0,
) -> NDArray[np.bool_]:
    """Mark voxels that are brighter than their neighbourhood.

    **Exact**: equals ``image > skimage.filters.threshold_local(image, size, method, offset)`` on
    the whole array, with boundary mode "reflect" at the image's edge.  For method "mean" each
    window is summed by itself, while scikit-image's running sums, rounded on their way, may differ
    where a voxel equals its mean.

    Parameters
    ----------
    image : Image or ndarray
        Intensities.
    size : int or sequence of int
        Odd number of voxels along the edge of the neighbourhood, one for all spatial axes or one
        for each.
    method : {"gaussian", "mean", "median"}, optional
        Weights of the neighbourhood; a Gaussian has a sigma of ``(size - 1) / 6``.
    offset : float, optional
        Subtracted from the level of each voxel.

    Returns
    -------
    Image or ndarray
        bool; same shape.

    Raises
    ------
    ParameterError
        If a size is even, the method is none of these, the offset is NaN, or integers are beyond
        2**53; for "mean", their sums.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.threshold_local(np.array([[1, 5, 1, 1, 8, 8]]), size=(1, 3), method="mean")
    array([[False,  True, False, False,  True, False]])
    """
    check_intensities(image, "threshold_local")
    _local_reach(size, method)
    check_per_axis(size, image, "size of threshold_local")
    check_number(offset, "offset of threshold_local")
    window = np.broadcast_to(size, image.ndim).tolist()
    n_summed = math.prod(window) if method == "mean" else 1
    check_in_float64(
        image,
        "threshold_local",
        largest=LARGEST_IN_FLOAT64 // n_summed,
        name=f"2**53 / {n_summed}, of which the sum is exact" if n_summed > 1 else "2**53",
    )
    if method == "mean":
        return np.asarray(image > _window_means(image, window) - offset)
    from skimage import filters

    def leveled(image: Array) -> Array:
        return filters.threshold_local(  # type: ignore[no-any-return,no-untyped-call]
            image, tuple(window), method=method, offset=offset
        )

    levels = filter_mirrored(image, window, leveled) if method == "median" else leveled(image)
    return np.asarray(image > levels)


def _window_means(image: Array, window: Sequence[int]) -> Array:
    from scipy import ndimage

    total = image.astype(np.float32 if image.dtype == np.float32 else np.float64)
    for axis, size in enumerate(window):
        total = ndimage.correlate1d(total, np.ones(size), axis=axis)
    means: Array = np.divide(total, math.prod(window))
    return means

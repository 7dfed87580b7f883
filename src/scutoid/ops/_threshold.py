"""Levels between background and foreground, from one histogram of the whole image, or local."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.errors import ParameterError
from scutoid.ops._inputs import check_real, check_voxels
from scutoid.pipeline import Image, Images, blockwise, is_lazy, reduction

_BINS = 256
_LI_BINS = 2**16


def _check_image(images: list[Image]) -> None:
    check_real(images[0], repr(images[0].name))


@blockwise(dtype=bool, check=_check_image, block_invariant=True, version="1")
def threshold(image: NDArray[Any], *, level: float) -> NDArray[np.bool_]:
    """Mark voxels that are brighter than a level.

    **Exact** for every block shape.

    Parameters
    ----------
    image : Image or ndarray
        Intensities.
    level : float or Value
        Voxels above it are foreground; may be a lazy value such as ``sc.otsu(image)``.

    Returns
    -------
    Image or ndarray
        bool; same shape.  A voxel of NaN is background.

    Raises
    ------
    ParameterError
        If the image is not of real numbers, or the level is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.threshold(np.array([[1, 5, 3]]), level=3)
    array([[False,  True, False]])
    """
    check_real(image, "threshold")
    if np.isnan(level):
        raise ParameterError(
            "a level is a number",
            value=level,
            place="threshold",
            remedy="see where NaN comes from, such as an image with NaN",
        )
    return np.asarray(image > level)


def otsu(image: Image | Images | NDArray[Any]) -> Any:
    """Find Otsu's threshold of an image.

    **Exact**: equals `skimage.filters.threshold_otsu` on the whole array: integers from a histogram
    with a bin for every value, floating-point numbers from 256 bins between minimum and maximum.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities; all voxels enter one histogram.

    Returns
    -------
    Value or number
        The level: voxels above it are foreground.

    References
    ----------
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9 (1979).

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.otsu(np.array([[1, 1, 2, 8, 9, 9]]))
    2
    """
    return _otsu(image, span=_span(image))


def li(image: Image | Images | NDArray[Any]) -> Any:
    """Find Li's threshold of an image, of least cross entropy.

    **Exact** for integers: equals `skimage.filters.threshold_li` on the whole array, from a
    histogram with a bin for every value.  **Approximate** for floating-point numbers, which are
    counted in 65,536 bins between minimum and maximum: the class means, hence the threshold, are
    off by about the width of a bin.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities; all voxels enter one histogram.

    Returns
    -------
    Value or float
        The level: voxels above it are foreground.

    References
    ----------
    C. H. Li and P. K. S. Tam, "An iterative algorithm for minimum cross entropy thresholding",
    Pattern Recognition Letters 18 (1998).

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> round(sc.li(np.array([[1, 1, 2, 8, 9, 9]])), 2)
    3.34
    """
    return _li(image, span=_span(image))


def triangle(image: Image | Images | NDArray[Any]) -> Any:
    """Find the threshold at the foot of a histogram's longer tail.

    **Exact**: equals `skimage.filters.threshold_triangle` on the whole array: integers from a
    histogram with a bin for every value, floating-point numbers from 256 bins between minimum and
    maximum.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities; all voxels enter one histogram.  Integers span less than 2^24.

    Returns
    -------
    Value or number
        The level: voxels above it are foreground.

    References
    ----------
    G. W. Zack, W. E. Rogers and S. A. Latt, "Automatic measurement of sister chromatid exchange
    frequency", J. Histochem. Cytochem. 25 (1977).

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.triangle(np.array([[1, 1, 1, 1, 2, 2, 2, 3, 8]]))
    4
    """
    return _triangle(image, span=_span(image))


def _span(image: Image | Images | NDArray[Any]) -> Any:
    """Return the range that floats are counted in; integers need none."""
    check_real(image, "a level from a histogram")
    check_voxels(image, "a level from a histogram")
    if isinstance(image, Image) and image.dtype.kind in "biu":
        return None
    return value_range(image)


def _wider(a: tuple[Any, Any] | None, b: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


@reduction(merge=_wider, block_invariant=True, version="1")
def value_range(image: NDArray[Any]) -> tuple[Any, Any] | None:
    """Find the smallest and the largest value of an image.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities, all finite.

    Returns
    -------
    Value or (lowest, highest)
        As Python numbers; None for an image without voxels.

    Raises
    ------
    ParameterError
        If a value is NaN or infinite.
    """
    found = kernels.value_range(image)
    return None if found is None else (found[0].item(), found[1].item())


def _add(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    if "values" in a:
        parts = (kernels.Histogram.from_arrays(a), kernels.Histogram.from_arrays(b))
        return kernels.merge_histograms(*parts).to_arrays()
    return {"counts": a["counts"] + b["counts"], "centers": a["centers"]}


def _bins(histogram: dict[str, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    return histogram["counts"], histogram["values" if "values" in histogram else "centers"]


def _otsu_level(histogram: dict[str, Any]) -> Any:
    return kernels.otsu_from_histogram(*_bins(histogram)).item()


def _triangle_level(histogram: dict[str, Any]) -> Any:
    return kernels.triangle_from_histogram(*_bins(histogram)).item()


def _li_level(histogram: dict[str, Any]) -> float:
    counts, values = _bins(histogram)
    is_binned = values.dtype.kind == "f" and len(values) > 1
    # Floats: until nothing changes, which is a small part of a bin
    tolerance = 1e-3 * float(values[1] - values[0]) if is_binned else 0.5
    return kernels.li_from_histogram(counts, values, tolerance)


@reduction(merge=_add, finish=_otsu_level, block_invariant=True, version="1")
def otsu_step(image: NDArray[Any], *, span: tuple[float, float] | None) -> dict[str, Any]:
    """Count the values of one block; `span` is the range of the whole image, for floats."""
    return _count(image, span, _BINS)


@reduction(merge=_add, finish=_li_level, block_invariant=True, version="1")
def li_step(image: NDArray[Any], *, span: tuple[float, float] | None) -> dict[str, Any]:
    """Count the values of one block, floats in narrow bins."""
    return _count(image, span, _LI_BINS)


@reduction(merge=_add, finish=_triangle_level, block_invariant=True, version="1")
def triangle_step(image: NDArray[Any], *, span: tuple[float, float] | None) -> dict[str, Any]:
    """Count the values of one block."""
    return _count(image, span, _BINS)


_otsu = otsu_step.options(name="otsu")
_li = li_step.options(name="li")
_triangle = triangle_step.options(name="triangle")


def _count(image: NDArray[Any], span: tuple[float, float] | None, n_bins: int) -> dict[str, Any]:
    if image.dtype.kind in "biu":
        return kernels.histogram_of(image).to_arrays()
    low, high = span if span is not None else (0.0, 0.0)
    if low == high:  # one value only: a histogram of it, as for integers
        found, counts = np.unique(image, return_counts=True)
        return {"centers": found.astype(np.float64), "counts": counts}
    return {
        "counts": kernels.float_histogram(image, low, high, n_bins),
        "centers": kernels.bin_centers(low, high, n_bins, image.dtype),
    }


def _local_reach(size: int | Sequence[int], method: str) -> int | list[int]:
    sizes = [size] if isinstance(size, (int, np.integer)) else list(size)
    if any(n < 1 or n % 2 == 0 for n in sizes):
        raise ParameterError(
            "a neighbourhood has an odd number of voxels", value=size, place="threshold_local"
        )
    if method not in ("gaussian", "mean", "median"):
        raise ParameterError(
            "method is 'gaussian', 'mean' or 'median'", value=method, place="threshold_local"
        )
    reach = [int(4 * (n - 1) / 6 + 0.5) if method == "gaussian" else n // 2 for n in sizes]
    return reach[0] if isinstance(size, (int, np.integer)) else reach


def _check_local(images: list[Image], size: int | Sequence[int], method: str) -> None:
    _check_image(images)
    if not is_lazy(size):
        _local_reach(size, method)


@blockwise(dtype=bool, halo=_local_reach, check=_check_local, block_invariant=True, version="1")
def threshold_local(
    image: NDArray[Any],
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
        If a size is even, or the method is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.threshold_local(np.array([[1, 5, 1, 1, 8, 8]]), size=(1, 3), method="mean")
    array([[False,  True, False, False,  True, False]])
    """
    check_real(image, "threshold_local")
    _local_reach(size, method)
    window = [size] * image.ndim if isinstance(size, (int, np.integer)) else list(size)
    if len(window) != image.ndim:
        raise ParameterError(
            f"size is one number, or one for each of {image.ndim} axes",
            value=size,
            place="threshold_local",
        )
    if method == "mean":
        return np.asarray(image > _window_means(image, window) - offset)
    from skimage import filters

    levels = filters.threshold_local(  # type: ignore[no-untyped-call]
        image, tuple(window), method=method, offset=offset
    )
    return np.asarray(image > levels)


def _window_means(image: NDArray[Any], window: Sequence[int]) -> NDArray[Any]:
    from scipy import ndimage

    total = image.astype(np.float32 if image.dtype == np.float32 else np.float64)
    for axis, size in enumerate(window):
        total = ndimage.correlate1d(total, np.ones(size), axis=axis)
    means: NDArray[Any] = np.divide(total, math.prod(window))
    return means

"""Levels between background and foreground, from one histogram of the whole image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.pipeline import Image, Images, reduction

_BINS = 256


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
    if isinstance(image, Image) and image.dtype.kind in "biu":
        return _otsu(image, span=None)
    return _otsu(image, span=value_range(image))


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


def _level(histogram: dict[str, Any]) -> Any:
    centers = histogram["values"] if "values" in histogram else histogram["centers"]
    return kernels.otsu_from_histogram(histogram["counts"], centers).item()


@reduction(merge=_add, finish=_level, block_invariant=True, version="1")
def otsu_step(image: NDArray[Any], *, span: tuple[float, float] | None) -> dict[str, Any]:
    """Count the values of one block; `span` is the range of the whole image, for floats."""
    if image.dtype.kind in "biu":
        return kernels.histogram_of(image).to_arrays()
    low, high = span if span is not None else (0.0, 0.0)
    if low == high:  # one value only: a histogram of it, as for integers
        found, counts = np.unique(image, return_counts=True)
        return {"centers": found.astype(np.float64), "counts": counts}
    return {
        "counts": kernels.float_histogram(image, low, high, _BINS),
        "centers": kernels.bin_centers(low, high, _BINS, image.dtype),
    }


_otsu = otsu_step.options(name="otsu")

"""Levels between background and foreground, from a histogram of the whole image."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.errors import ParameterError
from scutoid.ops._composed import as_one, opened, value_operation
from scutoid.ops._inputs import check_intensities, check_number, check_voxels
from scutoid.ops._types import Array, ImageLike, Number
from scutoid.steps import Image, Images, Value, blockwise, reduction

_BINS = 256

Range = tuple[float, float]
"""Least and greatest value."""
Span = Range | None
"""The same as a parameter; None where integers need none."""
Counted = dict[str, Array]
"""Arrays of a histogram."""


def _check_level(images: list[Image], level: object) -> None:
    check_intensities(images[0], repr(images[0].name))
    check_number(level, "level of threshold")


@blockwise(dtype=bool, check=_check_level, block_invariant=True, version="2", threadsafe=True)
def threshold(image: Array, *, level: Number) -> NDArray[np.bool_]:
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
        If the image is not of real numbers, or the level is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.threshold(np.array([[1, 5, 3]]), level=3)
    array([[False,  True, False]])
    """
    check_intensities(image, "threshold")
    check_number(level, "level of threshold")
    return kernels.is_above(image, level)


@value_operation
def otsu(image: ImageLike) -> Value | float:
    """Find Otsu's threshold of an image.

    **Exact**: equals `skimage.filters.threshold_otsu` on the whole array: integers from a histogram
    with a bin for every value, other numbers from 256 bins between minimum and maximum.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities; all voxels enter one histogram.

    Returns
    -------
    Value or number
        The level: voxels above it are foreground.

    Raises
    ------
    ParameterError
        If the image has no voxel or is not of real numbers; if a value is NaN or infinite, or the
        range of floating-point numbers is too narrow or too wide for bins.

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
    image = _checked(image)
    return _otsu(image, span=_span(image))


@value_operation
def li(image: ImageLike) -> Value | float:
    """Find Li's threshold of an image, of least cross entropy.

    **Exact**: equals `skimage.filters.threshold_li` on the whole array, from a histogram with a bin
    for every value, for integers, and for floating-point numbers of up to 65,536 different values
    (in float64, where scikit-image may add up float32).  **Approximate** for floating-point numbers
    of more: its start, steps and end are those of scikit-image, found within 2^-28 of the range,
    but two values are told apart only where bins part them; see Notes.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities; all voxels enter one histogram.

    Returns
    -------
    Value or float
        The level: voxels above it are foreground.

    Raises
    ------
    ParameterError
        If the image has no voxel or is not of real numbers; if a value is NaN or infinite,
        or so large that sums of values are no numbers any more.

    Notes
    -----
    Floating-point numbers are read three times: for their range, in 65,536 bins of it, and wherever
    a level of the iteration may come, in 65,536 bins in all: of 2^-24 of the range or less, as long
    as levels reach no more than 256 of the wide bins, and values are there.

    The iteration has many fixed points, so its end depends on each of its levels.  It is that of
    scikit-image as long as, at each level, no two different values share its narrow bin; the least
    difference of values, half of which ends the iteration, is one that bins show, of neighbours in
    two bins or in one; and the mean below a level is more than 2^-24 of the range above the least
    value, as it is unless an outlier is far off.  Without that no bound holds for all images: one
    voxel on the other side of a level may lead to another fixed point.

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
    image = _checked(image)
    span = _span(image)
    if span is None or _is_narrow(image):
        return _li(image, span=span, window=None, is_last=True)
    bins = _li_bins(image, span=span, window=None, is_last=False)
    window = cast("kernels.LiWindow", bins)
    return _li(image, span=span, window=window, is_last=True)


@value_operation
def triangle(image: ImageLike) -> Value | float:
    """Find the threshold at the foot of a histogram's longer tail.

    **Exact**: equals `skimage.filters.threshold_triangle` on the whole array: integers from a
    histogram with a bin for every value, other numbers from 256 bins between minimum and maximum.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities; all voxels enter one histogram.  Integers span less than 2^24.

    Returns
    -------
    Value or number
        The level: voxels above it are foreground.

    Raises
    ------
    ParameterError
        As `otsu`; if integers span more.

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
    image = _checked(image)
    return _triangle(image, span=_span(image))


def _checked(image: ImageLike) -> Image:
    """Refuse what has no histogram."""
    image = opened(image)
    check_intensities(image, "a level from a histogram")
    check_voxels(image, "a level from a histogram")
    return as_one(image)


def _span(image: Image | Images) -> Range | None:
    """Return the range that floats are counted in; integers need none."""
    has_range = isinstance(image, Images) or image.dtype.kind not in "iu"
    return cast("Range", value_range(image)) if has_range else None


def _is_narrow(image: Image | Images) -> bool:
    """Whether all values that the type has can be counted one by one."""
    return not isinstance(image, Images) and image.dtype.itemsize <= 2


def _wider(a: Range | None, b: Range | None) -> Range | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


@reduction(merge=_wider, block_invariant=True, version="1", threadsafe=True)
def value_range(image: Array) -> Range | None:
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
    extremes = kernels.value_range(image)
    return None if extremes is None else (extremes[0].item(), extremes[1].item())


def _add(a: Counted, b: Counted) -> Counted:
    if "values" in a:
        parts = (kernels.Histogram.from_arrays(a), kernels.Histogram.from_arrays(b))
        return kernels.merge_histograms(*parts).to_arrays()
    return {"counts": a["counts"] + b["counts"], "centers": a["centers"]}


def _bins(histogram: Counted) -> tuple[Array, Array]:
    return histogram["counts"], histogram["values" if "values" in histogram else "centers"]


def _otsu_level(histogram: Counted) -> float:
    level: float = kernels.otsu_from_histogram(*_bins(histogram)).item()
    return level


def _triangle_level(histogram: Counted) -> float:
    level: float = kernels.triangle_from_histogram(*_bins(histogram)).item()
    return level


@reduction(merge=_add, finish=_otsu_level, block_invariant=True, version="2", threadsafe=True)
def otsu_step(image: Array, *, span: Span) -> Counted:
    """Count the values of one block; `span` is the range of the whole image, for floats."""
    return _count(image, span, _BINS)


@reduction(merge=_add, finish=_triangle_level, block_invariant=True, version="2", threadsafe=True)
def triangle_step(image: Array, *, span: Span) -> Counted:
    """Count the values of one block."""
    return _count(image, span, _BINS)


def _count(image: Array, span: Span, n_bins: int) -> Counted:
    if image.dtype.kind in "iu":
        return kernels.histogram_of(image).to_arrays()
    values = _as_float(image)
    low, high = span if span is not None else (0.0, 0.0)
    if low == high:  # one value only: a histogram of it, as for integers
        unique, counts = np.unique(values, return_counts=True)
        return {"centers": unique.astype(np.float64), "counts": counts}
    return {
        "counts": kernels.float_histogram(values, low, high, n_bins),
        "centers": kernels.bin_centers(low, high, n_bins, values.dtype),
    }


def _as_float(image: Array) -> Array:
    """Return floats as they are, and masks as scikit-image bins them."""
    return image.astype(np.float64) if image.dtype == bool else image


def _merge_li(a: Counted, b: Counted) -> Counted:
    return kernels.merge_floats(a, b) if "span" in a else _add(a, b)


def _li_level(
    counted: Counted,
    *,
    span: Span,  # noqa: ARG001 - for the blocks
    window: kernels.LiWindow | None,
    is_last: bool,
) -> float | kernels.LiWindow:
    with np.errstate(over="ignore", invalid="ignore"):  # the level tells
        if "span" not in counted:
            return _finite(kernels.li_from_histogram(*_bins(counted)))
        return _finite(kernels.li_level(counted, window)) if is_last else kernels.li_window(counted)


def _finite(level: float) -> float:
    """Refuse a level that comes of sums beyond all numbers, above which no voxel lies."""
    if not np.isfinite(level):
        raise ParameterError(
            "a level of least cross entropy comes of sums that float64 holds",
            value=level,
            place="li",
            remedy="divide the image by its greatest value first",
        )
    return level


@reduction(merge=_merge_li, finish=_li_level, block_invariant=True, version="3", threadsafe=True)
def li_step(
    image: Array,
    *,
    span: Span,
    window: kernels.LiWindow | None,
    is_last: bool,  # noqa: ARG001 - for the end
) -> Counted:
    """Count the values of one block; floats in bins, in a second pass in those of a `window`."""
    if span is None or image.dtype.kind in "iu":
        return kernels.histogram_of(image).to_arrays()
    return kernels.count_floats(_as_float(image), span, window)


_otsu = otsu_step.options(name="otsu")
_li = li_step.options(name="li")
_li_bins = li_step.options(name="li_bins")
_triangle = triangle_step.options(name="triangle")

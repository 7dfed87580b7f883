"""Exact percentiles of whole images, and intensities scaled by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.errors import ParameterError, PipelineError
from scutoid.ops._composed import as_one, opened, operation, value_operation
from scutoid.ops._inputs import check_intensities, check_voxels, first_of
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import Value, blockwise, reduction


@value_operation
def percentile(image: ImageLike, *, q: float | Sequence[float]) -> Value | float | list[float]:
    """Find percentiles of all voxels of an image.

    **Exact**: equals ``numpy.percentile(image, q)`` on the whole array, to the last bit, whatever
    the values; an integer that float64 does not hold is returned as an int.

    Parameters
    ----------
    image : Image, Images or ndarray of real numbers
        All voxels are of one distribution.
    q : float or sequence of float
        0 to 100.

    Returns
    -------
    Value or float
        For a sequence, a list: each entry as for that percentile alone.

    Raises
    ------
    ParameterError
        If `q` is out of range, the image has no voxel, a value is NaN, or a percentile lies between
        two integers beyond 2**53.

    Notes
    -----
    Digits of 16 bits are counted, the most significant first, so an image is read once for every
    16 bits of a voxel, and no more than some histograms of 65,536 bins are held.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.percentile(np.array([[1, 2], [3, 4]]), q=50)
    2.5
    >>> sc.percentile(np.array([[1, 2], [3, 4]]), q=[0, 50, 100])
    [1.0, 2.5, 4.0]
    """
    percents = _percents(q)
    image = as_one(opened(image))
    check_intensities(image, "percentile")
    check_voxels(image, "percentile")
    passes = kernels.percentile_passes(first_of(image).dtype)
    found: kernels.Narrowed | None = None
    for _ in range(passes - 1):
        digits = percentile_digits(image, found=found, percents=percents, result=None)
        found = cast("kernels.Narrowed", digits)
    return _percentile(image, found=found, percents=percents, result="all" if np.ndim(q) else "one")


def _percents(q: float | Sequence[float]) -> list[float]:
    """Return percentiles as a list."""
    percents = np.asarray(q)
    is_number = percents.dtype.kind in "iuf" and percents.size > 0 and percents.ndim < 2
    if not is_number or not np.all((percents >= 0) & (percents <= 100)):
        raise ParameterError("percentiles are 0 to 100, one or more", value=q, place="percentile")
    return np.atleast_1d(percents.astype(np.float64)).tolist()  # type: ignore[no-any-return]


def _narrowed(
    counted: kernels.Digits,
    *,
    found: kernels.Narrowed | None,
    percents: list[float],
    result: str | None,
) -> kernels.Narrowed | float | list[float]:
    narrowed = kernels.narrow(counted, found, percents)
    if result is None:
        return narrowed
    if narrowed["values"] is None:
        raise PipelineError(
            "the images of a collection have one type of voxels",
            value=counted["dtype"],
            place="percentile",
            remedy="convert them to one type first",
        )
    return narrowed["values"][0] if result == "one" else narrowed["values"]


@reduction(
    merge=kernels.merge_digits, finish=_narrowed, block_invariant=True, version="1", threadsafe=True
)
def percentile_digits(
    image: Array,
    *,
    found: kernels.Narrowed | None,
    percents: list[float],  # noqa: ARG001 - for the end
    result: str | None,  # noqa: ARG001
) -> kernels.Digits:
    """Count the next digit of the values of one block, after those that were `found`."""
    return kernels.count_digits(image, found)


_percentile = percentile_digits.options(name="percentile")


@operation
def normalize_percentile(image: ImageLike, *, low: float = 1, high: float = 99.8) -> ImageLike:
    """Scale intensities so that two percentiles of the whole image become 0 and 1.

    **Exact**: equals the same with ``numpy.percentile`` on the whole array; values outside of the
    percentiles are below 0 and above 1.

    Parameters
    ----------
    image : Image, Images or ndarray of real numbers
        Intensities, finite.
    low, high : float, optional
        Percentiles, 0 to 100.

    Returns
    -------
    Image or ndarray
        float32; same shape.

    Raises
    ------
    ParameterError
        If the percentiles are not in order, or the image has the same value at both.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.normalize_percentile(np.array([[0, 5, 10]]), low=0, high=100)
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    ends = _percents([low, high])
    if not ends[0] < ends[1]:
        raise ParameterError(
            "the low percentile is less than the high one",
            value=(low, high),
            place="normalize_percentile",
            remedy="turn them round",
        )
    image = as_one(opened(image))
    levels = percentile(image, q=ends)
    return scale_between(image, levels=cast("list[float]", levels))


@blockwise(dtype=np.float32, block_invariant=True, version="1", threadsafe=True)
def scale_between(image: Array, *, levels: Sequence[float]) -> NDArray[np.float32]:
    """Scale intensities so that two levels become 0 and 1."""
    low, high = levels
    if not low < high:
        raise ParameterError(
            "an image has different values at its low and high percentile",
            value=f"{low} and {high}",
            place="normalize_percentile",
            remedy="choose percentiles farther apart, or leave out images that are flat",
        )
    kernels.check_in_float64(image, "normalize_percentile")
    return ((image.astype(np.float64) - low) / (high - low)).astype(np.float32)


scale_between = scale_between.options(name="normalize_percentile")

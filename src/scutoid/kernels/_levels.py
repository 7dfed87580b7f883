"""Thresholds between background and foreground, read off one histogram of the whole image.

The arithmetic is that of scikit-image, so that the levels are the same to the last bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scutoid.errors import ParameterError
from scutoid.kernels._whole_numbers import check_in_float64

# The most places of a histogram with one for each integer, whether it occurs or not
_MOST_BINS = 2**24


def otsu_from_histogram(counts: ArrayLike, centers: ArrayLike) -> np.generic:
    """Return the threshold that parts the values into the two most different classes.

    Parameters
    ----------
    counts : array of int, shape (n,)
        Number of voxels a bin.
    centers : array, shape (n,)
        Value of each bin, increasing.  Bins of 0 voxels may be left out.

    Returns
    -------
    scalar of the type of `centers`
        The last value of the lower class.

    Raises
    ------
    ParameterError
        If nothing was counted, or integers are beyond 2**53.

    Notes
    -----
    Method of N. Otsu (1979).  The arithmetic, counts in float32 included, is that of
    ``skimage.filters.threshold_otsu``, so that the threshold is the same to the last bit.

    Examples
    --------
    >>> from scutoid.kernels import histogram_of
    >>> found = histogram_of([1, 1, 2, 8, 9, 9])
    >>> otsu_from_histogram(found.counts, found.values)
    np.int64(2)
    """
    number, value = filled_bins(counts, centers)
    check_in_float64(value, "otsu")
    number = number.astype(np.float32)
    if len(number) == 1:
        only: np.generic = value[0]
        return only
    below = np.cumsum(number)
    above = np.cumsum(number[::-1])[::-1]
    mean_below = np.cumsum(number * value) / below
    mean_above = (np.cumsum((number * value)[::-1]) / above[::-1])[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    level: np.generic = value[np.argmax(between)]
    return level


def triangle_from_histogram(counts: ArrayLike, values: ArrayLike) -> np.generic:
    """Return the value that lies farthest below the line from the peak to the longer tail's end.

    Parameters
    ----------
    counts : array of int, shape (n,)
        Number of voxels a value.
    values : array, shape (n,)
        Increasing, evenly spaced; of integers, those that do not occur may be left out.

    Returns
    -------
    scalar of the type of `values`

    Raises
    ------
    ParameterError
        If nothing was counted, or integers span more than 2^24.

    Notes
    -----
    Method of G. W. Zack, W. E. Rogers and S. A. Latt, J. Histochem. Cytochem. 25 (1977), with the
    arithmetic of ``skimage.filters.threshold_triangle``.

    Examples
    --------
    >>> from scutoid.kernels import histogram_of
    >>> found = histogram_of([1, 1, 1, 1, 2, 2, 2, 3, 8])
    >>> triangle_from_histogram(found.counts, found.values)
    np.int64(4)
    """
    number, value = _every_bin(*filled_bins(counts, values))
    if len(number) == 1:
        only: np.generic = value[0]
        return only
    peak, last = int(np.argmax(number)), len(number) - 1
    turned = peak < last - peak
    if turned:
        number, peak = number[::-1], last - peak
    height, width = float(number[peak]), float(peak)
    norm = math.sqrt(int(number[peak]) ** 2 + peak**2)  # of Python's integers: no square wraps
    along = np.arange(peak)
    below = height / norm * along - width / norm * number[:peak]
    place = int(np.argmax(below))
    level: np.generic = value[last - place if turned else place]
    return level


def filled_bins(counts: ArrayLike, values: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a histogram from its first filled bin to its last."""
    number, value = np.asarray(counts), np.asarray(values)
    if number.shape != value.shape or number.ndim != 1:
        raise ParameterError(
            "a histogram has one count for each value",
            value=f"shapes {number.shape} and {value.shape}",
        )
    filled = np.flatnonzero(number)
    if len(filled) == 0:
        raise ParameterError("a threshold needs at least one voxel", value="none counted")
    inside = slice(filled[0], filled[-1] + 1)
    return number[inside], value[inside]


def _every_bin(number: NDArray[Any], value: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Put the integers that do not occur into a histogram; that of floats has all bins."""
    if value.dtype.kind == "f":
        return number.astype(np.int64), value
    span = int(value[-1]) - int(value[0])
    if span >= _MOST_BINS:
        raise ParameterError(
            f"a histogram with a bin for each integer spans at most {_MOST_BINS}",
            value=f"{value[0]} to {value[-1]}",
            place="triangle",
            remedy="convert the image to float32, which is counted in 256 bins",
        )
    every = np.zeros(span + 1, np.int64)
    every[(value - value[0]).astype(np.intp)] = number
    return every, value[0] + np.arange(span + 1, dtype=value.dtype)

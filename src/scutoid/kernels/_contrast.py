"""Limits of contrast: what of an image is shown darkest and brightest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def contrast_limits(planes: Iterable[NDArray[Any]]) -> tuple[float, float]:
    """Return the least and the largest number that two voxels side by side reach.

    The smallest object counts, for it has two voxels; a voxel that is hot or dead does not.

    Parameters
    ----------
    planes : iterable of ndarray, shape (y, x)
        Of any type that is a number; what is not finite is left out, of complex numbers the
        absolute values count.

    Returns
    -------
    tuple of float
        Low and high, low < high: all numbers where no two voxels differ; (0, 1) without numbers.

    Examples
    --------
    >>> import numpy as np
    >>> contrast_limits([np.array([[0, 0, 9], [5, 5, 0]])])
    (0.0, 5.0)
    """
    numbers = [_numbers(plane) for plane in planes]
    low, high = _reached_twice(numbers)
    if not low < high:
        low, high = _reduced(np.fmin, numbers), _reduced(np.fmax, numbers)
    return (low, high) if low < high else (low, low + 1)


def _numbers(plane: NDArray[Any]) -> NDArray[np.float64]:
    values = (np.abs(plane) if plane.dtype.kind == "c" else plane).astype(np.float64)
    if plane.dtype.kind in "fc":
        values[~np.isfinite(values)] = np.nan
    return values


def _reached_twice(planes: list[NDArray[np.float64]]) -> tuple[float, float]:
    pairs = [p for v in planes for p in ((v[1:], v[:-1]), (v[:, 1:], v[:, :-1]))]
    low = _reduced(np.fmin, [np.fmax(*pair) for pair in pairs])
    high = _reduced(np.fmax, [np.fmin(*pair) for pair in pairs])
    return low, high


def _reduced(function: np.ufunc, values: list[NDArray[np.float64]]) -> float:
    """Return the least or the largest number, by `fmin` or `fmax`; 0 where there is none."""
    found = [float(function.reduce(each, axis=None)) for each in values if each.size]
    known = [number for number in found if number == number]  # noqa: PLR0124  # not NaN
    return float(function.reduce(known)) if known else 0.0

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
        low, high = _range([plane.ravel() for plane in numbers])
    return (low, high) if low < high else (low, low + 1)


def _numbers(plane: NDArray[Any]) -> NDArray[np.float64]:
    values = (np.abs(plane) if plane.dtype.kind == "c" else plane).astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _reached_twice(planes: list[NDArray[np.float64]]) -> tuple[float, float]:
    pairs = [p for v in planes for p in ((v[1:], v[:-1]), (v[:, 1:], v[:, :-1]))]
    low, _ = _range([np.fmax(*pair).ravel() for pair in pairs])
    _, high = _range([np.fmin(*pair).ravel() for pair in pairs])
    return low, high


def _range(values: list[NDArray[np.float64]]) -> tuple[float, float]:
    every = np.concatenate([np.zeros(0), *values])
    known = every[~np.isnan(every)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)

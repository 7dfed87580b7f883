"""Limits of contrast that no file says, from a few planes of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.views._layer_array import LayerArray

# Planes, and voxels along each of their sides, that are read
_PLANES = 3
_SIDE = 1024


def limits_of(data: LayerArray) -> tuple[float, float]:
    """Return what is shown darkest and brightest; (0, 1) of an image without numbers."""
    *outer, height, width = data.shape
    middle = tuple(_middle(size, _SIDE) for size in (height, width))
    places: list[tuple[int, ...]] = [tuple(size // 2 for size in outer)]
    if outer:
        # Along the innermost of the outer axes, z where there is one
        at = {outer[-1] * (n + 1) // (_PLANES + 1) for n in range(_PLANES)}
        places = [(*places[0][:-1], place) for place in sorted(at)]
    cuts: list[tuple[int | slice, ...]] = [
        (*place, *middle) for place in places if 0 not in data.shape
    ]
    planes = [_numbers(np.asarray(data[cut])) for cut in cuts]
    low, high = _reached_twice(planes)
    if not low < high:
        low, high = _range([plane.ravel() for plane in planes])
    return (low, high) if low < high else (low, low + 1)


def _middle(size: int, length: int) -> slice:
    start = max((size - length) // 2, 0)
    return slice(start, start + min(size, length))


def _numbers(plane: NDArray[Any]) -> NDArray[np.float64]:
    values = (np.abs(plane) if plane.dtype.kind == "c" else plane).astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _reached_twice(planes: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Return the least and the largest number that two voxels side by side reach.

    The smallest object counts, for it has two voxels; one that is hot or dead does not.
    """
    pairs = [p for v in planes for p in ((v[1:], v[:-1]), (v[:, 1:], v[:, :-1]))]
    low, _ = _range([np.fmax(*pair).ravel() for pair in pairs])
    _, high = _range([np.fmin(*pair).ravel() for pair in pairs])
    return low, high


def _range(values: list[NDArray[np.float64]]) -> tuple[float, float]:
    every = np.concatenate([np.zeros(0), *values])
    known = every[~np.isnan(every)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)

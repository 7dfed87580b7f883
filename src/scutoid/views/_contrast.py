"""Limits of contrast that no file says, from a few planes of the image."""

from __future__ import annotations

import numpy as np

from scutoid.kernels import contrast_limits
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
    return contrast_limits(np.asarray(data[cut]) for cut in cuts)


def _middle(size: int, length: int) -> slice:
    start = max((size - length) // 2, 0)
    return slice(start, start + min(size, length))

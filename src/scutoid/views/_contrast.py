"""Limits of contrast that no file says, from a few parts of planes of the image."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from scutoid.kernels import contrast_limits
from scutoid.views._layer_array import LayerArray

_PARTS = 12
"""Parts that are read beside the middle, all over the image: few planes would miss objects that
are sparse."""
_SIDE = 512
"""Voxels along each of their sides, at most."""
_STEPS = (0.7548776662466927, 0.5698402909980532, 0.6180339887498949)
"""Places along y, x and outer axes go on by these shares, and so come near all of them (additive
recurrence, by the plastic number and the golden section)."""


def limits_of(data: LayerArray) -> tuple[float, float]:
    """Return what is shown darkest and brightest; (0, 1) of an image without numbers."""
    if 0 in data.shape:
        return contrast_limits(())
    *outer, height, width = data.shape
    is_small = math.prod(outer) == 1 and height * width <= _PARTS * _SIDE**2
    corners = [(0,) * data.ndim] if is_small else list(dict.fromkeys(_corners(data.shape)))
    side = max(height, width) if is_small else _SIDE
    cuts = [
        (*places, slice(y, min(y + side, height)), slice(x, min(x + side, width)))
        for *places, y, x in corners
    ]
    return contrast_limits(np.asarray(data[cut]) for cut in cuts)


def _corners(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Go through the first voxels of the parts; the middle, and along z evenly."""
    *outer, height, width = shape
    sides = (min(height, _SIDE), min(width, _SIDE))
    yield (*(size // 2 for size in outer), (height - sides[0]) // 2, (width - sides[1]) // 2)
    for number in range(_PARTS):
        y, x, along = ((step * (number + 1)) % 1 for step in _STEPS)
        places = [int(size * along) for size in outer]
        if outer:
            places[-1] = outer[-1] * (number + 1) // (_PARTS + 1)
        yield (*places, int((height - sides[0]) * y), int((width - sides[1]) * x))

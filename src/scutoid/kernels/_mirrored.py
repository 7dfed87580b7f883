"""Images mirrored before a filter sees them, where it would mirror them many times over.

The rank filters of scipy, and those with a footprint, take other voxels than the mirrored image
has where it is much thinner than their window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def filter_mirrored(
    image: NDArray[Any],
    sizes: Sequence[int],
    function: Callable[[NDArray[Any]], NDArray[Any]],
) -> NDArray[Any]:
    """Apply a filter that mirrors at the edge to an image that may be much thinner than its window.

    Parameters
    ----------
    image : ndarray
        Of any order of bytes; the filter is given the machine's own, the only one that scipy's
        median takes along one axis.
    sizes : sequence of int
        Voxels along the edges of the window, of which no more than ``size // 2`` lie on one side.
    function : callable
        A filter with mode "reflect", whose result has the shape of what it is given.

    Returns
    -------
    ndarray
        What the filter makes of the image, mirrored as often as the window asks for.

    Examples
    --------
    >>> from scipy import ndimage
    >>> thin = np.array([[1, 9]])
    >>> filter_mirrored(thin, (1, 21), lambda a: ndimage.median_filter(a, (1, 21))).tolist()
    [[9, 1]]
    """
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    beyond = [
        size // 2 if size // 2 > 2 * edge else 0
        for size, edge in zip(sizes, image.shape, strict=True)
    ]
    if not any(beyond) or not image.size:
        return function(image)
    padded = np.pad(image, [(reach, reach) for reach in beyond], mode="symmetric")
    inside = zip(beyond, image.shape, strict=True)
    own = tuple(slice(reach, reach + edge) for reach, edge in inside)
    return np.ascontiguousarray(function(padded)[own])

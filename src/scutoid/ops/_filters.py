"""Filters of intensities, exact for every block shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.pipeline import blockwise

_TRUNCATE = 4.0


def _radius(sigma: float | Sequence[float]) -> Any:
    """Return how far scipy's kernel reaches, in voxels."""
    if isinstance(sigma, (int, float)):
        return int(_TRUNCATE * sigma + 0.5)
    return [int(_TRUNCATE * width + 0.5) for width in sigma]


@blockwise(halo=_radius, block_invariant=True, version="1")
def gaussian(image: NDArray[Any], *, sigma: float | Sequence[float]) -> NDArray[Any]:
    """Smooth by a Gaussian.

    **Exact**: bit for bit `scipy.ndimage.gaussian_filter` on the whole array, in float32 (float64
    for float64 images), with scipy's boundary mode "reflect" at the image's edge.

    Parameters
    ----------
    image : Image or ndarray
        Intensities; spatial axes are smoothed, others iterated.
    sigma : float or sequence of float
        Standard deviation in voxels, one for all spatial axes or one for each.

    Returns
    -------
    Image or ndarray
        float32, or float64 for float64 images; same shape.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.gaussian(np.eye(3, dtype="uint16") * 100, sigma=0.5).round(1)
    array([[80.9, 17.9,  1.2],
           [17.9, 64.1, 17.9],
           [ 1.2, 17.9, 80.9]], dtype=float32)
    """
    from scipy import ndimage

    dtype = np.float64 if image.dtype == np.float64 else np.float32
    widths = sigma if isinstance(sigma, (int, float)) else list(sigma)
    return ndimage.gaussian_filter(  # type: ignore[no-any-return]
        image.astype(dtype, copy=False), widths, truncate=_TRUNCATE
    )


@blockwise(dtype=bool, block_invariant=True, version="1")
def threshold(image: NDArray[Any], *, level: float) -> NDArray[np.bool_]:
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
        bool; same shape.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.threshold(np.array([[1, 5, 3]]), level=3)
    array([[False,  True, False]])
    """
    return np.asarray(image > level)

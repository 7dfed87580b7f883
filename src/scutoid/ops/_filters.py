"""Filters of intensities, exact for every block shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from scutoid.errors import ParameterError
from scutoid.kernels import (
    check_in_float64,
    footprint_array,
    footprint_shape,
    grey_opening,
    median_filter,
)
from scutoid.ops._inputs import check_intensities, check_per_axis
from scutoid.ops._types import Array
from scutoid.steps import Image, blockwise, is_lazy

_TRUNCATE = 4.0
_RATIO = 1.6

Widths = float | Sequence[float]
W = TypeVar("W", bound=Widths)


def _radius(sigma: Widths) -> int | list[int]:
    """Return how far scipy's kernel reaches, in voxels."""
    widths = np.asarray(sigma)
    if widths.dtype.kind not in "iuf" or not np.all(np.isfinite(widths) & (widths >= 0)):
        raise ParameterError(
            "sigma is a number of voxels, 0 or more, one for all spatial axes or one for each",
            value=sigma,
            place="sigma",
            remedy="give 0 to leave an axis as it is",
        )
    if widths.ndim == 0:
        return int(_TRUNCATE * float(widths) + 0.5)
    return [int(_TRUNCATE * width + 0.5) for width in widths.tolist()]


def _check_sigma(images: list[Image], sigma: Widths) -> None:
    _check(images[0], sigma, "sigma", _radius)


def _check(image: Image | Array, width: W, name: str, reach: Callable[[W], object]) -> None:
    """Refuse an image of no real numbers, and widths that have no reach or are not one an axis."""
    place = repr(image.name) if isinstance(image, Image) else "image"
    check_intensities(image, place)
    if not is_lazy(width):
        reach(width)
        check_per_axis(width, image, name)


def _float_type(image: np.dtype[Any]) -> type[np.floating[Any]]:
    """Return the type in which images of a dtype are smoothed."""
    return np.float64 if image == np.float64 else np.float32


@blockwise(
    halo=_radius,
    dtype=_float_type,
    check=_check_sigma,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def gaussian(image: Array, *, sigma: float | Sequence[float]) -> Array:
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

    Raises
    ------
    ParameterError
        If a sigma is negative, or the image is not of real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.gaussian(np.eye(3, dtype="uint16") * 100, sigma=0.5).round(1)
    array([[80.9, 17.9,  1.2],
           [17.9, 64.1, 17.9],
           [ 1.2, 17.9, 80.9]], dtype=float32)
    """
    _check(image, sigma, "sigma", _radius)
    return _smooth(_as_float(image, "gaussian"), sigma)


def _as_float(image: Array, place: str) -> Array:
    check_in_float64(image, place)
    return image.astype(_float_type(image.dtype), copy=False)


def _plain(numbers: Widths) -> float | list[float]:
    """Return a number or a list, whatever numpy type they were given in."""
    plain: float | list[float] = np.asarray(numbers).tolist()
    return plain


def _smooth(image: Array, sigma: Widths) -> Array:
    from scipy import ndimage

    return ndimage.gaussian_filter(image, _plain(sigma), truncate=_TRUNCATE)  # type: ignore[no-any-return]


def _window(size: int | Sequence[int]) -> int | list[tuple[int, int]]:
    """Return how far a window of these edges reaches, low and high; scipy centres it on size//2."""
    sizes = np.asarray(size)
    if sizes.dtype.kind not in "iu" or not np.all(sizes >= 1):
        raise ParameterError(
            "size is a number of voxels, 1 or more, one for all spatial axes or one for each",
            value=size,
            place="median",
            remedy="give 1 to leave an axis as it is",
        )
    reach = [(edge // 2, edge - 1 - edge // 2) for edge in np.atleast_1d(sizes).tolist()]
    return reach if sizes.ndim else max(reach[0])


def _check_size(images: list[Image], size: int | Sequence[int]) -> None:
    _check(images[0], size, "size", _window)


@blockwise(
    halo=_window,
    dtype="same",
    check=_check_size,
    block_invariant=True,
    version="2",
    threadsafe=True,
)
def median(image: Array, *, size: int | Sequence[int]) -> Array:
    """Take the median of each voxel's neighbourhood.

    **Exact**: bit for bit `scipy.ndimage.median_filter` on the whole array, with boundary mode
    "reflect" at the image's edge. An axis of up to an eighth of the size is mirrored as often as
    needed, which scipy 1.17.1 gets wrong.

    Parameters
    ----------
    image : Image or ndarray
        Intensities; spatial axes are filtered, others iterated.
    size : int or sequence of int
        Voxels along the edges of the neighbourhood, one for all spatial axes or one for each.

    Returns
    -------
    Image or ndarray
        Same dtype and shape.

    Raises
    ------
    ParameterError
        If a size is not an integer of 1 or more.

    Notes
    -----
    Three voxels along two or three axes are sorted by a network for many voxels at once, some ten
    times as fast as other sizes; floats with NaN, or zeros of both signs, take scipy's way.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.median(np.array([[1, 9, 2, 2, 3]]), size=(1, 3))
    array([[1, 2, 2, 2, 3]])
    """
    _check(image, size, "size", _window)
    filtered = median_filter(_served(image), np.asarray(size).tolist())
    return filtered.astype(image.dtype, copy=False)


def _served(image: Array) -> Array:
    """Return voxels of a type that scipy's filters serve; float32 holds every float16."""
    return image.astype(np.float32) if image.dtype == np.float16 else image


def _wider(low: Widths, high: Widths | None) -> int | list[int]:
    """Return the reach of the wider of two Gaussians."""
    reach = _radius(low), _radius(_upper(low, high))
    if not (np.ndim(reach[0]) or np.ndim(reach[1])):
        return max(reach)
    wider: list[int] = np.maximum(*np.broadcast_arrays(*reach)).tolist()
    return wider


def _upper(low: Widths, high: Widths | None) -> Widths:
    """Return the larger sigma, which is 1.6 times the smaller unless it is given."""
    if high is None:
        return (np.asarray(low) * _RATIO).tolist()  # type: ignore[no-any-return]
    if np.any(np.asarray(high) < np.asarray(low)):
        raise ParameterError(
            "the low sigma is at most the high one",
            value=(low, high),
            place="difference_of_gaussians",
            remedy="turn them round",
        )
    return high


def _check_both(images: list[Image], low: Widths, high: Widths | None) -> None:
    _check(images[0], low, "low", _radius)
    if not (is_lazy(low) or is_lazy(high)):
        _check(images[0], _upper(low, high), "high", _radius)


@blockwise(
    halo=_wider,
    dtype=_float_type,
    check=_check_both,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def difference_of_gaussians(image: Array, *, low: Widths, high: Widths | None = None) -> Array:
    """Pass structures between two widths: the image smoothed a little, less smoothed a lot.

    **Exact**: bit for bit the difference of two `scipy.ndimage.gaussian_filter` on the whole
    array, in float32 (float64 for float64 images), with boundary mode "reflect" at the image's
    edge.  `skimage.filters.difference_of_gaussians` is the same with mode "nearest", of an image
    whose integers it scales to 0 to 1 first.

    Parameters
    ----------
    image : Image or ndarray
        Intensities; spatial axes are smoothed, others iterated.
    low, high : float or sequence of float
        Standard deviations in voxels, one for all spatial axes or one for each; `high` is 1.6
        times `low` unless given, which is close to a Laplacian of a Gaussian.

    Returns
    -------
    Image or ndarray
        float32, or float64 for float64 images; positive on spots that are brighter than their
        surroundings.

    Raises
    ------
    ParameterError
        If a sigma is negative, or `low` is above `high`.

    References
    ----------
    D. Marr and E. Hildreth, "Theory of edge detection", Proc. R. Soc. B 207 (1980).

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.difference_of_gaussians(np.eye(3, dtype="uint16") * 100, low=0.5).round(1)
    array([[ 21.7, -13.3,  -8.4],
           [-13.3,  26.7, -13.3],
           [ -8.4, -13.3,  21.7]], dtype=float32)
    """
    upper = _upper(low, high)
    _check(image, low, "low", _radius)
    _check(image, upper, "high", _radius)
    values = _as_float(image, "difference_of_gaussians")
    return np.asarray(_smooth(values, low) - _smooth(values, upper))


@blockwise(
    halo=_radius,
    dtype=_float_type,
    check=_check_sigma,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def laplacian_of_gaussian(image: Array, *, sigma: Widths) -> Array:
    """Sum up the second derivatives of the image smoothed by a Gaussian.

    **Exact**: bit for bit `scipy.ndimage.gaussian_laplace` on the whole array, in float32 (float64
    for float64 images), with boundary mode "reflect" at the image's edge.

    Parameters
    ----------
    image : Image or ndarray
        Intensities; spatial axes are filtered, others iterated.
    sigma : float or sequence of float
        Standard deviation in voxels, one for all spatial axes or one for each.  A bright ball of
        radius r gives the strongest response at ``r / sqrt(number of axes)``.

    Returns
    -------
    Image or ndarray
        float32, or float64 for float64 images; *negative* on bright spots, as in scipy.

    Raises
    ------
    ParameterError
        If a sigma is negative.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> spot = np.zeros((3, 3), "uint16")
    >>> spot[1, 1] = 100
    >>> sc.laplacian_of_gaussian(spot, sigma=1).round(1)
    array([[  9.7,  -3. ,   9.7],
           [ -3. , -26.8,  -3. ],
           [  9.7,  -3. ,   9.7]], dtype=float32)
    """
    from scipy import ndimage

    _check(image, sigma, "sigma", _radius)
    return ndimage.gaussian_laplace(  # type: ignore[no-any-return]
        _as_float(image, "laplacian_of_gaussian"), _plain(sigma), truncate=_TRUNCATE
    )


def _twice(radius: Widths) -> int | list[int]:
    """Return the reach of an erosion and a dilation after it."""
    if np.ndim(radius) > 1:
        raise ParameterError(
            "a radius is a number of voxels, one for all spatial axes or one for each",
            value=f"an array of {np.ndim(radius)} axes",
            place="radius",
        )
    reach = [edge - 1 for edge in footprint_shape(_plain(radius))]
    return reach if np.ndim(radius) else reach[0]


def _check_radius(images: list[Image], radius: Widths) -> None:
    _check(images[0], radius, "radius", _twice)


@blockwise(
    halo=_twice,
    dtype="same",
    check=_check_radius,
    block_invariant=True,
    version="2",
    threadsafe=True,
)
def white_tophat(image: Array, *, radius: Widths) -> Array:
    """Keep bright structures that are smaller than a ball: the image less its opening.

    **Exact**: bit for bit `scipy.ndimage.white_tophat` on the whole array with the footprint of
    `skimage.morphology.ball` (`disk` in 2-D), with boundary mode "reflect" at the image's edge.
    An axis of up to a quarter of the radius is mirrored as often as needed, which scipy 1.17.1
    gets wrong.

    Parameters
    ----------
    image : Image or ndarray
        Intensities; spatial axes are filtered, others iterated.
    radius : float or sequence of float
        Of the ball in voxels, one for all spatial axes or one for each.

    Returns
    -------
    Image or ndarray
        Same dtype and shape.

    Raises
    ------
    ParameterError
        If a radius is negative.

    Notes
    -----
    The time grows with the rows of the ball; `subtract_background` serves large radii.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.white_tophat(np.array([[3, 9, 3, 3, 5, 5, 5, 5]]), radius=(0, 1))
    array([[0, 6, 0, 0, 0, 0, 0, 0]])
    """
    _check(image, radius, "radius", _twice)
    footprint = footprint_array(_plain(radius), image.ndim)
    served = _served(image)
    opened = grey_opening(served, footprint)
    less = np.bitwise_xor if served.dtype == bool else np.subtract
    filtered = less(served, opened, out=opened)
    _check_no_wrap(filtered, "white_tophat")
    return filtered.astype(image.dtype, copy=False)  # type: ignore[no-any-return]


def _check_no_wrap(difference: Array, place: str) -> None:
    """Refuse a difference of signed integers that is never below 0, where it does not fit."""
    if difference.dtype.kind == "i" and difference.size and difference.min() < 0:
        raise ParameterError(
            f"the difference of a voxel and what is around it fits into {difference.dtype}",
            value=f"one that wraps to {difference.min()}",
            place=place,
            remedy="convert the image to a wider type first",
        )

"""Detect bright spots in scale space, each decided by voxels within a bounded distance.

The response to a spot of width sigma is that of a Laplacian of a Gaussian, or of a difference of
two Gaussians.  A candidate is a maximum over its neighbours in space and scale; a candidate stands
if no stronger one lies within its exclusion radius.  Neither rule looks further than `spot_reach`,
so a part of an image with that margin gives the same spots as the whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels._whole_numbers import check_in_float64

SpotMethod = Literal["log", "dog"]
Widths = Sequence[float]
_TRUNCATE = 4.0
_RATIO = 1.6
_MARGIN = 1e-6
_ROUNDINGS = 16
"""As many roundings of the brightness as a response must exceed; a constant image has some two."""


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Spots of an array, in C order of their voxels."""

    voxel: NDArray[np.int64]
    """The brightest voxel of each, shape (n, ndim)."""
    shift: NDArray[np.float64]
    """From its centre to the spot's, in voxels, each between -0.5 and 0.5, shape (n, ndim)."""
    scale: NDArray[np.int64]
    """Number of the scale at which each is strongest, shape (n,)."""
    strength: NDArray[np.float64]
    """Response there, in the units of the image, shape (n,)."""

    def __len__(self) -> int:
        return len(self.strength)

    def take(self, which: NDArray[Any]) -> Spots:
        """Return some of the spots, by a mask or by their numbers."""
        return Spots(self.voxel[which], self.shift[which], self.scale[which], self.strength[which])

    @classmethod
    def none(cls, ndim: int) -> Spots:
        """Return no spots."""
        return cls(
            np.zeros((0, ndim), np.int64), np.zeros((0, ndim)), np.zeros(0, np.int64), np.zeros(0)
        )


def spot_response(
    image: NDArray[Any], sigma: Widths, *, method: SpotMethod = "log"
) -> NDArray[np.floating]:
    """Filter for spots of one width.

    Parameters
    ----------
    image : ndarray
        Intensities, any shape; beyond its edge it is mirrored (scipy's "reflect").
    sigma : sequence of float
        Width of the spots in voxels, an entry an axis.
    method : {"log", "dog"}
        "log" is ``-sum_a sigma_a**2 d2/da2`` of the image smoothed by `sigma`.  "dog" takes the
        difference of two Gaussians with widths in a ratio of 1.6 and the same mean variance, scaled
        to approximate "log": for a Gaussian spot of that width it is 5% (2-D) or 7% (3-D) higher.

    Returns
    -------
    ndarray
        float32, or float64 for float64 images; same shape.  Positive on bright spots.  A constant
        image gives zero, but for rounding.

    Raises
    ------
    ParameterError
        If the image holds complex numbers, NaN or infinite values, or integers beyond 2**53.

    Examples
    --------
    >>> image = np.zeros(41)
    >>> image[20] = 1.0
    >>> spot_response(image, [2.0]).argmax()
    np.int64(20)
    """
    from scipy import ndimage

    if image.dtype.kind not in "biuf" or (image.dtype.kind == "f" and not np.isfinite(image).all()):
        raise ParameterError(
            "spots are found in images of finite numbers",
            value="NaN or infinite values" if image.dtype.kind == "f" else str(image.dtype),
            place="spot_response",
            remedy="replace what is missing first, for example by the background",
        )
    check_in_float64(image, "detect_spots")
    dtype = np.float64 if image.dtype == np.float64 else np.float32
    smooth = image.astype(dtype, copy=False)
    if method == "dog":
        narrow, wide = _pair_of_widths(sigma)
        factor = (_RATIO**2 + 1) / (_RATIO**2 - 1)
        difference = ndimage.gaussian_filter(smooth, narrow, truncate=_TRUNCATE)
        difference -= ndimage.gaussian_filter(smooth, wide, truncate=_TRUNCATE)
        difference *= dtype(factor)
        return np.asarray(difference)
    response = None
    for axis, width in enumerate(sigma):
        gauss, second = _kernels(width)
        curved = ndimage.correlate1d(smooth, second, axis=axis)
        if response is None:
            response = curved
        else:
            response = ndimage.correlate1d(response, gauss, axis=axis)
            response += curved
        if axis + 1 < len(sigma):
            smooth = ndimage.correlate1d(smooth, gauss, axis=axis)
    if response is None:
        raise ParameterError("spots lie on at least one axis", value=image.shape)
    return np.asarray(np.negative(response, out=response))


def spot_reach(
    sigmas: Sequence[Widths], *, method: SpotMethod = "log", exclusion: Sequence[Widths]
) -> tuple[int, ...]:
    """Return how far from a voxel an image decides which spot it holds, in voxels an axis.

    Parameters
    ----------
    sigmas, method, exclusion
        As for `find_spots`.

    Examples
    --------
    >>> spot_reach([(1.0, 2.0)], exclusion=[(1.5, 3.0)])
    (6, 12)
    """
    filtered = np.max([_filter_reach(sigma, method) for sigma in sigmas], axis=0)
    apart = np.floor(np.max(np.asarray(exclusion, np.float64), axis=0)).astype(int)
    return tuple((filtered + 1 + apart).tolist())


def find_spots(
    image: NDArray[Any],
    sigmas: Sequence[Widths],
    *,
    threshold: float,
    exclusion: Sequence[Widths],
    method: SpotMethod = "log",
) -> Spots:
    """Find bright spots of some widths.

    A voxel is a candidate at a scale if its response is above the threshold and above that of all
    neighbours in space (corners included) at this scale and at the one before and after it.  Of
    equal neighbours the first in C order is the candidate, at one voxel the first scale.  A
    candidate is dropped if a stronger one (of equal ones, an earlier one) lies within the exclusion
    ellipsoid of either, whether or not that one is dropped itself.

    Parameters
    ----------
    image : ndarray
        Finite intensities, any shape.
    sigmas : sequence of sequence of float
        Scales in ascending order; each has a width in voxels for each axis.
    threshold : float
        Candidates have a stronger response, and one above the rounding of the filter; in the units
        of the image.
    exclusion : sequence of sequence of float
        Half axes of the exclusion ellipsoid of each scale, in voxels; none shrinks as scales grow.
        Of two candidates that of the larger scale counts.
    method : {"log", "dog"}
        As for `spot_response`.

    Returns
    -------
    Spots

    Raises
    ------
    ParameterError
        If the image holds complex numbers, NaN or infinite values, or the threshold is below zero.

    References
    ----------
    T. Lindeberg, "Feature detection with automatic scale selection", IJCV 30 (1998);
    scikit-image's `blob_log` and `blob_dog`, which prune in one order over the whole image.

    Examples
    --------
    >>> image = np.zeros((9, 9))
    >>> image[3, 5] = 100
    >>> find_spots(image, [(1, 1)], threshold=5, exclusion=[(1.5, 1.5)]).voxel
    array([[3, 5]])
    """
    if not threshold >= 0:
        raise ParameterError("a threshold of spots is 0 or more", value=threshold)
    if not image.size:
        return Spots.none(image.ndim)
    by_scale = []
    before: NDArray[Any] | None = None
    here: NDArray[Any] | None = spot_response(image, sigmas[0], method=method)
    for scale in range(len(sigmas)):
        is_last = scale + 1 == len(sigmas)
        after = None if is_last else spot_response(image, sigmas[scale + 1], method=method)
        spots = _candidates(here, before, after, scale, threshold)  # type: ignore[arg-type]
        dtype = here.dtype  # type: ignore[union-attr]
        rises = _rise_above_rounding(image, spots, sigmas[scale], method, dtype)
        by_scale.append(spots.take(rises))
        before, here = here, after
    return _standing(_joined(by_scale), exclusion)


def _kernels(sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of a Gaussian, and of its second derivative times its variance.

    The latter are made to sum to zero: cut off at four sigma they do not, and a bright background
    would look like a spot.
    """
    radius = int(_TRUNCATE * sigma + 0.5)
    at = np.arange(-radius, radius + 1) / sigma
    gauss = np.exp(-0.5 * at**2)
    gauss /= gauss.sum()
    second = gauss * (at**2 - 1)
    return gauss, second - second.sum() * gauss


def _filter_reach(sigma: Widths, method: SpotMethod) -> list[int]:
    """Return how far the filter of one scale looks, in voxels an axis."""
    widths = sigma if method == "log" else _pair_of_widths(sigma)[1]
    return [int(_TRUNCATE * width + 0.5) for width in widths]


def _rise_above_rounding(
    image: NDArray[Any], spots: Spots, sigma: Widths, method: SpotMethod, dtype: np.dtype[Any]
) -> NDArray[np.bool_]:
    """Whether spots are stronger than what the filter makes of a constant as bright as is near.

    On a flat background nothing else decides which voxel is the highest.
    """
    from scipy import ndimage

    least = _ROUNDINGS * float(np.finfo(dtype).eps)
    brightness = np.abs(image.astype(np.float64))
    if not len(spots) or spots.strength.min() > least * brightness.max():
        return np.ones(len(spots), bool)
    size = [2 * reach + 1 for reach in _filter_reach(sigma, method)]
    near = ndimage.maximum_filter(brightness, size=size)
    return np.asarray(spots.strength > least * near[tuple(spots.voxel.T)])


def _pair_of_widths(sigma: Widths) -> tuple[list[float], list[float]]:
    """Return the widths of two Gaussians in the fixed ratio, whose mean variance is that given."""
    factor = math.sqrt(2 / (1 + _RATIO**2))
    return [width * factor for width in sigma], [width * factor * _RATIO for width in sigma]


def _candidates(
    here: NDArray[Any],
    before: NDArray[Any] | None,
    after: NDArray[Any] | None,
    scale: int,
    threshold: float,
) -> Spots:
    """Find the maxima of one scale over space and the scales beside it."""
    from scipy import ndimage

    likely = here > threshold
    if likely.any():
        likely &= here == ndimage.maximum_filter(here, size=3, mode="nearest")
    voxel = np.argwhere(likely).astype(np.int64)
    strength = here[tuple(voxel.T)].astype(np.float64)
    stands = np.ones(len(voxel), dtype=bool)
    for step, response in ((-1, before), (0, here), (1, after)):
        if response is None:
            continue
        for hop in itertools.product((-1, 0, 1), repeat=here.ndim):
            order = (*hop, step)
            if any(order):
                is_earlier = order < (0,) * len(order)
                stands &= _is_above(voxel, strength, response, hop, is_earlier=is_earlier)
    voxel, strength = voxel[stands], strength[stands]
    return Spots(voxel, _shifts(here, voxel), np.full(len(voxel), scale), strength)


def _is_above(
    voxel: NDArray[np.int64],
    strength: NDArray[np.float64],
    response: NDArray[Any],
    hop: tuple[int, ...],
    *,
    is_earlier: bool,
) -> NDArray[np.bool_]:
    """Whether voxels win over what lies one hop away; what lies outside never wins."""
    value, is_inside = _beside(response, voxel, np.asarray(hop))
    wins = strength > value if is_earlier else strength >= value
    return wins | ~is_inside


def _beside(
    response: NDArray[Any], voxel: NDArray[np.int64], hop: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values one hop away, and whether there is such a voxel."""
    there = voxel + hop
    is_inside = ((there >= 0) & (there < response.shape)).all(axis=1)
    places = np.clip(there, 0, np.asarray(response.shape) - 1)
    return response[tuple(places.T)].astype(np.float64), is_inside


def _shifts(response: NDArray[Any], voxel: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return where parabolas through each voxel and its two neighbours on an axis peak."""
    shift = np.zeros(voxel.shape)
    middle = response[tuple(voxel.T)].astype(np.float64)
    for axis in range(response.ndim):
        hop = np.zeros(response.ndim, np.int64)
        hop[axis] = 1
        low, has_low = _beside(response, voxel, -hop)
        high, has_high = _beside(response, voxel, hop)
        bend = low - 2 * middle + high
        fits = has_low & has_high & (bend < 0)
        peak = np.zeros(len(voxel))
        np.divide(0.5 * (low - high), bend, out=peak, where=fits)
        shift[:, axis] = np.clip(peak, -0.5, 0.5)
    return shift


def _joined(by_scale: Sequence[Spots]) -> Spots:
    """Join the spots of all scales, in C order of their voxels, at one voxel by scale."""
    spots = Spots(
        np.concatenate([item.voxel for item in by_scale]),
        np.concatenate([item.shift for item in by_scale]),
        np.concatenate([item.scale for item in by_scale]),
        np.concatenate([item.strength for item in by_scale]),
    )
    return spots.take(np.lexsort((spots.scale, *spots.voxel.T[::-1])))


def _standing(spots: Spots, exclusion: Sequence[Widths]) -> Spots:
    """Drop what lies within the exclusion ellipsoid of something stronger, or holds it in its own.

    The pairs are those of each scale with all scales up to it, so that few are looked at.
    """
    from scipy.spatial import KDTree

    rank = np.empty(len(spots), np.int64)
    rank[np.argsort(-spots.strength, kind="stable")] = np.arange(len(spots))
    stands = np.ones(len(spots), dtype=bool)
    for scale in np.unique(spots.scale):
        radius = np.asarray(exclusion[scale], np.float64)
        ours = np.flatnonzero(spots.scale == scale)
        others = np.flatnonzero(spots.scale <= scale)
        one_tree, other_tree = (KDTree(spots.voxel[which] / radius) for which in (ours, others))
        near = one_tree.sparse_distance_matrix(other_tree, 1 + _MARGIN, output_type="ndarray")
        spot, other = ours[near["i"]], others[near["j"]]
        # the tree's distances are rounded by where the voxels lie; differences of integers are not
        apart = (spots.voxel[spot] - spots.voxel[other]) / radius
        is_near = ((apart**2).sum(axis=1) < 1) & (spot != other)
        spot, other = spot[is_near], other[is_near]
        stands[np.where(rank[spot] > rank[other], spot, other)] = False
    return spots.take(stands)

"""Find local maxima, each marked by one voxel, by rules that blocks can follow.

A maximum is a plateau: connected voxels of one value, all voxels around them lower.  Whether a
voxel is a *candidate*, no neighbour being higher, shows within one voxel of it.  Candidates that
touch have one value, so the components of the candidates are the plateaus, but for those that go on
in voxels which are no candidates, as a step on a slope does::

    3 3 5       the 3s at the left are candidates, and their plateau goes on in a 3 that is none,
    3 3 4       for it has a 5 beside it: rejected

So a plateau that crosses blocks is settled by what labels need as well, and a word for each piece:
whether it was rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels._components import checked_connectivity, label_components, neighbour_shifts
from scutoid.kernels._watershed import order_ranks
from scutoid.kernels._whole_numbers import check_in_float64, ranked

_FEW = {"b": 8, "i": 2, "u": 2}
"""Voxels of an image to one inside, from which on only those inside are looked at, by the kind of
what says where that is: numbers of regions make filters of all voxels slower than a mask does."""


def maximum_candidates(
    image: NDArray[Any], inside: NDArray[Any] | None = None, connectivity: int | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find voxels that no neighbour exceeds, and those of them next to an equal that one exceeds.

    Parameters
    ----------
    image : ndarray of bool, integer or float
        Without NaN.
    inside : ndarray of bool or integer, shape of `image`, optional
        Where to look, if numbered in regions of their own, although they may touch; what lies
        outside of a region, where 0 is or another number, counts as lower than all that is inside.
    connectivity : int, optional
        As for `label_components`, but by default shared corners count.

    Returns
    -------
    candidates, rejected : ndarray of bool, shape of `image`
        Plateaus are components of `candidates`, by region; a plateau with a voxel in `rejected` is
        no maximum.

    Raises
    ------
    ParameterError
        If the image has values that have no order.
    GeometryError
        If the shapes differ.

    Examples
    --------
    >>> candidates, rejected = maximum_candidates(np.array([3, 3, 3, 5, 1, 2]))
    >>> candidates.astype(int).tolist(), rejected.astype(int).tolist()
    ([1, 1, 0, 1, 0, 1], [0, 1, 0, 0, 0, 0])
    """
    image, regions, hops = _checked(image, inside, connectivity)
    if image.size == 0:
        return np.zeros(image.shape, bool), np.zeros(image.shape, bool)
    near = _Surroundings.of(_as_filtered(image), regions, hops)
    few = _FEW[regions.dtype.kind]
    if inside is not None and few * np.count_nonzero(near.inside) <= image.size:
        places = near.without_higher(np.flatnonzero(near.inside))
    else:
        places = _highest_of_box(near, hops)
    return near.marked(places), near.marked(near.beside_passed_over(places))


@dataclass(frozen=True, slots=True, eq=False)
class _Surroundings:
    """An image in a frame of one voxel, so that a neighbour is a step in the flat array."""

    shape: tuple[int, ...]
    """Of the frame."""
    ground: NDArray[Any]
    """Values, flat."""
    region: NDArray[Any]
    """Numbers of regions, flat; 0 in the frame."""
    inside: NDArray[np.bool_]
    """Where regions are, flat."""
    steps: tuple[int, ...]
    """From a voxel to all that touch it, opposite ones side by side."""

    @classmethod
    def of(cls, values: NDArray[Any], regions: NDArray[Any], hops: int) -> _Surroundings:
        """Put a frame around an image."""
        shape = tuple(size + 2 for size in values.shape)
        ground, region = (np.pad(array, 1).reshape(-1) for array in (values, regions))
        strides = np.cumprod((1, *shape[:0:-1]))[::-1]
        ways = [int(np.dot(shift, strides)) for shift in neighbour_shifts(values.ndim, hops)]
        steps = tuple(step for way in ways for step in (way, -way))
        return cls(shape, ground, region, region != 0, steps)

    def core(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Return what lies in the frame."""
        return flat.reshape(self.shape)[(slice(1, -1),) * len(self.shape)]

    def marked(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark places in an array of the image's shape."""
        marks = np.zeros(len(self.ground), bool)
        marks[places] = True
        return np.ascontiguousarray(self.core(marks))

    def without_higher(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Leave out places that have a higher neighbour in their region: few are left soon."""
        height, number = self.ground[places], self.region[places]
        for step in self.steps if len(places) else ():
            beside = places + step
            stays = self.ground[beside] <= height
            stays |= self.region[beside] != number
            places, height, number = places[stays], height[stays], number[stays]
        return places

    def beside_passed_over(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those places that have an equal neighbour in their region which is no place."""
        passed_over = self.inside.copy()
        passed_over[places] = False
        height = self.ground[places]
        found = np.zeros(len(places), bool)
        for step in self.steps if len(places) else ():
            beside = places + step
            is_level = passed_over[beside] & (self.ground[beside] == height)
            level = np.flatnonzero(is_level)  # few: only these may lie in another region
            own = self.region[places[level]]
            found[level[self.region[beside[level]] == own]] = True
        return places[found]


def _highest_of_box(near: _Surroundings, hops: int) -> NDArray[np.int64]:
    """Return the places that no neighbour of their region exceeds, by filters of all voxels."""
    from scipy import ndimage

    values, regions, within = map(near.core, (near.ground, near.region, near.inside))
    landscape = values if within.all() else np.where(within, values, _lowest(values.dtype))
    if hops == values.ndim:
        highest = _of_box(landscape, np.maximum)
    else:
        structure = ndimage.generate_binary_structure(values.ndim, hops)
        highest = ndimage.maximum_filter(landscape, footprint=structure, mode="nearest")
    candidates = within & (landscape >= highest)
    places = np.flatnonzero(np.pad(candidates, 1))
    if regions.dtype == bool:
        return places
    # What is higher may lie in another region; few voxels are left to look at one by one
    doubtful = np.flatnonzero(np.pad(_beside_another(regions, hops) & within & ~candidates, 1))
    return np.sort(np.concatenate([places, near.without_higher(doubtful)]))


def local_maxima(
    image: NDArray[Any], inside: NDArray[Any] | None = None, connectivity: int | None = None
) -> NDArray[np.bool_]:
    """Mark the first voxel in C order of each local maximum.

    Parameters
    ----------
    image, inside, connectivity
        As for `maximum_candidates`.

    Returns
    -------
    ndarray of bool, shape of `image`
        A plateau is one maximum.  An image of one value has none, unless `inside` is given.

    Raises
    ------
    ParameterError
        If the image has values that have no order.
    GeometryError
        If the shapes differ.

    Examples
    --------
    >>> local_maxima(np.array([3, 3, 5, 5, 1, 2])).astype(int).tolist()
    [0, 0, 1, 0, 0, 1]
    """
    candidates, rejected = maximum_candidates(image, inside, connectivity)
    marks = np.zeros(candidates.shape, bool)
    if candidates.all() and inside is None:
        return marks
    hops = candidates.ndim if connectivity is None else connectivity
    plateaus, first = label_components(by_region(candidates, inside), hops, by_value=True)
    stays = np.ones(len(first) + 1, bool)
    stays[plateaus[rejected]] = False
    marks.reshape(-1)[first[stays[1:]]] = True
    return marks


def by_region(candidates: NDArray[np.bool_], inside: NDArray[Any] | None) -> NDArray[Any]:
    """Give candidates the numbers of their regions, so that components by value are plateaus.

    Examples
    --------
    >>> by_region(np.array([True, False, True]), np.array([4, 4, 7])).tolist()
    [4, 0, 7]
    """
    if inside is None or inside.dtype == bool:
        return candidates
    return np.where(candidates, inside, 0)


def h_reconstruction(
    image: NDArray[Any],
    h: float,
    inside: NDArray[Any] | None = None,
    connectivity: int | None = None,
) -> NDArray[np.float64]:
    """Cut maxima down by `h`, so that those of less depth are no maxima: h-reconstruction.

    Parameters
    ----------
    image : ndarray of bool, integer or float
        Without NaN.
    h : float
        In the image's own values, more than 0.
    inside, connectivity
        As for `maximum_candidates`.

    Returns
    -------
    ndarray of float64
        The reconstruction by dilation of ``image - h`` under the image, in each region; 0 outside.

    Raises
    ------
    ParameterError
        If the image has values that have no order, or integers beyond 2**53.
    GeometryError
        If the shapes differ.

    References
    ----------
    P. Soille, "Morphological Image Analysis" (2003), section 6.3; `skimage.morphology`.

    Examples
    --------
    >>> h_reconstruction(np.array([0, 5, 4, 5, 0, 3]), 2).tolist()
    [0.0, 3.0, 3.0, 3.0, 0.0, 1.0]
    """
    from scipy import ndimage

    image, regions, hops = _checked(image, inside, connectivity)
    check_in_float64(image, "local_maxima, h")
    structure = ndimage.generate_binary_structure(image.ndim, hops)
    if not _beside_another(regions, hops).any():
        return _reconstructed(image, h, regions != 0, structure)
    # Regions that touch are cut down one by one, for what is higher may lie in another
    parts, _ = label_components(regions, hops, by_value=True)
    cut = np.zeros(image.shape)
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        within = parts[box] == number
        cut[box] += _reconstructed(image[box], h, within, structure)
    return cut


def _reconstructed(
    image: NDArray[Any], h: float, within: NDArray[np.bool_], structure: NDArray[np.bool_]
) -> NDArray[np.float64]:
    from skimage.morphology import reconstruction

    if not within.any():
        return np.zeros(image.shape)
    landscape = np.where(within, image, -np.inf)
    lowered = reconstruction(  # type: ignore[no-untyped-call]
        landscape - h, landscape, method="dilation", footprint=structure
    )
    return np.where(within, lowered, 0.0)


def highest_within(
    places: NDArray[np.int64],
    values: NDArray[Any],
    distance: int,
    groups: NDArray[Any] | None = None,
) -> NDArray[np.bool_]:
    """Return which points have no higher point near them.

    Parameters
    ----------
    places : ndarray of int64, shape (n, ndim)
        In voxels, in C order.
    values : ndarray, shape (n,)
        Heights; of equal ones the earlier counts as higher.
    distance : int
        What is near: up to so many voxels on every axis.
    groups : ndarray of integer, shape (n,), optional
        Only points of one group count for each other.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> highest_within(np.array([[0], [2], [4], [9]]), np.array([5, 6, 6, 1]), 2).tolist()
    [False, True, False, True]
    """
    from scipy import ndimage

    stays = np.ones(len(places), bool)
    if len(places) < 2 or distance < 1:
        return stays
    ranks = len(places) - order_ranks(values, descending=True)
    group = np.zeros(len(places), np.int64) if groups is None else groups
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order])) + 1
    for rows in np.split(order, bounds):
        if len(rows) < 2:
            continue
        near = places[rows] - places[rows].min(axis=0)
        box = np.zeros(near.max(axis=0) + 1, np.int64)
        box[tuple(near.T)] = ranks[rows]
        best = ndimage.maximum_filter(box, size=2 * distance + 1, mode="constant")
        stays[rows] = best[tuple(near.T)] == ranks[rows]
    return stays


def _checked(
    image: NDArray[Any], inside: NDArray[Any] | None, connectivity: int | None
) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Return the image, the numbers of its regions, and how many hops apart neighbours are."""
    image = np.asarray(image)
    hops = image.ndim if connectivity is None else checked_connectivity(connectivity, image.ndim)
    is_number = image.dtype.kind in "biuf"
    if not is_number or (image.dtype.kind == "f" and np.isnan(image).any()):
        raise ParameterError(
            "maxima are those of values with an order",
            value="NaN" if is_number else f"dtype {image.dtype}",
            place="image",
            remedy="replace NaN first, by numpy.nan_to_num",
        )
    regions = np.ones(image.shape, bool) if inside is None else np.asarray(inside)
    kind = regions.dtype.kind
    is_region = kind in "biu" and not (kind == "i" and (regions < 0).any())
    if not is_region:
        raise ParameterError(
            "maxima are looked for in labels of 0 or more, or in a mask",
            value=int(regions.min()) if kind == "i" else f"dtype {regions.dtype}",
            place="labels",
            remedy="compare first, as in labels > 0",
        )
    if regions.shape != image.shape:
        raise GeometryError(
            "an image and the labels in which maxima are looked for have one shape",
            value=f"{image.shape} and {regions.shape}",
            place="local_maxima",
            remedy="crop one of them",
        )
    return image.view(np.uint8) if image.dtype == bool else image, regions, hops


def _beside_another(regions: NDArray[Any], hops: int) -> NDArray[np.bool_]:
    """Mark voxels that touch a region of another number."""
    beside: NDArray[np.bool_] = np.zeros(regions.shape, bool)
    if regions.dtype == bool:
        return beside
    if hops == regions.ndim:
        # All neighbours at once: the greatest number around, and the least that is not 0
        np.not_equal(_of_box(regions, np.maximum), regions, out=beside)
        most = np.array(np.iinfo(regions.dtype).max, regions.dtype)
        beside |= _of_box(np.where(regions == 0, most, regions), np.minimum) != regions
        beside &= regions != 0
        return beside
    for shift in neighbour_shifts(regions.ndim, hops):
        here = tuple(slice(max(-s, 0), -s if s > 0 else None) for s in shift)
        there = tuple(slice(max(s, 0), s if s < 0 else None) for s in shift)
        first, second = regions[here], regions[there]
        touch = (first != second) & (first != 0) & (second != 0)
        beside[here] |= touch
        beside[there] |= touch
    return beside


def _of_box(values: NDArray[Any], choose: np.ufunc) -> NDArray[Any]:
    """Choose among each voxel and all that touch it, at corners as well, axis by axis."""
    chosen, of_pairs = np.empty_like(values), np.empty_like(values)
    for axis in range(values.ndim):
        if values.shape[axis] < 2:
            continue
        along, target, room = (np.moveaxis(a, axis, 0) for a in (values, chosen, of_pairs))
        pairs = choose(along[:-1], along[1:], out=room[:-1])
        target[0], target[-1] = pairs[0], pairs[-1]
        choose(pairs[:-1], pairs[1:], out=target[1:-1])
        values = chosen
    return values


def _as_filtered(image: NDArray[Any]) -> NDArray[Any]:
    """Return values that the filters of scipy take, or numbers in the order of the values."""
    if image.dtype.newbyteorder("=") == np.float16:
        return image.astype(np.float32)
    return ranked(image)


def _lowest(dtype: np.dtype[Any]) -> float:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min

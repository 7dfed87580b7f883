"""Detection of spots, each once however the image is cut into blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, cast

import numpy as np

from scutoid.arrays import SPATIAL
from scutoid.errors import ParameterError
from scutoid.kernels import SpotMethod, Spots, find_spots, spot_reach, spot_response
from scutoid.ops._columns import check_groups, stand_in
from scutoid.ops._composed import as_number, as_one, of_images
from scutoid.ops._inputs import check_real, check_voxels, first_of
from scutoid.ops._times import place_columns, times_of, with_time_unit, with_times
from scutoid.ops._types import Array, Arrays, ImageLike, Number, TableLike
from scutoid.ops._units import unit_of, with_unit
from scutoid.ops._widths import Width, Widths, in_voxels, read_scales, read_widths
from scutoid.steps import Image, Images, StepBlock, injected, is_lazy, reduction, remedy_for_image

if TYPE_CHECKING:
    import pandas as pd

_PLACE = "detect_spots"
_METHODS = ("log", "dog")


@of_images
def detect_spots(
    image: ImageLike,
    *,
    sigma: Width | Sequence[Width],
    threshold: Number | None = None,
    threshold_rel: float | None = None,
    n_scales: int | None = None,
    method: SpotMethod = "log",
    min_distance: Width | None = None,
) -> TableLike:
    """Find bright spots of one or more sizes: one row a spot.

    **Exact**: the table is the same, bit for bit, for every block shape, executor and number of
    workers, for whether a voxel is a spot is decided by voxels within a bounded distance: four
    times the largest sigma, one voxel, and the largest exclusion radius.  That is the halo.

    Each scale gives a response (below).  A voxel is a candidate at a scale if its response is above
    the threshold (and the rounding of the filter), and above those of its neighbours (corners
    included) at that scale and at the two beside it; of equal ones the first in C order.  A
    candidate is dropped if a stronger candidate lies within the exclusion radius of the larger of
    both, even where that one is itself dropped for a third (unlike in scikit-image, whose order of
    pruning spans the whole image).

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities, finite, spots bright; spatial axes are searched together, others are iterated.
    sigma : number, Length, or sequence of these
        The scales, ascending: each is a width in voxels, a physical width (``sc.um(4)``), or a
        sequence of widths in voxels, an entry an axis: ``sigma=[(1, 3, 3), (2, 6, 6)]``.  A spot
        that is a Gaussian of width w is strongest at sigma = w in 2-D, 0.82 w in 3-D; a ball of
        radius r at r / sqrt(number of axes).
    threshold : number or Value, optional
        Spots are stronger than this, in the units of the image.  The strength of a Gaussian spot of
        height h at its best scale is 0.5 h in 2-D, 0.56 h in 3-D.
    threshold_rel : float, optional
        The same as a share, 0 to 1, of the strongest response in the whole image, time points and
        channels included.  Where both thresholds are given, the higher one counts.
    n_scales : int, optional
        Take this many scales between the two that `sigma` holds, evenly spaced in their logarithm.
    method : {"log", "dog"}
        Laplacian of a Gaussian, normalised: ``-sum_a sigma_a**2 d2/da2`` of the smoothed image; or
        a difference of two Gaussians with widths in a ratio of 1.6, scaled to the same units.
    min_distance : number, Length or sequence, optional
        Exclusion radius.  Default: the radius of a spot, sigma * sqrt(number of axes).

    Returns
    -------
    Table or DataFrame
        Rows in C order of the voxels; with iterated axes by their place first, which has a column
        each.  ``z y x``: sub-voxel position in the unit (voxels where the voxel size is unknown);
        ``z_voxel y_voxel x_voxel``: the same in voxels of the uncropped image, the brightest
        voxel's centre moved by at most half a voxel, to the peaks of parabolas along each axis;
        ``scale``: sigma along the last axis in the unit; ``scale_voxel``: the same in voxels;
        ``strength``.  ``.attrs["unit"]`` of the DataFrame is the unit, and
        ``time`` a column of images with known times, as in `measure`.

    Raises
    ------
    ParameterError
        If a parameter is out of range, no threshold is given, or the image holds NaN.
    MetadataError
        If a length is physical and the voxel size is not known.

    References
    ----------
    T. Lindeberg, "Feature detection with automatic scale selection", IJCV 30 (1998).

    Notes
    -----
    The table of all spots is held in memory while they are put in order.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> image = np.zeros((16, 16))
    >>> image[4, 5] = image[12, 9] = 100
    >>> sc.detect_spots(image, sigma=1, threshold=5)[["y_voxel", "x_voxel"]]
       y_voxel  x_voxel
    0      4.0      5.0
    1     12.0      9.0
    """
    image = _checked_image(image)
    ndim = _n_axes(image)
    if method not in _METHODS:
        raise ParameterError(f"method is one of {_METHODS}", value=method, place=_PLACE)
    _check_thresholds(threshold, threshold_rel)
    check_real(image, _PLACE)
    check_voxels(image, _PLACE)
    check_groups([image], lambda: _columns(first_of(image)), _PLACE)
    widths, is_physical = read_scales(image, sigma, n_scales, ndim, f"{_PLACE}, sigma")
    exclusion, is_apart = tuple(tuple(w * math.sqrt(ndim) for w in s) for s in widths), is_physical
    if min_distance is not None:
        least, is_apart = read_widths(image, [min_distance], ndim, f"{_PLACE}, min_distance")
        exclusion = least * len(widths)
    common: _Scales = {
        "widths": widths,
        "exclusion": exclusion,
        "physical": (is_physical, is_apart),
        "method": method,
    }
    strongest = None if threshold_rel is None else strongest_response(image, **common)
    return spot_table(
        image,
        **common,
        threshold=None if threshold is None else as_number(threshold),
        threshold_rel=threshold_rel,
        strongest=cast("float | None", strongest),
    )


def _columns(image: Image) -> list[str]:
    """Return the names of the columns of a table."""
    found = detect_spots(stand_in(image.axes), sigma=1, threshold=1).to_pandas()
    return list(dict.fromkeys([*place_columns(image), *found]))


class _Scales(TypedDict):
    """Parameters that both steps have."""

    widths: Widths
    exclusion: Widths
    physical: tuple[bool, bool]
    method: SpotMethod


def _checked_image(image: object) -> Image:
    if not isinstance(image, (Image, Images)):
        raise ParameterError(
            "spots are found in an image, a collection of images or an array",
            value=type(image).__name__,
            place=_PLACE,
            remedy=remedy_for_image(image, "open it by scutoid.open"),
        )
    return as_one(image)


def _n_axes(image: Image) -> int:
    n_axes = sum(axis in SPATIAL for axis in first_of(image).axes)
    if not n_axes:
        raise ParameterError(
            "spots lie on spatial axes", value=f"axes {first_of(image).axes!r}", place=_PLACE
        )
    return n_axes


def _check_thresholds(threshold: object, threshold_rel: object) -> None:
    if threshold is None and threshold_rel is None:
        raise ParameterError(
            "spots are stronger than a threshold",
            value="neither threshold nor threshold_rel",
            place=_PLACE,
            remedy="give threshold= in the units of the image, or threshold_rel=0.2",
        )
    _check_range("threshold", threshold, math.inf)
    _check_range("threshold_rel", threshold_rel, 1.0)


def _check_range(name: str, value: object, most: float) -> None:
    """Refuse what is no number or out of range; what is computed first is checked later."""
    if value is None or is_lazy(value):
        return
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not 0 <= cast("float", value) <= most:
        raise ParameterError(f"{name} is from 0 to {most}", value=value, place=_PLACE)


def _halo(
    widths: Widths,
    exclusion: Widths,
    physical: tuple[bool, bool],
    method: SpotMethod,
    voxel_size: tuple[float, ...] | None,
) -> tuple[int, ...]:
    """Return how far a block looks beyond itself."""
    sigmas, radii = _both_in_voxels(widths, exclusion, physical, voxel_size)
    return spot_reach(sigmas, method=method, exclusion=radii)


def _both_in_voxels(
    widths: Widths,
    exclusion: Widths,
    physical: tuple[bool, bool],
    voxel_size: tuple[float, ...] | None,
) -> tuple[Widths, Widths]:
    first, second = zip((widths, exclusion), physical, strict=True)
    return in_voxels(*first, voxel_size, _PLACE), in_voxels(*second, voxel_size, _PLACE)


def _strongest(a: float, b: float) -> float:
    return max(a, b)


@reduction(merge=_strongest, halo=_halo, block_invariant=True, version="1", threadsafe=True)
def strongest_response(
    image: Array,
    *,
    widths: Widths,
    exclusion: Widths,
    physical: tuple[bool, bool],
    method: SpotMethod,
    voxel_size: tuple[float, ...] | None = injected,
    block: StepBlock = injected,
) -> float:
    """Find the strongest response of any voxel at any scale; 0 where none is above."""
    sigmas, _ = _both_in_voxels(widths, exclusion, physical, voxel_size)
    if not image.size:
        return 0.0
    return max(
        0.0, *(float(spot_response(image, s, method=method)[block.inner].max()) for s in sigmas)
    )


class _Found(TypedDict):
    """The spots of a part of an image."""

    axes: str
    """Axes that spots have positions along."""
    unit: str | None
    """Of the voxel size."""
    times: list[object]
    """Of the places along t, as `times_of` has them."""
    iterated: str
    """Axes along which planes or volumes are searched one by one."""
    found: list[tuple[Array, ...]]
    """For each block with spots: places along `iterated`, and what `_arrays` returns."""


def _merge(a: _Found, b: _Found) -> _Found:
    return {**a, "found": [*a["found"], *b["found"]]}


def _finish(
    merged: _Found,
    *,
    widths: Widths,
    physical: tuple[bool, bool],
    voxel_size: Sequence[float] | None,
    origin: Sequence[float] | None,
) -> pd.DataFrame:
    """Put the spots of all blocks in order."""
    import pandas as pd

    axes, iterated, ndim = merged["axes"], merged["iterated"], len(merged["axes"])
    none = (np.zeros((0, len(iterated)), np.int64), *_arrays(Spots.none(ndim)))
    blocks = [none, *merged["found"]]
    place, voxel, shift, scale, strength = (np.concatenate(c) for c in zip(*blocks, strict=True))
    order = np.lexsort((*voxel.T[::-1], *place.T[::-1]))
    position = (voxel + shift)[order]
    sizes = np.ones(ndim) if voxel_size is None else np.asarray(voxel_size)
    first = np.zeros(ndim) if origin is None or voxel_size is None else np.asarray(origin)
    world = first + position * sizes
    last = np.array([size[-1] for size in in_voxels(widths, physical[0], voxel_size, _PLACE)])
    of_scale = last[scale[order]]
    places = {a: place[order, n] for n, a in enumerate(iterated)}
    columns: Arrays = with_times(places, merged["times"])
    columns |= {axis: world[:, n] for n, axis in enumerate(axes)}
    columns |= {f"{axis}_voxel": position[:, n] for n, axis in enumerate(axes)}
    columns |= {"scale": of_scale * sizes[-1], "scale_voxel": of_scale, "strength": strength[order]}
    table = with_unit(pd.DataFrame(columns), unit_of(voxel_size, merged["unit"]))
    return with_time_unit(table, merged["times"])


@reduction(
    merge=_merge,
    finish=_finish,
    out="table",
    halo=_halo,
    block_invariant=True,
    version="3",
    threadsafe=True,
)
def spot_table(
    image: Array,
    *,
    widths: Widths,
    exclusion: Widths,
    physical: tuple[bool, bool],
    method: SpotMethod,
    threshold: float | None,
    threshold_rel: float | None,
    strongest: float | None,
    voxel_size: tuple[float, ...] | None = injected,
    block: StepBlock = injected,
) -> _Found:
    """Find the spots of one block: those whose brightest voxel lies in it."""
    sigmas, radii = _both_in_voxels(widths, exclusion, physical, voxel_size)
    levels = [threshold, None if strongest is None else strongest * (threshold_rel or 0.0)]
    level = max(float(limit) for limit in levels if limit is not None)
    spots = find_spots(image, sigmas, threshold=level, exclusion=radii, method=method)
    low = [part.start for part in block.inner]
    high = [part.stop for part in block.inner]
    is_ours = np.all((spots.voxel >= low) & (spots.voxel < high), axis=1)
    ours = spots.take(np.asarray(is_ours))
    start = [block.coordinate(axis) for axis in block.function_axes]
    iterated = [axis for axis in block.axes if axis not in block.function_axes]
    place = np.array([[block.coordinate(axis) for axis in iterated]] * len(ours), np.int64)
    voxel, *others = _arrays(ours)
    return {
        "axes": block.function_axes,
        "unit": block.unit,
        "times": times_of(block),
        "iterated": "".join(iterated),
        "found": [(place, voxel + start, *others)] if len(ours) else [],
    }


def _arrays(spots: Spots) -> tuple[Array, ...]:
    """Return what a block keeps of its spots; plain arrays travel to the driver."""
    return spots.voxel, spots.shift, spots.scale, spots.strength


spot_table = spot_table.options(name="spots")

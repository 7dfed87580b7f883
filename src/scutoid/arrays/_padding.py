"""Fill regions beyond an image's edge.

::

    nearest   a a a a | a b c d | d d d d
    reflect   d c b a | a b c d | d c b a     and so on: as scipy.ndimage, numpy's "symmetric"
    0         0 0 0 0 | a b c d | 0 0 0 0
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._source import ArraySource, check_inside
from scutoid.arrays._spec import ImageSpec
from scutoid.errors import GeometryError
from scutoid.geometry import Roi

Fill = float | str | None
_MODES = ("nearest", "reflect")


def pad_to(array: NDArray[Any], inside: Roi, roi: Roi, fill: Fill) -> NDArray[Any]:
    """Extend an array that covers `inside` to cover `roi`.

    Parameters
    ----------
    array : ndarray
        Voxels of `inside`.
    inside, roi : Roi
        The region of the array, and that of the result.
    fill : number, "nearest" or "reflect"
        A constant; the nearest voxel; or the mirror image, the edge voxel repeated, as
        `scipy.ndimage` has it (``d c b a | a b c d | d c b a``).

    Returns
    -------
    ndarray
        Shape `roi.shape`, type of `array`; `array` itself where there is nothing to do.

    Raises
    ------
    GeometryError
        If the fill is none of these, does not fit the type, or there is nothing to extend.
    """
    if inside == roi:
        return array
    if not isinstance(fill, str):
        out = _constant(roi, fill, array.dtype)
        common = inside.intersect(roi)
        out[common.to_slices(roi.offset)] = array[common.to_slices(inside.offset)]
        return out
    places = _places(roi, inside, fill)
    return array[np.ix_(*(p - o for p, o in zip(places, inside.offset, strict=True)))]


def read_region(
    source: ArraySource, roi: Roi, *, fill: Fill = None, spec: ImageSpec | None = None
) -> NDArray[Any]:
    """Read a region that may stick out of the image.

    Parameters
    ----------
    source : ArraySource
        The image.
    roi : Roi
        In the image's own voxels.
    fill : number, "nearest", "reflect" or None
        Voxels beyond the edge (see `pad_to`); None: such a region raises.
    spec : ImageSpec, optional
        The image's description, where the source is a window of it.

    Returns
    -------
    ndarray
        Shape `roi.shape`; the caller owns it.

    Raises
    ------
    GeometryError
        If the region sticks out and there is no fill.
    """
    spec = source.spec if spec is None else spec
    whole = spec.roi
    if fill is None or (roi.ndim == spec.ndim and whole.contains(roi) and not roi.is_empty):
        check_inside(roi, spec)
        return source.read(roi)
    if not isinstance(fill, str):
        inside = roi.intersect(whole)
        return pad_to(source.read(inside), inside, roi, fill)
    # Only the voxels that the mirror or the edge shows are read, not the whole image.
    places = _places(roi, whole, fill)
    start = [int(p.min()) if p.size else 0 for p in places]
    stop = [int(p.max()) + 1 if p.size else 0 for p in places]
    shown = Roi(start, [b - a for a, b in zip(start, stop, strict=True)])
    array = source.read(shown)
    return array[np.ix_(*(p - o for p, o in zip(places, start, strict=True)))]


def _constant(roi: Roi, fill: float | None, dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        with np.errstate(invalid="ignore"):  # values that do not fit are refused below
            out = np.full(tuple(roi.shape), fill, dtype)
            is_held = dtype.kind in "fc" or bool(np.asarray(fill, dtype) == fill)
    except (OverflowError, ValueError, TypeError):
        is_held = False
    if not is_held:
        raise GeometryError(
            f"a fill is a number of the image's type {dtype}, 'nearest' or 'reflect'", value=fill
        )
    return out


def _places(roi: Roi, whole: Roi, fill: str) -> list[NDArray[np.intp]]:
    """Return, for each axis, the place in `whole` that each voxel of `roi` is copied from."""
    if fill not in _MODES:
        raise GeometryError("a fill is a number, 'nearest' or 'reflect'", value=fill)
    if whole.is_empty and not roi.is_empty:
        raise GeometryError(
            f"fill={fill!r} needs a voxel of the image to start from", value=roi, place="read"
        )
    places_by_axis = []
    for low, high, first, size in zip(roi.offset, roi.end, whole.offset, whole.shape, strict=True):
        places = np.arange(low, high) - first
        if size == 0 or fill == "nearest":
            inside = np.clip(places, 0, max(size - 1, 0))
        else:
            inside = places % (2 * size)
            inside = np.where(inside < size, inside, 2 * size - 1 - inside)
        places_by_axis.append(inside + first)
    return places_by_axis

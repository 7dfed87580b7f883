"""What lies beyond an image's edge.

::

    reflect    d c b a | a b c d | d c b a      as `scipy.ndimage` has it: the edge voxel twice
    nearest    a a a a | a b c d | d d d d
    a number   0 0 0 0 | a b c d | 0 0 0 0
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


def pad_to(array: NDArray[Any], inside: Roi, roi: Roi, fill: Fill) -> NDArray[Any]:
    """Extend an array that covers `inside`, a whole image, to cover `roi`.

    Parameters
    ----------
    array : ndarray
        Voxels of `inside`.
    inside, roi : Roi
        What the array covers, and what the result shall cover.
    fill : number, "nearest" or "reflect"
        A constant; the nearest voxel; or the mirror image, repeated for what is far.

    Returns
    -------
    ndarray
        Of the array's type; the array itself where there is nothing to extend.

    Raises
    ------
    GeometryError
        If the fill is none of these, or there is nothing to extend.
    """
    if inside == roi:
        return array
    if not isinstance(fill, str):
        common = inside.intersect(roi)
        out = np.full(tuple(roi.shape), _constant(fill, array.dtype), array.dtype)
        out[common.to_slices(roi.offset)] = array[common.to_slices(inside.offset)]
        return out
    if roi.is_empty:
        return np.empty(tuple(roi.shape), array.dtype)
    places = _places(inside, roi, fill)
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
        What lies beyond the edge (see `pad_to`); None: such a region raises.
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
    if fill is None or spec.roi.contains(roi):
        check_inside(roi, spec)
        return source.read(roi)
    if not isinstance(fill, str):
        inside = roi.intersect(spec.roi)
        return pad_to(source.read(inside), inside, roi, fill)
    # Only what is shown is read, be it as a mirror image: not the whole axis.
    places = _places(spec.roi, roi, fill)
    start = [int(p.min()) for p in places]
    shown = Roi(start, [int(p.max()) + 1 - a for p, a in zip(places, start, strict=True)])
    return source.read(shown)[np.ix_(*(p - a for p, a in zip(places, start, strict=True)))]


def _places(whole: Roi, roi: Roi, fill: str) -> list[NDArray[np.int64]]:
    """Return, for each axis, which voxels of an image a region shows."""
    if fill not in ("nearest", "reflect"):
        raise GeometryError("a fill is a number, 'nearest' or 'reflect'", value=fill)
    if whole.is_empty:
        raise GeometryError(
            f"fill={fill!r} needs a voxel of the image to start from", value=roi, place="read"
        )
    places = []
    for start, stop, low, size in zip(roi.offset, roi.end, whole.offset, whole.shape, strict=True):
        asked = np.arange(start, stop, dtype=np.int64) - low
        if fill == "nearest":
            shown = np.clip(asked, 0, size - 1)
        else:
            shown = asked % (2 * size)
            shown = np.where(shown < size, shown, 2 * size - 1 - shown)
        places.append(shown + low)
    return places


def _constant(fill: float | None, dtype: np.dtype[Any]) -> Any:
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(fill).astype(dtype)
        is_held = bool(value == fill) or (dtype.kind in "fc" and np.isfinite(np.float64(fill or 0)))
        is_held = is_held or (dtype.kind in "fc" and fill != fill)  # noqa: PLR0124 - NaN
    except (TypeError, ValueError, OverflowError):
        is_held = False
    if not is_held:
        raise GeometryError(
            "a fill is a value that the image's type can hold",
            value=fill,
            place=f"type {dtype}",
            remedy="give another number, or convert the image first",
        )
    return value

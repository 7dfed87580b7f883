"""What lies beyond an image's edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._source import ArraySource, check_inside
from scutoid.errors import GeometryError
from scutoid.geometry import Roi

Fill = float | str | None


def pad_to(array: NDArray[Any], inside: Roi, roi: Roi, fill: Fill) -> NDArray[Any]:
    """Extend an array that covers `inside` to cover `roi`.

    Parameters
    ----------
    array : ndarray
        Voxels of `inside`.
    inside, roi : Roi
        What the array covers, and what the result shall cover.
    fill : number, "nearest" or "reflect"
        A constant; the nearest voxel; or the mirror image, the edge voxel repeated, as
        `scipy.ndimage` has it (``d c b a | a b c d | d c b a``).

    Raises
    ------
    GeometryError
        If the fill is none of these, or there is nothing to extend.
    """
    if inside == roi:
        return array
    if isinstance(fill, str) and fill not in ("nearest", "reflect"):
        raise GeometryError("a fill is a number, 'nearest' or 'reflect'", value=fill)
    if isinstance(fill, str) and inside.is_empty and not roi.is_empty:
        raise GeometryError(
            f"fill={fill!r} needs a voxel of the image to start from", value=roi, place="read"
        )
    common = inside.intersect(roi)
    if not isinstance(fill, str):
        out = np.full(tuple(roi.shape), fill, array.dtype)
        out[common.to_slices(roi.offset)] = array[common.to_slices(inside.offset)]
        return out
    index = []
    for axis in range(roi.ndim):
        places = np.arange(roi.offset[axis], roi.end[axis]) - inside.offset[axis]
        size = inside.shape[axis]
        if fill == "nearest":
            index.append(np.clip(places, 0, size - 1))
        else:
            wrapped = places % (2 * size)
            index.append(np.where(wrapped < size, wrapped, 2 * size - 1 - wrapped))
    return array[np.ix_(*index)]


def read_region(
    source: ArraySource, roi: Roi, *, fill: Fill = None, spec: Any = None
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

    Raises
    ------
    GeometryError
        If the region sticks out and there is no fill.
    """
    spec = source.spec if spec is None else spec
    whole = spec.roi
    if fill is None:
        check_inside(roi, spec)
        return source.read(roi)
    inside = roi.intersect(whole)
    if isinstance(fill, str) and not inside.shape == roi.shape and not roi.is_empty:
        inside = _sampled(roi, whole, fill)
    return pad_to(source.read(inside), inside, roi, fill)


def _sampled(roi: Roi, whole: Roi, fill: str) -> Roi:
    """Return the part of the image whose mirror or edge a region shows."""
    if whole.is_empty:
        return whole
    start, stop = [], []
    for axis in range(roi.ndim):
        size = whole.shape[axis]
        if fill == "reflect":  # the mirror image starts at the image's true edges
            start.append(0)
            stop.append(size)
        else:
            start.append(min(max(roi.offset[axis], 0), size - 1))
            stop.append(max(min(roi.end[axis], size), start[-1] + 1))
    return Roi(start, [b - a for a, b in zip(start, stop, strict=True)])

"""What of an image a viewer shows: from the corners of a layer and the sliders of other axes.

::

    viewer       corner_pixels (displayed axes), dims.point (world, all axes)
      |  seen
    layer        spans in the layer's own voxels, {axis: (first, first outside)}
      |  spans_in
    result       spans in the frame of a result, by its place in the world
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scutoid.arrays import METRES, SPATIAL
from scutoid.geometry import Roi

MOST = 2**21
"""Voxels that are computed at once, at most: a plane of 1448 x 1448."""

Spans = dict[str, tuple[int, int]]


class PlacedImage(Protocol):
    """An image with its place in the world; `scutoid.steps.Image` is one."""

    @property
    def axes(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def roi(self) -> Roi: ...
    @property
    def voxel_size(self) -> tuple[float, ...] | None: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def origin(self) -> tuple[float, ...] | None: ...


@dataclass(frozen=True, slots=True)
class Layer:
    """What is asked of a layer of napari, and of the viewer that shows it."""

    axes: str
    """One letter an axis of the layer."""
    shape: tuple[int, ...]
    """Voxels along each, of its finest level."""
    corners: Sequence[Sequence[float]]
    """The first and the last visible voxel, shape (2, ndim): `corner_pixels`, in voxels of the
    level that is shown."""
    displayed: tuple[int, ...]
    """Numbers of the axes that are displayed; corners of others mean nothing."""
    point: tuple[float, ...]
    """World position of the sliders, along each axis of the layer."""
    scale: tuple[float, ...]
    """Size of a voxel."""
    translate: tuple[float, ...]
    """World position of the centre of the first voxel."""
    factors: tuple[float, ...] | None = None
    """Of a layer with levels: voxels of the finest that one of the shown level covers."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is visible of a layer."""

    spans: Spans
    """By axis, the first voxel and the first one outside, in the layer's own voxels."""
    is_part: bool
    """Whether more is visible than is computed at once."""


def seen(layer: Layer, *, most: int = MOST) -> Seen | None:
    """Return what is visible of a layer; None: nothing of it is.

    Parameters
    ----------
    layer : Layer
        The layer, and where the viewer looks at it.
    most : int
        Voxels that are taken at most, from the middle of what is visible.

    Returns
    -------
    Seen or None
        Along displayed axes what lies between the corners, along others the plane at the slider.
    """
    spans: Spans = {}
    for number, (axis, size) in enumerate(zip(layer.axes, layer.shape, strict=True)):
        if number in layer.displayed:
            factor = 1.0 if layer.factors is None else layer.factors[number]
            first, last = (float(corner[number]) for corner in layer.corners)
            low, high = math.floor(first * factor), math.ceil((last + 1) * factor)
            is_beside = last <= first and size > 1
        else:
            place = (layer.point[number] - layer.translate[number]) / layer.scale[number]
            low = math.floor(place + 0.5)
            high, is_beside = low + 1, not 0 <= low < size
        low, high = max(low, 0), min(high, size)
        if is_beside or low >= high:
            return None
        spans[axis] = (low, high)
    cut = _middle(spans, [layer.axes[n] for n in layer.displayed], most)
    return Seen(cut, cut != spans)


def _middle(spans: Spans, displayed: Sequence[str], most: int) -> Spans:
    """Return the middle of what would be too much: displayed axes are cut to one length."""
    lengths = {axis: high - low for axis, (low, high) in spans.items()}

    def count(side: int) -> int:
        return math.prod(min(n, side) if a in displayed else n for a, n in lengths.items())

    sides = range(1, max(lengths[axis] for axis in displayed) + 1)
    side = sides[max(bisect.bisect_right(sides, most, key=count) - 1, 0)]
    cut = dict(spans)
    for axis in displayed:
        length, (low, _) = min(lengths[axis], side), spans[axis]
        start = low + (lengths[axis] - length) // 2
        cut[axis] = (start, start + length)
    return cut


def spans_in(found: Seen, reference: PlacedImage, result: PlacedImage) -> Spans | None:
    """Return what is visible of a result, in the frame of its uncropped image.

    Parameters
    ----------
    found : Seen
        What is visible of the layer of `reference`.
    reference : PlacedImage
        The image that the layer shows.
    result : PlacedImage
        The result; where both have voxel sizes, it is found by its place in the world, else its
        voxels are taken to be those of the reference.

    Returns
    -------
    dict or None
        By axis of the result; axes that the reference has not are left out, so they are whole.
        None: the result does not lie there.
    """
    factor = _factor(result.unit, reference.unit)
    is_placed = None not in (reference.voxel_size, result.voxel_size, factor)
    places: Spans = {}
    for number, axis in enumerate(result.axes):
        if axis not in found.spans or axis not in reference.axes:
            continue
        low, high = found.spans[axis]
        start, size = result.roi.offset[number], result.shape[number]
        if is_placed and axis in SPATIAL:
            own, other = _along(result, axis, factor or 1.0), _along(reference, axis, 1.0)
            low, high = (_in_other(edge, other, own) for edge in (low, high))
        else:
            shift = reference.roi.offset[reference.axes.index(axis)] - start
            low, high = low + shift, high + shift
        low, high = max(low, 0), min(high, size)
        if low >= high:
            return None
        places[axis] = (low + start, high + start)
    return places


def _along(image: PlacedImage, axis: str, factor: float) -> tuple[float, float]:
    """Return the size of a voxel along an axis, and the centre of the first one."""
    spatial = [letter for letter in image.axes if letter in SPATIAL]
    number = spatial.index(axis)
    sizes = image.voxel_size or (1.0,) * len(spatial)
    origin = image.origin or (0.0,) * len(spatial)
    return float(sizes[number]) * factor, float(origin[number]) * factor


def _in_other(edge: int, one: tuple[float, float], other: tuple[float, float]) -> int:
    """Return the nearest edge between voxels of another grid."""
    world = one[1] + (edge - 0.5) * one[0]
    return math.floor((world - other[1]) / other[0] + 0.5 + 0.5)


def _factor(unit: str | None, to: str | None) -> float | None:
    if unit == to or unit is None or to is None:
        return 1.0
    return METRES[unit] / METRES[to] if unit in METRES and to in METRES else None

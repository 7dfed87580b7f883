"""Spans: a region by the letters of its axes, in the frame of the uncropped image.

Steps have axes in other orders, and inputs that lack some of them; a region that is handed from one
to the other is known by letters.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from scutoid.errors import GeometryError
from scutoid.geometry import Roi, RoiLike

Spans: TypeAlias = Mapping[str, tuple[int, int]]
"""First voxel, and the first one outside, of each axis."""
RegionLike: TypeAlias = RoiLike | Mapping[str, object] | Sequence[slice] | None
"""A region as users give it."""


def spans_of(axes: str, roi: Roi) -> dict[str, tuple[int, int]]:
    """Return a region by the letters of its axes."""
    return {a: (int(s), int(e)) for a, s, e in zip(axes, roi.offset, roi.end, strict=True)}


def roi_of(axes: str, spans: Spans, whole: Roi) -> Roi:
    """Return what spans take of an image; all along axes that they do not name."""
    full = spans_of(axes, whole)
    chosen = [_common(spans.get(axis, full[axis]), full[axis]) for axis in axes]
    return Roi([low for low, _ in chosen], [high - low for low, high in chosen])


def hull(one: Spans | None, other: Spans) -> dict[str, tuple[int, int]]:
    """Return the smallest spans that hold both; an axis that one does not name is whole in both."""
    if one is None:
        return dict(other)
    return {
        axis: (min(one[axis][0], other[axis][0]), max(one[axis][1], other[axis][1]))
        for axis in one
        if axis in other
    }


def grown(
    spans: Spans, by: Mapping[str, tuple[int, int]], whole: Spans
) -> dict[str, tuple[int, int]]:
    """Return spans with voxels more on both sides, as far as the image goes."""
    found = {}
    for axis, (low, high) in spans.items():
        below, above = by.get(axis, (0, 0))
        found[axis] = _common((low - below, high + above), whole.get(axis, (low, high)))
    return found


def _common(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (
        (low, high) if low < high else other if other[1] - other[0] == 1 else (low, max(low, high))
    )


def spans_given(roi: RegionLike, axes: str, whole: Roi, place: str) -> dict[str, tuple[int, int]]:
    """Return the region that a user gave.

    Parameters
    ----------
    roi : Roi, sequence of slice, mapping of axis to (start, stop), slice or int, or None
        As it was given; None is all.
    axes : str
        Axes of the image that it is a region of.
    whole : Roi
        The image's own region.
    place : str
        Whose region it is, for errors.

    Raises
    ------
    GeometryError
        If it is no region inside of the image.
    """
    full = spans_of(axes, whole)
    if roi is None:
        return full
    given = dict(full)
    try:
        if isinstance(roi, Mapping):
            given.update(
                {str(axis): _span(item, full.get(str(axis))) for axis, item in roi.items()}
            )
        elif isinstance(roi, (tuple, list)):
            pairs = zip(axes, roi, strict=True)
            given.update({axis: _span(item, full[axis]) for axis, item in pairs})
        else:
            given.update(spans_of(axes, Roi.of(roi)))  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError) as error:
        raise _no_region(roi, axes, whole, place) from error
    is_inside = all(
        axis in full and full[axis][0] <= low < high <= full[axis][1]
        for axis, (low, high) in given.items()
    )
    if not is_inside:
        raise _no_region(roi, axes, whole, place)
    return given


def _span(item: object, full: tuple[int, int] | None) -> tuple[int, int]:
    first, last = full or (0, 0)
    if isinstance(item, slice):
        if item.step not in (None, 1):
            raise ValueError(item)
        return (
            first if item.start is None else operator.index(item.start),
            last if item.stop is None else operator.index(item.stop),
        )
    if isinstance(item, (tuple, list)):
        low, high = item
        return operator.index(low), operator.index(high)
    place = operator.index(item)  # type: ignore[arg-type]
    return place, place + 1


def _no_region(roi: object, axes: str, whole: Roi, place: str) -> GeometryError:
    named = ", ".join(
        f"{axis} {low} to {high}" for axis, (low, high) in spans_of(axes, whole).items()
    )
    return GeometryError(
        f"roi= is a region inside of {named}, with a voxel or more along each axis",
        value=roi,
        place=place,
        remedy='give a Roi over all axes, a slice an axis, or {"y": (0, 512), "x": (0, 512)}',
    )

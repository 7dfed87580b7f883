"""Corrections from two states of a region: what changed, by object, with the voxels around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import Correction, bounding_box

Array = NDArray[Any]
Points = Sequence[Sequence[int]]
_MARGIN = 4
"""Around objects their box has this part of their length: what lies there counts as well where
they are looked for again."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a region lies."""

    axes: str
    """Axes of the labels."""
    object_axes: str
    """Those along which an object goes on."""
    offset: tuple[int, ...]
    """First voxel of the region, in the frame of the uncropped labels."""

    @property
    def across(self) -> list[int]:
        """Numbers of the axes that no object goes along."""
        return [n for n, axis in enumerate(self.axes) if axis not in self.object_axes]

    def places(self, shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
        """Go through the images of a region: one for each place along those axes."""
        for where in np.ndindex(*(shape[n] for n in self.across)):
            index = [slice(0, size) for size in shape]
            for axis, at in zip(self.across, where, strict=True):
                index[axis] = slice(at, at + 1)
            yield tuple(index)


def difference(before: Array, after: Array, frame: Frame) -> list[Correction]:
    """Return corrections that make `after` of `before`, in this order: one an object and place.

    Parameters
    ----------
    before, after : ndarray of integer
        Labels of a region; `before` becomes `after`.
    frame : Frame
        Where it lies.
    """
    made = []
    for place in frame.places(before.shape):
        changed = before[place] != after[place]
        if not changed.any():
            continue
        painted = np.unique(after[place][changed])
        for number in painted[painted != 0]:
            mask = changed & (after[place] == number)
            made.append(changed_to(before, place, mask, "paint", number, frame))
        erased = changed & (after[place] == 0)
        for number in np.unique(before[place][erased]):
            mask = erased & (before[place] == number)
            made.append(changed_to(before, place, mask, "erase", 0, frame))
    return made


def changed_to(
    state: Array,
    place: tuple[slice, ...],
    mask: NDArray[np.bool_],
    kind: str,
    numbers: Array | int,
    frame: Frame,
    *,
    seeds: Points = (),
) -> Correction:
    """Give the voxels of a mask, of one place of a region, their numbers; return the correction.

    `numbers` is one, or one for each voxel of the mask in C order; `seeds` are voxels of the place.
    The box of the correction holds the objects that it is about, as far as they lie in the region,
    and some margin.
    """
    part = state[place]
    about = np.union1d(part[mask], numbers)
    held = mask.copy()
    for number in about[about != 0].astype(part.dtype):
        held |= part == number
    box = _with_margin(bounding_box(held), part.shape, frame)
    start = [side.start for side in box]
    before = part[box].astype(np.uint64)
    part[mask] = numbers
    planted = np.zeros(before.shape, np.uint64) if len(seeds) else None
    for number, point in enumerate(seeds, 1):
        if planted is not None:
            planted[tuple(p - first for p, first in zip(point, start, strict=True))] = number
    offset = [
        first + at.start + inside
        for first, at, inside in zip(frame.offset, place, start, strict=True)
    ]
    return Correction(kind, frame.axes, tuple(offset), before, part[box].astype(np.uint64), planted)


def signed(
    corrections: Sequence[Correction], *, who: str, when: str, why: str, made_on: str, step: str
) -> list[Correction]:
    """Return corrections with who made them, when, why, and on what."""
    return [
        replace(each, who=who, when=when, why=why, made_on=made_on, step=step)
        for each in corrections
    ]


def _with_margin(box: tuple[slice, ...], shape: tuple[int, ...], frame: Frame) -> tuple[slice, ...]:
    grown = []
    for axis, side, size in zip(frame.axes, box, shape, strict=True):
        more = 0
        if axis in frame.object_axes:
            more = max(2, (side.stop - side.start) // _MARGIN)
        grown.append(slice(max(side.start - more, 0), min(side.stop + more, size)))
    return tuple(grown)

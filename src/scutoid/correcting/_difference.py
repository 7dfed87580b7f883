"""Corrections from two states of a region: what changed, by object, with the voxels around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import Correction, Ids, bounding_box

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


def difference(before: Ids, after: Ids, frame: Frame) -> list[Correction]:
    """Return corrections that make `after` of `before`, in this order: one an object and place.

    Parameters
    ----------
    before, after : ndarray of uint64
        Labels of a region.
    frame : Frame
        Where it lies.
    """
    made = []
    state = before.copy()
    for place in frame.places(before.shape):
        changed = state[place] != after[place]
        painted = np.unique(after[place][changed])
        for number in painted[painted != 0]:
            mask = changed & (after[place] == number)
            made.append(changed_to(state, place, mask, "paint", number, frame))
        erased = changed & (after[place] == 0)
        for number in np.unique(state[place][erased]):
            mask = erased & (state[place] == number)
            made.append(changed_to(state, place, mask, "erase", 0, frame))
    return made


def changed_to(
    state: Ids,
    place: tuple[slice, ...],
    mask: NDArray[np.bool_],
    kind: str,
    numbers: Ids | int,
    frame: Frame,
    *,
    seeds: Ids | None = None,
) -> Correction:
    """Give the voxels of a mask, of one place of a region, their numbers; return the correction.

    Its box holds the objects that it is about, as far as they lie in the region, and some margin.
    """
    part = state[place]
    new = part.copy()
    new[mask] = numbers[mask] if isinstance(numbers, np.ndarray) else numbers
    about = np.union1d(part[mask], new[mask])
    held = mask | np.isin(part, about[about != 0])
    box = _with_margin(bounding_box(held), part.shape, frame)
    correction = Correction(
        kind,
        frame.axes,
        tuple(
            first + at.start + inside.start
            for first, at, inside in zip(frame.offset, place, box, strict=True)
        ),
        part[box].copy(),
        new[box].copy(),
        None if seeds is None else seeds[box].copy(),
    )
    state[place] = new
    return correction


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

"""A region of labels while it is corrected: actions, undo, and the corrections that they make.

It knows no viewer: a viewer paints into the array `shown`, and `take_strokes` finds out where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import Correction, Ids, as_ids, bounding_box
from scutoid.correcting._difference import Frame, changed_to, difference
from scutoid.correcting._parts import parts_of
from scutoid.errors import ParameterError

Array = NDArray[Any]
Slices = tuple[slice, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """What was done at once, and is undone at once."""

    kind: str
    """A kind of correction; "paint" for strokes, which may erase as well."""
    at: NDArray[np.int64]
    """Voxels of the region that changed, as numbers in C order."""
    old: Array
    """Their labels before."""
    new: Array
    """Their labels after."""
    place: Slices | None = None
    """Of all but strokes: the image of the region that it holds for."""
    seeds: Ids | None = None
    """Of a split: the seeds in that image."""


class Editing:
    """Labels of a region, and what has been done to them since they were read.

    Examples
    --------
    >>> labels = np.array([[4, 4, 0, 7, 7, 7]])
    >>> editing = Editing(labels, Frame("yx", "yx", (0, 0)))
    >>> editing.merge([4, 7])
    >>> editing.shown[0, 0] = 0  # as a viewer does
    >>> editing.take_strokes()
    True
    >>> [(c.kind, c.objects) for c in editing.corrections()]
    [('merge', (4, 7)), ('erase', (4,))]
    >>> editing.undo(), editing.undo(), editing.shown.tolist()
    ('paint', 'merge', [[4, 4, 0, 7, 7, 7]])
    """

    def __init__(self, labels: Array, frame: Frame) -> None:
        """Begin with labels, which are copied."""
        as_ids(labels, "labels that are corrected")
        self.frame = frame
        self.shown: Array = np.array(labels, order="C")
        """What a viewer shows and paints into."""
        self._start = self.shown.copy()
        self._known = self.shown.copy()
        self._done: list[Action] = []

    @property
    def n_actions(self) -> int:
        """How much can be undone."""
        return len(self._done)

    def take_strokes(self) -> bool:
        """Note what was painted since the last call; return whether it was anything."""
        at = np.flatnonzero(self.shown != self._known)
        if not len(at):
            return False
        self._note(Action("paint", at, self._known.reshape(-1)[at], self.shown.reshape(-1)[at]))
        return True

    def new_number(self) -> int:
        """Return a number that no object of the region has or had."""
        self.take_strokes()
        return free_number(self._start, self.shown)

    def merge(self, numbers: Sequence[int], place: Slices | None = None) -> None:
        """Give objects the number of the first.

        Raises
        ------
        ParameterError
            If they are less than two objects of the region.
        """
        self.take_strokes()
        first, *others = self._checked(numbers, place, at_least=2)
        self._set("merge", np.isin(self._image(place), others), first, place)

    def delete(self, numbers: Sequence[int], place: Slices | None = None) -> None:
        """Remove objects.

        Raises
        ------
        ParameterError
            If they are no objects of the region.
        """
        self.take_strokes()
        for number in self._checked(numbers, place, at_least=1):
            self._set("delete", self._image(place) == number, 0, place)

    def split(
        self,
        number: int,
        seeds: Ids,
        place: Slices | None = None,
        *,
        spacing: Sequence[float] | None = None,
        going_on: NDArray[np.bool_] | None = None,
    ) -> None:
        """Split an object where the parts around seeds meet; see `parts_of`.

        The part with most voxels in `going_on` keeps the number; of several the largest.

        Parameters
        ----------
        number : int
            The object.
        seeds : ndarray of uint64
            Numbers of parts at voxels of the image at `place`, 0 elsewhere; only those in the
            object count.
        place : tuple of slice, optional
            As in `merge`.
        spacing : sequence of float, optional
            Size of a voxel along each axis.
        going_on : ndarray of bool, optional
            Voxels of that image at which objects may go on outside of the region.

        Raises
        ------
        ParameterError
            If there is no such object, or there are seeds of less than two parts in it.
        """
        self.take_strokes()
        self._checked([number], place, at_least=1)
        image = self._image(place)
        mask = image == image.dtype.type(number)
        inside = np.where(mask, seeds, 0).astype(np.uint64)
        box = bounding_box(mask)
        parts = parts_of(mask[box], inside[box], spacing)
        if going_on is not None:
            parts.sort(key=lambda part: int(np.count_nonzero(part & going_on[box])), reverse=True)
        if len(parts) < 2:
            raise ParameterError(
                "an object is split by seeds of two parts or more in it",
                value=f"{len(parts)} in object {number}",
                place="split",
                remedy="set a seed in each part first",
            )
        after = image.copy()
        for part in parts[1:]:
            after[box][part] = free_number(self._start, self.shown, after)
        self._set("split", mask & (after != image), after, place, seeds=inside)

    def undo(self) -> str | None:
        """Take the last action back; return its kind, None if there is none."""
        self.take_strokes()
        if not self._done:
            return None
        action = self._done.pop()
        for array in (self.shown, self._known):
            array.reshape(-1)[action.at] = action.old
        return action.kind

    def settle(self) -> None:
        """Begin anew from the labels as they are; nothing before can be undone."""
        self.take_strokes()
        self._start = self.shown.copy()
        self._done = []

    def corrections(self) -> list[Correction]:
        """Return what was done as corrections, in order; strokes in a row by their objects."""
        self.take_strokes()
        made: list[Correction] = []
        state = self._start.astype(np.uint64)
        painted = state.copy()
        for action in self._done:
            if action.kind == "paint":
                painted.reshape(-1)[action.at] = action.new.astype(np.uint64)
                continue
            made += difference(state, painted, self.frame)
            made.append(self._correction(painted, action))
            state = painted.copy()
        return [*made, *difference(state, painted, self.frame)]

    def _correction(self, state: Ids, action: Action) -> Correction:
        """Return the correction of one action, which is applied to the state."""
        place = action.place or self._all()
        after = state.copy()
        after.reshape(-1)[action.at] = action.new.astype(np.uint64)
        mask = after[place] != state[place]
        return changed_to(
            state, place, mask, action.kind, after[place], self.frame, seeds=action.seeds
        )

    def _image(self, place: Slices | None) -> Array:
        return self.shown[place or self._all()]

    def _all(self) -> Slices:
        """Return the place of a region of one image."""
        first, *others = self.frame.places(self.shown.shape)
        if others:
            raise ParameterError(
                "an object is that of one image",
                value=f"{len(others) + 1} along {self.frame.axes!r} in the region",
                place="the labels that are corrected",
                remedy="give its place",
            )
        return first

    def _checked(self, numbers: Sequence[int], place: Slices | None, *, at_least: int) -> list[int]:
        image = self._image(place)
        known = list(dict.fromkeys(int(n) for n in numbers if n))
        missing = [n for n in known if not np.any(image == image.dtype.type(n))]
        if len(known) < at_least or missing:
            raise ParameterError(
                "objects that are corrected lie in the region"
                + (", two or more of them to be merged" if at_least > 1 else ""),
                value=f"object {missing[0]}" if missing else f"{len(known)} picked",
                place="the labels that are corrected",
                remedy="pick them first: Shift and a click on each",
            )
        return known

    def _set(
        self,
        kind: str,
        mask: NDArray[np.bool_],
        numbers: Array | int,
        place: Slices | None,
        *,
        seeds: Ids | None = None,
    ) -> None:
        """Give voxels of one image their numbers, as one action."""
        where = place or self._all()
        changed = self.shown.copy()
        part = changed[where]
        part[mask] = numbers[mask] if isinstance(numbers, np.ndarray) else numbers
        at = np.flatnonzero(changed != self.shown)
        flat = self.shown.reshape(-1)
        action = Action(kind, at, flat[at], changed.reshape(-1)[at], where, seeds)
        flat[at] = action.new
        self._note(action)

    def _note(self, action: Action) -> None:
        self._known.reshape(-1)[action.at] = action.new
        self._done.append(action)


def free_number(*labels: Array) -> int:
    """Return a number that no object of arrays of one type has: above all, else the least free.

    Raises
    ------
    ParameterError
        If there is none.
    """
    dtype = labels[0].dtype
    greatest = max(int(each.max(initial=0)) for each in labels)
    if greatest < np.iinfo(dtype).max:
        return greatest + 1
    seen = np.unique(np.concatenate([[dtype.type(0)], *(each.ravel() for each in labels)]))
    gaps = np.flatnonzero(seen != np.arange(len(seen)).astype(dtype))
    if not len(gaps):
        raise ParameterError(
            "a new object has a number that no other has",
            value=f"dtype {dtype}, all numbers are taken",
            place="the labels that are corrected",
            remedy='give the labels a wider type: sc.label(mask, dtype="uint64")',
        )
    return int(gaps[0])

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
from scutoid.correcting._difference import Frame, Points, changed_to, difference
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
    seeds: Points = ()
    """Of a split: the seeds, voxels of that image."""


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
        image = self._image(place)
        mask = np.zeros(image.shape, bool)
        for number in others:
            mask |= image == image.dtype.type(number)
        self._set("merge", mask, first, place)

    def delete(self, numbers: Sequence[int], place: Slices | None = None) -> None:
        """Remove objects.

        Raises
        ------
        ParameterError
            If they are no objects of the region.
        """
        self.take_strokes()
        for number in self._checked(numbers, place, at_least=1):
            self._set("delete", self._image(place) == self.shown.dtype.type(number), 0, place)

    def split(
        self,
        number: int,
        seeds: Points,
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
        seeds : sequence of voxels
            One for each part, in the image at `place`.
        place : tuple of slice, optional
            As in `merge`.
        spacing : sequence of float, optional
            Size of a voxel along each axis.
        going_on : ndarray of bool, optional
            Voxels of that image at which objects may go on outside of the region.

        Raises
        ------
        ParameterError
            If there is no such object, or there are less than two seeds in it.
        """
        self.take_strokes()
        self._checked([number], place, at_least=1)
        image = self._image(place)
        mask = image == image.dtype.type(number)
        inside = list(dict.fromkeys(tuple(seed) for seed in seeds if mask[tuple(seed)]))
        if len(inside) < 2:
            raise ParameterError(
                "an object is split by two seeds or more in it",
                value=f"{len(inside)} in object {number}",
                place="split",
                remedy="set a seed in each part first",
            )
        box = bounding_box(mask)
        planted: Ids = np.zeros(mask[box].shape, np.uint64)
        for part, seed in enumerate(inside, 1):
            planted[tuple(at - side.start for at, side in zip(seed, box, strict=True))] = part
        parts = parts_of(mask[box], planted, spacing)
        if going_on is not None:
            parts.sort(key=lambda part: int(np.count_nonzero(part & going_on[box])), reverse=True)
        after = image[box].copy()
        for each in parts[1:]:
            after[each] = free_number(self._start, self.shown, after)
        changed = np.zeros(mask.shape, bool)
        changed[box] = after != image[box]
        self._set("split", changed, after[changed[box]], place, seeds=inside)

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
        state = self._start.copy()
        strokes: list[Action] = []
        for action in self._done:
            if action.kind == "paint":
                strokes.append(action)
                continue
            made += self._painted(state, strokes)
            strokes.clear()
            made.append(self._correction(state, action))
        return [*made, *self._painted(state, strokes)]

    def _painted(self, state: Array, strokes: Sequence[Action]) -> list[Correction]:
        """Return the corrections of strokes in a row, which are applied to the state."""
        if not strokes:
            return []
        after = state.copy()
        for stroke in strokes:
            after.reshape(-1)[stroke.at] = stroke.new
        return difference(state, after, self.frame)

    def _correction(self, state: Array, action: Action) -> Correction:
        """Return the correction of one action, which is applied to the state."""
        place = action.place or self._all()
        mask = np.zeros(state.shape, bool)
        mask.reshape(-1)[action.at] = True
        return changed_to(
            state, place, mask[place], action.kind, action.new, self.frame, seeds=action.seeds
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
        seeds: Points = (),
    ) -> None:
        """Give the voxels of a mask in one image their numbers, as one action."""
        where = place or self._all()
        whole = np.zeros(self.shown.shape, bool)
        whole[where] = mask
        at = np.flatnonzero(whole)
        flat = self.shown.reshape(-1)
        old = flat[at]
        flat[at] = numbers
        self._note(Action(kind, at, old, flat[at], where, seeds))

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

"""What corrections mean for labels as they are now: which objects, which numbers, which voxels.

Corrections are taken in order, each on the labels as those before it left them.  Its objects are
found by overlap of the voxels that it has stored; what a correction changes is noted as voxels
with their new numbers (`Edit`) and as objects that got another number (`Renaming`).  Only the boxes
of corrections are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import WHOLE, Correction, Ids
from scutoid.geometry import Roi

Place = tuple[int, ...]
"""Where an image lies along the axes that no object goes along."""


@dataclass(slots=True)
class Edit:
    """Voxels with their new numbers."""

    box: Roi
    """The box."""
    place: Place
    """Where it lies along the axes that no object goes along."""
    mask: NDArray[np.bool_]
    """Which voxels of the box are changed."""
    ids: Ids
    """Their numbers, of the shape of the box; they change with later mergers."""


@dataclass(frozen=True, slots=True)
class Unapplied:
    """A correction that does not apply."""

    number: int
    """Which one, counted from 0."""
    reason: str
    """Why."""


class NoFreeNumber(Exception):
    """The dtype of the labels has no number for one more object."""


class FreshIds:
    """Numbers that no object has: above the greatest, then those that are free below it."""

    def __init__(self, greatest: int, largest: int, seen: Callable[[], Ids]) -> None:
        """Start from the greatest that is taken, the largest that can be, and all, sorted."""
        self._next = greatest + 1
        self._largest = largest
        self._gaps = _gaps(seen)

    def take(self) -> int:
        """Return the next number.

        Raises
        ------
        NoFreeNumber
            If there is none.
        """
        if self._next <= self._largest:
            self._next += 1
            return self._next - 1
        try:
            return next(self._gaps)
        except StopIteration:
            raise NoFreeNumber from None


def _gaps(seen: Callable[[], Ids]) -> Iterator[int]:
    last = 0
    for number in seen().tolist():
        yield from range(last + 1, number)
        last = number


class Renaming:
    """Which objects have another number now, at each place; 0: they were removed."""

    def __init__(self) -> None:
        self._now: dict[Place, dict[int, int]] = defaultdict(dict)
        self._held: dict[Place, dict[int, set[int]]] = defaultdict(dict)

    def rename(self, place: Place, old: int, new: int) -> None:
        """Give what is called `old` now the number `new`."""
        now, held = self._now[place], self._held[place]
        moved = held.pop(old, set()) | ({old} - now.keys())
        now.update(dict.fromkeys(moved, new))
        held.setdefault(new, set()).update(moved)

    def of(self, place: Place, ids: Ids) -> tuple[Ids, Ids]:
        """Return those of the sorted `ids` that are called otherwise now, and how."""
        now = self._now.get(place)
        if not now or not len(ids):
            return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        if len(ids) < len(now):
            old = np.array([number for number in ids.tolist() if number in now], np.uint64)
        else:
            old = np.array(sorted(now), np.uint64)
            old = old[np.isin(old, ids)]
        return old, np.array([now[int(n)] for n in old], np.uint64)


class Edits:
    """Edits in order, found by where they lie and by the numbers that they give."""

    def __init__(self, ndim: int) -> None:
        self.all: list[Edit] = []
        self._low = np.zeros((16, ndim), np.int64)
        self._high = np.zeros((16, ndim), np.int64)
        self._giving: dict[tuple[Place, int], list[Edit]] = defaultdict(list)

    def append(self, edit: Edit) -> None:
        """Add one."""
        n = len(self.all)
        if n == len(self._low):
            self._low, self._high = (np.concatenate([a, a]) for a in (self._low, self._high))
        self._low[n], self._high[n] = tuple(edit.box.offset), tuple(edit.box.end)
        self.all.append(edit)
        for number in np.unique(edit.ids[edit.mask]).tolist():
            self._giving[edit.place, number].append(edit)

    def near(self, box: Roi) -> list[Edit]:
        """Return those whose boxes have voxels in another, in order."""
        n = len(self.all)
        is_near = (self._low[:n] < tuple(box.end)) & (self._high[:n] > tuple(box.offset))
        return [self.all[number] for number in np.flatnonzero(is_near.all(axis=1))]

    def rename(self, place: Place, old: int, new: int) -> None:
        """Let them give another number."""
        for edit in self._giving.pop((place, old), []):
            edit.ids[edit.ids == old] = new
            self._giving[place, new].append(edit)


class Resolution:
    """What corrections come to, on labels that are read by box."""

    def __init__(
        self,
        read: Callable[[int, Roi], Ids | None],
        fresh: FreshIds,
        *,
        axes: str,
        object_axes: str,
        overlap: float,
    ) -> None:
        """Begin.

        Parameters
        ----------
        read : function of a correction's number and its box
            Returns the labels there, uint64; None where the box is not inside of them.
        fresh : FreshIds
            Numbers for new objects.
        axes, object_axes : str
            Of the labels; those along which an object goes on.
        overlap : float
            Part of what an object as stored and an object of the labels have together that both
            must have, for them to be one.
        """
        self._read = read
        self._fresh = fresh
        self._across = [n for n, axis in enumerate(axes) if axis not in object_axes]
        self._overlap = overlap
        self.edits = Edits(len(axes))
        self.renaming = Renaming()
        self.unapplied: list[Unapplied] = []

    def apply(self, corrections: Iterable[Correction]) -> Resolution:
        """Take corrections in order; return itself."""
        for number, correction in enumerate(corrections):
            reason = self._apply(number, correction)
            if reason is not None:
                self.unapplied.append(Unapplied(number, reason))
        return self

    def place_of(self, box: Roi) -> Place:
        """Return where a box lies along the axes that no object goes along."""
        return tuple(box.offset[n] for n in self._across)

    def _apply(self, number: int, correction: Correction) -> str | None:
        """Take one; return why it does not apply."""
        box = correction.box
        labels = self._read(number, box)
        if labels is None:
            return f"the labels do not reach as far as its box, {box}"
        place = self.place_of(box)
        now = self._as_now(labels, box, place)
        found: dict[int, int] = {}
        for stored in correction.objects:
            match, iou = best_match(correction.before == stored, now)
            if iou < self._overlap:
                return _not_there(stored, match, iou)
            if match in found.values():
                other = next(s for s, m in found.items() if m == match)
                return f"objects {other} and {stored} are one now, object {match}"
            found[stored] = match
        for new in correction.new_objects:
            match, iou = best_match(correction.after == new, now)
            if iou >= self._overlap and match not in found.values():
                return f"its new object is there already, object {match} (overlap {iou:.2f})"
        if correction.kind in WHOLE:
            self._rename(place, correction, found)
        else:
            numbers = found | {new: self._fresh.take() for new in correction.new_objects}
            self._edit(place, correction, numbers, now)
        return None

    def _as_now(self, labels: Ids, box: Roi, place: Place) -> Ids:
        """Return labels of a box as the corrections so far left them."""
        now = replaced(labels, *self.renaming.of(place, np.unique(labels)))
        for edit in self.edits.near(box):
            shared = edit.box.intersect(box)
            into, of = shared.to_slices(box.offset), shared.to_slices(edit.box.offset)
            now[into] = np.where(edit.mask[of], edit.ids[of], now[into])
        return now

    def _rename(self, place: Place, correction: Correction, found: dict[int, int]) -> None:
        """Merge or delete whole objects."""
        changed = correction.changed
        for stored, number in found.items():
            own = changed & (correction.before == stored)
            if not own.any():
                continue
            into = int(correction.after[own][0])
            new = found.get(into, 0)
            self.renaming.rename(place, number, new)
            self.edits.rename(place, number, new)

    def _edit(
        self, place: Place, correction: Correction, numbers: dict[int, int], now: Ids
    ) -> None:
        """Give voxels their numbers."""
        mask, after = correction.changed, correction.after
        if correction.kind == "split":
            mask, after = _grown(correction, now, numbers)
        known = np.array(sorted(numbers), np.uint64)
        ids = replaced(after, known, np.array([numbers[int(n)] for n in known], np.uint64))
        self.edits.append(Edit(correction.box, place, mask & (ids != now), ids))


def best_match(mask: NDArray[np.bool_], labels: Ids) -> tuple[int, float]:
    """Return the object that has most together with a mask, and the intersection over union.

    0 and 0.0 where there is none.
    """
    numbers, shared = np.unique(labels[mask], return_counts=True)
    is_object = numbers != 0
    numbers, shared = numbers[is_object], shared[is_object]
    if not len(numbers):
        return 0, 0.0
    sizes = np.array([np.count_nonzero(labels == number) for number in numbers])
    overlaps = shared / (np.count_nonzero(mask) + sizes - shared)
    best = int(np.argmax(overlaps))
    return int(numbers[best]), float(overlaps[best])


def replaced(labels: Ids, old: Ids, new: Ids) -> Ids:
    """Return a copy of labels with the numbers of `old`, sorted, replaced by those of `new`."""
    if not len(old):
        return labels.copy()
    at = np.searchsorted(old, labels)
    at[at == len(old)] = 0
    return np.where(old[at] == labels, new[at], labels)


def _not_there(stored: int, match: int, iou: float) -> str:
    if match == 0:
        return f"object {stored} is not there: no object lies where it was"
    return f"object {stored} is not there: object {match} has most of it, overlap {iou:.2f}"


def _grown(
    correction: Correction, now: Ids, numbers: dict[int, int]
) -> tuple[NDArray[np.bool_], Ids]:
    """Return where the objects that are split lie now, and the part of each voxel.

    A voxel that was not of the object when it was split goes to the nearest part, by voxels.
    """
    from scipy import ndimage

    is_split = np.isin(correction.before, np.unique(correction.before[correction.changed]))
    whole = np.isin(now, [numbers[int(n)] for n in np.unique(correction.before[is_split])])
    after = correction.after
    if np.any(whole & ~is_split):
        nearest = ndimage.distance_transform_edt(
            ~is_split, return_distances=False, return_indices=True
        )
        after = np.where(is_split, after, after[tuple(nearest)])
    return whole, after


def edits_within(edits: Edits, region: Roi) -> tuple[NDArray[np.int64], Ids]:
    """Return the places in a region that are changed, as numbers in C order, and their numbers."""
    at: list[NDArray[np.int64]] = []
    ids: list[Ids] = []
    for edit in edits.near(region):
        shared = edit.box.intersect(region)
        inside = np.nonzero(edit.mask[shared.to_slices(edit.box.offset)])
        first = [s - r for s, r in zip(shared.offset, region.offset, strict=True)]
        moved = tuple(i + start for i, start in zip(inside, first, strict=True))
        at.append(np.ravel_multi_index(moved, tuple(region.shape)).astype(np.int64))
        ids.append(edit.ids[shared.to_slices(edit.box.offset)][inside])
    if not at:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    places, numbers = np.concatenate(at)[::-1], np.concatenate(ids)[::-1]
    kept, last = np.unique(places, return_index=True)  # the first of each: the last that was made
    return kept, numbers[last]

"""One correction: the voxels of a box before and after, and who made it, when and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.geometry import Roi

KINDS = ("paint", "erase", "merge", "split", "delete")
WHOLE = frozenset({"merge", "delete"})
"""Kinds that hold for the whole object, also where it leaves the box."""
Ids = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """A difference of labels within a box.

    Numbers name objects within this correction only.  What is in `after` and not in `before` is a
    new object.
    """

    kind: str
    """One of paint, erase, merge, split and delete."""
    axes: str
    """A letter for each axis of the box."""
    offset: tuple[int, ...]
    """First voxel of the box, in the frame of the uncropped labels."""
    before: Ids
    """The labels as they were, of the shape of the box."""
    after: Ids
    """The labels as they should be, of the same shape."""
    seeds: Ids | None = None
    """Of a split: the seeds that were set, by the number of the part; 0 elsewhere."""
    who: str = ""
    """Name of the person."""
    when: str = ""
    """Time of the correction, UTC, in ISO 8601."""
    why: str = ""
    """Reason, in the person's words."""
    made_on: str = ""
    """Key of the result that was corrected; empty where it was not stored."""
    step: str = ""
    """Name of that result's step."""

    def __post_init__(self) -> None:
        arrays = [self.before, self.after, *([] if self.seeds is None else [self.seeds])]
        is_offset = len(self.offset) == len(self.axes) and min(self.offset, default=0) >= 0
        for is_right, rule, value in (
            (self.kind in KINDS, f"a correction is one of {', '.join(KINDS)}", self.kind),
            (
                all(a.dtype == np.uint64 and a.shape == self.before.shape for a in arrays),
                "the voxels of a correction are uint64, of one shape",
                [(str(a.dtype), a.shape) for a in arrays],
            ),
            (
                self.before.ndim == len(self.axes) and is_offset,
                "the box of a correction has each axis of the labels, and begins at 0 or more",
                f"axes {self.axes!r}, offset {self.offset}, shape {self.before.shape}",
            ),
            (
                not np.array_equal(self.before, self.after),
                "a correction changes some voxel",
                f"none of {self.before.size} differs",
            ),
        ):
            if not is_right:
                raise ParameterError(rule, value=value, place="Correction")
        given = np.unique(self.after[self.changed])
        is_merger = not self.new_objects and bool(np.all(given != 0))
        if not {"merge": is_merger, "delete": not given.any()}.get(self.kind, True):
            raise ParameterError(
                "a merger gives objects the number of another one in its box, a deletion gives 0",
                value=f"a {self.kind} that gives {', '.join(map(str, given[:5].tolist()))}",
                place="Correction",
                remedy="what gives voxels other numbers is a paint",
            )

    @property
    def box(self) -> Roi:
        """What it is about, in the frame of the uncropped labels."""
        return Roi(self.offset, self.before.shape)

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Which voxels of the box differ."""
        changed: NDArray[np.bool_] = self.before != self.after
        return changed

    @property
    def objects(self) -> tuple[int, ...]:
        """Numbers of the objects that it is about: as changed voxels were, and as they became."""
        changed = self.changed
        ids = np.union1d(self.before[changed], self.after[changed])
        return tuple(int(n) for n in ids[np.isin(ids, self.before) & (ids != 0)])

    @property
    def new_objects(self) -> tuple[int, ...]:
        """Numbers of the objects that it makes."""
        ids = np.unique(self.after[self.changed])
        return tuple(int(n) for n in ids[~np.isin(ids, self.before) & (ids != 0)])


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box that holds all that is set in a mask that has something set."""
    return tuple(_extents(mask))


def _extents(mask: NDArray[np.bool_]) -> Iterator[slice]:
    for axis in range(mask.ndim):
        others = tuple(n for n in range(mask.ndim) if n != axis)
        (held,) = np.nonzero(mask.any(axis=others))
        yield slice(int(held[0]), int(held[-1]) + 1)


def as_ids(labels: NDArray[Any], place: str) -> Ids:
    """Return labels as uint64.

    Raises
    ------
    ParameterError
        If they are no integers, or one is negative.
    """
    if labels.dtype.kind not in "iu":
        raise ParameterError(
            "labels are integers, 0 for background",
            value=f"dtype {labels.dtype}",
            place=place,
            remedy="number the objects first: sc.label(mask)",
        )
    if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
        raise ParameterError(
            "labels are 0 for the background and positive for objects",
            value=int(labels.min()),
            place=place,
            remedy="set what is not an object to 0 first",
        )
    return labels.astype(np.uint64)

"""Proof-reading of labels region by region, without a window: what is done, undone and saved."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import Correction, Ids
from scutoid.correcting._difference import Frame, signed
from scutoid.correcting._editing import Editing, Slices
from scutoid.correcting._folder import Corrections
from scutoid.correcting._region import labels_now
from scutoid.correcting._resolve import Unapplied
from scutoid.errors import ParameterError
from scutoid.geometry import Roi
from scutoid.steps import Image


class Proofreading:
    """Labels, a folder of corrections, and what was corrected and is not saved.

    Regions are corrected one after the other; what was done in one is kept when the next is opened.
    """

    def __init__(
        self, labels: Image, folder: Corrections, region: Roi, *, who: str | None = None
    ) -> None:
        """Open a region of labels, with the corrections in the folder applied."""
        self.labels = labels
        self.folder = folder
        self.who = _user() if who is None else who
        self.unapplied: list[Unapplied] = []
        """Corrections that do not apply to these labels."""
        self._saved = list(folder)
        self._waiting: list[Correction] = []
        self._read: dict[Roi, Ids] = {}
        self._open(region)

    def _open(self, region: Roi) -> None:
        frame = Frame(self.labels.axes, self.folder.object_axes, tuple(region.offset))
        made = [*self._saved, *self._waiting]
        along = self.folder.object_axes
        found, self.unapplied = labels_now(self.labels, region, made, along, self._read)
        self.region = region
        self.editing = Editing(found, frame)

    @property
    def shown(self) -> NDArray[Any]:
        """The labels of the region, which a viewer shows and paints into."""
        return self.editing.shown

    @property
    def n_unsaved(self) -> int:
        """How many actions are not saved."""
        self.editing.take_strokes()
        return self.editing.n_actions + len(self._waiting)

    def go_to(self, region: Roi) -> None:
        """Open another region; what was done is kept, to be saved with what is done there."""
        self._waiting += self._signed("")
        self._open(region)

    def place_at(self, point: Sequence[int]) -> Slices:
        """Return the image of the region that a voxel of the region lies in."""
        index = [slice(0, size) for size in self.shown.shape]
        for axis in self.editing.frame.across:
            index[axis] = slice(point[axis], point[axis] + 1)
        return tuple(index)

    def object_at(self, point: Sequence[int]) -> int:
        """Return the number of the object at a voxel of the region; 0 outside."""
        inside = all(0 <= at < size for at, size in zip(point, self.shown.shape, strict=True))
        return int(self.shown[tuple(point)]) if inside else 0

    def leaves_region(self, number: int, place: Slices) -> bool:
        """Whether an object may go on outside of the region."""
        mask = self.shown[place] == self.shown.dtype.type(number)
        return bool(np.any(mask & self._going_on(place)))

    def _going_on(self, place: Slices) -> NDArray[np.bool_]:
        """Return the voxels of an image that lie at a side of the region within the labels."""
        inner = []
        for axis, side in enumerate(place):
            low = self.region.offset[axis] > self.labels.roi.offset[axis]
            high = self.region.end[axis] < self.labels.roi.end[axis]
            is_across = axis in self.editing.frame.across
            length = side.stop - side.start
            inner.append(slice(0, length) if is_across else slice(int(low), length - int(high)))
        sides = np.ones(self.shown[place].shape, bool)
        sides[tuple(inner)] = False
        return sides

    def split_by_points(self, points: Sequence[Sequence[int]]) -> tuple[int, ...]:
        """Split each object that has two points or more; return the objects.

        Raises
        ------
        ParameterError
            If none has.
        """
        by_object: dict[tuple[int, tuple[int, ...]], list[Sequence[int]]] = {}
        across = self.editing.frame.across
        for point in points:
            number = self.object_at(point)
            if number:
                key = (number, tuple(point[axis] for axis in across))
                by_object.setdefault(key, []).append(point)
        several = {key: held for key, held in by_object.items() if len(held) > 1}
        if not several:
            raise ParameterError(
                "an object is split by two seeds or more in it",
                value=f"{len(points)} seeds, in {len(by_object)} objects",
                place="split",
                remedy="set a seed in each part first",
            )
        for (number, _), held in several.items():
            self._split(number, held)
        return tuple(number for number, _ in several)

    def _split(self, number: int, points: Sequence[Sequence[int]]) -> None:
        place = self.place_at(points[0])
        first = [side.start for side in place]
        seeds = [[at - start for at, start in zip(p, first, strict=True)] for p in points]
        self.editing.split(
            number, seeds, place, spacing=self._spacing(), going_on=self._going_on(place)
        )

    def _spacing(self) -> list[float] | None:
        sizes = self.labels.voxel_size
        if sizes is None:
            return None
        spatial = [axis for axis in self.labels.axes if axis in "zyx"]
        known = dict(zip(spatial, sizes, strict=True))
        return [known.get(axis, 1.0) for axis in self.labels.axes]

    def undo(self) -> str | None:
        """Take the last action back; return its kind, None if all is saved.

        What was done in an earlier region is taken back one correction at a time.
        """
        undone = self.editing.undo()
        if undone is None and self._waiting:
            undone = self._waiting.pop().kind
            self._open(self.region)
        return undone

    def save(self, why: str = "") -> int:
        """Append what was done to the folder; return how many corrections it made.

        Raises
        ------
        OSError
            If it cannot be written; what was written before stays, and the rest is kept.
        """
        self._waiting += self._signed("")
        self._waiting = [replace(each, why=each.why or why) for each in self._waiting]
        self.editing.settle()
        saved = 0
        while self._waiting:
            self.folder.append(self._waiting[0])
            self._saved.append(self._waiting.pop(0))
            saved += 1
        return saved

    def discard(self) -> None:
        """Take back all that is not saved."""
        self._waiting.clear()
        self._open(self.region)

    def _signed(self, why: str) -> list[Correction]:
        return signed(
            self.editing.corrections(),
            who=self.who,
            when=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            why=why,
            **made_on(self.labels),
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container that has no name for it
        return ""


def made_on(labels: Image) -> Mapping[str, str]:
    """Return the key and the step of labels; no key where they are not stored."""
    node = labels.read_ref.node
    key = getattr(node, "stored_key", "")
    return {"made_on": str(key), "step": labels.name}

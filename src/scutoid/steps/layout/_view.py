"""Views: a part of an image, by slices and single places, read lazily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ImageSpec, Readable, TimeScale
from scutoid.errors import GeometryError
from scutoid.geometry import Coordinate, Roi
from scutoid.steps.layout._placement import Framed

T = TypeVar("T")
Pick = int | tuple[int, int]


@dataclass(frozen=True, slots=True)
class View:
    """Which part of each axis of an image is taken: a half-open range, or one place."""

    picks: tuple[Pick, ...]
    """An entry an axis of the uncropped image: ``(start, stop)``, or one index, whose axis goes."""

    @classmethod
    def whole(cls, shape: Sequence[int]) -> View:
        """Take everything."""
        return cls(tuple((0, size) for size in shape))

    @property
    def kept(self) -> tuple[int, ...]:
        """Axes that stay."""
        return tuple(axis for axis, pick in enumerate(self.picks) if isinstance(pick, tuple))

    def narrow(self, index: object) -> View:
        """Apply a numpy index (slices of step 1, integers, an ellipsis) to what this view takes.

        Raises
        ------
        GeometryError
            For other indices, and integers outside.
        """
        items = list(index) if isinstance(index, tuple) else [index]
        if sum(item is Ellipsis for item in items) > 1:
            raise GeometryError("an index has one ellipsis at most", value=index)
        if Ellipsis in [item for item in items if item is Ellipsis]:
            at = next(i for i, item in enumerate(items) if item is Ellipsis)
            items[at : at + 1] = [slice(None)] * (len(self.kept) - len(items) + 1)
        if len(items) > len(self.kept):
            raise GeometryError(
                f"an image with {len(self.kept)} axes takes as many indices", value=len(items)
            )
        picks = list(self.picks)
        for axis, item in zip(self.kept, items, strict=False):
            picks[axis] = _narrow(picks[axis], item)
        return View(tuple(picks))

    def apply(self, framed: Framed) -> Framed:
        """Describe what the view shows of an image."""
        spec = framed.spec
        shape = [stop - start for start, stop in self._ranges()]
        axes = "".join(spec.axes[axis] for axis in self.kept)
        spatial = [axis for axis in self.kept if spec.axes[axis] in spec.spatial_axes]
        starts = {axis: start for axis, (start, _) in zip(self.kept, self._ranges(), strict=True)}
        known_sizes = origin = None
        sizes = spec.sizes
        if sizes:
            known_sizes = tuple(sizes.get(spec.axes[axis]) for axis in spatial) or None
            base = dict(zip(spec.spatial_axes, spec.origin or (0.0,) * 3, strict=False))
            origin = tuple(
                base[letter] + starts[a] * sizes.get(letter, 0.0)
                for a in spatial
                for letter in spec.axes[a]
            )
        return Framed(
            ImageSpec(
                tuple(shape),
                spec.dtype,
                axes,
                known_sizes=known_sizes,
                unit=spec.unit if spatial else None,
                origin=origin or None,
                channels=self._channels(spec.channels, spec, axes),
                display=self._channels(spec.display, spec, axes),
                time=self._time(spec, axes),
                notes=spec.notes,
            ),
            Coordinate(*(framed.offset[axis] + starts[axis] for axis in self.kept)),
            tuple(framed.chunks[axis] for axis in self.kept),
        )

    def _time(self, spec: ImageSpec, axes: str) -> TimeScale | None:
        if spec.time is None or "t" not in axes:
            return None
        pick = self.picks[spec.axes.index("t")]
        return spec.time.moved(pick[0]) if isinstance(pick, tuple) else None

    def _channels(self, items: tuple[T, ...], spec: ImageSpec, axes: str) -> tuple[T, ...]:
        """Return those of the channels' items that are taken."""
        if not items or "c" not in axes:
            return ()
        pick = self.picks[spec.axes.index("c")]
        return items[slice(*pick)] if isinstance(pick, tuple) else ()

    def _ranges(self) -> list[tuple[int, int]]:
        return [pick for pick in self.picks if isinstance(pick, tuple)]

    def below(self, roi: Roi) -> Roi:
        """Return the region of the image beneath that `roi` of this view shows."""
        offset, shape, at = [], [], 0
        for pick in self.picks:
            if isinstance(pick, tuple):
                offset.append(pick[0] + roi.offset[at])
                shape.append(roi.shape[at])
                at += 1
            else:
                offset.append(pick)
                shape.append(1)
        return Roi(offset, shape)


def _narrow(pick: Pick, item: object) -> Pick:
    if not isinstance(pick, tuple):
        raise GeometryError("an axis that was picked is gone", value=item)
    start, stop = pick
    if isinstance(item, slice):
        first, last, step = item.indices(stop - start)
        if step != 1:
            raise GeometryError(
                "images are cropped by slices of step 1",
                value=item,
                remedy="resample the image to another grid instead",
            )
        return (start + first, start + max(first, last))
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        place = int(item)
        if not -(stop - start) <= place < stop - start:
            raise GeometryError(f"this axis has places 0 to {stop - start - 1}", value=place)
        return stop + place if place < 0 else start + place
    raise GeometryError(
        "images are indexed lazily by slices, integers and an ellipsis",
        value=item,
        remedy="use np.asarray(image) first for other indices",
    )


@dataclass(frozen=True, slots=True)
class ViewSource:
    """A view of something readable, itself readable."""

    source: Readable
    """What lies beneath."""
    view: View
    """What is taken of it."""

    @property
    def reads_at_once(self) -> bool:
        """Whether a region is read as a whole: it may be cut otherwise than what lies beneath."""
        return True

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region, in the view's own voxels."""
        return self.source.read(self.view.below(roi)).reshape(tuple(roi.shape))


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """An array that stands for a region of a larger image; readable where it covers."""

    array: NDArray[Any]
    """The voxels."""
    roi: Roi
    """Where they lie in the image, in the image's own voxels."""

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region that the array covers; a copy."""
        return self.array[roi.to_slices(self.roi.offset)].copy()

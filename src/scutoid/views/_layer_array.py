"""An image as a viewer wants it: an array that is sliced freely and read only in the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.geometry import Roi

Pick = int | tuple[int, int]


class Readable(Protocol):
    """What is asked of an image; `scutoid.steps.Image` has it."""

    @property
    def axes(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def roi(self) -> Roi: ...

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region, given in the frame of the uncropped image."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LayerArray:
    """A lazy view of an image with its axes in the order of the viewer's.

    Slices and integers give another lazy view; ``np.asarray`` reads what is left, and no more.
    Axes that the image does not have are one voxel long.
    """

    image: Readable
    """Where voxels come from."""
    axes: str
    """The viewer's axes, outermost first."""
    picks: Mapping[str, Pick]
    """For each axis of the image and the viewer, a half-open range of voxels, or one of them."""

    @classmethod
    def of(cls, image: Readable, axes: str, *, channel: int | None = None) -> LayerArray:
        """Show all of an image, or all of one channel of it."""
        picks: dict[str, Pick] = dict.fromkeys(axes, (0, 1))
        picks |= {axis: (0, size) for axis, size in zip(image.axes, image.shape, strict=True)}
        if channel is not None:
            picks["c"] = channel
        return cls(image, axes, picks)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels on each axis that is left."""
        return tuple(stop - start for _, (start, stop) in self._kept())

    @property
    def ndim(self) -> int:
        """Number of axes that are left."""
        return len(self._kept())

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel; truth values are shown as 0 and 1."""
        return np.dtype(np.uint8) if self.image.dtype == bool else self.image.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: object) -> LayerArray | NDArray[Any]:
        items = list(index) if isinstance(index, tuple) else [index]
        dots = [place for place, item in enumerate(items) if item is Ellipsis]
        for place in dots[:1]:
            items[place : place + 1] = [slice(None)] * (self.ndim - len(items) + 1)
        picks = dict(self.picks)
        for (axis, pick), item in zip(self._kept(), items, strict=False):
            narrowed = _narrow(pick, item)
            if narrowed is None:
                # Steps, lists and masks: rare in viewers, so what they are taken from is read whole
                return np.asarray(self)[index]  # type: ignore[call-overload, no-any-return]
            picks[axis] = narrowed
        if len(items) > self.ndim:
            raise IndexError(f"too many indices: {len(items)} for {self.ndim} axes")
        return LayerArray(self.image, self.axes, picks)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        array = self._read()
        return array if dtype is None else array.astype(dtype, copy=False)

    def _kept(self) -> list[tuple[str, tuple[int, int]]]:
        return [(a, pick) for a in self.axes if isinstance(pick := self.picks[a], tuple)]

    def _read(self) -> NDArray[Any]:
        if 0 in self.shape:
            return np.zeros(self.shape, self.dtype)
        ranges = [
            pick if isinstance(pick := self.picks[axis], tuple) else (pick, pick + 1)
            for axis in self.image.axes
        ]
        local = Roi([start for start, _ in ranges], [stop - start for start, stop in ranges])
        array = np.asarray(self.image.read(local.shift(self.image.roi.offset)))
        kept = [axis for axis, _ in self._kept()]
        left = [axis for axis in self.image.axes if axis in kept]
        # The ellipsis keeps a single voxel an array
        array = array[(*(slice(None) if a in kept else 0 for a in self.image.axes), ...)]
        array = array.transpose([left.index(axis) for axis in kept if axis in left])
        array = array.reshape(self.shape)
        return array.view(np.uint8) if array.dtype == bool else array


def _narrow(pick: tuple[int, int], item: object) -> Pick | None:
    """Take a part of a range of voxels; None if the index is not a plain one."""
    start, stop = pick
    if isinstance(item, slice):
        first, last, step = item.indices(stop - start)
        return (start + first, start + max(first, last)) if step == 1 else None
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        place = int(item)
        if not start - stop <= place < stop - start:
            raise IndexError(f"index {place} is outside of an axis of {stop - start}")
        return (stop if place < 0 else start) + place
    return None

"""Regions of the voxel grid: half-open boxes of integers.

::

        offset = (1, 2)          0 1 2 3 4 5 6
        shape  = (2, 4)        0 . . . . . . .
        end    = (3, 6)        1 . . # # # # .      the end is outside
                               2 . . # # # # .
                               3 . . . . . . .
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, SupportsIndex

from scutoid.errors import GeometryError
from scutoid.geometry._coordinate import Coordinate

SnapMode = Literal["grow", "shrink"]


class RoiLike(Protocol):
    """Anything with an `offset` and a `shape`, such as a region of another library."""

    @property
    def offset(self) -> Iterable[SupportsIndex]: ...
    @property
    def shape(self) -> Iterable[SupportsIndex]: ...


@dataclass(frozen=True, slots=True, init=False)
class Roi:
    """A half-open box of voxels: from `offset` up to, and not including, `offset + shape`.

    Parameters
    ----------
    offset : sequence of int
        First voxel on each axis; may be negative.
    shape : sequence of int
        Number of voxels on each axis, 0 or more.

    Raises
    ------
    GeometryError
        If a value is not an integer, a size is negative, or the two differ in length.

    Examples
    --------
    >>> a = Roi((0, 0), (4, 4))
    >>> a.intersect(Roi((2, 3), (4, 4)))
    Roi(offset=(2, 3), shape=(2, 1))
    >>> a.grow(1).to_slices()
    (slice(-1, 5, None), slice(-1, 5, None))
    """

    offset: Coordinate
    """First voxel on each axis."""
    shape: Coordinate
    """Number of voxels on each axis."""

    def __init__(self, offset: Iterable[SupportsIndex], shape: Iterable[SupportsIndex]) -> None:
        offset = offset if type(offset) is Coordinate else Coordinate(*offset)
        shape = shape if type(shape) is Coordinate else Coordinate(*shape)
        if len(offset) != len(shape):
            raise GeometryError(
                "a region's offset and shape have the same number of axes",
                value=f"offset {tuple(offset)}, shape {tuple(shape)}",
            )
        if shape and min(shape) < 0:
            raise GeometryError(
                "a region's sizes are 0 or more",
                value=tuple(shape),
                place=f"offset {tuple(offset)}",
            )
        _set_offset(self, offset)
        _set_shape(self, shape)

    @classmethod
    def of(cls, region: RoiLike) -> Roi:
        """Convert any object with `offset` and `shape` to a `Roi`.

        Raises
        ------
        GeometryError
            If it has none.
        """
        if isinstance(region, Roi):
            return region
        if not hasattr(region, "offset") or not hasattr(region, "shape"):
            raise GeometryError(
                "a region has an offset and a shape, in voxels",
                value=f"{region!r}, a {type(region).__name__}",
                remedy="give Roi(offset=(0, 0), shape=(64, 64)), a length for each axis",
            )
        return cls(region.offset, region.shape)

    @classmethod
    def from_slices(cls, slices: Sequence[slice]) -> Roi:
        """The region of slices that have a start, a stop and no step."""
        for item in slices:
            if item.start is None or item.stop is None or item.step not in (None, 1):
                raise GeometryError(
                    "slices of a region have a start, a stop and step 1", value=item
                )
        return cls(
            (item.start for item in slices), (max(item.stop - item.start, 0) for item in slices)
        )

    @property
    def end(self) -> Coordinate:
        """First voxel outside, on each axis."""
        return self.offset + self.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def is_empty(self) -> bool:
        """Whether there is no voxel inside."""
        return 0 in self.shape

    def grow(
        self,
        low: SupportsIndex | Iterable[SupportsIndex],
        high: SupportsIndex | Iterable[SupportsIndex] | None = None,
    ) -> Roi:
        """Move the low side down by `low` and the high side up by `high` (default: `low`).

        Negative amounts shrink; an axis that would become negative raises.
        """
        before = Coordinate.of(low, self.ndim)
        after = before if high is None else Coordinate.of(high, self.ndim)
        return Roi(self.offset - before, self.shape + before + after)

    def shift(self, by: SupportsIndex | Iterable[SupportsIndex]) -> Roi:
        """The same box, moved."""
        return Roi(self.offset + Coordinate.of(by, self.ndim), self.shape)

    def intersect(self, other: RoiLike) -> Roi:
        """The voxels in both; an empty region where there are none."""
        other = self._same_axes(other)
        start = self.offset.maximum(other.offset)
        end = self.end.minimum(other.end)
        return Roi(start, (end - start).maximum(0))

    def union(self, other: RoiLike) -> Roi:
        """The smallest box that holds both; an empty region adds nothing."""
        other = self._same_axes(other)
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        start = self.offset.minimum(other.offset)
        return Roi(start, self.end.maximum(other.end) - start)

    def intersects(self, other: RoiLike) -> bool:
        """Whether at least one voxel is in both."""
        return not self.intersect(other).is_empty

    def contains(self, other: RoiLike | Iterable[SupportsIndex]) -> bool:
        """Whether a point, or every voxel of a region, is inside."""
        if type(other) is not Roi and isinstance(other, Iterable):
            point = Coordinate.of(other, self.ndim)
            return self._holds(point, (1,) * len(point))
        other = self._same_axes(other)
        return other.is_empty or self._holds(other.offset, other.shape)

    def snap_to_grid(
        self,
        step: SupportsIndex | Iterable[SupportsIndex],
        *,
        origin: SupportsIndex | Iterable[SupportsIndex] = 0,
        mode: SnapMode = "grow",
    ) -> Roi:
        """Move both sides to multiples of `step` from `origin`: outwards, or inwards.

        Examples
        --------
        >>> Roi((3,), (4,)).snap_to_grid(4)
        Roi(offset=(0,), shape=(8,))
        >>> Roi((3,), (6,)).snap_to_grid(4, mode="shrink")
        Roi(offset=(4,), shape=(4,))
        """
        if mode not in ("grow", "shrink"):
            raise GeometryError("a region snaps by 'grow' or 'shrink'", value=mode)
        spacing = Coordinate.of(step, self.ndim)
        if any(size < 1 for size in spacing):
            raise GeometryError("a grid's step is 1 or more", value=tuple(spacing))
        zero = Coordinate.of(origin, self.ndim)
        floor_start = (self.offset - zero) // spacing
        floor_end = (self.end - zero) // spacing
        ceil_start = -(-(self.offset - zero) // spacing)
        ceil_end = -(-(self.end - zero) // spacing)
        start, end = (floor_start, ceil_end) if mode == "grow" else (ceil_start, floor_end)
        return Roi(zero + start * spacing, ((end - start) * spacing).maximum(0))

    def to_slices(self, origin: Iterable[SupportsIndex] | None = None) -> tuple[slice, ...]:
        """Slices into an array whose first voxel lies at `origin` (default: zero)."""
        offset = self.offset if origin is None else self.offset - Coordinate.of(origin, self.ndim)
        return tuple(map(slice, offset, map(operator.add, offset, self.shape)))

    def _holds(self, offset: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        for start, size, at, extent in zip(self.offset, self.shape, offset, shape, strict=True):
            if at < start or at + extent > start + size:
                return False
        return True

    def _same_axes(self, other: RoiLike) -> Roi:
        other = Roi.of(other)
        if other.ndim != self.ndim:
            raise GeometryError(
                "regions combine only with regions of as many axes",
                value=f"{self.ndim} and {other.ndim} axes",
            )
        return other

    def __repr__(self) -> str:
        return f"Roi(offset={tuple(self.offset)}, shape={tuple(self.shape)})"


# Half the time of object.__setattr__; a block makes some twenty regions.
_set_offset, _set_shape = (vars(Roi)[name].__set__ for name in ("offset", "shape"))

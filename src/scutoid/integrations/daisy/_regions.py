"""Our regions and points with the additional names of funlib's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self, SupportsIndex

from scutoid import geometry

Amount = SupportsIndex | Iterable[SupportsIndex]
"""A number of voxels: one for all axes, or one an axis."""


class Coordinate(geometry.Coordinate):
    """A point or a distance, one integer an axis; also made of one sequence."""

    def __new__(cls, *values: SupportsIndex | Iterable[SupportsIndex]) -> Self:
        if len(values) == 1 and isinstance(values[0], Iterable):
            values = tuple(values[0])
        return super().__new__(cls, *values)

    @property
    def dims(self) -> int:
        """Number of axes."""
        return len(self)


class Roi(geometry.Roi):
    """A half-open box, with the additional names of funlib's."""

    __slots__ = ()

    @property
    def begin(self) -> Coordinate:
        """First point inside."""
        return Coordinate(*self.offset)

    @property
    def dims(self) -> int:
        """Number of axes."""
        return self.ndim

    @property
    def center(self) -> Coordinate:
        """The point in the middle, rounded down."""
        return Coordinate(*(self.offset + self.shape // 2))

    @property
    def empty(self) -> bool:
        """Whether there is no point inside."""
        return self.is_empty

    def get_begin(self) -> Coordinate:
        """First point inside."""
        return self.begin

    def get_offset(self) -> Coordinate:
        """First point inside."""
        return self.begin

    def get_end(self) -> Coordinate:
        """First point outside."""
        return Coordinate(*self.end)

    def get_shape(self) -> Coordinate:
        """Number of points on each axis."""
        return Coordinate(*self.shape)

    def grow(self, amount_neg: Amount = 0, amount_pos: Amount | None = 0) -> Self:
        """The region, larger below and above; smaller for negative amounts."""
        return type(self).like(super().grow(amount_neg, amount_pos))

    def shift(self, by: Amount) -> Self:
        """The region moved."""
        return type(self).like(super().shift(by))

    def intersect(self, other: geometry.RoiLike) -> Self:
        """The region in both."""
        return type(self).like(super().intersect(other))

    def union(self, other: geometry.RoiLike) -> Self:
        """The smallest region that holds both."""
        return type(self).like(super().union(other))

    @classmethod
    def like(cls, roi: geometry.RoiLike) -> Self:
        """Convert a region to this type."""
        return cls(roi.offset, roi.shape)

"""Points and sizes on the voxel grid: exact integers, never rounded silently.

A coordinate holds plain ints, whatever it was made of.  So what is computed of coordinates and
plain ints alone is not checked again, value by value: a block takes some hundred of these sums.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Self, SupportsIndex

from scutoid.errors import GeometryError


def as_int(value: object, place: str = "a coordinate") -> int:
    """Return `value` as a Python int; nothing is rounded.

    Raises
    ------
    GeometryError
        If `value` is not an integer (``2.0`` is refused too: it may be the result of rounding).
    """
    if type(value) is int:  # almost always; a check of an abstract class takes ten times as long
        return value
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise GeometryError(
            "coordinates and sizes in voxels are integers",
            value=value,
            place=place,
            remedy="round it yourself, in the direction that you mean",
        )
    return int(value)


def unchecked(values: Iterable[int]) -> Coordinate:
    """Make a coordinate of values that are plain ints for sure."""
    return tuple.__new__(Coordinate, values)


class Coordinate(tuple[int, ...]):
    """A point or a size: one integer an axis, with arithmetic axis by axis.

    Parameters
    ----------
    *values : int or iterable of int
        One integer an axis, or one iterable of them.

    Raises
    ------
    GeometryError
        If a value is not an integer, or two operands differ in their number of axes.

    Examples
    --------
    >>> Coordinate(1, 2) + Coordinate(10, 20)
    Coordinate(11, 22)
    >>> Coordinate(7, 8) // 2
    Coordinate(3, 4)
    """

    __slots__ = ()

    def __new__(cls, *values: SupportsIndex | Iterable[SupportsIndex]) -> Self:
        items: Iterable[object] = values
        if len(values) == 1 and type(values[0]) is not int and isinstance(values[0], Iterable):
            items = values[0]
        if type(items) is tuple or type(items) is list:
            for item in items:
                if type(item) is not int:
                    break
            else:
                return tuple.__new__(cls, items)
        return tuple.__new__(cls, map(as_int, items))

    @classmethod
    def full(cls, ndim: int, value: SupportsIndex) -> Coordinate:
        """The same integer on `ndim` axes."""
        return tuple.__new__(cls, (as_int(value),) * ndim)

    @classmethod
    def of(cls, value: SupportsIndex | Iterable[SupportsIndex], ndim: int) -> Coordinate:
        """Read one int for all axes, or one int an axis.

        Raises
        ------
        GeometryError
            If there is not one value an axis.
        """
        point: Coordinate
        if cls is Coordinate and type(value) is Coordinate:
            point = value
        elif type(value) is int or (not isinstance(value, tuple) and isinstance(value, Integral)):
            return cls.full(ndim, value)
        else:
            point = cls(value)
        if len(point) != ndim:
            raise GeometryError(
                f"one value is needed for each of {ndim} axes",
                value=tuple(point),
                remedy="give one int for all axes, or one an axis",
            )
        return point

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self)

    def _map(self, other: object, operation: Callable[[int, int], int]) -> Coordinate:
        if type(other) is Coordinate and len(other) == len(self):
            return unchecked(map(operation, self, other))
        if not isinstance(other, tuple):  # of which abstract classes take long to say no
            if type(other) is int or isinstance(other, Integral):
                return unchecked(map(operation, self, itertools.repeat(int(other))))
            if not isinstance(other, Iterable):
                raise GeometryError("coordinates combine with ints or coordinates", value=other)
        return unchecked(map(operation, self, Coordinate.of(other, len(self))))

    def __add__(self, other: object) -> Coordinate:
        return self._map(other, operator.add)

    __radd__ = __add__

    def __sub__(self, other: object) -> Coordinate:
        return self._map(other, operator.sub)

    def __mul__(self, other: object) -> Coordinate:
        return self._map(other, operator.mul)

    __rmul__ = __mul__

    def __floordiv__(self, other: object) -> Coordinate:
        return self._map(other, operator.floordiv)

    def __mod__(self, other: object) -> Coordinate:
        return self._map(other, operator.mod)

    def __neg__(self) -> Coordinate:
        return unchecked(map(operator.neg, self))

    def minimum(self, other: object) -> Coordinate:
        """The smaller of the two on each axis."""
        return self._map(other, min)

    def maximum(self, other: object) -> Coordinate:
        """The larger of the two on each axis."""
        return self._map(other, max)

    def __repr__(self) -> str:
        return f"Coordinate({', '.join(map(str, self))})"

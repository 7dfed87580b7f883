"""The size of a voxel on each spatial axis, from what a file says of each in a unit of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from scutoid.arrays._notes import Note
from scutoid.arrays._spec import SPATIAL
from scutoid.arrays._units import UNITLESS, known_unit, ratio, stored_unit


class AxisSize(NamedTuple):
    """What a file says of the voxels along one axis."""

    size: float | None
    """Their size; None: nothing."""
    unit: str | None = None
    """The unit as it stands in the file; None: none is given."""

    @property
    def is_known(self) -> bool:
        """Whether the size is a length, whatever its unit."""
        return self.size is not None and math.isfinite(self.size) and self.size > 0

    @property
    def length_unit(self) -> str | None:
        """The short form of the unit, if it is a length."""
        return None if self.unit is None else known_unit(self.unit)

    @property
    def is_unitless(self) -> bool:
        """Whether the file says that there is no unit, or nothing of it."""
        return self.unit is None or self.unit.strip().lower() in UNITLESS


_NOTHING = AxisSize(None)


@dataclass(frozen=True, slots=True)
class WorldSizes:
    """Voxel sizes in one unit."""

    sizes: tuple[float | None, ...] | None
    """One a spatial axis, None where it is unknown; None: all are."""
    unit: str | None
    """Unit of all of them, in its short form."""
    factors: dict[str, float]
    """By spatial axis, what lengths along it are multiplied by to be in that unit; axes whose unit
    is not known have none."""
    notes: tuple[Note, ...] = ()
    """What is not known, if something is."""


def world_sizes(axes: str, found: Mapping[str, AxisSize], said: str) -> WorldSizes:
    """Convert the sizes that a file gives to one unit: that of the last axis that has one.

    The size of an axis without a unit is unknown where another axis has one: it is never taken to
    be in the unit of another.  Where no axis has a unit, the sizes are in one that is not known.

    Parameters
    ----------
    axes : str
        Of the image.
    found : mapping
        What the file says, by letter.
    said : str
        Where it says it, for notes, such as "OME-XML".

    Examples
    --------
    >>> found = {"z": AxisSize(2, "um"), "y": AxisSize(65, "nm"), "x": AxisSize(65, "nm")}
    >>> world_sizes("zyx", found, "the file").sizes
    (2000.0, 65.0, 65.0)
    """
    each = {axis: found.get(axis, _NOTHING) for axis in axes if axis in SPATIAL}
    sized = {axis: item for axis, item in each.items() if item.is_known}
    units = [unit for item in sized.values() if (unit := item.length_unit)]
    unit = stored_unit(units[-1]) if units else None
    factors = {axis: _factor(item, unit) for axis, item in each.items()}
    sizes = {axis: float(item.size or 0) * (factors[axis] or 1) for axis, item in sized.items()}
    if unit is not None:
        sizes = {axis: size for axis, size in sizes.items() if factors[axis] is not None}
    notes = [*_foreign(each, said), *_missing(each, sizes, unit, said)]
    return WorldSizes(
        tuple(sizes.get(axis) for axis in each) if sizes else None,
        unit,
        {axis: factor for axis, factor in factors.items() if factor is not None},
        tuple(notes),
    )


def _factor(item: AxisSize, unit: str | None) -> float | None:
    """Return what lengths along an axis are multiplied by; None where that is not known."""
    if unit is None:
        return 1.0
    own = item.length_unit
    return None if own is None else ratio(own, unit)


def _foreign(each: Mapping[str, AxisSize], said: str) -> list[Note]:
    """Note units that are no lengths."""
    foreign = [
        f"{axis} in {item.unit!r}"
        for axis, item in each.items()
        if item.is_known and not item.is_unitless and item.length_unit is None
    ]
    if not foreign:
        return []
    text = f"{said} gives sizes in what is no known unit of length, {', '.join(foreign)}"
    return [Note("unit", text, "give voxel_size= and unit=")]


def _missing(
    each: Mapping[str, AxisSize], sizes: Mapping[str, float], unit: str | None, said: str
) -> list[Note]:
    """Note that the voxel size is known along some axes only."""
    lacking = [axis for axis in each if axis not in sizes]
    is_said = any(item.size is not None for item in each.values())
    if not lacking or not is_said:
        return []
    known = ", ".join(f"{axis} {size:g}" for axis, size in sizes.items())
    reasons = ", ".join(f"{axis} ({_reason(each[axis])})" for axis in lacking)
    text = (
        f"{said} gives the voxel size along some axes only: {known}{f' {unit}' if unit else ''}; "
    )
    if not known:
        text = f"{said} gives no voxel size that can be one; "
    text += f"it is unknown along {reasons}"
    example = ", ".join(f'"{axis}": ...' for axis in lacking)
    return [Note("voxel_size", text, f"give voxel_size={{{example}}}")]


def _reason(item: AxisSize) -> str:
    if item.size is None:
        return "no size"
    if not item.is_known:
        return f"size {item.size:g}"
    return "no unit" if item.unit is None else f"unit {item.unit!r}"

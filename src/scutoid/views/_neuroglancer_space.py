"""Axes, units and positions as Neuroglancer writes them: in metres and seconds, x first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scutoid.arrays import METRES, SECONDS

_OME = {"m": "meter", "s": "second"}
_FIRST = "xyzt"
COLOUR = "c^"
"""The axis of red, green and blue, which a shader takes all at once."""


@dataclass(frozen=True, slots=True)
class Space:
    """The axes of a layer, in its own order."""

    names: tuple[str, ...]
    scale: tuple[float, ...]
    """Size of a voxel on each axis, in its base unit."""
    bases: tuple[str, ...]
    """The base unit of each axis: "m", "s", or "" where there is none."""
    factors: tuple[float, ...]
    """From the layer's own unit to the base unit."""

    @classmethod
    def of(cls, axes: str, scale: Sequence[float], units: Sequence[str]) -> Space:
        """Describe the axes of a layer."""
        names = tuple(COLOUR if axis == "c" else axis for axis in axes)
        more = len(axes) - len(scale)
        known = [base_unit(unit) for unit in (*units, *("",) * more)]
        sizes = (*scale, *(1.0,) * more)
        return cls(
            names,
            tuple(size * factor for size, (factor, _) in zip(sizes, known, strict=True)),
            tuple(base for _, base in known),
            tuple(factor for factor, _ in known),
        )

    def lengths(self, given: Sequence[float]) -> list[float]:
        """Convert lengths or positions on each axis into the base units."""
        return [length * factor for length, factor in zip(given, self.factors, strict=True)]

    @property
    def ome_axes(self) -> list[dict[str, str]]:
        """The axes as the metadata of OME-Zarr name them."""
        return [
            {"name": name} | ({"unit": _OME[base]} if base else {})
            for name, base in zip(self.names, self.bases, strict=True)
        ]

    @property
    def dimensions(self) -> dict[str, tuple[float, str]]:
        """The size of a voxel and its unit by axis, in the order in which axes are shown."""
        known = {
            name: (scale, base)
            for name, scale, base in zip(self.names, self.scale, self.bases, strict=True)
            if name != COLOUR
        }
        order = [*(a for a in _FIRST if a in known), *(a for a in known if a not in _FIRST)]
        return {name: known[name] for name in order}


def base_unit(unit: str) -> tuple[float, str]:
    """Return the factor from a unit to metres or seconds, and which of them; (1, "") of others.

    Examples
    --------
    >>> base_unit("um"), base_unit("pixel")
    ((1e-06, 'm'), (1.0, ''))
    """
    if unit in METRES:
        return METRES[unit], "m"
    return (SECONDS[unit], "s") if unit in SECONDS else (1.0, "")

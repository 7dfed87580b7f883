"""Physical lengths: a number with a unit, turned into voxels by an image's voxel size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scutoid.arrays import METRES
from scutoid.errors import MetadataError


@dataclass(frozen=True, slots=True)
class Length:
    """A physical length.

    Examples
    --------
    >>> Length(2.0, "um").voxels((1.75, 0.8), "um", place="step 'denoise'")
    (2, 3)
    """

    value: float
    """How many of the unit, 0 or more."""
    unit: str
    """Short form of a unit of length, such as nm, um, mm."""

    def __post_init__(self) -> None:
        if self.unit not in METRES or not self.value >= 0:
            raise MetadataError(
                "a length is a number of 0 or more in a unit of length, such as nm, um or mm",
                value=f"{self.value} {self.unit}",
            )

    def voxels(
        self, voxel_size: Sequence[float] | None, unit: str | None, *, place: str
    ) -> tuple[int, ...]:
        """Return the number of voxels that cover this length on each spatial axis, rounded up.

        Raises
        ------
        MetadataError
            If the voxel size or its unit is not known.
        """
        if voxel_size is None or unit not in METRES:
            raise MetadataError(
                "a physical length needs an image whose voxel size and unit are known",
                value=f"voxel size {voxel_size}, unit {unit}",
                place=place,
                remedy="give voxel_size= and unit= to sc.open, or give the halo in voxels",
            )
        factor = METRES[self.unit] / METRES[unit]
        # 1e-9: 2 um over 0.5 um voxels is 4, not 5 by the rounding of the division
        return tuple(math.ceil(self.value * factor / size - 1e-9) for size in voxel_size)


def um(value: float) -> Length:
    """Return a length in micrometres, for a halo that does not depend on the voxel size.

    Parameters
    ----------
    value : float
        Micrometres, 0 or more.

    Returns
    -------
    Length

    Examples
    --------
    >>> um(2)
    Length(value=2.0, unit='um')
    """
    return Length(float(value), "um")

"""The unit of the lengths in a table, which travels with it: ``table.attrs["unit"]``.

::

    "um"       what positions and sizes are in; areas and volumes in its powers
    "voxel"    the voxel size is not known
    None       the voxel size is known, and its unit is not
    absent     the table does not say it: no operation of scutoid made it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scutoid.arrays import METRES
from scutoid.errors import MetadataError
from scutoid.steps import UNIT

if TYPE_CHECKING:
    import pandas as pd

VOXELS = "voxel"
"""Of lengths where the voxel size is not known."""


def unit_of(voxel_size: object, unit: str | None) -> str | None:
    """Return the unit of lengths in an image of this voxel size."""
    return VOXELS if voxel_size is None else unit


def with_unit(table: pd.DataFrame, unit: str | None) -> pd.DataFrame:
    """Say the unit of a table's lengths, in the table itself."""
    table.attrs[UNIT] = unit
    return table


def copied_unit(table: pd.DataFrame, source: pd.DataFrame) -> pd.DataFrame:
    """Say of a table that its numbers depend on the unit of another one, if that says it."""
    return with_unit(table, source.attrs[UNIT]) if UNIT in source.attrs else table


def check_unit(table: pd.DataFrame, unit: str | None, place: str) -> None:
    """Refuse positions in a table whose unit is known to be another one.

    Raises
    ------
    MetadataError
        If it is.
    """
    own = table.attrs.get(UNIT)
    if own is not None and unit is not None and own != unit:
        raise MetadataError(
            "positions are in the unit of the image that they lie in",
            value=f"positions in {own}, an image in {unit}",
            place=place,
            remedy="open both with voxel_size= and unit=, the same unit",
        )


def ratio_to(table: pd.DataFrame, unit: str | None, place: str, *, needs_size: bool) -> float:
    """Return what positions in a table are multiplied by to be in a unit.

    Parameters
    ----------
    table : DataFrame
    unit : str, optional
        None: positions are left as they are.
    place : str
    needs_size : bool
        Whether positions in voxels are refused.

    Raises
    ------
    MetadataError
        If they are in voxels and that is refused, or a unit is none of length.
    """
    own = table.attrs.get(UNIT)
    if own == VOXELS:
        if needs_size:
            raise unknown_size(place)
        return 1.0
    if own is None or unit is None or own == unit:
        return 1.0
    if own not in METRES or unit not in METRES:
        raise MetadataError(
            "units that differ are units of length", value=f"{own} and {unit}", place=place
        )
    return METRES[own] / METRES[unit]


def unknown_size(place: str) -> MetadataError:
    """Return the error of cells whose place in the world is not known."""
    return MetadataError(
        "cells are placed in an atlas by the voxel size of their image, or by a transform",
        value="unknown voxel size",
        place=place,
        remedy="open the image with voxel_size=, or give transform=, a matrix from its voxels "
        "to the atlas",
    )

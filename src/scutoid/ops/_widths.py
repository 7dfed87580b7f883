"""Read widths: voxels, physical lengths, or voxels for each axis; one or several.

They are read when a pipeline is built, and turned into voxels by the voxel size of each image, so
that one physical width serves a collection whose members differ in voxel size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeGuard, cast

import numpy as np

from scutoid.arrays import METRES
from scutoid.errors import MetadataError, ParameterError
from scutoid.steps import Image, Images, Length

Width = float | Length | Sequence[float]
"""Voxels, a physical length, or voxels for each axis."""

Widths = tuple[tuple[float, ...], ...]
"""An entry for each width, of an entry for each spatial axis."""


def read_scales(
    image: Image | Images, width: object, n_scales: int | None, ndim: int, place: str
) -> tuple[Widths, bool]:
    """Read one width or several, in ascending order.

    Parameters
    ----------
    image : Image or Images
        What they are for.
    width : number, Length or sequence
        One width, or several.
    n_scales : int, optional
        How many to make of the two that are given, evenly spaced in their logarithm.
    ndim : int
        Number of spatial axes.
    place : str
        What they are called in an error.

    Returns
    -------
    (widths, is_physical)
        As `read_widths` does.

    Raises
    ------
    ParameterError
        If they are not above zero, do not ascend, or do not fit the axes.
    MetadataError
        If they are physical, and the image's unit is not known.
    """
    several = list(width) if _is_several(width) else [width]
    if not several:
        raise ParameterError("there is at least one width", value=width, place=place)
    widths, is_physical = read_widths(image, several, ndim, place)
    if n_scales is not None:
        is_whole = isinstance(cast("object", n_scales), (int, np.integer)) and n_scales is not True
        if len(widths) != 2 or not is_whole or n_scales < 2:
            raise ParameterError(
                "n_scales is 2 or more, and then there are two widths: the least and the largest",
                value=f"n_scales={n_scales}, {len(widths)} widths",
                place=place,
            )
        low, high = np.asarray(widths)
        shares = [number / (n_scales - 1) for number in range(n_scales)]
        widths = tuple(tuple((low * (high / low) ** share).tolist()) for share in shares)
    steps = np.diff(np.asarray(widths), axis=0)
    if (steps < 0).any() or not (steps > 0).any(axis=1).all():
        raise ParameterError(
            "several widths are in ascending order on every axis",
            value=width,
            place=place,
            remedy="write one width of several axes as [(1, 2, 2)]",
        )
    return widths, is_physical


def read_widths(
    image: Image | Images, widths: Sequence[object], ndim: int, place: str
) -> tuple[Widths, bool]:
    """Read widths of one kind.

    Returns
    -------
    (widths, is_physical)
        In the unit of the image where `is_physical`, else in voxels.
    """
    is_physical = any(isinstance(width, Length) for width in widths)
    if is_physical and not all(isinstance(width, Length) for width in widths):
        raise ParameterError(
            "widths are all physical, or all in voxels", value=list(widths), place=place
        )
    unit = METRES[_unit_of(image, place)] if is_physical else 1.0
    read = []
    for width in widths:
        value: object = (
            width.value * METRES[width.unit] / unit if isinstance(width, Length) else width
        )
        try:
            several = list(value) if _is_several(value) else [value] * ndim
            entries = tuple(map(float, cast("list[float]", several)))
        except (TypeError, ValueError):
            entries = ()
        if len(entries) != ndim or not all(0 < entry < math.inf for entry in entries):
            raise ParameterError(
                f"a width is above zero: one number, or one for each of {ndim} spatial axes",
                value=width,
                place=place,
                remedy="write several widths of several axes as [(1, 2, 2), (2, 4, 4)]",
            )
        read.append(entries)
    return tuple(read), is_physical


def _is_several(width: object) -> TypeGuard[Iterable[object]]:
    return (
        isinstance(width, Iterable) and not isinstance(width, str) and getattr(width, "ndim", 1) > 0
    )


def _unit_of(image: Image | Images, place: str) -> str:
    """Return the unit that all members have."""
    members = [image.member(key) for key in image.keys] if isinstance(image, Images) else [image]
    units = {member.unit if member.voxel_size else None for member in members}
    unit = units.pop() if len(units) == 1 else None
    if unit not in METRES:
        raise MetadataError(
            "a physical length needs images whose voxel size is known, all in one unit of length",
            value=f"units {sorted(map(str, units | {unit}))}",
            place=place,
            remedy="give voxel_size= and unit= to sc.open, or the width in voxels",
        )
    return str(unit)


def in_voxels(
    widths: Widths, is_physical: bool, voxel_size: Sequence[float] | None, place: str
) -> Widths:
    """Return widths in voxels of one image."""
    if not is_physical:
        return widths
    if voxel_size is None or len(voxel_size) != len(widths[0]):
        raise MetadataError(
            "a physical length needs an image whose voxel size is known on all its spatial axes",
            value=f"voxel size {voxel_size}",
            place=place,
            remedy="give voxel_size= and unit= to sc.open, or the width in voxels",
        )
    return tuple(
        tuple(width / size for width, size in zip(entries, voxel_size, strict=True))
        for entries in widths
    )

"""The halo of one call: what its step declared, in voxels over the axes of the grid."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scutoid.arrays import SPATIAL, ImageSpec
from scutoid.errors import ParameterError, PipelineError
from scutoid.geometry import Coordinate, halo_pair
from scutoid.steps.declaration import Length, StepSpec, own_all
from scutoid.steps.layout._axes import Axes
from scutoid.steps.layout._placement import Framed


def resolve_halo(
    spec: StepSpec,
    params: Mapping[str, object],
    axes: Axes,
    images: Sequence[Framed],
    place: str,
) -> tuple[Coordinate, Coordinate]:
    """Return a declared halo in voxels, low and high, over the grid's axes.

    Raises
    ------
    ParameterError, PipelineError
        If the halo is computed from what is no parameter of the step, has entries for other axes
        than the function's, or is no number of voxels.
    """
    sized = first_sized(images)
    halo = spec.halo
    if callable(halo):
        halo = _call_halo(halo, params, sized, place)
    spatial = [axis for axis in axes.function if axis in SPATIAL]
    if isinstance(halo, Length):
        halo = _voxels_of_length(halo, spatial, images, place)
    entries = _entries(halo, axes.function, spatial, place)
    rounded = [_round_up(entries.get(axis, 0), place) for axis in axes.grid]
    return halo_pair(rounded, len(axes.grid))


def first_sized(images: Sequence[Framed]) -> ImageSpec | None:
    """Return the first description whose voxel size is known."""
    return next((item.spec for item in images if item.spec.voxel_size is not None), None)


def halo_text(halo: tuple[Coordinate, Coordinate]) -> str:
    """Return a halo as messages show it."""
    low, high = halo
    return str(tuple(low)) if low == high else f"{tuple(low)} low and {tuple(high)} high"


def _call_halo(
    halo: Callable[..., object], params: Mapping[str, object], sized: ImageSpec | None, place: str
) -> object:
    available = {**params, "voxel_size": sized.voxel_size if sized else None}
    names = inspect.signature(halo).parameters
    unknown = [name for name in names if name not in available]
    if unknown:
        raise ParameterError(
            f"a halo is a function of the step's parameters ({', '.join(params) or 'none'})",
            value=unknown[0],
            place=place,
        )
    return halo(**own_all({name: available[name] for name in names}))


def _voxels_of_length(
    length: Length, spatial: Sequence[str], images: Sequence[Framed], place: str
) -> object:
    """Return a physical length in voxels, by the first image whose voxel size is known."""
    for spec in (image.spec for image in images):
        seen = [axis for axis in spatial if axis in spec.axes]
        if spec.sizes and all(axis in spec.sizes for axis in seen):
            return length.voxels([spec.sizes[axis] for axis in seen], spec.unit, place=place)
    return length.voxels(None, None, place=place)


def _entries(
    halo: object, function_axes: str, spatial: Sequence[str], place: str
) -> dict[str, object]:
    """Return the entry of each axis: a number, or a pair of numbers, low and high."""
    if isinstance(halo, Mapping):
        return {axis: halo.get(axis, 0) for axis in function_axes}
    if not isinstance(halo, (list, tuple)):
        return dict.fromkeys(spatial, halo)
    names = spatial if len(halo) == len(spatial) else list(function_axes)
    if len(halo) != len(names):
        raise PipelineError(
            f"a halo has one entry for each of the axes {''.join(spatial)!r}",
            value=halo,
            place=place,
            remedy="give one int, or one int or (low, high) an axis",
        )
    return dict(zip(names, halo, strict=True))


def _round_up(entry: object, place: str) -> Any:
    if isinstance(entry, (list, tuple)):
        return tuple(_round_up(side, place) for side in entry)
    try:
        return math.ceil(entry)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError) as error:
        raise PipelineError(
            "a halo is a number of voxels known before the run",
            value=entry,
            place=place,
            remedy="compute it from parameters that are plain numbers",
        ) from error

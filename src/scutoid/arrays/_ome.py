"""OME-NGFF metadata of multiscale groups, versions 0.4 and 0.5."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from scutoid.arrays._pyramid import PyramidLevel
from scutoid.arrays._spec import KNOWN_AXES, SPATIAL, ImageSpec
from scutoid.arrays._units import METRES, known_unit, long_unit
from scutoid.errors import MetadataError

_MARK = "scutoid"
Numbers: TypeAlias = tuple[float, ...]
"""A number an axis."""


@dataclass(frozen=True, slots=True)
class Multiscale:
    """The metadata of a pyramid, from its group."""

    paths: tuple[str, ...]
    """Array of each level, the finest first."""
    axes: str
    """One letter an axis."""
    unit: str | None
    """Unit of the spatial axes; None: unknown."""
    scales: tuple[Numbers | None, ...]
    """Scale of each level along each axis; None: unknown."""
    starts: tuple[Numbers, ...]
    """Place of the first voxel of each level along each axis."""
    channels: tuple[str, ...] = ()
    """Names along "c"."""
    is_labels: bool = False
    """Whether voxels are object numbers."""


def read_multiscale(
    attributes: Mapping[str, object], place: str, *, allow_outside: bool = False
) -> Multiscale | None:
    """Read the attributes of a group; None if it is no multiscale group.

    Parameters
    ----------
    attributes : mapping
        Of the group.
    place : str
        For messages.
    allow_outside : bool
        Whether the arrays that they name may lie outside the group.

    Raises
    ------
    MetadataError
        If they are not valid.
    """
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping) or not ome.get("multiscales"):
        return None
    try:
        first = ome["multiscales"][0]
        axes, units = _read_axes(first)
        unit, ratios = _one_unit(axes, units)
        paths = tuple(str(dataset["path"]) for dataset in first["datasets"])
        outer = _transform(first.get("coordinateTransformations", ()), len(axes))
        levels = [
            _joined(_transform(dataset.get("coordinateTransformations", ()), len(axes)), outer)
            for dataset in first["datasets"]
        ]
        labels = [c.get("label") for c in ome.get("omero", {}).get("channels", ())]
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise MetadataError(
            "OME-NGFF metadata names axes, datasets and their transformations",
            value=f"{type(error).__name__}: {error}",
            place=place,
            remedy="mend the metadata; or open the array inside it, and give axes= and voxel_size=",
        ) from error
    for path in paths:
        if not allow_outside and not _is_below(path):
            raise _outside(path, place)
    own = attributes.get(_MARK)
    is_ours = isinstance(own, Mapping)
    is_known = own.get("has_voxel_size") if isinstance(own, Mapping) else None
    if is_known is None:  # ones without a unit are what programs write that know no size
        spatial = [n for n, letter in enumerate(axes) if letter in SPATIAL]
        is_known = unit is not None or any(s and s[n] != 1.0 for s, _ in levels for n in spatial)
    scales = tuple([_times(scale, ratios) if scale and is_known else None for scale, _ in levels])
    # Of voxels without a size the centres of a coarser level are nowhere.
    starts = [shift if scales[n] else levels[0][1] for n, (_, shift) in enumerate(levels)]
    return Multiscale(
        paths,
        axes,
        unit if is_ours or any(scales) else None,
        scales,
        tuple([_times(start, ratios) for start in starts]),
        tuple(str(c) for c in labels) if labels and all(labels) else (),
        "image-label" in ome,
    )


def _is_below(path: str) -> bool:
    """Whether a path leads to something within the group that names it."""
    return not path.startswith("/") and "://" not in path and ".." not in path.split("/")


def _outside(path: str, place: str) -> MetadataError:
    return MetadataError(
        "the arrays that an OME-Zarr names lie within it",
        value=path,
        place=place,
        remedy="if you trust the image, open it with allow_outside=True",
    )


def _times(numbers: Numbers, factors: Sequence[float]) -> Numbers:
    return tuple(map(operator.mul, numbers, factors))


def _one_unit(axes: str, units: Sequence[str | None]) -> tuple[str | None, list[float]]:
    """Return the unit of the last spatial axis, and the factor of each axis to that unit."""
    known = {a: known_unit(str(u)) for a, u in zip(axes, units, strict=True) if u and a in SPATIAL}
    unit = next((u for u in reversed(known.values()) if u), None)
    if unit is None:
        return None, [1.0] * len(axes)
    ratios = []
    for letter in axes:
        own = known.get(letter) or unit
        ratios.append(1.0 if own == unit else METRES[own] / METRES[unit])
    return unit, ratios


def _read_axes(multiscale: Mapping[str, Any]) -> tuple[str, list[str | None]]:
    axes = multiscale["axes"]
    names = [a if isinstance(a, str) else str(a["name"]) for a in axes]
    units = [None if isinstance(a, str) else a.get("unit") for a in axes]
    return "".join(name[:1].lower() for name in names), units


def _transform(steps: Sequence[Mapping[str, Any]], ndim: int) -> tuple[Numbers | None, Numbers]:
    """Return the scale in a list of transformations, None without one, and the translation."""
    found: dict[str, Numbers] = {}
    for step in steps:
        kind = step["type"]
        if kind == "identity":
            continue
        if kind not in ("scale", "translation"):
            raise ValueError(f"a transformation of type {kind!r}")
        if kind in found or "translation" in found:
            raise ValueError(
                f"a {kind} after a {' and a '.join(found)}, not one scale and then one"
            )
        found[kind] = _numbers(step[kind], ndim, kind)
    return found.get("scale"), found.get("translation", (0.0,) * ndim)


def _numbers(values: Sequence[object], ndim: int, kind: str) -> Numbers:
    """Take a number an axis, finite; text is none."""
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) != len(values) or len(values) != ndim or not all(map(math.isfinite, numbers)):
        raise ValueError(f"a {kind} of {values!r} for {ndim} axes: a finite number for each")
    return tuple(map(float, numbers))


def _joined(
    inner: tuple[Numbers | None, Numbers], outer: tuple[Numbers | None, Numbers]
) -> tuple[Numbers | None, Numbers]:
    """Apply what holds for all levels after what holds for one; without a scale all is unknown."""
    scale, shift = inner
    if scale is None:
        return None, (0.0,) * len(shift)
    factors = outer[0] or (1.0,) * len(scale)
    return _times(scale, factors), tuple(map(operator.add, _times(shift, factors), outer[1]))


def describe_group(
    levels: Sequence[PyramidLevel], *, label: bool, method: str | None = None
) -> dict[str, object]:
    """Return the OME-NGFF 0.5 attributes of an image.

    Parameters
    ----------
    levels : sequence of PyramidLevel
        The finest first; arrays are named by their number.
    label : bool
        Whether voxels are object numbers.
    method : str, optional
        How levels are downsampled.
    """
    spec = levels[0].spec
    axes: list[dict[str, str]] = []
    for letter in spec.axes:
        kind = KNOWN_AXES.get(letter, "")
        axis = {"name": letter}
        if kind in ("space", "time", "channel"):
            axis["type"] = kind
        if letter in SPATIAL and spec.unit is not None:
            axis["unit"] = long_unit(spec.unit)
        axes.append(axis)
    multiscale: dict[str, object] = {
        "axes": axes,
        "datasets": [
            {"path": str(number), "coordinateTransformations": _place(spec, level.total)}
            for number, level in enumerate(levels)
        ],
    }
    if len(levels) > 1:
        multiscale["type"] = method
        multiscale["metadata"] = {
            "description": "each level is made of the one above it",
            "method": "scutoid.kernels.downsample",
            "args": [[list(level.factors) for level in levels[1:]], method],
        }
    ome: dict[str, object] = {"version": "0.5", "multiscales": [multiscale]}
    if spec.channels:
        ome["omero"] = {"channels": [_channel(spec, name) for name in spec.channels]}
    if label:
        ome["image-label"] = {}
    return {"ome": ome, _MARK: {"has_voxel_size": spec.voxel_size is not None}}


def _place(spec: ImageSpec, total: Sequence[int]) -> list[dict[str, object]]:
    """Describe the place of a level; in voxels of level 0 if their size is unknown."""
    sizes = dict(zip(spec.spatial_axes, spec.voxel_size or (), strict=False))
    starts = dict(zip(spec.spatial_axes, spec.origin or (), strict=False))
    scale, moved = [], []
    for letter, width in zip(spec.axes, total, strict=True):
        size = sizes.get(letter, 1.0)
        scale.append(size * width)
        moved.append(starts.get(letter, 0.0) + (width - 1) / 2 * size)
    transforms: list[dict[str, object]] = [{"type": "scale", "scale": scale}]
    if any(moved):
        transforms.append({"type": "translation", "translation": moved})
    return transforms


def _channel(spec: ImageSpec, name: str) -> dict[str, object]:
    """Describe a channel for OME-NGFF, which requires colour and window."""
    top: float = np.iinfo(spec.dtype).max if spec.dtype.kind in "iu" else 1.0
    window = {"min": 0, "max": top, "start": 0, "end": top}
    return {"label": name, "color": "FFFFFF", "active": True, "window": window}


def is_ours(attributes: Mapping[str, object]) -> bool:
    """Whether scutoid wrote the attributes of a group."""
    return _MARK in attributes

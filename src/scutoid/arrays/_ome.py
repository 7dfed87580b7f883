"""OME-NGFF metadata of multiscale groups, versions 0.4 and 0.5."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scutoid.arrays._pyramid import PyramidLevel
from scutoid.arrays._spec import KNOWN_AXES, SPATIAL, ImageSpec
from scutoid.arrays._units import METRES, known_unit, long_unit
from scutoid.errors import MetadataError

_MARK = "scutoid"


@dataclass(frozen=True, slots=True)
class Multiscale:
    """The metadata of a pyramid, from its group."""

    paths: tuple[str, ...]
    """Array of each level, the finest first."""
    axes: str
    """One letter an axis."""
    unit: str | None
    """Unit of the spatial axes; None: unknown."""
    scales: tuple[tuple[float, ...], ...]
    """Scale of each level along each axis."""
    translations: tuple[tuple[float, ...], ...]
    """Translation of each level along each axis."""
    channels: tuple[str, ...] = ()
    """Names along "c"."""
    has_scale: bool = True
    """Whether the voxel size is known, which the format itself cannot express."""
    is_labels: bool = False
    """Whether voxels are object numbers."""


def read_multiscale(attributes: Mapping[str, object], place: str) -> Multiscale | None:
    """Read the attributes of a group; None if it is no multiscale group.

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
        paths = tuple(str(dataset["path"]) for dataset in first["datasets"])
        outer = first.get("coordinateTransformations", ())
        transforms = [
            _transform([*dataset.get("coordinateTransformations", ()), *outer], len(axes))
            for dataset in first["datasets"]
        ]
        labels = [c.get("label") for c in ome.get("omero", {}).get("channels", ())]
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise MetadataError(
            "OME-NGFF metadata names axes, datasets and their transformations",
            value=f"{type(error).__name__}: {error}",
            place=place,
            remedy="open the array inside it, and give axes= and voxel_size=",
        ) from error
    unit, ratios = _one_unit(axes, units)
    own = attributes.get(_MARK)
    is_known = own.get("has_voxel_size") if isinstance(own, Mapping) else None
    if is_known is None:
        spatial = [n for n, letter in enumerate(axes) if letter in SPATIAL]
        is_known = unit is not None or any(s[n] != 1.0 for s, _ in transforms for n in spatial)
    return Multiscale(
        paths,
        axes,
        unit,
        tuple(tuple(map(operator.mul, scale, ratios)) for scale, _ in transforms),
        tuple(tuple(map(operator.mul, shift, ratios)) for _, shift in transforms),
        tuple(str(c) for c in labels) if labels and all(labels) else (),
        bool(is_known),
        "image-label" in ome,
    )


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


def _transform(
    steps: Sequence[Mapping[str, Any]], ndim: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    scale, shift = [1.0] * ndim, [0.0] * ndim
    for step in steps:
        if step["type"] == "scale":
            scale = [s * float(f) for s, f in zip(scale, step["scale"], strict=True)]
            shift = [t * float(f) for t, f in zip(shift, step["scale"], strict=True)]
        elif step["type"] == "translation":
            shift = [t + float(d) for t, d in zip(shift, step["translation"], strict=True)]
        elif step["type"] != "identity":
            raise ValueError(f"a transformation of type {step['type']!r}")
    return tuple(scale), tuple(shift)


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

"""Coordinate systems of OME-NGFF metadata, and the scales and translations that lead to them.

::

    voxels of a level -- its transformations --> the image's own system
                                                      |-- transformation --> "global"
    of several systems one is chosen: their           |-- transformation --> "aligned"
    transformations are alternatives

Up to version 0.5 a list of transformations for all levels, which name no system, is applied after
those of a level.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from scutoid.arrays._ome_axes import Axis, parse_axes
from scutoid.errors import MetadataError

Numbers: TypeAlias = tuple[float, ...]
"""A number an axis."""
Transform: TypeAlias = tuple[Numbers | None, Numbers]
"""A scale, None where none is given, and then a translation."""
_DEFAULT = "global"
"""What spatialdata calls the system that is meant where none is named."""


class UnknownTransformation(ValueError):
    """A transformation that is neither a scale nor a translation."""


@dataclass(frozen=True, slots=True)
class System:
    """The coordinate system in which an image is placed."""

    axes: tuple[Axis, ...]
    """Axes of the image, with the units of the system."""
    steps: Sequence[Mapping[str, Any]]
    """Transformations from the image's own system."""


def no_systems(wanted: str, place: str) -> MetadataError:
    """Return an error for a coordinate system of what has none."""
    return MetadataError(
        "coordinate_system= is for images that have named ones, which only an OME-Zarr has",
        value=wanted,
        place=place,
        remedy="leave it out",
    )


def choose_system(
    multiscale: Mapping[str, Any], axes: Sequence[Axis], wanted: str | None, place: str
) -> System:
    """Choose the coordinate system of an image: the wanted one, or the default.

    The default is the image's own in version 0.6; else the one called "global", or the first, of
    those that transformations lead to.

    Parameters
    ----------
    multiscale : mapping
        The first of the metadata's multiscales.
    axes : sequence of Axis
        Of the image, where it names them itself; versions that have coordinate systems do not.
    wanted : str, optional
        Name of the system.
    place : str
        For messages.

    Raises
    ------
    MetadataError
        If there is no system of this name.
    """
    steps = multiscale.get("coordinateTransformations", ())
    by_output: dict[str, list[Mapping[str, Any]]] = {}
    for step in steps:
        name = _name(step.get("output"))
        if name is not None:
            by_output.setdefault(name, []).append(step)
    listed = {item["name"]: parse_axes(item["axes"]) for item in _listed(multiscale)}
    own = _own_system(multiscale, steps)
    if listed:
        axes = listed[own] if own in listed else next(iter(listed.values()))
    names = dict.fromkeys([*([own] if own else []), *by_output])
    if wanted is not None and wanted not in names:
        raise MetadataError(
            "coordinate_system= names one that the image is placed in",
            value=wanted,
            place=place,
            remedy=f"give one of {', '.join(map(repr, names))}"
            if names
            else "leave it out: the image has one, without a name",
        )
    if not by_output:
        return System(tuple(axes), () if listed else steps)
    default = own if listed else _DEFAULT if _DEFAULT in by_output else next(iter(by_output))
    chosen = wanted or default or ""
    units = listed.get(chosen) or _axes_of_output(by_output.get(chosen, ()))
    if len(units) == len(axes):
        axes = [axis._replace(unit=of.unit) for axis, of in zip(axes, units, strict=True)]
    return System(tuple(axes), by_output.get(chosen, ()))


def _listed(multiscale: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    systems: Sequence[Mapping[str, Any]] = multiscale.get("coordinateSystems") or ()
    return systems


def _own_system(multiscale: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the name of the system that levels are placed in; None: it has none."""
    of_level = multiscale["datasets"][0].get("coordinateTransformations", ())
    outputs = [name for step in of_level if (name := _name(step.get("output")))]
    inputs = [name for step in steps if (name := _name(step.get("input")))]
    return next(iter([*outputs, *inputs]), None)


def _name(reference: object) -> str | None:
    """Take the name of a system as an object or as text; None for an array."""
    if isinstance(reference, Mapping):
        reference = reference.get("name")
    return reference if isinstance(reference, str) else None


def _axes_of_output(steps: Sequence[Mapping[str, Any]]) -> tuple[Axis, ...]:
    output = steps[0].get("output") if steps else None
    return parse_axes(output.get("axes") or ()) if isinstance(output, Mapping) else ()


def read_transform(steps: Sequence[Mapping[str, Any]], ndim: int) -> Transform:
    """Return the scale in a list of transformations, None without one, and the translation.

    Raises
    ------
    ValueError, KeyError
        If it is not one scale and then one translation, or a sequence of those; an
        `UnknownTransformation` if there is another.
    """
    whole: Transform = (None, (0.0,) * ndim)
    found: list[str] = []
    for step in steps:
        kind = step["type"]
        if kind == "identity":
            continue
        if kind in found or "translation" in found or "sequence" in found:
            raise ValueError(
                f"a {kind} after a {' and a '.join(found)}, not one scale and then one translation"
            )
        found.append(kind)
        whole = joined(whole, _one(step, ndim))
    return whole


def _one(step: Mapping[str, Any], ndim: int) -> Transform:
    kind = step["type"]
    if kind == "scale":
        return _numbers(step[kind], ndim, kind), (0.0,) * ndim
    if kind == "translation":
        return None, _numbers(step[kind], ndim, kind)
    if kind == "sequence":
        whole: Transform = (None, (0.0,) * ndim)
        for inner in step["transformations"]:
            if inner["type"] != "identity":
                whole = joined(whole, _one(inner, ndim))
        return whole
    raise UnknownTransformation(f"a transformation of type {kind!r}")


def _numbers(values: Sequence[object], ndim: int, kind: str) -> Numbers:
    """Take a number an axis, finite; text is none."""
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) != len(values) or len(values) != ndim or not all(map(math.isfinite, numbers)):
        raise ValueError(f"a {kind} of {values!r} for {ndim} axes: a finite number for each")
    return tuple(map(float, numbers))


def times(numbers: Numbers, factors: Sequence[float]) -> Numbers:
    """Multiply axis by axis."""
    return tuple(map(operator.mul, numbers, factors))


def joined(inner: Transform, outer: Transform) -> Transform:
    """Apply one transformation after another."""
    scale, shift = inner
    factors = outer[0] or (1.0,) * len(shift)
    known = scale or (outer[0] and (1.0,) * len(shift))
    return (
        times(known, factors) if known else None,
        tuple(map(operator.add, times(shift, factors), outer[1])),
    )

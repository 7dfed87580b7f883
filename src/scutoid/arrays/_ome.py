"""OME-NGFF metadata of multiscale groups, versions 0.1 to 0.6, as they are read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scutoid.arrays._axis_order import Order, as_stored, order_of, stored_letters
from scutoid.arrays._channel_names import channel_names
from scutoid.arrays._display import ChannelDisplay, displays_of, not_understood
from scutoid.arrays._notes import NOTHING, Note
from scutoid.arrays._ome_axes import BEFORE_AXES, Axis, letters_of, parse_axes
from scutoid.arrays._ome_systems import (
    Transform,
    UnknownTransformation,
    choose_system,
    joined,
    read_transform,
)
from scutoid.arrays._request import DESCRIBED, SeriesName, choose_one
from scutoid.arrays._spec import SPATIAL, ImageSpec
from scutoid.arrays._time import TimeScale, time_scale
from scutoid.arrays._units import known_unit
from scutoid.arrays._world_sizes import AxisSize, WorldSizes, world_sizes
from scutoid.errors import MetadataError, ScutoidError

MARK = "scutoid"
"""Name of the attributes of scutoid's own."""
IMAGE = "image"
"""Name of what stands there for OME-NGFF metadata, of images whose axes OME-NGFF does not know."""
_SAID = "OME-NGFF metadata"
_WITHOUT_AXES = ("0.1", "0.2", None)


@dataclass(frozen=True, slots=True)
class Multiscale:
    """The metadata of a pyramid, from its group."""

    paths: tuple[str, ...]
    """Array of each level, the finest first."""
    axes: tuple[Axis, ...]
    """The axes, as the metadata name them; None of them: letters that the user gave."""
    levels: tuple[Transform, ...]
    """Scale of each level along each axis, None where it is unknown, and place of its first voxel,
    each in the unit of the axis."""
    channels: tuple[str | None, ...] = ()
    """Names along "c"; None: one has none."""
    display: tuple[ChannelDisplay, ...] = ()
    """How each channel is shown."""
    is_labels: bool = False
    """Whether voxels are object numbers."""
    is_ours: bool = False
    """Whether scutoid wrote it."""
    has_times: bool = False
    """Whether scutoid noted that the scale along t is an interval."""
    sized: bool | tuple[str, ...] | None = None
    """Whether voxels have a size, or on which axes; None: not noted, by another program."""
    order: Order = ()
    """Where each axis of the image is stored, if scutoid wrote it in another order."""
    notes: tuple[Note, ...] = ()
    """What of the metadata is not understood."""

    def letters(self, axes: str | None) -> tuple[str, tuple[Note, ...]]:
        """Return the letter of each axis, as the user gives them, or by type and name."""
        return (axes, ()) if axes is not None else letters_of(self.axes)

    def describe(
        self, level: int, shape: Sequence[int], dtype: np.dtype[Any], axes: str | None, place: str
    ) -> ImageSpec:
        """Describe a level.

        Raises
        ------
        MetadataError
            If axes, sizes and the array's shape do not fit together.
        """
        try:
            letters, notes = self.letters(axes)
            plain = ImageSpec(tuple(shape), dtype, letters, notes=notes)
        except MetadataError as error:
            raise MetadataError(
                error.rule,
                value=f"{error.value}, of axes {', '.join(axis.name for axis in self.axes)}",
                place=place,
                remedy='give axes=, a letter for each, such as axes="tzyx"',
            ) from error
        n_channels = shape[letters.index("c")] if "c" in letters else 0
        channels, unnamed = channel_names(self.channels, n_channels, _SAID)
        world = self._sizes(level, letters, place)
        time, more = self._times(level, letters)
        starts = dict(zip(letters, self.levels[0][1], strict=False))
        if world.sizes is not None:
            starts = dict(zip(letters, self.levels[level][1], strict=False))
        # Of voxels without a size the centres of a coarser level are nowhere.
        origin = [starts.get(a, 0.0) * world.factors.get(a, 0.0) for a in plain.spatial_axes]
        return plain.replace(
            known_sizes=world.sizes,
            unit=world.unit,
            origin=tuple(origin),
            channels=channels,
            time=time,
            display=self.display,
            notes=(*notes, *world.notes, *more, *(self.notes if n_channels else ()), *unnamed),
        )

    def _times(self, level: int, letters: str) -> tuple[TimeScale | None, tuple[Note, ...]]:
        """Return the times of a level; an interval of 1 without a unit is what is not known."""
        if "t" not in letters or self.levels[level][0] is None:
            return None, ()
        at = letters.index("t")
        scale, shift = self.levels[level]
        interval = scale[at] if scale and at < len(scale) else None
        unit = self.axes[at].unit if at < len(self.axes) else None
        is_known = self.has_times or interval != 1.0 or known_unit(unit or "", "time") is not None
        start = shift[at] if at < len(shift) else 0.0
        return time_scale(interval if is_known else None, unit, start, _SAID)

    def _sizes(self, level: int, letters: str, place: str) -> WorldSizes:
        """Return the voxel size of a level."""
        units = dict(zip(letters, [axis.unit for axis in self.axes], strict=False))
        scales = [
            {a: s for a, s in zip(letters, scale, strict=False) if a in SPATIAL}
            for scale, _ in self.levels
            if scale
        ]
        bad = [size for scale in scales for size in scale.values() if size <= 0]
        if bad:
            raise MetadataError(
                "the scales of spatial axes are positive",
                value=bad[0],
                place=place,
                remedy="mend the metadata, or give axes= and voxel_size=",
            )
        own = self.levels[level][0]
        sizes: dict[str, float | None] = {}
        if own is not None and self._are_sizes(scales, units):
            sizes = {a: s for a, s in zip(letters, own, strict=False) if self._is_sized(a)}
        found = {
            axis: AxisSize(sizes.get(axis), units.get(axis)) for axis in letters if axis in SPATIAL
        }
        world = world_sizes(letters, found, _SAID)
        if world.sizes is None and (self.is_ours or (self._are_sizes(scales, units) and scales)):
            known = [unit for item in found.values() if (unit := item.length_unit)]
            return replace(world, unit=known[-1] if known else None)
        return world

    def _are_sizes(
        self, scales: Sequence[Mapping[str, float]], units: Mapping[str, str | None]
    ) -> bool:
        """Whether scales are sizes: programs that know none write ones without a unit.

        Those of coarser levels are then their factors.
        """
        if self.sized is not None:
            return bool(self.sized)
        has_unit = any(AxisSize(None, units.get(axis)).length_unit for axis in SPATIAL)
        return has_unit or any(size != 1.0 for scale in scales[:1] for size in scale.values())

    def _is_sized(self, axis: str) -> bool:
        return not isinstance(self.sized, tuple) or axis in self.sized


def read_multiscale(
    attributes: Mapping[str, object],
    place: str,
    *,
    allow_outside: bool = False,
    axes: str | None = None,
    coordinate_system: str | None = None,
    given: Mapping[str, object] = NOTHING,
    series: SeriesName | None = None,
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
    axes : str, optional
        One letter an axis, as the user gives them.
    coordinate_system : str, optional
        Name of the one that the image is placed in; default: the image's own, or "global".
    given : mapping
        What the user says of the image, by name, which is then not needed.
    series : int or str, optional
        Number or name of the image, where there are several.

    Raises
    ------
    MetadataError
        If they are not valid, or there are several images and it is not said which is meant.
    ParameterError
        If there is no such image.
    """
    own = attributes.get(MARK)
    own = own if isinstance(own, Mapping) else {}
    ome = attributes.get("ome") or own.get(IMAGE, attributes)
    if not isinstance(ome, Mapping) or not ome.get("multiscales"):
        return None
    version: object = None
    try:
        listed = ome["multiscales"]
        names = [str(each.get("name") or "") for each in listed]
        first = listed[choose_one(names, series, place)]
        version = ome.get("version", first.get("version"))
        paths = tuple(str(dataset["path"]) for dataset in first["datasets"])
        order = _order(own.get("axes"), parse_axes(first.get("axes", ())))
        axes = stored_letters(axes, order)
        omero, notes = _omero(ome)
        if given.keys() >= DESCRIBED and axes is not None:
            named, levels = _described(axes, len(paths))
        else:
            named, levels = _placed(first, version, axes, coordinate_system, place)
    except ScutoidError:
        raise
    except UnknownTransformation as error:
        raise MetadataError(
            "an OME-Zarr that is opened is placed by scales and translations",
            value=f"{error}, version {version}",
            place=place,
            remedy="give axes= and voxel_size=, or resample the image by a program that knows it",
        ) from error
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise MetadataError(
            "OME-NGFF metadata names axes, datasets and their transformations",
            value=f"{type(error).__name__}: {error}; version {version}",
            place=place,
            remedy="mend the metadata; or give axes= and voxel_size=",
        ) from error
    for path in paths:
        if not allow_outside and not is_below(path):
            raise _outside(path, place)
    sized = own.get("has_voxel_size")
    display = displays_of(omero)
    if "display" in own or own.get("has_limits_of_data") is True:
        display = displays_of(own.get("display", ()))  # windows of the data are none that were set
    labels = [_label(channel.get("label")) for channel in omero] or own.get("channels", [])
    if own.get("has_limits_of_data") is True:
        labels = own.get("channels", [])
    return Multiscale(
        paths,
        named,
        levels,
        tuple(labels),
        display,
        "image-label" in ome,
        MARK in attributes,
        own.get("has_times") is True,
        tuple(sized) if isinstance(sized, list) else sized,
        order,
        notes,
    )


def _omero(ome: Mapping[str, Any]) -> tuple[Sequence[Mapping[str, Any]], tuple[Note, ...]]:
    """Return what is said of each channel, and whether it is not understood."""
    said = ome.get("omero") or {}
    channels = said.get("channels") or () if isinstance(said, Mapping) else said
    if isinstance(channels, (list, tuple)) and all(isinstance(c, Mapping) for c in channels):
        return channels, not_understood(channels)
    text = "its omero is no list of channels: names, colours and windows are unknown"
    return (), (Note("channels", text, "take channels by their numbers, or mend it"),)


def _label(said: object) -> str | None:
    return None if said is None else str(said)


def _order(noted: object, named: Sequence[Axis]) -> Order:
    """Return where each axis of an image of scutoid's own is stored, if that is noted and fits."""
    if not isinstance(noted, str):
        return ()
    order = order_of(noted)
    return order if [axis.name for axis in named] == [*as_stored(noted, order)] else ()


def _placed(
    first: Mapping[str, Any],
    version: object,
    axes: str | None,
    coordinate_system: str | None,
    place: str,
) -> tuple[tuple[Axis, ...], tuple[Transform, ...]]:
    """Return the axes, and scale and place of each level."""
    named: tuple[Axis, ...] = ()
    if "coordinateSystems" not in first:
        is_old = "axes" not in first and version in _WITHOUT_AXES
        is_given = "axes" not in first and axes is not None
        named = BEFORE_AXES if is_old else tuple(map(Axis, axes or "")) if is_given else ()
        named = named if is_old or is_given else parse_axes(first["axes"])
    system = choose_system(first, named, coordinate_system, place)
    if not system.axes:
        raise ValueError("no axes")
    ndim = len(system.axes)
    outer = read_transform(system.steps, ndim)
    levels = []
    for dataset in first["datasets"]:
        inner = read_transform(dataset.get("coordinateTransformations", ()), ndim)
        # Without a scale of its own a level is nowhere.
        levels.append((None, (0.0,) * ndim) if inner[0] is None else joined(inner, outer))
    return system.axes, tuple(levels)


def _described(axes: str, n_levels: int) -> tuple[tuple[Axis, ...], tuple[Transform, ...]]:
    """Return what stands for metadata that are not needed."""
    nowhere: Transform = (None, (0.0,) * len(axes))
    return tuple(map(Axis, axes)), (nowhere,) * n_levels


def is_below(path: str) -> bool:
    """Whether a path leads to something within the group that names it."""
    return not path.startswith("/") and "://" not in path and ".." not in path.split("/")


def check_below(path: str, named: str, location: str) -> None:
    """Refuse an array that a link leads out of the folder of the group that names it.

    Parameters
    ----------
    path : str
        What the group calls it.
    named : str
        Where that is.
    location : str
        The group.

    Raises
    ------
    MetadataError
        If it lies elsewhere.
    """
    found, group = os.path.realpath(named), os.path.realpath(location)
    if found != group and not found.startswith(group.rstrip("/") + "/"):
        raise _outside(f"{path}, a link to {found}", location)


def _outside(path: str, place: str) -> MetadataError:
    return MetadataError(
        "the arrays that an OME-Zarr names lie within it",
        value=path,
        place=place,
        remedy="if you trust the image, open it with allow_outside=True",
    )

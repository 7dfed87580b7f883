"""Description of an image without its pixels: shape, type, axes, scale, place in the world."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Real
from typing import Any, Self

import numpy as np

from scutoid.arrays._display import ChannelDisplay, known_displays, without_windows
from scutoid.arrays._notes import Note
from scutoid.arrays._time import TimeScale
from scutoid.arrays._units import short_unit
from scutoid.errors import MetadataError
from scutoid.geometry import Coordinate, Roi

SPATIAL = "zyx"
"""Letters of the axes of space."""
KNOWN_AXES: dict[str, str] = {
    "t": "time",
    "c": "channel",
    "z": "space",
    "y": "space",
    "x": "space",
    "a": "angle",
    "b": "batch",
    "e": "exposure",
    "f": "field of view",
    "h": "phase",
    "i": "index",
    "l": "lifetime or wavelength",
    "m": "mosaic tile",
    "p": "position",
    "r": "round",
    "s": "sample",
    "v": "view",
    "w": "well",
}
"""Meaning of the letter of each axis."""

VoxelSize = float | Sequence[float]
"""Size of a voxel: one number for all spatial axes, or one an axis, in the image's unit."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """Description of an image without its pixels.

    Raises
    ------
    MetadataError
        If axes, shape, voxel size, unit, origin or channels do not fit together.

    Examples
    --------
    >>> spec = ImageSpec((30, 510, 667), "uint16", "zyx", voxel_size=(5, 2, 2), unit="micron")
    >>> spec.unit, spec.voxel_size, spec.ndim, spec.nbytes
    ('um', (5.0, 2.0, 2.0), 3, 20410200)
    """

    shape: tuple[int, ...]
    """Number of voxels on each axis, 0 or more."""
    dtype: np.dtype[Any]
    """Type of a voxel, in native byte order; anything that numpy reads as a type is accepted."""
    axes: str
    """One letter an axis, each once: t, c, z, y, x and the others of `KNOWN_AXES`."""
    voxel_size: tuple[float, ...] | None = None
    """Size of a voxel in `unit`, one number a spatial axis in the order of `axes`; None: unknown.

    A single number holds for all spatial axes.  None where one of them is unknown: then
    `known_sizes` has the others."""
    unit: str | None = None
    """Unit of the spatial axes in its short form, such as "um"; None: unknown."""
    origin: tuple[float, ...] | None = None
    """World position of the centre of voxel 0 in `unit`, one number a spatial axis; None: zeros."""
    channels: tuple[str, ...] = ()
    """Names along "c"; may be empty."""
    known_sizes: tuple[float | None, ...] | None = None
    """Size of a voxel on each spatial axis where only some are known, None for the others."""
    time: TimeScale | None = None
    """When the places along "t" were recorded; None: unknown, or there is no such axis."""
    display: tuple[ChannelDisplay, ...] = field(default=(), compare=False, repr=False)
    """How each channel along "c" is shown, where something of that is known; it is no part of what
    the image is: images that differ in it are equal, and it enters no key."""
    notes: tuple[Note, ...] = field(default=(), compare=False, repr=False)
    """What was assumed of the image, or left out, where its metadata do not say it."""

    def __post_init__(self) -> None:
        put = object.__setattr__  # the dataclass is frozen
        put(self, "shape", _shape(self.shape))
        put(self, "dtype", _dtype(self.dtype))
        put(self, "axes", _axes(self.axes, len(self.shape)))
        n_spatial = len(self.spatial_axes)
        sizes = self.known_sizes if self.voxel_size is None else self.voxel_size
        if sizes is not None:
            sizes = _voxel_size(sizes, self.spatial_axes)
        is_whole = sizes is not None and None not in sizes
        put(self, "voxel_size", sizes if is_whole else None)
        put(self, "known_sizes", sizes if sizes and any(sizes) and not is_whole else None)
        if self.unit is not None:
            put(self, "unit", short_unit(self.unit))
        if self.origin is not None:
            origin = _numbers(self.origin, n_spatial, "origin", self.spatial_axes)
            put(self, "origin", origin if any(origin) else None)
        put(self, "channels", _channels(self.channels, self.axes, self.shape))
        if self.time is not None:
            put(self, "time", _time(self.time, self.axes))
        put(self, "display", _display(self.display, self.axes, self.shape))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def spatial_axes(self) -> str:
        """Letters of the axes of space, in the order of `axes`."""
        return _spatial(self.axes)

    @property
    def sizes(self) -> dict[str, float]:
        """Size of a voxel in `unit`, by spatial axis, of those axes where it is known."""
        sizes = self.voxel_size or self.known_sizes or ()
        pairs = zip(self.spatial_axes, sizes, strict=False)
        return {axis: size for axis, size in pairs if size is not None}

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the uncompressed pixels, in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def roi(self) -> Roi:
        """The whole image, from voxel 0."""
        return Roi(Coordinate.full(self.ndim, 0), self.shape)

    def of_type(self, dtype: object) -> Self:
        """Return a copy of another type, whose windows are then unknown."""
        if not self.display and not self.notes:
            common: Self = _of_type(self, _dtype(dtype))
            return common
        changed = self.replace(dtype=dtype)
        if changed.dtype == self.dtype:
            return changed
        return changed.replace(display=without_windows(self.display))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, checked again."""
        # dataclasses.replace looks for fields with defaults of their own each time; of a member of
        # a folder some copies are made
        return type(self)(**{name: getattr(self, name) for name in self.__slots__} | changes)


@lru_cache(maxsize=64)
def _of_type(spec: ImageSpec, dtype: np.dtype[Any]) -> Any:
    """Return a copy of another type of what has neither display nor notes."""
    return spec.replace(dtype=dtype)


@lru_cache(maxsize=256)
def _spatial(axes: str) -> str:
    return "".join(letter for letter in axes if letter in SPATIAL)


def _shape(shape: Iterable[int]) -> tuple[int, ...]:
    if type(shape) is tuple and all(type(size) is int and size >= 0 for size in shape):
        return shape
    sizes = tuple(Coordinate(*shape))
    if any(size < 0 for size in sizes):
        raise MetadataError("the sizes of an image are 0 or more", value=sizes)
    return sizes


def _dtype(dtype: object) -> np.dtype[Any]:
    if isinstance(dtype, np.dtype) and dtype.isnative and dtype.kind in "biufc":
        return dtype
    try:
        native: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")  # type: ignore[call-overload]
    except TypeError as error:
        raise MetadataError("a voxel has a type that numpy knows", value=dtype) from error
    if native.kind not in "biufc":
        raise MetadataError(
            "voxels are booleans, integers, floating-point or complex numbers",
            value=str(native),
            remedy="convert the array first",
        )
    return native


def _axes(axes: str, ndim: int) -> str:
    if not isinstance(axes, str):
        raise MetadataError("axes are text, one letter an axis", value=axes, remedy='e.g. "zyx"')
    return _letters(axes, ndim)


@lru_cache(maxsize=256)
def _letters(axes: str, ndim: int) -> str:
    letters = axes.lower()
    unknown = sorted({letter for letter in letters if letter not in KNOWN_AXES})
    if unknown:
        raise MetadataError(
            f"axes are named by known letters; unknown here: {', '.join(map(repr, unknown))}",
            value=axes,
            remedy="known are "
            + ", ".join(f"{letter} ({name})" for letter, name in KNOWN_AXES.items()),
        )
    twice = sorted({letter for letter in letters if letters.count(letter) > 1})
    if twice:
        raise MetadataError(
            f"each axis has a letter of its own; twice here: {', '.join(map(repr, twice))}",
            value=axes,
        )
    if len(letters) != ndim:
        raise MetadataError(
            f"an array of {ndim} axes needs {ndim} letters", value=axes, place="axes"
        )
    return letters


def _numbers(values: object, count: int, name: str, axes: str) -> tuple[float, ...]:
    items = (values,) * count if isinstance(values, Real) else values
    try:
        numbers = tuple(float(item) for item in items)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise MetadataError(f"the {name} is one number a spatial axis", value=values) from error
    if len(numbers) != count:
        raise MetadataError(
            f"the {name} is one number for each spatial axis, here {axes!r}",
            value=numbers,
            remedy=f"give {count} numbers, in the order of the axes",
        )
    if not all(math.isfinite(number) for number in numbers):
        raise MetadataError(f"the numbers of the {name} are finite", value=numbers)
    return numbers


def _voxel_size(values: object, axes: str) -> tuple[float | None, ...]:
    if isinstance(values, (tuple, list)) and None in values:
        known = [1.0 if value is None else value for value in values]
        sizes = _voxel_size(tuple(known), axes)
        return tuple(None if v is None else s for v, s in zip(values, sizes, strict=True))
    numbers = _numbers(values, len(axes), "voxel size", axes)
    if any(size <= 0 for size in numbers):
        raise MetadataError("voxel sizes are positive", value=numbers)
    return numbers


def _channels(names: Iterable[str], axes: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    channels = (names,) if isinstance(names, str) else tuple(names)
    if not channels:
        return ()
    if "c" not in axes:
        raise MetadataError(
            'channels are named only along an axis "c"', value=channels, place=f"axes {axes!r}"
        )
    n_channels = shape[axes.index("c")]
    if len(channels) != n_channels or not all(isinstance(name, str) for name in channels):
        raise MetadataError(f"{n_channels} channels need {n_channels} names", value=channels)
    return channels


def _display(
    displays: Sequence[ChannelDisplay | Mapping[str, object]], axes: str, shape: tuple[int, ...]
) -> tuple[ChannelDisplay, ...]:
    """Take how channels are shown; nothing where it is of other channels."""
    if "c" not in axes or len(displays) != shape[axes.index("c")]:
        return ()
    return known_displays(
        [each if isinstance(each, ChannelDisplay) else ChannelDisplay.of(each) for each in displays]
    )


def _time(time: TimeScale | Sequence[object], axes: str) -> TimeScale:
    if "t" not in axes:
        raise MetadataError(
            'times are known only along an axis "t"',
            value=str(time),
            place=f"axes {axes!r}",
            remedy='give axes= with a "t", or leave time= out',
        )
    return TimeScale.of(time)


COLOUR_AXES = "yxc"
"""Axes of a picture with several values a pixel."""


def unnamed_spec(
    shape: Sequence[int], dtype: np.dtype[Any], axes: str | None, *, place: str, is_said: bool
) -> ImageSpec:
    """Describe an array that does not name its axes: x, yx or zyx, the last of which is noted.

    Parameters
    ----------
    shape, dtype
        Of the array.
    axes : str, optional
        The axes as the user gives them.
    place : str
        For messages.
    is_said : bool
        Whether users are told of an assumption, as of files; they see the code that opens arrays.

    Raises
    ------
    MetadataError
        If there is more than one way to read them.
    """
    letters = axes or {0: "", 1: "x", 2: "yx", 3: "zyx"}.get(len(shape))
    if letters is None:
        raise MetadataError(
            f"the axes of an array of {len(shape)} axes and type {dtype} cannot be guessed",
            value=tuple(shape),
            place=place,
            remedy='name them, e.g. axes="czyx" or axes="tzyx"',
        )
    notes = () if axes or letters != "zyx" else (assumed_axes(letters, is_said=is_said),)
    return ImageSpec(tuple(shape), dtype, letters, notes=notes)


def assumed_axes(letters: str, *, is_said: bool = True) -> Note:
    """Return a note that axes were assumed, the first of them to be z."""
    other = letters.replace("z", "t")
    return Note(
        "axes",
        f"its axes are not named: they are taken for {letters}",
        f'give axes="{letters}" if that is right, or for example axes="{other}"',
        is_said=is_said,
    )

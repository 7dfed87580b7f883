"""One image of several files: a file a channel, a plane, a time point, or each place of these.

::

    Stacking("tc", (2, 2), ...)          t 0         t 1
                                    c 0  a_1.tif     b_1.tif      each of axes yx:
                                    c 1  a_2.tif     (none)       the image has axes tcyx

A file is opened when voxels of its place are read, and no earlier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._guard import guarded
from scutoid.arrays._notes import Note
from scutoid.arrays._open import VoxelSizes, described
from scutoid.arrays._source import ArraySource, SourceIdentity
from scutoid.arrays._spec import KNOWN_AXES, SPATIAL, ImageSpec
from scutoid.arrays._time import TimeScale
from scutoid.errors import MetadataError, ParameterError, PipelineError, SourceError
from scutoid.geometry import Roi

_ORDER = "tczyx"
_ROUNDING = 1e-5
"""Part by which sizes of voxels differ that were written with other numbers of digits."""
STACKED_AXES = tuple(axis for axis in KNOWN_AXES if axis not in "yx")
"""Axes along which files are stacked."""


@dataclass(frozen=True)
class Stacking:
    """The axes along which files lie, and the places on them; the same for many images.

    Raises
    ------
    ParameterError
        If an axis is none along which files are stacked, or channels have one name.
    """

    axes: str
    """One letter an axis, such as "tc"; may be empty: one file."""
    places: tuple[tuple[str, ...], ...]
    """What each place is called, an entry an axis."""
    channels: tuple[str, ...] = ()
    """Names of the channels, where files are stacked along "c"."""

    def __post_init__(self) -> None:
        for axis in self.axes:
            if axis not in STACKED_AXES:
                raise ParameterError(
                    f"files are stacked along axes of {', '.join(STACKED_AXES)}",
                    value=axis,
                    place="stack",
                )
        if len(set(self.channels)) < len(self.channels):
            raise ParameterError(
                "each channel has a name of its own", value=self.channels, place="channels"
            )

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of places along each axis."""
        return tuple(len(names) for names in self.places)

    @property
    def size(self) -> int:
        """Number of files of one image."""
        return math.prod(self.shape)

    def said(self, number: int) -> str:
        """Name a place by its number, in C order.

        Examples
        --------
        >>> Stacking("tc", (("0", "1"), ("DAPI", "GFP"))).said(2)
        "t='1', c='DAPI'"
        """
        index = np.unravel_index(number, self.shape) if self.axes else ()
        pairs = zip(self.axes, self.places, index, strict=True)
        return ", ".join(f"{axis}={names[n]!r}" for axis, names, n in pairs)

    def channel(self, which: str | int) -> tuple[Stacking, list[int]]:
        """Return the stacking of one channel alone, as one place on c, and which files these are.

        Raises
        ------
        PipelineError
            If there is no such channel.
        """
        at, n_channels = self.axes.index("c"), len(self.channels)
        number = self.channels.index(which) if which in self.channels else which
        if not isinstance(number, int) or not -n_channels <= number < n_channels:
            raise PipelineError(
                f"the images' channels are {', '.join(self.channels)}",
                value=which,
                place=f"channel({which!r})",
            )
        numbers = np.arange(self.size).reshape(self.shape).take([number], axis=at)
        places = list(self.places)
        places[at] = (places[at][number],)
        return Stacking(
            self.axes, tuple(places), (self.channels[number],)
        ), numbers.ravel().tolist()


@dataclass(frozen=True, eq=False)
class StackSource:
    """Files of equal axes, shape and type, one for each place."""

    spec: ImageSpec
    """Description of the image."""
    stacking: Stacking
    """The axes along which the files lie."""
    paths: tuple[str | None, ...]
    """A file for each place, in C order; None: there is none, and its voxels are 0."""
    open: Callable[[str], ArraySource]
    """Opens one of the files."""
    first: ArraySource
    """The first file that is there."""
    is_sized: bool = False
    """Whether the voxel size is said otherwise, and that of the files does not count."""
    levels: int = 1
    """1: no pyramid."""
    _opened: dict[str, ArraySource] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_opened": {}}

    @property
    def chunks(self) -> tuple[int, ...]:
        """Those of a file, one place each."""
        sizes = dict(zip(self.first.spec.axes, self.first.chunks, strict=True))
        return tuple(1 if a in self.stacking.axes else sizes[a] for a in self.spec.axes)

    @property
    def is_decoded(self) -> bool:
        """Whether chunks of the files are decoded as a whole."""
        return bool(getattr(self.first, "is_decoded", True))

    @property
    def threadsafe(self) -> bool:
        """Whether a run may read it in threads of its own process."""
        return bool(getattr(self.first, "threadsafe", False))

    @property
    def identity(self) -> SourceIdentity:
        """All files."""
        there = [path for path in self.paths if path is not None]
        locations = (place for path in there for place in self._source(path).identity.locations)
        shown = [self.stacking.axes, self.stacking.shape, [path is None for path in self.paths]]
        return SourceIdentity(
            "files", tuple(dict.fromkeys((*there, *locations))), detail=f"{shown}"
        )

    @property
    def is_labels(self) -> bool:
        """Whether the files say that they hold object numbers."""
        return bool(getattr(self.first, "is_labels", False))

    @guarded
    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region, of the files that lie in it."""
        out = np.zeros(tuple(roi.shape), self.spec.dtype)
        own = self.first.spec.axes
        begin = dict(zip(self.spec.axes, roi.offset, strict=True))
        sizes = dict(zip(self.spec.axes, roi.shape, strict=True))
        within = Roi(
            [0 if a in self.stacking.axes else begin[a] for a in own],
            [1 if a in self.stacking.axes else sizes[a] for a in own],
        )
        shape = [1 if a in self.stacking.axes else sizes[a] for a in self.spec.axes]
        if 0 in out.shape:
            return out
        for local in np.ndindex(*(sizes[a] for a in self.stacking.axes)):
            place = dict(zip(self.stacking.axes, local, strict=True))
            index = tuple(begin[a] + place[a] for a in self.stacking.axes)
            path = self.paths[_number(index, self.stacking.shape)]
            if path is not None:
                into = tuple(slice(place[a], place[a] + 1) if a in place else slice(None)
                             for a in self.spec.axes)  # fmt: skip
                out[into] = self._source(path).read(within).reshape(shape)
        return out

    def _source(self, path: str) -> ArraySource:
        """Return a file, opened once, that agrees with the first."""
        if path not in self._opened:
            source = self.open(path)
            first = self.first.spec
            _check_agrees(source.spec, path, first, self._first_path, is_sized=self.is_sized)
            self._opened[path] = source
        return self._opened[path]

    @property
    def _first_path(self) -> str:
        return next(path for path in self.paths if path is not None)


def _number(index: Iterable[int], shape: Iterable[int]) -> int:
    """Return the number of a place in C order."""
    number = 0
    for place, size in zip(index, shape, strict=True):
        number = number * size + place
    return number


def open_stack(
    paths: Iterable[str | None],
    stacking: Stacking,
    open_one: Callable[[str], ArraySource],
    *,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    time: TimeScale | Sequence[object] | None = None,
) -> ArraySource:
    """Stack files to one image; opens the first.

    Parameters
    ----------
    paths : iterable of str or None
        A file for each place, in C order; None for a place without, whose voxels are 0.
    stacking : Stacking
        The axes along which they lie.
    open_one : function of a path
        Opens one of them.
    voxel_size, unit, time
        Of the image, as in `open_source`; default: what the first file says.

    Returns
    -------
    ArraySource
        Its axes are those of the files; a stacked axis stands before those that follow it in
        "tczyx", and in the place of one of the files' own that has one place.

    Raises
    ------
    SourceError, MetadataError
        If the first file cannot be opened, or has one of the stacked axes itself.
    """
    listed = tuple(paths)
    first_path = next(path for path in listed if path is not None)
    first = open_one(first_path)
    spec = _stacked_spec(first.spec, stacking, first_path)
    is_sized = voxel_size is not None and not isinstance(voxel_size, Mapping)
    opened = {first_path: first}
    source = StackSource(spec, stacking, listed, open_one, first, is_sized, _opened=opened)
    times = None if time is None else TimeScale.of(time)
    return described(source, voxel_size=voxel_size, unit=unit, time=times)


def _stacked_spec(spec: ImageSpec, stacking: Stacking, path: str) -> ImageSpec:
    """Describe an image whose files have this description."""
    axes, shape = _joined(spec, stacking, path)
    spatial = [axis for axis in axes if axis in SPATIAL]
    first = dict(zip(spec.spatial_axes, spec.origin or (), strict=False))
    lacking = [axis for axis in spatial if axis not in spec.axes] if spec.sizes else []
    notes = [
        Note(
            "voxel_size",
            f"files that are stacked along {axis} do not say how far apart they are",
            f'give voxel_size={{"{axis}": ...}}',
        )
        for axis in lacking
    ]
    return ImageSpec(
        shape,
        spec.dtype,
        axes,
        known_sizes=tuple(spec.sizes.get(axis) for axis in spatial),
        unit=spec.unit,
        origin=tuple(first.get(axis, 0.0) for axis in spatial),
        channels=stacking.channels if "c" in stacking.axes else spec.channels,
        time=None if "t" in stacking.axes else spec.time,
        notes=(*spec.notes, *notes),
    )


def _joined(spec: ImageSpec, stacking: Stacking, path: str) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape of an image whose files have this description."""
    axes, sizes = list(spec.axes), dict(zip(spec.axes, spec.shape, strict=True))
    for axis, size in reversed(list(zip(stacking.axes, stacking.shape, strict=True))):
        if sizes.get(axis, 1) > 1:
            raise MetadataError(
                f"a file that is stacked along {axis!r} is one place on it",
                value=f"axes {spec.axes!r}, shape {spec.shape}",
                place=path,
                remedy=f"leave {axis!r} out of stack= where each file has it all, name the axes "
                "otherwise by axes=, or take a part of each file by read=",
            )
        if axis not in axes:
            later = _ORDER[_ORDER.index(axis) + 1 :] if axis in _ORDER else axes
            axes.insert(next((n for n, a in enumerate(axes) if a in later), len(axes)), axis)
        sizes[axis] = size
    return "".join(axes), tuple(sizes[axis] for axis in axes)


def _check_agrees(
    spec: ImageSpec, path: str, first: ImageSpec, first_path: str, *, is_sized: bool
) -> None:
    """Refuse a file that is not like the first one of its image."""
    same = {
        name: getattr(spec, name) == getattr(first, name) for name in ("axes", "shape", "dtype")
    }
    if not is_sized:
        same["sizes"] = _are_close(spec.sizes, first.sizes)
        same["unit"] = spec.unit == first.unit
    for name, is_same in same.items():
        if not is_same:
            is_scale = name in ("sizes", "unit")
            raise SourceError(
                "the files of one image agree in axes, shape, dtype, voxel sizes and unit",
                value=f"{name} {getattr(spec, name)} in {path}; {getattr(first, name)} in "
                f"{first_path}",
                place=path,
                remedy="give voxel_size= and unit=, which hold for all of them"
                if is_scale
                else f"{_ALIKE if name == 'dtype' else ''}restore the file, or leave its image "
                "out: open_folder(..., select=...)",
            )


_ALIKE = "give read=, which returns arrays of one type; "


def _are_close(sizes: Mapping[str, float], others: Mapping[str, float]) -> bool:
    """Whether voxel sizes are the same, but for rounding where they were written."""
    return sizes.keys() == others.keys() and all(
        math.isclose(size, others[axis], rel_tol=_ROUNDING) for axis, size in sizes.items()
    )

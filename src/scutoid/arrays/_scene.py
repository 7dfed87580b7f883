"""An image in a file of a microscope: its axes as the file has them, and as they are here.

::

    in the file     S=1 T=3 Z=10 C=2 Y=31 X=38      as its library has them
    here                tczyx                       places of one left out, channels before z
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._channel_names import channel_names
from scutoid.arrays._display import ChannelDisplay, known_displays
from scutoid.arrays._notes import Note
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._time import TimeScale
from scutoid.arrays._world_sizes import AxisSize, world_sizes
from scutoid.geometry import Roi

_ORDER = "tczyx"
_PLANE = "yx"
_SHOWN = 3
_EDGE = 512
"""Voxels along y and x of what is best read together, where nothing is decoded."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a library says of an image."""

    dims: str
    """Letters of the axes, in the order of the file."""
    shape: tuple[int, ...]
    """Number of places along each."""
    dtype: np.dtype[np.generic]
    """Type of a voxel."""
    block: tuple[int, ...] | None = None
    """Shape of what is decoded together, by the axes of the file; None: regions are read."""
    colours: str = ""
    """Axis of the numbers that are one colour, which stays last; none: there is none."""
    sizes: Mapping[str, AxisSize] = field(default_factory=dict)
    """Sizes of voxels, by axis."""
    channels: tuple[str | None, ...] = ()
    """Names along c; None: one has none."""
    display: tuple[ChannelDisplay, ...] = ()
    """How each of them is shown."""
    time: TimeScale | None = None
    """When the places along t were recorded."""
    notes: tuple[Note, ...] = ()
    """What is not known."""

    @property
    def axes(self) -> str:
        """Axes of the image: channels before z, colours last, what has one place left out."""
        sizes = dict(zip(self.dims, self.shape, strict=True))
        kept = [axis for axis in self.dims if sizes[axis] != 1 or axis in _PLANE]
        return "".join(sorted(kept, key=self._rank))

    def _rank(self, axis: str) -> int:
        return len(_ORDER) if axis == self.colours else _ORDER.find(axis)

    def spec(self, said: str) -> ImageSpec:
        """Describe the image.

        Parameters
        ----------
        said : str
            What says all this, for notes, such as "the ND2".
        """
        axes = self.axes
        sizes = dict(zip(self.dims, self.shape, strict=True))
        found = {axis: size for axis, size in self.sizes.items() if axis in axes}
        world = world_sizes(axes, found, said)
        are_named = "c" in axes and self.colours != "c"
        n_channels = sizes.get("c", 0)
        names, unnamed = channel_names(self.channels, n_channels if are_named else 0, said)
        shown = self.display if are_named and len(self.display) == n_channels else ()
        return ImageSpec(
            tuple(sizes[axis] for axis in axes),
            self.dtype.newbyteorder("="),
            axes,
            known_sizes=world.sizes,
            unit=world.unit,
            channels=names,
            time=self.time if "t" in axes else None,
            display=known_displays(shown),
            notes=(*world.notes, *unnamed, *self.notes),
        )

    def chunks(self) -> tuple[int, ...]:
        """Shape, by axis of the image, of the voxels that are best read together."""
        sizes = dict(zip(self.dims, self.shape, strict=True))
        edges = {self.colours: sizes.get(self.colours, 1), **dict.fromkeys(_PLANE, _EDGE)}
        if self.block is not None:
            edges = dict(zip(self.dims, self.block, strict=True))
        return tuple(max(min(edges.get(axis, 1), sizes[axis]), 1) for axis in self.axes)

    def slices(self, roi: Roi) -> tuple[slice, ...]:
        """Return a region of the image by the axes of the file."""
        each = dict(zip(self.axes, roi.to_slices(), strict=True))
        return tuple(each.get(axis, slice(0, 1)) for axis in self.dims)

    def as_image(self, voxels: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return an array with the axes of the file with those of the image."""
        axes = self.axes
        left_out = tuple(n for n, axis in enumerate(self.dims) if axis not in axes)
        kept = [axis for axis in self.dims if axis in axes]
        return voxels.squeeze(left_out).transpose([kept.index(axis) for axis in axes])


@dataclass(frozen=True, slots=True)
class Lost:
    """Planes that a file announces and does not hold, as where a recording was stopped."""

    axes: str = ""
    """Axes along which planes are counted."""
    places: tuple[tuple[int, ...], ...] = ()
    """Where the first of those that are not there would be, along these."""
    n_lost: int = 0
    """How many are not there."""
    n_planes: int = 0
    """How many the file announces."""

    @classmethod
    def of(cls, axes: str, shape: Sequence[int], there: Collection[tuple[int, ...]]) -> Lost:
        """Find out which places are not there, in the time that those take that are.

        Parameters
        ----------
        axes : str
            Axes along which planes are counted.
        shape : sequence of int
            How many there are along each, as the file claims.
        there : collection of tuple of int
            The places that are there, each once, within the shape.
        """
        n_planes = math.prod(shape)
        absent = (place for place in _places(shape) if place not in there)
        return cls(axes, tuple(itertools.islice(absent, _SHOWN)), n_planes - len(there), n_planes)

    def __str__(self) -> str:
        each = [
            ", ".join(f"{axis}={n}" for axis, n in zip(self.axes, place, strict=True))
            for place in self.places
        ]
        more = "; ..." * (self.n_lost > len(self.places))
        return f"{self.n_lost} of its {self.n_planes} planes are missing: {'; '.join(each)}{more}"


def _places(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Go through all places in order; as many as a file claims are never held at once."""
    if not shape:
        yield ()
    elif math.prod(shape):
        for first in range(shape[0]):
            yield from ((first, *rest) for rest in _places(shape[1:]))


class Scene(ABC):
    """An image in an open file."""

    facts: Facts
    """What its library says of it."""

    def lost(self) -> Lost:
        """Return which of the planes that the file announces are not in it."""
        return Lost()

    @abstractmethod
    def read(self, slices: tuple[slice, ...]) -> NDArray[np.generic]:
        """Read a region, by the axes of the file; as many axes are returned."""


class SceneReader(ABC):
    """A file of a microscope, open; used by one thread at a time."""

    @abstractmethod
    def images(self) -> tuple[tuple[int, str], ...]:
        """Return number and name of each image; names may be empty."""

    @abstractmethod
    def scene(self, number: int) -> Scene:
        """Return an image by its number, one of those of `images`; reads metadata only."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def detail(self, number: int) -> str:
        """Return what a key has of which image is meant."""
        return f"series {number}"

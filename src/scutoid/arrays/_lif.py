"""LIF files of Leica, by the library liffile: images as they lie in the file, in any order."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._plain_array import read_mapped
from scutoid.arrays._scene import Facts, Scene, SceneReader
from scutoid.arrays._time import TimeScale, time_scale
from scutoid.arrays._world_sizes import AxisSize
from scutoid.errors import SourceError

_AXES = {"λ": "l", "Λ": "e", "N": "i", "Q": "i", "L": "i", "S": "c"}
"""Letters of axes that have others here: wavelengths, loops, the numbers of a colour."""
_IDS = {"1": "x", "2": "y", "3": "z", "4": "t"}
"""Axes by their DimID."""
_COLOURS = {
    "red": "FF0000",
    "green": "00FF00",
    "blue": "0000FF",
    "cyan": "00FFFF",
    "magenta": "FF00FF",
    "yellow": "FFFF00",
    "gray": "FFFFFF",
    "grey": "FFFFFF",
}
_UM = 1e6
"""Micrometres in a metre."""
_DESCRIPTION = "./Data/Image/ImageDescription"


class LifReader(SceneReader):
    """A LIF file."""

    def __init__(self, path: str) -> None:
        import liffile

        self._path = path
        self._file = liffile.LifFile(path, squeeze=False)
        self._scenes: dict[int, LifScene] = {}

    def images(self) -> tuple[tuple[int, str], ...]:
        """Return the images, named by their folders and their own name."""
        return tuple((n, image.path) for n, image in enumerate(self._file.images))

    def scene(self, number: int) -> LifScene:
        """Return an image."""
        if number not in self._scenes:
            self._scenes[number] = LifScene(self._file.images[number], self._path)
        return self._scenes[number]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class LifScene(Scene):
    """An image of a LIF file."""

    def __init__(self, image: Any, path: str) -> None:
        if image.is_flim or image.memory_block.frames:
            raise SourceError(
                "an image of a LIF is an array of voxels in the file itself",
                value="counts of photons by time" if image.is_flim else "files beside it",
                place=f"{path}: {image.path}",
                remedy="export it from LAS X as OME-TIFF",
            )
        self._image = image
        self._path = path
        self._mapped: NDArray[Any] | None = None
        sizes = dict(image.sizes)
        colours = "" if "S" not in sizes else "s" if "C" in sizes else "c"
        letters = {**_AXES, "S": colours}
        dims = "".join(letters.get(axis, axis.lower()) for axis in sizes)
        described = image.xml_element.find(_DESCRIPTION)
        tables = [each.get("LUTName", "") for each in _channels(described)]
        self.facts = Facts(
            dims,
            tuple(sizes.values()),
            np.dtype(image.dtype),
            block=self._block(described),
            colours=colours,
            sizes={axis: size for axis, size in _lengths(described) if axis != "t"},
            channels=_names(image.xml_element, tables),
            display=tuple(ChannelDisplay(_COLOURS.get(name.lower())) for name in tables),
            time=_time(described),
        )

    def _block(self, described: ET.Element | None) -> tuple[int, ...] | None:
        """Return the shape of what is read together: of colours a frame, else nothing is.

        Where rows of colours are filled up to a length, the library finds frames at wrong places,
        and all of the image is read.
        """
        sizes = self._image.sizes
        if "S" not in sizes:
            return None
        frame = tuple(self._image.frames.frame_dims)
        if _rows_are_filled_up(described) or self._image.dims[-len(frame) :] != frame:
            return tuple(sizes.values())
        return tuple(n if axis in frame else 1 for axis, n in sizes.items())

    def read(self, slices: tuple[slice, ...]) -> NDArray[Any]:
        """Read a region of the file; of colours, whose order is turned, by frames."""
        if self.facts.block is None:
            if self._mapped is None:
                self._mapped = self._image.asarray(out="memmap")
            begins = getattr(self._mapped, "offset", 0)
            begins -= begins % mmap.ALLOCATIONGRANULARITY
            return read_mapped(self._path, self._mapped, slices, begins=begins)
        if self.facts.block == self.facts.shape:
            whole: NDArray[Any] = self._image.asarray()[slices]
            return whole
        frame = self._image.frames.frame_dims
        lead = self._image.dims[: -len(frame)]
        voxels = np.empty([s.stop - s.start for s in slices], self.facts.dtype)
        for number in np.ndindex(*voxels.shape[: len(lead)]):
            place = {axis: n + s.start for axis, n, s in zip(lead, number, slices, strict=False)}
            voxels[number] = self._image.frame(**place)[slices[len(lead) :]]
        return voxels


def _rows_are_filled_up(described: ET.Element | None) -> bool:
    steps = {}
    for each in () if described is None else described.iter("DimensionDescription"):
        axis = _IDS.get(each.get("DimID", ""), "")
        steps[axis] = int(each.get("BytesInc", "0")), int(each.get("NumberOfElements", "1"))
    if not {"x", "y"} <= steps.keys():
        return False
    step, n = steps["x"]
    return steps["y"][1] > 1 and steps["y"][0] > step * n


def _channels(described: ET.Element | None) -> list[ET.Element]:
    """Return the channels in their order in the file."""
    found = [] if described is None else described.findall("./Channels/ChannelDescription")
    return sorted(found, key=lambda each: int(each.get("BytesInc", "0")))


def _lengths(described: ET.Element | None) -> Iterator[tuple[str, AxisSize]]:
    """Return how far apart places are along each axis: the length is that of all intervals."""
    for each in () if described is None else described.iter("DimensionDescription"):
        axis, n = _IDS.get(each.get("DimID", "")), int(each.get("NumberOfElements", "1"))
        if axis is not None and n > 1:
            size = abs(float(each.get("Length", "0"))) / (n - 1)
            unit = each.get("Unit") or None
            if unit == "m":  # as nearly all are, of micrometres
                size, unit = size * _UM, "um"
            yield axis, AxisSize(size or None, unit)


def _time(described: ET.Element | None) -> TimeScale | None:
    interval = dict(_lengths(described)).get("t", AxisSize(None))
    return time_scale(interval.size, interval.unit, 0.0, "the LIF")[0]


def _names(element: ET.Element, tables: list[str]) -> tuple[str, ...]:
    """Return the names of channels: their dyes, else their tables of colours; none if not all."""
    dyes = [
        value
        for each in element.iter("ChannelProperty")
        if _text(each, "Key") == "DyeName" and (value := _text(each, "Value"))
    ]
    for names in (dyes, tables):
        if len(names) == len(tables) and _are_distinct(names):
            return tuple(names)
    return ()


def _text(element: ET.Element, name: str) -> str:
    found = element.find(name)
    return re.sub(r"\s+", " ", (found.text or "") if found is not None else "").strip()


def _are_distinct(names: Iterable[str]) -> bool:
    listed = list(names)
    return all(listed) and len(set(listed)) == len(listed)

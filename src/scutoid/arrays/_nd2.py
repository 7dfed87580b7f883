"""ND2 files of Nikon, by the library nd2: frames, which hold all channels of a plane."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._nd2_frames import frames_there
from scutoid.arrays._notes import Note
from scutoid.arrays._plain_array import read_mapped
from scutoid.arrays._scene import Facts, Lost, Scene, SceneReader
from scutoid.arrays._time import TimeScale, time_scale
from scutoid.arrays._world_sizes import AxisSize
from scutoid.errors import SIGNS_OF_DAMAGE

_POSITION = "P"
_FRAME = "CYXS"
"""Axes within a frame: channels, a plane, and the numbers of a colour."""
_AXES = {"U": "i"}
"""Letters of axes that have others here; U counts what a user's own loop goes through."""
_TURNED = Note(
    "axes",
    "an ND2 does not say which number of a colour is red, and many have blue first",
    "look at a voxel whose colour you know, and give axes= once you do",
)


class Nd2Reader(SceneReader):
    """An ND2 file."""

    def __init__(self, path: str) -> None:
        import nd2

        self._path = path
        self._file = nd2.ND2File(path)
        self._scenes: dict[int, Nd2Scene] = {}

    def images(self) -> tuple[tuple[int, str], ...]:
        """Return the positions of the stage; a file without any is one image."""
        n_positions = self._file.sizes.get(_POSITION, 1)
        names = ["" for _ in range(n_positions)]
        for loop in self._file.experiment:
            if loop.type == "XYPosLoop" and n_positions == loop.count > 1:
                names = [point.name or "" for point in loop.parameters.points]
        return tuple(enumerate(names))

    def scene(self, number: int) -> Nd2Scene:
        """Return a position."""
        if number not in self._scenes:
            self._scenes[number] = Nd2Scene(self._file, number, self._path)
        return self._scenes[number]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Nd2Scene(Scene):
    """A position of an ND2 file."""

    def __init__(self, file: Any, position: int, path: str) -> None:
        self._file, self._path = file, path
        sizes = dict(file.sizes)
        self._loops = {axis: n for axis, n in sizes.items() if axis not in _FRAME}
        self._fixed = {_POSITION: position} if _POSITION in sizes else {}
        self._lead = [axis for axis in self._loops if axis not in self._fixed]
        self._frame = [axis for axis in sizes if axis in _FRAME]
        colours = "" if "S" not in sizes else "s" if "C" in sizes else "c"
        letters = {**_AXES, "S": colours}
        kept = [*self._lead, *self._frame]
        dims = "".join(letters.get(axis, axis.lower()) for axis in kept)
        is_packed = file.attributes.compressionType is not None
        channels, notes = _channels(file)
        self.facts = Facts(
            dims,
            tuple(sizes[axis] for axis in kept),
            np.dtype(file.dtype),
            block=(*(1 for _ in self._lead), *(sizes[axis] for axis in self._frame))
            if is_packed
            else None,
            colours=colours,
            sizes=_sizes(channels),
            channels=tuple(each.channel.name for each in channels),
            display=tuple(_shown(each.channel.color) for each in channels),
            time=_time(file.experiment),
            notes=(*notes, _TURNED) if colours else notes,
        )

    def lost(self) -> Lost:
        """Return which frames are not in the file, whose library gives zeros for them."""
        there = frames_there(self._path)
        n_frames = math.prod(self._loops.values())
        if there is None or sum(number < n_frames for number in there) == n_frames:
            return Lost()
        shape = [self._loops[axis] for axis in self._lead]
        return Lost.of("".join(self._lead).lower(), shape, self._places(there))

    def _places(self, there: Iterable[int]) -> set[tuple[int, ...]]:
        """Return the places of frames at this position along the loops but that of positions."""
        found = set()
        for number in there:
            rest, at = number, {}
            for axis, n in reversed(self._loops.items()):
                rest, at[axis] = divmod(rest, n) if n else (1, 0)
            if rest == 0 and self._fixed.items() <= at.items():
                found.add(tuple(at[axis] for axis in self._lead))
        return found

    def read(self, slices: tuple[slice, ...]) -> NDArray[Any]:
        """Read a region, frame by frame."""
        n_lead = len(self._lead)
        lead, within = slices[:n_lead], slices[n_lead:]
        voxels = np.empty([s.stop - s.start for s in slices], self.facts.dtype)
        for number in np.ndindex(*voxels.shape[:n_lead]):
            place = [n + each.start for n, each in zip(number, lead, strict=True)]
            frame = self._file.read_frame(self._number(place))
            voxels[number] = read_mapped(self._path, frame, within)
        return voxels

    def _number(self, place: Iterable[int]) -> int:
        """Return the number of the frame at a place along the loops but that of positions."""
        at = self._fixed | dict(zip(self._lead, place, strict=True))
        number = 0
        for axis, n in self._loops.items():
            number = number * n + at[axis]
        return number


def _channels(file: Any) -> tuple[list[Any], tuple[Note, ...]]:
    """Return what the file says of its channels, where that can be read."""
    try:
        return [] if file.is_legacy else list(file.metadata.channels or []), ()
    except (NameError, *SIGNS_OF_DAMAGE) as error:
        text = "what the ND2 says of its channels and of the sizes of voxels cannot be read: "
        return [], (Note("voxel_size", f"{text}{error}", "give voxel_size= and unit="),)


def _sizes(channels: list[Any]) -> dict[str, AxisSize]:
    """Return the sizes of voxels that are calibrated."""
    if not channels:
        return {}
    volume = channels[0].volume
    each = zip("xyz", volume.axesCalibration, volume.axesCalibrated, strict=True)
    return {axis: AxisSize(size, "um") for axis, size, is_known in each if is_known}


def _shown(color: Any) -> ChannelDisplay:
    return ChannelDisplay(f"{color.r:02X}{color.g:02X}{color.b:02X}")


def _time(loops: Iterable[Any]) -> TimeScale | None:
    """Return the interval of a loop over time: the measured one, else the one that was asked for.

    None where the file says neither, or has several.
    """
    for loop in loops:
        periods = [loop.parameters] if loop.type == "TimeLoop" else []
        if loop.type == "NETimeLoop":
            periods = loop.parameters.periods
        if len(periods) == 1:
            interval = periods[0].periodDiff.avg or periods[0].periodMs
            return time_scale(interval or None, "ms", 0.0, "the ND2")[0]
    return None

"""CZI files of ZEISS, by their own library, pylibCZIrw."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._czi_metadata import (
    channels_of,
    displays_of,
    scenes_of,
    sizes_of,
    time_of,
)
from scutoid.arrays._scene import Facts, Lost, Scene, SceneReader
from scutoid.arrays._world_sizes import AxisSize
from scutoid.errors import SourceError

_LEAD = "TCZ"
_TYPES = {
    "Gray8": ("uint8", 1),
    "Gray16": ("uint16", 1),
    "Gray32Float": ("float32", 1),
    "Bgr24": ("uint8", 3),
    "Bgr48": ("uint16", 3),
    "Bgr96Float": ("float32", 3),
}
_CACHE = 24 * 2**20
"""Bytes of tiles that a reader keeps once they are decoded."""


class CziReader(SceneReader):
    """A CZI file."""

    def __init__(self, path: str) -> None:
        from pylibCZIrw import czi

        self._path = path
        self._file = czi.CziReader(path, cache_options=czi.CacheOptions(max_memory_usage=_CACHE))
        self._scenes: dict[int, CziScene] = {}

    def images(self) -> tuple[tuple[int, str], ...]:
        """Return the scenes; a file without any is one image."""
        numbers = sorted(self._file.scenes_bounding_rectangle)
        names = scenes_of(self._file.metadata)
        return tuple((n, names.get(n, f"scene {n}")) for n in numbers) or ((0, ""),)

    def scene(self, number: int) -> CziScene:
        """Return a scene; where no tile lies it is 0."""
        if number not in self._scenes:
            self._scenes[number] = CziScene(self._file, self._own_number(number), self._path)
        return self._scenes[number]

    def detail(self, number: int) -> str:
        """Return what a key has of which scene is meant."""
        return f"scene {self._own_number(number)}"

    def _own_number(self, number: int) -> int | None:
        return number if self._file.scenes_bounding_rectangle else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CziScene(Scene):
    """A scene of a CZI file."""

    def __init__(self, file: Any, number: int | None, path: str) -> None:
        if number is None:
            outline = file.total_bounding_rectangle_no_pyramid
        else:
            outline = file.scenes_bounding_rectangle_no_pyramid[number]
        self._planes = _planes(file, number)
        spans = _spans(self._planes)
        dtype, n_samples = _pixels(file, self._planes, spans, path)
        self._file, self._number = file, number
        self._begin = {letter: a for letter, (a, _) in spans.items()}
        self._corner = (outline.y, outline.x)
        self._has_colours = n_samples > 1
        lead = spans if n_samples == 1 else {axis: spans[axis] for axis in "TZ"}
        self._lead = "".join(lead)
        samples = (n_samples,) if self._has_colours else ()
        metadata = file.metadata
        sizes, bad_sizes = sizes_of(metadata)
        time, bad_times = time_of(metadata)
        self.facts = Facts(
            self._lead.lower() + "yx" + "c" * self._has_colours,
            (*(b - a for a, b in lead.values()), outline.h, outline.w, *samples),
            np.dtype(dtype),
            colours="c" * self._has_colours,
            sizes={axis: AxisSize(size, "um") for axis, size in sizes.items()},
            channels=channels_of(metadata),
            display=displays_of(metadata, np.dtype(dtype)),
            time=time,
            notes=(*bad_sizes, *bad_times),
        )

    def lost(self) -> Lost:
        """Return the planes on which no tile lies."""
        begin = [self._begin[axis] for axis in _LEAD]
        shape = [end - start for start, end in _spans(self._planes).values()]
        there = {tuple(np.subtract(place, begin).tolist()) for place in self._planes}
        return Lost.of(_LEAD.lower(), shape, there)

    def read(self, slices: tuple[slice, ...]) -> NDArray[Any]:
        """Read a region, plane by plane."""
        n_lead = len(self._lead)
        lead, (y, x) = slices[:n_lead], slices[n_lead : n_lead + 2]
        voxels = np.zeros([s.stop - s.start for s in slices], self.facts.dtype)
        top, left = self._corner
        place = (left + x.start, top + y.start, x.stop - x.start, y.stop - y.start)
        for number in np.ndindex(*voxels.shape[:n_lead]):
            plane = dict(self._begin)
            for letter, n, each in zip(self._lead, number, lead, strict=True):
                plane[letter] += n + each.start
            pixels = self._file.read(roi=place, plane=plane, scene=self._number)
            if self._has_colours:  # blue, green, red
                voxels[number] = pixels[..., ::-1][..., slices[-1]]
            else:
                voxels[number] = pixels[..., 0]
        return voxels


def _planes(file: Any, number: int | None) -> frozenset[tuple[int, ...]]:
    """Return the places along t, c and z where a scene has tiles."""
    found = set()

    def note(_: int, tile: Any) -> bool:
        at = tile.coordinate.to_dict()
        if number is None or at.get("S") == number:
            found.add(tuple([at.get(axis, 0) for axis in _LEAD]))
        return True

    file.enumerate_subblocks_subset(note, only_layer0=True)
    return frozenset(found)


def _spans(planes: Collection[tuple[int, ...]]) -> dict[str, tuple[int, int]]:
    """Return where they begin and end along each axis: not all scenes have as many."""
    along = zip(*planes, strict=True) if planes else [(0,)] * len(_LEAD)
    return {axis: (min(each), max(each) + 1) for axis, each in zip(_LEAD, along, strict=True)}


def _pixels(
    file: Any,
    planes: Collection[tuple[int, ...]],
    spans: Mapping[str, tuple[int, int]],
    path: str,
) -> tuple[str, int]:
    """Return the type of a number, and how many a pixel has.

    The library is asked of channels that have tiles, not of all that a damaged file may claim.
    """
    box = file.total_bounding_box
    others = [f"{n}: {b - a}" for n, (a, b) in box.items() if n not in "TCZYX" and b - a > 1]
    channels = {place[_LEAD.index("C")] for place in planes} or {0}
    kinds = {file.get_channel_pixel_type(channel) for channel in channels}
    kind = _TYPES.get(next(iter(kinds), "")) if len(kinds) == 1 else None
    first, end = spans["C"]
    n_channels = end - first
    if kind is None or others or (kind[1] > 1 and n_channels > 1):
        raise SourceError(
            "a CZI that is read has axes t, c, z, y, x, and pixels of one type for all channels",
            value=f"pixels {', '.join(sorted(kinds))}; {n_channels} channels; {others or ''}",
            place=path,
            remedy="export it from ZEN as OME-TIFF",
        )
    return kind

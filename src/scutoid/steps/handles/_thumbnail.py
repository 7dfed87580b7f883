"""Small pictures of images that are there: maxima over z of a coarse level, read cheaply.

Nothing is computed: an image is read from its file or its store, and if that would take more than
some megabytes, there is no picture.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ArraySource, ChannelDisplay, ImageSpec, source_at_level
from scutoid.geometry import Roi
from scutoid.kernels import contrast_limits, downsample
from scutoid.steps.layout import View

SIDE = 256
"""Pixels along the longer side, at most."""
_SHOWN = 192
"""Pixels of the page along the longer side of a picture that has fewer."""
_MOST_CHANNELS = 6
_PARTS = (1024, 512, 256, 128, 64)
"""Voxels along the sides of the part in the middle that is shown where a plane is too large."""
_COLORS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
_NOT_READ: Mapping[str, str] = {
    "url": "no picture: it would be fetched from another machine",
    "dask": "no picture: dask would compute it",
}
_EFFORT = 3
"""Of zlib: more of it doubles the time for a tenth of the bytes."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture."""

    png: str
    """As PNG, in base 64."""
    size: tuple[int, int]
    """Width and height on the page, in pixels: those of what the voxels cover."""
    caption: str
    """What of the image it shows."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is read of one level."""

    source: ArraySource
    level: int
    ranges: dict[str, Range]
    """By axis, the places that are read."""
    is_whole: bool
    """Whether that is all of the image that a picture has room for."""
    plane: str
    """The two axes of the picture, the upright one first."""
    is_part: bool = False
    """Whether that is a part in the middle of a plane."""


def thumbnail(
    source: ArraySource, view: View | None, *, is_labels: bool, budget: int, fetches: bool = False
) -> Thumbnail | str:
    """Make a picture of an image.

    Parameters
    ----------
    source : ArraySource
        The image, uncut.
    view : View, optional
        What is taken of it; default: all.
    is_labels : bool
        Whether voxels are object numbers.
    budget : int
        Bytes of decoded chunks that may be read.
    fetches : bool
        Whether they may be fetched from another machine.

    Returns
    -------
    Thumbnail or str
        Or why there is none.
    """
    found = chosen(source, view, budget, fetches=fetches)
    if isinstance(found, str):
        return found
    colored = colored_pixels(projected(found), displays_of(source.spec, found), is_labels=is_labels)
    return framed_picture(colored, found, source.spec)


def chosen(
    source: ArraySource, view: View | None, budget: int, *, fetches: bool = False
) -> Cut | str:
    """Choose what of an image is read for its picture; or say why there is none."""
    spec = source.spec
    picks = View.whole(spec.shape).picks if view is None else view.picks
    taken = {
        axis: pick if isinstance(pick, tuple) else (pick, pick + 1)
        for axis, pick in zip(spec.axes, picks, strict=True)
    }
    kept = [a for a, pick in zip(spec.axes, picks, strict=True) if isinstance(pick, tuple)]
    plane = "yx" if {"y", "x"} <= set(kept) else "".join(a for a in kept if a in "zyx")[-2:]
    if len(plane) < 2 or any(start >= stop for start, stop in taken.values()):
        return "no picture: it has no plane of voxels"
    kind = source.identity.kind
    if kind in _NOT_READ and not (fetches and kind == "url"):
        return _NOT_READ[kind]
    cut = cheapest(source, taken, plane, budget)
    if cut is None:
        return f"no picture: a part of it takes more than {budget / 2**20:.0f} MiB to read"
    return cut


def framed_picture(
    colored: NDArray[np.uint8], cut: Cut, spec: ImageSpec, *, times: int = 1
) -> Thumbnail:
    """Return a picture of pixels, `times` to a side of each, as wide and high as they cover."""
    height, width = (side // times for side in colored.shape[:2])
    covered = [cut.ranges[axis][1] - cut.ranges[axis][0] for axis in cut.plane]
    sizes = [cut.source.spec.sizes.get(axis) for axis in cut.plane]
    lengths = covered if None in sizes else np.multiply(covered, sizes)  # type: ignore[arg-type]
    most = max(_SHOWN, height, width)
    shown = [max(round(most * float(length) / float(max(lengths))), 1) for length in lengths]
    return Thumbnail(png_of(colored), (shown[1], shown[0]), caption_of(spec, cut))


def cheapest(source: ArraySource, taken: dict[str, Range], plane: str, budget: int) -> Cut | None:
    """Return what is read of the coarsest level that has enough pixels for the picture.

    A finer one is taken only where all of it can be read for that.
    """
    chosen = None
    for level in reversed(range(source.levels)):
        there = source if source.levels == 1 else source_at_level(source, level)
        if there is None:  # this level is all there is
            return _cut(source, 0, source.spec.shape, taken, plane, budget)
        cut = _cut(there, level, source.spec.shape, taken, plane, budget)
        if cut is None or (chosen is not None and not cut.is_whole):
            break
        chosen = cut
        if max(cut.ranges[a][1] - cut.ranges[a][0] for a in plane) >= SIDE:
            break
    return chosen


def _cut(
    source: ArraySource,
    level: int,
    finest: Sequence[int],
    taken: dict[str, Range],
    plane: str,
    budget: int,
) -> Cut | None:
    """Choose what of a level is read; None if that is too much."""
    spec = source.spec
    ranges: dict[str, Range] = {}
    chunks = dict(zip(spec.axes, source.chunks, strict=True))
    for axis, size, full in zip(spec.axes, spec.shape, finest, strict=True):
        start, stop = taken[axis]
        low = min(start * size // full, size - 1)
        ranges[axis] = (low, min(max(math.ceil(stop * size / full), low + 1), size))
    wanted = ranges | {a: (r[0], r[0] + 1) for a, r in ranges.items() if a not in "zyx"}
    if "c" in ranges:
        first, last = ranges["c"]
        wanted["c"] = (first, min(last, first + _MOST_CHANNELS))
    for side in (None, *_PARTS):
        read = wanted | {a: _part(wanted[a], side) for a in plane}
        read |= {a: (r[0], r[0] + 1) for a, r in wanted.items() if a not in plane}
        for axis in ("c", "z"):
            if axis in read and axis not in plane:
                one = _bytes(spec, chunks, {a: r for a, r in read.items() if a != axis})
                most = budget // max(one, 1)
                read[axis] = _chunks_of(wanted[axis], chunks[axis], most, is_middle=axis == "z")
        if _bytes(spec, chunks, read) <= budget:
            return Cut(source, level, read, read == wanted, plane, side is not None)
    return None


def _part(places: Range, side: int | None) -> Range:
    """Return the middle of a range of places; None: all of it."""
    start, stop = places
    if side is None or stop - start <= side:
        return places
    first = start + (stop - start - side) // 2
    return first, first + side


def _bytes(spec: ImageSpec, chunks: Mapping[str, int], ranges: Mapping[str, Range]) -> int:
    """Return the bytes of all chunks that are decoded for what is read."""
    spans = (-(-stop // chunks[a]) - start // chunks[a] for a, (start, stop) in ranges.items())
    return (
        math.prod(n * chunks[a] for n, a in zip(spans, ranges, strict=True)) * spec.dtype.itemsize
    )


def _chunks_of(places: Range, chunk: int, most: int, *, is_middle: bool) -> Range:
    """Return as many whole chunks of places as may be decoded: in the middle, or the first."""
    first, last = places[0] // chunk, -(-places[1] // chunk)
    n_chunks = min(max(most // chunk, 1), last - first)
    begin = first + ((last - first - n_chunks) // 2 if is_middle else 0)
    return max(begin * chunk, places[0]), min((begin + n_chunks) * chunk, places[1])


def projected(cut: Cut) -> NDArray[np.generic]:
    """Read voxels: shape (channels, height, width), the maxima over z."""
    axes, plane = cut.source.spec.axes, cut.plane
    ranges = [cut.ranges[axis] for axis in axes]
    array = cut.source.read(Roi([r[0] for r in ranges], [r[1] - r[0] for r in ranges]))
    if array.dtype.kind == "c":
        array = np.abs(array)
    front = [a for a in axes if a == "c" and a not in plane]
    order = [*(a for a in axes if a not in plane and a != "c"), *front, *plane]
    array = array.transpose([axes.index(axis) for axis in order])
    largest = np.fmax if array.dtype.kind == "f" else np.maximum
    flat = array.reshape(-1, *array.shape[len(order) - 2 - len(front) :])
    found = largest.reduce(flat, axis=0)
    result: NDArray[np.generic] = found.reshape(-1, *found.shape[-2:])
    return result


def colored_pixels(
    pixels: NDArray[np.generic], displays: Sequence[ChannelDisplay] | None, *, is_labels: bool
) -> NDArray[np.uint8]:
    """Return red, green and blue: of objects by their numbers, else of channels added up."""
    step = -(-max(pixels.shape[1:]) // SIDE)
    method = "max" if is_labels or pixels.dtype.kind == "b" else "mean"
    small = [downsample(channel, step, method) for channel in pixels]
    if is_labels:
        return colors_of_objects(small[0])
    if displays is None:
        return np.ascontiguousarray(np.stack(small[:3], axis=-1).astype(np.uint8))
    total = np.zeros((*small[0].shape, 3))
    for values, display in zip(small, displays, strict=True):
        low, high = (0.0, 0.0) if display.window is None else display.window[:2]
        if not low < high:
            low, high = contrast_limits([values])
        with np.errstate(over="ignore", invalid="ignore"):
            level = np.nan_to_num((values.astype(np.float64) - low) / (high - low)).clip(0, 1)
        color = display.color or "FFFFFF"
        if len(small) == 1 and color.upper() == "FFFFFF":  # three planes of one are dear
            return np.repeat((level * 255).round().astype(np.uint8)[..., np.newaxis], 3, axis=-1)
        total += level[..., np.newaxis] * _rgb(color)
    return (total.clip(0, 1) * 255).round().astype(np.uint8)


def _rgb(color: str) -> NDArray[np.float64]:
    return np.array([int(color[n : n + 2], 16) / 255 for n in (0, 2, 4)])


def colors_of_objects(numbers: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Give each object a hue by its number, the same in every picture; 0 is black."""
    ids = numbers.astype(np.uint64).reshape(-1)
    # Of one object there are mostly some pixels side by side, which get their colour together
    begins = np.append(True, ids[1:] != ids[:-1])[: ids.size]
    first = np.flatnonzero(begins)
    colors = _colors(ids[first])
    return np.repeat(colors, np.diff(first, append=ids.size), axis=0).reshape(*numbers.shape, 3)


def _colors(ids: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return a row of red, green and blue for each number."""
    hue = ((ids * _GOLDEN) >> np.uint64(40)).astype(np.float64) / 2**24
    parts = []
    for shift in (5.0, 3.0, 1.0):
        place = (shift + hue * 6) % 6
        parts.append(1 - 0.7 * np.minimum(place, 4 - place).clip(0, 1))
    colors = (np.stack(parts, axis=-1) * 255).round().astype(np.uint8)
    colors[ids == 0] = 0
    return colors


def displays_of(spec: ImageSpec, cut: Cut) -> list[ChannelDisplay] | None:
    """Return how each channel that is read is shown; None of pictures in colour."""
    if "c" not in spec.axes:
        return [spec.display[0] if len(spec.display) == 1 else ChannelDisplay()]
    first, last = cut.ranges["c"]
    n_channels = spec.shape[spec.axes.index("c")]
    is_colour = spec.axes.endswith("c") and spec.dtype == np.uint8 and not spec.channels
    if is_colour and n_channels in (3, 4) and last - first == n_channels:
        return None
    known = spec.display[first:last] or [ChannelDisplay()] * (last - first)
    if last - first == 1:
        return list(known)
    return [
        ChannelDisplay(display.color or _COLORS[n % len(_COLORS)], display.window)
        for n, display in enumerate(known, first)
    ]


def caption_of(spec: ImageSpec, cut: Cut) -> str:
    """Say which part of the image the picture shows."""
    said: list[str] = []
    shape = dict(zip(cut.source.spec.axes, cut.source.spec.shape, strict=True))
    for axis, (start, stop) in cut.ranges.items():
        if axis in cut.plane:
            if cut.is_part:
                said.append(f"{axis} {start} to {stop - 1}")
            continue
        if shape[axis] == 1:
            continue
        if axis == "c":
            names = spec.channels[start:stop] or tuple(map(str, range(start, stop)))
            said.append(f"channel {', '.join(names)}")
        elif stop - start == 1:
            said.append(f"{axis} {start}")
        else:
            said.append(f"maximum over {axis} {start} to {stop - 1}")
    if cut.level:
        said.append(f"level {cut.level}")
    return ", ".join(said) or "all of it"


def png_of(colored: NDArray[np.uint8]) -> str:
    """Return a picture as PNG, in base 64: in grey, with a third of the bytes, if it is grey."""
    from PIL import Image

    first = colored[..., :1]
    pixels = first[..., 0] if bool((colored == first).all()) else colored
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=_EFFORT)
    return base64.b64encode(file.getvalue()).decode("ascii")

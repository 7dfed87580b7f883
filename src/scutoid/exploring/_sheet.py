"""Contact sheets: a picture a choice, with one contrast for all and outlines of objects."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels import contrast_limits, downsample
from scutoid.same import Same

SIDE = 280
"""Pixels along the longer side of a picture, about."""
_PAPER, _INK, _FAINT = (24, 26, 30), (236, 238, 240), (160, 166, 174)
_WHOLE, _CUT = (255, 214, 10), (255, 92, 168)
_GAP, _LINE, _FONT = 12, 19, 15
_LEGEND = "yellow: whole objects; pink: go on beyond what was computed, and are not counted"


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """What is drawn of one choice, in pixels of the picture."""

    pixels: NDArray[Any]
    """Intensities, shape (y, x)."""
    labels: NDArray[Any] | None
    """Object numbers; None: no outlines."""
    cut: NDArray[np.bool_] | None
    """Where objects are that go on beyond what was computed."""


def plane_of(array: NDArray[Any], axes: str, side: int, *, is_labels: bool) -> NDArray[Any]:
    """Return a picture of a region: the largest voxels over z, the first of all other axes.

    Parameters
    ----------
    array : ndarray
        The region.
    axes : str
        Its axes.
    side : int
        Pixels along the longer side, at most, unless that is larger by itself only once.
    is_labels : bool
        Whether voxels are object numbers.

    Returns
    -------
    ndarray, shape (y, x)
    """
    kept = [axis for axis in axes if axis in "yx"] if {"y", "x"} <= set(axes) else list(axes[-2:])
    index = tuple(slice(None) if axis in kept or axis == "z" else 0 for axis in axes)
    flat, seen = array[index], [axis for axis in axes if axis in kept or axis == "z"]
    if "z" in seen and "z" not in kept:
        flat = flat.max(axis=seen.index("z"))
        seen.remove("z")
    if flat.ndim == 1:
        flat, seen = flat[np.newaxis], ["", *seen]
    flat = flat.transpose([seen.index(axis) for axis in (kept if len(kept) == 2 else seen)])
    if flat.dtype.kind == "c":
        flat = np.abs(flat)
    step = max(1, -(-max(flat.shape) // side))
    if step > 1:
        is_whole = is_labels or flat.dtype == bool
        flat = downsample(np.ascontiguousarray(flat), step, "max" if is_whole else "mean")
    times = max(1, side // max(flat.shape))
    return np.repeat(np.repeat(flat, times, 0), times, 1)


def draw_sheet(
    tiles: Sequence[Tile], captions: Sequence[Sequence[str]], title: str, columns: int
) -> bytes:
    """Draw a contact sheet.

    Parameters
    ----------
    tiles : sequence of Tile
        In the order of the choices.
    captions : sequence of sequence of str
        Lines below each.
    title : str
        Above all.
    columns : int
        How many stand side by side.

    Returns
    -------
    bytes
        A PNG.
    """
    from PIL import Image, ImageDraw, ImageFont

    limits = contrast_limits(tile.pixels for tile in _different(tiles))
    font = ImageFont.load_default(size=_FONT)
    measured = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    wide = max(tile.pixels.shape[1] for tile in tiles)
    high = max(tile.pixels.shape[0] for tile in tiles)
    text = max(measured.textlength(line, font=font) for lines in captions for line in lines)
    cell = max(wide, math.ceil(text))
    below = _LINE * max(map(len, captions)) + 6
    legend = any(tile.cut is not None and tile.cut.any() for tile in tiles)
    head = [title, _LEGEND] if legend else [title]
    top = _GAP + _LINE * len(head) + 6
    rows = -(-len(tiles) // columns)
    longest = math.ceil(max(measured.textlength(line, font=font) for line in head))
    width = max(_GAP + columns * (cell + _GAP), longest + 2 * _GAP)
    sheet = Image.new("RGB", (width, top + rows * (high + below + _GAP)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(head):
        pen.text((_GAP, _GAP + number * _LINE), line, _FAINT if number else _INK, font=font)
    for number, (tile, lines) in enumerate(zip(tiles, captions, strict=True)):
        left = _GAP + number % columns * (cell + _GAP)
        upper = top + number // columns * (high + below + _GAP)
        sheet.paste(Image.fromarray(colored(tile, limits)), (left, upper))
        for place, line in enumerate(lines):
            at = (left, upper + high + 3 + place * _LINE)
            pen.text(at, line, _FAINT if place else _INK, font=font)
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()


def _different(tiles: Sequence[Tile]) -> list[Tile]:
    """Return the tiles, of those that show the same pixels one."""
    return list({Same(tile.pixels): tile for tile in tiles}.values())


def colored(tile: Tile, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return red, green and blue of a tile, shape (y, x, 3)."""
    low, high = limits
    level = (tile.pixels.astype(np.float64) - low) / (high - low)
    grey = (np.nan_to_num(level).clip(0, 1) * 255).round().astype(np.uint8)
    colors = np.repeat(grey[..., np.newaxis], 3, axis=2)
    if tile.labels is not None:
        edges = outlined(tile.labels)
        colors[edges] = _WHOLE
        if tile.cut is not None:
            colors[edges & tile.cut] = _CUT
    return colors


def outlined(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of objects beside another object or the background."""
    edges = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        before = [slice(None)] * labels.ndim
        after = list(before)
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        differ = labels[tuple(before)] != labels[tuple(after)]
        edges[tuple(before)] |= differ
        edges[tuple(after)] |= differ
    found: NDArray[np.bool_] = edges & (labels != 0)
    return found

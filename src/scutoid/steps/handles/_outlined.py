"""Small pictures of an image with the outlines of objects over it, in the objects' colours."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ArraySource
from scutoid.steps.handles._thumbnail import (
    SIDE,
    Cut,
    Range,
    Thumbnail,
    cheapest,
    chosen,
    colored_pixels,
    colors_of_objects,
    displays_of,
    framed_picture,
    projected,
    thumbnail,
)
from scutoid.steps.layout import View

SHARP = 384
"""Pixels along the longer side from which a line of one pixel is thin enough."""


def outlined_thumbnail(
    image: ArraySource,
    labels: ArraySource,
    view: View | None = None,
    *,
    budget: int,
    sharp: int = SHARP,
    fetches: bool = False,
) -> Thumbnail | str:
    """Make a picture of an image with the outlines of objects.

    Parameters
    ----------
    image : ArraySource
        What is shown: maxima over z, as `thumbnail` shows it.
    labels : ArraySource
        Numbers of objects, 0 where there is none, of the same extent in space.
    view : View, optional
        What is taken of them; default: all.
    budget : int
        Bytes of decoded chunks that may be read of each.
    sharp : int
        Pixels along the longer side that a small picture is enlarged to, for thin lines.
    fetches : bool
        Whether voxels may be fetched from another machine.

    Returns
    -------
    Thumbnail or str
        The objects alone, in colours, where no part of both can be read for that; or why there is
        no picture.
    """
    there = chosen(labels, view, budget, fetches=fetches)
    if isinstance(there, str):
        return there
    behind = _same_part(image, there, labels, budget)
    if behind is not None and not behind.is_whole:  # fewer planes: those of the objects as well
        nearer = _same_part(labels, behind, image, budget)
        behind = None if nearer is None or not nearer.is_whole else behind
        there = nearer or there
    if behind is None:
        return thumbnail(labels, view, is_labels=True, budget=budget, fetches=fetches)
    pixels = projected(behind)
    colored = colored_pixels(pixels, displays_of(image.spec, behind), is_labels=False)
    numbers = projected(there)[0]
    times = max(1, sharp // max(colored.shape[:2]))
    drawn = _outlined(colored, times, pixels.shape[1:], numbers)
    return framed_picture(drawn, behind, image.spec, times=times)


def _same_part(source: ArraySource, cut: Cut, other: ArraySource, budget: int) -> Cut | None:
    """Choose of an image what a cut takes of another of the same extent; None: it cannot be."""
    finest = dict(zip(other.spec.axes, other.spec.shape, strict=True))
    at_level = dict(zip(cut.source.spec.axes, cut.source.spec.shape, strict=True))
    taken: dict[str, Range] = {}
    for axis, size in zip(source.spec.axes, source.spec.shape, strict=True):
        if axis in "zyx":
            if finest.get(axis) != size:
                return None
            start, stop = cut.ranges[axis]
            scale = Fraction(size, at_level[axis])
            taken[axis] = int(start * scale), min(-int(-stop * scale // 1), size)
        else:
            is_shared = axis == "t" and finest.get(axis) == size
            taken[axis] = cut.ranges[axis] if is_shared else (0, size)
    if not set(cut.plane) <= taken.keys():
        return None
    found = cheapest(source, taken, cut.plane, budget)
    return None if found is None or found.is_part else found


def _outlined(
    colored: NDArray[np.uint8], times: int, size: tuple[int, ...], numbers: NDArray[np.generic]
) -> NDArray[np.uint8]:
    """Draw the inner pixels along the outline of each object.

    Parameters
    ----------
    colored : ndarray of uint8
        (height, width, 3), the picture.
    times : int
        How many pixels become of each along a side.
    size : tuple of int
        Height and width in voxels of what it shows, which it may be smaller than.
    numbers : ndarray
        (y, x), the objects in the same part.
    """
    drawn = colored.repeat(times, axis=0).repeat(times, axis=1)
    step = -(-max(size) // SIDE)
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) / times * step / full * there, there - 1).astype(int)
        for n, full, there in zip(drawn.shape[:2], size, numbers.shape, strict=True)
    )
    found = numbers[np.ix_(rows, columns)]
    padded = np.pad(found, 1, mode="edge")
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    is_edge = np.logical_or.reduce([found != side for side in around]) & (found != 0)
    drawn[is_edge] = colors_of_objects(found[is_edge])
    return drawn

"""Outlines of objects along the edges of their voxels: what is inside of them is the object.

::

    . # # .         0   1   2   3   4
    # # # .       0 . . +-------+ . .      the corners of the outline, each (x, y), clockwise;
    . . . .       1 +---+       | . .      around a hole they go the other way
                  2 +-----------+ . .
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_Corner = tuple[int, int]


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the outlines of an object in a plane, and of its holes.

    A pixel (y, x) lies between the corners (x, y) and (x + 1, y + 1).  Pixels that touch at a
    corner alone have outlines of their own.

    Parameters
    ----------
    mask : ndarray of bool
        (y, x), true inside of the object.

    Returns
    -------
    list of ndarray of int
        Each (corner, 2): x and y of the corners at which it turns, the first of them once.

    Examples
    --------
    >>> outlines(np.array([[False, True], [True, True]]))[0].tolist()
    [[1, 0], [2, 0], [2, 2], [0, 2], [0, 1], [1, 1]]
    """
    follows = _edges(mask)
    found = []
    for start in sorted(follows, key=lambda corner: (corner[1], corner[0])):
        while follows.get(start):
            found.append(_turns(_loop(follows, start)))
    return found


def _edges(mask: NDArray[np.bool_]) -> dict[_Corner, list[_Corner]]:
    """Return the corners to which edges lead, by the corner where they begin, object at right."""
    padded = np.pad(mask.astype(bool), 1)
    inside = padded[1:-1, 1:-1]
    sides: tuple[tuple[NDArray[Any], _Corner, _Corner], ...] = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),  # above: to the right
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    )
    follows: dict[_Corner, list[_Corner]] = {}
    for beside, first, last in sides:
        rows, columns = np.nonzero(inside & ~beside)
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
            begin = (x + first[0], y + first[1])
            follows.setdefault(begin, []).append((x + last[0], y + last[1]))
    return follows


def _loop(follows: dict[_Corner, list[_Corner]], start: _Corner) -> list[_Corner]:
    """Take the edges of a loop out, and return its corners."""
    corners = [start]
    at = follows[start].pop()
    while at != start:
        ways = follows[at]
        way = 0
        if len(ways) > 1:  # two pixels touch here: stay at the one whose edge this is
            before = corners[-1]
            right = (at[0] - (at[1] - before[1]), at[1] + (at[0] - before[0]))
            way = ways.index(right)
        corners.append(at)
        at = ways.pop(way)
    return corners


def _turns(corners: list[_Corner]) -> NDArray[np.int64]:
    """Leave out corners that lie on a straight line."""
    points = np.array(corners, np.int64)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    return points[np.any(before != after, axis=1)]

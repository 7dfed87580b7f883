"""Parts of an object around seeds that a person has set."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.correcting._correction import Ids

Mask = NDArray[np.bool_]
Point = tuple[int, ...]


def parts_of(mask: Mask, seeds: Ids, spacing: Sequence[float] | None = None) -> list[Mask]:
    """Split a mask by seeds in it; return the parts, largest first.

    Seeds climb to where the mask is thickest near them, and parts meet where it is narrowest: a
    watershed of the distance to its edge.  Where two climb to one place, each voxel goes to the
    nearest seed.  What hangs together with no seed is in no part.

    Parameters
    ----------
    mask : ndarray of bool
        Where the object is.
    seeds : ndarray of uint64
        Numbers of parts, 0 elsewhere; those outside of the mask do not count.
    spacing : sequence of float, optional
        Size of a voxel along each axis.

    Returns
    -------
    list of ndarray of bool
    """
    from scipy import ndimage

    inside = np.where(mask, seeds, 0)
    numbers = np.unique(inside[inside != 0])
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)
    depth = depth[tuple(slice(1, -1) for _ in range(mask.ndim))]
    climbed = _climbed(inside, numbers, depth)
    if climbed is None:
        pieces, _ = ndimage.label(mask, np.ones((3,) * mask.ndim))
        reached = mask & np.isin(pieces, np.unique(pieces[inside != 0]))
        nearest = ndimage.distance_transform_edt(
            inside == 0, sampling=spacing, return_distances=False, return_indices=True
        )
        flooded = np.where(reached, inside[tuple(nearest)], 0)
    else:
        flooded = kernels.watershed(depth, climbed, mask, mask.ndim, descending=True)
        numbers = np.arange(1, len(numbers) + 1).astype(np.uint64)
    parts = [flooded == number for number in numbers]
    return sorted(parts, key=np.count_nonzero, reverse=True)


def _climbed(seeds: Ids, numbers: Ids, depth: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Return seeds with their ways up, numbered from 1; None if two meet."""
    climbed = np.zeros(seeds.shape, np.int64)
    for part, number in enumerate(numbers, 1):
        for start in np.argwhere(seeds == number):
            for point in _way_up(tuple(start.tolist()), depth):
                if climbed[point] not in (0, part):
                    return None
                climbed[point] = part
    return climbed


def _way_up(point: Point, depth: NDArray[np.float64]) -> list[Point]:
    """Return the voxels from one to a place where no neighbour is deeper inside."""
    way = [point]
    while True:
        best = max(_around(way[-1], depth.shape), key=lambda near: depth[near])
        if depth[best] <= depth[way[-1]]:
            return way
        way.append(best)


def _around(point: Point, shape: Sequence[int]) -> Iterator[Point]:
    """Go through a voxel and its neighbours."""
    sides = (range(max(p - 1, 0), min(p + 2, n)) for p, n in zip(point, shape, strict=True))
    return itertools.product(*sides)

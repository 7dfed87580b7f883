"""Components of a large array, found slab by slab in the memory that the array itself takes.

::

    . 4 4 . .       1 1     labelled by itself, in the place of what was there
    . 4 . . 7       1   2
    ---------
    . 4 . . 7       1   2   the next one; what touches across the seam is one component
    3 . . . .     3
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._components import apply_lookup, checked_connectivity, find_components
from scutoid.kernels._seams import merge_blocks

_VOXELS = 2**21
"""Of a slab: labelling one takes some ten bytes a voxel."""


def replace_by_components(
    mask: NDArray[Any], connectivity: int | None = None, *, voxels: int = _VOXELS
) -> NDArray[np.uint32]:
    """Label as `find_components` does, in numbers of another order; the mask is used up.

    Parameters
    ----------
    mask : ndarray of bool or integer
        What is returned lies in it, where it is of uint32, contiguous, and more than a slab.
    connectivity : int, optional
        As for `find_components`.
    voxels : int
        Of a slab.

    Examples
    --------
    >>> replace_by_components(np.array([[0, 9], [8, 0], [9, 0]], np.uint32), voxels=2).tolist()
    [[0, 1], [2, 0], [2, 0]]
    """
    is_fit = mask.dtype == np.uint32 and mask.flags.c_contiguous and mask.flags.writeable
    if not is_fit or not mask.ndim or mask.size <= voxels:
        return find_components(mask, connectivity)
    hops = checked_connectivity(connectivity, mask.ndim)
    n_planes = max(voxels // math.prod(mask.shape[1:]), 1)
    slabs = [mask[at : at + n_planes] for at in range(0, len(mask), n_planes)]
    counts = []
    for slab in slabs:
        slab[...] = find_components(slab, hops)
        counts.append(int(slab.max()))

    def faces(number: int) -> Mapping[str, NDArray[np.uint32]]:
        return {"low0": slabs[number][0], "high0": slabs[number][-1]}

    stops = np.cumsum(counts)
    places = [np.arange(stop - n, stop) for stop, n in zip(stops, counts, strict=True)]
    grid = (len(slabs),) + (1,) * (mask.ndim - 1)
    table = merge_blocks(grid, counts, places, faces, hops).table
    for slab, own in zip(slabs, np.split(table, stops[:-1]), strict=True):
        apply_lookup(np.concatenate([[0], own]).astype(np.uint32), slab, in_place=True)
    return mask

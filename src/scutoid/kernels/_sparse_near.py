"""Distances to the background of `_near`, of a mask that is held sparsely, bit for bit.

Only for a part of it, as a block without its halo: along the first axis plane by plane, along the
others a slab at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.kernels._components import apply_lookup
from scutoid.kernels._near import Scale, bounded_distance, take_least
from scutoid.kernels._sparse import SparseArray

_VOXELS = 2**21
"""Of the planes whose squares are there at a time."""


def sparse_distance(
    mask: SparseArray,
    inner: tuple[slice, ...],
    max_distance: float,
    sampling: Sequence[float] | None = None,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """Measure how far voxels of a part of a mask lie from the background.

    Parameters
    ----------
    mask : SparseArray
        The foreground: where it has values.
    inner : tuple of slice
        The part.
    max_distance, sampling, dtype
        As for `bounded_distance`.

    Examples
    --------
    >>> row = SparseArray.of([np.array([[0, 1, 1]]), np.array([[1, 1, 1]])])
    >>> sparse_distance(row, np.s_[0:2, 1:3], 2.5).tolist()
    [[1.0, 2.0], [1.4142135623730951, 2.23606797749979]]
    """
    scale = Scale.of(max_distance, sampling or (1.0,) * len(mask.shape))
    if scale is None or len(mask.shape) < 2:
        whole = np.concatenate([slab.places for slab in mask.slabs])
        return bounded_distance(whole, max_distance, sampling, dtype)[inner].copy()
    steps = _steps_along_first(mask, inner[0], scale)
    distance = np.empty([side.stop - side.start for side in inner], dtype)
    squares = np.array([scale.square(n, 0) for n in range(scale.reach[0] + 1)], scale.dtype)
    is_short = scale.dtype == np.uint16
    roots = scale.root_of(np.arange(scale.most + 1 if is_short else 0), max_distance).astype(dtype)
    n_planes = max(_VOXELS // math.prod(mask.shape[1:]), 1)
    for at in range(0, len(steps), n_planes):
        part = apply_lookup(squares, steps[at : at + n_planes])
        for axis in range(1, part.ndim):
            take_least(part, axis, scale)
            part = np.ascontiguousarray(part[(slice(None),) * axis + (inner[axis],)])
        into = distance[at : at + n_planes]
        into[...] = apply_lookup(roots, part) if is_short else scale.root_of(part, max_distance)
    return distance


def _steps_along_first(mask: SparseArray, wanted: slice, scale: Scale) -> NDArray[Any]:
    """Count voxels along the first axis to the background, for some planes."""
    most = scale.reach[0]
    shape = (wanted.stop - wanted.start, *mask.shape[1:])
    found = np.full(shape, most, np.min_scalar_type(most + 1))
    for is_backward in (False, True):
        before = np.full(shape[1:], most, found.dtype)
        for number, places in _planes(mask, is_backward=is_backward):
            before += 1
            np.minimum(before, most, out=before)
            before *= places
            if wanted.start <= number < wanted.stop:
                own = found[number - wanted.start]
                np.minimum(own, before, out=own)
    return found


def _planes(mask: SparseArray, *, is_backward: bool) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the number of each plane, and where it is foreground."""
    for slab in reversed(mask.slabs) if is_backward else mask.slabs:
        numbered = list(enumerate(slab.places, slab.start))
        yield from reversed(numbered) if is_backward else numbered

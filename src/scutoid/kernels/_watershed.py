"""Seeded watershed by a rule that a part of an image follows as the whole does.

The rule: voxels are flooded in the order of their value and, among equals, of their linear index
in C order, as far as the flood has reached them; each takes the label of the neighbour through
which it was reached first.  Neither depends on anything outside of the voxel's connected part of
the mask, and a block keeps the order of its voxels in the image, so a block that holds a whole part
finds the labels of the whole image there.  (scikit-image settles ties by the time of arrival
instead, which the rest of the image has an influence on.)

This is the reference: plain and slow, a few microseconds a voxel.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels._components import checked_connectivity


def watershed(
    image: NDArray[Any],
    seeds: NDArray[Any],
    mask: NDArray[Any] | None = None,
    connectivity: int | None = None,
) -> NDArray[Any]:
    """Flood an image from seeds.

    Parameters
    ----------
    image : ndarray of bool, integer or float
        Low values are flooded first.
    seeds : ndarray of integer, shape of `image`
        Labels to start from, 0 elsewhere.
    mask : ndarray of bool, shape of `image`, optional
        Where to flood; seeds outside are left out.
    connectivity : int, optional
        As for `label_components`.

    Returns
    -------
    ndarray of the dtype of `seeds`
        0 where no seed's flood comes.

    Raises
    ------
    ParameterError
        If seeds are not integers, or the image has values that have no order.
    GeometryError
        If the shapes differ.

    Notes
    -----
    Priority flood (R. Barnes et al., 2014) with ties settled by linear index.

    Examples
    --------
    >>> watershed(np.array([0, 3, 5, 1, 0]), np.array([1, 0, 0, 0, 2])).tolist()
    [1, 1, 2, 2, 2]
    """
    image, seeds = np.asarray(image), np.asarray(seeds)
    hops = checked_connectivity(connectivity, image.ndim)
    inside = np.ones(image.shape, bool) if mask is None else np.asarray(mask) != 0
    if not image.shape == seeds.shape == inside.shape:
        raise GeometryError(
            "image, seeds and mask have one shape",
            value=f"{image.shape}, {seeds.shape}, {inside.shape}",
        )
    if seeds.dtype.kind not in "biu":
        raise ParameterError("seeds are integers", value=f"dtype {seeds.dtype}", place="seeds")
    if image.dtype.kind not in "biuf" or (image.dtype.kind == "f" and np.isnan(image).any()):
        raise ParameterError(
            "an image to flood has values with an order",
            value=f"dtype {image.dtype}, or NaN",
            place="image",
            remedy="replace NaN first, by numpy.nan_to_num, or mask it with a number in its place",
        )
    # A frame of one voxel outside the mask: no neighbour is out of bounds, and order is kept
    open_voxels = np.pad(inside, 1).reshape(-1)
    labels = np.pad(np.where(inside, seeds, 0), 1).reshape(-1)
    padded = tuple(size + 2 for size in image.shape)
    steps = _steps(padded, hops)
    flooded = _flood(np.pad(image, 1).reshape(-1).tolist(), labels.tolist(), open_voxels, steps)
    core = (slice(1, -1),) * image.ndim
    return np.array(flooded, seeds.dtype).reshape(padded)[core].copy()


def _steps(shape: tuple[int, ...], hops: int) -> list[int]:
    """Return the distances in linear index to the voxels that touch."""
    strides = np.cumprod((1, *shape[:0:-1]))[::-1]
    return [
        int(np.dot(shift, strides))
        for shift in itertools.product((-1, 0, 1), repeat=len(shape))
        if 0 < sum(map(abs, shift)) <= hops
    ]


def _flood(
    values: list[Any], labels: list[int], open_voxels: NDArray[np.bool_], steps: list[int]
) -> list[int]:
    is_free = (open_voxels & (np.array(labels) == 0)).tolist()
    reached = [(values[place], place) for place, label in enumerate(labels) if label]
    heapq.heapify(reached)
    while reached:
        _, place = heapq.heappop(reached)
        for step in steps:
            near = place + step
            if is_free[near]:
                is_free[near] = False
                labels[near] = labels[place]
                heapq.heappush(reached, (values[near], near))
    return labels

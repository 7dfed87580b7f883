"""Seeded watershed, by a rule under which a block gives the labels of the whole image.

The rule: voxels are flooded in the order of their value and, among equals, of their linear index
in C order, as far as the flood has reached them; each takes the label of the neighbour through
which it was reached first.  Neither depends on anything outside of the voxel's connected part of
the mask, and a block keeps the order of its voxels in the image, so a block that holds a whole part
finds the labels of the whole image there.  (scikit-image settles ties by the time of arrival
instead, which the rest of the image has an influence on.)

`watershed` gives scikit-image's compiled flood ranks instead of values, so that no ties are left to
settle; `reference_watershed` is the rule word for word, plain and slow, a few microseconds a voxel.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels._components import checked_connectivity, label_components


def watershed(
    image: NDArray[Any],
    seeds: NDArray[Any],
    mask: NDArray[Any] | None = None,
    connectivity: int | None = None,
    *,
    descending: bool = False,
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
    descending : bool
        Flood high values first; ties are settled as before, by the lower linear index.

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
    Equal to `reference_watershed`, bit for bit.  The flood is that of
    `skimage.segmentation.watershed`, given the rank of each voxel among those of the mask, by value
    and then by linear index, in place of its value.

    Examples
    --------
    >>> watershed(np.array([0, 3, 5, 1, 0]), np.array([1, 0, 0, 0, 2])).tolist()
    [1, 1, 2, 2, 2]
    """
    from skimage.segmentation import watershed as flood

    image, seeds, inside, hops = _checked(image, seeds, mask, connectivity)
    flooded = np.zeros(seeds.shape, seeds.dtype)
    box = _bounding_box(inside)
    image, seeds, inside = image[box], seeds[box], inside[box]
    planted = inside & (seeds != 0)
    numbers, compact = np.unique(seeds[planted], return_inverse=True)
    if len(numbers) == 0:
        return flooded
    markers = np.zeros(seeds.shape, np.int32)
    markers[planted] = compact + 1
    ranks = np.zeros(image.shape)
    ranks[inside] = order_ranks(image[inside], descending=descending)
    flooded_ranks = flood(  # type: ignore[no-untyped-call]
        ranks, markers, connectivity=hops, mask=inside
    )
    flooded[box] = np.concatenate([numbers[:1] * 0, numbers])[flooded_ranks]
    return flooded


def components_seen(
    mask: NDArray[Any],
    inner: tuple[slice, ...],
    goes_on: Sequence[tuple[bool, bool]],
    connectivity: int | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which components of a mask reach a block, and which of them its halo does not hold.

    Parameters
    ----------
    mask : ndarray of bool or integer
        The block with its halo.
    inner : tuple of slice
        The block without its halo.
    goes_on : sequence of (bool, bool), an entry an axis
        Whether the image goes on beyond the array's first and last voxel.
    connectivity : int, optional
        As for `label_components`.

    Returns
    -------
    reaches : ndarray of bool, shape of `mask`
        Voxels of components with voxels in `inner`.
    is_cut : ndarray of bool, shape of the inner block
        Voxels of components that lie at a side where the image goes on: they may be longer.

    Examples
    --------
    >>> row = np.array([0, 1, 1, 0, 1, 1])
    >>> reaches, is_cut = components_seen(row, np.s_[1:5,], [(True, True)])
    >>> is_cut.tolist()
    [False, False, False, True]
    """
    components, first = label_components(mask, connectivity)
    at_side, within = np.zeros((2, len(first) + 1), bool)
    for axis, sides in enumerate(goes_on):
        for place, is_open in zip((0, -1), sides, strict=True):
            if is_open and components.size:
                at_side[components.take(place, axis=axis)] = True
    within[components[inner]] = True
    at_side[0] = within[0] = False
    return within[components], at_side[components[inner]]


def reference_watershed(
    image: NDArray[Any],
    seeds: NDArray[Any],
    mask: NDArray[Any] | None = None,
    connectivity: int | None = None,
) -> NDArray[Any]:
    """Flood an image from seeds, word for word by the rule: what `watershed` is held to.

    Parameters
    ----------
    image, seeds, mask, connectivity
        As for `watershed`.

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
    >>> reference_watershed(np.array([0, 3, 5, 1, 0]), np.array([1, 0, 0, 0, 2])).tolist()
    [1, 1, 2, 2, 2]
    """
    image, seeds, inside, hops = _checked(image, seeds, mask, connectivity)
    # A frame of one voxel outside the mask: no neighbour is out of bounds, and order is kept
    open_voxels = np.pad(inside, 1).reshape(-1)
    labels = np.pad(np.where(inside, seeds, 0), 1).reshape(-1)
    padded = tuple(size + 2 for size in image.shape)
    steps = _steps(padded, hops)
    flooded = _flood(np.pad(image, 1).reshape(-1).tolist(), labels.tolist(), open_voxels, steps)
    core = (slice(1, -1),) * image.ndim
    return np.array(flooded, seeds.dtype).reshape(padded)[core].copy()


def _checked(
    image: NDArray[Any],
    seeds: NDArray[Any],
    mask: NDArray[Any] | None,
    connectivity: int | None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_], int]:
    image, seeds = np.asarray(image), np.asarray(seeds)
    hops = checked_connectivity(connectivity, image.ndim)
    inside = np.ones(image.shape, bool) if mask is None else np.asarray(mask) != 0
    if not image.shape == seeds.shape == inside.shape:
        raise GeometryError(
            "image, seeds and mask have one shape",
            value=f"{image.shape}, {seeds.shape}, {inside.shape}",
            place="watershed",
            remedy="crop them first",
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
    return image, seeds, inside, hops


def _bounding_box(inside: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box with all that is inside."""
    box = []
    for axis in range(inside.ndim):
        others = tuple(n for n in range(inside.ndim) if n != axis)
        filled = np.flatnonzero(inside.any(axis=others))
        box.append(slice(filled[0], filled[-1] + 1) if len(filled) else slice(0, 0))
    return tuple(box)


def order_ranks(values: NDArray[Any], *, descending: bool) -> NDArray[np.int64]:
    """Number values by size and, among equals, by place."""
    packed = _packed(values, descending=descending)
    if packed is not None:
        packed.sort()
        packed &= np.uint64(2 ** len(values).bit_length() - 1)
        order = packed.view(np.int64)
    elif descending:
        order = len(values) - 1 - np.argsort(values[::-1], kind="stable")[::-1]
    else:
        order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values), np.int64)
    ranks[order] = np.arange(len(values))
    return ranks


def _packed(values: NDArray[Any], *, descending: bool) -> NDArray[np.uint64] | None:
    """Put values and places into numbers that sort as both do, if 64 bits hold them."""
    if not len(values):
        return None
    if values.dtype.kind == "f" and values.dtype.itemsize <= 4:
        # The bits of floats grow with them, and of negative ones the other way; -0.0 + 0.0 is 0.0
        bits = (values.astype(np.float32) + np.float32(0)).view(np.int32)
        values = bits ^ ((bits >> 31) & np.int32(2**31 - 1))
    if values.dtype.kind not in "iu" or values.dtype.itemsize <= 2:
        return None  # those of two bytes numpy sorts by their digits
    least, most = int(values.min()), int(values.max())
    n_bits = len(values).bit_length()
    if (most - least).bit_length() + n_bits > 63:
        return None
    wide = values.astype(np.uint64)  # of negative ones 2**64 more, which the difference loses
    end = np.uint64((most if descending else least) % 2**64)
    packed = end - wide if descending else wide - end
    packed <<= np.uint64(n_bits)
    packed |= np.arange(len(values), dtype=np.uint64)
    return packed


def _steps(shape: tuple[int, ...], hops: int) -> list[int]:
    """Return the distances in linear index to the voxels that touch."""
    strides = np.cumprod((1, *shape[:0:-1]))[::-1]
    return [
        int(np.dot(shift, strides))
        for shift in itertools.product((-1, 0, 1), repeat=len(shape))
        if 0 < sum(map(abs, shift)) <= hops
    ]


def _flood(
    values: list[float], labels: list[int], open_voxels: NDArray[np.bool_], steps: list[int]
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

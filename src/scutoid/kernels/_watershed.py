"""Seeded watershed, by a rule under which a block gives the labels of the whole image.

The rule: voxels are flooded in the order of their value and, among equals, of their linear index
in C order, as far as the flood has reached them; each takes the label of the neighbour through
which it was reached first.  Neither depends on anything outside of the voxel's connected part of
the mask, and a block keeps the order of its voxels in the image, so a block that holds a whole part
finds the labels of the whole image there.  (scikit-image settles ties by the time of arrival
instead, which the rest of the image has an influence on.)

`watershed` gives scikit-image's compiled flood ranks instead of values, so that no ties are left to
settle, one connected part of the mask at a time::

    . a a a . . . .      seeds S and T in a: flooded in its box, 2 x 4 voxels
    . a S a T . b .      one seed U in b: b takes its label, nothing is flooded
    . . . . . . U .      parts without a seed: nothing

`reference_watershed` is the rule word for word, plain and slow, a few microseconds a voxel.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels._components import apply_lookup, checked_connectivity, find_components
from scutoid.kernels._slabs import replace_by_components

CALL = 2**13
"""Voxels that are flooded in the time that one more call of scikit-image takes."""
_VOXELS = 2**21
"""Voxels of which the numbers of parts are looked at together."""


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
    image, seeds = np.asarray(image), np.asarray(seeds)
    inside = np.ones(image.shape, bool) if mask is None else np.asarray(mask) != 0
    hops = _checked(image, seeds, inside, connectivity)
    return flood_parts(image, seeds, find_components(inside, hops), hops, descending=descending)


def flood_parts(
    image: NDArray[Any],
    seeds: NDArray[Any],
    parts: NDArray[np.uint32],
    connectivity: int | None = None,
    *,
    wanted: NDArray[np.bool_] | None = None,
    descending: bool = False,
    unreached: int = 0,
) -> NDArray[Any]:
    """Flood the connected parts of a mask, once they are numbered, each by itself.

    Parameters
    ----------
    image, seeds, connectivity, descending
        As for `watershed`.
    parts : ndarray of uint32, shape of `image`
        The connected parts of the mask, by numbers in any order; 0 elsewhere.  It is used up: what
        is returned may lie in it.
    wanted : ndarray of bool, shape (n_parts + 1,), optional
        Which parts are flooded, by number; default: all.
    unreached : int
        What parts without a seed get.

    Returns
    -------
    ndarray of the dtype of `seeds`
        0 where no wanted part is.

    Raises
    ------
    ParameterError, GeometryError
        As for `watershed`.

    Notes
    -----
    A part with one label takes it whole, without a flood; of the others each is flooded in its
    box, so that neither time nor memory is spent on what lies between them.

    Examples
    --------
    >>> flood_parts(np.array([0, 3, 5, 1, 0]), np.array([1, 0, 0, 0, 2]), np.array([1, 1, 0, 2, 2]))
    array([1, 1, 0, 2, 2])
    """
    image, seeds, parts = map(np.asarray, (image, seeds, parts))
    hops = _checked(image, seeds, parts, connectivity)
    n_parts = int(parts.max(initial=0)) if wanted is None else len(wanted) - 1
    takes = np.ones(n_parts + 1, bool) if wanted is None else wanted.copy()
    takes[0] = False
    planted = np.flatnonzero(seeds != 0)  # a third of the time that numbers themselves take
    number = parts.reshape(-1)[planted]
    planted, number = planted[takes[number]], number[takes[number]]
    labels = seeds.reshape(-1)[planted]
    table = np.zeros(n_parts + 1, seeds.dtype)
    table[takes] = unreached
    table[number] = labels
    chosen = np.unique(number[labels != table[number]])
    flooded_in = []
    for box, within in _boxes(parts, chosen, n_parts):
        found = flood_box(image[box], seeds[box], within, hops, descending=descending)
        flooded_in.append((box, np.packbits(within), within.shape, found))
    flooded = apply_lookup(table, parts, in_place=True)
    for box, bits, shape, found in flooded_in:
        inside = np.unpackbits(bits, count=math.prod(shape)).reshape(shape)
        flooded[box][inside.view(bool)] = found
    return flooded


def _boxes(
    parts: NDArray[np.uint32], chosen: NDArray[np.uint32], n_parts: int
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_]]]:
    """Return boxes and what to flood in them: one a part, or one for all of many small parts."""
    if not len(chosen):
        return iter(())
    low, high = _extents(parts, chosen, n_parts)
    all_of_them = high.max(axis=0) - low.min(axis=0)
    if np.prod(high - low, axis=1).sum() + len(chosen) * CALL < np.prod(all_of_them):
        boxes = (tuple(map(slice, *ends)) for ends in zip(low, high, strict=True))
        return ((box, parts[box] == part) for box, part in zip(boxes, chosen, strict=True))
    is_chosen = np.zeros(n_parts + 1, bool)
    is_chosen[chosen] = True
    whole = tuple(map(slice, low.min(axis=0), high.max(axis=0)))
    return iter([(whole, apply_lookup(is_chosen, parts[whole]))])


def _extents(
    parts: NDArray[np.uint32], chosen: NDArray[np.uint32], n_parts: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first place of each chosen part along each axis, and that behind its last."""
    from scipy import ndimage

    table = np.zeros(n_parts + 1, np.min_scalar_type(len(chosen)))
    table[chosen] = np.arange(1, len(chosen) + 1)
    low = np.full((len(chosen), parts.ndim), max(parts.shape))
    high = np.zeros_like(low)
    n_planes = max(_VOXELS // math.prod(parts.shape[1:]), 1)
    for at in range(0, len(parts), n_planes):
        numbers = apply_lookup(table, parts[at : at + n_planes])
        for number, box in enumerate(ndimage.find_objects(numbers)):
            if box is not None:
                first = np.array([side.start for side in box])
                first[0] += at
                stop = first + [side.stop - side.start for side in box]
                low[number] = np.minimum(low[number], first)
                high[number] = np.maximum(high[number], stop)
    return low, high


def flood_box(
    image: NDArray[Any],
    seeds: NDArray[Any],
    inside: NDArray[np.bool_],
    hops: int,
    *,
    descending: bool,
) -> NDArray[Any]:
    """Flood what lies inside by scikit-image, given ranks; return the labels of these voxels."""
    from skimage.segmentation import watershed as flood

    ranks = np.zeros(image.shape)
    ranks[inside] = order_ranks(image[inside], descending=descending)
    planted = inside & (seeds != 0)
    numbers, compact = np.unique(seeds[planted], return_inverse=True)
    markers = np.zeros(seeds.shape, np.int32)
    markers[planted] = compact + 1
    flooded: NDArray[np.int32] = flood(  # type: ignore[no-untyped-call]
        ranks, markers, connectivity=hops, mask=inside
    )
    labels: NDArray[Any] = np.concatenate([numbers[:1] * 0, numbers])[flooded[inside]]
    return labels


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
    parts, reaches, is_cut = parts_seen(mask, inner, goes_on, connectivity)
    return apply_lookup(reaches, parts), apply_lookup(is_cut, parts[inner])


def parts_seen(
    mask: NDArray[Any],
    inner: tuple[slice, ...],
    goes_on: Sequence[tuple[bool, bool]],
    connectivity: int | None = None,
    *,
    in_place: bool = False,
) -> tuple[NDArray[np.uint32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Number the components of a mask, and tell what `components_seen` does of each number.

    Parameters
    ----------
    mask, inner, goes_on, connectivity
        As for `components_seen`.
    in_place : bool
        Whether the mask need not stay: if it is of uint32, the numbers take its place.

    Returns
    -------
    parts : ndarray of uint32, shape of `mask`
        From 1, in no order; 0 outside.
    reaches, is_cut : ndarray of bool, shape (n_parts + 1,)
        By number: whether it has voxels in `inner`, and whether it lies at a side where the image
        goes on.

    Examples
    --------
    >>> row = np.array([0, 1, 1, 0, 1, 1])
    >>> parts, reaches, is_cut = parts_seen(row, np.s_[1:4,], [(True, True)])
    >>> parts.tolist(), reaches.tolist(), is_cut.tolist()
    ([0, 1, 1, 0, 2, 2], [False, True, False], [False, False, True])
    """
    find = replace_by_components if in_place else find_components
    parts = find(mask, connectivity)
    reaches, is_cut = np.zeros((2, int(parts.max(initial=0)) + 1), bool)
    for axis, sides in enumerate(goes_on):
        for place, is_open in zip((0, -1), sides, strict=True):
            if is_open and parts.size:
                is_cut[parts.take(place, axis=axis)] = True
    within = parts[inner]
    if within.size == parts.size:
        reaches[:] = True
    else:
        for plane in within:  # as indices numbers take twice their memory, so not all at once
            reaches[plane] = True
    reaches[0] = is_cut[0] = False
    return parts, reaches, is_cut


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
    image, seeds = np.asarray(image), np.asarray(seeds)
    inside = np.ones(image.shape, bool) if mask is None else np.asarray(mask) != 0
    hops = _checked(image, seeds, inside, connectivity)
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
    inside: NDArray[Any],
    connectivity: int | None,
) -> int:
    """Refuse what cannot be flooded; return how many hops apart neighbours are."""
    hops = checked_connectivity(connectivity, image.ndim)
    if not image.shape == seeds.shape == inside.shape:
        raise GeometryError(
            "image, seeds and mask have one shape",
            value=f"{image.shape}, {seeds.shape}, {inside.shape}",
            place="watershed",
            remedy="crop them first",
        )
    check_flooded(image.dtype, seeds.dtype, has_nan=_has_nan(image))
    return hops


def check_flooded(image: np.dtype[Any], seeds: np.dtype[Any], *, has_nan: bool) -> None:
    """Refuse an image without an order, and seeds that are no numbers.

    Raises
    ------
    ParameterError
        If it is one of these.
    """
    if seeds.kind not in "biu":
        raise ParameterError("seeds are integers", value=f"dtype {seeds}", place="seeds")
    if image.kind not in "biuf" or has_nan:
        raise ParameterError(
            "an image to flood has values with an order",
            value=f"dtype {image}, or NaN",
            place="image",
            remedy="replace NaN first, by numpy.nan_to_num, or mask it with a number in its place",
        )


def _has_nan(image: NDArray[Any]) -> bool:
    """Tell it by the least value, which is NaN then: that takes no memory."""
    return image.dtype.kind == "f" and image.size > 0 and bool(np.isnan(image.min()))


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

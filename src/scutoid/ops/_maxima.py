"""Local maxima of any size of image: a plateau that crosses blocks is one maximum.

As for labels: each block finds its pieces of plateaus, one step unites them, and each block marks
those of its pieces that hold the first voxel of a maximum.  What is decided by distance after that
is decided between the marks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.errors import ParameterError
from scutoid.ops._composed import as_number, as_one, opened, operation
from scutoid.ops._extent import image_part, unpadded
from scutoid.ops._inputs import check_hops, check_real
from scutoid.ops._label import components, images_of
from scutoid.ops._types import Array, Arrays, ImageLike, Number
from scutoid.ops._watershed import MAX_EXTENT, check_extent
from scutoid.steps import BlockParts, Image, StepBlock, blockwise, injected, is_lazy, step


@operation
def local_maxima(
    image: ImageLike,
    labels: ImageLike | None = None,
    *,
    min_distance: int = 1,
    h: Number | None = None,
    connectivity: int | None = None,
    max_extent: int = MAX_EXTENT,
) -> ImageLike:
    """Mark local maxima, each by one voxel: the first in C order of its plateau.

    **Exact** without `h`, `min_distance` included: equals the same on the whole array for every
    block shape, executor and number of workers; the plateaus are those of
    `skimage.morphology.local_maxima`.  **Exact within halo** with `h`: in labels that extend over
    up to `max_extent` voxels on each axis.  Elsewhere a shallow maximum may stay, if all ways to a
    higher one that do not lead down by more than `h` are longer than `max_extent`.

    Parameters
    ----------
    image : Image, Images or ndarray of bool, integer or float
        Intensities; spatial axes are searched together, others iterated.
    labels : Image, Images or ndarray of bool or integer, optional
        Where to look, such as objects, each for itself: what lies outside of a label counts as
        lower, also another label that touches it, so that each of them has a maximum.
        `min_distance` holds among maxima of one label.
    min_distance : int
        Of maxima up to so many voxels apart on every axis, only the highest stays, and of equally
        high ones the first in C order; 1 keeps all.
    h : float or Value, optional
        Maxima must rise by more than `h` above the way to any higher one; those that rise by less
        are one dome with it, whose plateau is all that lies no more than `h` below its top.  In
        the image's own values.
    connectivity : int, optional
        Hops between neighbours; default: shared corners (8 neighbours in 2-D, 26 in 3-D).
    max_extent : int
        Halo in voxels, for `h`.

    Returns
    -------
    Image or ndarray of bool
        An image of one value has no maximum, unless `labels` are given.

    Raises
    ------
    ParameterError
        If `h` is not above 0, `min_distance` or `max_extent` less than 1, the image has NaN, or
        labels are negative or floating-point numbers.

    Notes
    -----
    `skimage.feature.peak_local_max` differs: it takes any voxel that equals the maximum of its
    window, also on a slope's step, leaves out a border, and then removes peaks in the order of
    their height, which far parts of the image have an influence on.  Here a maximum is removed by
    any higher one near it, even if that is removed itself.  `skimage.morphology.h_maxima` marks
    each of several equally high maxima of one dome; here the dome is one.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> row = np.array([0, 5, 5, 1, 4, 3, 6])
    >>> sc.local_maxima(row).astype(int)
    array([0, 1, 0, 0, 1, 0, 1])
    >>> sc.local_maxima(row, min_distance=2).astype(int)
    array([0, 1, 0, 0, 0, 0, 1])
    >>> sc.local_maxima(row, h=2).astype(int)
    array([0, 1, 0, 0, 0, 0, 1])
    """
    check_extent(min_distance, "local_maxima", name="min_distance")
    check_extent(max_extent, "local_maxima")
    check_real(image, "local_maxima")
    check_hops(image, connectivity)
    _check_labels(labels)
    images = [as_one(opened(item)) for item in (image, labels) if item is not None]
    if h is not None:
        if not is_lazy(h):
            _check_height(h)
        images[0] = lower(*images, h=as_number(h), connectivity=connectivity, max_extent=max_extent)
    if any(map(is_lazy, images)):
        pieces = maximum_pieces(*images, connectivity=connectivity)
        merged = maximum_merge(pieces, connectivity=connectivity, within=labels is not None)
        marks = maximum_marks(images[0], merged, *images[1:], connectivity=connectivity)
    else:
        array, *within = (np.asarray(item) for item in images)
        marks = as_one(kernels.local_maxima(array, within[0] if within else None, connectivity))
    if min_distance > 1:
        marks = keep_highest(marks, *images, min_distance=min_distance)
    return marks


def _check_height(h: object) -> None:
    is_number = isinstance(h, (int, float, np.number)) and not isinstance(h, bool)
    if not is_number or not h > 0:  # type: ignore[operator]
        raise ParameterError("h is a height above 0", value=h, place="local_maxima")


def _check_labels(labels: object) -> None:
    if isinstance(labels, (Image, np.ndarray)) and labels.dtype.kind not in "biu":
        raise ParameterError(
            "labels are integers, or a mask",
            value=f"dtype {labels.dtype}",
            place="local_maxima",
            remedy="compare first, as in image > level",
        )


@unpadded
@blockwise(
    halo=lambda max_extent: max_extent,
    border=0,
    dtype=np.float64,
    version="2",
    threadsafe=True,
)
def lower(
    image: Array,
    labels: Array | None = None,
    *,
    h: float,
    connectivity: int | None,
    max_extent: int,  # noqa: ARG001 - the halo
    block: StepBlock = injected,
) -> NDArray[np.float64]:
    """Cut the maxima of one block down by `h`."""
    _check_height(h)
    _check_labels(labels)
    _, inner, goes_on = image_part(block)
    reaches = None
    if labels is not None:
        near, _ = kernels.components_seen(labels, inner, goes_on, connectivity or labels.ndim)
        reaches = np.where(near, labels, 0)
    return kernels.h_reconstruction(image, h, reaches, connectivity)


@unpadded
@blockwise(halo=2, border=0, out="parts", block_invariant=True, version="2", threadsafe=True)
def maximum_pieces(
    image: Array,
    labels: Array | None = None,
    *,
    connectivity: int | None,
    block: StepBlock = injected,
) -> Arrays:
    """Find the pieces of plateaus in one block, and which of them are no maxima for sure."""
    _check_labels(labels)
    _, inner, _ = image_part(block)
    candidates, rejected = kernels.maximum_candidates(image, labels, connectivity)
    regions = kernels.by_region(candidates, labels)[inner]
    plateaus, parts = components(regions, block, connectivity or image.ndim, by_value=True)
    is_none = np.zeros(len(parts["first"]) + 1, bool)
    is_none[plateaus[rejected[inner]]] = True
    n_others = np.int64(candidates[inner].size - candidates[inner].sum())
    return {**parts, "rejected": is_none[1:], "n_others": np.array([n_others])}


@step(out="parts", version="2", threadsafe=True)
def maximum_merge(
    pieces: BlockParts, *, connectivity: int | None, within: bool
) -> dict[int, Arrays]:
    """Tell each block which of its pieces hold the first voxel of a maximum."""
    by_block: dict[int, Arrays] = {}
    for blocks, shape in images_of(pieces):
        first = [pieces.arrays(index)["first"] for index in blocks]
        merged = kernels.merge_blocks(
            shape,
            [len(places) for places in first],
            first,
            lambda number, blocks=blocks: pieces.arrays(blocks[number]),  # type: ignore[misc]
            min(connectivity or len(shape), len(shape)),
            values=[pieces.arrays(index)["value"] for index in blocks],
        )
        plateau = merged.table.astype(np.int64)
        is_none = np.zeros(merged.n_objects + 1, bool)
        is_none[plateau[np.concatenate([pieces[index]["rejected"] for index in blocks])]] = True
        if not within and not any(pieces[index]["n_others"][0] for index in blocks):
            is_none[:] = True  # one value everywhere
        places = np.concatenate([np.zeros(0, np.int64), *first])
        start = np.full(merged.n_objects + 1, np.iinfo(np.int64).max)
        np.minimum.at(start, plateau, places)
        marked = (places == start[plateau]) & ~is_none[plateau]
        for number, index in enumerate(blocks):
            own = slice(merged.offsets[number], merged.offsets[number + 1])
            by_block[index] = {"marked": marked[own], "place": places[own][marked[own]]}
    return by_block


@unpadded
@blockwise(halo=1, border=0, dtype=bool, block_invariant=True, version="2", threadsafe=True)
def maximum_marks(
    image: Array,
    merged: Arrays,
    labels: Array | None = None,
    *,
    connectivity: int | None,
    block: StepBlock = injected,
) -> NDArray[np.bool_]:
    """Mark the first voxels of the maxima of one block."""
    whole = np.zeros(image.shape, bool)
    if "place" in merged:
        whole[_in_block(merged["place"], block)] = True
        return whole
    # Stores may hold what was merged when it did not say the places: the pieces are found again
    _, inner, _ = image_part(block)
    candidates, _ = kernels.maximum_candidates(image, labels, connectivity)
    own = kernels.by_region(candidates, labels)[inner]
    _, first = kernels.label_components(own, connectivity or own.ndim, by_value=True)
    marks = np.zeros(own.shape, bool)
    marks.reshape(-1)[first[merged["marked"]]] = True
    whole[inner] = marks
    return whole


maximum_marks = maximum_marks.options(name="local_maxima")


def _in_block(places: NDArray[np.int64], block: StepBlock) -> tuple[NDArray[np.intp] | int, ...]:
    """Turn linear indices in the image into indices in what a block reads."""
    axes = [axis for axis in block.function_axes if axis in block.axes]
    sizes = tuple(block.image_roi.shape[block.axes.index(axis)] for axis in axes)
    index = dict(zip(axes, np.unravel_index(places, sizes), strict=True))
    start = block.image_roi.offset - block.read_roi.offset
    return tuple(
        index[axis] + start[block.axes.index(axis)] if axis in index else 0
        for axis in block.function_axes
    )


@unpadded
@blockwise(
    halo=lambda min_distance: min_distance,
    border=0,
    dtype=bool,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def keep_highest(
    marks: NDArray[np.bool_],
    image: Array,
    labels: Array | None = None,
    *,
    min_distance: int,
) -> NDArray[np.bool_]:
    """Keep the marked voxels that no higher one lies near."""
    places = np.argwhere(marks)
    at = tuple(places.T)
    groups = None if labels is None else labels[at].astype(np.uint64)
    stays = kernels.highest_within(places, image[at], min_distance, groups)
    kept = np.zeros(marks.shape, bool)
    kept[tuple(places[stays].T)] = True
    return kept


keep_highest = keep_highest.options(name="local_maxima")

"""Filling of holes, found in the whole image: a hole that crosses blocks is one.

Three steps, as for `label`, of the background: each block labels its background and says which
pieces lie at the image's edge; one step passes that on along pieces that touch across blocks; each
block labels its background again and fills what is not open.  No intermediate image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import as_foreground, check_mask_type, label_components
from scutoid.ops._composed import as_one, composed
from scutoid.ops._inputs import check_given, check_hops
from scutoid.ops._label import components
from scutoid.ops._objects import merged_pieces
from scutoid.ops._types import Array, Arrays, ImageLike
from scutoid.steps import BlockParts, Image, StepBlock, blockwise, injected, step


@composed
def fill_holes(
    mask: ImageLike, *, connectivity: int | None = None, max_size: int | None = None
) -> ImageLike:
    """Fill the holes of a mask: background that does not reach the image's edge.

    **Exact**: equals `scipy.ndimage.binary_fill_holes` on the whole array, for every block shape.

    Parameters
    ----------
    mask : Image, Images or ndarray of bool or integer
        Nonzero is foreground.  Holes are holes along all spatial axes together; other axes are
        iterated.  ``fill_holes`` of single planes: open the stack with axes that are iterated.
    connectivity : int, optional
        Hops between *background* voxels that touch: 1 for shared faces (default, as scipy), so
        that a wall of voxels that touch by their corners is closed; up to the number of spatial
        axes for shared corners, so that background leaks through such a wall.
    max_size : int, optional
        Holes of up to so many voxels are filled; default: all.

    Returns
    -------
    Image or ndarray
        bool; same shape.

    Raises
    ------
    ParameterError
        If the mask is of floating-point numbers, the size is not a number of voxels, or the
        connectivity is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.fill_holes(np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0]])).astype(int)
    array([[1, 1, 1, 0],
           [1, 1, 1, 0],
           [1, 1, 1, 0]])
    """
    check_given(mask, "fill_holes")
    if isinstance(mask, Image):
        check_mask_type(mask.dtype, "fill_holes")
    check_hops(mask, connectivity)
    is_size = isinstance(max_size, (int, np.integer)) and max_size >= 0
    if max_size is not None and not is_size:
        raise ParameterError(
            "max_size is a number of voxels, 0 or more", value=max_size, place="fill_holes"
        )
    mask = as_one(mask)
    pieces = hole_pieces(mask, connectivity=connectivity)
    size = None if max_size is None else int(max_size)
    holes = hole_merge(pieces, connectivity=connectivity, max_size=size)
    return hole_fill(mask, holes, connectivity=connectivity)


@blockwise(out="parts", block_invariant=True, version="1", threadsafe=True)
def hole_pieces(mask: Array, *, connectivity: int | None, block: StepBlock = injected) -> Arrays:
    """Label the background of one block; count each piece, and say if it lies at the edge."""
    labels, parts = components(~as_foreground(mask, "fill_holes"), block, connectivity)
    n_pieces = len(parts["first"])
    is_open = np.zeros(n_pieces + 1, bool)
    for axis, name in enumerate(block.function_axes):
        place = block.axes.find(name)
        if place < 0:
            continue
        if block.write_roi.offset[place] == block.image_roi.offset[place]:
            is_open[labels.take(0, axis=axis)] = True
        if block.write_roi.end[place] == block.image_roi.end[place]:
            is_open[labels.take(-1, axis=axis)] = True
    counts = np.bincount(labels.ravel(), minlength=n_pieces + 1)[1:]
    return {**parts, "open": is_open[1:], "counts": counts.astype(np.int64)}


@step(out="parts", version="1", threadsafe=True)
def hole_merge(
    pieces: BlockParts, *, connectivity: int | None, max_size: int | None
) -> dict[int, dict[str, NDArray[np.bool_]]]:
    """Say for each piece of background of each block whether it is part of a hole to fill."""
    by_block: dict[int, dict[str, NDArray[np.bool_]]] = {}
    for merged in merged_pieces(pieces, connectivity):
        is_hole = ~merged.any(pieces, "open")
        if max_size is not None:
            is_hole &= merged.total(pieces, "counts") <= max_size
        by_block.update((index, {"hole": held}) for index, held in merged.per_block(is_hole))
    return by_block


@blockwise(dtype=bool, block_invariant=True, version="1", threadsafe=True)
def hole_fill(
    mask: Array, pieces: dict[str, NDArray[np.bool_]], *, connectivity: int | None
) -> NDArray[np.bool_]:
    """Label the background of one block again, and fill what is a hole."""
    inside = as_foreground(mask, "fill_holes")
    if not pieces["hole"].any():
        return inside
    fill = np.concatenate([[False], pieces["hole"]])
    return np.asarray(inside | fill[label_components(~inside, connectivity)[0]])


hole_fill = hole_fill.options(name="fill_holes")

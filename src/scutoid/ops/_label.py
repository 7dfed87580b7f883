"""Connected components over any number of blocks, numbered as on the whole array.

Three steps: each block labels itself and keeps its outer planes; one step merges labels that touch
across blocks; each block labels itself again and looks its numbers up.  No intermediate image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.errors import ParameterError, PipelineError
from scutoid.kernels import (
    apply_lookup,
    faces,
    find_components,
    global_first,
    label_components,
    merge_blocks,
)
from scutoid.ops._composed import opened, operation
from scutoid.ops._inputs import check_given, check_hops
from scutoid.ops._types import Array, Arrays, DType, ImageLike
from scutoid.steps import (
    BlockParts,
    Finds,
    Image,
    LooksUp,
    StepBlock,
    blockwise,
    injected,
    step,
    with_draft,
)


@operation
def label(
    mask: ImageLike,
    *,
    connectivity: int | None = None,
    by_value: bool = False,
    axes: str | None = None,
    dtype: DTypeLike = np.uint32,
) -> ImageLike:
    """Number the objects of a mask; objects that cross blocks are one.

    **Exact**: equals `scipy.ndimage.label` on the whole array, numbers included, for every block
    shape, executor and number of workers.  With `by_value` it parts the voxels as
    `skimage.measure.label` does, and numbers the parts by the same rule.

    Parameters
    ----------
    mask : Image, Images or ndarray of bool or integer
        Nonzero is foreground.  Spatial axes are labelled together, other axes are iterated; an
        array is labelled as a whole.
    connectivity : int, optional
        Hops between voxels that touch: 1 for shared faces (default), up to the number of axes
        that are labelled together for shared corners.
    by_value : bool
        Keep touching regions of different value apart: each object has one value.  Gives the
        parts of an image of labels a number each.
    axes : str, optional
        Axes that are labelled together, in any order, such as "tzyx" for objects that live on
        through time, or "yx" for each plane by itself.  Axes "t" and "c" are not cut into blocks.
    dtype : {uint32, uint64}
        Of the labels.

    Returns
    -------
    Image or ndarray
        0 is background, objects are numbered from 1 by their first voxel in C order; axes that
        are iterated come first.

    Raises
    ------
    ParameterError
        If the mask holds floating-point numbers, or negative ones with `by_value`; if the
        connectivity is out of range, the dtype is another, or the image has not these axes.
    PipelineError
        If there are more objects than uint32 has numbers.

    Notes
    -----
    What bounds it is the number of object pieces (an object has one in each block that it crosses):
    they are held in one process while they are merged, some 75 bytes a piece at the peak.  Planes
    between blocks are read two rows of blocks at a time.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.label(np.array([[1, 0, 1], [1, 0, 0], [0, 0, 1]]))
    array([[1, 0, 2],
           [1, 0, 0],
           [0, 0, 3]], dtype=uint32)
    >>> sc.label(np.array([5, 5, 9, 0, 5]), by_value=True)
    array([1, 1, 2, 0, 3], dtype=uint32)
    """
    kind = _checked_dtype(dtype)
    mask = opened(mask)
    check_given(mask, "label")
    axes = _checked_axes(mask, axes)
    check_hops(mask, connectivity, axes)
    if isinstance(mask, np.ndarray):
        labels, first = label_components(mask, connectivity, by_value=by_value)
        check_count(len(first), kind.name)
        return labels.astype(kind, copy=False)
    find, apply = label_pieces, label_apply if kind == np.uint32 else label_apply_uint64
    if axes is not None:
        find, apply = find.along(axes), apply.along(axes)
    pieces = find(mask, connectivity=connectivity, by_value=by_value)
    merged = label_merge(pieces, connectivity=connectivity, dtype=kind.name)
    return apply(mask, merged, connectivity=connectivity, by_value=by_value)


def _checked_dtype(dtype: DTypeLike) -> DType:
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.dtype(np.uint32), np.dtype(np.uint64)):
        raise ParameterError("labels are uint32 or uint64", value=dtype, place="dtype= of label")
    return kind


def _checked_axes(mask: object, axes: str | None) -> str | None:
    """Refuse before anything runs what can be told by the description; put axes in order."""
    if isinstance(mask, (Image, np.ndarray)) and mask.dtype.kind not in "biu":
        raise ParameterError(
            "a mask is of bool or integers",
            value=f"dtype {mask.dtype}",
            place="label",
            remedy="compare first, as in image > level, or sc.threshold(image, level=...)",
        )
    if axes is None:
        return None
    known = mask.axes if isinstance(mask, Image) else "tczyx"
    is_whole = not isinstance(mask, np.ndarray) or len(axes) == mask.ndim
    is_known = len(set(axes)) == len(axes) and set(axes) <= set(known)
    if not (is_whole and is_known and set(axes) & set("zyx")):
        raise ParameterError(
            "axes= names axes of the image, one of them spatial; an array is labelled as a whole",
            value=axes,
            place=f"label, of an image with axes {known!r}" if isinstance(mask, Image) else "label",
            remedy="open an array with its axes: sc.open(array, axes=...)",
        )
    return "".join(axis for axis in known if axis in axes)


def check_count(n_objects: int, dtype: str) -> None:
    """Refuse more objects than a dtype has numbers.

    Raises
    ------
    PipelineError
        If there are more.
    """
    largest = int(np.iinfo(dtype).max)
    if n_objects > largest:
        raise PipelineError(
            f"labels of dtype {dtype} number at most {largest} objects",
            value=n_objects,
            place="step 'label'",
            remedy='give dtype="uint64", or remove noise before labelling',
        )


def components(
    mask: Array,
    block: StepBlock,
    connectivity: int | None,
    *,
    by_value: bool = False,
    is_ordered: bool = True,
) -> tuple[NDArray[np.uint32], Arrays]:
    """Label one block; return what merging needs of it as well.

    Who labels the block again finds the same numbers by `label_components`, or by
    `find_components` where they are not ordered.
    """
    labels, first = label_components(mask, connectivity, by_value=by_value, is_ordered=is_ordered)
    axes = [axis for axis in block.function_axes if axis in block.axes]
    places = [block.axes.index(axis) for axis in axes]
    start = [block.write_roi.offset[p] - block.image_roi.offset[p] for p in places]
    kept = [n for n, axis in enumerate(block.function_axes) if axis in block.axes]
    shape = tuple(mask.shape[n] for n in kept)
    seen = global_first(first, start, shape, [block.image_roi.shape[p] for p in places])
    parts = {"first": seen, **faces(labels.reshape(shape))}
    if by_value:
        parts["value"] = np.ascontiguousarray(mask).reshape(-1)[first]
    return labels, parts


@blockwise(out="parts", block_invariant=True, version="2", threadsafe=True)
def label_pieces(
    mask: Array,
    *,
    connectivity: int | None,
    by_value: bool = False,
    block: StepBlock = injected,
) -> Arrays:
    """Label one block, and keep the first voxel of each piece and the block's outer planes."""
    return components(mask, block, connectivity, by_value=by_value, is_ordered=False)[1]


def _pieces_and_labels(
    mask: Array,
    *,
    connectivity: int | None,
    by_value: bool = False,
    block: StepBlock = injected,
) -> tuple[Arrays, Array]:
    """Do as `label_pieces`, and return the labels of the block as well."""
    labels, parts = components(mask, block, connectivity, by_value=by_value, is_ordered=False)
    return parts, labels


label_pieces = with_draft(label_pieces, Finds(_pieces_and_labels))


@step(out="parts", version="1", threadsafe=True)
def label_merge(
    pieces: BlockParts, *, connectivity: int | None, dtype: str = "uint32"
) -> dict[int, Arrays]:
    """Give each piece of each block its number in the whole image."""
    by_block: dict[int, Arrays] = {}
    for blocks, shape in images_of(pieces):
        first = [pieces.arrays(index)["first"] for index in blocks]
        by_value = "value" in pieces[blocks[0]]
        merged = merge_blocks(
            shape,
            [len(places) for places in first],
            first,
            lambda number, blocks=blocks: pieces.arrays(blocks[number]),  # type: ignore[misc]
            connectivity,
            values=[pieces.arrays(index)["value"] for index in blocks] if by_value else None,
        )
        check_count(merged.n_objects, dtype)
        for number, index in enumerate(blocks):
            by_block[index] = {"lut": merged.lut(number).astype(dtype, copy=False)}
    return by_block


def _apply(
    mask: Array,
    merged: Arrays,
    *,
    connectivity: int | None,
    by_value: bool = False,
) -> Array:
    """Label one block again, and give its pieces their numbers in the whole image."""
    labels = find_components(mask, connectivity, by_value=by_value)
    return apply_lookup(merged["lut"], labels, in_place=True)


_LOOKS_UP = LooksUp("label_pieces", "lut")
label_apply = blockwise(
    dtype=np.uint32, labels=True, block_invariant=True, version="1", threadsafe=True
)(_apply).options(name="label")
label_apply_uint64 = blockwise(
    dtype=np.uint64, labels=True, block_invariant=True, version="1", threadsafe=True
)(_apply).options(name="label")


label_apply = with_draft(label_apply, _LOOKS_UP)
label_apply_uint64 = with_draft(label_apply_uint64, _LOOKS_UP)


def images_of(parts: BlockParts) -> list[tuple[list[int], tuple[int, ...]]]:
    """Group the blocks of a grid by image: one for each place along the iterated axes.

    Returns
    -------
    list of (blocks, shape)
        Numbers of an image's blocks in C order, and their number along the other axes; none where
        there is no block, as an axis has no length.
    """
    grid, where = parts.grid, parts.where
    if not grid.n_blocks:
        return []
    kept = [n for n, axis in enumerate(where.axes) if axis not in where.iterated]
    shape = tuple(grid.shape[n] for n in kept)
    numbers = np.arange(grid.n_blocks).reshape(tuple(grid.shape) or (1,))
    iterated = [n for n in range(grid.ndim) if n not in kept]
    per_image = numbers.transpose([*iterated, *kept]).reshape(-1, int(np.prod(shape)))
    return [(row.tolist(), shape) for row in per_image]

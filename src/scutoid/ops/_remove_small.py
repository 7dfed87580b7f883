"""Removal of small objects, counted over the whole image: an object that crosses blocks is one."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import label_components
from scutoid.ops._composed import as_one, composed
from scutoid.ops._inputs import check_given, check_hops
from scutoid.ops._label import components, images_of
from scutoid.ops._objects import merged_pieces
from scutoid.ops._types import Array, Arrays, DType, ImageLike
from scutoid.steps import BlockParts, Image, StepBlock, blockwise, injected, step


@composed
def remove_small(image: ImageLike, *, min_size: int, connectivity: int | None = None) -> ImageLike:
    """Remove objects of fewer voxels than a minimum.

    **Exact**: equals the same on the whole array for every block shape.

    Parameters
    ----------
    image : Image, Images or ndarray of bool or integer
        A mask, whose objects are its connected components; or labels, which keep their numbers.
    min_size : int
        Objects of `min_size` voxels and more stay.
    connectivity : int, optional
        For masks, as in `label`.

    Returns
    -------
    Image or ndarray
        Of the same dtype and shape.

    Raises
    ------
    ParameterError
        If the image is of floating-point numbers, a label is negative, the size is not a number of
        voxels, or the connectivity is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.remove_small(np.array([[1, 1, 0, 2]]), min_size=2)
    array([[1, 1, 0, 0]])
    """
    is_size = isinstance(cast("object", min_size), (int, np.integer))
    if not is_size or min_size < 0:
        raise ParameterError(
            "min_size is a number of voxels, 0 or more", value=min_size, place="remove_small"
        )
    check_given(image, "remove_small")
    if isinstance(image, Image):
        _check_kind(image.dtype)
    check_hops(image, connectivity)
    image = as_one(image)
    counts = object_counts(image, connectivity=connectivity)
    small = small_objects(counts, min_size=int(min_size), connectivity=connectivity)
    return remove_objects(image, small, connectivity=connectivity)


@blockwise(out="parts", block_invariant=True, version="1", threadsafe=True)
def object_counts(image: Array, *, connectivity: int | None, block: StepBlock = injected) -> Arrays:
    """Count the voxels of each object in one block."""
    if image.dtype == bool:
        labels, parts = components(image, block, connectivity)
        counts = np.bincount(labels.ravel(), minlength=len(parts["first"]) + 1)[1:]
        return {**parts, "counts": counts.astype(np.int64)}
    _check_kind(image.dtype)
    numbers, counts = np.unique(image, return_counts=True)
    if len(numbers) and numbers[0] < 0:
        raise ParameterError(
            "labels are 0 for the background and positive for objects",
            value=int(numbers[0]),
            place="remove_small",
            remedy="set what is not an object to 0 first",
        )
    kept = numbers != 0
    return {"labels": numbers[kept], "counts": counts[kept].astype(np.int64)}


@step(out="parts", version="1", threadsafe=True)
def small_objects(
    parts: BlockParts, *, min_size: int, connectivity: int | None
) -> dict[int, Arrays]:
    """Say for each block which of its objects are small in the whole image."""
    by_block: dict[int, Arrays] = {}
    if "first" in next(iter(parts.values()), {}):
        for merged in merged_pieces(parts, connectivity):
            small = merged.total(parts, "counts") < min_size
            by_block.update((index, {"small": held}) for index, held in merged.per_block(small))
        return by_block
    for blocks, _ in images_of(parts):
        labels = [parts[index]["labels"] for index in blocks]
        counts = np.concatenate([parts[index]["counts"] for index in blocks])
        every, inverse = np.unique(np.concatenate(labels), return_inverse=True)
        total = np.zeros(len(every), np.int64)
        np.add.at(total, inverse, counts)
        small = every[total < min_size]
        by_block.update(
            (index, {"small": np.isin(ids, small)})
            for index, ids in zip(blocks, labels, strict=True)
        )
    return by_block


def _check_kind(dtype: DType) -> None:
    if dtype.kind not in "biu":
        raise ParameterError(
            "objects are those of a mask or of labels",
            value=f"dtype {dtype}",
            place="remove_small",
            remedy="compare first: remove_small(image > level, ...)",
        )


@blockwise(dtype="same", labels=True, block_invariant=True, version="1", threadsafe=True)
def remove_objects(
    image: Array, small: dict[str, NDArray[np.bool_]], *, connectivity: int | None
) -> Array:
    """Set the voxels of small objects to background."""
    if image.dtype == bool:
        labels, _ = label_components(image, connectivity)
        keep = np.concatenate([[False], ~small["small"]])
        return keep[labels]
    numbers, inverse = np.unique(image, return_inverse=True)
    removed = np.zeros(len(numbers), bool)
    removed[numbers != 0] = small["small"]
    return np.where(removed, 0, numbers).astype(image.dtype)[inverse].reshape(image.shape)


remove_objects = remove_objects.options(name="remove_small")

"""Threshold with two levels: weak voxels count where they are connected to strong ones.

Three steps, as for `label`: each block labels its weak voxels and says which pieces hold a strong
one; one step passes that on along pieces that touch across blocks; each block labels itself again
and keeps its strong pieces.  No intermediate image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import is_above, label_components
from scutoid.ops._composed import as_number, as_one, composed
from scutoid.ops._inputs import check_hops, check_intensities, check_number
from scutoid.ops._label import components
from scutoid.ops._objects import merged_pieces
from scutoid.ops._types import Array, Arrays, ImageLike, Number
from scutoid.steps import BlockParts, StepBlock, blockwise, injected, is_lazy, step


@composed
def hysteresis(
    image: ImageLike, *, low: Number, high: Number, connectivity: int | None = None
) -> ImageLike:
    """Mark what is brighter than a low level and connected to what is brighter than a high one.

    **Exact**: equals `skimage.filters.apply_hysteresis_threshold` on the whole array, for every
    block shape; an object that crosses blocks is one.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities; spatial axes are connected, others iterated.
    low, high : float or Value
        Levels; may be lazy values such as ``sc.otsu(image)``.
    connectivity : int, optional
        Hops between voxels that touch: 1 for shared faces (default, as scikit-image), up to the
        number of spatial axes for shared corners.

    Returns
    -------
    Image or ndarray
        bool; same shape.

    Raises
    ------
    ParameterError
        If `low` is above `high`, a level is NaN, or the connectivity is out of range.

    References
    ----------
    J. Canny, "A computational approach to edge detection", IEEE PAMI 8 (1986).

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.hysteresis(np.array([[1, 2, 3, 2, 1, 2, 1]]), low=1, high=2).astype(int)
    array([[0, 1, 1, 1, 0, 0, 0]])
    """
    check_intensities(image, "hysteresis")
    check_number(low, "low level of hysteresis")
    check_number(high, "high level of hysteresis")
    is_known = not (is_lazy(low) or is_lazy(high))
    low, high = as_number(low), as_number(high)
    if is_known:
        _check_order(low, high)
    check_hops(image, connectivity)
    image = as_one(image)
    pieces = hysteresis_pieces(image, low=low, high=high, connectivity=connectivity)
    strong = hysteresis_merge(pieces, connectivity=connectivity)
    return hysteresis_apply(image, strong, low=low, connectivity=connectivity)


@blockwise(out="parts", block_invariant=True, version="2", threadsafe=True)
def hysteresis_pieces(
    image: Array,
    *,
    low: float,
    high: float,
    connectivity: int | None,
    block: StepBlock = injected,
) -> Arrays:
    """Label the weak voxels of one block, and say which pieces hold a strong one."""
    _check_order(low, high)
    labels, parts = components(is_above(image, low), block, connectivity)
    strong = np.zeros(len(parts["first"]) + 1, bool)
    strong[labels[is_above(image, high)]] = True
    return {**parts, "strong": strong[1:]}


@step(out="parts", version="1", threadsafe=True)
def hysteresis_merge(
    pieces: BlockParts, *, connectivity: int | None
) -> dict[int, dict[str, NDArray[np.bool_]]]:
    """Say for each piece of each block whether its object holds a strong voxel."""
    by_block: dict[int, dict[str, NDArray[np.bool_]]] = {}
    for merged in merged_pieces(pieces, connectivity):
        strong = merged.any(pieces, "strong")
        by_block.update((index, {"strong": held}) for index, held in merged.per_block(strong))
    return by_block


@blockwise(dtype=bool, block_invariant=True, version="2", threadsafe=True)
def hysteresis_apply(
    image: Array,
    pieces: dict[str, NDArray[np.bool_]],
    *,
    low: float,
    connectivity: int | None,
) -> NDArray[np.bool_]:
    """Label the weak voxels of one block again, and keep those of strong objects."""
    keep = np.concatenate([[False], pieces["strong"]])
    return keep[label_components(is_above(image, low), connectivity)[0]]


def _check_order(low: float, high: float) -> None:
    if not low <= high:  # nor where one is NaN
        raise ParameterError(
            "the low level is at most the high one",
            value=(low, high),
            place="hysteresis",
            remedy="turn them round, or see where NaN comes from",
        )


hysteresis_apply = hysteresis_apply.options(name="hysteresis")

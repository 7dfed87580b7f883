"""Erosion, dilation, opening and closing of masks, exact for every block shape.

What each reads around a voxel follows from its footprint; one of even or odd edges or without
symmetry reaches differently far on the two sides::

    footprint of 4 voxels, centre at index 2      # # C #
    erosion reads, 2 low and 1 high               # # x #
    dilation reads the mirrored, 1 low and 2 high   # x # #
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scutoid.geometry import HaloLike
from scutoid.kernels import (
    Footprint,
    as_foreground,
    check_mask_type,
    dilate_mask,
    erode_mask,
    footprint_array,
    footprint_shape,
)
from scutoid.ops._inputs import n_spatial
from scutoid.ops._types import Array
from scutoid.steps import Image, blockwise, is_lazy

Pairs = list[tuple[int, int]]

_RENAMED = {"border_value": "border"}


def check_mask(images: list[Image]) -> None:
    """Refuse an image that is no mask before anything runs."""
    check_mask_type(images[0].dtype, repr(images[0].name))


def _check_both(images: list[Image], footprint: Footprint) -> None:
    check_mask(images)
    if not is_lazy(footprint):
        footprint_array(footprint, n_spatial(images[0]))


def _erosion_reach(footprint: Footprint) -> HaloLike:
    return _reach(footprint, [(n // 2, n - 1 - n // 2) for n in footprint_shape(footprint)])


def _dilation_reach(footprint: Footprint) -> HaloLike:
    return _reach(footprint, [(n - 1 - n // 2, n // 2) for n in footprint_shape(footprint)])


def _reach_of_both(footprint: Footprint) -> HaloLike:
    return _reach(footprint, [(n - 1, n - 1) for n in footprint_shape(footprint)])


def _reach(footprint: Footprint, pairs: Pairs) -> HaloLike:
    """Return one number for a radius of all axes, whose two sides are alike."""
    return pairs if np.ndim(footprint) else pairs[0][0]


@blockwise(
    halo=_erosion_reach,
    dtype=bool,
    check=_check_both,
    renamed=_RENAMED,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def erosion(mask: Array, *, footprint: Footprint, border: bool = False) -> NDArray[np.bool_]:
    """Keep the voxels around which the whole footprint lies in the foreground.

    **Exact**: equals `scipy.ndimage.binary_erosion` on the whole array.

    Parameters
    ----------
    mask : Image, Images or ndarray of bool or integer
        Nonzero is foreground; spatial axes are eroded, others iterated.
    footprint : float, sequence of float or ndarray
        Radius of a ball in voxels, or of an ellipsoid one for each spatial axis; or the footprint
        itself, an array of bool centred on index ``size // 2``.
    border : bool, optional
        What lies beyond the image's edge.  With False, as in scipy, objects are eroded there as
        well.

    Returns
    -------
    Image or ndarray
        bool; same shape.

    Raises
    ------
    ParameterError
        If the mask is of floating-point numbers, or the footprint is empty or of other axes.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.erosion(np.array([[1, 1, 1, 0, 1]], bool), footprint=np.ones((1, 3))).astype(int)
    array([[0, 1, 0, 0, 0]])
    """
    inside = as_foreground(mask, "erosion")
    return erode_mask(inside, footprint_array(footprint, mask.ndim), border=border)


@blockwise(
    halo=_dilation_reach,
    dtype=bool,
    check=_check_both,
    renamed=_RENAMED,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def dilation(mask: Array, *, footprint: Footprint, border: bool = False) -> NDArray[np.bool_]:
    """Put the footprint on every voxel of the foreground.

    **Exact**: equals `scipy.ndimage.binary_dilation` on the whole array.

    Parameters
    ----------
    mask, footprint, border
        As in `erosion`.

    Returns
    -------
    Image or ndarray
        bool; same shape.

    Raises
    ------
    ParameterError
        As in `erosion`.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.dilation(np.array([[0, 1, 0, 0, 0]], bool), footprint=1).astype(int)
    array([[1, 1, 1, 0, 0]])
    """
    inside = as_foreground(mask, "dilation")
    return dilate_mask(inside, footprint_array(footprint, mask.ndim), border=border)


@blockwise(
    halo=_reach_of_both,
    dtype=bool,
    check=_check_both,
    renamed=_RENAMED,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def opening(mask: Array, *, footprint: Footprint, border: bool = False) -> NDArray[np.bool_]:
    """Remove what the footprint does not fit into: an erosion, and a dilation of what is left.

    **Exact**: equals `scipy.ndimage.binary_opening` on the whole array.

    Parameters
    ----------
    mask, footprint, border
        As in `erosion`.

    Returns
    -------
    Image or ndarray
        bool; same shape.

    Raises
    ------
    ParameterError
        As in `erosion`.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.opening(np.array([[1, 0, 1, 1, 1]], bool), footprint=np.ones((1, 2))).astype(int)
    array([[0, 0, 1, 1, 1]])
    """
    inside, cells = as_foreground(mask, "opening"), footprint_array(footprint, mask.ndim)
    return dilate_mask(erode_mask(inside, cells, border=border), cells, border=border)


@blockwise(
    halo=_reach_of_both,
    dtype=bool,
    check=_check_both,
    renamed=_RENAMED,
    block_invariant=True,
    version="1",
    threadsafe=True,
)
def closing(mask: Array, *, footprint: Footprint, border: bool = False) -> NDArray[np.bool_]:
    """Fill gaps that the footprint does not fit into: a dilation, and an erosion of it.

    **Exact**: equals `scipy.ndimage.binary_closing` on the whole array.

    Parameters
    ----------
    mask, footprint, border
        As in `erosion`.  With ``border=False``, as in scipy, objects lose voxels at the
        image's edge; with True, gaps between an object and the edge are filled.

    Returns
    -------
    Image or ndarray
        bool; same shape.

    Raises
    ------
    ParameterError
        As in `erosion`.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> row = np.array([[0, 1, 0, 1, 0, 0, 1, 0]], bool)
    >>> sc.closing(row, footprint=np.ones((1, 3))).astype(int)
    array([[0, 1, 1, 1, 1, 1, 1, 0]])
    """
    inside, cells = as_foreground(mask, "closing"), footprint_array(footprint, mask.ndim)
    return erode_mask(dilate_mask(inside, cells, border=border), cells, border=border)

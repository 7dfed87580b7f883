"""Masks: which voxels of an array are foreground."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError


def check_mask_type(dtype: np.dtype[Any], place: str) -> None:
    """Raise a `ParameterError` unless an array is a mask.

    Parameters
    ----------
    dtype : dtype
    place : str
        Who asks, for the error.

    Raises
    ------
    ParameterError
        If it is not bool or an integer.
    """
    if dtype.kind not in "biu":
        raise ParameterError(
            "a mask is of bool or integers",
            value=f"dtype {dtype}",
            place=place,
            remedy="compare first, as in image > level",
        )


def as_foreground(mask: NDArray[Any], place: str) -> NDArray[np.bool_]:
    """Return where a mask is not zero; the mask itself where it is of bool.

    Parameters
    ----------
    mask : ndarray of bool or integer
    place : str
        Who asks, for the error.

    Raises
    ------
    ParameterError
        If it is of anything else, or no array.
    """
    if not isinstance(mask, np.ndarray):
        raise ParameterError(
            "a mask is an array of bool or integers",
            value=type(mask).__name__,
            place=place,
            remedy="make an array of a list by numpy.asarray",
        )
    check_mask_type(mask.dtype, place)
    foreground: NDArray[np.bool_] = mask if mask.dtype == bool else mask != 0
    return foreground

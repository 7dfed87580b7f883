"""The values that a step returned, in the dtype that its image has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import StepError

KINDS = "biufc"
"""Letters of the kinds of voxels: booleans, integers, floating-point and complex numbers."""


def image_of(item: object, place: str) -> NDArray[Any]:
    """Return what a step returned for an image as an array.

    Raises
    ------
    StepError
        If it is None, or voxels of it are masked: an image has no mask.
    """
    check_returned(item, place)
    if isinstance(item, np.ma.MaskedArray) and item.mask.any():
        raise StepError(
            "an image has a value at each voxel: the mask of an array would be lost",
            value=f"{np.count_nonzero(item.mask)} masked voxels",
            place=place,
            remedy="return array.filled(0), and array.mask as an image of its own",
        )
    return np.asarray(item)


def check_returned(item: object, place: str) -> None:
    """Raise a `StepError` for None, which a function without a return gives."""
    if item is None:
        raise StepError(
            "a step returns an image",
            value="None",
            place=place,
            remedy="see that the function ends in a return, on each of its ways",
        )


def fitted(array: NDArray[Any], dtype: np.dtype[Any], place: str) -> NDArray[Any]:
    """Return values in another dtype, which holds them.

    Floating-point types round to their precision, as numpy does; every other change of a value is
    refused: what is out of range, fractions and NaN in an integer, an imaginary part, and anything
    but 0 and 1 in a bool.

    Parameters
    ----------
    array : ndarray
        What a step returned.
    dtype : dtype
        The dtype of its image.
    place : str
        The step, and the block and what it writes.

    Raises
    ------
    StepError
        If a value does not fit; it names the first of them, and where it lies.  If they are no
        numbers: objects, text, dates.
    """
    if array.dtype == dtype:
        return array
    if array.dtype.kind not in KINDS:
        raise StepError(
            "voxels are booleans, integers, floating-point or complex numbers",
            value=f"an array of {array.dtype}",
            place=place,
            remedy=f"convert it in the function: return values.astype({str(dtype)!r})",
        )
    with np.errstate(all="ignore"):
        cast = array.real.astype(dtype) if _drops_imaginary(array, dtype) else array.astype(dtype)
    changed = _changed(array, cast)
    if changed is not None and changed.any():
        first = np.unravel_index(int(changed.argmax()), changed.shape)
        raise StepError(
            f"the values of an image fit its dtype, {dtype}",
            value=f"{array[first]} ({array.dtype}) at voxel {tuple(map(int, first))}",
            place=place,
            remedy="declare a dtype that holds them, or round, clip or cast in the function: "
            f"return values.astype({str(dtype)!r})",
        )
    return cast


def _drops_imaginary(array: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    return array.dtype.kind == "c" and dtype.kind != "c"


def _changed(array: NDArray[Any], cast: NDArray[Any]) -> NDArray[Any] | None:
    """Return where a cast changed more than rounding does; None: nowhere, by the dtypes."""
    if np.can_cast(array.dtype, cast.dtype, "safe"):
        return None
    if _drops_imaginary(array, cast.dtype):
        inner = _changed(array.real, cast)
        is_complex = np.asarray(array.imag != 0)
        return is_complex if inner is None else is_complex | inner
    if cast.dtype.kind in "fc":
        return np.asarray(np.isfinite(array) & ~np.isfinite(cast))
    if array.dtype.kind == "f":
        moved: NDArray[Any] = _outside(array, cast.dtype) | (cast.astype(array.dtype) != array)
        return moved
    if cast.dtype.kind == "b":
        return np.asarray((array != 0) & (array != 1))
    return _outside(array, cast.dtype)


def _outside(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return which numbers are below or above an integer type, or NaN; bool holds 0 and 1."""
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if array.dtype.kind == "f":
        # The end of a 64-bit type is no float, but the number after it is: a power of two.
        return ~((array >= np.float64(low)) & (array < np.float64(high + 1)))
    smallest, largest = np.iinfo(array.dtype).min, np.iinfo(array.dtype).max
    outside = np.zeros(array.shape, bool)
    if smallest < low:
        outside |= array < array.dtype.type(low)
    if largest > high:
        outside |= array > array.dtype.type(high)
    return outside

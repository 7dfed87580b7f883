"""Check the arguments of operations; of lazy images before anything runs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import cast

import numpy as np

from scutoid.arrays import SPATIAL
from scutoid.errors import ParameterError, ScutoidError
from scutoid.kernels import checked_connectivity
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import Described, Image, Images, is_lazy

Given = Described | Array


def check_given(image: object, place: str) -> None:
    """Refuse what is neither an array nor a lazy result.

    Raises
    ------
    ParameterError
        For a list, a path and the like.
    """
    if not (hasattr(image, "dtype") or is_lazy(image)):
        raise ParameterError(
            "images are given as Image, Images, or numpy or dask arrays",
            value=type(image).__name__,
            place=place,
            remedy="open a file by sc.open, make an array of a list by numpy.asarray",
        )


def check_intensities(image: object, place: str) -> None:
    """Refuse what is no image of real numbers.

    Raises
    ------
    ParameterError
        As `check_given` and `check_real`.
    """
    check_given(image, place)
    check_real(image, place)


def check_number(value: object, place: str) -> None:
    """Refuse what is no real number, or NaN; a lazy one is seen when it is known.

    Raises
    ------
    ParameterError
        If it is.
    """
    if is_lazy(value):
        return
    number = np.asarray(value)
    if number.ndim or number.dtype.kind not in "biuf" or np.isnan(number):
        raise ParameterError(
            "it is a real number, and not NaN",
            value=repr(value),
            place=place,
            remedy="see where NaN comes from, such as an image with NaN",
        )


def check_real(image: object, place: str) -> None:
    """Refuse voxels that are no real numbers.

    Raises
    ------
    ParameterError
        If they are complex, or no numbers.
    """
    if isinstance(image, (Described, np.ndarray)) and image.dtype.kind not in "biuf":
        raise ParameterError(
            "intensities are real numbers",
            value=f"dtype {image.dtype}",
            place=place,
            remedy="take the magnitude first, by numpy.abs" if image.dtype.kind == "c" else None,
        )


def first_of(image: ImageLike) -> Image:
    """Return an image or array, or the first of a collection that can be opened: it stands for all.

    A bad member is no matter of the others; where all are bad, the first is returned and says so.
    """
    if not isinstance(image, Images):
        return cast("Image", image)
    for key in image.keys:
        with contextlib.suppress(ScutoidError):
            member: Image = image[key]
            _ = member.framed
            return member
    first: Image = image[image.keys[0]]
    return first


def check_voxels(image: object, place: str) -> None:
    """Refuse an image without voxels.

    Raises
    ------
    ParameterError
        If an axis has no length.
    """
    if isinstance(image, (Described, np.ndarray)) and 0 in image.shape:
        raise ParameterError(
            "an image has at least one voxel",
            value=f"shape {tuple(image.shape)}",
            place=place,
            remedy="see how it was cropped, or leave it out",
        )


def n_spatial(image: Given) -> int:
    """Return the number of an image's spatial axes; all those of an array are."""
    if isinstance(image, Described):
        return sum(axis in SPATIAL for axis in image.axes)
    return int(image.ndim)


def check_per_axis(value: float | Sequence[float], image: Image | Array, place: str) -> None:
    """Refuse numbers that are neither one for all spatial axes nor one for each.

    Parameters
    ----------
    value : number, sequence of number, or lazy
    image : Image or ndarray
    place : str
        The operation and the parameter.

    Raises
    ------
    ParameterError
        If there are more or fewer.
    """
    if is_lazy(value) or not np.ndim(value):
        return
    ndim = n_spatial(image)
    if np.shape(value) != (ndim,):
        raise ParameterError(
            f"there is one number for all spatial axes, or one for each of {ndim}",
            value=value,
            place=place,
        )


def check_hops(image: object, connectivity: int | None, axes: str | None = None) -> None:
    """Refuse a connectivity that an image's axes do not have.

    Raises
    ------
    ParameterError
        If it is not 1 to their number.
    """
    if isinstance(image, Described):
        checked_connectivity(connectivity, n_spatial(image) if axes is None else len(axes))

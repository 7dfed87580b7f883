"""Integers of 64 bits where floating-point numbers are at work: exact, or refused.

float64 tells integers apart up to 2^53.  What depends on the order of values alone is computed on
their ranks beyond that; what adds, multiplies or averages them is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError

LARGEST_IN_FLOAT64 = 2**53
"""Up to here float64 tells integers apart."""


def is_in_float64(values: NDArray[Any], largest: int = LARGEST_IN_FLOAT64) -> bool:
    """Whether no integer of an array is beyond `largest`, below zero or above; floats never are."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return True
    return int(values.max()) <= largest and int(values.min()) >= -largest


def check_in_float64(
    values: NDArray[Any], place: str, *, largest: int = LARGEST_IN_FLOAT64, name: str = "2**53"
) -> None:
    """Refuse integers that floating-point numbers do not tell apart.

    Parameters
    ----------
    values : ndarray
        Of any type; only integers of 64 bits are looked at.
    place : str
        Who asks, for the error.
    largest : int, optional
        The largest that is allowed, 2**53 or less.
    name : str, optional
        How an error writes it.

    Raises
    ------
    ParameterError
        If one is beyond it, below zero or above; the one that is farthest from zero is named.

    Examples
    --------
    >>> check_in_float64(np.array([2**53 + 1]), "smoothing")
    Traceback (most recent call last):
        ...
    scutoid.errors.ParameterError: what is computed in floating-point numbers is ...
    """
    if is_in_float64(values, largest):
        return
    ends = int(values.min()), int(values.max())
    raise ParameterError(
        f"what is computed in floating-point numbers is integers of up to {name}",
        value=f"{max(ends, key=abs)}, {values.dtype}",
        place=place,
        remedy="subtract an offset first; numbers of objects are compared, never averaged",
    )


def by_order(
    values: NDArray[Any], function: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """Apply what picks values by their order, on their ranks where float64 would round them.

    Parameters
    ----------
    values : ndarray
    function : callable
        Returns values that it was given, chosen by their order alone, such as a median filter.

    Examples
    --------
    >>> by_order(np.array([2**53 + 1, 2**53]), lambda a: a.astype(float)[:1].astype(int))
    array([9007199254740993])
    """
    if is_in_float64(values):
        return function(values)
    known, ranks = np.unique(values, return_inverse=True)
    picked: NDArray[Any] = known[function(ranks.reshape(values.shape))]
    return picked


def ranked(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values, or their ranks where float64 would round them, also long doubles."""
    if is_in_float64(values) and values.dtype.itemsize <= 8:
        return values
    return np.unique(values, return_inverse=True)[1].reshape(values.shape)


def is_above(values: NDArray[Any], level: Any) -> NDArray[np.bool_]:
    """Return where values are above a level, integers of 64 bits compared as such.

    Parameters
    ----------
    values : ndarray of real numbers
    level : number

    Examples
    --------
    >>> is_above(np.array([2**53, 2**53 + 1]), 2.0**53)
    array([False,  True])
    """
    is_long = values.dtype.kind in "iu" and values.dtype.itemsize == 8
    if is_long and not isinstance(level, (int, np.integer)) and math.isfinite(level):
        level = math.floor(level)  # no integer lies between
    return np.asarray(values > level)

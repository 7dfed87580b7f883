"""Order statistics of values that are seen block by block.

Each value becomes an unsigned number of the same order, and its digits, of 16 bits each, are
counted from the left: the first count tells in which bin of 65,536 a rank lies, the next count
parts that bin, until all digits are known.  A count is a histogram, so blocks add up, nothing is
rounded, and no more than some bins are ever held: one pass for 16 bits, two for 32, four for 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from scutoid.errors import ParameterError
from scutoid.kernels._histogram import (
    Histogram,
    between,
    find_rank,
    histogram_of,
    merge_histograms,
    percentile_ranks,
    plain_number,
)

_DIGIT = 16


class Digits(TypedDict):
    """Counts of one digit of the values of a part of an image."""

    dtype: str
    """Type of the values, as numpy writes it."""
    counts: list[dict[str, NDArray[Any]]]
    """For each prefix that may be wanted a `Histogram`, as plain arrays."""


class Narrowed(TypedDict):
    """What is known of the values at the wanted ranks after a pass."""

    level: int
    """Number of digits that are known."""
    total: int
    """Number of values in the image."""
    prefixes: list[int]
    """The distinct digits that are known, as one number each."""
    ranks: list[list[int]]
    """For each rank the number of its prefix, and the rank among the values of that prefix."""
    values: list[float] | None
    """For each percentile its value; None before the last pass."""


def percentile_passes(dtype: DTypeLike) -> int:
    """Return how many passes values of a type need: one for 16 bits.

    Raises
    ------
    ParameterError
        If they are not real numbers of up to 64 bits.
    """
    kind = np.dtype(dtype)
    if kind.kind not in "biuf" or kind.itemsize > 8:
        raise ParameterError(
            "percentiles are of real numbers of up to 64 bits",
            value=f"dtype {kind}",
            place="image",
            remedy="convert it to float64, or take the magnitude first, by numpy.abs",
        )
    return max(int(kind.itemsize) * 8 // _DIGIT, 1)


def order_keys(values: ArrayLike) -> NDArray[Any]:
    """Map values to unsigned integers of the same size and order.

    Raises
    ------
    ParameterError
        If a value is NaN, which has no place in the order, or the type has more than 64 bits.

    Examples
    --------
    >>> order_keys(np.array([-1, 0, 1], "int8"))
    array([127, 128, 129], dtype=uint8)
    """
    given = np.asarray(values)
    percentile_passes(given.dtype)
    array = given.astype(given.dtype.newbyteorder("="), copy=False)  # its bits are looked at
    unsigned = np.dtype(f"u{array.dtype.itemsize}")
    top = unsigned.type(1 << (8 * unsigned.itemsize - 1))
    bits: NDArray[Any] = array.view(unsigned)
    if array.dtype.kind in "bu":
        return bits
    if array.dtype.kind == "i":
        return np.asarray(bits ^ top)
    if np.isnan(array).any():
        raise ParameterError(
            "percentiles are of values that have an order",
            value="NaN",
            place="image",
            remedy="replace NaN first, by numpy.nan_to_num",
        )
    # Minus zero equals zero; of negative numbers all bits are turned, for they count backwards
    bits = (array + array.dtype.type(0)).view(unsigned)
    return np.where(bits & top, ~bits, bits | top)


def value_of_key(key: int, dtype: DTypeLike) -> np.generic:
    """Return the value, a scalar of `dtype`, that `order_keys` maps to `key`."""
    kind = np.dtype(dtype).newbyteorder("=")
    unsigned = np.dtype(f"u{kind.itemsize}")
    bits = np.array(key, unsigned)
    top = unsigned.type(1 << (8 * unsigned.itemsize - 1))
    if kind.kind == "i":
        bits ^= top
    elif kind.kind == "f":
        bits = np.asarray(bits ^ top if bits & top else ~bits)
    value: np.generic = bits.view(kind).reshape(-1)[0]
    return value


def digit_histogram(keys: NDArray[Any], level: int, prefix: int = 0) -> Histogram:
    """Count the digit number `level`, from the left, of those keys that begin with `prefix`.

    Parameters
    ----------
    keys : ndarray of unsigned integer
        From `order_keys`.
    level : int
        0 for the first digit.
    prefix : int
        The digits before, as one number.

    Examples
    --------
    >>> digit_histogram(np.array([0x10002, 0x10003, 0x20002], "uint32"), 1, prefix=1)
    Histogram(values=array([2, 3]), counts=array([1, 1]))
    """
    bits = 8 * keys.dtype.itemsize
    if bits <= _DIGIT:
        return histogram_of(keys)
    shift = bits - _DIGIT * (level + 1)
    flat = keys.reshape(-1)
    if level:
        # In their own type: a shift by all bits would be undefined, and level 0 has no prefix
        flat = flat[flat >> keys.dtype.type(shift + _DIGIT) == keys.dtype.type(prefix)]
    return histogram_of((flat >> keys.dtype.type(shift)).astype(np.uint16))


def count_digits(values: ArrayLike, found: Narrowed | None) -> Digits:
    """Count, in one block, the next digit of the values that may be those at the wanted ranks.

    Parameters
    ----------
    values : array of real numbers
    found : Narrowed, optional
        What `narrow` returned after the pass before; None for the first.

    Returns
    -------
    Digits
        For `merge_digits`.

    Raises
    ------
    ParameterError
        As for `order_keys`.
    """
    array = np.asarray(values)
    keys = order_keys(array)
    level, prefixes = (found["level"], found["prefixes"]) if found is not None else (0, [0])
    counts = [digit_histogram(keys, level, prefix).to_arrays() for prefix in prefixes]
    return {"dtype": array.dtype.str, "counts": counts}


def merge_digits(a: Digits, b: Digits) -> Digits:
    """Add up the counts of two parts of an image."""
    pairs = zip(a["counts"], b["counts"], strict=True)
    merged = [merge_histograms(*map(Histogram.from_arrays, pair)).to_arrays() for pair in pairs]
    return {"dtype": a["dtype"], "counts": merged}


def narrow(counted: Digits, found: Narrowed | None, percents: Sequence[float]) -> Narrowed:
    """Find the next digit of the values at the ranks that percentiles lie between.

    Parameters
    ----------
    counted : Digits
        Counts of the whole image.
    found : Narrowed, optional
        What this returned after the pass before.
    percents : sequence of float
        0 to 100.

    Returns
    -------
    Narrowed
        Of plain numbers and lists.
    """
    counts = [Histogram.from_arrays(arrays) for arrays in counted["counts"]]
    total = counts[0].total if found is None else int(found["total"])
    spread = [percentile_ranks(total, percent) for percent in percents]
    if found is None:
        level, prefixes = 0, [0]
        ranks = [(0, rank) for below, above, _ in spread for rank in (below, above)]
    else:
        level, prefixes = found["level"], found["prefixes"]
        ranks = [(place, rank) for place, rank in found["ranks"]]
    digits = [find_rank(counts[place], rank) for place, rank in ranks]
    longer = [
        (prefixes[place] << _DIGIT) | digit
        for (place, _), (digit, _) in zip(ranks, digits, strict=True)
    ]
    distinct = sorted(set(longer))
    values = None
    if level + 1 == percentile_passes(counted["dtype"]):
        ends = [value_of_key(key, counted["dtype"]) for key in longer]
        values = [
            plain_number(between(low, high, share))
            for low, high, (_, _, share) in zip(ends[::2], ends[1::2], spread, strict=True)
        ]
    return {
        "level": level + 1,
        "total": total,
        "prefixes": distinct,
        "ranks": [
            [distinct.index(key), rest] for key, (_, rest) in zip(longer, digits, strict=True)
        ],
        "values": values,
    }

"""Histograms that are taken block by block and merged, and the percentiles read off them.

Integers are counted value by value, hence exactly.  Floats are counted in bins over a range that
has to be known first, exactly as numpy does on the whole array.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from scutoid.errors import ParameterError
from scutoid.kernels._whole_numbers import check_in_float64

# Up to this many different values are counted in an array that has a place for each
_DENSE = 2**16


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """A histogram of integers: how often each occurs."""

    values: NDArray[Any]
    """The values that occur, increasing; int64, and uint64 for counts of uint64."""
    counts: NDArray[np.int64]
    """How often, 1 or more."""

    @property
    def total(self) -> int:
        """Number of voxels counted."""
        return int(self.counts.sum())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all fields as plain arrays, for storage."""
        return {"values": self.values, "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Histogram:
        """Rebuild from what `to_arrays` returned."""
        return cls(np.asarray(arrays["values"]), np.asarray(arrays["counts"], np.int64))


def histogram_of(values: ArrayLike) -> Histogram:
    """Count each value of an array of bool or integers.

    Raises
    ------
    ParameterError
        For an array of anything else.

    Examples
    --------
    >>> histogram_of([3, 1, 3])
    Histogram(values=array([1, 3]), counts=array([1, 2]))
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biu":
        raise ParameterError(
            "values are counted one by one only if they are integers",
            value=f"dtype {array.dtype}",
            remedy="count floats in bins, by float_histogram",
        )
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    flat = array.reshape(-1)
    kept: type[np.uint64 | np.int64] = np.uint64 if array.dtype == np.uint64 else np.int64
    if flat.size == 0:
        return Histogram(np.zeros(0, kept), np.zeros(0, np.int64))
    low, high = int(flat.min()), int(flat.max())
    if high - low >= _DENSE:
        unique, counts = np.unique(flat, return_counts=True)
        return Histogram(unique.astype(kept), counts.astype(np.int64))
    # Small unsigned values are their own places; others are moved to start at 0
    places = flat if low >= 0 and high < _DENSE else flat - array.dtype.type(low)
    if array.dtype.kind == "i" and places is not flat:
        # The difference may exceed a signed type of 8 or 16 bits, not the unsigned one
        places = places.view(f"u{places.itemsize}")
    dense = np.bincount(places if places.dtype != np.uint64 else places.astype(np.int64))
    present = np.flatnonzero(dense)
    first = 0 if places is flat else low
    return Histogram(present.astype(kept) + kept(first), dense[present].astype(np.int64))


def merge_histograms(*parts: Histogram) -> Histogram:
    """Add up several counts; the order does not matter.

    Raises
    ------
    ParameterError
        If there is nothing to merge, or the values differ in type.
    """
    if not parts:
        raise ParameterError("merging needs at least one part", value="none")
    if len({part.values.dtype for part in parts}) > 1:
        raise ParameterError(
            "histograms to merge are of one type of values",
            value=[part.values.dtype.name for part in parts],
        )
    filled = [part for part in parts if len(part.values)]
    if len(filled) < 2:
        return filled[0] if filled else parts[0]
    low = min(int(part.values[0]) for part in filled)
    high = max(int(part.values[-1]) for part in filled)
    kept = parts[0].values.dtype.type
    if high - low < _DENSE:
        dense = np.zeros(high - low + 1, np.int64)
        for part in filled:
            dense[(part.values - kept(low)).astype(np.intp)] += part.counts
        present = np.flatnonzero(dense)
        return Histogram(present.astype(kept) + kept(low), dense[present])
    values = np.concatenate([part.values for part in filled])
    counts = np.concatenate([part.counts for part in filled])
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    opens = np.ones(len(values), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=opens[1:])
    start = np.flatnonzero(opens)
    return Histogram(ordered[start], np.add.reduceat(counts[order], start))


def value_range(values: ArrayLike) -> tuple[np.generic, np.generic] | None:
    """Return the least and the greatest value, in the array's own type; None of an empty array.

    Raises
    ------
    ParameterError
        If a value is not finite.
    """
    array = np.asarray(values)
    if array.size == 0:
        return None
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ParameterError(
            "a range is of finite values",
            value=f"{low} to {high}",
            place="image",
            remedy="replace NaN and infinity first, by numpy.nan_to_num",
        )
    return low, high


def float_histogram(
    values: NDArray[Any], low: float, high: float, n_bins: int = 256
) -> NDArray[np.int64]:
    """Count values in bins of equal width over a range; counts of blocks add up.

    Parameters
    ----------
    values : ndarray of float
    low, high : float
        Range of the *whole* image, from `value_range`.
    n_bins : int, optional

    Returns
    -------
    ndarray of int64, shape (n_bins,)
        Added up over blocks, the counts that ``numpy.histogram`` finds in the whole array.

    Raises
    ------
    ParameterError
        If so many bins cannot be told apart in this range.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            counts, _ = np.histogram(values, bins=n_bins, range=_own_type(values.dtype, low, high))
    except ValueError as error:
        raise ParameterError(
            f"values are counted in {n_bins} bins of a width that their type can tell",
            value=f"{low} to {high}, {values.dtype}",
            place="image",
            remedy="subtract an offset or scale the image, in float64",
        ) from error
    return counts.astype(np.int64, copy=False)


def bin_centers(
    low: float, high: float, n_bins: int = 256, dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    """Return the middle of each bin of `float_histogram` for values of `dtype`."""
    edges = np.histogram_bin_edges(
        np.zeros(0, dtype), bins=n_bins, range=_own_type(np.dtype(dtype), low, high)
    )
    centers: NDArray[Any] = (edges[:-1] + edges[1:]) / 2.0
    return centers


def _own_type(dtype: np.dtype[Any], low: float, high: float) -> tuple[float, float]:
    """Return the range in the type of the values: numpy computes the edges in it."""
    return (dtype.type(low), dtype.type(high)) if dtype.kind == "f" else (low, high)


def percentile_from_histogram(histogram: Histogram, percent: float) -> float:
    """Return a percentile of all voxels counted, exactly as ``numpy.percentile`` of the whole.

    Parameters
    ----------
    histogram : Histogram
    percent : float
        0 to 100.

    Examples
    --------
    >>> percentile_from_histogram(histogram_of([1, 2, 3, 4]), 50)
    2.5
    """
    below, above, share = percentile_ranks(histogram.total, percent)
    low, high = (find_rank(histogram, rank)[0] for rank in (below, above))
    return plain_number(between(low, high, share))


def find_rank(histogram: Histogram, rank: int) -> tuple[int, int]:
    """Find a rank, counted from 0, in a histogram: the value there, and the rank among its like."""
    ends = np.cumsum(histogram.counts)
    row = int(np.searchsorted(ends, rank, side="right"))
    return int(histogram.values[row]), rank - int(ends[row] - histogram.counts[row])


def percentile_ranks(total: int, percent: float) -> tuple[int, int, float]:
    """Return the two ranks that a percentile lies between, and the share of the way to the second.

    As in ``numpy.percentile``, method "linear".

    Raises
    ------
    ParameterError
        If nothing was counted, or it is not 0 to 100.
    """
    if not 0 <= percent <= 100:
        raise ParameterError("a percentile is 0 to 100", value=percent)
    if total == 0:
        raise ParameterError("a percentile needs at least one voxel", value="none counted")
    place = (total - 1) * (percent / 100)
    below = int(place)
    if below >= total - 1:
        return total - 1, total - 1, 0.0
    return below, below + 1, place - below


def plain_number(value: np.generic | int) -> float:
    """Return a number as Python's own."""
    plain: float = value if isinstance(value, int) else value.item()
    return plain


def between(low: Any, high: Any, share: float) -> np.generic | int:
    """Return the value a share of the way from one to another, rounded as numpy's percentiles are.

    Integers give float64, or a Python integer that float64 does not hold; floating-point numbers
    give their own type.

    Raises
    ------
    ParameterError
        If it lies between two different integers beyond 2**53.
    """
    if np.asarray(low).dtype.kind in "biu":
        if low == high or not share:
            return np.float64(low) if int(np.float64(low)) == int(low) else int(low)
        check_in_float64(np.array([low, high]), "percentile")
        a, b, step = float(low), float(high), float(int(high) - int(low))
        return np.float64(a + step * share if share < 0.5 else b - step * (1 - share))
    with np.errstate(invalid="ignore", over="ignore"):
        step = high - low
        value: np.generic = low + step * share if share < 0.5 else high - step * (1 - share)
    return value

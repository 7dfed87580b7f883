"""Li's threshold of least cross entropy, from counts that blocks can take and that add up.

Integers are counted one by one.  So are floats as long as an image has no more than 65,536
different values, as one that was integers once.  Others are counted in two passes: in bins over
their range, then, around the threshold, in finer bins.  A bin knows the sum of its values as well,
so that class means do not suffer from bins.  Values are integers here: positions in their range, in
steps of 2^-52 of it, for sums of integers are the same in whatever order blocks come.
"""

from __future__ import annotations

import math
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scutoid.errors import ParameterError
from scutoid.kernels._levels import filled_bins
from scutoid.kernels._whole_numbers import check_in_float64

_VALUES = 2**16  # so many different values are counted one by one
_BINS = 2**16
_SHIFT = 36
_RANGE = float(_BINS << _SHIFT)  # 2^52, what float64 holds
_FINE = 20  # bits of a position in its bin that enter sums: 2^43 voxels fit
_REACH = 128  # bins around the first estimate that are refined

Counts = dict[str, NDArray[Any]]


class LiWindow(TypedDict, total=False):
    """The window that the second pass counts in finer bins, which has a place without a level."""

    level: float | None
    """The threshold itself where values were counted one by one, else None."""
    start: float
    """Where the iteration comes among the finer bins, as a share of the range."""
    first: int
    """Position of the first of them."""
    shift: int
    """Logarithm to the base 2 of their width."""
    below: list[float]
    """Number of voxels below them, and their mean as a share of the range."""
    above: list[float]
    """The same above them."""


def li_from_histogram(counts: ArrayLike, values: ArrayLike, tolerance: float = 0.5) -> float:
    """Return the threshold of least cross entropy between the values and two class means.

    Parameters
    ----------
    counts : array of int, shape (n,)
        Number of voxels a value.
    values : array of int, shape (n,)
        Increasing.
    tolerance : float, optional
        The iteration ends when the threshold moves by no more; 0.5 is for integers.

    Raises
    ------
    ParameterError
        If nothing was counted, or integers are beyond 2**53.

    Notes
    -----
    Method of C. H. Li and P. K. S. Tam, Pattern Recognition Letters 18 (1998), with the arithmetic
    of ``skimage.filters.threshold_li``: sums of integers are exact, so the threshold is the same to
    the last bit.

    Examples
    --------
    >>> from scutoid.kernels import histogram_of
    >>> found = histogram_of([1, 1, 2, 8, 9, 9])
    >>> li_from_histogram(found.counts, found.values)
    3.33881258...
    """
    number, value = filled_bins(counts, values)
    check_in_float64(value, "li")
    if len(value) == 1:
        return float(value[0])
    height = (value - value[0]).astype(np.float64)
    start = float(np.sum(height * number) / np.sum(number))
    # scikit-image weighs by counts in float32, which matters from 2^24 voxels a value on
    weight = number.astype(np.float32).astype(np.float64)
    return float(_trajectory(height, weight, start, tolerance)[-1] + value[0])


def _trajectory(
    height: NDArray[np.float64], weight: NDArray[np.float64], start: float, tolerance: float
) -> list[float]:
    """Move a level to the logarithmic mean of the two classes that it parts, until it rests."""
    levels = [-2 * tolerance, start]
    while abs(levels[-1] - levels[-2]) > tolerance:
        above = height > levels[-1]
        mean_above = np.sum(height[above] * weight[above]) / np.sum(weight[above])
        mean_below = np.sum(height[~above] * weight[~above]) / np.sum(weight[~above])
        if mean_below == 0:
            break
        levels.append((mean_below - mean_above) / (np.log(mean_below) - np.log(mean_above)))
    return levels[1:]


def count_floats(
    values: NDArray[Any], span: tuple[float, float], window: LiWindow | None = None
) -> Counts:
    """Count floats of one block for Li's threshold; `merge_floats` adds up.

    Parameters
    ----------
    values : ndarray of float
        At least one.
    span : (low, high)
        Range of the whole image.
    window : mapping, optional
        From `li_window`, in the second pass.

    Returns
    -------
    dict of ndarray
        ``span`` and ``values`` with their ``counts``; or ``span`` and for each bin ``counts`` and
        ``sums``.

    Raises
    ------
    ParameterError
        If the difference of the ends is too large for a floating-point number.
    """
    if not math.isfinite(span[1] - span[0]):
        raise ParameterError(
            "the range of an image is a floating-point number",
            value=f"{span[0]} to {span[1]}",
            place="image",
            remedy="scale it first",
        )
    flat = values.reshape(-1).astype(np.float64)
    ends = np.array(span, np.float64)
    if window is None:
        few = len(np.unique(flat[: 2 * _VALUES])) <= _VALUES
        values_seen, counts = np.unique(flat, return_counts=True) if few else (flat, None)
        if counts is not None and len(values_seen) <= _VALUES:
            return {"span": ends, "values": values_seen + 0.0, "counts": counts.astype(np.int64)}
        return {"span": ends, **_in_bins(_positions(flat, ends), 1, 0, _SHIFT)}
    if window["level"] is not None:
        return {"span": ends, "counts": np.zeros(0, np.int64), "sums": np.zeros(0, np.int64)}
    places = _positions(flat, ends)
    first, shift = window["first"], window["shift"]
    places = places[(places >= first) & (places < first + (_BINS << shift))]
    return {"span": ends, **_in_bins(places, 1, first, shift)}


def merge_floats(a: Counts, b: Counts) -> Counts:
    """Add up the counts of two parts of an image."""
    if "values" in a and "values" in b:
        values, inverse = np.unique(np.append(a["values"], b["values"]), return_inverse=True)
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, inverse, np.append(a["counts"], b["counts"]))
        if len(values) <= _VALUES:
            return {"span": a["span"], "values": values, "counts": counts}
        return {"span": a["span"], **_in_bins(_positions(values, a["span"]), counts, 0, _SHIFT)}
    a, b = _as_bins(a), _as_bins(b)
    return {name: a[name] + (b[name] if name != "span" else 0) for name in a}


def li_window(counted: Counts) -> LiWindow:
    """Return the window that the second pass counts in finer bins.

    Returns
    -------
    LiWindow
        Of plain numbers.
    """
    if "values" in counted:
        return {"level": _level_of_values(counted)}
    heights = _means(counted, 0, _SHIFT)
    weights = counted["counts"].astype(np.float64)
    mean = float(np.sum(heights * weights) / np.sum(weights))
    levels = _trajectory(heights, weights, mean, 1 / _RANGE)
    low = min(max(int(levels[-1] * _BINS) - _REACH, 0), _BINS - 2 * _REACH)
    start = next(level for level in levels if low <= level * _BINS < low + 2 * _REACH)
    sides = []
    for side in (slice(low), slice(low + 2 * _REACH, None)):
        total = float(weights[side].sum())
        sides.append([total, float(np.sum(heights[side] * weights[side])) / max(total, 1)])
    shift = _SHIFT - ((_BINS // (2 * _REACH)).bit_length() - 1)
    return {
        "level": None,
        "start": start,
        "first": low << _SHIFT,
        "shift": shift,
        "below": sides[0],
        "above": sides[1],
    }


def li_level(counted: Counts, window: LiWindow | None) -> float:
    """Return Li's threshold, from the counts of the last pass."""
    if window is None:
        return _level_of_values(counted)
    if window["level"] is not None:
        return float(window["level"])
    n_below, mean_below = window["below"]
    n_above, mean_above = window["above"]
    first, shift = window["first"], window["shift"]
    heights = np.concatenate([[mean_below], _means(counted, first, shift), [mean_above]])
    weights = np.concatenate([[n_below], counted["counts"], [n_above]])
    kept = weights > 0
    level = _trajectory(heights[kept], weights[kept], window["start"], 1 / _RANGE)[-1]
    low, high = counted["span"].tolist()
    return float(low + level * (high - low))


def _level_of_values(counted: Counts) -> float:
    """Return the threshold where all values are known, as scikit-image does."""
    values = counted["values"]
    if len(values) == 1:
        return float(values[0])
    heights, weights = values - values[0], counted["counts"].astype(np.float64)
    mean = float(np.sum(heights * weights) / np.sum(weights))
    return float(_trajectory(heights, weights, mean, np.diff(values).min() / 2)[-1] + values[0])


def _positions(values: NDArray[np.float64], span: NDArray[np.float64]) -> NDArray[np.int64]:
    low, high = span
    share = (values - low) / (high - low)
    places: NDArray[np.int64] = np.minimum(share * _RANGE, _RANGE - 1).astype(np.int64)
    return places


def _in_bins(
    places: NDArray[np.int64], amounts: int | NDArray[np.int64], first: int, shift: int
) -> Counts:
    """Count positions, each `amounts` times, in bins; add up what they are above a bin's start."""
    bins, rest = (places - first) >> shift, (places - first) & ((1 << shift) - 1)
    counts, sums = np.zeros(_BINS, np.int64), np.zeros(_BINS, np.int64)
    np.add.at(counts, bins, amounts)
    np.add.at(sums, bins, (rest >> max(shift - _FINE, 0)) * amounts)
    return {"counts": counts, "sums": sums}


def _as_bins(counted: Counts) -> Counts:
    if "values" not in counted:
        return counted
    places = _positions(counted["values"], counted["span"])
    return {"span": counted["span"], **_in_bins(places, counted["counts"], 0, _SHIFT)}


def _means(counted: Counts, first: int, shift: int) -> NDArray[np.float64]:
    """Return the mean of each bin as a share of the range; of an empty one its start."""
    starts = first + (np.arange(_BINS, dtype=np.int64) << shift)
    above = counted["sums"] / np.maximum(counted["counts"], 1) * 2.0 ** max(shift - _FINE, 0)
    means: NDArray[np.float64] = (starts + above) / _RANGE
    return means

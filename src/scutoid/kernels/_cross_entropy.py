"""Li's threshold of least cross entropy, from counts that blocks can take and that add up.

Integers are counted one by one.  So are floats as long as an image has no more than 65,536
different values, as one that was integers once.  Others are counted in two passes: in bins over
their range, then, wherever a level of the iteration may come, in finer bins.  The iteration has
many fixed points, one in each gap between values that is wide enough, so all of its levels count,
not the last alone.  Where they may come is known from the first pass: the next level never falls
where the present one rises, so the two ends of a bin enclose it.

A bin knows the sum of its values, and the least and the greatest.  Values are integers here:
positions in their range, in steps of 2^-52 of it, for sums of integers are the same in whatever
order blocks come.
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
_REST = (1 << _SHIFT) - 1  # of a position, what it is above its bin
_FINE = 24  # bits of a position in its bin that enter sums: 2^39 voxels of a bin fit
_SLACK = 2.0**-34  # of the range, for what sums of rounded positions lack

Counts = dict[str, NDArray[Any]]


class LiWindow(TypedDict, total=False):
    """What the second pass counts in finer bins, and what is known of all other values."""

    level: float | None
    """The threshold itself where values were counted one by one, else None."""
    tolerance: float
    """Half the least difference of two values that bins show, as a share of the range."""
    bins: list[int]
    """Bins of the first pass that are parted."""
    bits: int
    """Each into two to the power of this."""
    heights: list[float]
    """Means of what lies in other bins, as a share of the range."""
    weights: list[float]
    """Number of voxels of each."""


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
    return _path_end(height, weight, tolerance, start) + float(value[0])


def _path_end(
    height: NDArray[np.float64],
    weight: NDArray[np.float64],
    tolerance: float,
    start: float | None = None,
) -> float:
    """Move a level to the logarithmic mean of the two classes that it parts, until it rests.

    It starts at the mean.
    """
    if start is None:
        start = float(np.sum(height * weight) / np.sum(weight))
    last, level = -2 * tolerance, start
    while abs(level - last) > tolerance:
        above = height > level
        if not above.any():  # the mean was rounded to the greatest value
            break
        mean_above = np.sum(height[above] * weight[above]) / np.sum(weight[above])
        mean_below = np.sum(height[~above] * weight[~above]) / np.sum(weight[~above])
        if mean_below == 0:
            break
        last, level = level, _logarithmic_mean(mean_below, mean_above)
    return float(level)


def _logarithmic_mean(low: float, high: float) -> float:
    return float((low - high) / (np.log(low) - np.log(high)))


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
        ``span`` and ``values`` with their ``counts``; or ``span`` and for each bin ``counts``,
        ``sums``, and the ``least`` and ``most`` of its positions.

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
        return {"span": ends, **_in_bins(_positions(flat, ends))}
    if window["level"] is not None:
        return {"span": ends, **_in_bins(np.zeros(0, np.int64), n_bins=0)}
    places = _positions(flat, ends)
    order = np.full(_BINS, -1, np.int64)
    order[window["bins"]] = np.arange(len(window["bins"]))
    order = order[places >> _SHIFT]
    inside = order >= 0
    # bins that are parted lie side by side, as though there were no others
    packed = (order[inside] << _SHIFT) | (places[inside] & _REST)
    shift = _SHIFT - window["bits"]
    return {"span": ends, **_in_bins(packed, shift=shift, n_bins=_n_fine(window))}


def merge_floats(a: Counts, b: Counts) -> Counts:
    """Add up the counts of two parts of an image."""
    if "values" in a and "values" in b:
        values, inverse = np.unique(np.append(a["values"], b["values"]), return_inverse=True)
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, inverse, np.append(a["counts"], b["counts"]))
        if len(values) <= _VALUES:
            return {"span": a["span"], "values": values, "counts": counts}
        return _as_bins({"span": a["span"], "values": values, "counts": counts})
    a, b = _as_bins(a), _as_bins(b)
    return {
        "span": a["span"],
        "counts": a["counts"] + b["counts"],
        "sums": a["sums"] + b["sums"],
        "least": np.minimum(a["least"], b["least"]),
        "most": np.maximum(a["most"], b["most"]),
    }


def li_window(counted: Counts) -> LiWindow:
    """Return the window that the second pass counts in finer bins.

    Returns
    -------
    LiWindow
        Of plain numbers.
    """
    if "values" in counted:
        return {"level": _level_of_values(counted)}
    heights, weights = _means(counted, _SHIFT), counted["counts"].astype(np.float64)
    start = float(np.sum(heights * weights) / np.sum(weights))
    reached = _reached(heights, weights, start)
    reached[0] = True  # the logarithm of a small mean needs the first bin's sum in fine steps
    parted = np.flatnonzero(reached & (counted["least"] < counted["most"]))
    bits = min((_BINS // max(len(parted), 1)).bit_length() - 1, _SHIFT)
    known, known_weights = _known(heights, weights, reached, parted)
    return {
        "level": None,
        "tolerance": _least_difference(counted) / _RANGE / 2,
        "bins": parted.tolist(),
        "bits": bits,
        "heights": known.tolist(),
        "weights": known_weights.tolist(),
    }


def _reached(
    heights: NDArray[np.float64], weights: NDArray[np.float64], start: float
) -> NDArray[np.bool_]:
    """Mark the bins in which a level of the iteration may come.

    The next level is a step function of the present one that never falls: values of its bin counted
    as above it give the lower end of where the next one is, counted as below it the upper one.
    """
    counts = np.concatenate([[0], np.cumsum(weights)])
    sums = np.concatenate([[0], np.cumsum(heights * weights)])
    marked = np.zeros(_BINS, bool)
    ends, seen = (start, start), None
    while ends != seen:
        low = max(int((ends[0] - _SLACK) * _BINS), 0)
        high = min(int((ends[1] + _SLACK) * _BINS), _BINS - 1)
        marked[low : high + 1] = True
        if not sums[high + 1]:  # nothing but the least value is below: no next level
            break
        ends, seen = (_next_level(counts, sums, low), _next_level(counts, sums, high + 1)), ends
    return marked


def _next_level(counts: NDArray[np.float64], sums: NDArray[np.float64], n_below: int) -> float:
    """Return the level after one that has so many bins below it."""
    below, above = counts[n_below], counts[-1] - counts[n_below]
    if not above:
        return 1.0
    if not sums[n_below]:
        return 0.0
    return _logarithmic_mean(sums[n_below] / below, (sums[-1] - sums[n_below]) / above)


def _known(
    heights: NDArray[np.float64],
    weights: NDArray[np.float64],
    reached: NDArray[np.bool_],
    parted: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the means and the weights of bins that stay whole, of runs that no level parts."""
    group = np.cumsum(reached | np.concatenate([[False], reached[:-1]]))
    kept = np.ones(_BINS, bool)
    kept[parted] = False
    kept &= weights > 0
    number = np.bincount(group[kept], weights=weights[kept])
    total = np.bincount(group[kept], weights=(heights * weights)[kept])
    filled = number > 0
    return total[filled] / number[filled], number[filled]


def _least_difference(counted: Counts) -> float:
    """Return the least difference of two values that the ends of bins show."""
    filled = counted["counts"] > 0
    least, most = counted["least"][filled], counted["most"][filled]
    differences = np.concatenate([most - least, least[1:] - most[:-1]])
    differences = differences[differences > 0]
    return float(differences.min()) if len(differences) else _RANGE


def li_level(counted: Counts, window: LiWindow | None) -> float:
    """Return Li's threshold, from the counts of the last pass."""
    if window is None:
        return _level_of_values(counted)
    if window["level"] is not None:
        return float(window["level"])
    shift = _SHIFT - window["bits"]
    # where the parted bins lie in the range, and where side by side
    bins = np.array(window["bins"], np.int64)
    moved = np.repeat((bins - np.arange(len(bins))) / _BINS, 1 << window["bits"])
    fine = _means(counted, shift) + moved
    heights = np.concatenate([window["heights"], fine])
    weights = np.concatenate([window["weights"], counted["counts"]])
    kept = weights > 0
    tolerance = min(window["tolerance"], _least_difference_inside(counted, window) / _RANGE / 2)
    level = _path_end(heights[kept], weights[kept], tolerance)
    low, high = counted["span"].tolist()
    return float(low + level * (high - low))


def _least_difference_inside(counted: Counts, window: LiWindow) -> float:
    """Return the least difference within the parted bins, which lie apart from each other."""
    apart = np.repeat(np.arange(len(window["bins"]), dtype=np.int64), 1 << window["bits"])
    gap = apart << (_SHIFT + 1)  # more than a bin between any two
    moved = {**counted, "least": counted["least"] + gap, "most": counted["most"] + gap}
    return _least_difference(moved) if len(apart) else _RANGE


def _level_of_values(counted: Counts) -> float:
    """Return the threshold where all values are known, as scikit-image does."""
    values = counted["values"]
    if len(values) == 1:
        return float(values[0])
    heights, weights = values - values[0], counted["counts"].astype(np.float64)
    differences = np.diff(heights)  # some are 0: values that a distant least one makes equal
    tolerance = differences[differences > 0].min() / 2
    return _path_end(heights, weights, tolerance) + float(values[0])


def _positions(values: NDArray[np.float64], span: NDArray[np.float64]) -> NDArray[np.int64]:
    low, high = span
    share = (values - low) / (high - low)
    places: NDArray[np.int64] = np.minimum(share * _RANGE, _RANGE - 1).astype(np.int64)
    return places


def _n_fine(window: LiWindow) -> int:
    return len(window["bins"]) << window["bits"]


def _in_bins(
    places: NDArray[np.int64],
    amounts: int | NDArray[np.int64] = 1,
    *,
    shift: int = _SHIFT,
    n_bins: int = _BINS,
) -> Counts:
    """Count positions, each `amounts` times, in bins; add up what they are above a bin's start."""
    bins, rest = places >> shift, (places & ((1 << shift) - 1)) >> max(shift - _FINE, 0)
    counts, sums = np.zeros(n_bins, np.int64), np.zeros(n_bins, np.int64)
    least, most = np.full(n_bins, np.iinfo(np.int64).max), np.full(n_bins, -1)
    np.add.at(counts, bins, amounts)
    np.add.at(sums, bins, rest * amounts)
    np.minimum.at(least, bins, places)
    np.maximum.at(most, bins, places)
    return {"counts": counts, "sums": sums, "least": least, "most": most}


def _as_bins(counted: Counts) -> Counts:
    if "values" not in counted:
        return counted
    places = _positions(counted["values"], counted["span"])
    return {"span": counted["span"], **_in_bins(places, counted["counts"])}


def _means(counted: Counts, shift: int) -> NDArray[np.float64]:
    """Return the mean of each bin as a share of the range, anything of an empty one."""
    starts = np.arange(len(counted["counts"]), dtype=np.int64) << shift
    above = counted["sums"] / np.maximum(counted["counts"], 1) * 2.0 ** max(shift - _FINE, 0)
    # no less than if all but one of a bin were its least: what is not 0 never counts as 0
    low = counted["least"] + (counted["most"] - counted["least"]) / np.maximum(counted["counts"], 1)
    means: NDArray[np.float64] = np.maximum(starts + above, low) / _RANGE
    return means

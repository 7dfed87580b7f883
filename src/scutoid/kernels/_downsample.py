"""Downsample an array: each voxel of the result stands for a window of the array.

::

    factor 2:   |a b|c d|e|      the last window may be cut: its voxel stands for those that exist
                | A | C |E|
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.errors import ParameterError

_VOXELS = 2**20
"""Of what is downsampled at once."""

Windows = tuple[int, ...]
Slices = tuple[slice, ...]


def downsample(
    image: NDArray[Any], factors: int | Sequence[int], method: str = "mean"
) -> NDArray[Any]:
    """Downsample an array by whole factors, window by window from voxel 0.

    Parameters
    ----------
    image : ndarray
        Of any type that is a number or a truth value.
    factors : int or sequence of int
        Voxels of a window on each axis, 1 or more.
    method : {"mean", "mode", "nearest", "max"}
        ``"mean"``: the mean; of integers it is exact, and rounded to the nearest one, ties to the
        even one; of floating-point numbers it is summed in double precision; of truth values it
        is the mode.  ``"mode"``: the most
        frequent value; of equally frequent ones the largest, so that objects win over background.
        ``"nearest"``: the voxel in the middle, of two the later one.  ``"max"``: the largest.
        Windows that the edge cuts are taken for as far as they exist.

    Returns
    -------
    ndarray
        Same dtype; each axis is divided by its factor, rounded up.

    Raises
    ------
    ParameterError
        If a factor is not 1 or more, there is not one an axis, the method is unknown, or voxels
        are no numbers.

    Examples
    --------
    >>> import numpy as np
    >>> downsample(np.array([[1, 2, 9], [3, 4, 9]]), 2)
    array([[2, 9]])
    >>> downsample(np.array([7, 7, 0, 5, 0]), 2, "mode")
    array([7, 5, 0])
    """
    widths = check_factors(factors, image.ndim)
    check_method(method)
    if image.dtype.kind not in "biufc":
        raise ParameterError(
            "voxels are numbers or truth values", value=f"dtype {image.dtype}", place="downsample"
        )
    if not image.ndim:
        return image.copy()
    shape = tuple(-(-size // width) for size, width in zip(image.shape, widths, strict=True))
    result = np.empty(shape, image.dtype)
    for source, target, windows in _uniform_parts(image.shape, widths):
        for voxels, found in _slabs(image[source], result[target], windows):
            found[...] = _METHODS[method](voxels, windows)
    return result


def _slabs(
    image: NDArray[Any], result: NDArray[Any], windows: Windows
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Cut an array and its result along the first axis: sums are wider than the voxels."""
    rows = max(_VOXELS * len(result) // max(image.size, 1), 1)
    for start in range(0, len(result), rows):
        stop = start + rows
        yield image[start * windows[0] : stop * windows[0]], result[start:stop]


def check_factors(factors: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return one factor an axis.

    Raises
    ------
    ParameterError
        If a factor is not a whole number of 1 or more, or there is not one an axis.
    """
    widths: tuple[Any, ...] = (factors,) * ndim if np.ndim(factors) == 0 else tuple(factors)  # type: ignore[arg-type]
    if len(widths) != ndim or not all(
        isinstance(w, (int, np.integer)) and not isinstance(w, bool) and w >= 1 for w in widths
    ):
        raise ParameterError(
            "images are made coarser by whole factors of 1 or more, one for all axes or one for "
            f"each of the {ndim}",
            value=factors,
            place="factors",
            remedy="use scutoid.resample for other voxel sizes",
        )
    return tuple(int(w) for w in widths)


def check_method(method: object) -> None:
    """Raise a `ParameterError` unless there is a method of this name."""
    if method not in _METHODS:
        raise ParameterError(
            f"an image is made coarser by one of {', '.join(_METHODS)}",
            value=method,
            place="method",
        )


def _uniform_parts(
    shape: Sequence[int], widths: Windows
) -> Iterator[tuple[Slices, Slices, Windows]]:
    """Cut an array where its last windows are cut: within each part all windows have one shape."""
    axes = []
    for size, width in zip(shape, widths, strict=True):
        n_whole, rest = divmod(size, width)
        end = n_whole * width
        whole = (slice(0, end), slice(0, n_whole), width)
        last = (slice(end, size), slice(n_whole, n_whole + 1), rest)
        axes.append([part for part, is_there in ((whole, n_whole), (last, rest)) if is_there])
    for parts in itertools.product(*axes):
        source, target, windows = zip(*parts, strict=True) if parts else ((), (), ())
        yield source, target, windows


def _sum(image: NDArray[Any], windows: Windows, dtype: DTypeLike) -> NDArray[Any]:
    """Add up each window, axis by axis, in `dtype`."""
    total = image
    for axis, width in enumerate(windows):
        if width == 1:
            continue
        every = [(slice(None),) * axis + (slice(n, None, width),) for n in range(width)]
        first = total[every[0]].astype(dtype)
        for other in every[1:]:
            first += total[other]
        total = first
    return total.astype(dtype, copy=False)


def _mean(image: NDArray[Any], windows: Windows) -> NDArray[Any]:
    n_voxels = math.prod(windows)
    if n_voxels == 1:
        return image
    kind, size = image.dtype.kind, image.dtype.itemsize
    if kind == "b":
        return _mode_of_bool(image, windows)
    if kind in "fc":
        wide = np.complex128 if kind == "c" else np.float64
        with np.errstate(invalid="ignore", over="ignore"):  # infinities are the image's own
            return np.asarray(_sum(image, windows, wide) / n_voxels)
    if size < 8:
        fits = n_voxels << (8 * size) < 2**31
        return _rounded(_sum(image, windows, np.int32 if fits else np.int64), n_voxels)
    # The sum of 64-bit integers may not fit: whole parts and remainders are summed one by one.
    whole, rest = np.divmod(image, image.dtype.type(n_voxels))
    quotients = _sum(whole, windows, image.dtype)
    more, remainders = np.divmod(_sum(rest, windows, image.dtype), image.dtype.type(n_voxels))
    quotients += more
    return np.asarray(quotients + _is_rounded_up(quotients, remainders, n_voxels))


def _rounded(total: NDArray[Any], n_voxels: int) -> NDArray[Any]:
    """Divide sums by a number of voxels, to the nearest integer, ties to the even one."""
    if n_voxels & (n_voxels - 1):
        quotients, remainders = np.divmod(total, total.dtype.type(n_voxels))
        return np.asarray(quotients + _is_rounded_up(quotients, remainders, n_voxels))
    shift = n_voxels.bit_length() - 1
    # Adding just under a half rounds ties down; one more where the result would be odd.
    is_odd = (total >> shift) & 1
    return np.asarray((total + (n_voxels // 2 - 1) + is_odd) >> shift)


def _is_rounded_up(quotients: NDArray[Any], remainders: NDArray[Any], n: int) -> NDArray[Any]:
    above = n - remainders  # not 2 * remainders, which may not fit
    is_tie = remainders == above
    return np.asarray((remainders > above) | (is_tie & ((quotients & 1) == 1)))


def _views(image: NDArray[Any], windows: Windows) -> Iterator[NDArray[Any]]:
    """Yield, for each place in a window, the voxels that lie there."""
    for place in itertools.product(*map(range, windows)):
        yield image[tuple(slice(n, None, w) for n, w in zip(place, windows, strict=True))]


def _mode_of_bool(image: NDArray[Any], windows: Windows) -> NDArray[Any]:
    n_voxels = math.prod(windows)
    n_true = _sum(image.view(np.uint8), windows, np.uint8 if n_voxels < 2**7 else np.int64)
    return np.asarray(2 * n_true >= n_voxels)


def _mode(image: NDArray[Any], windows: Windows) -> NDArray[Any]:
    if image.dtype.kind == "b":
        return _mode_of_bool(image, windows)
    first, *others = _views(image, windows)
    is_mixed = np.zeros(first.shape, bool)
    for view in others:
        is_mixed |= view != first
    result = first.copy()
    if is_mixed.any():  # rarely, in labels: at the surfaces of objects
        result[is_mixed] = _most_frequent(
            np.stack([view[is_mixed] for view in _views(image, windows)])
        )
    return result


def _most_frequent(values: NDArray[Any]) -> NDArray[Any]:
    """Return the most frequent value of each column; of equally frequent ones the largest."""
    values.sort(axis=0)
    best: NDArray[Any] = values[0].copy()
    longest = np.ones(values.shape[1], np.int64)
    run = longest.copy()
    for above, here in itertools.pairwise(values):
        run = np.where(here == above, run + 1, 1)
        is_better = run >= longest
        best[is_better] = here[is_better]
        longest[is_better] = run[is_better]
    return best


def _nearest(image: NDArray[Any], windows: Windows) -> NDArray[Any]:
    return image[tuple(slice(width // 2, None, width) for width in windows)]


def _max(image: NDArray[Any], windows: Windows) -> NDArray[Any]:
    first, *others = _views(image, windows)
    result = first.copy()
    for view in others:
        np.maximum(result, view, out=result)
    return result


_METHODS: Mapping[str, Callable[[NDArray[Any], Windows], NDArray[Any]]] = MappingProxyType(
    {"mean": _mean, "mode": _mode, "nearest": _nearest, "max": _max}
)

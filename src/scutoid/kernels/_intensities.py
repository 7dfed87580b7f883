"""Measures of intensity inside objects: mean, min, max, sum and standard deviation, mergeable.

Values of up to 32 bits are summed as integers, with their squares in two limbs of 32 bits, so that
nothing is rounded before the last division.  Floats are summed as float64, with the sum of squared
deviations merged by the formula of Chan, Golub and LeVeque (1983).  So are integers of 64 bits, but
counted from the object's least value: float64 holds what they differ by, if not what they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels._runs import Groups, Runs
from scutoid.kernels._whole_numbers import LARGEST_IN_FLOAT64

_FEW = 8
"""Of this many voxels one is inside objects where these are few."""
_LIMB = 32
_LOW_BITS = np.uint64(2**_LIMB - 1)


@dataclass(frozen=True, slots=True, eq=False)
class IntensityStats:
    """Sums of the intensities of objects, one row an object, one column a channel."""

    minimum: NDArray[Any]
    """Least value, int64, uint64 or float64, shape (n, n_channels)."""
    maximum: NDArray[Any]
    """Greatest value."""
    total: NDArray[Any]
    """Sum of the values; of integers of 64 bits, of what they are above the least, float64."""
    squares: NDArray[Any]
    """Integers: sums of the upper and the lower 32 bits of the squares, int64, shape
    (n, n_channels, 2).  Floats: sum of squared deviations from the object's mean, shape
    (n, n_channels, 1).
    """
    has_channels: bool
    """Whether the intensity had an axis of channels."""
    weighted: NDArray[np.float64] | None = None
    """Sums of coordinate times value, counted from the object's low corner, shape
    (n, n_channels, ndim), if asked for; exact for integers as long as they are below 2**53.
    """

    @property
    def is_exact(self) -> bool:
        """Whether all sums are of integers."""
        return self.total.dtype == np.int64

    @property
    def base(self) -> NDArray[np.float64] | int:
        """What the sums are counted from, shape (n, n_channels), or 0."""
        is_long = not self.is_exact and self.minimum.dtype.kind in "iu"
        return self.minimum.astype(np.float64) if is_long else 0

    def sums(self, n_voxels: NDArray[np.int64]) -> NDArray[Any]:
        """Return the sums of the values themselves, shape (n, n_channels)."""
        base = self.base
        return self.total if isinstance(base, int) else self.total + base * n_voxels[:, None]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all fields as plain arrays."""
        arrays: dict[str, NDArray[Any]] = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "total": self.total,
            "squares": self.squares,
            "has_channels": np.array(self.has_channels),
        }
        return arrays if self.weighted is None else {**arrays, "weighted": self.weighted}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> IntensityStats:
        """Rebuild from what `to_arrays` returned."""
        fields = {name: np.asarray(array) for name, array in arrays.items()}
        return cls(**{**fields, "has_channels": bool(fields["has_channels"])})  # type: ignore[arg-type]

    def select(self, rows: NDArray[Any]) -> IntensityStats:
        """Return some of the objects."""
        return IntensityStats(
            self.minimum[rows],
            self.maximum[rows],
            self.total[rows],
            self.squares[rows],
            self.has_channels,
            None if self.weighted is None else self.weighted[rows],
        )

    def moved(self, by: NDArray[np.int64], n_voxels: NDArray[np.int64]) -> IntensityStats:
        """Count coordinates from elsewhere: what was at x is then at x + `by`, (n, ndim)."""
        if self.weighted is None:
            return self
        with np.errstate(invalid="ignore", over="ignore"):
            shift = by[:, None, :] * self.sums(n_voxels)[:, :, None].astype(np.float64)
            return replace(self, weighted=self.weighted + shift)

    def variance(self, n_voxels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the variance of the population, shape (n, n_channels)."""
        n = n_voxels[:, None]
        if not self.is_exact:
            deviations: NDArray[np.float64] = self.squares[..., 0] / n
            return deviations
        # Around the mean's floor, where the sum of squares is small and nothing cancels:
        # sum (v - m)^2 = sum v^2 - m^2 n - 2 m r,  with sum v = m n + r
        m, r = np.divmod(self.total, n)
        upper, lower = self.squares[..., 0], self.squares[..., 1]
        around = (lower - m * m * n - 2 * m * r).astype(np.float64)
        large = upper != 0
        if np.any(large):
            # Python's integers, since such squares add up to more than 64 bits
            big = [
                x[large].astype(object) for x in (upper, lower, m, r, np.broadcast_to(n, m.shape))
            ]
            up, low, mean, rest, count = big
            exact = (up << _LIMB) + low - mean * mean * count - 2 * mean * rest
            around[large] = exact.astype(np.float64)
        variance: NDArray[np.float64] = np.maximum(around - r.astype(np.float64) ** 2 / n, 0) / n
        return variance

    def columns(
        self, n_voxels: NDArray[np.int64], channels: Sequence[str] | None
    ) -> dict[str, NDArray[Any]]:
        """Return ``mean min max sum std`` of each channel."""
        std = np.sqrt(self.variance(n_voxels))
        sums = self.sums(n_voxels)
        mean = sums / n_voxels[:, None]
        if sums is not self.total:
            is_exact = np.abs(sums) < LARGEST_IN_FLOAT64
            mean = np.where(is_exact, mean, self.base + self.total / n_voxels[:, None])
        columns = {}
        for i, suffix in enumerate(self.suffixes(channels)):
            for name, values in (
                ("mean", mean),
                ("min", self.minimum),
                ("max", self.maximum),
                ("sum", sums),
                ("std", std),
            ):
                columns[name + suffix] = np.ascontiguousarray(values[:, i])
        return columns

    def suffixes(self, channels: Sequence[str] | None) -> list[str]:
        """Return what the columns of each channel end in."""
        n_channels = self.total.shape[1]
        if channels is None:
            channels = [str(i) for i in range(n_channels)] if self.has_channels else []
        if channels and (len(channels) != n_channels or len(set(channels)) != n_channels):
            raise ParameterError(
                f"{n_channels} channels need {n_channels} different names", value=list(channels)
            )
        return [f"_{name}" for name in channels] or [""]

    def weighted_columns(
        self,
        low: NDArray[np.int64],
        n_voxels: NDArray[np.int64],
        axes: str,
        spacing: Sequence[float],
        origin: Sequence[float],
        channels: Sequence[str] | None,
    ) -> dict[str, NDArray[Any]]:
        """Return the intensity-weighted centroid in the unit; NaN where the sum is 0.

        Columns are ``z_weighted y_weighted x_weighted``, with the channel's name after each.
        """
        if self.weighted is None:
            return {}
        columns = {}
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            sums = self.sums(n_voxels)
            local = self.weighted / np.where(sums == 0, np.nan, sums)[..., None]
        for i, suffix in enumerate(self.suffixes(channels)):
            for n, axis in enumerate(axes):
                voxel = low[:, n] + local[:, i, n]
                columns[f"{axis}_weighted{suffix}"] = origin[n] + voxel * spacing[n]
        return columns


def measure_runs(
    labels: NDArray[Any],
    runs: Runs,
    groups: Groups,
    intensity: NDArray[Any],
    first: NDArray[np.int64] | None = None,
) -> IntensityStats:
    """Measure an image inside the runs of labelled objects.

    Parameters
    ----------
    labels : ndarray of integer
    runs : Runs
        Those of `labels`.
    groups : Groups
        The runs by label.
    intensity : ndarray of bool, integer or float
        The shape of `labels`, or with an axis of channels before it.
    first : ndarray of int64, shape (n_runs, ndim), optional
        First voxel of each run, to weight the coordinates by the intensity.
    """
    intensity = np.asarray(intensity)
    has_channels = intensity.ndim == labels.ndim + 1
    if intensity.shape[int(has_channels) :] != labels.shape:
        raise GeometryError(
            "an intensity has the shape of the labels, with or without an axis of channels first",
            value=f"labels {labels.shape}, intensity {intensity.shape}",
        )
    if intensity.dtype.kind not in "biuf":
        raise ParameterError(
            "an intensity is of real numbers", value=f"dtype {intensity.dtype}", place="intensity"
        )
    exact = intensity.dtype.kind in "biu" and intensity.dtype.itemsize <= 4
    is_short = exact and intensity.dtype.itemsize <= 2  # squares fit into the lower limb
    is_long = intensity.dtype.kind in "iu" and not exact  # not all of them are a float64
    # Where each run begins among the voxels inside objects
    begins = np.cumsum(runs.length) - runs.length
    inside = _inside(labels, runs, begins)
    measured, weighted = [], []
    for channel in intensity if has_channels else (intensity,):
        seen = channel.reshape(-1)[inside]
        seen = seen.astype(seen.dtype.newbyteorder("="), copy=False)
        values = seen.astype(np.int64 if exact else np.float64)
        minimum, maximum = _extremes(seen if is_long else values, begins, groups)
        summed = _above(seen, np.repeat(groups.spread(minimum), runs.length)) if is_long else values
        total, squares = _sums(summed, begins, runs, groups, is_short=is_short)
        measured.append((minimum, maximum, total, squares))
        if first is not None:
            weighted.append(_weighted(values, begins, runs, first, groups, is_short=is_short))
    if not measured:
        raise GeometryError("an intensity has at least one channel", value=intensity.shape)
    minimum, maximum, total, squares = (
        np.stack(columns, axis=1) for columns in zip(*measured, strict=True)
    )
    centre = np.stack(weighted, axis=1) if weighted else None
    return IntensityStats(minimum, maximum, total, squares, has_channels, centre)


def _inside(
    labels: NDArray[Any], runs: Runs, begins: NDArray[np.int64]
) -> NDArray[np.bool_] | NDArray[np.int64]:
    """Return which voxels are inside objects, in C order: a mask, or indices where they are few."""
    n_inside = int(runs.length.sum())
    if _FEW * n_inside > labels.size:
        mask: NDArray[np.bool_] = labels.reshape(-1) != 0
        return mask
    places: NDArray[np.int64] = np.repeat(runs.start - begins, runs.length)
    places += np.arange(n_inside)
    return places


def _weighted(
    values: NDArray[Any],
    begins: NDArray[np.int64],
    runs: Runs,
    first: NDArray[np.int64],
    groups: Groups,
    *,
    is_short: bool,
) -> NDArray[np.float64]:
    """Sum coordinate times value, counted from the block's first voxel, shape (n, ndim)."""
    per_run = _by_run(np.add, values, begins)
    if values.dtype == np.int64:
        # Counted from the first voxel inside any object, then from the run's own: the integers may
        # wrap around in between, the difference is right all the same
        steps = _by_run(np.add, values * np.arange(len(values)), begins) - begins * per_run
    else:
        within = np.arange(len(values)) - np.repeat(begins, runs.length)
        with np.errstate(invalid="ignore", over="ignore"):
            steps = _by_run(np.add, values * within, begins)
    kind = np.int64 if is_short else np.float64
    columns = []
    with np.errstate(invalid="ignore", over="ignore"):
        for axis in range(first.shape[1]):
            column = first[:, axis] * per_run
            if axis == first.shape[1] - 1:
                column = column + steps
            columns.append(groups.total(column.astype(kind)).astype(np.float64))
    return np.stack(columns, axis=1)


def _extremes(
    values: NDArray[Any], begins: NDArray[np.int64], groups: Groups
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the least and the greatest value of each group, shape (n,)."""
    least = groups.minimum(_by_run(np.minimum, values, begins))
    return least, groups.maximum(_by_run(np.maximum, values, begins))


def _above(values: NDArray[Any], least: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far integers of 64 bits are above others, rounded once."""
    return (values.view(np.uint64) - least.view(np.uint64)).astype(np.float64)


def _sums(
    values: NDArray[Any],
    begins: NDArray[np.int64],
    runs: Runs,
    groups: Groups,
    *,
    is_short: bool,
) -> tuple[NDArray[Any], ...]:
    """Return total, shape (n,), and squares, (n, 1 or 2)."""
    total = groups.total(_by_run(np.add, values, begins))
    if is_short:
        lower = groups.total(_by_run(np.add, values * values, begins))
        squares = np.stack([np.zeros_like(lower), lower], axis=1)
    elif values.dtype == np.int64:
        square = (values * values).view(np.uint64)
        upper = _by_run(np.add, (square >> np.uint64(_LIMB)).view(np.int64), begins)
        lower = _by_run(np.add, (square & _LOW_BITS).view(np.int64), begins)
        squares = np.stack([groups.total(upper), groups.total(lower)], axis=1)
    else:
        mean = total / groups.total(runs.length)
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = values - np.repeat(groups.spread(mean), runs.length)
            squares = groups.total(_by_run(np.add, deviation**2, begins))[:, None]
    return total, squares


def _by_run(operation: np.ufunc, values: NDArray[Any], begins: NDArray[np.int64]) -> NDArray[Any]:
    if len(begins) == 0:
        return values[:0]
    with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs are NaN
        reduced: NDArray[Any] = operation.reduceat(values, begins, dtype=values.dtype)
    return reduced


def merge_intensities(
    parts: Sequence[IntensityStats | None],
    n_voxels: NDArray[np.int64],
    by: NDArray[np.int64],
    groups: Groups,
) -> IntensityStats | None:
    """Unite the rows of several parts.

    Parameters
    ----------
    parts : sequence of IntensityStats or None
        In a fixed order.
    n_voxels : ndarray of int64
        Number of voxels of all rows of all parts.
    by : ndarray of int64
        From the low corner of the whole object to that of each row.
    groups : Groups
        These rows, by label.

    Raises
    ------
    ParameterError
        If they do not measure the same kind of image.
    """
    known = [part for part in parts if part is not None]
    if not known:
        return None
    kinds = {(part.total.dtype.name, part.total.shape[1], part.has_channels) for part in known}
    if len(known) != len(parts) or len(kinds) > 1:
        raise ParameterError(
            "parts to merge measure the same intensity",
            value=f"{len(parts) - len(known)} without, the others of {sorted(kinds)}",
        )
    minimum, maximum, total, squares = (
        np.concatenate(list(columns)) for columns in zip(*map(_rows, known), strict=True)
    )
    least = groups.minimum(minimum)
    if not known[0].is_exact and minimum.dtype.kind in "iu":
        total = total + n_voxels[:, None] * _above(minimum, groups.spread(least))
    merged_total = groups.total(total)
    moved = [part.weighted for part in _moved(known, by, n_voxels) if part.weighted is not None]
    if not known[0].is_exact:
        n = groups.total(n_voxels)[:, None]
        with np.errstate(invalid="ignore", over="ignore"):
            shift = total / n_voxels[:, None] - groups.spread(merged_total / n)
            squares = squares + (n_voxels[:, None] * shift**2)[..., None]
    return IntensityStats(
        least,
        groups.maximum(maximum),
        merged_total,
        groups.total(squares),
        known[0].has_channels,
        groups.total(np.concatenate(moved)) if moved else None,
    )


def _moved(
    parts: Sequence[IntensityStats], by: NDArray[np.int64], n_voxels: NDArray[np.int64]
) -> Iterator[IntensityStats]:
    at = 0
    for part in parts:
        rows = slice(at, at + len(part.total))
        yield part.moved(by[rows], n_voxels[rows])
        at = rows.stop


def _rows(part: IntensityStats) -> Iterator[NDArray[Any]]:
    yield from (part.minimum, part.maximum, part.total, part.squares)

"""Measure labelled objects block by block, and merge the measures.

What is kept of an object are sums, minima and maxima.  For labels and for intensities of up to 32
bits all sums are exact integers, so the result is the same whatever the blocks.  Only labels that
occur are held: labels may be as sparse as 64 bits allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels._intensities import IntensityStats, measure_runs, merge_intensities
from scutoid.kernels._moments import merge_moments, run_moments, shift_moments
from scutoid.kernels._runs import Groups, Runs
from scutoid.kernels._whole_numbers import LARGEST_IN_FLOAT64


@dataclass(frozen=True, slots=True, eq=False)
class RegionStats:
    """Sums and bounds of the objects seen so far, one row an object, ordered by label."""

    image_shape: tuple[int, ...]
    """Shape of the whole image, in voxels."""
    label: NDArray[np.uint64]
    """Labels, increasing, shape (n,)."""
    n_voxels: NDArray[np.int64]
    """Number of voxels, shape (n,)."""
    coordinate_sum: NDArray[np.int64]
    """Sum of the voxels' coordinates in the image, shape (n, ndim)."""
    low: NDArray[np.int64]
    """First voxel of the bounding box, shape (n, ndim)."""
    high: NDArray[np.int64]
    """First voxel after the bounding box, shape (n, ndim)."""
    intensity: IntensityStats | None = None
    """Measures of another image inside the objects, if one was given."""
    moments: NDArray[np.int64 | np.float64] | None = None
    """Sums of products of coordinates for each pair of axes, counted from `low`, if asked for."""

    @property
    def local_sum(self) -> NDArray[np.int64]:
        """Sum of the voxels' coordinates, counted from `low`, shape (n, ndim)."""
        return self.coordinate_sum - self.n_voxels[:, None] * self.low

    def __len__(self) -> int:
        return len(self.label)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all fields as plain arrays, for storage."""
        arrays: dict[str, NDArray[Any]] = {
            "image_shape": np.array(self.image_shape, np.int64),
            "label": self.label,
            "n_voxels": self.n_voxels,
            "coordinate_sum": self.coordinate_sum,
            "low": self.low,
            "high": self.high,
        }
        if self.intensity is not None:
            arrays |= {f"intensity_{k}": v for k, v in self.intensity.to_arrays().items()}
        if self.moments is not None:
            arrays["moments"] = self.moments
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> RegionStats:
        """Rebuild from what `to_arrays` returned."""
        intensity = None
        if "intensity_total" in arrays:
            intensity = IntensityStats.from_arrays(
                {
                    name.removeprefix("intensity_"): array
                    for name, array in arrays.items()
                    if name.startswith("intensity_")
                }
            )
        return cls(
            image_shape=tuple(int(n) for n in arrays["image_shape"]),
            label=np.asarray(arrays["label"], np.uint64),
            n_voxels=np.asarray(arrays["n_voxels"], np.int64),
            coordinate_sum=np.asarray(arrays["coordinate_sum"], np.int64),
            low=np.asarray(arrays["low"], np.int64),
            high=np.asarray(arrays["high"], np.int64),
            intensity=intensity,
            moments=arrays.get("moments"),
        )

    def select(self, rows: NDArray[Any]) -> RegionStats:
        """Return some of the objects; `rows` is a mask, or row numbers in increasing order."""
        return RegionStats(
            self.image_shape,
            self.label[rows],
            self.n_voxels[rows],
            self.coordinate_sum[rows],
            self.low[rows],
            self.high[rows],
            None if self.intensity is None else self.intensity.select(rows),
            None if self.moments is None else self.moments[rows],
        )


def measure_block(
    labels: NDArray[Any],
    offset: Sequence[int],
    image_shape: Sequence[int],
    intensity: NDArray[Any] | None = None,
    *,
    moments: bool = False,
    weighted: bool = False,
) -> RegionStats:
    """Measure the parts of objects that lie in one block.

    Parameters
    ----------
    labels : ndarray of integer
        0 outside of objects.
    offset : sequence of int
        Where the block's first voxel lies in the image.
    image_shape : sequence of int
        Shape of the whole image.
    intensity : ndarray of bool, integer or float, optional
        Image to measure inside the objects: the shape of `labels`, or with an axis of channels
        before it.
    moments : bool
        Whether to sum the products of coordinates too, for axes and orientation.
    weighted : bool
        Whether to sum the coordinates weighted by the intensity too.

    Returns
    -------
    RegionStats
        To be merged with those of other blocks by `merge_regions`, and made into columns by
        `region_columns`.

    Raises
    ------
    ParameterError
        If the labels are not integers of 0 or more, or the intensity is not of real numbers.
    GeometryError
        If the shapes do not fit together, or the block sticks out of the image.

    Examples
    --------
    >>> stats = measure_block(np.array([[0, 7], [0, 7]]), (10, 20), (100, 100))
    >>> stats.label, stats.n_voxels, stats.low
    (array([7], dtype=uint64), array([2]), array([[10, 21]]))
    """
    labels = checked_labels(labels)
    where = np.array([int(o) for o in offset], np.int64)
    whole = tuple(int(n) for n in image_shape)
    if len(where) != labels.ndim or len(whole) != labels.ndim:
        raise GeometryError(
            f"labels of {labels.ndim} axes need an offset and an image shape of as many",
            value=f"{tuple(where.tolist())} and {whole}",
        )
    if np.any(where < 0) or np.any(where + labels.shape > whole):
        raise GeometryError(
            f"a block lies inside its image of shape {whole}",
            value=f"offset {tuple(where.tolist())}, shape {labels.shape}",
        )
    runs = Runs.of(labels)
    groups = Groups.of(runs.label)
    first, last = runs.coordinates(labels.shape)
    # A run lies on one line of the last axis: only there do its first and last voxel differ
    total = first * runs.length[:, None]
    total[:, -1] += runs.length * (runs.length - 1) // 2
    n_voxels, sums, low = groups.total(runs.length), groups.total(total), groups.minimum(first)
    products = None
    if moments:
        products = run_moments(first, runs.length, labels.size, groups)
        products = shift_moments(products, sums, n_voxels, -low)
    measured = None
    if intensity is not None:
        measured = measure_runs(labels, runs, groups, intensity, first if weighted else None)
        measured = measured.moved(-low, n_voxels)
    return RegionStats(
        image_shape=whole,
        label=groups.key,
        n_voxels=n_voxels,
        coordinate_sum=sums + n_voxels[:, None] * where,
        low=low + where,
        high=groups.maximum(last) + 1 + where,
        intensity=measured,
        moments=products,
    )


def merge_regions(*parts: RegionStats) -> RegionStats:
    """Unite what was measured in several blocks.

    On integers the order of the parts does not matter.  Sums of floats are added in the order
    given, so a fixed order gives the same bits.

    Raises
    ------
    ParameterError
        If there is nothing to merge, or the parts are not of one image and one intensity.
    """
    if not parts:
        raise ParameterError("merging needs at least one part", value="none")
    if len({part.image_shape for part in parts}) > 1:
        raise ParameterError(
            "parts of one image have the same image shape",
            value=sorted({part.image_shape for part in parts}),
        )
    return parts[0] if len(parts) == 1 else _united(parts)


def _united(parts: Sequence[RegionStats]) -> RegionStats:
    """Unite the rows of one label, of one or several parts."""
    groups = Groups.of(np.concatenate([part.label for part in parts]))
    n_voxels = np.concatenate([part.n_voxels for part in parts])
    lows = np.concatenate([part.low for part in parts])
    low = groups.minimum(lows)
    high = groups.maximum(np.concatenate([part.high for part in parts]))
    by = lows - groups.spread(low)
    products = [part.moments for part in parts if part.moments is not None]
    moments = None
    if products:
        sums = np.concatenate([part.local_sum for part in parts])
        moments = merge_moments(np.concatenate(products), sums, n_voxels, by, high - low, groups)
    return RegionStats(
        image_shape=parts[0].image_shape,
        label=groups.key,
        n_voxels=groups.total(n_voxels),
        coordinate_sum=groups.total(np.concatenate([part.coordinate_sum for part in parts])),
        low=low,
        high=high,
        intensity=merge_intensities([part.intensity for part in parts], n_voxels, by, groups),
        moments=moments,
    )


def renumber_regions(stats: RegionStats, table: NDArray[Any]) -> RegionStats | None:
    """Return what a block has where its labels are looked up in a table.

    Parameters
    ----------
    stats : RegionStats
        Of one block.
    table : ndarray of unsigned integers, shape (n_labels + 1,)
        Where labels get the same number, their objects become one.

    Returns
    -------
    RegionStats or None
        To the last bit what `measure_block` gives for ``table[labels]``; None where objects become
        one whose sums may be rounded, for these depend on the order in which they are added.

    Examples
    --------
    >>> stats = measure_block(np.array([1, 1, 0, 2, 0, 3]), (0,), (6,))
    >>> renumbered = renumber_regions(stats, np.array([0, 9, 4, 9], "uint32"))
    >>> renumbered.label, renumbered.n_voxels, renumbered.low.tolist()
    (array([4, 9], dtype=uint64), array([1, 3]), [[3], [0]])
    """
    labels = table[stats.label.astype(np.intp)].astype(np.uint64)
    order = np.argsort(labels, kind="stable")
    renumbered = replace(stats, label=labels)
    if not np.any(labels[order[1:]] == labels[order[:-1]]):
        return renumbered.select(order)
    return _united([renumbered]) if _is_exact(stats) else None


def _is_exact(stats: RegionStats) -> bool:
    """Whether all sums are of integers, none of which was rounded."""
    if stats.moments is not None and stats.moments.dtype != np.int64:
        return False
    intensity = stats.intensity
    if intensity is None or not intensity.is_exact:
        return intensity is None
    if intensity.weighted is None:
        return True
    largest = max(np.abs(intensity.minimum).max(), np.abs(intensity.maximum).max())
    farthest = int(np.max(stats.high, initial=1))
    return int(largest) * int(stats.n_voxels.sum()) * farthest < LARGEST_IN_FLOAT64


def region_columns(
    stats: RegionStats,
    axes: str,
    *,
    voxel_size: Sequence[float] | None = None,
    origin: Sequence[float] | None = None,
    channels: Sequence[str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the table of the objects, a column an entry.

    Parameters
    ----------
    stats : RegionStats
        All parts of the objects, merged.
    axes : str
        A letter for each axis of the image, such as ``"zyx"``.
    voxel_size : sequence of float, optional
        In the image's unit, an axis each; 1 if not known.
    origin : sequence of float, optional
        Where the centre of the first voxel lies, in the image's unit; 0 if not given.
    channels : sequence of str, optional
        Names of the intensity's channels.  With names the columns are ``mean_<name>`` and so on;
        without, an intensity with an axis of channels numbers them, and one without has ``mean``.

    Returns
    -------
    dict of ndarray, shape (n_objects,)
        ``label``, ``n_voxels``, ``size`` (length, area or volume in the unit), the centroid in the
        unit (``z y x``) and in voxels (``z_voxel`` ...), the half-open bounding box in voxels
        (``bbox_z0`` ... ``bbox_x1``), ``mean min max sum std`` of each channel (std of the
        population, as numpy's) and ``touches_edge``: whether the bounding box reaches the image's
        edge on an axis of more than one voxel.  Labels are int64, and uint64 only if one is
        2**63 or more.
    """
    ndim = len(stats.image_shape)
    spacing = _per_axis(voxel_size, ndim, 1.0, "voxel_size")
    start = _per_axis(origin, ndim, 0.0, "origin")
    if len(axes) != ndim or len(set(axes)) != ndim:
        raise GeometryError(f"{ndim} axes need {ndim} different letters", value=axes, place="axes")

    centroid = stats.coordinate_sum / stats.n_voxels[:, None]
    columns: dict[str, NDArray[Any]] = {
        "label": _narrowed(stats.label),
        "n_voxels": stats.n_voxels,
        "size": stats.n_voxels * float(np.prod(spacing)),
    }
    for axis, name in enumerate(axes):
        columns[name] = start[axis] + centroid[:, axis] * spacing[axis]
    for axis, name in enumerate(axes):
        columns[f"{name}_voxel"] = np.ascontiguousarray(centroid[:, axis])
    for axis, name in enumerate(axes):
        columns[f"bbox_{name}0"] = np.ascontiguousarray(stats.low[:, axis])
    for axis, name in enumerate(axes):
        columns[f"bbox_{name}1"] = np.ascontiguousarray(stats.high[:, axis])
    if stats.intensity is not None:
        columns |= stats.intensity.columns(stats.n_voxels, channels)
    shape = np.array(stats.image_shape, np.int64)
    at_edge = ((stats.low == 0) | (stats.high == shape)) & (shape > 1)
    columns["touches_edge"] = at_edge.any(axis=1)
    return columns


def checked_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels as a C-contiguous array of integers of 0 or more.

    Raises
    ------
    ParameterError
        If they are none.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "biu" or labels.ndim == 0:
        raise ParameterError(
            "labels are an array of integers",
            value=f"dtype {labels.dtype}, {labels.ndim} axes",
            remedy='label a mask first, sc.label(mask > 0); or numbers, labels.astype("uint32")',
        )
    if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
        raise ParameterError(
            "labels are 0 or more",
            value=int(labels.min()),
            place="labels",
            remedy="set what is not an object to 0 first",
        )
    if labels.dtype.kind == "b":
        labels = labels.view(np.uint8)
    return np.ascontiguousarray(labels)


def _narrowed(labels: NDArray[np.uint64]) -> NDArray[Any]:
    """Return int64 where it holds all labels: what tables and other programs expect."""
    fits = len(labels) == 0 or labels[-1] <= np.iinfo(np.int64).max
    return labels.astype(np.int64) if fits else labels


def _per_axis(
    values: Sequence[float] | None, ndim: int, default: float, place: str
) -> tuple[float, ...]:
    if values is None:
        return (default,) * ndim
    if len(values) != ndim:
        raise GeometryError(
            f"one value is needed for each of {ndim} axes", value=tuple(values), place=place
        )
    return tuple(float(value) for value in values)

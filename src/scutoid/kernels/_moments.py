"""Second moments of objects: sums of products of coordinates that merge without rounding.

An object's coordinates are counted from the low corner of its own bounding box.  When two pieces
merge, each is moved to the corner of both, in integers, so that the sums are the same whatever the
blocks were::

    piece a   piece b        whole
      +--+                   +-----+   each piece's corner lies at d >= 0 from the whole's:
      |  |    +--+           |     |   sum (x + d)_i (x + d)_j
      +--+    |  |     ->    |     |     = sum x_i x_j + d_i sum x_j + d_j sum x_i + n d_i d_j
              +--+           +-----+
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._runs import Groups

_EXACT = 2.0**62
_ROUND = 1e-9


def run_moments(
    first: NDArray[np.int64], length: NDArray[np.int64], n_voxels: int, groups: Groups
) -> NDArray[np.int64 | np.float64]:
    """Sum the products of coordinates over runs.

    Parameters
    ----------
    first : ndarray of int64, shape (n_runs, ndim)
        First voxel of each run, in its block.
    length : ndarray of int64, shape (n_runs,)
        Voxels of each run along the last axis.
    n_voxels : int
        Voxels of the block.
    groups : Groups
        The runs by label.

    Returns
    -------
    ndarray, shape (n_groups, ndim * (ndim + 1) // 2)
        For each pair of axes i <= j, counted from the block's first voxel.  int64; float64 only for
        blocks so long that the sums might not fit.
    """
    ndim = first.shape[1]
    longest = int(first.max(initial=0)) + int(length.max(initial=0))
    kind = np.int64 if float(n_voxels) * longest**2 < _EXACT else np.float64
    place, n = first.astype(kind, copy=False), length.astype(kind, copy=False)
    x = place[:, -1]
    along = x * n + n * (n - 1) // 2
    columns = []
    for i, j in zip(*np.triu_indices(ndim), strict=True):
        if i == ndim - 1:
            column = x * (2 * along - x * n) + (n - 1) * n * (2 * n - 1) // 6
        else:
            column = place[:, i] * (along if j == ndim - 1 else place[:, j] * n)
        columns.append(groups.total(column))
    return np.stack(columns, axis=1)


def shift_moments(
    moments: NDArray[np.int64 | np.float64],
    sums: NDArray[np.int64],
    n_voxels: NDArray[np.int64],
    by: NDArray[np.int64],
) -> NDArray[np.int64 | np.float64]:
    """Count coordinates from elsewhere: what was at x is then at x + `by`.

    Parameters
    ----------
    moments : ndarray, shape (n, ndim * (ndim + 1) // 2)
    sums : ndarray of int64, shape (n, ndim)
        Sums of the coordinates, before the shift.
    n_voxels : ndarray of int64, shape (n,)
    by : ndarray of int64, shape (n, ndim)
    """
    kind = moments.dtype
    s, d, n = sums.astype(kind), by.astype(kind), n_voxels.astype(kind)
    columns = [
        moments[:, column] + d[:, i] * s[:, j] + d[:, j] * s[:, i] + n * d[:, i] * d[:, j]
        for column, (i, j) in enumerate(zip(*np.triu_indices(sums.shape[1]), strict=True))
    ]
    return np.stack(columns, axis=1)


def merge_moments(
    moments: NDArray[np.int64 | np.float64],
    sums: NDArray[np.int64],
    n_voxels: NDArray[np.int64],
    by: NDArray[np.int64],
    extent: NDArray[np.int64],
    groups: Groups,
) -> NDArray[np.int64 | np.float64]:
    """Unite pieces of objects.

    Parameters
    ----------
    moments, sums, n_voxels
        Of the pieces, counted from their own low corners.
    by : ndarray of int64, shape (n, ndim)
        From the corner of the whole to that of the piece.
    extent : ndarray of int64, shape (n_groups, ndim)
        Of the whole objects' bounding boxes.
    groups : Groups
        The pieces by label.
    """
    total = groups.total(n_voxels)
    largest = total.astype(float) * extent.max(axis=1, initial=0).astype(float) ** 2
    if np.any(largest >= _EXACT):
        moments = moments.astype(np.float64)
    return groups.total(shift_moments(moments, sums, n_voxels, by))


def covariances(
    moments: NDArray[np.int64 | np.float64],
    sums: NDArray[np.int64],
    n_voxels: NDArray[np.int64],
    spacing: tuple[float, ...],
) -> NDArray[np.float64]:
    """Return the covariance matrix of each object's voxel centres, in the unit squared.

    Returns
    -------
    ndarray of float64, shape (n, ndim, ndim)
    """
    ndim = len(spacing)
    mean = sums / n_voxels[:, None]
    matrices = np.empty((len(n_voxels), ndim, ndim))
    for column, (i, j) in enumerate(zip(*np.triu_indices(ndim), strict=True)):
        central = moments[:, column] / n_voxels - mean[:, i] * mean[:, j]
        matrices[:, i, j] = matrices[:, j, i] = central * (spacing[i] * spacing[j])
    return matrices


def axis_columns(matrices: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the lengths of the principal axes of each object.

    The axes are those of the ellipsoid of the same second moments, ``2 sqrt((ndim + 2) v)`` with v
    the variance along the axis: the definition of scikit-image's ``axis_major_length`` and
    ``axis_minor_length``, which are 4 sqrt(v) in 2-D and sqrt(20 v) in 3-D.  Voxels are points, as
    there: 1/12 of a voxel's own second moment is not added, so a line of voxels has a minor axis
    of 0.

    Returns
    -------
    dict of ndarray
        ``axis_major_length``, ``axis_middle_length`` (3-D) and ``axis_minor_length``, in the unit.
    """
    ndim = matrices.shape[-1]
    variance = np.clip(np.linalg.eigvalsh(matrices), 0, None)[:, ::-1]
    lengths = 2 * np.sqrt((ndim + 2) * variance)
    names = {1: ["major"], 2: ["major", "minor"], 3: ["major", "middle", "minor"]}
    return {
        f"axis_{name}_length": np.ascontiguousarray(lengths[:, n])
        for n, name in enumerate(names[ndim])
    }


def orientation_columns(matrices: NDArray[np.float64], axes: str) -> dict[str, NDArray[np.float64]]:
    """Return where the longest axis of each object points.

    Returns
    -------
    dict of ndarray
        2-D: ``orientation``, as scikit-image's: the angle between the first axis (rows) and the
        longest axis, from -pi/2 to pi/2, counter-clockwise; -pi/4 where no axis is the longest.
        3-D: a unit vector ``direction_z direction_y direction_x``, whose first component that is
        not 0 is positive.
    """
    if len(axes) == 2:
        rows, columns, both = matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 1]
        angle = 0.5 * np.arctan2(2 * both, rows - columns)
        angle[(rows == columns) & (both <= 0)] = -math.pi / 4
        return {"orientation": angle}
    longest = np.linalg.eigh(matrices)[1][:, :, -1]
    longest = np.where(np.abs(longest) < _ROUND, 0.0, longest)
    leading = np.take_along_axis(longest, np.argmax(longest != 0, axis=1)[:, None], axis=1)
    longest = longest * np.where(leading < 0, -1.0, 1.0)
    return {f"direction_{axis}": np.ascontiguousarray(longest[:, n]) for n, axis in enumerate(axes)}


def equivalent_diameter(size: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    """Return the diameter of the ball (disk, interval) of the same size."""
    unit_ball = math.pi ** (ndim / 2) / math.gamma(ndim / 2 + 1)
    diameter: NDArray[np.float64] = 2 * (size / unit_ball) ** (1 / ndim)
    return diameter

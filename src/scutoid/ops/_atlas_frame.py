"""The place of an atlas in the world, and the way of positions into its frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import METRES, SPATIAL
from scutoid.errors import GeometryError, MetadataError, ParameterError
from scutoid.kernels import nearest_voxels
from scutoid.ops._composed import opened
from scutoid.ops._inputs import check_voxels
from scutoid.steps import Image, remedy_for_image
from scutoid.steps import open as open_image

_PLACE = "count_by_region"
Matrix = tuple[tuple[float, ...], ...]


def checked_atlas(atlas: object) -> Image:
    atlas = as_image(atlas)
    check_voxels(atlas, f"{_PLACE}, atlas")
    if not isinstance(atlas, Image):
        raise ParameterError(
            "an atlas is an image",
            value=type(atlas).__name__,
            place=f"{_PLACE}, atlas",
            remedy=remedy_for_image(atlas, "open it by scutoid.open"),
        )
    if atlas.dtype.kind not in "iu":
        raise ParameterError(
            "an atlas holds ids, which are integers; floats lose those above 16,777,216",
            value=str(atlas.dtype),
            place=f"{_PLACE}, atlas",
            remedy="load and resample it as uint32, by nearest neighbour",
        )
    if any(axis not in SPATIAL for axis in atlas.axes):
        raise GeometryError(
            "an atlas has spatial axes only", value=atlas.axes, place=f"{_PLACE}, atlas"
        )
    return atlas


@dataclass(frozen=True, slots=True)
class AtlasFrame:
    """Where an atlas lies, for positions in a world of their own."""

    axes: str
    """Of the atlas."""
    shape: tuple[int, ...]
    """Its voxels."""
    start: tuple[float, ...]
    """Centre of its first voxel."""
    size: tuple[float, ...]
    """Of a voxel."""
    matrix: Matrix
    """From the world of the positions to that of the atlas."""
    plane: tuple[int, float] | None
    """Axis and position of the plane between the hemispheres."""
    unit: str | None
    """Of the positions that the matrix is for; None: it says all, or no unit is known."""
    is_transformed: bool
    """Whether the user said how positions come to the atlas, so that they may be in voxels."""

    @classmethod
    def of(
        cls,
        atlas: Image,
        transform: object,
        plane: tuple[int, float] | None,
        unit: str | None,
    ) -> AtlasFrame:
        """Describe an atlas, for positions in a unit, if it is known."""
        return cls(
            atlas.axes,
            tuple(atlas.shape),
            tuple(atlas.origin),
            tuple(atlas.voxel_size or (1.0,) * atlas.ndim),
            world_matrix(transform, atlas, unit),
            plane,
            None if is_matrix(transform) else unit or atlas.unit,
            transform is not None,
        )

    def place(self, points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the voxel that holds each point, and whether the point lies above the plane.

        Parameters
        ----------
        points : ndarray of float64, shape (n, ndim)

        Returns
        -------
        voxel : ndarray of int64, shape (n,)
            Linear index in C order; -1 outside.
        above : ndarray of bool, shape (n,)
        """
        index, position = nearest_voxels(
            points, np.array(self.matrix), self.start, self.size, self.shape
        )
        is_inside = index[:, 0] >= 0
        voxel = np.full(len(points), -1, np.int64)
        voxel[is_inside] = np.ravel_multi_index(tuple(index[is_inside].T), self.shape)
        if self.plane is None:
            return voxel, np.zeros(len(points), bool)
        return voxel, position[:, self.plane[0]] >= self.plane[1]


def is_matrix(transform: object) -> bool:
    """Whether a transform is anything but names of axes."""
    if transform is None:
        return False
    names = list(transform) if isinstance(transform, (list, tuple, str)) else []
    return not names or not all(isinstance(name, str) for name in names)


def world_matrix(transform: object, atlas: Image, unit: str | None) -> Matrix:
    """Return the affine matrix from positions to the world of the atlas."""
    axes = list(atlas.axes)
    ndim = len(axes)
    if transform is None and atlas.voxel_size is None:
        raise MetadataError(
            "an atlas has a voxel size, or there is a transform to its voxels",
            value="unknown voxel size",
            place=f"{_PLACE}: {atlas.name!r}",
            remedy="open the atlas with voxel_size=, or give transform=",
        )
    if not is_matrix(transform):
        order = axes if transform is None else list(cast("list[str]", transform))
        return _axis_matrix(order, axes, atlas, unit)
    try:
        matrix = np.array(transform, np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    is_square = matrix.shape == (ndim + 1, ndim + 1)
    if (
        not (is_square or matrix.shape == (ndim, ndim + 1))
        or not np.isfinite(matrix).all()
        or (is_square and matrix[-1].tolist() != [0.0] * ndim + [1.0])
        or np.linalg.matrix_rank(matrix[:ndim, :ndim]) < ndim
    ):
        raise GeometryError(
            f"a transform to an atlas of {ndim} axes is the axes' names in order, or a finite "
            f"affine matrix of shape {(ndim, ndim + 1)} or {(ndim + 1, ndim + 1)} that keeps all "
            "axes apart",
            value=transform if matrix.ndim < 2 else matrix.tolist(),
            place=f"{_PLACE}, transform",
        )
    return tuple(map(tuple, matrix[:ndim].tolist()))


def _axis_matrix(order: list[str], axes: list[str], atlas: Image, unit: str | None) -> Matrix:
    """Return the matrix that brings the image's axes into the atlas' order and direction."""
    if sorted(name.removeprefix("-") for name in order) != sorted(axes):
        raise GeometryError(
            f"a transform names each of the axes {''.join(axes)!r} once, with a minus where it "
            "runs the other way",
            value=order,
            place=f"{_PLACE}, transform",
        )
    ratio = METRES[unit] / METRES[atlas.unit] if unit and atlas.unit else 1.0
    sizes = atlas.voxel_size or (1.0,) * len(axes)
    rows = []
    for name, first, n, size in zip(order, atlas.origin, atlas.shape, sizes, strict=True):
        row = [0.0] * (len(axes) + 1)
        is_flipped = name.startswith("-")
        row[axes.index(name.removeprefix("-"))] = -ratio if is_flipped else ratio
        row[-1] = 2 * first + (n - 1) * size if is_flipped else 0.0
        rows.append(tuple(row))
    return tuple(rows)


def find_midplane(midplane: object, atlas: Image) -> tuple[int, float] | None:
    """Return the axis and the position of the plane between the hemispheres."""
    if midplane is None:
        return None
    name, at = "", math.nan
    match midplane:
        case str():
            name = midplane
        case [str(letter), Real() as position] if math.isfinite(position):
            name, at = letter, float(position)
    if name not in tuple(atlas.axes):
        raise ParameterError(
            f"a midplane lies across one of the atlas' axes {atlas.axes!r}, at a number",
            value=midplane,
            place=_PLACE,
            remedy='give midplane="x", or ("x", 5700.0)',
        )
    axis = atlas.axes.index(name)
    size = (atlas.voxel_size or (1.0,) * atlas.ndim)[axis]
    middle = atlas.origin[axis] + (atlas.shape[axis] - 1) / 2 * size
    return axis, middle if math.isnan(at) else at


def plane_voxel(plane: tuple[int, float] | None, atlas: Image) -> tuple[int, int] | None:
    """Return the axis and the first voxel whose centre is not below the plane."""
    if plane is None:
        return None
    axis, at = plane
    size = (atlas.voxel_size or (1.0,) * atlas.ndim)[axis]
    centres = atlas.origin[axis] + np.arange(atlas.shape[axis]) * size
    return axis, int(np.count_nonzero(centres < at))


def voxel_volume(atlas: Image) -> float:
    """Return the volume of a voxel of the atlas in cubic millimetres; NaN if unknown."""
    if atlas.voxel_size is None:
        return float("nan")
    metres = METRES[atlas.unit] if atlas.unit else METRES["um"]
    return float(np.prod([size * metres / METRES["mm"] for size in atlas.voxel_size]))


def as_image(item: object) -> object:
    """Open an array as an image; hand on anything else."""
    return open_image(item) if isinstance(item, np.ndarray) else opened(item)

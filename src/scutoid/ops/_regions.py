"""Counts of cells by region of an atlas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import MetadataError, ParameterError
from scutoid.kernels import RegionTree, merge_region_sums, nearest_voxels, region_sums
from scutoid.ops._atlas_frame import (
    Matrix,
    as_image,
    checked_atlas,
    find_midplane,
    plane_voxel,
    voxel_volume,
    world_matrix,
)
from scutoid.ops._measure import check_labels, measure
from scutoid.ops._region_rows import BACKGROUND, OUTSIDE, region_rows
from scutoid.ops._region_tree import read_regions
from scutoid.pipeline import Image, Images, StepBlock, Table, Tables, is_lazy, reduction, step

if TYPE_CHECKING:
    import pandas as pd

_PLACE = "count_by_region"
_SPATIAL = "zyx"


def count_by_region(
    cells: Any,
    atlas: Any,
    *,
    regions: Any,
    transform: Any = None,
    level: int | Sequence[int | str] | None = None,
    midplane: str | tuple[str, float] | None = None,
    sides: tuple[str, str] = ("left", "right"),
    weights: str | None = None,
    intensity: Any = None,
) -> Any:
    """Count cells by region of an atlas: one row a region.

    **Exact**: each cell is counted once, in the voxel of the atlas that holds it, whatever the
    blocks; ``n`` of all rows adds up to the number of cells.

    Parameters
    ----------
    cells : Table, Tables, DataFrame, Image or ndarray
        A table with a position in the unit in the columns ``z y x``, as `measure` and
        `detect_spots` return it; an array of positions, shape (n, ndim); labels, of which the
        centroids count; or a density map, an image of floats such as `density` returns, whose
        voxels count as many cells as they say, at their centres.
    atlas : Image or ndarray of integer
        The id of the region in each voxel; 0 is background.  Any resolution; read block by block.
    regions : DataFrame, mapping, list, str or Path
        The tree of regions: a table or CSV file with ``id``, ``parent_id`` and if there are any
        ``acronym`` and ``name``; or nested mappings or a JSON file with ``id`` and ``children``.
    transform : sequence of str, or array, optional
        From positions to the space of the atlas.  ``("x", "-z", "y")``: the axis of the image that
        each axis of the atlas is, with a minus where it runs the other way (both are then taken to
        cover the same space).  Or an affine matrix, shape (ndim, ndim + 1) or
        (ndim + 1, ndim + 1): from a position ``z y x`` in the unit (in voxels where that is
        unknown) to one in the atlas' unit.
    level : int, or sequence of int or str, optional
        Count at this depth of the tree (deeper regions to their ancestor there), or by these
        regions, given by id or acronym.
    midplane : str or (str, float), optional
        Count both hemispheres: the axis of the atlas across which they lie, and the position of the
        plane between them in the atlas' unit; default: its middle.  On the plane is above.
    sides : tuple of str
        Names of what lies below and above the plane.
    weights : str, optional
        Column to add up instead of counting rows, such as ``n_cells`` of `estimate_cells`.
    intensity : str or Image, optional
        Column of the cells, or image on the grid of the atlas, whose mean is taken.

    Returns
    -------
    Table or DataFrame
        ``id acronym name parent depth``; ``kind``; ``n``, cells in the region itself; ``n_total``,
        those in its parts as well; ``volume_mm3`` and ``volume_mm3_total`` by the voxels of the
        atlas; ``density_per_mm3`` = n_total / volume_mm3_total; ``mean_intensity`` of all of
        n_total, or of all voxels; with a midplane ``n_<side>`` and so on.  Rows are all regions in
        the order of the tree (kind "region"), then ids of the atlas that the tree has not
        ("missing"), with a `level` what is a part of none of its regions ("elsewhere", id -3), then
        the atlas' background ("background", id -1) and what lies outside of the atlas or has no
        finite position ("outside", id -2).  A region of id 0 is a row of its own.

    Raises
    ------
    ParameterError
        If the atlas is not of integers of 0 or more, has lost ids in a narrow type, the tree is
        none, or the cells are nothing that can be counted.
    MetadataError
        If a voxel size is unknown and no transform is given.
    GeometryError
        If the transform does not fit the axes.

    Notes
    -----
    An atlas without a unit is taken to be in micrometres; volumes are NaN where its voxel size is
    unknown.  Units of image and atlas that are both known may differ, unless an affine matrix says
    all.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import scutoid as sc
    >>> atlas = sc.open(np.array([[0, 7, 7], [0, 9, 9]]), voxel_size=100, unit="um")
    >>> tree = pd.DataFrame({"id": [1, 7, 9], "parent_id": [None, 1, 1]})
    >>> cells = pd.DataFrame({"y": [10.0, 90.0, 30.0], "x": [120.0, 190.0, 0.0]})
    >>> table = sc.count_by_region(cells, atlas, regions=tree).to_pandas()
    >>> table[["id", "kind", "n", "n_total"]]
       id        kind  n  n_total
    0   1      region  0        2
    1   7      region  1        1
    2   9      region  1        1
    3  -1  background  1        1
    4  -2     outside  0        0
    """
    is_eager = not (is_lazy(cells) or is_lazy(atlas) or is_lazy(intensity))
    atlas = checked_atlas(atlas)
    tree = read_regions(regions)
    if level is not None:
        tree.representatives(level)
    axes = [axis for axis in atlas.axes if axis in _SPATIAL]
    points, unit = _points(cells, len(axes), transform is not None)
    column = intensity if isinstance(intensity, str) else None
    plane = find_midplane(midplane, atlas)
    placed = atlas_points(
        points,
        axes="".join(axes),
        matrix=world_matrix(transform, atlas, unit),
        start=tuple(atlas.origin),
        size=tuple(atlas.voxel_size or (1.0,) * len(axes)),
        shape=tuple(atlas.shape),
        plane=plane,
        weights="n_cells" if _is_density(cells) else weights,
        column=column,
    )
    image = None if intensity is None or column else as_image(intensity)
    counted = region_counts(
        atlas,
        placed,
        *([] if image is None else [image]),
        plane=plane_voxel(plane, atlas),
        tree=tree,
        level=level if level is None or isinstance(level, int) else tuple(level),
        sides=tuple(sides) if plane is not None else None,
        voxel_mm3=voxel_volume(atlas),
        of_image=image is not None,
        of_column=column is not None,
    )
    return counted.to_pandas() if is_eager else counted


def _is_density(cells: Any) -> bool:
    dtype = getattr(cells, "dtype", None)
    is_points = isinstance(cells, np.ndarray) and cells.ndim == 2
    return dtype is not None and np.dtype(dtype).kind == "f" and not is_points


def _points(cells: Any, ndim: int, has_transform: bool) -> tuple[Any, str | None]:
    """Return a table of positions, and the unit that these are in, if known."""
    import pandas as pd

    if isinstance(cells, pd.DataFrame):
        return cells, None
    is_flat = isinstance(cells, np.ndarray) and cells.ndim == 2
    # in 2-D, an array of integers of two columns is of labels
    if is_flat and cells.shape[1] == ndim and (cells.dtype.kind == "f" or ndim > 2):
        return pd.DataFrame(cells.astype(float), columns=list(_SPATIAL[-ndim:])), None
    if isinstance(cells, (Table, Tables)):
        images = list(_behind(cells))
        _check_scale(images, has_transform)
        return cells, next((one.unit for one in images if one.unit), None)
    if isinstance(cells, Images):
        return measure(cells, properties=()), None
    image = as_image(cells)
    if not isinstance(image, Image):
        raise ParameterError(
            "cells are a table of positions, labels or a density map",
            value=type(cells).__name__,
            place=f"{_PLACE}, cells",
        )
    _check_scale([image], has_transform)
    if _is_density(cells):
        return density_points(image, axes=image.axes), image.unit
    check_labels(image, _PLACE)
    return measure(image, properties=()), image.unit


def _behind(cells: Any) -> Iterator[Image]:
    """Go through the images that a table was made of, the nearest ones."""
    for item in getattr(cells.producer, "inputs", ()):
        if isinstance(item, Image):
            yield item
        elif hasattr(item, "producer"):
            yield from _behind(item)


def _check_scale(images: Sequence[Image], has_transform: bool) -> None:
    if images and not has_transform and all(image.voxel_size is None for image in images):
        raise MetadataError(
            "cells are placed in an atlas by the voxel size of their image, or by a transform",
            value="unknown voxel size",
            place=f"{_PLACE}: {images[0].name!r}",
            remedy="open the image with voxel_size=, or give transform=, a matrix from its voxels "
            "to the atlas",
        )


@step(out="table", version="1")
def density_points(
    counts: NDArray[Any],
    *,
    axes: str,
    voxel_size: tuple[float, ...] | None,
    origin: tuple[float, ...] | None,
) -> pd.DataFrame:
    """Return the voxels of a density map that are not zero, as points of a weight."""
    import pandas as pd

    if any(axis not in _SPATIAL for axis in axes) or not np.isfinite(counts).all():
        raise ParameterError(
            "a density map has spatial axes and finite values",
            value=f"axes {axes!r}, {int((~np.isfinite(counts)).sum())} not finite",
            place=_PLACE,
        )
    places = np.nonzero(counts)
    sizes, first = voxel_size or (1.0,) * len(axes), origin or (0.0,) * len(axes)
    columns = {a: o + p * s for a, p, s, o in zip(axes, places, sizes, first, strict=True)}
    return pd.DataFrame({**columns, "n_cells": counts[places].astype(float)})


@step(out="table", version="1")
def atlas_points(
    points: pd.DataFrame,
    *,
    axes: str,
    matrix: Matrix,
    start: tuple[float, ...],
    size: tuple[float, ...],
    shape: tuple[int, ...],
    plane: tuple[int, float] | None,
    weights: str | None,
    column: str | None,
) -> pd.DataFrame:
    """Find the voxel of the atlas that holds each point; ordered along the first axis."""
    import pandas as pd

    wanted = [*axes, *(name for name in (weights, column) if name)]
    missing = [name for name in wanted if name not in points.columns]
    if missing:
        raise ParameterError(
            f"cells have the columns {', '.join(wanted)}",
            value=f"no {missing[0]!r} among {', '.join(map(str, points.columns[:12]))}",
            place=_PLACE,
        )
    index, position = nearest_voxels(
        points[list(axes)].to_numpy(np.float64), np.array(matrix), start, size, shape
    )
    placed = {f"i{n}": index[:, n] for n in range(len(axes))}
    above = np.zeros(len(points), bool)
    if plane is not None:
        above = position[:, plane[0]] >= plane[1]
    weight = np.ones(len(points), np.int64) if weights is None else points[weights].to_numpy()
    table = pd.DataFrame({**placed, "above": above, "weight": weight})
    if column is not None:
        table["intensity"] = points[column].to_numpy(np.float64)
    return table.iloc[np.argsort(index[:, 0], kind="stable")].reset_index(drop=True)


def _finish(
    merged: Mapping[str, NDArray[Any]],
    *,
    tree: RegionTree,
    level: int | tuple[int | str, ...] | None,
    sides: tuple[str, str] | None,
    voxel_mm3: float,
    of_image: bool,
    of_column: bool,
) -> pd.DataFrame:
    return region_rows(
        merged,
        tree,
        level=level,
        sides=sides,
        voxel_mm3=voxel_mm3,
        mean_of="voxels" if of_image else "n" if of_column else None,
    )


@reduction(merge=merge_region_sums, finish=_finish, out="table", block_invariant=True, version="1")
def region_counts(
    atlas: NDArray[Any],
    placed: pd.DataFrame,
    image: NDArray[Any] | None = None,
    *,
    plane: tuple[int, int] | None,
    tree: RegionTree,  # noqa: ARG001 - these make the rows at the end
    level: int | tuple[int | str, ...] | None,  # noqa: ARG001
    sides: tuple[str, str] | None,  # noqa: ARG001
    voxel_mm3: float,  # noqa: ARG001
    of_image: bool,  # noqa: ARG001
    of_column: bool,  # noqa: ARG001
    block: StepBlock,
) -> dict[str, NDArray[Any]]:
    """Count the voxels and the cells of each id in one block of the atlas.

    The id -1 stands for background, -2 for what lies outside; columns are below and above the
    plane.
    """
    if atlas.dtype.kind == "i" and atlas.size and atlas.min() < 0:
        raise ParameterError(
            "an atlas holds ids of 0 or more", value=int(atlas.min()), place=f"{_PLACE}, atlas"
        )
    low = [a - b for a, b in zip(block.write_roi.offset, block.image_roi.offset, strict=True)]
    above = np.zeros(atlas.shape, bool)
    if plane is not None:
        axis, first = plane
        upper = [slice(None)] * atlas.ndim
        upper[axis] = slice(max(0, first - low[axis]), None)
        above[tuple(upper)] = True
    ids, side = _keys(atlas.reshape(-1)), above.reshape(-1)
    found, voxels = region_sums(ids, side)
    parts = [{"id": found, "voxels": voxels}]
    if image is not None:
        found, sums = region_sums(ids, side, image.reshape(-1).astype(np.float64))
        parts.append({"id": found, "intensity": sums})
    rows = _rows_in(placed, low, atlas.shape)
    at = tuple(rows[f"i{n}"].to_numpy() - first for n, first in enumerate(low))
    parts += _cell_sums(_keys(atlas[at]), rows)
    if block.index == 0:
        outside = placed[placed["i0"] < 0]
        parts += _cell_sums(np.full(len(outside), OUTSIDE), outside)
    return merge_region_sums(*parts)


def _keys(ids: NDArray[Any]) -> NDArray[np.int64]:
    keys = ids.astype(np.int64)
    keys[keys == 0] = BACKGROUND
    return keys


def _rows_in(placed: pd.DataFrame, low: Sequence[int], shape: Sequence[int]) -> pd.DataFrame:
    """Return the cells that lie in a block; they are ordered along the first axis."""
    first, end = np.searchsorted(placed["i0"].to_numpy(), [low[0], low[0] + shape[0]])
    rows = placed.iloc[first:end]
    is_in = np.ones(len(rows), bool)
    for axis in range(1, len(low)):
        index = rows[f"i{axis}"].to_numpy()
        is_in &= (index >= low[axis]) & (index < low[axis] + shape[axis])
    return rows[is_in]


def _cell_sums(ids: NDArray[np.int64], rows: pd.DataFrame) -> list[dict[str, NDArray[Any]]]:
    above, weight = rows["above"].to_numpy(bool), rows["weight"].to_numpy()
    found, n = region_sums(ids, above, weight)
    sums = {"id": found, "n": n}
    if "intensity" in rows:
        sums["intensity"] = region_sums(ids, above, rows["intensity"].to_numpy() * weight)[1]
    return [sums]


region_counts = region_counts.options(name="count_by_region")

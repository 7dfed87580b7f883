"""Counts of cells by region of an atlas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import RegionTree, check_in_float64, merge_region_sums, region_sums
from scutoid.ops._atlas_frame import (
    AtlasFrame,
    as_image,
    checked_atlas,
    find_midplane,
    plane_voxel,
    voxel_volume,
)
from scutoid.ops._columns import check_groups
from scutoid.ops._composed import operation
from scutoid.ops._inputs import check_real, first_of
from scutoid.ops._region_cells import Places, cells_to_count, n_places
from scutoid.ops._region_rows import BACKGROUND, OUTSIDE, region_rows
from scutoid.ops._region_tree import Regions, read_regions
from scutoid.ops._times import TIME, place_columns
from scutoid.ops._types import Array, Arrays, ImageLike, TableLike
from scutoid.steps import TIME_UNIT, Image, Images, StepBlock, injected, is_lazy, reduction

if TYPE_CHECKING:
    import pandas as pd

_PLACE = "count_by_region"


@operation
def count_by_region(
    cells: ImageLike | TableLike,
    atlas: Image | Array,
    *,
    regions: Regions,
    transform: Sequence[str] | Array | Sequence[Sequence[float]] | None = None,
    level: int | Sequence[int | str] | None = None,
    midplane: str | tuple[str, float] | None = None,
    sides: tuple[str, str] = ("left", "right"),
    weights: str | None = None,
    intensity: str | Image | Array | None = None,
) -> TableLike:
    """Count cells by region of an atlas: one row a region, for each time point its own.

    **Exact**: each cell is counted once, in the voxel of the atlas that holds it, whatever the
    blocks; ``n`` of all rows adds up to the number of cells.

    Parameters
    ----------
    cells : Table, Tables, DataFrame, Image or ndarray
        A table with a position in the unit in the columns ``z y x``, as `measure` and
        `detect_spots` return it; an array of positions, shape (n, ndim); labels, of which the
        centroids count; or a density map, an image of floats such as `density` returns, whose
        voxels count as many cells as they say, at their centres.  Time points and channels are
        counted apart: those of an image, all of them; of a table, those that its columns ``t`` and
        ``c`` name, if it has these.
    atlas : Image or ndarray of integer
        The id of the region in each voxel; 0 is background.  Any resolution; read block by block.
        The same for all time points.
    regions : DataFrame, mapping, list, str or Path
        The tree of regions: a table or CSV file with ``id``, ``parent_id`` and if there are any
        ``acronym`` and ``name``; or nested mappings or a JSON file with ``id`` and ``children``.
        Regions without acronym or name have an empty one in the result, and are told by their id.
        A region of id 0 has a row, but voxels of 0 are background and never its own.
    transform : sequence of str, or array, optional
        From positions to the space of the atlas.  ``("x", "-z", "y")``: the axis of the image that
        each axis of the atlas is, with a minus where it runs the other way (both are then taken to
        cover the same space).  Or an affine matrix, shape (ndim, ndim + 1) or
        (ndim + 1, ndim + 1): from a position ``z y x`` in the unit (in voxels where that is
        unknown) to one in the atlas' unit.
    level : int, str, or sequence of int or str, optional
        Count at this depth of the tree (deeper regions to their ancestor there), or by these
        regions: an acronym, or a sequence of ids and acronyms.
    midplane : str or (str, float), optional
        Count both hemispheres: the axis of the atlas across which they lie, and the position of the
        plane between them in the atlas' unit; default: its middle.  On the plane is above.
    sides : tuple of str
        Names of what lies below and above the plane.
    weights : str, optional
        Column to add up instead of counting rows, such as ``n_cells`` of `estimate_cells`; of
        labels, "n_cells" for what `estimate_cells` says by default.
    intensity : str or Image, optional
        Column of the cells, or image on the grid of the atlas, whose mean is taken.

    Returns
    -------
    Table or DataFrame
        ``t`` and ``c`` where these are counted apart, and ``time`` where it is known, as in
        `measure`; ``id acronym name parent depth``; ``kind``;
        ``n``, cells in the region itself; ``n_total``, those in its parts as well; ``volume_mm3``
        and ``volume_mm3_total`` by the voxels of the atlas (mm2 of a 2-D one);
        ``density_per_mm3`` = n_total / volume_mm3_total; ``mean_intensity`` of all of n_total, or
        of all voxels; with a midplane ``n_<side>`` and so on.  Rows are all regions in the order of
        the tree (kind "region"), then ids of the atlas that the tree has not ("missing"), with a
        `level` what is a part of none of its regions ("elsewhere", id -3), then the atlas'
        background ("background", id -1) and what lies outside of the atlas or has no finite
        position ("outside", id -2).

    Raises
    ------
    ParameterError
        If the atlas is not of integers from 0 to 2**63 - 1, has lost ids in a narrow type, the tree
        is none, the cells are nothing that can be counted, or a weight is not finite.
    MetadataError
        If a voxel size is unknown and no transform is given.
    GeometryError
        If the transform, or the image of the cells, does not fit the axes.

    Notes
    -----
    An atlas without a unit is taken to be in micrometres; volumes are NaN where its voxel size is
    unknown.  Units of image and atlas that are both known may differ, unless an affine matrix says
    all; of members and tables it is the unit in ``.attrs["unit"]`` of each table.

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
    level = _checked_level(level)
    if level is not None:
        tree.representatives(level)
    to_count = cells_to_count(cells, atlas.axes, weights, has_transform=transform is not None)
    column = intensity if isinstance(intensity, str) else None
    image = None if intensity is None or column else as_image(intensity)
    check_real(image, f"{_PLACE}, intensity")
    plane = find_midplane(midplane, atlas)
    named = _checked_sides(sides) if plane is not None else None
    check_groups([cells], lambda: _columns(cells, tree, named), _PLACE)
    frame = AtlasFrame.of(atlas, transform, plane, to_count.unit)
    placed, places = to_count.placed(frame, column)
    counted = region_counts(
        atlas,
        placed,
        *([] if image is None else [image]),
        plane=plane_voxel(plane, atlas),
        places=places,
        tree=tree,
        level=level,
        sides=named,
        voxel_mm3=voxel_volume(atlas),
        of_image=image is not None,
        of_column=column is not None,
    )
    return counted.to_pandas() if is_eager else counted


def _columns(cells: object, tree: RegionTree, sides: tuple[str, str] | None) -> list[str]:
    """Return the names of the columns of a table; of tables it is not known what is apart."""
    own = place_columns(first_of(cells)) if isinstance(cells, Images) else []
    none = {"voxels": np.zeros((0, 2), int), "n": np.zeros((0, 2), int)}
    sums = {"id": np.zeros(0, int), **none, "intensity": np.zeros((0, 2))}
    rows = region_rows(sums, tree, level=None, sides=sides, voxel_mm3=1.0, mean_of="n")
    return [*own, *rows.columns]


def _checked_level(level: object) -> int | tuple[int | str, ...] | None:
    match level:
        case None:
            return None
        case str():
            return (level,)
        case int() | np.integer() if not isinstance(level, bool):
            return int(level)
        case [*named] if all(isinstance(entry, (str, int, np.integer)) for entry in named):
            return tuple(cast("list[int | str]", named))
    raise ParameterError(
        "a level is a depth of the tree, or ids and acronyms of regions", value=level, place=_PLACE
    )


def _checked_sides(sides: object) -> tuple[str, str]:
    match sides:
        case [str(low), str(high)] if low != high and "total" not in sides:
            return low, high
    raise ParameterError(
        'sides are two different names, neither of them "total"', value=sides, place=_PLACE
    )


def _finish(
    merged: Mapping[str, Array],
    *,
    places: Places,
    tree: RegionTree,
    level: int | tuple[int | str, ...] | None,
    sides: tuple[str, str] | None,
    voxel_mm3: float,
    of_image: bool,
    of_column: bool,
) -> pd.DataFrame:
    """Make the rows of each place, one below the other."""
    import pandas as pd

    tree.check_ids(merged["id"][merged["id"] > 0])
    count, tables = n_places(places), []
    for number in range(max(1, count)):
        sums = {
            name: rows if rows.ndim < 3 else rows[:, number : number + 1].sum(axis=1)
            for name, rows in merged.items()
        }
        table = region_rows(
            sums,
            tree,
            level=level,
            sides=sides,
            voxel_mm3=voxel_mm3,
            mean_of="voxels" if of_image else "n" if of_column else None,
        )
        for position, (axis, where) in enumerate(places["columns"].items()):
            table.insert(position, axis, where[number] if where else 0)
        tables.append(table)
    joined = pd.concat(tables, ignore_index=True)
    if TIME in places["columns"]:
        joined.attrs[TIME_UNIT] = places["time_unit"]
    return joined if count else joined[:0]


@reduction(
    merge=merge_region_sums,
    finish=_finish,
    out="table",
    block_invariant=True,
    version="3",
    threadsafe=True,
)
def region_counts(
    atlas: Array,
    placed: pd.DataFrame,
    image: Array | None = None,
    *,
    plane: tuple[int, int] | None,
    places: Places,
    tree: RegionTree,  # noqa: ARG001 - these make the rows at the end
    level: int | tuple[int | str, ...] | None,  # noqa: ARG001
    sides: tuple[str, str] | None,  # noqa: ARG001
    voxel_mm3: float,  # noqa: ARG001
    of_image: bool,  # noqa: ARG001
    of_column: bool,  # noqa: ARG001
    block: StepBlock = injected,
) -> Arrays:
    """Count the voxels and the cells of each id in one block of the atlas.

    The id -1 stands for background, -2 for what lies outside; the last axis is below and above the
    plane.  What is of the cells has an axis of places before it.
    """
    least, most = (int(atlas.min()), int(atlas.max())) if atlas.size else (0, 0)
    if least < 0 or most >> 63:
        raise ParameterError(
            "an atlas holds ids of 0 or more, below 2**63",
            value=least if least < 0 else most,
            place=f"{_PLACE}, atlas",
        )
    low = [a - b for a, b in zip(block.write_roi.offset, block.image_roi.offset, strict=True)]
    above = np.zeros(atlas.shape, bool)
    if plane is not None:
        axis, first = plane
        upper = [slice(None)] * atlas.ndim
        upper[axis] = slice(max(0, first - low[axis]), None)
        above[tuple(upper)] = True
    ids, side = _keys(atlas.reshape(-1)), above.reshape(-1)
    unique, voxels = region_sums(ids, side)
    parts = [{"id": unique, "voxels": voxels}]
    if image is not None:
        check_in_float64(image, f"{_PLACE}, image")
        unique, sums = region_sums(ids, side, image.reshape(-1).astype(np.float64))
        parts.append({"id": unique, "intensity": sums})
    own, at = _rows_in(placed, block)
    parts.append(_cell_sums(_keys(atlas[at]), own, n_places(places)))
    if block.index == 0:
        outside = placed[: int(np.searchsorted(placed["voxel"], 0))]
        parts.append(_cell_sums(np.full(len(outside), OUTSIDE), outside, n_places(places)))
    return merge_region_sums(*parts)


def _keys(ids: Array) -> NDArray[np.int64]:
    keys = ids.astype(np.int64)
    keys[keys == 0] = BACKGROUND
    return keys


def _rows_in(
    placed: pd.DataFrame, block: StepBlock
) -> tuple[pd.DataFrame, tuple[NDArray[np.intp], ...]]:
    """Return what is placed in a block, and where in it; it is ordered by voxel."""
    whole, shape = tuple(block.image_roi.shape), block.write_roi.shape
    low = [a - b for a, b in zip(block.write_roi.offset, block.image_roi.offset, strict=True)]
    plane = math.prod(whole[1:])
    first, end = np.searchsorted(placed["voxel"], [low[0] * plane, (low[0] + shape[0]) * plane])
    rows = placed[first:end]
    index = np.unravel_index(rows["voxel"].to_numpy(), whole)
    is_in = np.ones(len(rows), bool)
    for at, start, n in zip(index, low, shape, strict=True):
        is_in &= (at >= start) & (at < start + n)
    return rows[is_in], tuple(at[is_in] - start for at, start in zip(index, low, strict=True))


def _cell_sums(ids: NDArray[np.int64], rows: pd.DataFrame, n_places: int) -> Arrays:
    sums = {}
    for name in ("n", "intensity"):
        if name in rows:
            unique, total = region_sums(
                ids, rows["column"].to_numpy(), rows[name].to_numpy(), n_columns=2 * n_places
            )
            sums[name] = total.reshape(len(unique), n_places, 2)
    return {"id": unique, **sums}


region_counts = region_counts.options(name="count_by_region")

"""Positions to count by region, in the frame of an atlas: of tables, labels or density maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL
from scutoid.errors import GeometryError, ParameterError
from scutoid.ops._atlas_frame import AtlasFrame, as_image
from scutoid.ops._columns import as_floats
from scutoid.ops._count import estimated_cells
from scutoid.ops._measure import check_labels, measure_pieces
from scutoid.ops._object_table import objects_by_range
from scutoid.ops._partitions import Place
from scutoid.ops._times import times_of_part, with_time_unit, with_times, with_times_from
from scutoid.ops._types import Array, Arrays, ImageLike, TableLike
from scutoid.ops._units import ratio_to, unknown_size
from scutoid.steps import (
    TIME_UNIT,
    BlockParts,
    Described,
    Image,
    ImageRef,
    Images,
    Table,
    Tables,
    injected,
    remedy_for_image,
    step,
)

if TYPE_CHECKING:
    import pandas as pd

_PLACE = "count_by_region"
_COUNTED_APART = "tc"
"""Columns of a table that say which image a cell is of."""
Iterated = tuple[tuple[str, int, int], ...]
"""Axes whose places are counted apart: each with its first place and their number."""


class Places(TypedDict):
    """The places that are counted apart."""

    columns: dict[str, list[Any]]
    """For each axis along which they lie, and for their time, where each lies."""
    time_unit: str | None
    """Of their times, if these are known."""


@dataclass(frozen=True, slots=True)
class CellsToCount:
    """What is counted."""

    points: object
    """Table of positions; or the pieces of labelled objects."""
    unit: str | None = None
    """Of the positions, if known."""
    weights: str | None = None
    """Column to add up."""
    iterated: Iterated | None = None
    """What is counted apart; None for what the columns of the table say."""
    times: tuple[float, str | None, float] | None = None
    """Interval, unit and origin of what is counted apart along t, if known."""
    are_pieces: bool = False
    """Whether it is pieces."""

    def placed(self, frame: AtlasFrame, column: str | None) -> tuple[Any, Any]:
        """Return where in the atlas they lie, and the places that are counted apart."""
        weights, points = self.weights, cast("Table", self.points)
        if self.are_pieces:
            return atlas_points_of_pieces(points, frame=frame, weights=weights, column=column)
        return atlas_points(
            points,
            frame=frame,
            weights=weights,
            column=column,
            iterated=self.iterated,
            times=self.times,
        )


def cells_to_count(
    cells: ImageLike | TableLike, axes: str, weights: str | None, *, has_transform: bool
) -> CellsToCount:
    """Find out the form of cells: a table of positions, labels, or a density map."""
    import pandas as pd

    if isinstance(cells, pd.DataFrame):
        return CellsToCount(cells, weights=weights)
    if isinstance(cells, (Table, Tables)):
        images: list[Described] = list(_behind(cells.ref.node))
        _check_scale(images, has_transform)
        unit = next((item.unit for item in images if item.unit), None)
        return CellsToCount(cells, unit, weights)
    if _is_positions(cells, axes):
        return CellsToCount(pd.DataFrame(cells.astype(float), columns=list(axes)), weights=weights)
    image = as_image(cells)
    if not isinstance(image, (Image, Images)):
        raise ParameterError(
            "cells are a table of positions, labels or a density map",
            value=type(cells).__name__,
            place=f"{_PLACE}, cells",
            remedy=remedy_for_image(image, "open labels by scutoid.open"),
        )
    if isinstance(image, Images):
        return _labels(image, None, weights)
    if sorted(axis for axis in image.axes if axis in SPATIAL) != sorted(axes):
        raise GeometryError(
            f"cells have the atlas' axes {axes!r}",
            value=f"{image.axes!r}, shape {tuple(image.shape)}",
            place=f"{_PLACE}, cells",
        )
    _check_scale([image], has_transform)
    return (
        _density(image, weights) if image.dtype.kind == "f" else _labels(image, image.unit, weights)
    )


def _labels(image: Image | Images, unit: str | None, weights: str | None) -> CellsToCount:
    check_labels(image, _PLACE)
    pieces = measure_pieces(image, moments=False, weighted=False)
    return CellsToCount(pieces, unit, weights, are_pieces=True)


def _density(image: Image, weights: str | None) -> CellsToCount:
    if weights is not None:
        raise ParameterError(
            "a density map is its own weights, and has no columns", value=weights, place=_PLACE
        )
    iterated = tuple(
        (axis, int(first), int(n))
        for axis, first, n in zip(image.axes, image.roi.offset, image.shape, strict=True)
        if axis not in SPATIAL
    )
    points = density_points(image, axes=image.axes, iterated=iterated)
    return CellsToCount(points, image.unit, "n_cells", iterated, times=_times(image))


def _times(image: Image) -> tuple[float, str | None, float] | None:
    """Return interval and unit of an image's times, and that of its place 0 before it was cut."""
    time, first = image.time, dict(zip(image.axes, image.roi.offset, strict=True)).get("t")
    if time is None or first is None:
        return None
    return time.interval, time.unit, time.at(-int(first))


def _is_positions(cells: object, axes: str) -> TypeGuard[Array]:
    """Whether an array is of positions; in 2-D, integers in two columns are labels."""
    if not isinstance(cells, np.ndarray) or cells.ndim != 2 or cells.dtype.kind not in "iuf":
        return False
    return cells.shape[1] == len(axes) and (cells.dtype.kind == "f" or len(axes) > 2)


def _behind(node: object) -> Iterator[ImageRef]:
    """Go through the images that a table was made of, the nearest ones."""
    for item in getattr(node, "inputs", ()):
        if isinstance(item, ImageRef):
            yield item
        elif hasattr(item, "node"):
            yield from _behind(item.node)


def _check_scale(images: Sequence[Described], has_transform: bool) -> None:
    if images and not has_transform and all(image.voxel_size is None for image in images):
        raise unknown_size(f"{_PLACE}: {images[0].name!r}")


@step(out="table", version="2", threadsafe=True)
def density_points(
    counts: Array,
    *,
    axes: str,
    iterated: Iterated,
    voxel_size: tuple[float, ...] | None = injected,
    origin: tuple[float, ...] | None = injected,
) -> pd.DataFrame:
    """Return the voxels of a density map that are not zero, as points of a weight."""
    import pandas as pd

    if not np.isfinite(counts).all():
        raise ParameterError(
            "a density map has finite values",
            value=f"{int((~np.isfinite(counts)).sum())} not finite",
            place=_PLACE,
        )
    voxels = dict(zip(axes, np.nonzero(counts), strict=True))
    columns: Arrays = {axis: voxels[axis] + first for axis, first, _ in iterated}
    spatial = [axis for axis in axes if axis in SPATIAL]
    sizes, starts = voxel_size or (1.0,) * len(spatial), origin or (0.0,) * len(spatial)
    for axis, size, start in zip(spatial, sizes, starts, strict=True):
        columns[axis] = start + voxels[axis] * size
    return pd.DataFrame({**columns, "n_cells": counts[tuple(voxels.values())].astype(float)})


@step(out=("table", "value"), version="3", threadsafe=True)
def atlas_points(
    points: pd.DataFrame,
    *,
    frame: AtlasFrame,
    weights: str | None,
    column: str | None,
    iterated: Iterated | None,
    times: tuple[float, str | None, float] | None,
) -> tuple[pd.DataFrame, Places]:
    """Find the voxel of the atlas that holds each point.

    Returns
    -------
    placed : DataFrame
        A row for each voxel and column that holds points, in this order: ``voxel``, a linear index,
        -1 outside; ``column``, twice the number of the place that is counted apart, and 1 more
        above the plane; ``n``, points or the sum of their weights; and the sum of ``intensity``.
    places : Places
        What is counted apart.
    """
    number, along = _places(points, iterated)
    return _placed(points, number, frame, weights, column), _timed(along, times, points)


def _timed(
    along: dict[str, list[Any]], times: Sequence[object] | None, points: pd.DataFrame | None = None
) -> Places:
    """Return places with their times: known of the image, or from a table of points."""
    import pandas as pd

    table = pd.DataFrame(along)
    if times:
        columns = {name: np.asarray(at) for name, at in along.items()}
        table = with_time_unit(pd.DataFrame(with_times(columns, list(times))), list(times))
    elif points is not None:
        table = with_times_from(table, points)
    return {
        "columns": {str(name): table[name].tolist() for name in table.columns},
        "time_unit": table.attrs.get(TIME_UNIT),
    }


@step(out=("table", "value"), version="2", threadsafe=True)
def atlas_points_of_pieces(
    pieces: BlockParts, *, frame: AtlasFrame, weights: str | None, column: str | None
) -> tuple[pd.DataFrame, Places]:
    """Find the voxel of the atlas that holds the centroid of each object, range by range."""
    import pandas as pd

    tables: list[pd.DataFrame] = []
    places: list[Place] = []
    for place, objects in objects_by_range(pieces):
        if not places or place != places[-1]:
            places.append(place)
        cells = objects
        if weights == "n_cells":
            cells = objects.assign(n_cells=estimated_cells(objects))
        number = np.full(len(cells), len(places) - 1, np.int64)
        tables.append(_placed(cells, number, frame, weights, column))
    axes = str(pieces[0]["iterated"]).strip()
    along = {axis: [place[n] for place in places] for n, axis in enumerate(axes)}
    return _added_up(pd.concat(tables)), _timed(along, times_of_part(pieces[0]))


def _placed(
    points: pd.DataFrame,
    number: NDArray[np.int64],
    frame: AtlasFrame,
    weights: str | None,
    column: str | None,
) -> pd.DataFrame:
    import pandas as pd

    wanted = [*frame.axes, *(name for name in (weights, column) if name)]
    missing = [name for name in wanted if name not in points.columns]
    if missing:
        raise ParameterError(
            f"cells have the columns {', '.join(wanted)}",
            value=f"no {missing[0]!r} among {', '.join(map(str, points.columns[:12]))}",
            place=_PLACE,
        )
    for name in wanted:
        if points[name].dtype.kind not in "biuf":
            raise ParameterError(
                "positions, weights and intensities are numbers",
                value=f"{points[name].dtype}",
                place=f"{_PLACE}, column {name!r}",
            )
    ratio = ratio_to(points, frame.unit, f"{_PLACE}, cells", needs_size=not frame.is_transformed)
    position = np.column_stack([as_floats(points[axis], _PLACE) for axis in frame.axes])
    voxel, above = frame.place(position * ratio)
    weight = np.ones(len(points), np.int64) if weights is None else _weights(points[weights])
    table = pd.DataFrame({"voxel": voxel, "column": 2 * number + above, "n": weight})
    if column is not None:
        table["intensity"] = as_floats(points[column], _PLACE) * weight
    return _added_up(table)


def _weights(column: pd.Series[float]) -> Array:
    floats = as_floats(column, _PLACE)
    values = floats if column.dtype.kind == "f" or column.hasnans else floats.astype(np.int64)
    if not np.isfinite(values).all():
        raise ParameterError(
            "weights are finite",
            value=f"{int((~np.isfinite(values)).sum())} NaN, missing or infinite",
            place=f"{_PLACE}, column {column.name!r}",
            remedy="drop these cells, or give them a weight",
        )
    return values


def _added_up(placed: pd.DataFrame) -> pd.DataFrame:
    added = placed.groupby(["voxel", "column"], sort=True).sum()
    if "intensity" in placed:  # sums of pandas pass over NaN
        unknown = placed["intensity"].isna().groupby([placed["voxel"], placed["column"]]).any()
        added.loc[unknown, "intensity"] = np.nan
    return added.reset_index()


def _places(
    points: pd.DataFrame, iterated: Iterated | None
) -> tuple[NDArray[np.int64], dict[str, list[Any]]]:
    """Return the number of each point's place, and what is at each place."""
    axes = [axis for axis, *_ in iterated or ()]
    if iterated is None:
        axes = [axis for axis in _COUNTED_APART if axis in points.columns]
    if not axes:
        return np.zeros(len(points), np.int64), {}
    if iterated is not None:
        shape = [n for *_, n in iterated]
        own = [points[axis].to_numpy() - first for axis, first, _ in iterated]
        grid = np.indices(shape).reshape(len(shape), -1)
        places = {
            axis: (at + first).tolist() for (axis, first, _), at in zip(iterated, grid, strict=True)
        }
        return np.ravel_multi_index(own, shape).astype(np.int64), places
    if points[axes].isna().any(axis=None):
        raise ParameterError(
            f"each cell has its place in the columns {', '.join(axes)}",
            value=f"{int(points[axes].isna().any(axis=1).sum())} of {len(points)} missing",
            place=_PLACE,
        )
    groups = points.groupby(axes, sort=True)
    unique = groups.size().reset_index()
    number = groups.ngroup().to_numpy().astype(np.int64)
    return number, {axis: unique[axis].tolist() for axis in axes}


def n_places(places: Places) -> int:
    """Return the number of places that are counted apart; one where no axis is iterated."""
    columns = places["columns"]
    return len(next(iter(columns.values()))) if columns else 1

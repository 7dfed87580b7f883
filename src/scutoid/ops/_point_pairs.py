"""Pairs of points of two tables: apart by place, in one unit, within a distance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scutoid.arrays import METRES, SPATIAL
from scutoid.errors import MetadataError, ParameterError
from scutoid.kernels import pairs_within
from scutoid.ops._columns import as_floats, known_values
from scutoid.ops._times import TIME
from scutoid.ops._types import Array
from scutoid.ops._units import VOXELS, copied_unit, ratio_to
from scutoid.steps import TIME_UNIT, UNIT, Length

if TYPE_CHECKING:
    import pandas as pd

Distance = float | Length
"""In the unit of the points, or with a unit of its own."""
_APART = "tc"
"""Columns that say which image a point is of."""


def point_matches(
    points: pd.DataFrame, truth: pd.DataFrame, max_distance: Distance, place: str
) -> Iterator[tuple[dict[str, object], dict[str, Array]]]:
    """Match the points of each place: what is in its columns, and its numbers and pairs."""
    axes = _axes(points, truth, place)
    reach = _in_unit(max_distance, points, place)
    ratio = _ratio(points, truth, place)
    one = _positions(points, axes, f"{place}, points")
    two = _positions(truth, axes, f"{place}, truth") * ratio
    for at, own, others in _apart(points, truth, place):
        first, second, distance = pairs_within(one[own], two[others], reach)
        yield (
            at,
            {
                "point": own[first],
                "truth": others[second],
                "distance": distance,
                "n": np.array([len(own), len(others)]),
            },
        )


def _axes(points: pd.DataFrame, truth: pd.DataFrame, place: str) -> list[str]:
    """Return the spatial axes, which both tables have."""
    of_points, of_truth = (
        [axis for axis in (*SPATIAL, *_APART) if axis in table.columns] for table in (points, truth)
    )
    axes = [axis for axis in of_points if axis in SPATIAL]
    if of_points != of_truth or not axes:
        raise ParameterError(
            "points and truth have positions in the same columns, some of z, y, x, t and c",
            value=f"{', '.join(of_points) or 'none'}; {', '.join(of_truth) or 'none'}",
            place=place,
            remedy="rename the columns of one, or leave out those that the other has not",
        )
    return axes


def _positions(table: pd.DataFrame, axes: Sequence[str], place: str) -> Array:
    for axis in axes:
        if table[axis].dtype.kind not in "iuf":
            raise ParameterError(
                "positions are numbers",
                value=str(table[axis].dtype),
                place=f"{place}, column {axis!r}",
            )
    position = np.column_stack([as_floats(table[axis], place) for axis in axes])
    n_unknown = int((~np.isfinite(position)).any(axis=1).sum())
    if n_unknown:
        raise ParameterError(
            "the positions of points are known",
            value=f"{n_unknown} of {len(table)} NaN, missing or infinite",
            place=place,
            remedy=f"drop these rows, table.dropna(subset={list(axes)})",
        )
    return position


def _in_unit(max_distance: Distance, points: pd.DataFrame, place: str) -> float:
    if not isinstance(max_distance, Length):
        return max_distance
    unit = points.attrs.get(UNIT)
    if unit not in METRES:
        raise MetadataError(
            "a physical length needs points whose unit is known",
            value=f"unit {unit}",
            place=f"{place}, max_distance",
            remedy="open the image with voxel_size= and unit=, or give the distance as a number",
        )
    return max_distance.value * METRES[max_distance.unit] / METRES[unit]


def _ratio(points: pd.DataFrame, truth: pd.DataFrame, place: str) -> float:
    """Return what the positions of the truth are multiplied by to be in the unit of the points."""
    one, two = points.attrs.get(UNIT), truth.attrs.get(UNIT)
    if one and two and (one == VOXELS) != (two == VOXELS):
        raise MetadataError(
            "points and truth are both in voxels, or both in the world",
            value=f"{one} and {two}",
            place=place,
            remedy="open the image with voxel_size= and unit=, as the other was",
        )
    return ratio_to(truth, one, f"{place}, truth", needs_size=False)


def _apart(
    points: pd.DataFrame, truth: pd.DataFrame, place: str
) -> Iterator[tuple[dict[str, object], Array, Array]]:
    """Go through the places that either table has: its columns, and the rows of the two there."""
    import pandas as pd

    axes = [axis for axis in _APART if axis in points.columns]
    if not axes:
        yield {}, np.arange(len(points)), np.arange(len(truth))
        return
    for axis in axes:
        for table in (points, truth):
            known_values(table[axis], place)
    names = [*axes, TIME] if any(TIME in table.columns for table in (points, truth)) else axes
    both = pd.concat([points.reindex(columns=names), truth.reindex(columns=names)])
    both.index = pd.RangeIndex(len(both))
    for at, rows in both.groupby(axes, sort=True):
        where = dict(zip(axes, at, strict=True))
        if TIME in names:
            where[TIME] = rows[TIME].max()  # passes over missing ones
        numbers = rows.index.to_numpy()
        is_point = numbers < len(points)
        yield where, numbers[is_point], numbers[~is_point] - len(points)


def rows_of_places(
    found: Iterator[tuple[Mapping[str, object], Mapping[str, Array]]],
    columns: Sequence[str],
    points: pd.DataFrame,
    truth: pd.DataFrame,
) -> pd.DataFrame:
    """Make rows of all places; the unit is that of the points."""
    import pandas as pd

    axes = [axis for axis in _APART if axis in points.columns]
    rows = [
        pd.DataFrame({name: own[name] for name in columns} | dict(where)) for where, own in found
    ]
    if rows:
        table = pd.concat(rows, ignore_index=True)
    else:  # no place, as there are no points
        table = pd.DataFrame({name: np.zeros(0) for name in (*axes, *columns)})
    names = [*axes, *([TIME] if TIME in table.columns else [])]
    table = copied_unit(table[[*names, *columns]], points if UNIT in points.attrs else truth)
    for source in (truth, points):
        if TIME_UNIT in source.attrs:
            table.attrs[TIME_UNIT] = source.attrs[TIME_UNIT]
    return table

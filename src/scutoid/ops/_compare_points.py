"""Points beside a reference: pairs within a distance, one to one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, Unpack, cast, overload

import numpy as np

from scutoid.arrays import METRES, SPATIAL
from scutoid.errors import MetadataError, ParameterError
from scutoid.kernels import matching_scores, pairs_within
from scutoid.ops._columns import as_floats, check_groups, known_values
from scutoid.ops._composed import TypedAs, operation, with_call_options
from scutoid.ops._count import is_table
from scutoid.ops._times import TIME
from scutoid.ops._types import Array, TableLike
from scutoid.ops._units import VOXELS, copied_unit, ratio_to, with_unit
from scutoid.steps import (
    TIME_UNIT,
    UNIT,
    CallOptions,
    Length,
    Table,
    Tables,
    check_units,
    gather,
    step,
)

if TYPE_CHECKING:
    import pandas as pd

Distance = float | Length
_APART = "tc"
"""Columns that say which image a point is of."""
_PAIRED = ("point", "truth", "distance")
_COUNTED = ("tp", "n_pred", "n_true", "distance")


class _ComparePoints(Protocol):
    """The type of `compare_points`: with total=True it returns one table of a collection."""

    __name__: str

    @overload
    def __call__(
        self,
        points: Tables,
        truth: TableLike,
        *,
        max_distance: Distance,
        total: Literal[False] = ...,
    ) -> Tables: ...
    @overload
    def __call__(
        self,
        points: Table,
        truth: Table | pd.DataFrame,
        *,
        max_distance: Distance,
        total: Literal[False] = ...,
    ) -> Table: ...
    @overload
    def __call__(
        self,
        points: Table | Tables,
        truth: TableLike,
        *,
        max_distance: Distance,
        total: Literal[True],
    ) -> Table: ...
    @overload
    def __call__(
        self,
        points: pd.DataFrame,
        truth: pd.DataFrame,
        *,
        max_distance: Distance,
        total: bool = ...,
    ) -> pd.DataFrame: ...

    def options(self, **options: Unpack[CallOptions]) -> _ComparePoints:
        """Return the same operation with options for this call; see `scutoid.blockwise`."""
        ...


@TypedAs[_ComparePoints]()
@with_call_options
def compare_points(
    points: TableLike, truth: TableLike, *, max_distance: Distance, total: bool = False
) -> TableLike:
    """Score points against a reference: how many match within a distance, one to one.

    **Exact**: the optimal assignment, of all points at once.

    Parameters
    ----------
    points, truth : Table, Tables or DataFrame
        What was found, such as by `detect_spots`, and what is there: a row a point, positions in
        the columns of the spatial axes (``z y x``) in world units.  Points of different ``t`` and
        ``c`` never match; both tables have these columns, or neither has.  A table that does not
        say its unit in ``.attrs["unit"]`` is taken to be in that of the other.
    max_distance : float or Length
        Largest distance of two points that match: in the unit of `points`, or ``scutoid.um(5)``.
    total : bool
        Return the scores of all members, time points and channels together, made of their sums.

    Returns
    -------
    Table or DataFrame
        One row, one for each ``t`` and ``c`` (and ``time``) that either table has: ``tp``, ``fp``,
        ``fn``, ``n_pred`` and ``n_true`` count points; ``precision``, ``recall``, ``f1`` and
        ``accuracy`` as in `compare`; ``mean_distance`` of those that match, NaN if none does.

    Raises
    ------
    ParameterError
        If columns of positions are missing, hold no numbers or something missing or infinite, or
        the distance is not above 0.
    MetadataError
        If the units of the two do not fit together.

    Notes
    -----
    As many points match as possible, and of the ways to have so many, the one whose distances add
    up to the least.

    References
    ----------
    H. W. Kuhn, The Hungarian method for the assignment problem, Naval Research Logistics Quarterly
    2, 1955.

    Examples
    --------
    >>> import pandas as pd
    >>> import scutoid as sc
    >>> spots = pd.DataFrame({"y": [10.0, 20.0], "x": [5.0, 5.0]})
    >>> truth = pd.DataFrame({"y": [11.0], "x": [5.0]})
    >>> sc.compare_points(spots, truth, max_distance=3)[["tp", "fp", "fn", "mean_distance"]]
       tp  fp  fn  mean_distance
    0   1   1   0            1.0
    """
    wanted = _checked(points, truth, max_distance, "compare_points", _score_columns())
    sums = point_sums(cast("Table", points), cast("Table", truth), **wanted)
    if not total:
        return point_scores(sums)
    return point_total(gather(sums) if isinstance(sums, Tables) else sums)


@operation
def match_points(points: TableLike, truth: TableLike, *, max_distance: Distance) -> TableLike:
    """List the points that match a reference within a distance, one to one: a row a pair.

    **Exact** as `compare_points`, whose rule it is.

    Parameters
    ----------
    points, truth, max_distance
        As in `compare_points`.

    Returns
    -------
    Table or DataFrame
        ``point`` and ``truth``, the rows of the two in their tables, counted from 0; ``distance``,
        in the unit of `points`.  Ordered by ``t`` and ``c``, where points have these (and
        ``time``), then by point.

    Raises
    ------
    ParameterError, MetadataError
        As in `compare_points`.

    Examples
    --------
    >>> import pandas as pd
    >>> import scutoid as sc
    >>> spots = pd.DataFrame({"y": [10.0, 20.0], "x": [5.0, 5.0]})
    >>> truth = pd.DataFrame({"y": [21.0], "x": [5.0]})
    >>> sc.match_points(spots, truth, max_distance=3)
       point  truth  distance
    0      1      0       1.0
    """
    wanted = _checked(points, truth, max_distance, "match_points", _PAIRED)
    return matched_points(cast("Table", points), cast("Table", truth), **wanted)


def _checked(
    points: object, truth: object, max_distance: object, place: str, columns: Sequence[str]
) -> dict[str, Distance]:
    for table, name in ((points, "points"), (truth, "truth")):
        if not is_table(cast("Table", table)):
            raise ParameterError(
                "points are a table with a row a point",
                value=type(table).__name__,
                place=f"{place}, {name}",
                remedy="give what detect_spots or measure returns, or make a table: "
                "pandas.DataFrame(positions, columns=['z', 'y', 'x'])",
            )
    length = max_distance.value if isinstance(max_distance, Length) else max_distance
    is_number = isinstance(length, (int, float, np.number)) and not isinstance(length, bool)
    if not is_number or not 0 < cast("float", length) < math.inf:
        raise ParameterError(
            "max_distance is a number above 0, or a length",
            value=repr(max_distance),
            place=place,
            remedy="give it in the unit of the points, or as scutoid.um(5)",
        )
    check_groups([points, truth], lambda: columns, place)
    wanted = max_distance if isinstance(max_distance, Length) else float(cast("float", length))
    return {"max_distance": wanted}


def _matches(
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


def _at_places(
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


@step(out="table", version="1")
def matched_points(
    points: pd.DataFrame, truth: pd.DataFrame, *, max_distance: Distance
) -> pd.DataFrame:
    """List the pairs of points that match."""
    found = _matches(points, truth, max_distance, "match_points")
    table = _at_places(found, _PAIRED, points, truth)
    return table.astype({"point": np.int64, "truth": np.int64})


@step(out="table", version="1")
def point_sums(
    points: pd.DataFrame, truth: pd.DataFrame, *, max_distance: Distance
) -> pd.DataFrame:
    """Count the points that match, are found, and are there, at each place."""
    counted = (
        (
            where,
            {
                "tp": np.array([len(own["distance"])]),
                "n_pred": own["n"][:1],
                "n_true": own["n"][1:],
                "distance": own["distance"].sum(keepdims=True),
            },
        )
        for where, own in _matches(points, truth, max_distance, "compare_points")
    )
    return _at_places(counted, _COUNTED, points, truth)


@step(out="table", version="1")
def point_scores(sums: pd.DataFrame) -> pd.DataFrame:
    """Make the scores of each place."""
    places = sums.drop(columns=list(_COUNTED))
    tp, n_pred, n_true = (sums[name].to_numpy(np.int64) for name in ("tp", "n_pred", "n_true"))
    total = sums["distance"].to_numpy(np.float64)
    mean = np.where(tp > 0, total / np.maximum(tp, 1), np.nan)
    table = places.assign(**matching_scores(tp, n_pred, n_true), mean_distance=mean)
    table.attrs = sums.attrs
    return table


@step(out="table", version="1")
def point_total(sums: pd.DataFrame | Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Make the scores of all places of all members together."""
    import pandas as pd

    tables = dict(sums.items()) if isinstance(sums, Mapping) else {"": sums}
    units = dict[object, list[str]]()
    for key, table in tables.items():
        if len(table) and UNIT in table.attrs:
            units.setdefault(table.attrs[UNIT], []).append(key)
    check_units(units)
    rows = pd.concat([table[list(_COUNTED)] for table in tables.values()])
    total = rows.sum().to_frame().T
    return point_scores(with_unit(total, cast("str | None", next(iter(units)))) if units else total)


def _score_columns() -> list[str]:
    """Return the names of the columns of scores."""
    none = np.zeros(0, np.int64)
    return [*matching_scores(none, none, none), "mean_distance"]


point_scores = point_scores.options(name="compare_points")
matched_points = matched_points.options(name="match_points")

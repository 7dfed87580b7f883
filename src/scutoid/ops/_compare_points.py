"""Points beside a reference: pairs within a distance, one to one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, Unpack, cast, overload

import numpy as np

from scutoid.errors import ParameterError
from scutoid.kernels import matching_scores
from scutoid.ops._columns import check_groups
from scutoid.ops._composed import TypedAs, operation, with_call_options
from scutoid.ops._count import is_table
from scutoid.ops._point_pairs import Distance, point_matches, rows_of_places
from scutoid.ops._types import Array, Arrays, TableLike
from scutoid.ops._units import with_unit
from scutoid.steps import (
    UNIT,
    CallOptions,
    Length,
    Table,
    Tables,
    Values,
    check_units,
    gather,
    step,
)

if TYPE_CHECKING:
    import pandas as pd

_PAIRED = ("point", "truth", "distance")


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
    given = cast("Table", points), cast("Table", truth)
    if not total:
        return point_scores(*given, **wanted)
    sums = point_sums(*given, **wanted)
    is_many = isinstance(cast("object", sums), Values)
    members = gather(cast("Values", sums)) if is_many else sums
    return point_total(members, of_members=is_many)


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


@step(out="table", version="1", threadsafe=True)
def matched_points(
    points: pd.DataFrame, truth: pd.DataFrame, *, max_distance: Distance
) -> pd.DataFrame:
    """List the pairs of points that match."""
    found = point_matches(points, truth, max_distance, "match_points")
    table = rows_of_places(found, _PAIRED, points, truth)
    return table.astype({"point": np.int64, "truth": np.int64})


@step(out="table", version="1", threadsafe=True)
def point_scores(
    points: pd.DataFrame, truth: pd.DataFrame, *, max_distance: Distance
) -> pd.DataFrame:
    """Count the points that match, are found, and are there, at each place."""
    found = (
        (where, _scores(_counted(own)))
        for where, own in point_matches(points, truth, max_distance, "compare_points")
    )
    table = rows_of_places(found, _score_columns(), points, truth)
    return table.astype(dict.fromkeys(("tp", "fp", "fn", "n_pred", "n_true"), np.int64))


@step(version="1", threadsafe=True)
def point_sums(
    points: pd.DataFrame, truth: pd.DataFrame, *, max_distance: Distance
) -> dict[str, object]:
    """Count the points of all places together, in the unit of the points, if a table says it."""
    sums = _added_up(
        _counted(own) for _, own in point_matches(points, truth, max_distance, "compare_points")
    )
    source = points if UNIT in points.attrs else truth
    return {"sums": sums, **({"unit": source.attrs[UNIT]} if UNIT in source.attrs else {})}


@step(out="table", version="1", threadsafe=True)
def point_total(
    sums: Mapping[str, object] | Mapping[str, Mapping[str, object]], *, of_members: bool
) -> pd.DataFrame:
    """Make the scores of all places of all members together."""
    import pandas as pd

    members = cast("Mapping[str, Mapping[str, Any]]", sums if of_members else {"": sums})
    units = dict[object, list[str]]()
    counted: list[Arrays] = []
    for key, member in members.items():
        counted.append(member["sums"])
        if "unit" in member:
            units.setdefault(member["unit"], []).append(key)
    check_units(units)
    table = pd.DataFrame(_scores(_added_up(counted)))
    return with_unit(table, cast("str | None", next(iter(units)))) if units else table


def _counted(own: Mapping[str, Array]) -> Arrays:
    """Return what adds up of the pairs of one place."""
    return {
        "tp": np.array([len(own["distance"])]),
        "n_pred": own["n"][:1],
        "n_true": own["n"][1:],
        "distance": own["distance"].sum(keepdims=True),
    }


def _added_up(counted: Iterable[Arrays]) -> Arrays:
    total: Arrays = {name: np.zeros(1, np.int64) for name in ("tp", "n_pred", "n_true")}
    total["distance"] = np.zeros(1)
    for one in counted:
        total = {name: rows + one[name] for name, rows in total.items()}
    return total


def _scores(sums: Arrays) -> Arrays:
    tp = sums["tp"]
    mean = np.where(tp > 0, sums["distance"] / np.maximum(tp, 1), np.nan)
    return {**matching_scores(tp, sums["n_pred"], sums["n_true"]), "mean_distance": mean}


def _score_columns() -> list[str]:
    """Return the names of the columns of scores."""
    return [*_scores(_added_up([]))]


point_scores = point_scores.options(name="compare_points")
matched_points = matched_points.options(name="match_points")

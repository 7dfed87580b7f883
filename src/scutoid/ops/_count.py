"""Counts of objects, and of the cells that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypedDict, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import cells_per_object, check_cell_size
from scutoid.ops._columns import check_groups, known_values
from scutoid.ops._composed import as_number, composed, operation
from scutoid.ops._inputs import first_of
from scutoid.ops._measure import check_labels, measure_pieces
from scutoid.ops._object_table import objects_by_range
from scutoid.ops._partitions import Place
from scutoid.ops._renamed import renamed
from scutoid.ops._times import (
    place_columns,
    times_of_part,
    with_time_unit,
    with_times,
    with_times_from,
)
from scutoid.ops._types import ImageLike, Number, TableLike
from scutoid.ops._units import copied_unit
from scutoid.steps import BlockParts, Image, Table, Tables, is_lazy, step

if TYPE_CHECKING:
    import pandas as pd


class _Sizes(TypedDict):
    """Parameters that both steps have."""

    size: float | None
    by: SizeBy
    min_size: float
    edge_weight: float


SizeBy = Literal["n_voxels", "size"]
_AXES = "tcsmp"
_NAMES = ("n_objects", "n_clusters", "n_edge", "n_cells")


@composed
@renamed(size="cell_size")
def count(
    objects: ImageLike | TableLike,
    *,
    cell_size: Number | None = None,
    by: SizeBy = "n_voxels",
    min_size: float = 0,
    edge_weight: float = 0.5,
) -> TableLike:
    """Count objects, and estimate the number of cells in them.

    **Exact**: each object is counted once, with its size in the whole image, whatever the blocks.
    The number of cells is an estimate by the formula below; as a sum of floating-point numbers it
    is the same for every block shape within rounding.

    An object stands for ``max(1, size of the object / cell_size)`` cells; for ``1 - edge_weight``
    less if it touches the edge of the image (one of its voxels lies there), and for none if it is
    smaller than `min_size`.

    Parameters
    ----------
    objects : Image, Images or ndarray of labels, or Table or DataFrame of `measure`
        0 is background.
    cell_size : number or Value, optional
        Size of one cell: an object above it is several.  Without it every object is one cell.
    by : {"n_voxels", "size"}
        What `cell_size` and `min_size` are given in: voxels, or the unit (length, area or volume).
    min_size : number
        Smaller objects are no cells, and no objects.
    edge_weight : float
        What a cell at the edge counts for: 1/2 (default) counts cells that two neighbouring images
        share once, 1 counts them whole, 0 not at all.

    Returns
    -------
    Table or DataFrame
        One row, with iterated axes one for each place (of a table, each that has objects), with a
        column ``time`` beside ``t`` where times are known, as in `measure`:
        ``n_objects``; ``n_clusters``, those larger than one cell; ``n_edge``, those that touch the
        edge; ``n_cells``.

    Raises
    ------
    ParameterError
        If a parameter is out of range, labels are not integers, or a table has not the columns, or
        not a value in each row of those that are used.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> labels = np.array([[1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 2, 0], [0, 0, 0, 0]])
    >>> sc.count(labels, cell_size=1)
       n_objects  n_clusters  n_edge  n_cells
    0          2           1       1      2.5
    """
    _check(cell_size, by, min_size, edge_weight)
    params: _Sizes = {
        "size": None if cell_size is None else as_number(cell_size),
        "by": by,
        "min_size": min_size,
        "edge_weight": edge_weight,
    }
    if not is_table(objects):
        check_labels(objects, "count")
    check_groups([objects], lambda: _columns(objects), "count")
    if is_table(objects):
        return count_rows(objects, **params)
    pieces = measure_pieces(cast("Image", objects), moments=False, weighted=False)
    return count_pieces(pieces, **params)


@operation
@renamed(size="cell_size", cells="objects")
def estimate_cells(
    objects: TableLike,
    *,
    cell_size: Number | None = None,
    by: SizeBy = "n_voxels",
    min_size: float = 0,
    edge_weight: float = 0.5,
) -> TableLike:
    """Add a column ``n_cells`` to a table of `measure`: the cells that each object stands for.

    **Exact** as `count`, whose parameters and formula these are.

    Parameters
    ----------
    objects : Table, Tables or DataFrame
        Of `measure`.
    cell_size, by, min_size, edge_weight
        As in `count`.

    Returns
    -------
    Table or DataFrame
        The same rows.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> table = sc.measure(np.pad(np.full((2, 3), 7), 1))
    >>> sc.estimate_cells(table, cell_size=4)["n_cells"].tolist()
    [1.5]
    """
    _check(cell_size, by, min_size, edge_weight)
    check_groups([objects], lambda: _NAMES[-1:], "estimate_cells")
    if not is_table(objects):
        raise ParameterError(
            "estimates are of a table of measure",
            value=type(objects).__name__,
            place="estimate_cells",
            remedy="measure labels first, or count them: scutoid.count(labels)",
        )
    size = None if cell_size is None else as_number(cell_size)
    return with_cells(objects, size=size, by=by, min_size=min_size, edge_weight=edge_weight)


def _columns(objects: ImageLike | TableLike) -> list[str]:
    """Return the names of the columns of a table, as far as they are known."""
    own = [] if is_table(objects) else place_columns(first_of(cast("Image", objects)))
    return [*own, *_NAMES]


def _check(size: Number | None, by: str, min_size: float, edge_weight: float) -> None:
    if by not in ("n_voxels", "size"):
        raise ParameterError('by is "n_voxels" or "size"', value=by, place="count")
    is_known = size is not None and not is_lazy(size)
    check_cell_size(cast("float", size) if is_known else None, min_size, edge_weight)


def is_table(objects: ImageLike | TableLike) -> TypeGuard[Table]:
    """Whether objects are given as a table."""
    return isinstance(objects, (Table, Tables)) or type(objects).__name__ == "DataFrame"


@step(out="table", version="1", threadsafe=True)
def with_cells(
    cells: pd.DataFrame, *, size: float | None, by: SizeBy, min_size: float, edge_weight: float
) -> pd.DataFrame:
    """Estimate the cells of each object of a table."""
    return cells.assign(n_cells=estimated_cells(cells, size, by, min_size, edge_weight))


def estimated_cells(
    cells: pd.DataFrame,
    size: float | None = None,
    by: SizeBy = "n_voxels",
    min_size: float = 0,
    edge_weight: float = 0.5,
) -> NDArray[np.float64]:
    """Return the number of cells that each object of a table stands for."""
    missing = [name for name in (by, "touches_edge") if name not in cells.columns]
    if missing:
        raise ParameterError(
            "counting takes a table of measure",
            value=f"no column {missing[0]!r}",
            place="count",
            remedy="give it the result of scutoid.measure, or labels",
        )
    return cells_per_object(
        known_values(cells[by], "count"),
        known_values(cells["touches_edge"], "count"),
        cell_size=None if size is None else float(size),
        min_size=min_size,
        edge_weight=edge_weight,
    )


@step(out="table", version="3", threadsafe=True)
def count_rows(
    cells: pd.DataFrame, *, size: float | None, by: SizeBy, min_size: float, edge_weight: float
) -> pd.DataFrame:
    """Count the objects of a table."""
    axes = [axis for axis in _AXES if axis in cells.columns]
    if not axes:
        return _summary([_counted(cells, size, by, min_size, edge_weight)], by, cells)
    for axis in axes:
        known_values(cells[axis], "count")
    counted = (
        {**dict(zip(axes, place, strict=True)), **_counted(rows, size, by, min_size, edge_weight)}
        for place, rows in cells.groupby(axes, sort=True)
    )
    return with_times_from(_summary(counted, by, cells), cells)


@step(out="table", version="3", threadsafe=True)
def count_pieces(
    pieces: BlockParts, *, size: float | None, by: SizeBy, min_size: float, edge_weight: float
) -> pd.DataFrame:
    """Count the objects of all blocks, a range of labels at a time."""
    iterated = str(pieces[0]["iterated"]).strip()
    counts: dict[Place, dict[str, float]] = {}
    for place, rows in objects_by_range(pieces):
        counted = _counted(rows, size, by, min_size, edge_weight)
        before = counts.get(place, {})
        counts[place] = {name: before.get(name, 0) + counted[name] for name in _NAMES}
    times = times_of_part(pieces[0])
    counted_apart = (
        {**with_times(dict(zip(iterated, map(np.asarray, place), strict=True)), times), **counted}
        for place, counted in counts.items()
    )
    return with_time_unit(_summary(counted_apart, by, rows), times)


def _counted(
    rows: pd.DataFrame, size: float | None, by: SizeBy, min_size: float, edge_weight: float
) -> dict[str, float]:
    cells = estimated_cells(rows, size, by, min_size, edge_weight)
    sizes = known_values(rows[by], "count")
    kept = sizes >= min_size
    edge = rows["touches_edge"].to_numpy(bool)
    is_cluster = kept if size is None else kept & (sizes > float(size))
    return {
        "n_objects": int(kept.sum()),
        "n_clusters": 0 if size is None else int(is_cluster.sum()),
        "n_edge": int((kept & edge).sum()),
        "n_cells": float(cells.sum()),
    }


def _summary(rows: Iterable[Mapping[str, object]], by: SizeBy, cells: pd.DataFrame) -> pd.DataFrame:
    """Make the table of counts; those by size depend on the unit of the `cells`."""
    import pandas as pd

    table = pd.DataFrame(list(rows))
    if table.empty:
        table = pd.DataFrame({name: np.zeros(0, int) for name in _NAMES})
    counted = table.astype({"n_cells": float})
    return copied_unit(counted, cells) if by == "size" else counted


count_rows = count_rows.options(name="count")
count_pieces = count_pieces.options(name="count")
with_cells = with_cells.options(name="estimate_cells")

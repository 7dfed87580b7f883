"""Pages of a stored table, sorted and filtered where it lies: a browser gets some rows at a time.

Cells are text: whole numbers with all their digits, which JSON's readers would round beyond 2**53.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError, StoreError
from scutoid.serving._table_filters import Filter, mask_of, sortable, text_of_column

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS = 500
_MOST_FILTERS = 20
_MOST_TEXT = 500
_KEPT = 8


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of a table, in which order."""

    sort: str | None = None
    """The column that they are sorted by; None: as they are stored."""
    is_descending: bool = False
    """Whether the greatest come first; rows without a value come last in both."""
    filters: tuple[Filter, ...] = ()
    """All of which hold for a row."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a table."""

    columns: tuple[tuple[str, str], ...]
    """Name and type of each column."""
    rows: tuple[tuple[str | None, ...], ...]
    """The cells of each row as text; None where there is no value."""
    n_rows: int
    """Rows of the whole table."""
    n_found: int
    """Those that the filters leave."""
    offset: int
    """Number of the first one here, among those that were found."""


class TablePages:
    """Gives pages of tables, and remembers the order of rows for the next page.

    Memory goes with the columns that are sorted or filtered by, and a row group of the file; the
    orders of the last eight questions are kept.
    """

    def __init__(self) -> None:
        self._orders: OrderedDict[object, NDArray[np.int64] | None] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, path: Path, query: Query, *, offset: int = 0, limit: int = 100) -> Page:
        """Return rows of a table.

        Parameters
        ----------
        path : Path
            A file, Parquet or CSV.
        query : Query
            Which rows, in which order.
        offset : int
            Number of the first row, among those found.
        limit : int
            The most rows, of which there are no more than 500.

        Raises
        ------
        ParameterError
            If there is no such column, or a value is not of its type.
        StoreError
            If the table cannot be read.
        """
        with self._lock, _reading(path):
            table = _ParquetTable(path) if path.suffix == ".parquet" else _CsvTable(path)
            names = [name for name, _ in table.columns]
            for name in [query.sort, *(one.column for one in query.filters)]:
                if name is not None and name not in names:
                    raise ParameterError(
                        "a table is sorted and filtered by a column that it has",
                        value=name,
                        place=str(path),
                        remedy=f"there are {', '.join(names[:20])}",
                    )
            order = self._order(path, table, query)
            n_found = table.n_rows if order is None else len(order)
            offset = min(max(offset, 0), max(n_found - 1, 0))
            end = min(offset + min(max(limit, 1), _MOST_ROWS), n_found)
            chosen = np.arange(offset, end) if order is None else order[offset:end]
            rows = table.rows(chosen)
        return Page(table.columns, rows, table.n_rows, n_found, offset)

    def _order(
        self, path: Path, table: _ParquetTable | _CsvTable, query: Query
    ) -> NDArray[np.int64] | None:
        """Return numbers of rows; None for all of them as they are."""
        if query.sort is None and not query.filters:
            return None
        state = path.stat()
        question = (str(path), state.st_mtime_ns, state.st_size, state.st_ino, query)
        if question not in self._orders:
            self._orders[question] = _order_of(table, query)
            while len(self._orders) > _KEPT:
                self._orders.popitem(last=False)
        self._orders.move_to_end(question)
        return self._orders[question]


class _reading:  # noqa: N801 - a context manager, used like a function
    """Make errors of a table that is damaged, or gone, errors of the store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        import pyarrow as pa

        if isinstance(error, (OSError, pa.ArrowException)) and not isinstance(error, StoreError):
            raise StoreError(
                "a stored table can be read",
                value=str(error)[:_MOST_TEXT],
                place=str(self._path),
                remedy="run again to compute it",
            ) from error


class _ParquetTable:
    """A table in row groups, of which few are in memory."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._file = pq.ParquetFile(path, memory_map=True)
        self.n_rows: int = self._file.metadata.num_rows
        schema = self._file.schema_arrow
        self.columns = tuple((field.name, str(field.type)) for field in schema)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column."""
        place = [one for one, _ in self.columns].index(name)
        return self._file.read(columns=[name]).column(name) if place >= 0 else None

    def rows(self, numbers: NDArray[np.int64]) -> tuple[tuple[str | None, ...], ...]:
        """Return rows as text, in the order of their numbers."""
        metadata = self._file.metadata
        sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        groups = np.searchsorted(starts, numbers, side="right") - 1
        found: dict[int, tuple[str | None, ...]] = {}
        for group in np.unique(groups).tolist():
            places = np.flatnonzero(groups == group)
            part = self._file.read_row_group(group).take(numbers[places] - starts[group])
            found.update(zip(places.tolist(), _texts(part), strict=True))
        return tuple(found[place] for place in range(len(numbers)))


class _CsvTable:
    """A table as text; columns that are asked for are made numbers, where all of it is."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import csv

        with path.open("rb") as file:
            names = csv.open_csv(file).schema.names
        convert = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        )
        self._table = csv.read_csv(path, convert_options=convert)
        self.n_rows: int = self._table.num_rows
        self.columns = tuple((name, str(self.column(name).type)) for name in names)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column, as numbers if it has nothing else."""
        import pyarrow as pa

        text = self._table.column(name)
        for kind in (pa.int64(), pa.uint64(), pa.float64()):
            try:
                return text.cast(kind)
            except pa.ArrowInvalid:
                continue
        return text

    def rows(self, numbers: NDArray[np.int64]) -> tuple[tuple[str | None, ...], ...]:
        """Return rows as text."""
        return tuple(_texts(self._table.take(numbers)))


def _texts(table: pa.Table) -> list[tuple[str | None, ...]]:
    """Write rows as text."""
    columns = [text_of_column(column) for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows


def _order_of(table: _ParquetTable | _CsvTable, query: Query) -> NDArray[np.int64]:
    """Return the numbers of the rows that the filters leave, in order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen = np.arange(table.n_rows, dtype=np.int64)
    for one in query.filters[:_MOST_FILTERS]:
        mask = mask_of(table.column(one.column), one)
        is_kept = np.asarray(pc.fill_null(mask, fill_value=False), dtype=bool)
        chosen = chosen[is_kept[chosen]]
    if query.sort is None:
        return chosen
    column = table.column(query.sort).take(pa.array(chosen))
    order = "descending" if query.is_descending else "ascending"
    try:
        places = pc.sort_indices(sortable(column), sort_keys=[("", order)])
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise ParameterError(
            "a table is sorted by a column whose values have an order",
            value=f"{query.sort}, of {column.type}",
        ) from error
    ordered: NDArray[np.int64] = chosen[places.to_numpy()]
    return ordered

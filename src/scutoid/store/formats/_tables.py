"""Store tables as Parquet and as CSV.

CSV has no types, so a few rules bring back what it can bring back::

    size,well,note       a column of numbers, or of True and False, comes back as such
    1.5,"007",plain      text that would be taken for these is quoted, the whole column of it
    ,"011","a, b"        nothing between two commas is a missing value, two quotes are empty text

A table may come in partitions, each a part of its rows: as Parquet each is written as it comes, a
row group of one file, so that memory holds one of them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from scutoid.errors import ParameterError
from scutoid.regular import opened_regular, read_regular
from scutoid.store._columns import typed_column
from scutoid.store._damage import reading
from scutoid.store._durable import replacing, write_file
from scutoid.store._parts import arrow_of_table, table_of_arrow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_PARQUET = b"PAR1"
_TRUTH = {"True": True, "False": False}
_FIELD = r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n)'
_ODD = {sep: f'["{sep}\r\n\ufeff]' for sep in (",", "\t")}
"""What is put in quotes, by what stands between fields."""
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|nan"

Fields = list[list[str | None]]
"""Rows of a file; None where there is nothing between two commas."""


@runtime_checkable
class Partitioned(Protocol):
    """A table whose rows come in partitions."""

    def table_partitions(self) -> Iterator[pd.DataFrame]:
        """Go through the partitions, in order, once."""
        ...


def is_table(value: object) -> bool:
    """Whether a value is a table of pandas, whole or in partitions."""
    kind = type(value)
    is_frame = kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"
    return is_frame or isinstance(value, Partitioned)


def save_parquet(value: pd.DataFrame | Partitioned, path: Path) -> None:
    """Write a table as Parquet; of one that comes in partitions, each is a row group.

    Raises
    ------
    ParameterError
        If partitions differ in their columns, or in the types of these.
    """
    import pyarrow.parquet as pq

    if isinstance(value, Partitioned):
        _save_partitions(value.table_partitions(), path)
        return
    table = arrow_of_table(value)
    with replacing(path) as beside:
        pq.write_table(table, beside, **_parquet_options(value, table.schema))


def _parquet_options(table: pd.DataFrame, schema: pa.Schema) -> dict[str, Any]:
    """Return how Parquet is written: without statistics of columns that may hold NaN.

    NaN of numpy is written as null.  A type of Arrow, or a nullable one, can hold both, and they
    stay apart.  Statistics leave NaN out, and readers that pass over rows by them lose it.
    """
    known = table.reset_index().dtypes
    exact = [
        field.name
        for field in schema
        if isinstance(known.get(field.name), np.dtype) or not _may_hold_nan(field.type)
    ]
    return {"compression": "zstd", "write_page_checksum": True, "write_statistics": exact}


def _may_hold_nan(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_nested(kind))


def _save_partitions(partitions: Iterator[pd.DataFrame], path: Path) -> None:
    import pyarrow.parquet as pq

    pieces = _alike(partitions)
    table, first = next(pieces)
    options = _parquet_options(table, first.schema)
    with replacing(path) as beside, pq.ParquetWriter(beside, first.schema, **options) as writer:
        for piece in itertools.chain([first], (arrow for _, arrow in pieces)):
            writer.write_table(piece, row_group_size=max(1, len(piece)))


def _alike(partitions: Iterator[pd.DataFrame]) -> Iterator[tuple[pd.DataFrame, pa.Table]]:
    """Go through partitions that have rows, also as Arrow; if none has, there is one of columns.

    Without rows a table may have lost its types.

    Raises
    ------
    ParameterError
        If they differ in their columns, or in the types of these.
    """
    empty = schema = None
    for number, table in enumerate(partitions, 1):
        rows = table.reset_index(drop=True)
        if not len(rows):
            empty = rows
            continue
        arrow = arrow_of_table(rows)
        schema = arrow.schema if schema is None else schema
        _check_like(schema, arrow.schema, number)
        yield rows, arrow
    if schema is None and empty is not None:
        yield empty, arrow_of_table(empty)


def _check_like(schema: pa.Schema, own: pa.Schema, number: int) -> None:
    if own.equals(schema):
        return
    there = {field.name: field.type for field in schema}
    odd = [f"{f.name!r} is {f.type}, not {there.get(f.name)}" for f in own if f not in list(schema)]
    raise ParameterError(
        "partitions of a table have the same columns, of the same types",
        value=", ".join(odd) or own.names,
        place=f"partition {number}",
        remedy="give every partition the columns and types of the first, by table.astype(...)",
    )


def load_parquet(path: Path) -> pd.DataFrame:
    """Read a table back, with its types and its index."""
    import pyarrow.parquet as pq

    with reading("table", path):
        with opened_regular(path) as beginning:
            if beginning.read(len(_PARQUET)) != _PARQUET:  # pyarrow looks at the end only
                raise ValueError("it does not begin as Parquet does")
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return table_of_arrow(file.read())


def _joined(value: pd.DataFrame | Partitioned) -> pd.DataFrame:
    """Return a table whole."""
    import pandas as pd

    if not isinstance(value, Partitioned):
        return value
    tables = [table for table, _ in _alike(value.table_partitions())]
    return pd.concat(tables, ignore_index=True)


def save_csv(value: pd.DataFrame | Partitioned, path: Path) -> None:
    """Write a table as CSV: UTF-8, a comma between fields, quotes where they are needed.

    Come back as they were: numbers of 64 bits, truth values, text (also text that looks like a
    number, and with commas, quotes and lines), and missing values among numbers and text.  Lost is
    what CSV has no place for: narrow types come back as int64 or float64, whole numbers with
    missing ones as Int64, truth values with missing ones as objects, dates, durations and
    categories as text, and the types of a table without rows.  In a table of one column, empty
    text is missing text.  An index becomes columns if it has a name, or is anything but integers;
    else it is left out.

    Raises
    ------
    ParameterError
        If names of columns are not text or not unique, or a field holds anything but the above.
    """
    write_file(path, text_of_table(value, ","))


def text_of_table(value: pd.DataFrame | Partitioned, separator: str) -> bytes:
    """Return a table as text, with a comma or a tab between fields; see `save_csv`."""
    table, names = checked_table(value)
    try:
        return _text(table, names, separator).encode()
    except UnicodeEncodeError as error:
        raise ParameterError("text in a table is Unicode", value=str(error)) from error


def checked_table(value: pd.DataFrame | Partitioned) -> tuple[pd.DataFrame, list[str]]:
    """Return a table with its index among the columns where that says something, and their names.

    Raises
    ------
    ParameterError
        If names of columns are not text or not unique.
    """
    table = _with_index(_joined(value))
    names = list(table.columns)
    is_bare = bool(len(table)) and not names
    if is_bare or len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
        raise ParameterError(
            "a table has columns, with names that are text and differ",
            value=names,
            remedy="rename them: table.columns = [...]",
        )
    return table, names


def _text(table: pd.DataFrame, names: Sequence[str], sep: str) -> str:
    header = sep.join(_quoted(name) if name == "" else _if_odd(name, sep) for name in names)
    columns = [_written(name, table[name], sep) for name in names]
    rows: Iterable[str] = map(sep.join, zip(*columns, strict=True))
    if len(columns) == 1:
        rows = (row or '""' for row in rows)  # readers skip an empty line
    return "\n".join([header, *rows, ""])


def _with_index(table: pd.DataFrame) -> pd.DataFrame:
    index = table.index
    if index.nlevels == 1 and index.name is None and (index.dtype.kind in "iu" or not len(index)):
        return table
    try:
        return table.reset_index()
    except ValueError as error:
        raise ParameterError(
            "a named index becomes columns, so its names are not those of columns",
            value=list(index.names),
            remedy="rename the index, or drop it: table.reset_index(drop=True)",
        ) from error


def _written(name: str, column: Any, sep: str) -> list[str]:
    """Return the fields of a column as they stand in the file."""
    column = typed_column(column, name)
    missing = column.isna().to_numpy()
    if column.dtype.kind in "biuf" and not hasattr(column.dtype, "categories"):
        values = column.to_numpy(object, na_value=None) if missing.any() else column.tolist()
        return _texts(values, missing)
    fields = list(column.astype(object))
    kinds = {type(field) for field, gone in zip(fields, missing, strict=True) if not gone}
    are_whole = all(issubclass(kind, (int, np.integer)) and kind is not bool for kind in kinds)
    if kinds and (kinds <= {bool, np.bool_} or are_whole):
        return _texts(fields, missing)
    is_text = all(issubclass(kind, str) for kind in kinds)
    if not (is_text or column.dtype.kind in "mM" or hasattr(column.dtype, "categories")):
        raise ParameterError(
            "a column of a CSV file holds numbers, truth values, dates or text, not a mix",
            value=", ".join(sorted(kind.__name__ for kind in kinds)),
            place=f"column {name!r}",
            remedy="convert the column with astype, or choose format='parquet'",
        )
    texts = [None if gone else str(field) for field, gone in zip(fields, missing, strict=True)]
    needs_quotes = "" in texts or _typed(texts) is not None
    if needs_quotes:
        return ["" if text is None else _quoted(text) for text in texts]
    return ["" if text is None else _if_odd(text, sep) for text in texts]


def _texts(values: Iterable[object], missing: Iterable[bool]) -> list[str]:
    """Return values as text, empty where they are missing."""
    return ["" if gone else str(value) for value, gone in zip(values, missing, strict=True)]


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _if_odd(text: str, sep: str) -> str:
    return _quoted(text) if re.search(_ODD[sep], text) else text


def load_csv(path: Path) -> pd.DataFrame:
    """Read back what `save_csv` wrote."""
    import pandas as pd

    with reading("table", path):
        text = read_regular(path).decode()
        if not text.endswith("\n"):
            raise ValueError("cut off")
        rows, quoted = _fields(text) if '"' in text else _plain_fields(text)
        if len(rows[0]) == 1 and not rows[0][0] and (0, 0) not in quoted:
            rows[0].clear()
        names, body = [name or "" for name in rows[0]], rows[1:]
        if any(len(row) != len(names) for row in body):
            raise ValueError("a row has not as many fields as there are columns")
        as_text = {column for row, column in quoted if row and body[row - 1][column]}
        fields = [[row[column] for row in body] for column in range(len(names))]
        if len(names) == 1:
            fields = [[text or None for text in fields[0]]]
        columns = [_column(texts, column in as_text) for column, texts in enumerate(fields)]
        return pd.DataFrame(dict(zip(names, columns, strict=True)), columns=pd.Index(names))


def _plain_fields(text: str) -> tuple[Fields, set[tuple[int, int]]]:
    """Take the text of a CSV file without quotes apart, several times as fast as `_fields`."""
    lines = text.replace("\r\n", "\n").split("\n")[:-1]
    return [[field or None for field in line.split(",")] for line in lines], set()


def _fields(text: str) -> tuple[Fields, set[tuple[int, int]]]:
    """Take the text of a CSV file apart; also return the row and column of each quoted field."""
    rows: Fields = [[]]
    quoted = set()
    at = 0
    for match in re.finditer(_FIELD, text):
        if match.start() != at:
            break
        at = match.end()
        inner, plain, end = match.groups()
        if inner is None:
            rows[-1].append(plain or None)
        else:
            quoted.add((len(rows) - 1, len(rows[-1])))
            rows[-1].append(inner.replace('""', '"'))
        if end != ",":
            rows.append([])
    if at != len(text):
        raise ValueError(f"quotes that do not fit, after {at} characters")
    return rows[:-1], quoted


def _column(texts: list[str | None], is_text: bool) -> object:
    import pandas as pd

    typed = None if is_text else _typed(texts)
    if typed is not None:
        return typed
    if texts and all(text is None for text in texts):
        return np.full(len(texts), np.nan)
    return pd.Series(texts, dtype=pd.Series(["a"]).dtype)


def _typed(texts: Sequence[str | None]) -> object:
    """Return texts as numbers or truth values if they all are; None if not."""
    there = [text for text in texts if text is not None]
    if not there:
        return None
    if all(text in _TRUTH for text in there):
        has_all = len(there) == len(texts)
        return np.array([text and _TRUTH[text] for text in texts], bool if has_all else object)
    if not all(map(re.compile(_NUMBER, re.ASCII).fullmatch, there)):
        return None
    if all(text.lstrip("+-").isdecimal() for text in there):
        numbers = [None if text is None else int(text) for text in texts]
        known = [number for number in numbers if number is not None]
        for dtype, nullable in ((np.int64, "Int64"), (np.uint64, "UInt64")):
            if np.iinfo(dtype).min <= min(known) and max(known) <= np.iinfo(dtype).max:
                has_all = len(known) == len(numbers)
                return np.array(numbers, dtype) if has_all else _nullable(numbers, nullable)
    return np.array([np.nan if text is None else float(text) for text in texts])


def _nullable(numbers: Sequence[int | None], dtype: str) -> object:
    import pandas as pd

    values: Any = numbers
    return pd.Series(values, dtype=dtype)

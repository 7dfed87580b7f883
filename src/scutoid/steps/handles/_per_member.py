"""A parameter for each member of a collection, from a table or a CSV file."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scutoid.errors import ParameterError, PipelineError
from scutoid.steps.declaration import is_table
from scutoid.steps.graph import CollectionRef, ConstantCollection
from scutoid.steps.handles._collections import Tables, Values
from scutoid.steps.handles._csv_fields import read_csv, typed_fields
from scutoid.steps.handles._single import Table

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 5
_PLACE = "per_member"


def per_member(table: pd.DataFrame | Table | str | os.PathLike[str], column: str) -> Values:
    """Take a parameter for each member of a collection from a table.

    Parameters
    ----------
    table : DataFrame, Table or path of a CSV file
        Has a column `key` (a DataFrame may have keys as its index).  A file is UTF-8, with commas
        between fields, or tabs if its name ends in ``.tsv``.
    column : str
        The column whose value a member gets.  Of a file, fields are numbers, or truth values (true
        or false, however it is capitalised), if all of the column are written as such; else all
        are text, for with "007" in it, "100" is no number.

    Returns
    -------
    Values

    Raises
    ------
    PipelineError
        If there is no such column, there are no keys, a key stands in two rows, or a row has no
        value.
    ParameterError
        If it is no table.
    SourceNotFound, SourceError
        If a file does not exist, or is no CSV file: other text than UTF-8, rows with more or fewer
        fields than there are columns.

    Examples
    --------
    >>> import pandas as pd
    >>> import scutoid as sc
    >>> sc.per_member(pd.DataFrame({"key": ["a", "b"], "level": [3, 4]}), "level")["b"].get()
    4
    """
    if isinstance(table, Tables):
        raise PipelineError(
            "a parameter for each member comes from one table",
            value=repr(table),
            place=_PLACE,
            remedy="write sc.per_member(tables.to_pandas(), column)",
        )
    frame: Any = table.to_pandas() if isinstance(table, Table) else table
    is_file = isinstance(frame, (str, os.PathLike))
    if is_file:
        frame = _read(Path(frame))
    elif not is_table(frame):
        raise ParameterError(
            "a parameter for each member comes from a DataFrame, a Table or a CSV file",
            value=type(frame).__name__,
            place=_PLACE,
            remedy='make it a table with a column "key"',
        )
    keys = _keys(frame, column)
    values = typed_fields(list(frame[column])) if is_file else list(frame[column])
    import pandas as pd

    missing = [key for key, value in zip(keys, values, strict=True) if _is_missing(pd, value)]
    if missing:
        raise PipelineError(
            "a table has a value for each key",
            value=f"none for {', '.join(missing[:_NAMED])}",
            place=f"{_PLACE}, column {column!r}",
            remedy="fill it in, or leave these rows out of the table",
        )
    by_key = {
        key: value.item() if hasattr(value, "item") else value
        for key, value in zip(keys, values, strict=True)
    }
    return Values(CollectionRef(ConstantCollection(by_key, column), "value"))


def _is_missing(pd: Any, value: object) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _keys(frame: pd.DataFrame, column: str) -> list[str]:
    """Return the keys of the rows of a table that has the column, each once."""
    names = list(frame.columns)
    has_keys = "key" in names
    if column not in names or column == "key":
        raise PipelineError(
            f"the table's columns are {', '.join(map(repr, names)) or 'none'}, and one is chosen "
            "beside 'key'",
            value=column,
            place=_PLACE,
        )
    if names.count(column) > 1 or names.count("key") > 1:
        raise PipelineError("columns of a table have different names", value=names, place=_PLACE)
    index = frame.index
    is_numbered = index.name is None and index.dtype.kind in "iu"
    if not has_keys and (index.nlevels > 1 or is_numbered):
        raise PipelineError(
            "the keys of members stand in a column 'key', or are the index",
            value=f"columns {', '.join(map(repr, names))}",
            place=_PLACE,
            remedy='rename the column of the keys: table.rename(columns={"name": "key"})',
        )
    given = frame["key"] if has_keys else index.to_series()
    if given.isna().any():
        raise PipelineError(
            "each row of a table has a key",
            value=f"none in {int(given.isna().sum())} of {len(given)}",
            place=_PLACE,
            remedy="fill it in, or leave these rows out of the table",
        )
    keys = [str(key) for key in given]
    if len(set(keys)) < len(keys):
        twice = next(key for key, n_rows in Counter(keys).items() if n_rows > 1)
        raise PipelineError("a table has one row for each key", value=twice, place=_PLACE)
    return keys


def _read(path: Path) -> pd.DataFrame:
    """Read a CSV file as text: 007 is no number, and nothing no NaN."""
    import pandas as pd

    names, rows = read_csv(path, _PLACE)
    return pd.DataFrame(rows, columns=pd.Index(names), dtype=object)

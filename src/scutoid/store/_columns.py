"""Columns of Python objects, as types that keep every value.

Arrow and pandas guess the type of such a column, and lose what the guess does not hold:
nanoseconds, a time zone, integers beside a missing one.  The type is that of the values::

    [2**53 + 1, None]             Int64
    [Timestamp(1), None]          datetime64[ns]
    [Timestamp(1), 5]             refused: of two kinds
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

_WHOLE, _NUMBERS = "whole numbers", "numbers"
_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("truth values", (bool, np.bool_)),
    (_WHOLE, (int, np.integer)),
    (_NUMBERS, (float, np.floating)),
    ("text", (str,)),
    ("bytes", (bytes, bytearray)),
    ("times", (dt.datetime, np.datetime64)),
    ("dates", (dt.date,)),
    ("durations", (dt.timedelta, np.timedelta64)),
    ("decimals", (decimal.Decimal,)),
)
"""In this order: a datetime is a date, too."""

_NULLABLE = {
    f"{sign}int{bits}": f"{sign.upper()}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
_TOGETHER = ({_WHOLE, _NUMBERS}, {_WHOLE, "decimals"})
"""Kinds that one column may hold: the first are converted to the second."""


def typed_column(column: Any, name: object) -> Any:
    """Return a column of Python objects as one of a type that holds its values.

    Parameters
    ----------
    column : Series
        Any other column comes back as it is, and so does one of text, truth values, bytes, dates,
        decimals, lists or dicts, of which pandas has no type of its own.
    name : object
        Its name, for errors.

    Raises
    ------
    ParameterError
        If the values are of several kinds, or numbers of which no type of 64 bits holds all.
    """
    if not is_of_objects(column):
        return column
    gone = column.isna().to_numpy()
    cells = [None if is_gone else cell for cell, is_gone in zip(column, gone, strict=True)]
    types = {type(cell) for cell in cells if cell is not None}
    kinds = {_kind(kind) for kind in types}
    if len(kinds) > 1 and kinds not in _TOGETHER:
        raise _of_several(name, {kind.__name__ for kind in types})
    if kinds == {_WHOLE}:
        return column.__class__(cells, column.index, dtype=_integer_type(cells, types, name))
    if kinds and kinds <= {_WHOLE, _NUMBERS}:
        return column.__class__(_floats(cells, name), column.index)
    if kinds & {"times", "durations"}:
        typed = column.__class__(cells, column.index, dtype=object).infer_objects()
        if is_of_objects(typed):  # time zones that differ, or nanoseconds beside far times
            raise _of_several(name, {_kind_of_time(cell) for cell in cells if cell is not None})
        return typed
    return column


def is_of_objects(column: Any) -> bool:
    """Whether a column is one of Python objects."""
    return isinstance(column.dtype, np.dtype) and column.dtype.kind == "O"


def is_nested(column: Any) -> bool:
    """Whether a column holds lists, dicts or other objects, which Arrow may change within."""
    if not is_of_objects(column):
        return False
    known = {name for name, _ in _KINDS}
    return any(_kind(type(cell)) not in known for cell in column.dropna())


def check_nested(column: Any, stored: Iterable[object], name: object) -> None:
    """Compare lists, dicts and other objects with what would come back of them.

    Raises
    ------
    ParameterError
        If one would come back as something else.
    """
    for cell, found in zip(column, stored, strict=True):
        if not _comes_back(cell, found):
            raise ParameterError(
                "what a table's cells hold is kept as it is",
                value=f"{cell!r} would come back as {found!r}",
                place=f"column {name!r} of a table",
                remedy="convert it, give dicts of a column the same keys, lists for sets, or "
                "write it as text",
            )


def check_attributes(table: pd.DataFrame) -> None:
    """Look whether the attributes of a table are written as they are: pandas leaves others out.

    Raises
    ------
    ParameterError
        If one of `table.attrs` is no text, number, truth value or None, nor a list of such or a
        dict of such with text for keys.
    """
    if table.attrs and not _is_plain(table.attrs):
        odd = [name for name, value in table.attrs.items() if not _is_plain({name: value})]
        raise ParameterError(
            "attributes of a table are text, numbers, truth values, None, lists of such and dicts "
            "of such with text for keys",
            value=", ".join(f"{name!r}: {table.attrs[name]!r}" for name in odd),
            place="attrs of a table",
            remedy="convert it, such as by .item(), .tolist() and list(), or leave it out: "
            f"del table.attrs[{odd[0]!r}]",
        )


def _is_plain(value: object) -> bool:
    """Whether JSON keeps a value and its type."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def _comes_back(cell: Any, found: Any) -> bool:
    """Whether a value is what is found of it, but for the types of lists.

    Arrow gives each dict the keys of all, and makes a list of a set, in an order of this process.
    """
    if isinstance(found, dict):
        return (
            isinstance(cell, dict)
            and cell.keys() == found.keys()
            and all(_comes_back(cell[key], found[key]) for key in found)
        )
    if isinstance(found, list):
        is_list = isinstance(cell, (list, tuple, np.ndarray))
        return is_list and len(cell) == len(found) and all(map(_comes_back, cell, found))
    if found is None:
        is_nan = isinstance(cell, (float, np.floating)) and np.isnan(cell)
        return is_nan or cell is None or type(cell).__name__ in ("NAType", "NaTType")
    return bool(cell == found) and isinstance(cell, (bool, np.bool_)) == isinstance(found, bool)


def _kind_of_time(cell: Any) -> str:
    """Name the type of a time, with its zone, by which times of a column differ."""
    zone = getattr(cell, "tzinfo", None)
    return type(cell).__name__ + ("" if zone is None else f" in {zone}")


def _kind(kind: type) -> str:
    return next((name for name, known in _KINDS if issubclass(kind, known)), kind.__name__)


def _integer_type(cells: list[Any], types: set[type], name: object) -> str:
    """Return the type of integers that holds the cells, None among them too."""
    given = [cell for cell in cells if cell is not None]
    wide = "int64" if max(given) < 2**63 else "uint64"
    limits = np.iinfo(wide)
    if min(given) < limits.min or max(given) > limits.max:
        raise ParameterError(
            "whole numbers of a column fit into 64 bits, with or without a sign",
            value=f"{min(given)} to {max(given)}",
            place=f"column {name!r} of a table",
            remedy="write them as text: table.astype({...: str})",
        )
    (kind, *others) = types
    narrow = np.dtype(kind).name if not others and issubclass(kind, np.integer) else wide
    return narrow if len(given) == len(cells) else _NULLABLE[narrow]


def _floats(cells: list[Any], name: object) -> NDArray[np.float64]:
    """Return numbers in float64, NaN where there is none."""
    floats = np.array([np.nan if cell is None else float(cell) for cell in cells])
    for cell, number in zip(cells, floats.tolist(), strict=True):
        if cell is not None and cell != number and cell == cell:  # noqa: PLR0124
            raise ParameterError(
                "numbers of a column fit into float64",
                value=f"{cell} ({type(cell).__name__})",
                place=f"column {name!r} of a table",
                remedy="give the column one type in every block, or write it as text",
            )
    return floats


def _of_several(name: object, found: Iterable[str]) -> ParameterError:
    return ParameterError(
        "the values of a column are of one kind",
        value=", ".join(sorted(found)),
        place=f"column {name!r} of a table",
        remedy="convert the column with astype, or write it as text",
    )

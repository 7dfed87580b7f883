"""Conditions on the columns of a table, and their cells as text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from scutoid.errors import ParameterError

if TYPE_CHECKING:
    import pyarrow as pa

Comparison = Literal["contains", "=", "!=", "<", "<=", ">", ">=", "empty", "filled"]
COMPARISONS = get_args(Comparison)

_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a column."""

    column: str
    """Name of the column."""
    comparison: Comparison
    """`contains` compares the text of a cell, upper and lower case alike."""
    value: str = ""
    """What it is compared with, as text."""


def text_of_column(column: pa.ChunkedArray) -> list[str | None]:
    """Write the cells of a column as text: whole numbers with all digits; None where none is."""
    import pyarrow as pa

    values = column.to_pylist()
    if pa.types.is_floating(column.type):
        kind = column.type.to_pandas_dtype()  # 0.1 of float32 is 0.1, not 0.10000000149
        return [None if value is None else str(kind(value)) for value in values]
    return [None if value is None else _text(value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"


def sortable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column whose values pyarrow can sort."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column


def mask_of(column: pa.ChunkedArray, one: Filter) -> Any:
    """Return which rows a condition holds for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if one.comparison in ("empty", "filled"):
        is_empty = pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))
        return is_empty if one.comparison == "empty" else pc.invert(is_empty)
    if one.comparison == "contains":
        text = pa.array([(value or "").casefold() for value in text_of_column(column)])
        return pc.match_substring(text, one.value.casefold())
    kinds = pa.types
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        return _compared(column, one)
    text = column if kinds.is_string(column.type) else pa.array(text_of_column(column))
    return _CALLS[one.comparison](pc, text, pa.scalar(one.value, pa.string()))


_CALLS: dict[str, Any] = {
    "=": lambda pc, left, right: pc.equal(left, right),
    "!=": lambda pc, left, right: pc.not_equal(left, right),
    "<": lambda pc, left, right: pc.less(left, right),
    "<=": lambda pc, left, right: pc.less_equal(left, right),
    ">": lambda pc, left, right: pc.greater(left, right),
    ">=": lambda pc, left, right: pc.greater_equal(left, right),
}


def _compared(column: pa.ChunkedArray, one: Filter) -> Any:
    """Compare numbers; whole ones exactly, however large."""
    import pyarrow as pa
    import pyarrow.compute as pc

    number = _number(one)
    if pa.types.is_floating(column.type):
        with np.errstate(over="ignore"):  # what is shown as 0.1 of float32 equals 0.1
            value = float(column.type.to_pandas_dtype()(number))
        return _CALLS[one.comparison](pc, column.cast(pa.float64()), pa.scalar(value))
    comparison: str = one.comparison
    whole = number
    if isinstance(number, float):
        if math.isnan(number):
            return pc.not_equal(column, column) if comparison != "!=" else pc.equal(column, column)
        comparison, whole = _whole(comparison, number)
    kind = np.iinfo(column.type.to_pandas_dtype())
    if kind.min <= whole <= kind.max:
        return _CALLS[comparison](pc, column, pa.scalar(int(whole), column.type))
    is_true = comparison in ({"!=", "<", "<="} if whole > kind.max else {"!=", ">", ">="})
    everything = pc.equal(column, column)
    return everything if is_true else pc.invert(everything)


def _whole(comparison: str, number: float) -> tuple[str, int]:
    """Return the comparison with a whole number that says the same of whole numbers."""
    if math.isinf(number):
        return comparison, 2**70 if number > 0 else -(2**70)
    if number.is_integer():
        return comparison, int(number)
    if comparison in ("=", "!="):
        return comparison, 2**70  # no whole number equals it
    if comparison in ("<", "<="):
        return "<=", math.floor(number)
    return ">=", math.ceil(number)


def _number(one: Filter) -> int | float:
    text = one.value.strip()
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError as error:
        raise ParameterError(
            "a column of numbers is compared with a number",
            value=one.value,
            place=one.column,
            remedy="write a number such as 42 or 1.5e3, or choose 'contains'",
        ) from error

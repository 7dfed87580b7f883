"""Columns of tables: what is missing in those taken is refused, or NaN; names of those made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from scutoid.errors import ParameterError
from scutoid.kernels import check_in_float64
from scutoid.ops._types import Array
from scutoid.steps import Collection, check_names, own_columns
from scutoid.steps import open as open_image

if TYPE_CHECKING:
    import pandas as pd


def known_values(column: pd.Series[Any], place: str) -> Array:
    """Return a column in which nothing is missing, integers as integers.

    Raises
    ------
    ParameterError
        If something is missing: NaN, None or NA.
    """
    n_missing = int(column.isna().sum())
    if n_missing:
        raise ParameterError(
            "no value is missing of what is counted by",
            value=f"{n_missing} of {len(column)} missing",
            place=f"{place}, column {column.name!r}",
            remedy=f"drop these rows, table.dropna(subset=[{column.name!r}]), or fill them",
        )
    own: Any = column.dtype
    values: Array = column.to_numpy(getattr(own, "numpy_dtype", own))
    return values


def as_floats(column: pd.Series[Any], place: str) -> Array:
    """Return a column of numbers as float64, NaN where something is missing.

    Raises
    ------
    ParameterError
        If it has integers that float64 does not hold.
    """
    if column.dtype.kind in "iu":
        check_in_float64(known_values(column.dropna(), place), f"{place}, column {column.name!r}")
    floats: Array = column.to_numpy(np.float64, na_value=np.nan)
    return floats


def check_groups(
    given: Iterable[object], columns: Callable[[], Iterable[object]], place: str
) -> None:
    """Refuse groups of a folder that are called like columns that its tables will have.

    Parameters
    ----------
    given : iterable
        What an operation gets, collections among it.
    columns : function
        Returns the names of columns that are known beforehand; called where there are groups.
    place : str
        The operation.

    Raises
    ------
    ParameterError
        If there are such.
    """
    groups = [item.ref.node.groups for item in given if isinstance(item, Collection)]
    named = next((one for one in groups if one is not None), None)
    if named is not None:
        check_names(columns(), own_columns(named), f"{place}, columns of its table")


def stand_in(axes: str) -> Any:
    """Return the smallest image with these axes, of which a table has the columns of any other."""
    return open_image(np.zeros((1,) * len(axes), np.uint8), axes=axes)

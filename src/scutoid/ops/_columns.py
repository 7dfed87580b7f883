"""Columns of the tables that operations take, as arrays: what is missing is refused, or NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scutoid.errors import ParameterError
from scutoid.kernels import check_in_float64
from scutoid.ops._types import Array

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

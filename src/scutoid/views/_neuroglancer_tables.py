"""A table of objects as properties that Neuroglancer shows for each segment.

The file's format is Neuroglancer's "precomputed segment properties".
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from scutoid.errors import ScutoidWarning

_NAMES = ("name", "region", "acronym")
"""Columns whose text stands beside the number of an object: the first of them that there is."""
_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_EXACT = 2**24
"""Whole numbers up to here are exact in float32."""


def segment_properties(frame: pd.DataFrame, ids: str, name: str) -> Callable[..., bytes | None]:
    """Return what serves the rows of a table by object.

    Parameters
    ----------
    frame : DataFrame
        The table.
    ids : str
        Its column with the numbers of objects.
    name : str
        Of the layer, for warnings.
    """
    repeated = frame[ids].duplicated()
    if repeated.any():
        warnings.warn(
            f"{int(repeated.sum())} rows of {name!r} have a number in {ids!r} that another has "
            "before them, as at several times: the page shows the first row of each",
            ScutoidWarning,
            stacklevel=4,
        )
        frame = frame[~repeated]

    def serve(path: tuple[str, ...]) -> bytes | None:
        return json.dumps(info(frame, ids), allow_nan=False).encode() if path == ("info",) else None

    return serve


def info(frame: pd.DataFrame, ids: str) -> dict[str, object]:
    """Return the file of properties.

    Whole numbers keep their digits: those that need more than 32 bits are text.  Other numbers are
    float32, or text where one is infinite.  Missing values are "NaN", as text they are empty.
    """
    title = title_of(frame)
    properties = []
    for column in map(str, frame.columns):
        if column == ids:
            continue
        values = frame[column]
        if column == title:
            found: dict[str, object] = {"type": "label", "values": _texts(values)}
        else:
            found = _property(values)
        properties.append({"id": column, **found})
    numbers = [str(as_id(number)) for number in frame[ids]]
    inline = {"ids": numbers, "properties": properties}
    return {"@type": "neuroglancer_segment_properties", "inline": inline}


def title_of(frame: pd.DataFrame) -> str | None:
    """Return the column with the names of regions; None if a table has none."""
    return next((column for column in _NAMES if column in frame.columns), None)


def as_id(number: int) -> int:
    """Return the number of an object as the viewer has it: those below 0 are 2**64 higher."""
    return int(number) % 2**64


def _property(values: pd.Series) -> dict[str, object]:
    kind = number_type(values)
    if kind is None:
        return {"type": "string", "values": _texts(values)}
    if kind == "float32":
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        # A number that is null would be read as 0
        listed: list[object] = [
            "NaN" if math.isnan(number) else float(number) for number in numbers
        ]
    else:
        listed = [int(number) for number in values]
    return {"type": "number", "data_type": kind, "values": listed}


def number_type(values: pd.Series) -> str | None:
    """Return the type of a column of numbers that the viewer has; None: it has to be text.

    Examples
    --------
    >>> (
    ...     number_type(pd.Series([1, 300])),
    ...     number_type(pd.Series([2**40])),
    ...     number_type(pd.Series([0.5, None])),
    ... )
    ('uint16', None, 'float32')
    """
    if pd.api.types.is_bool_dtype(values.dtype) and not values.isna().any():
        return "uint8"
    if pd.api.types.is_integer_dtype(values.dtype):
        known = values.dropna()
        low, high = (int(known.min()), int(known.max())) if len(known) else (0, 0)
        if len(known) < len(values):
            return "float32" if max(-low, high) <= _EXACT else None
        fits = (t for t in _INTEGERS if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
        return next(fits, None)
    if not pd.api.types.is_float_dtype(values.dtype):
        return None
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    largest = float(np.finfo(np.float32).max)
    return None if (np.abs(numbers) > largest).any() else "float32"


def _texts(values: pd.Series) -> list[str]:
    missing = values.isna()
    return ["" if gone else str(value) for value, gone in zip(values, missing, strict=True)]

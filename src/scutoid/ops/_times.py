"""Times of the places along t in tables: a column ``time``, and its unit in ``.attrs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scutoid.arrays import SPATIAL
from scutoid.steps import TIME_UNIT, Described, StepBlock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from scutoid.ops._types import Array, Arrays

TIME = "time"
"""Name of the column."""
_AXIS = "t"


def times_of(block: StepBlock) -> list[object]:
    """Return what a block keeps of its times: interval, unit and origin; nothing if unknown."""
    is_iterated = _AXIS in block.axes and _AXIS not in block.function_axes
    return [] if block.time is None or not is_iterated else list(block.time.to_list())


def place_columns(image: Described) -> list[str]:
    """Return the columns of a table that say where along the other axes of an image a row is."""
    axes = [axis for axis in image.axes if axis not in SPATIAL]
    return [*axes, *([TIME] if _AXIS in axes and image.time is not None else [])]


def times_as_array(block: StepBlock) -> Array:
    """Return what `times_of` does as an array, for the parts of a block."""
    return np.array(["" if each is None else str(each) for each in times_of(block)], np.str_)


def times_of_part(part: Mapping[str, Array]) -> list[object]:
    """Return what `times_as_array` made into an array ``times``."""
    return [text or None for text in part["times"].tolist()]


def with_times_from(table: pd.DataFrame, source: pd.DataFrame) -> pd.DataFrame:
    """Add the times of a table with a column t that was made of another one, if that says them."""
    if (
        not {_AXIS, TIME} <= set(source.columns)
        or _AXIS not in table
        or (TIME_UNIT not in source.attrs)
    ):
        return table
    known = source.drop_duplicates(_AXIS).set_index(_AXIS)[TIME]
    table.insert(list(table.columns).index(_AXIS) + 1, TIME, table[_AXIS].map(known))
    table.attrs[TIME_UNIT] = source.attrs[TIME_UNIT]
    return table


def place_of(block: StepBlock) -> Arrays:
    """Return what a block keeps of its image's place, for the rows that are made of it."""
    iterated = "".join(axis for axis in block.axes if axis not in block.function_axes)
    return {
        "iterated": np.array(iterated or " "),
        "place": np.array([block.write_roi.offset[block.axes.index(a)] for a in iterated], int),
        "times": times_as_array(block),
    }


def with_times(columns: Mapping[str, Array], times: list[object]) -> dict[str, Array]:
    """Add the time of each row after the columns of its place, if times are known."""
    if not times or _AXIS not in columns:
        return dict(columns)
    interval, _, origin = times
    found: dict[str, Array] = {}
    for name, column in columns.items():
        found[name] = column
        if name == _AXIS:
            found[TIME] = float(str(origin)) + column * float(str(interval))
    return found


def with_time_unit(table: pd.DataFrame, times: list[object]) -> pd.DataFrame:
    """Say the unit of a table's times, in the table itself."""
    if times and TIME in table.columns:
        table.attrs[TIME_UNIT] = times[1]
    return table

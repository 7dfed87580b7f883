"""Times of the places along t in tables: a column ``time``, and its unit in ``.attrs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scutoid.steps import TIME_UNIT, StepBlock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from scutoid.ops._types import Array

TIME = "time"
"""Name of the column."""
_AXIS = "t"


def times_of(block: StepBlock) -> list[object]:
    """Return what a block keeps of its times: interval, unit and origin; nothing if unknown."""
    is_iterated = _AXIS in block.axes and _AXIS not in block.function_axes
    return [] if block.time is None or not is_iterated else list(block.time.to_list())


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

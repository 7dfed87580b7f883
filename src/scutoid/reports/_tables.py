"""What a report says of the tables of a run: rows, histograms of objects, a chart of regions.

Only the columns that are shown are read, from the Parquet file of a result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.reports._charts import Bars, Histogram, bars
from scutoid.reports._facts import RunFacts, StepFacts
from scutoid.reports._places import entry_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_SIZES = ("size", "n_voxels", "volume", "area", "equivalent_diameter", "radius")
"""Columns of sizes, of which the first that is there is shown."""
_INTENSITIES = ("mean", "intensity", "sum")
_MOST_ROWS = 20_000_000
_MOST_REGIONS = 5_000
_COUNTS = ("n", "cells", "count", "n_total", "n_objects", "density")
"""Columns that count something by region."""
_NAMES = ("name", "region", "acronym", "id")
"""Columns that name a region, of which the first that is there is shown."""
_MOST_CHARTS = 4
_LEAST_OBJECTS = 3


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What is shown of one table."""

    step: str
    """Name of the step that made it."""
    name: str
    """Which of its outputs it is."""
    n_rows: int
    """Rows."""
    columns: tuple[str, ...]
    """Names of its columns."""
    histograms: tuple[Histogram, ...] = ()
    """Of sizes and intensities."""
    regions: Bars | None = None
    """Of a table by region: its counts."""
    note: str = ""
    """What is not shown, and why."""

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "step": self.step,
            "name": self.name,
            "n_rows": self.n_rows,
            "columns": list(self.columns),
            "histograms": [one.to_dict() for one in self.histograms],
            "regions": None if self.regions is None else self.regions.to_dict(),
            "note": self.note,
        }


def tables_of(facts: RunFacts) -> Iterator[TableFacts]:
    """Go through the tables that the steps of a run have stored; one that is damaged says so."""
    for step in facts.steps:
        for output in step.outputs:
            if output.kind == "table":
                path = entry_of(facts, step).path / f"{output.name}.parquet"
                if path.is_file():
                    yield _table(step, output.name, path)


def _table(step: StepFacts, name: str, path: Path) -> TableFacts:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return _read(step, name, file)
    except (OSError, pa.ArrowException, ValueError) as error:
        return TableFacts(step.name, name, 0, (), note=f"not read: {str(error)[:200]}")


def _read(step: StepFacts, name: str, file: pq.ParquetFile) -> TableFacts:
    schema = file.schema_arrow
    columns, n_rows = tuple(schema.names), file.metadata.num_rows
    numbers = [field.name for field in schema if _is_number(field.type)]
    if n_rows > _MOST_ROWS:
        note = f"no charts: it has more than {_MOST_ROWS} rows"
        return TableFacts(step.name, name, n_rows, columns, note=note)
    regions = _regions(file, columns, numbers, n_rows)
    shown = () if regions is not None or n_rows < _LEAST_OBJECTS else _shown(columns, numbers)
    histograms = []
    for column in shown:
        histogram = Histogram.of(column, _values(file.read([column]).column(0)))
        if histogram is not None:
            histograms.append(histogram)
    return TableFacts(step.name, name, n_rows, columns, tuple(histograms), regions)


def _values(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return the numbers of a column, NaN where there is none, without loading pandas."""
    parts = [_values_of(chunk) for chunk in column.chunks if len(chunk)]
    return np.concatenate([np.zeros(0), *parts], dtype=np.float64)


def _values_of(chunk: pa.Array) -> NDArray[Any]:
    if not chunk.null_count:
        return np.from_dlpack(chunk)
    numbers = chunk.cast("float64", safe=False)
    kind, data = numbers.type, numbers.buffers()[1]
    # Of pyarrow 26 also fill_null loads pandas, as it makes a scalar
    bare = type(numbers).from_buffers(kind, len(numbers), [None, data], offset=numbers.offset)
    is_there = np.from_dlpack(chunk.is_valid().cast("uint8"))
    return np.where(is_there != 0, np.from_dlpack(bare), np.nan)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _shown(columns: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Choose columns of sizes and intensities, those of channels (`mean_c1`) among them."""
    sizes = [name for name in _SIZES if name in numbers][:1]
    intensities = [
        name
        for name in columns
        if name in numbers
        and (name in _INTENSITIES[:2] or name.startswith(tuple(f"{n}_" for n in _INTENSITIES[:2])))
    ]
    return (sizes + intensities)[:_MOST_CHARTS]


def _regions(
    file: pq.ParquetFile, columns: Sequence[str], numbers: Sequence[str], n_rows: int
) -> Bars | None:
    """Chart a table that has a number for each of named regions."""
    counts = next((name for name in _COUNTS if name in numbers), None)
    named = [name for name in _NAMES if name in columns]
    is_by_region = "region" in named or {"id", "acronym"} <= set(named)
    if counts is None or not is_by_region or not 0 < n_rows <= _MOST_REGIONS:
        return None
    table = file.read([*named, counts])
    texts = zip(*(table.column(name).to_pylist() for name in named), strict=True)
    names = [next((str(text) for text in row if text not in (None, "")), "") for row in texts]
    values = table.column(counts).to_pylist()
    totals: dict[str, float] = {}  # of several time points or channels, all together
    for name, value in zip(names, values, strict=True):
        if value is not None and value == value:  # noqa: PLR0124 - NaN
            totals[name] = totals.get(name, 0) + value
    return bars(f"{counts} by {named[0]}", [row for row in totals.items() if row[1] > 0])

"""What a report reads of tables."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scutoid.reports._tables import _values


@pytest.mark.parametrize("kind", ["int8", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
def test_the_numbers_of_a_column_are_those_that_pandas_reads(kind, missing) -> None:
    numbers = np.arange(6).astype(kind)
    parts = [pa.array(numbers[:4]), pa.array([], kind), pa.array(numbers)[1:5]]
    if missing:
        parts.append(pa.array([None, 1], kind))
    column = pa.chunked_array(parts, kind)
    found = _values(column)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, column.to_numpy().astype(np.float64))


def test_histograms_are_drawn_without_pandas(tmp_path) -> None:
    pq.write_table(pa.table({"size": [0.5, 2.0, None, 3.0]}), tmp_path / "table.parquet")
    code = """
import sys
import pyarrow.parquet as pq
from scutoid.reports._charts import Histogram
from scutoid.reports._tables import _values

with pq.ParquetFile(sys.argv[1]) as file:
    values = _values(file.read(columns=["size"])["size"])
assert Histogram.of("size", values) is not None
print("pandas" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "table.parquet"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"

"""What a report reads of tables."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
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


def test_histograms_are_drawn_without_pandas() -> None:
    code = """
import json, sys
import numpy as np
import pyarrow as pa
from scutoid.reports._charts import Histogram
from scutoid.reports._tables import _values

values = _values(pa.chunked_array([pa.array(np.arange(9.0)), pa.array([None, 1.5])], "float64"))
assert Histogram.of("size", values) is not None
print(json.dumps("pandas" in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not json.loads(done.stdout)

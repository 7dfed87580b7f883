"""Values as JSON and npy: they come back as they were."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.errors import DamagedResult
from scutoid.store import FORMATS
from scutoid.store.formats import choose_format
from scutoid.testing import FormatTests

NUMBERS = (
    hnp.from_dtype(np.dtype("float32"))
    | hnp.from_dtype(np.dtype("float64"))
    | hnp.from_dtype(np.dtype("uint64"))
    | hnp.from_dtype(np.dtype("bool"))
    | hnp.from_dtype(np.dtype("complex64"))
)


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text()
) | NUMBERS


KEYS = st.just("__scutoid__") | st.integers() | st.tuples(st.integers(), st.booleans())


VALUES = st.recursive(
    LEAVES | hnp.arrays(hnp.floating_dtypes(sizes=(32, 64)), hnp.array_shapes(max_dims=2)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (complex, np.complexfloating)):
        return same(float(one.real), float(other.real)) and same(float(one.imag), float(other.imag))
    is_nan = isinstance(one, (float, np.floating)) and math.isnan(one)
    return (is_nan and math.isnan(other)) or one == other


class TestJson(FormatTests):
    format = FORMATS["json"]

    def values(self):
        return [
            None, True, 12, -0.0, math.inf, 1j, "", "a\nµ\ud800", [], {}, (1, [2]),
            {"a": {"b": ()}}, {(1, "a"): 2.5}, np.float32(0.1), np.zeros((0, 3), "int16"),
            np.arange(6.0).reshape(2, 3),
        ]  # fmt: skip

    def strangers(self):
        return [b"a", np.zeros(1001), np.longdouble(1), pd.DataFrame(), [object()], 10**5000]

    def is_same(self, one, other):
        return same(one, other)


class TestNpy(FormatTests):
    format = FORMATS["npy"]

    def values(self):
        fields = [(f"a long name of a field, number {n}", ">f8", (2, 2)) for n in range(400)]
        return [
            np.zeros((100, 100)), np.array(3, "float16"), np.zeros((0, 5), "int8"),
            np.array(["a", "bc"]), np.array(b"a"), np.arange(5, dtype=">i4"), np.array([1j], "F"),
            np.array(["2026-01-01", "NaT"], "M8[us]"), np.zeros(3, fields),
            np.asfortranarray(np.arange(12).reshape(3, 4)), np.array([True, False]),
        ]  # fmt: skip

    def strangers(self):
        return [1, [1], pd.DataFrame(), np.array([{}]), np.zeros(2, [("a", object)])]


@settings(max_examples=100)
@given(VALUES)
def test_json_values_come_back_as_they_were(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    assert choose_format(value).name == "json"
    FORMATS["json"].save(value, path)
    assert same(FORMATS["json"].load(path), value)
    json.loads(path.read_text(), parse_constant=pytest.fail)  # NaN is no JSON


def test_a_dict_of_text_is_plain_json_and_other_keys_come_back_as_they_were(tmp_path):
    path = tmp_path / "value.json"
    FORMATS["json"].save({"n": 3, "mean": 1.5}, path)
    assert json.loads(path.read_text()) == {"n": 3, "mean": 1.5}
    counts = {np.int64(1): 20, 2: 30, (0, "a"): None, None: 1}
    FORMATS["json"].save(counts, path)
    found = FORMATS["json"].load(path)
    assert found == counts
    assert list(map(type, found)) == list(map(type, counts))


def test_no_pickle_is_read(tmp_path):
    path = tmp_path / "value.npy"
    with path.open("wb") as file:
        np.save(file, np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedResult):
        FORMATS["npy"].load(path)

"""Formats: values come back as they were, by type or by name, also from other packages."""

from __future__ import annotations

import json
import math
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.errors import DamagedResult, ParameterError
from scutoid.store import FORMATS, EntryStore, Format, Recipe
from scutoid.store._formats import choose_format

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


@settings(max_examples=100)
@given(VALUES)
def test_json_values_come_back_as_they_were(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    assert choose_format(value).name == "json"
    FORMATS["json"].save(value, path)
    assert same(FORMATS["json"].load(path), value)
    json.loads(path.read_text(), parse_constant=pytest.fail)  # NaN is no JSON


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "json"),
        (np.float32(1), "json"),
        (np.arange(10), "json"),
        ({"a": np.arange(10)}, "json"),
        (np.zeros((100, 100)), "npy"),
        (np.array(["a", "b"]), "npy"),
        (np.array("2026-01-01", "datetime64[D]"), "npy"),
        (np.zeros(3, [("a", "i4")]), "npy"),
        (pd.DataFrame({"a": [1]}), "parquet"),
    ],
)
def test_the_type_chooses_the_format_and_the_value_comes_back(tmp_path, value, name):
    chosen = choose_format(value)
    assert chosen.name == name
    path = tmp_path / f"value{chosen.suffix}"
    chosen.save(value, path)
    found = chosen.load(path)
    assert type(found) is type(value)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(found, value)
    elif isinstance(value, dict):
        assert same(found, value)
    else:
        np.testing.assert_array_equal(found, value)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {b"a": 1},
        {1, 2},
        np.array([object()]),
        np.ma.MaskedArray(np.zeros(2000)),
        np.array(["a"], np.dtypes.StringDType()),
        print,
        np.longdouble(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_open_format_holds_is_refused(value):
    with pytest.raises(ParameterError, match="returns tables, arrays"):
        choose_format(value)


def test_what_is_refused_is_named_with_its_place():
    with pytest.raises(ParameterError, match="dict with list with set at 1 at 'a'"):
        choose_format({"a": [1, {2}]})


def test_a_dict_of_text_is_plain_json_and_other_keys_come_back_as_they_were(tmp_path):
    path = tmp_path / "value.json"
    FORMATS["json"].save({"n": 3, "mean": 1.5}, path)
    assert json.loads(path.read_text()) == {"n": 3, "mean": 1.5}
    counts = {np.int64(1): 20, 2: 30, (0, "a"): None, None: 1}
    FORMATS["json"].save(counts, path)
    found = FORMATS["json"].load(path)
    assert found == counts
    assert list(map(type, found)) == list(map(type, counts))


def test_a_format_by_name_takes_only_what_it_holds(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    csv = choose_format(table, "csv")
    csv.save(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,x\n2,y\n"
    pd.testing.assert_frame_equal(csv.load(tmp_path / "t.csv"), table)
    with pytest.raises(ParameterError, match="made for"):
        choose_format(1, "csv")
    with pytest.raises(ParameterError, match="parquet, json"):
        choose_format(1, "pickle")


@pytest.mark.parametrize(
    ("name", "value"),
    [("parquet", pd.DataFrame({"a": [1, 2]})), ("json", [1, 2]), ("npy", np.arange(2000))],
)
def test_files_that_are_cut_off_are_damage(tmp_path, name, value):
    path = tmp_path / "value"
    FORMATS[name].save(value, path)
    content = path.read_bytes()
    for size in (0, 1, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:size])
        with pytest.raises(DamagedResult):
            FORMATS[name].load(path)


def test_no_pickle_is_read(tmp_path):
    path = tmp_path / "value.npy"
    with path.open("wb") as file:
        np.save(file, np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedResult):
        FORMATS["npy"].load(path)


def test_other_packages_add_formats(tmp_path, monkeypatch):
    text = Format(
        "bytes",
        ".bin",
        lambda value: isinstance(value, bytes),
        lambda value, path: path.write_bytes(value),
        lambda path: path.read_bytes(),
    )

    class Point:
        name = "bytes"

        def load(self):
            return text

    monkeypatch.setattr(metadata, "entry_points", lambda group: [Point()])
    entry = EntryStore(tmp_path).entry("s", "k" * 64)
    entry.begin(Recipe(step="s", key=entry.key))
    assert entry.save(b"abc", "value").name == "value.bin"
    entry.commit()
    assert entry.load("value") == b"abc"
    assert choose_format(b"", "bytes") is text

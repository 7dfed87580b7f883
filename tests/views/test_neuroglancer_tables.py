"""Tables as properties of segments."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from scutoid.errors import ScutoidWarning
from scutoid.views._neuroglancer_tables import segment_properties


def properties(frame):
    body = segment_properties(frame, "label", "cells")(("info",))
    inline = json.loads(body, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    return inline["inline"]["ids"], {p["id"]: p for p in inline["inline"]["properties"]}


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        ([0, 200], "uint8", [0, 200]),
        ([-1, 5], "int8", [-1, 5]),
        ([0, 70_000], "uint32", [0, 70_000]),
        ([-5, 70_000], "int32", [-5, 70_000]),
        ([0, 2**32 - 1], "uint32", [0, 2**32 - 1]),
        ([0, 2**32], None, ["0", "4294967296"]),
        (np.array([0, 2**64 - 1], "u8"), None, ["0", "18446744073709551615"]),
        ([-(2**40), 2], None, ["-1099511627776", "2"]),
        ([0.5, 1.25], "float32", [0.5, 1.25]),
        ([0.5, np.nan], "float32", [0.5, "NaN"]),
        ([0.5, np.inf], None, ["0.5", "inf"]),
        ([1e300, 1.0], None, ["1e+300", "1.0"]),
        ([True, False], "uint8", [1, 0]),
        (pd.array([7, None], "Int64"), "float32", [7.0, "NaN"]),
        (pd.array([2**60 + 1, None], "Int64"), None, ["1152921504606846977", ""]),
        (pd.array([True, None], "boolean"), None, ["True", ""]),
        (["a", None], None, ["a", ""]),
        (pd.Categorical(["a", "b"]), None, ["a", "b"]),
        (pd.to_datetime(["2026-01-02", None]), None, ["2026-01-02 00:00:00", ""]),
        (np.array([0.5, 2], "f2"), "float32", [0.5, 2.0]),
    ],
)
def test_columns_keep_what_they_say(values, kind, shown):
    _, found = properties(pd.DataFrame({"label": [1, 2], "value": values}))
    assert found["value"]["values"] == shown
    assert found["value"].get("data_type") == kind
    assert found["value"]["type"] == ("string" if kind is None else "number")


@pytest.mark.parametrize(
    ("number", "text"),
    [(2**64 - 1, "18446744073709551615"), (2**53 + 1, "9007199254740993"), (1, "1")],
)
def test_numbers_of_objects_are_exact_text(number, text):
    ids, _ = properties(pd.DataFrame({"label": np.array([number], "u8")}))
    assert ids == [text]


def test_numbers_below_zero_are_those_that_the_chunks_have():
    ids, _ = properties(pd.DataFrame({"label": [-1]}))
    assert ids == ["18446744073709551615"]


def test_the_name_of_a_region_stands_beside_its_number():
    frame = pd.DataFrame(
        {"label": [5, 9], "acronym": ["CTX", "TH"], "name": ["cortex", "thalamus"]}
    )
    _, found = properties(frame)
    assert found["name"] == {"id": "name", "type": "label", "values": ["cortex", "thalamus"]}
    assert found["acronym"]["type"] == "string"


def test_the_first_row_of_each_object_is_shown_with_a_warning():
    frame = pd.DataFrame({"label": [1, 2, 1], "t": [0, 0, 1]})
    with pytest.warns(ScutoidWarning, match=r"1 rows of 'cells'.*the first row of each"):
        ids, found = properties(frame)
    assert ids == ["1", "2"]
    assert found["t"]["values"] == [0, 0]


def test_a_table_without_rows_is_shown():
    with warnings.catch_warnings(action="error"):
        ids, found = properties(pd.DataFrame({"label": np.empty(0, int), "mean": np.empty(0)}))
    assert ids == []
    assert found["mean"]["values"] == []


def test_there_is_nothing_else():
    assert segment_properties(pd.DataFrame({"label": [1]}), "label", "cells")(("more",)) is None

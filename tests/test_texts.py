"""Texts of JSON: what is written, by whichever way, is the same."""

from __future__ import annotations

import json
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.texts import json_text, parse_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NAMES = st.text() | st.integers() | st.booleans() | st.none() | st.floats()
VALUES = st.recursive(
    SCALARS,
    lambda items: (
        st.lists(items)
        | st.lists(items).map(tuple)
        | st.dictionaries(NAMES, items)
        | st.dictionaries(NAMES, items).map(OrderedDict)
    ),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([0, 1, 2]), st.booleans())
def test_a_text_is_that_of_the_standard_library(value, indent, is_ascii):
    expected = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    assert json_text(value, indent=indent, ensure_ascii=is_ascii) == expected


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}])
def test_numbers_that_are_none_are_refused_where_asked(value):
    assert json_text(value) == json.dumps(value, indent=1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text(value, allow_nan=False)


@pytest.mark.parametrize("value", [{1, 2}, [b"a"], {"a": np.int64(1)}, {(1, 2): 3}])
def test_what_json_has_no_word_for_is_refused(value):
    with pytest.raises(TypeError):
        json_text(value)


def test_numbers_of_derived_types_are_numbers():
    value = {"a": np.float64(1.5), "b": [np.str_("c")]}
    assert json_text(value) == json.dumps(value, indent=1)


@pytest.mark.parametrize(
    ("opened", "closed"), [("[", "]"), ('{"a": ', "}")], ids=["lists", "objects"]
)
@pytest.mark.parametrize("n", [1001, 3000, 100_000])
def test_what_is_nested_deeper_than_functions_call_one_another_is_refused(n, opened, closed):
    for text in (opened * n + "1" + closed * n, f"[1, {opened * n}1{closed * n}, []]"):
        for each in (text, text.encode()):
            with pytest.raises(ValueError, match="nested too deep"):
                parse_json(each)


def test_what_is_long_and_not_deep_is_read():
    value = {"lists": [[n, {"n": n}] for n in range(2000)], "deep": json.loads("[" * 90 + "]" * 90)}
    assert parse_json(json.dumps(value)) == value

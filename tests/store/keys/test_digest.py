"""One digest for a value: laws, kinds, and what is refused."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import itertools
import math
import operator
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.errors import ParameterError
from scutoid.geometry import Roi
from scutoid.store import canonical_digest, describe

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


class Mode(enum.Enum):
    FAST = 1
    EXACT = 2


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass(frozen=True)
class Settings:
    sigma: float = 1.0
    mode: Mode = Mode.FAST
    nested: object = None


class Point(NamedTuple):
    x: int
    y: int


class Keyed:
    def __init__(self, value):
        self.value = value

    def __scutoid_key__(self):
        return {"value": self.value}


def double(x):
    return 2 * x


def typed(value):
    """The value with the type of each part, as what may be told apart."""
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(typed, value))
    if isinstance(value, dict):
        return dict, tuple((typed(k), typed(v)) for k, v in value.items())
    return type(value), value, isinstance(value, float) and math.copysign(1, value)


@settings(max_examples=100)
@given(VALUES, VALUES)
def test_digests_are_equal_just_where_values_and_types_are(one, other):
    assert (canonical_digest(one) == canonical_digest(other)) == (typed(one) == typed(other))


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=6), st.randoms())
def test_the_order_of_dicts_counts_and_that_of_sets_does_not(value, random):
    items = list(value.items())
    random.shuffle(items)
    is_same = items == list(value.items())
    assert (canonical_digest(dict(items)) == canonical_digest(value)) == is_same
    members = [*value]
    random.shuffle(members)
    assert canonical_digest(set(members)) == canonical_digest(set(value))


DIFFERENT = [
    None, True, False, 0, 1, 2, -1, 1.5, 0.0, 1.0, 2.0, float("inf"), 1j, "", "1", b"", b"1",
    bytearray(b"1"), (), [], (1,), [1], ((1,),), {}, set(), {1}, {"a": 1}, {1: "a"}, ...,
    slice(1, 2), range(1, 2), (1, 2, None), np.int64(1), np.int32(1), np.float64(1), np.float32(1),
    np.bool_(True), np.array(1), np.array([1]), np.array([1.0]), np.array([[1]]), np.array(["1"]),
    np.array(["1"], object), np.dtype("int32"), np.float32, int, double, np.sin, len,
    Mode.FAST, Mode.EXACT, Level.LOW, Settings(), Settings(2.0), Settings(mode=Mode.EXACT),
    Point(1, 2), (1, 2), Roi((0,), (1,)), Roi((0,), (2,)), Keyed(1), Keyed(2),
    dt.date(2026, 1, 1), dt.datetime(2026, 1, 1), dt.time(1), dt.timedelta(1),  # noqa: DTZ001
    dt.UTC, decimal.Decimal(1), re.compile("a"), re.compile("a", re.IGNORECASE),
    functools.partial(double, 1), functools.partial(double, 2), functools.partial(double, x=1),
    pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]}), pd.DataFrame({"a": [1.0, 2.0]}),
    pd.DataFrame({"a": [1, 2]}, index=[1, 0]), pd.DataFrame({"a": ["1", "2"]}), pd.DataFrame(),
    pd.Series([1, 2], name="a"), pd.Series([1, 2]), pd.Series([1, 2], dtype="Int64"),
    pd.Series([1, None], dtype="Int64"), pd.Series(["x", "y"], dtype="category"),
    pd.Series(["x", "x"], dtype="category"), pd.Timestamp("2026-01-01"),
    pd.Timestamp("2026-01-01T00:00:00.000000001"), pd.NaT, pd.Timedelta(1, "ns"),
    pd.Timedelta(2, "ns"), pd.Series([1.0, None], dtype="Float32"),
    np.ma.MaskedArray([1, 2], [0, 1]), np.ma.MaskedArray([1, 2], [1, 0]),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("c", "f8")]),
    collections.OrderedDict(a=1), collections.defaultdict(int, a=1),
    collections.defaultdict(str, a=1), types.SimpleNamespace(a=1), types.SimpleNamespace(a=2),
    operator.itemgetter(1), operator.itemgetter(2), operator.attrgetter("a"),
    operator.methodcaller("a", 1), operator.methodcaller("a", n=1),
]  # fmt: skip


def test_values_that_differ_have_different_digests():
    digests = [canonical_digest(value) for value in DIFFERENT]
    twice = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(zip(DIFFERENT, digests, strict=True), 2)
        if a == b
    ]
    assert twice == []


def test_digests_are_the_same_again():
    assert [canonical_digest(v) for v in DIFFERENT] == [canonical_digest(v) for v in DIFFERENT]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (float("nan"), -float("nan")),
        (frozenset({1, 2}), frozenset({2, 1})),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2).T.reshape(2, 3, order="F") * 0
         + np.arange(6).reshape(2, 3)),
        (np.arange(10)[::2], np.array([0, 2, 4, 6, 8])),
        (np.arange(3, dtype="=i4"), np.arange(3, dtype="<i4")),
        (np.float32("nan"), np.float32(np.nan)),
        (pd.DataFrame({"a": ["x", None]}), pd.DataFrame({"a": ["x", None]})),
        (lambda x: x + 1, lambda x: (x + 1)),
        (Settings(nested=[np.zeros(2)]), Settings(nested=[np.zeros(2)])),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_that_are_one_have_one_digest(one, other):
    assert canonical_digest(one) == canonical_digest(other)


def test_one_bit_of_an_array_counts():
    array = np.zeros((30, 30), "uint16")
    other = array.copy()
    other[29, 29] = 1
    assert canonical_digest(array) != canonical_digest(other)


def test_a_path_counts_by_its_content_and_text_by_its_letters(tmp_path):
    one, other = tmp_path / "a.txt", tmp_path / "b.txt"
    one.write_text("same")
    other.write_text("same")
    assert canonical_digest(one) == canonical_digest(other)
    assert canonical_digest(str(one)) != canonical_digest(str(other))
    before = canonical_digest(one)
    one.write_text("else")
    assert canonical_digest(one) != before


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "level"),
        ({"a": [1, 2, 3, object()]}, "level['a'][3]"),
        (Settings(nested=(object(),)), "level.nested[0]"),
        ({object(): 1}, "level, key"),
        (Keyed(object()), "level.__scutoid_key__()['value']"),
        (np.array([1, object()]), "level[1]"),
        (pd.DataFrame({"a": [object()]}), "level['a'][0]"),
        ({1, frozenset({object()})}, "level, member, member"),
        (iter([1]), "level"),
        (np.random.default_rng(0), "level"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_stable_form_is_refused_with_its_place(value, place):
    with pytest.raises(ParameterError, match="the same in every run") as caught:
        canonical_digest(value, "level")
    assert str(caught.value.place).startswith(place)
    assert "__scutoid_key__" in str(caught.value)


def test_a_value_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(ParameterError, match="contain itself"):
        canonical_digest(value)


def test_digests_do_not_depend_on_the_process(tmp_path):
    script = tmp_path / "digest.py"
    script.write_text(
        "import numpy as np\nfrom scutoid.store import canonical_digest\n"
        "print(canonical_digest({'a': {1, 'x', (2, 3)}, 'b': [np.arange(4), 1.5, None]}))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_descriptions_are_short_and_say_what_it_is():
    for value in DIFFERENT:
        assert 0 < len(describe(value)) <= 61
    assert describe(Mode.FAST) == "Mode.FAST"
    assert describe(Path("a/b.tif")) == "a/b.tif"
    assert describe(functools.partial(double, 1)) == "partial of double"
    assert describe("x" * 500).endswith("…")


GAPS = [
    np.dtype(np.longdouble),
    np.dtype(np.clongdouble),
    np.dtype([("a", "i1"), ("b", "f8")], align=True),
    np.dtype(
        [("a", "i1"), ("b", np.longdouble, (2,)), ("c", [("d", "i1"), ("e", "f4")])], align=True
    ),
    np.dtype({"names": ["a"], "formats": ["u2"], "offsets": [3], "itemsize": 8}),
]


@pytest.mark.parametrize("dtype", GAPS, ids=str)
def test_bytes_between_the_values_of_an_array_do_not_count(dtype):
    def made(filling, value):
        array = np.empty(3, dtype)
        array.view(np.uint8)[:] = filling
        _set(array, value)
        return canonical_digest(array)

    assert made(0, 1) == made(7, 1) == made(255, 1) != made(0, 2)


def _set(array, value):
    for name in array.dtype.names or ():
        _set(array[name], value)
    if array.dtype.names is None:
        array[...] = value


def test_signs_of_zero_in_long_numbers_count():
    assert canonical_digest(np.zeros(2, np.longdouble)) != canonical_digest(
        -np.zeros(2, np.longdouble)
    )

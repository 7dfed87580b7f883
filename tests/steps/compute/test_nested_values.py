"""Values of any nesting come back from a store as they were, or are refused."""

from __future__ import annotations

import collections
import enum
import math
import types
import typing

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed, StepError
from scutoid.steps.compute import decode, encode
from scutoid.store import choose_format


class Point(typing.NamedTuple):
    y: int
    x: int


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Listed(list):
    pass


class Named(dict):
    pass


class Lengths(np.ndarray):
    unit = "um"


class Step(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    A = "a"


def noted_counter():
    counter = collections.Counter("aab")
    counter.note = "of a"
    return counter


DERIVED = [
    Point(1, 2), Text("a"), Whole(1), Real(0.5), Listed([1]), Named(a=1), Step.ONE, Word.A,
    types.MappingProxyType({"a": 1}), noted_counter(), collections.defaultdict(lambda: 3, a=1),
    np.ones(2).view(Lengths), np.ma.masked_array([1, 2], [True, False]),
    np.ones(2).view(np.recarray), {1, 2}, frozenset({1}),
    np.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)])[0],
]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text().map(np.str_)
    | hnp.from_dtype(np.dtype("float32"))
    | hnp.from_dtype(np.dtype("uint64"))
    | hnp.from_dtype(np.dtype("bool"))
    | hnp.arrays(hnp.integer_dtypes() | hnp.boolean_dtypes(), hnp.array_shapes(max_dims=2))
    | st.sampled_from(DERIVED)
)
KEYS = (
    st.text(max_size=4)
    | st.integers()
    | st.booleans()
    | st.tuples(st.integers(), st.text(max_size=2))
    | hnp.from_dtype(np.dtype("int32"))
    | st.sampled_from([Point(0, 1), Text("k"), Step.ONE])
)
DICTS = st.sampled_from([
    dict, collections.OrderedDict, collections.Counter,
    lambda items: collections.defaultdict(list, items),
    lambda items: collections.defaultdict(None, items),
])  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.builds(
            lambda make, items: make(items), DICTS, st.dictionaries(KEYS, inner, max_size=3)
        )
    ),
    max_leaves=8,
)


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        made = getattr(one, "default_factory", None) is getattr(other, "default_factory", None)
        pairs = zip(one.items(), other.items(), strict=True)
        return made and len(one) == len(other) and all(same(*pair) for pair in pairs)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    is_nan = isinstance(one, (float, np.floating)) and math.isnan(one)
    return (is_nan and math.isnan(other)) or one == other


def has_derived(value):
    if isinstance(value, dict) and type(value) in (
        dict, collections.OrderedDict, collections.Counter, collections.defaultdict
    ):  # fmt: skip
        is_own = getattr(value, "default_factory", None) in (None, list)
        is_odd = not is_own or bool(getattr(value, "__dict__", None))
        return is_odd or any(has_derived(item) for pair in value.items() for item in pair)
    if type(value) in (list, tuple):
        return any(map(has_derived, value))
    return any(value is one for one in DERIVED) or type(value) in (Point, Text, Step)


def through_block(value):
    return decode(encode(value))


def through_file(value, path):
    chosen = choose_format(value)
    chosen.save(value, path / f"value{chosen.suffix}")
    return chosen.load(path / f"value{chosen.suffix}")


@settings(max_examples=300)
@given(VALUES)
def test_a_value_comes_back_as_it_was_or_is_refused(tmp_path_factory, value) -> None:
    path = tmp_path_factory.mktemp("values")
    for store in (through_block, lambda value: through_file(value, path)):
        if has_derived(value):
            with pytest.raises((StepError, ParameterError), match="derived"):
                store(value)
        else:
            assert same(store(value), value)


@pytest.mark.parametrize("value", DERIVED, ids=lambda value: type(value).__name__)
def test_types_derived_from_others_are_refused_with_the_remedy(value, tmp_path) -> None:
    for nested in (value, [value], {"a": (value,)}):
        with pytest.raises((StepError, ParameterError), match=r"convert it"):
            encode(nested)
        with pytest.raises((StepError, ParameterError), match=r"convert it"):
            through_file(nested, tmp_path)


def test_integers_of_more_digits_than_python_reads_are_refused(tmp_path) -> None:
    with pytest.raises(StepError, match="int"):
        encode([10**5000])
    with pytest.raises(ParameterError, match="int"):
        through_file([10**5000], tmp_path)


@sc.step
def held(image, *, make):
    return made(make)


@sc.reduction(merge=lambda one, other: one + other)
def counted(image):
    return collections.Counter(np.ravel(image).tolist())


def made(what):
    if what == "Counter":
        return collections.Counter("aab")
    if what == "OrderedDict":
        return collections.OrderedDict(b=1, a=[np.True_, np.str_("x\0")])
    if what == "defaultdict":
        return collections.defaultdict(list, {(1, "a"): [None]})
    return {"at": Point(1, 2)}


@pytest.mark.parametrize("make", ["Counter", "OrderedDict", "defaultdict"])
def test_dicts_keep_their_type_in_a_store(make, tmp_path) -> None:
    image = sc.open(np.zeros((2, 2)))
    value = held(image, make=make)
    before = value.get()
    sc.run(value, store=tmp_path, executor="serial")
    assert same(value.get(), before)
    assert same(sc.Store(tmp_path)["held"].get(), made(make))


def test_a_named_tuple_is_refused_where_it_would_be_stored(tmp_path) -> None:
    value = held(sc.open(np.zeros((2, 2))), make="namedtuple")
    with pytest.raises(RunFailed, match="Point"):
        sc.run(value, store=tmp_path, executor="serial")


def test_blocks_hand_counters_to_the_merge_of_a_reduction(tmp_path) -> None:
    value = counted.options(block=1)(sc.open(np.array([[1, 1], [1, 2]])))
    sc.run(value, store=tmp_path, executor="serial")
    assert same(value.get(), collections.Counter({1: 3, 2: 1}))


def test_a_mask_in_parts_is_refused(tmp_path) -> None:
    @sc.blockwise(out="parts")
    def masked(image):
        return {"a": np.ma.masked_array([1.0], [True])}

    parts = masked(sc.open(np.zeros((2, 2))))
    with pytest.raises(RunFailed, match="mask"):
        sc.run(parts, store=tmp_path, executor="serial")


def test_tables_of_pandas_alone_are_tables() -> None:
    frame = pd.DataFrame({"a": [1]})
    pd.testing.assert_frame_equal(through_block([frame])[0], frame)

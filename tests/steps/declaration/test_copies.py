"""Copies of values: a change of one is seen in no other, and all that a value holds is there."""

from __future__ import annotations

import collections
import copy
import dataclasses
import io
import random
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scutoid.steps.declaration import kept, own
from scutoid.steps.declaration._own import LARGEST_COPY

NOT_GIVEN = object()


class Marked(np.ndarray):
    """An array with attributes."""

    def __array_finalize__(self, given: Any) -> None:
        self.marks = getattr(given, "marks", None)


class Text(str):  # noqa: SLOT000
    """Text with attributes."""

    tags: list[int]


class Length:
    """A quantity that is copied with the registry of its unit, and pickled without it."""

    def __init__(self, number: float, registry: object) -> None:
        self.number, self.registry = number, registry

    def __deepcopy__(self, memo: dict[int, Any]) -> Length:
        return Length(self.number, self.registry)

    def __reduce__(self) -> tuple[Any, ...]:
        return Length, (self.number, None)


class Undecided:
    """An object that may not be copied by `copy`, and can be pickled."""

    def __init__(self) -> None:
        self.items = [1]

    def __deepcopy__(self, memo: dict[int, Any]) -> Undecided:
        raise RuntimeError("not a leaf")


@dataclasses.dataclass
class Held:
    """Anything, beside something that cannot be copied."""

    value: Any
    beside: Any = None


def marked(size: int) -> Marked:
    array = np.zeros(size).view(Marked)
    array.marks = {"a": [1]}
    return array


def tagged() -> Text:
    text = Text("a")
    text.tags = [1]
    return text


def masked(size: int) -> np.ma.MaskedArray[Any, Any]:
    return np.ma.masked_array(np.arange(float(size)), np.zeros(size, bool))


LARGE = LARGEST_COPY // 8 + 1
CASES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "lists in a table": (
        lambda: pd.DataFrame({"n": [1], "points": [[1]]}),
        lambda v: v.loc[0, "points"].append(2),
        lambda v: v.loc[0, "points"],
    ),
    "attributes of a table": (
        lambda: Held(pd.DataFrame({"n": [1]}).assign(points=[[1]])),
        lambda v: v.value.loc[0, "points"].append(2),
        lambda v: v.value.loc[0, "points"],
    ),
    "attributes of an array": (
        lambda: marked(3), lambda v: v.marks["a"].append(2), lambda v: v.marks
    ),
    "attributes of a large array": (
        lambda: marked(LARGE), lambda v: v.marks["a"].append(2), lambda v: v.marks
    ),
    "an array with attributes in an object": (
        lambda: Held(marked(3)),
        lambda v: v.value.marks["a"].append(2),
        lambda v: (v.value.marks, type(v.value)),
    ),
    "attributes of text": (tagged, lambda v: v.tags.append(2), lambda v: v.tags),
    "a mask": (lambda: masked(3), lambda v: v.mask.__setitem__(0, True), lambda v: v.mask.sum()),
    "a large mask": (
        lambda: masked(LARGE), lambda v: v.mask.__setitem__(0, True), lambda v: v.mask.sum()
    ),
    "a list beside a lock": (
        lambda: Held([1], threading.Lock()), lambda v: v.value.append(2), lambda v: v.value
    ),
    "a list beside a function without a name": (
        lambda: Held([1], lambda: 1), lambda v: v.value.append(2), lambda v: v.value
    ),
    "an object that may not be copied": (
        lambda: Held(Undecided()), lambda v: v.value.items.append(2), lambda v: v.value.items
    ),
    "a record": (
        lambda: np.zeros(1, [("a", int)])[0], lambda v: v.__setitem__("a", 2), lambda v: v["a"]
    ),
    "a method of an extension": (
        lambda: random.Random(0).random, lambda v: v(), lambda v: hash(v.__self__.getstate())
    ),
    "an ordered dict": (
        lambda: collections.OrderedDict(a=[1]), lambda v: v["a"].append(2), lambda v: v["a"]
    ),
    "a namespace": (
        lambda: types.SimpleNamespace(a=[1]), lambda v: v.a.append(2), lambda v: v.a
    ),
    "a stream": (lambda: io.BytesIO(b"abc"), lambda v: v.read(1), lambda v: v.tell()),
}  # fmt: skip


@pytest.mark.parametrize("copied", [own, kept])
@pytest.mark.parametrize("name", CASES)
def test_a_change_of_a_copy_is_no_change_of_the_value(name: str, copied: Any) -> None:
    make, change, look = CASES[name]
    given = make()
    before = copy.deepcopy(look(given))
    mine, other = copied(given), copied(given)
    assert type(mine) is type(given)
    assert look(mine) == before
    change(mine)
    assert look(mine) != before
    assert look(given) == before
    assert look(other) == before


@pytest.mark.parametrize(
    "holder",
    [
        Held,
        lambda item: Held([{"a": (item,)}]),
        lambda item: collections.OrderedDict(a=item),
        lambda item: {item},
        lambda item: frozenset({item}),
        lambda item: pd.DataFrame({"a": [item, [1]]}),
    ],
)
@pytest.mark.parametrize("item", [NOT_GIVEN, len, Held, np.sum, random.Random])
def test_what_is_compared_by_identity_is_the_very_same_in_any_object(
    holder: Callable[[Any], Any], item: Any
) -> None:
    def items(value: Any) -> list[Any]:
        if isinstance(value, Held):
            return items(value.value)
        if isinstance(value, pd.DataFrame):
            return items(value["a"].tolist()[0])
        if isinstance(value, dict):
            return [found for inner in value.values() for found in items(inner)]
        if isinstance(value, (list, tuple, set, frozenset)):
            return [found for inner in value for found in items(inner)]
        return [value]

    (found,) = items(own(holder(item)))
    assert found is item


def test_a_class_that_says_how_it_is_copied_is_asked() -> None:
    registry = object()
    for value in (Length(2.0, registry), Held(Length(2.0, registry)).value):
        assert own(value).registry is registry
    assert own(Held([Length(2.0, registry)])).value[0].registry is registry


def test_a_small_array_is_copied_and_a_large_one_cannot_be_written_to() -> None:
    small, large = np.zeros(3), np.zeros(LARGE)
    for mine, is_large in ((own(small), False), (own(large), True)):
        assert mine.flags.writeable is not is_large
    assert np.shares_memory(own(large), large)
    assert not np.shares_memory(kept(large), large)
    kept(large)[0] = 1
    assert large[0] == 0

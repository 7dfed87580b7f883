"""What is equal for the key is equal for the function; results of an earlier rule of keys."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import struct
import threading
import types
import warnings

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import PipelineError, ScutoidWarning
from scutoid.steps.planning import _planner
from scutoid.steps.planning._first_keys import FirstKeys

A = np.arange(16.0).reshape(4, 4)
FACTORS = {"um": 1, "mm": 1000}


class Quantity(np.ndarray):
    """A length with a unit."""

    def __array_finalize__(self, other):
        self.unit = getattr(other, "unit", None)


def quantity(value, unit):
    found = np.array(value).view(Quantity)
    found.unit = unit
    return found


class Radius(float):
    """A number with a unit."""


def radius(value, unit):
    found = Radius(value)
    found.unit = unit
    return found


@dataclasses.dataclass
class Settings:
    level: int = 1


def settings_with(**attributes):
    found = Settings()
    vars(found).update(attributes)
    return found


def applied(image, operations):
    """Apply operations in their order."""
    for name, value in operations.items():
        image = image + value if name == "add" else image * value
    return float(image.sum())


@sc.step
def in_order(image, *, ops):
    return applied(image, ops)


@sc.step
def by_keywords(image, **ops):
    return applied(image, ops)


@sc.step
def in_units(image, *, size):
    return float(np.asarray(size).max()) * FACTORS[size.unit] + image.sum()


@sc.step
def by_attribute(image, *, options):
    return float(image.sum()) + getattr(options, "more", 0)


@sc.step
def of_table(image, *, table):
    return float(image.sum()) * table.attrs["factor"]


@sc.step
def by_sign(image, *, offset):
    return float(image.sum() + np.copysign(1, offset))


@sc.step
def called(image, *, function):
    return float(function(image / 2).sum())


@sc.step
def by_type(image, *, operand):
    return float(np.asarray(image * operand).sum())


def half(x):
    return x / 2


NS = argparse.Namespace
PAIRS = {
    "order of a dict": (in_order, "ops", {"add": 1, "mul": 2}, {"mul": 2, "add": 1}),
    "order of an OrderedDict": (
        in_order,
        "ops",
        collections.OrderedDict(add=1, mul=2),
        collections.OrderedDict(mul=2, add=1),
    ),
    "order of a namespace's dict": (
        in_order,
        "ops",
        types.MappingProxyType({"add": 1, "mul": 2}),
        types.MappingProxyType({"mul": 2, "add": 1}),
    ),
    "unit of an array": (in_units, "size", quantity(2.0, "um"), quantity(2.0, "mm")),
    "unit of a number": (in_units, "size", radius(2.0, "um"), radius(2.0, "mm")),
    "attribute that is no field": (
        by_attribute,
        "options",
        settings_with(),
        settings_with(more=5),
    ),
    "namespace": (by_attribute, "options", NS(more=1), NS(more=2)),
    "attrs of a table": (
        of_table,
        "table",
        *(having for having in (pd.DataFrame(), pd.DataFrame())),
    ),
    "sign of zero": (by_sign, "offset", 0.0, -0.0),
    "types of a vectorized function": (
        called,
        "function",
        np.vectorize(half, otypes=[int]),
        np.vectorize(half, otypes=[float]),
    ),
    "class of an array": (by_type, "operand", A, A.view(np.matrix)),
}
for number, frame in enumerate(PAIRS["attrs of a table"][2:]):
    frame.attrs["factor"] = number + 1


def run(*targets, store, **options):
    return sc.run(*targets, store=store, executor="serial", workers=1, **options)


@pytest.mark.parametrize("what", PAIRS)
def test_a_result_is_that_of_its_own_argument(what, tmp_path):
    step, name, *values = PAIRS[what]
    right = [step(A, **{name: value}) for value in values]
    assert right[0] != right[1]
    results = [step(sc.open(A), **{name: value}) for value in values]
    for result, expected in zip(results, right, strict=True):
        run(result, store=tmp_path)
        assert result.get() == expected


def test_the_order_of_keywords_is_that_of_the_call(tmp_path):
    one, other = by_keywords(sc.open(A), add=1, mul=2), by_keywords(sc.open(A), mul=2, add=1)
    run(one, store=tmp_path)
    run(other, store=tmp_path)
    assert one.get() == by_keywords(A, add=1, mul=2) == 272
    assert other.get() == by_keywords(A, mul=2, add=1) == 256


def test_the_order_of_named_parameters_does_not_count(tmp_path):
    @sc.step
    def of_two(image, *, a, b):
        return float(image.sum()) + a - b

    run(of_two(sc.open(A), a=1, b=2), store=tmp_path)
    assert sc.plan(of_two(sc.open(A), b=2, a=1), store=tmp_path).is_done


def with_constant(value):
    """A step that reads a constant."""

    @sc.step
    def reads(image):
        return applied(image, vars(value) if isinstance(value, NS) else value)

    return reads


@pytest.mark.parametrize("kind", [dict, NS, collections.OrderedDict])
def test_a_constant_counts_by_its_contents_and_their_order(kind, tmp_path):
    values = (kind(add=1, mul=2), kind(mul=2, add=1), kind(add=2, mul=2))
    found = []
    for value in values:
        result = with_constant(value)(sc.open(A))
        run(result, store=tmp_path)
        found.append(result.get())
    assert found == [272, 256, 304]


def test_what_of_a_parameter_is_not_seen_is_said(tmp_path):
    value = settings_with(lock=threading.Lock())
    plan = sc.plan(by_attribute(sc.open(A), options=value), store=tmp_path)
    assert [text for text in plan.warnings if "options.lock (_thread.lock)" in text]


def test_what_of_a_reader_is_not_seen_is_said(tmp_path):
    form = struct.Struct("i")
    np.save(tmp_path / "a.npy", A)

    def reader(path):
        return np.load(path) if form else None

    images = sc.open_folder(tmp_path / "*.npy", read=reader)
    plan = sc.plan(by_sign(images, offset=0.0), store=tmp_path / "store")
    assert [text for text in plan.warnings if "form (_struct.Struct)" in text]


# Results of the first rule.


@pytest.fixture
def by_first_rule(monkeypatch, tmp_path):
    """Run as it was when keys were made by the first rule."""

    def go(*targets):
        with monkeypatch.context() as patch, warnings.catch_warnings():
            # What a rule could confuse stands where others have what is not seen.
            warnings.simplefilter("ignore", ScutoidWarning)
            patch.setattr(_planner, "Keys", FirstKeys)
            run(*targets, store=tmp_path / "store")

    return go


TABLE = {"um": 1, "mm": 1000}
CONSTANT = 3


@sc.step
def plain(image, *, level=2, names=("a", "b"), options=None):
    return float(image.sum()) + level + CONSTANT + len(names)


@sc.step
def doubled(value, *, by=2):
    return value * by


@sc.step
def with_table(image):
    return float(image.sum()) * TABLE["um"]


@sc.step
def with_object(image, *, function=np.vectorize(half)):  # noqa: B008
    return float(function(image).sum())


EQUAL = {
    "numbers and text": lambda: plain(sc.open(A), level=5),
    "a dict whose order the recipe tells": lambda: in_order(sc.open(A), ops={"add": 1, "mul": 2}),
    "a zero whose sign the recipe tells": lambda: by_sign(sc.open(A), offset=0.0),
    "a list of dicts": lambda: plain(sc.open(A), options=[{"a": 0.0}]),
    "a step of a step": lambda: doubled(plain(sc.open(A))),
}


@pytest.mark.parametrize("what", EQUAL)
def test_what_is_equal_by_the_first_rule_is_taken_over(what, by_first_rule, tmp_path):
    by_first_rule(EQUAL[what]())
    plan = sc.plan(EQUAL[what](), store=tmp_path / "store")
    assert {step.status for step in plan} == {"run"}
    assert {step.reason for step in plan} == {"the rule of keys changed: 1 -> 2"}
    names = [step.name for step in plan]
    assert run(EQUAL[what](), store=tmp_path / "store", accept=names).step(names[-1]).n_cached == 1
    assert sc.plan(EQUAL[what](), store=tmp_path / "store").is_done


CONFUSED = {
    "a dict in another order": (
        lambda: in_order(sc.open(A), ops={"add": 1, "mul": 2}),
        lambda: in_order(sc.open(A), ops={"mul": 2, "add": 1}),
        "ops: the order of a dict",
    ),
    "a long dict": (
        lambda: plain(sc.open(A), options=dict.fromkeys(range(99))),
        lambda: plain(sc.open(A), options=dict.fromkeys(range(99))),
        "options: the order of a dict",
    ),
    "minus zero": (
        lambda: by_sign(sc.open(A), offset=0.0),
        lambda: by_sign(sc.open(A), offset=-0.0),
        "offset: 0.0 or -0.0",
    ),
    "an array of a class": (
        lambda: by_type(sc.open(A), operand=A.view(np.matrix)),
        lambda: by_type(sc.open(A), operand=A),
        "operand: the class and the attributes of an array",
    ),
    "a number of a class": (
        lambda: in_units(sc.open(A), size=radius(2.0, "um")),
        lambda: in_units(sc.open(A), size=radius(2.0, "um")),
        "size: what rides on a value",
    ),
    "attributes that are no fields": (
        lambda: by_attribute(sc.open(A), options=settings_with(more=5)),
        lambda: by_attribute(sc.open(A), options=settings_with()),
        "options: attributes that are no fields",
    ),
    "a dict among constants": (
        lambda: with_table(sc.open(A)),
        lambda: with_table(sc.open(A)),
        "the order of a dict",
    ),
    "state beside a function": (
        lambda: with_object(sc.open(A)),
        lambda: with_object(sc.open(A)),
        "what an object keeps besides functions",
    ),
    "order of keywords": (
        lambda: by_keywords(sc.open(A), add=1, mul=2),
        lambda: by_keywords(sc.open(A), mul=2, add=1),
        "mul, add: the order of parameters",
    ),
    "what a step above could confuse": (
        lambda: doubled(by_keywords(sc.open(A), add=1, mul=2)),
        lambda: doubled(by_keywords(sc.open(A), mul=2, add=1)),
        "step 'by_keywords': mul, add: the order of parameters",
    ),
}


@pytest.mark.parametrize("what", CONFUSED)
def test_what_the_first_rule_could_confuse_is_refused(what, by_first_rule, tmp_path):
    before, now, found = CONFUSED[what]
    by_first_rule(before())
    names = [step.name for step in sc.plan(now(), store=tmp_path / "store")]
    with pytest.raises(PipelineError, match="nothing for something else") as caught:
        sc.plan(now(), store=tmp_path / "store", accept=names[-1:])
    assert found in str(caught.value)
    run(now(), store=tmp_path / "store")
    assert sc.plan(now(), store=tmp_path / "store").is_done


def test_what_is_not_equal_is_refused_across_rules(by_first_rule, tmp_path):
    by_first_rule(plain(sc.open(A), level=5))
    with pytest.raises(PipelineError, match="its code and inputs are equal") as caught:
        sc.plan(plain(sc.open(A), level=6), store=tmp_path / "store", accept=["plain"])
    assert "`level` 5 -> 6" in str(caught.value)


def test_a_nearer_result_of_todays_rule_is_accepted_as_ever(by_first_rule, tmp_path):
    by_first_rule(plain(sc.open(A), level=5))
    run(plain(sc.open(A), level=7), store=tmp_path / "store")
    result = plain(sc.open(A), level=6)
    run(result, store=tmp_path / "store", accept=["plain"])
    assert result.get() == plain(A, level=7)


def test_members_of_the_first_rule_are_taken_over_one_by_one(by_first_rule, tmp_path):
    def targets():
        return plain(sc.open_folder(tmp_path / "in" / "*.npy"))

    (tmp_path / "in").mkdir()
    for name in "abc":
        np.save(tmp_path / "in" / f"{name}.npy", A + ord(name))
    by_first_rule(targets())
    np.save(tmp_path / "in" / "b.npy", A)  # another input: not taken over
    done = run(targets(), store=tmp_path / "store", accept=["plain"])
    assert (done.step("plain").n_cached, done.step("plain").n_done) == (2, 3)
    again = targets()
    assert sc.plan(again, store=tmp_path / "store").is_done
    assert sc.Store(tmp_path / "store")["plain"].to_dict() == {
        f"{name}.npy": plain(A if name == "b" else A + ord(name)) for name in "abc"
    }


def test_one_result_is_taken_over_for_two_keys(by_first_rule, tmp_path):
    result = functools.partial(plain, sc.open(A))
    run(result(level=1), store=tmp_path / "store")
    names = ["plain", "plain-2"]
    run(result(level=2), result(level=3), store=tmp_path / "store", accept=names)
    for level in (2, 3):
        assert sc.plan(result(level=level), store=tmp_path / "store").is_done

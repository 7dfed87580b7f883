"""What was put among the builtins, and classes that were registered with abstract ones, count."""

from __future__ import annotations

import abc
import builtins
import contextlib
import numbers

import numpy as np
import pytest

from scutoid.store import fingerprint
from scutoid.store.keys._installed import is_put_there

PUT = "level_of_these_tests"


def by_name(image):
    return image > level_of_these_tests  # noqa: F821


def by_module(image):
    return image > builtins.level_of_these_tests


def summed(image):
    return sum(image)


VALUES = {
    "numbers": (3, 4),
    "types of numbers": (1, 1.0),
    "none": (None, 3),
    "arrays": (np.zeros(2), np.ones(2)),
    "own functions": (lambda image: image, lambda image: image + 1),
    "functions of packages": (np.sum, np.mean),
    "dicts by their order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
}


@pytest.fixture
def put():
    """Put a value among the builtins for a while."""
    with contextlib.ExitStack() as stack:

        def add(name, value):
            missing = object()
            before = vars(builtins).get(name, missing)
            setattr(builtins, name, value)
            back = (setattr, builtins, name, before)
            stack.callback(*((delattr, builtins, name) if before is missing else back))

        yield add


@pytest.mark.parametrize("function", [by_name, by_module])
@pytest.mark.parametrize("what", [what for what in VALUES if what != "none"])
def test_what_was_put_among_the_builtins_counts(what, function, put):
    found = []
    for value in VALUES[what]:
        put(PUT, value)
        found.append(fingerprint(function))
    assert found[0].digest != found[1].digest
    assert found[0].opaque == found[1].opaque == ()


def test_a_builtin_that_was_replaced_counts(put):
    before = fingerprint(summed)
    for value in (np.sum, lambda image: image):
        put("sum", value)
        assert fingerprint(summed).digest != before.digest


def test_names_of_python_are_no_constants():
    assert [name for name in vars(builtins) if is_put_there(name)] == []
    assert [part for part in fingerprint(summed).parts if "sum" in part] == ["summed"]


class Cell(abc.ABC):  # noqa: B024
    """An abstract class."""


class RoundCell:
    """Classes that may be registered; each is with one abstract class, and stays so."""


class LongCell: ...


class RoundNumber: ...


class LongNumber: ...


class RoundComplex: ...


class LongComplex: ...


def is_cell(item):
    return isinstance(item, Cell)


def is_number(item):
    return isinstance(item, numbers.Number)


def is_kind(item, kind=numbers.Complex):
    return isinstance(item, kind)


@pytest.mark.parametrize(
    ("function", "kind", "classes"),
    [
        (is_cell, Cell, (RoundCell, LongCell)),
        (is_number, numbers.Number, (RoundNumber, LongNumber)),
        (is_kind, numbers.Complex, (RoundComplex, LongComplex)),
    ],
)
def test_own_classes_that_are_registered_with_an_abstract_one_count(function, kind, classes):
    found = [fingerprint(function)]
    for one in classes:
        kind.register(one)
        found.append(fingerprint(function))
    assert len({each.digest for each in found}) == 3
    assert fingerprint(function).digest == found[-1].digest
    assert all(each.opaque == () for each in found)

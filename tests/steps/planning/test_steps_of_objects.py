"""Steps that are methods of objects, or objects: what these hold counts, as it is when planned."""

from __future__ import annotations

import copy
import dataclasses
import functools
import warnings

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ScutoidWarning

A = np.arange(16.0).reshape(4, 4)


class Scaled:
    def __init__(self, factor):
        self.factor = factor
        self.calls = 0

    def total(self, image):
        return float(image.sum() * self.factor)

    def __call__(self, image):
        return float(image.sum() * self.factor)

    @functools.cached_property
    def twice(self):
        return 2 * self.factor


class Slotted:
    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def total(self, image):
        return float(image.sum() * self.factor)


@dataclasses.dataclass
class Told:
    factor: int

    def total(self, image):
        return float(image.sum() * self.factor)


class Within:
    def __init__(self, factor):
        self.parts = {"scaled": [Scaled(factor)]}

    def total(self, image):
        return self.parts["scaled"][0].total(image)


STEPS = {
    "a method": lambda factor: Scaled(factor).total,
    "an object": Scaled,
    "a method of an object with slots": lambda factor: Slotted(factor).total,
    "a method of a dataclass": lambda factor: Told(factor).total,
    "a method of an object that holds objects": lambda factor: Within(factor).total,
    "a partial of a method": lambda factor: functools.partial(Scaled(factor).total),
    "a method with a cache": lambda factor: functools.lru_cache(Scaled(factor).total),
    "an object with a cache": lambda factor: functools.cache(Scaled(factor)),
    "a method with overloads": lambda factor: functools.singledispatch(Scaled(factor).total),
}


@pytest.mark.parametrize("what", STEPS)
def test_steps_of_a_loop_are_those_of_their_objects(what, tmp_path):
    made = [sc.step(STEPS[what](factor)) for factor in (1, 2, 3)]
    if "cache" in what:  # arrays have no hash: only keys are compared
        codes = [sc.plan(step(sc.open(A)), store=tmp_path) for step in made]
        plan = sc.plan(*(step(sc.open(A)) for step in made), store=tmp_path)
        assert len(list(plan)) == len(codes) == 3
        return
    results = [step(sc.open(A)) for step in made]
    sc.run(*results, store=tmp_path, executor="serial")
    assert [result.get() for result in results] == [120, 240, 360]
    again = [sc.step(STEPS[what](factor))(sc.open(A)) for factor in (3, 1)]
    assert sc.plan(*again, store=tmp_path).is_done


def warned(*results, store):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        plan = sc.plan(*results, store=store)
    return [*plan.warnings, *(str(w.message) for w in said)]


BOUND = {
    "a method": lambda scaled: scaled.total,
    "an object": lambda scaled: scaled,
    "a partial": lambda scaled: functools.partial(scaled.total),
}


@pytest.mark.parametrize("is_once", [False, True], ids=["a step each", "one step"])
@pytest.mark.parametrize("what", BOUND)
def test_an_object_that_changed_since_its_step_was_called_is_named(what, is_once, tmp_path):
    scaled, results = Scaled(0), []
    step = sc.step(BOUND[what](scaled))
    for factor in (1, 2, 3):
        scaled.factor = factor
        step = step if is_once else sc.step(BOUND[what](scaled))
        results.append(step(sc.open(A)))
    with pytest.warns(ScutoidWarning, match=r"factor of its Scaled changed since the step"):
        sc.run(*results, store=tmp_path, executor="serial")
    assert [result.get() for result in results] == [360] * 3


@pytest.mark.parametrize("what", BOUND)
def test_members_and_options_know_what_an_object_held(what, tmp_path):
    np.save(tmp_path / "a.npy", A)
    scaled = Scaled(1)
    folder = sc.open_folder(tmp_path / "*.npy")
    totals = sc.step(BOUND[what](scaled))(folder)
    named = totals.options(name="other")
    scaled.factor = 2
    for results in (totals, named):
        assert any("factor" in text for text in warned(results, store=tmp_path / "store"))


def changed_back(scaled):
    scaled.factor, before = 7, scaled.factor
    scaled.factor = copy.copy(before)


HARMLESS = {
    "nothing": lambda scaled: None,
    "a property that is worked out once": lambda scaled: scaled.twice,
    "changed and changed back": changed_back,
    "an equal number": lambda scaled: setattr(scaled, "factor", int("1000")),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_an_object_that_holds_the_same_is_not_named(what, tmp_path):
    scaled = Scaled(1000)
    result = sc.step(scaled.total)(sc.open(A))
    HARMLESS[what](scaled)
    assert warned(result, store=tmp_path) == []


def versioned(factor):
    @sc.step(version="1")
    def times(image):
        return float(image.sum() * factor)

    return times


def with_parameter(factor):
    @sc.step(version="1")
    def times(image, *, factor=factor):
        return float(image.sum() * factor)

    return times


MADE = {
    "closures": (versioned, "closure `factor`"),
    "objects": (lambda factor: sc.step(version="1")(Scaled(factor).total), "Scaled.total"),
    "parameters": (with_parameter, None),
}


@pytest.mark.parametrize("factors", [(1, 2), (2, 2)])
@pytest.mark.parametrize("what", MADE)
def test_two_steps_of_one_version_that_differ_are_named(what, factors, tmp_path):
    make, name = MADE[what]
    results = [make(factor)(sc.open(A)) for factor in factors]
    said = warned(*results, store=tmp_path)
    if name is None or factors[0] == factors[1]:
        assert said == []
    else:
        assert all("of version '1'" in text and f"though {name} differs" in text for text in said)
        assert len(set(said)) == 1


class Roles:
    """An object whose methods stand in each role of a step."""

    def __init__(self, factor):
        self.factor = factor

    def read(self, path):
        return np.load(path) * self.factor

    def load(self):
        return self.factor

    def larger(self, one, other):
        return max(one, other) * self.factor

    def finish(self, merged):
        return merged * self.factor


def times(image, *, factor):
    return float(image.sum() * factor)


def largest(image):
    return float(image.max())


ROLES = {
    "setup": lambda told, _: sc.step(setup={"factor": told.load})(times)(sc.open(A)),
    "merge": lambda told, _: sc.reduction(merge=told.larger, block=2)(largest)(sc.open(A)),
    "finish": lambda told, _: sc.reduction(merge=max, finish=told.finish)(largest)(sc.open(A)),
    "read": lambda told, folder: sc.step(largest)(sc.open_folder(folder / "*.npy", read=told.read)),
}


@pytest.mark.parametrize("what", ROLES)
def test_an_object_in_each_role_counts_and_is_named_where_it_changed(what, tmp_path):
    np.save(tmp_path / "a.npy", A)
    store = tmp_path / "store"
    results = [ROLES[what](Roles(factor), tmp_path) for factor in (1, 2)]
    assert warned(*results, store=store) == []
    plan = sc.plan(*results, store=store)
    assert len(list(plan)) == 2
    told = Roles(1)
    first = ROLES[what](told, tmp_path)
    told.factor = 2
    said = warned(first, ROLES[what](told, tmp_path), store=store)
    assert len(said) == 1
    assert "factor of its Roles changed since the" in said[0]

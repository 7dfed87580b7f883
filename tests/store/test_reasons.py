"""Why a result is computed again, in words."""

from __future__ import annotations

import pytest

from scutoid.store import Fact, Recipe, differences, explain

OLD = Recipe(
    step="denoise",
    key="1",
    code={"denoise": "a", "helper `normalise`": "b", "constant `LEVEL`": "c"},
    parameters={"sigma": Fact.of(2.0), "weights": Fact("x", "array (3,) int64")},
    inputs={"image": Fact("k", "A01.tif")},
    environment={"numpy": "2.3"},
    block=(64, 64),
)


def changed(**fields):
    values = {name: getattr(OLD, name) for name in Recipe.__dataclass_fields__}
    return Recipe(**{**values, "key": "2", **fields})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"parameters": {**OLD.parameters, "sigma": Fact.of(3.0)}}, "`sigma` 2.0 -> 3.0"),
        ({"parameters": {**OLD.parameters, "more": Fact.of(1)}}, "`more` is new"),
        ({"parameters": {"sigma": Fact.of(2.0)}}, "`weights` is gone"),
        (
            {"parameters": {**OLD.parameters, "weights": Fact("y", "array (3,) int64")}},
            "`weights` (array (3,) int64) changed",
        ),
        ({"code": {**OLD.code, "denoise": "z"}}, "own code changed"),
        ({"code": {**OLD.code, "helper `normalise`": "z"}}, "helper `normalise` changed"),
        ({"code": {**OLD.code, "constant `LEVEL`": "z"}}, "constant `LEVEL` changed"),
        ({"inputs": {"image": Fact("q", "A01.tif")}}, "input `image` (A01.tif) changed"),
        ({"inputs": {"image": Fact("q", "B.tif")}}, "input `image`: A01.tif -> B.tif"),
        ({"environment": {"numpy": "2.4"}}, "numpy 2.3 -> 2.4"),
        ({"environment": {}}, "numpy 2.3 -> not counted"),
        ({"block": (32, 64)}, "block (64, 64) -> (32, 64)"),
        ({}, "the step's declaration changed"),
        (
            {"code": {**OLD.code, "denoise": "z"}, "block": (8, 8)},
            "own code changed; block (64, 64) -> (8, 8)",
        ),
        (
            {"code": {"denoise": "z", "helper `other`": "n"}},
            "own code changed",
        ),
    ],
)
def test_what_differs_is_named(fields, reason):
    assert explain(changed(**fields), OLD) == reason


def test_without_an_earlier_result_it_is_the_first_run():
    assert explain(OLD, None) == "first run"


def test_a_version_that_changed_is_said_so():
    old, new = (Recipe(step="s", key=n, code={"version": n}) for n in "12")
    assert explain(new, old) == "version changed"


def test_a_default_that_shows_as_a_parameter_is_said_once():
    code = {"denoise": "a", "default of `sigma`": "1"}
    old, new = (
        Recipe(
            step="denoise",
            key=str(value),
            code={**code, "default of `sigma`": str(value)},
            parameters={"sigma": Fact.of(value)},
        )
        for value in (2.0, 3.0)
    )
    assert explain(new, old) == "`sigma` 2.0 -> 3.0"


def test_a_change_of_the_rule_of_keys_is_told_from_a_change_of_code():
    digests = {
        "code": dict.fromkeys(OLD.code, "by another rule"),
        "parameters": {name: Fact("other", fact.text) for name, fact in OLD.parameters.items()},
        "inputs": {name: Fact("other", fact.text) for name, fact in OLD.inputs.items()},
    }
    new = changed(rule=OLD.rule + 1, **digests)
    now, later = OLD.rule, OLD.rule + 1
    assert differences(new, OLD) == [f"the rule of keys changed: {now} -> {later}"]
    assert differences(OLD, new) == [f"the rule of keys changed: {later} -> {now}"]


def test_what_shows_without_digests_is_named_with_a_change_of_the_rule():
    values = {**OLD.parameters, "sigma": Fact.of(3.0)}
    new = changed(rule=OLD.rule + 1, parameters=values, environment={"numpy": "2.4"})
    assert explain(new, OLD) == (
        f"the rule of keys changed: {OLD.rule} -> {new.rule}; `sigma` 2.0 -> 3.0; numpy 2.3 -> 2.4"
    )

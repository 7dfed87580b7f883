"""What a step holds of its arguments between its call and its run."""

from __future__ import annotations

import types

import numpy as np
import pandas as pd
import pytest

import scutoid as sc

CHANGED = {
    "a number in a dict": ({"a": 0.0}, lambda value, n: value.update(a=n)),
    "an array in a dict": ({"a": np.zeros(2)}, lambda value, n: value["a"].fill(n)),
    "a table": (pd.DataFrame({"a": [0.0]}), lambda value, n: value.__setitem__("a", [n])),
    "attributes": (types.SimpleNamespace(a=0.0), lambda value, n: setattr(value, "a", n)),
}


@pytest.mark.parametrize(("value", "change"), CHANGED.values(), ids=CHANGED)
def test_a_parameter_is_what_it_was_when_the_step_was_called(tmp_path, value, change):
    @sc.step
    def total(image, *, given):
        held = given.a if hasattr(given, "a") else given["a"]
        return float(np.sum(image) * np.max(held))

    image = sc.open(np.ones((4, 4)))
    found = []
    for number in (1.0, 5.0):
        change(value, number)
        found.append(total(image, given=value))
    change(value, 9.0)
    sc.run(*found, store=tmp_path / "store", executor="serial")
    assert [float(each) for each in found] == [16.0, 80.0]

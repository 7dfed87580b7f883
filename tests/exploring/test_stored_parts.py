"""Previews where a store has what steps of an operation hand each other, of the whole image."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc

REGION = {"y": (10, 40), "x": (5, 29)}
OPERATIONS = {
    "label": sc.label,
    "fill_holes": lambda mask: sc.fill_holes(mask, max_size=3),
    "remove_small": lambda mask: sc.remove_small(mask, min_size=12),
    "hysteresis": lambda mask: sc.hysteresis(sc.gaussian(mask, sigma=1), low=0.4, high=0.6),
    "measure": lambda mask: sc.measure(sc.label(mask)),
    "label of large ones": lambda mask: sc.label(sc.remove_small(mask, min_size=12)),
}
CHANGED = [
    ("fill_holes", {"hole_merge.max_size": 40}),
    ("remove_small", {"small_objects.min_size": 40}),
    ("label of large ones", {"small_objects.min_size": 40}),
    ("measure", {"measure.properties": ("axes",)}),
]


def made(operation):
    noise = np.random.default_rng(3).random((48, 64), dtype="float32")
    return OPERATIONS[operation](sc.gaussian(sc.open(noise), sigma=1) > 0.5)


def assert_same(found, expected):
    if isinstance(expected, pd.DataFrame):  # labels that a store has keep their numbers
        pd.testing.assert_frame_equal(found.drop(columns="label"), expected.drop(columns="label"))
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("block", [16, 64])
@pytest.mark.parametrize(("operation", "values"), CHANGED)
def test_a_parameter_is_changed_after_a_run(tmp_path, operation, values, block):
    target = made(operation)
    sc.run(target, store=tmp_path, block=block, executor="serial", check_halo=False)
    expected = sc.preview(made(operation), REGION, values=values).result
    assert_same(sc.preview(target, REGION, values=values).result, expected)
    assert_same(sc.preview(made(operation), REGION, values=values, store=tmp_path).result, expected)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_run_has_made_the_parts_alone(tmp_path, operation):
    target = made(operation)
    cost = sc.plan(target, store=tmp_path, block=64, sample=1).cost
    assert cost.warnings == ()
    assert cost.unknown == ()
    expected = sc.preview(made(operation), REGION).result
    assert_same(sc.preview(target, REGION).result, expected)
    assert_same(sc.preview(made(operation), REGION, store=tmp_path).result, expected)

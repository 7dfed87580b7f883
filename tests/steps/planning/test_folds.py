"""Steps that an operation made are shown under the one that makes its result."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.folding import fold
from scutoid.steps import making
from scutoid.store import Recipe

RAW = sc.open(np.random.default_rng(0).integers(0, 9, (24, 24)).astype("uint8"))
MASK = sc.threshold(RAW, level=5)


@sc.blockwise(dtype="same", check_halo=False)
def brighter(image):
    return image + np.uint8(1)


def within(*targets, store):
    return {step.name: step.within for step in sc.plan(*targets, store=store)}


def test_steps_of_the_user_are_shown_by_themselves(tmp_path):
    assert within(sc.gaussian(brighter(RAW), sigma=1), store=tmp_path) == {
        "brighter": (),
        "gaussian": (),
    }


def test_steps_of_an_operation_are_within_the_step_that_makes_its_result(tmp_path):
    assert within(sc.label(MASK), store=tmp_path) == {
        "threshold": (),
        "label_pieces": ("label",),
        "label_merge": ("label",),
        "label": (),
    }


def test_the_name_of_the_result_is_that_of_the_fold(tmp_path):
    named = sc.label.options(name="cells", block=8)(MASK)
    found = within(named, store=tmp_path)
    assert found["label_pieces"] == found["label_merge"] == ("cells",)
    renamed = within(sc.label(MASK).options(name="seeds"), store=tmp_path)
    assert renamed["label_merge"] == ("seeds",)


def test_operations_within_operations_nest(tmp_path):
    found = within(sc.split_touching.options(name="cells")(MASK), store=tmp_path)
    assert found["cells"] == found["threshold"] == ()
    assert found["watershed"] == ("cells",)
    assert found["label_pieces"] == ("cells", "label")


def test_two_calls_of_one_operation_are_two_folds(tmp_path):
    other = sc.label(sc.threshold(RAW, level=7))
    found = within(sc.label(MASK), other, store=tmp_path)
    assert found["label_pieces"] == ("label",)
    assert found["label_pieces-2"] == ("label-2",)


def test_of_several_results_the_image_is_the_one_that_others_are_within(tmp_path):
    labels, report = sc.split_touching(MASK, report=True)
    found = within(report, labels, store=tmp_path)
    image = next(name for name, path in found.items() if path == () and name != "threshold")
    assert {path[0] for path in found.values() if path} == {image}


def test_members_of_folders_fold_alike(tmp_path):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.eye(9, dtype="uint8"))
    images = sc.open_folder(tmp_path / "*.npy", read=np.load, axes="yx")
    found = within(sc.label(images > 0), store=tmp_path / "results")
    assert ("label",) in found.values()


def test_a_step_that_an_operation_makes_of_what_it_was_given_is_within_it_alone(tmp_path):
    inner = sc.label(MASK)
    found = within(sc.remove_small(inner, min_size=3), store=tmp_path)
    assert found["label_merge"] == ("label",)
    assert found["object_counts"] == ("remove_small",)


def test_a_plan_has_a_line_for_each_operation_and_all_on_demand(tmp_path):
    plan = sc.plan(sc.label.options(block=8)(MASK), store=tmp_path)
    lines = str(plan).splitlines()
    assert [line.split("  ")[0] for line in lines[:3]] == ["step", "threshold", "label (3 steps)"]
    assert "0/19" in lines[2]
    assert [line.split()[0] for line in plan.text(folded=False).splitlines()][1:] == [
        "threshold",
        "label_pieces",
        "label_merge",
        "label",
        "executor:",
    ]
    assert "label (3 steps)" in plan._repr_html_()


def test_a_plan_gives_the_first_reason_of_an_operation(tmp_path):
    sc.run(sc.remove_small(MASK, min_size=3), store=tmp_path)
    assert "cached" in str(sc.plan(sc.remove_small(MASK, min_size=3), store=tmp_path))
    lines = str(sc.plan(sc.remove_small(MASK, min_size=4), store=tmp_path)).splitlines()
    (line,) = [line for line in lines if line.startswith("remove_small (3 steps)  partial")]
    assert "min_size" in line


def test_runs_and_recipes_remember_it(tmp_path):
    run = sc.run(sc.label(MASK), store=tmp_path)
    assert run.step("label_merge").within == ("label",)
    recipes = {recipe.step: recipe for _, recipe in sc.Store(tmp_path).entries()}
    assert recipes["label_merge"].within == ("label",)
    assert recipes["label"].within == ()
    again = Recipe.from_json(recipes["label_merge"].to_json())
    assert again == recipes["label_merge"]


@pytest.mark.parametrize("gone", [("label",), ("label_pieces", "label")])
def test_what_is_within_nothing_that_is_there_is_shown_by_itself(tmp_path, gone):
    steps = [s for s in sc.plan(sc.label(MASK), store=tmp_path) if s.name not in gone]
    assert [head.name for head, _ in fold(steps)] == [step.name for step in steps]


def test_the_key_does_not_know_of_it(tmp_path):
    inside = {step.name: step.key for step in sc.plan(sc.label(MASK), store=tmp_path)}
    for path in ((), ("cells",)):
        again = sc.label.options(retries=1)(MASK)
        for operation in path:
            with making(operation):
                again = sc.label(MASK)
        assert {step.name: step.key for step in sc.plan(again, store=tmp_path)} == inside

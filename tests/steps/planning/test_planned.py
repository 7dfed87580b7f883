"""Planned calls and planned runs: frozen, and asked by whoever runs them or shows them."""

from __future__ import annotations

import dataclasses
import operator

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.steps.planning import PlannedCall, PlannedRun, Planner, is_computed
from scutoid.store import EntryStore

RAW = sc.open(np.zeros((8, 12), "uint8"))


@sc.blockwise(dtype="same", version="1", block_invariant=True)
def copy(image):
    return image


@sc.blockwise(dtype="same", version="1", check_halo=False)
def number(image, *, block):
    return image + np.uint8(block.index)


@sc.blockwise(out="table", version="1")
def rows(image):
    return pd.DataFrame({"sum": [image.sum()]})


@sc.reduction(merge=lambda a, b: a + b, version="1")
def summed(image):
    return int(image.sum())


@sc.step(version="1")
def total(image):
    return int(image.sum())


@pytest.fixture
def plan(tmp_path):
    """Returns the plan of some results in blocks of 4."""

    def make(*targets) -> PlannedRun:
        return Planner(EntryStore(tmp_path / "store"), block=4).plan([t.ref for t in targets])

    return make


@pytest.fixture
def plate(tmp_path):
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 4), "uint8"))
    return sc.open_folder(str(tmp_path / "*.npy"))


@pytest.mark.parametrize(
    ("build", "block", "n_blocks", "finish_task", "is_mapped"),
    [
        pytest.param(lambda _: copy(RAW), (4, 4), 6, "copy", False, id="an image"),
        pytest.param(lambda _: rows(RAW), (4, 4), 6, "rows:finish", False, id="a table of blocks"),
        pytest.param(lambda _: summed(RAW), (4, 4), 6, "summed:finish", False, id="a reduction"),
        pytest.param(lambda _: total(RAW), None, 1, "total", False, id="a whole step"),
        pytest.param(rows, None, 3, "rows", True, id="a collection"),
    ],
)
def test_a_planned_call_tells_how_it_runs(
    build, block, n_blocks, finish_task, is_mapped, plan, plate
) -> None:
    (found,) = plan(build(plate))
    assert (found.block, found.n_blocks, found.is_mapped) == (block, n_blocks, is_mapped)
    assert found.finish_task == finish_task
    assert found.has_finish is (finish_task != found.task)


#    blocks of one step     done        status     n_done
@pytest.mark.parametrize(
    ("status", "done", "n_done", "is_cached"),
    [
        ("run", None, 0, False),
        ("partial", [True, False, True, False, False, False], 2, False),
        ("cached", None, 6, True),
        pytest.param("cached", [True, True, False, False, False, False], 6, True, id="all needed"),
    ],
)
def test_what_is_done_is_counted(status, done, n_done, is_cached, plan) -> None:
    (made,) = plan(copy(RAW))
    given = None if done is None else np.array(done)
    found = dataclasses.replace(made, status=status, done=given)
    assert (found.n_done, found.is_cached) == (n_done, is_cached)


@pytest.mark.parametrize(
    ("step", "is_kept", "expected"),
    [
        pytest.param(copy, True, False, id="stored, and the same in any blocks: read"),
        pytest.param(copy, False, True, id="not stored: computed"),
        pytest.param(number, True, True, id="stored, and other in other blocks: computed"),
        pytest.param(number, False, True, id="neither"),
    ],
)
def test_readers_compute_an_image_that_is_not_stored_as_they_would_see_it(
    step, is_kept, expected, plan
) -> None:
    (made,) = plan(step(RAW))
    assert is_computed(dataclasses.replace(made, is_kept=is_kept)) is expected


def test_a_plan_has_steps_in_the_order_in_which_they_depend_on_one_another(plan) -> None:
    image = copy(RAW)
    planned = plan(total(number(image)), summed(image))
    assert [each.task for each in planned] == ["copy", "number", "total", "summed"]


@pytest.mark.parametrize(
    ("build", "name"),
    [
        pytest.param(lambda made: made, "copy", id="a step"),
        pytest.param(lambda made: made[2:], "copy", id="a part of its image"),
        pytest.param(lambda made: RAW, None, id="an input"),
        pytest.param(lambda made: total(RAW), None, id="a step of another plan"),
    ],
)
def test_what_makes_a_result_is_found_in_the_plan(build, name, plan) -> None:
    made = copy(RAW)
    found = plan(made).of(build(made).ref)
    assert (None if found is None else found.task) == (None if name is None else name)


def test_calls_of_one_key_share_what_is_planned(plan) -> None:
    one, other = copy(RAW), copy(RAW)
    planned = plan(one, other)
    assert planned.of(one.ref) is planned.of(other.ref)
    assert len(planned.calls) == 1


def test_what_makes_a_member_is_its_whole_collection(plan, plate) -> None:
    made = copy(plate)
    planned = plan(made)
    assert planned.of(made["b.npy"].ref) is planned.of(made.ref) is planned.calls[0]
    assert list(planned.calls[0].items.member_keys) == ["a.npy", "b.npy", "c.npy"]


@pytest.mark.parametrize(
    "target", [pytest.param(copy(RAW), id="an image"), pytest.param(total(RAW), id="a value")]
)
def test_the_recipe_of_a_planned_call_is_that_of_its_entry(target, plan, tmp_path) -> None:
    planned = plan(target)
    recipe = planned.recipe(planned.calls[0])
    sc.run(target, store=tmp_path / "store", block=4, executor="serial")
    stored = planned.calls[0].entry.recipe
    of_both = operator.attrgetter("step", "key", "kind", "block", "parameters")
    assert of_both(recipe) == of_both(stored)


def test_blocks_are_compared_only_where_they_count(plan, tmp_path) -> None:
    for target in (copy(RAW), number(RAW)):
        sc.run(target, store=tmp_path / "store", block=2, executor="serial")
    planned = plan(copy(RAW), number(RAW))
    for each, counts in zip(planned, (False, True), strict=True):
        near = dataclasses.replace(planned.recipe(each), block=(2, 2))
        compared = planned.compared(dataclasses.replace(each, nearest=near))
        assert compared.block == ((4, 4) if counts else (2, 2))


@pytest.mark.parametrize("kind", [PlannedCall, PlannedRun])
def test_a_plan_is_frozen(kind, plan) -> None:
    planned = plan(copy(RAW))
    item = planned if kind is PlannedRun else planned.calls[0]
    for field in dataclasses.fields(item):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(item, field.name, None)

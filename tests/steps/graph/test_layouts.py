"""How a plan cuts the calls of a graph: by a choice of its own, the calls stay as they are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import PipelineError
from scutoid.steps.graph import Layouts

RAW = sc.open(np.zeros((12, 12), "uint8"))


@sc.blockwise(dtype="same", version="1")
def copy(image):
    return image


@sc.blockwise(out="parts", version="1")
def sums(image):
    return {"sum": np.array([image.sum()])}


@sc.blockwise(dtype="same", version="1")
def with_parts(image, parts):
    return image


@sc.reduction(merge=lambda a, b: a + b, version="1")
def summed(image):
    return int(image.sum())


@sc.step(out="parts", version="1")
def changed(parts):
    return parts


def call_of(target):
    return target.ref.node


def block_of(layouts: Layouts, target) -> tuple[int, ...]:
    return tuple(layouts.of(call_of(target)).grid.block_shape)


#    asked for by the step > left by an earlier run > asked for by the plan > chosen
@pytest.mark.parametrize(
    ("step", "block", "reused", "expected"),
    [
        pytest.param(copy, None, None, (12, 12), id="chosen: all of a small image"),
        pytest.param(copy, 4, None, (4, 4), id="the plan's"),
        pytest.param(copy, (4, 6), None, (4, 6), id="an entry an axis"),
        pytest.param(copy, {"x": 3, "y": 4}, None, (4, 3), id="axes by name"),
        pytest.param(copy, 4, 5, (5, 5), id="an earlier run's"),
        pytest.param(copy, None, 5, (5, 5), id="an earlier run's, where the plan has none"),
        pytest.param(copy, 4, {"y": 2, "x": 3}, (2, 3), id="an earlier run's, by name"),
        pytest.param(copy.options(block=6), 4, None, (6, 6), id="the step's own"),
        pytest.param(copy.options(block=6), 4, 5, (6, 6), id="the step's own before all"),
        pytest.param(summed, 4, None, (4, 4), id="a reduction is cut too"),
    ],
)
def test_a_call_is_cut_as_it_was_asked_for(step, block, reused, expected) -> None:
    layouts, target = Layouts(block), step(RAW)
    if reused is not None:
        layouts.reuse(call_of(target), reused)
    assert block_of(layouts, target) == expected


def test_the_calls_own_layout_is_left_as_it_is() -> None:
    target = copy(RAW)
    call = call_of(target)
    before = dataclasses.replace(call)
    own = call.layout
    layouts = Layouts(4)
    layouts.reuse(call, 3)
    assert block_of(layouts, target) == (3, 3)
    assert call.layout is own
    assert tuple(own.grid.block_shape) == (12, 12)
    assert (call.spec, call.inputs, call.params) == (before.spec, before.inputs, before.params)


def test_where_nobody_says_otherwise_it_is_the_calls_own() -> None:
    call = call_of(copy(RAW))
    assert Layouts().of(call) is call.layout


def test_two_plans_cut_one_call_each_in_its_own_way() -> None:
    target, fine, coarse = copy(RAW), Layouts(2), Layouts(6)
    assert [block_of(fine, target), block_of(coarse, target)] == [(2, 2), (6, 6)]
    assert [block_of(fine, target), block_of(coarse, target)] == [(2, 2), (6, 6)]


def test_a_layout_and_a_step_are_worked_out_once() -> None:
    layouts, call = Layouts(4), call_of(copy(RAW))
    assert layouts.of(call) is layouts.of(call)
    assert layouts.step(call) is layouts.step(call)
    assert layouts.step(call).layout is layouts.of(call)


def test_what_is_cut_again_has_another_step_too() -> None:
    layouts, call = Layouts(4), call_of(copy(RAW))
    before = layouts.step(call)
    layouts.reuse(call, 3)
    assert layouts.step(call) is not before
    assert layouts.step(call).layout is layouts.of(call)
    assert tuple(layouts.of(call).grid.block_shape) == (3, 3)


def test_to_reuse_the_blocks_of_one_call_says_nothing_of_others() -> None:
    layouts, one, other = Layouts(4), copy(RAW), copy(RAW)
    layouts.reuse(call_of(one), 3)
    assert [block_of(layouts, one), block_of(layouts, other)] == [(3, 3), (4, 4)]


# Parts -------------------------------------------------------------------------------------------
#
#    sums         |---|---|---|     made in the blocks of their step
#    with_parts   |---|---|---|     so these are the blocks of whoever reads them
@pytest.mark.parametrize(
    ("parts", "block", "expected"),
    [
        pytest.param(sums(RAW), 4, (4, 4), id="the plan's, for both"),
        pytest.param(sums.options(block=6)(RAW), 4, (6, 6), id="those of what made them"),
        pytest.param(changed(sums.options(block=6)(RAW)), 4, (6, 6), id="through a whole step"),
        pytest.param(sums.options(block=6)(RAW), None, (6, 6), id="where the plan has none"),
    ],
)
def test_parts_keep_the_blocks_of_what_made_them(parts, block, expected) -> None:
    layouts, target = Layouts(block), with_parts(RAW, parts)
    assert block_of(layouts, target) == expected
    grid = layouts.parts_grid(call_of(parts))
    assert grid is not None
    assert tuple(grid.grid.block_shape) == expected


def test_parts_keep_blocks_that_are_reused() -> None:
    parts = sums(RAW)
    layouts, target = Layouts(4), with_parts(RAW, parts)
    layouts.reuse(call_of(parts), 3)
    assert block_of(layouts, target) == (3, 3)


def test_parts_of_a_store_keep_their_blocks(tmp_path) -> None:
    sc.run(sums(RAW), store=tmp_path, block=6, executor="serial")
    target = with_parts(RAW, sc.Store(tmp_path)["sums"])
    assert block_of(Layouts(4), target) == (6, 6)


@pytest.mark.parametrize(
    "target", [pytest.param(RAW, id="an input"), pytest.param(summed(RAW), id="a value")]
)
def test_what_has_no_parts_has_the_blocks_of_its_call_or_none(target) -> None:
    grid = Layouts(4).parts_grid(call_of(target))
    assert (None if grid is None else tuple(grid.grid.block_shape)) == (
        None if target is RAW else (4, 4)
    )


def test_parts_of_an_image_of_another_shape_are_refused() -> None:
    target = with_parts(RAW[:8], sums(RAW))
    with pytest.raises(PipelineError, match="on the grid on which they were made"):
        Layouts(4).of(call_of(target))

"""Operations of several steps take options as a step does, of the result and of all steps."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError

MASK = np.random.default_rng(0).random((20, 30)) > 0.6


def key_of(result, store):
    first = result[0] if isinstance(result, tuple) else result
    return first.name, sc.plan(first, store=store)[first.name].key


def test_a_name_is_that_of_the_result_and_no_part_of_its_key(
    op_case, scene_named, monkeypatch, tmp_path
):
    name, key = key_of(op_case.build(scene_named(op_case.scene)), tmp_path)
    monkeypatch.setattr(sc, op_case.op, getattr(sc, op_case.op).options(name="renamed"))
    assert key_of(op_case.build(scene_named(op_case.scene)), tmp_path) == ("renamed", key)
    assert name != "renamed"


def test_what_is_kept_and_how_is_that_of_the_result(tmp_path):
    image = sc.open(MASK, voxel_size=1)
    stored = sc.label.options(storage=sc.Storage(levels=2), name="cells")(image)
    dropped = sc.fill_holes.options(keep=False)(image)
    run = sc.run(stored, sc.count(dropped), store=tmp_path, executor="serial")
    assert run["cells"].levels == 2
    assert sorted(path.name for path in tmp_path.glob("*ill_holes")) == []
    assert (tmp_path / "label_pieces").exists()


@pytest.mark.parametrize("block", [7, (5, 8)])
def test_blocks_hold_for_all_steps(block, tmp_path):
    found = sc.label.options(block=block)(sc.open(MASK))
    plan = sc.plan(found, store=tmp_path)
    wanted = (block, block) if isinstance(block, int) else block
    assert plan["label_pieces"].block == plan["label"].block == wanted
    np.testing.assert_array_equal(np.asarray(found), sc.label(MASK))


def test_steps_before_an_operation_are_left_as_they_are(tmp_path):
    before = sc.gaussian(sc.open(MASK.astype("float32")), sigma=1)
    found = sc.label.options(block=7, name="cells")(sc.threshold(before, level=0.5))
    plan = sc.plan(found, store=tmp_path)
    assert plan["gaussian"].block == plan["threshold"].block == MASK.shape
    assert plan["cells"].block == (7, 7)


def test_arrays_just_run_and_unknown_options_are_refused():
    np.testing.assert_array_equal(sc.label.options(name="cells")(MASK), sc.label(MASK))
    with pytest.raises(ParameterError, match="options are"):
        sc.label.options(nmae="cells")(sc.open(MASK))


def test_a_default_that_stands_for_what_the_engine_passes_is_no_part_of_the_code(tmp_path) -> None:
    @sc.blockwise
    def ramp(image, *, slope, block=sc.injected):
        return image + slope * block.write_roi.offset[-1]

    plan = sc.plan(ramp(sc.open(np.zeros((2, 6))), slope=2), store=tmp_path, block=3)
    assert "not noticed" not in str(plan)
    assert ramp(np.zeros((2, 3)), slope=2).tolist() == np.zeros((2, 3)).tolist()

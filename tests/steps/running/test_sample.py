"""A sample of blocks: which run, that they are kept, and what they tell of the rest."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.blocks import After, BlockGrid, BlockTask, sample_blocks
from scutoid.errors import ParameterError, RunFailed
from scutoid.geometry import Roi
from scutoid.steps.planning import Cost, StepCost

SERIAL: dict[str, Any] = {"executor": "serial"}


@sc.blockwise(dtype="float64")
def plus_one(image: Any) -> Any:
    return image + 1


@sc.blockwise(halo=2)
def smooth(image: Any) -> Any:
    return image


def volume() -> sc.Image:
    return sc.open(np.random.default_rng(0).random((32, 32, 32)))


def test_blocks_of_the_sample_are_kept_and_not_run_again(tmp_path: Path) -> None:
    result = smooth(plus_one(volume()))
    plan = sc.plan(result, store=tmp_path, block=8, sample=4, **SERIAL)
    assert plan["smooth"].n_done > 0
    assert plan["plus_one"].n_done >= plan["smooth"].n_done
    assert plan["smooth"].status == "partial"
    run = sc.run(result, store=tmp_path, block=8, check_halo=False, **SERIAL)
    for name in ("smooth", "plus_one"):
        assert run.step(name).n_cached == plan[name].n_done
        assert run.step(name).n_run == 64 - plan[name].n_done
    np.testing.assert_array_equal(run[result].read(), volume().read() + 1)


def test_a_second_sample_goes_on_from_the_first(tmp_path: Path) -> None:
    first = sc.plan(plus_one(volume()), store=tmp_path, block=8, sample=4, **SERIAL)
    second = sc.plan(plus_one(volume()), store=tmp_path, block=8, sample=4, **SERIAL)
    assert (first["plus_one"].n_done, second["plus_one"].n_done) == (5, 10)
    assert second.cost is not None
    assert second.cost["plus_one"].n_left == 54


def test_a_sample_larger_than_the_image_is_all_of_it(tmp_path: Path) -> None:
    result = plus_one(volume())
    plan = sc.plan(result, store=tmp_path, block=16, sample=100, **SERIAL)
    assert plan.is_done
    assert plan.cost is not None
    assert (plan.cost["plus_one"].n_left, plan.cost["plus_one"].core_seconds) == (0, 0)
    run = sc.run(result, store=tmp_path, block=16, **SERIAL)
    assert run.step("plus_one").n_run == 0


def test_nothing_is_left_of_what_is_done(tmp_path: Path) -> None:
    result = plus_one(volume())
    sc.run(result, store=tmp_path, block=16, **SERIAL)
    plan = sc.plan(result, store=tmp_path, block=16, sample=2, **SERIAL)
    assert plan.cost is not None
    assert plan.cost.steps == ()
    assert plan.cost.core_hours == 0


def test_the_cost_is_that_of_the_blocks_that_are_left(tmp_path: Path) -> None:
    @sc.blockwise(dtype="float64")
    def slow(image: Any) -> Any:
        time.sleep(0.01)
        return image

    plan = sc.plan(slow(volume()), store=tmp_path, block=8, sample=4, **SERIAL)
    cost = plan.cost
    assert cost is not None
    step = cost["slow"]
    assert (step.n_sampled, step.n_left) == (4, 59)
    assert 0.01 <= step.fastest <= step.seconds <= step.slowest
    assert cost.core_hours == pytest.approx(59 * step.seconds / 3600)
    assert cost.seconds(59) == pytest.approx(step.seconds)
    assert cost.seconds(10**6) == pytest.approx(step.seconds)
    assert step.n_written > 1000  # compressed
    assert step.memory > 10e6
    assert "slow" in str(cost)


def test_what_waits_for_all_of_a_step_is_estimated_on_regions(tmp_path: Path) -> None:
    raw = volume()
    cells = sc.label(sc.threshold(raw, level=sc.otsu(raw)))
    plan = sc.plan(cells, sc.measure(cells), store=tmp_path, block=16, sample=2, **SERIAL)
    assert plan.cost is not None
    for name in ("threshold", "label_pieces", "label", "measure_pieces"):
        step = plan.cost[name]
        assert (step.n_sampled, plan[name].n_done) == (0, 0)
        assert step.n_regions > 0
        assert step.seconds > 0
    assert plan.cost.unknown == ()
    assert "functions alone, on 4 regions" in plan.cost.text()


def test_steps_that_read_what_their_blocks_wrote_are_left_out(tmp_path: Path) -> None:
    @sc.blockwise(halo=1, sees_neighbours=True, dtype="float64")
    def spread(image: Any, *, neighbours: Any) -> Any:
        return image + neighbours.max()

    raw = volume()
    plan = sc.plan(plus_one(spread(raw)), store=tmp_path, block=16, sample=2, **SERIAL)
    assert (plan["spread"].n_done, plan["plus_one"].n_done) == (0, 0)
    assert plan.cost is not None
    assert "spread" in {*plan.cost.unknown} | {s.name for s in plan.cost if s.n_regions}


def test_members_of_a_collection_are_sampled(tmp_path: Path) -> None:
    (tmp_path / "plate").mkdir()
    for number in range(6):
        np.save(tmp_path / "plate" / f"{number}.npy", np.full((8, 8), 100 * number, "uint16"))
    images = sc.open_folder(str(tmp_path / "plate" / "{number:d}.npy"))
    counts = sc.measure(sc.label(sc.threshold(images, level=100)))
    plan = sc.plan(counts, store=tmp_path / "store", sample=2, **SERIAL)
    assert plan.cost is not None
    step = plan.cost["threshold"]
    assert (plan["threshold"].n_done, step.n_left) == (3, len(images.keys) - 3)
    assert step.n_sampled == 2
    run = sc.run(counts, store=tmp_path / "store", **SERIAL)
    assert run.step("threshold").n_cached == 3


def test_a_sample_of_failing_blocks_raises_and_keeps_the_others(tmp_path: Path) -> None:
    @sc.blockwise(dtype="float64")
    def fails(image: Any) -> Any:
        raise ValueError("no such luck")

    result = fails(plus_one(volume()))
    with pytest.raises(RunFailed, match="no such luck"):
        sc.plan(result, store=tmp_path, block=8, sample=2, **SERIAL)
    assert sc.plan(result, store=tmp_path, block=8)["plus_one"].n_done > 0
    (record,) = (tmp_path / "runs").glob("*/run.json")
    steps = {step["name"]: step for step in json.loads(record.read_text())["steps"]}
    assert steps["fails"]["n_failed"] > 0
    assert steps["plus_one"]["n_failed"] == 0


@pytest.mark.parametrize("n", [0, -1, True, 1.5, "8"])
def test_a_sample_is_a_number_of_blocks(tmp_path: Path, n: Any) -> None:
    with pytest.raises(ParameterError, match="how many blocks of each step"):
        sc.plan(plus_one(volume()), store=tmp_path, sample=n)


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_workers_measure_too(tmp_path: Path, executor: str) -> None:
    plan = sc.plan(plus_one(volume()), store=tmp_path, block=8, sample=3, executor=executor)
    assert plan.cost is not None
    assert plan.cost["plus_one"].n_sampled == 3


def grid(n: int, size: int, halo: int = 0) -> BlockGrid:
    return BlockGrid(Roi((0, 0), (n, n)), size, halo=halo)


@settings(max_examples=60)
@given(st.integers(4, 40), st.integers(1, 9), st.integers(0, 6), st.integers(1, 5), st.data())
def test_what_is_chosen_waits_for_nothing_else(
    n: int, size: int, halo: int, wanted: int, data: st.DataObject
) -> None:
    first = BlockTask("a", None, grid(n, size), where=data.draw(masks(grid(n, size))))
    second = BlockTask("b", None, grid(n, size + 1, halo), after="a")
    third = BlockTask("c", None, grid(n, 2 * size, halo), after=("b", After("a")))
    last = BlockTask("d", None, grid(n, n), after=After.all("c", 2))
    chosen = sample_blocks([last, third, first, second], wanted)
    for task in (second, third):
        for index in np.flatnonzero(chosen.get(task.name, np.zeros(0))).tolist():
            read = task.grid.read_roi(index)
            for edge in task.edges():
                above = first if edge.task == "a" else second
                open_ = np.ones(above.grid.n_blocks, bool) if above is second else above.chosen()
                needed = [
                    i for i in np.flatnonzero(open_) if above.grid.write_roi(i).intersect(read).size
                ]
                assert all(chosen[edge.task][i] for i in needed)
    assert chosen.get("a", np.zeros(1, bool)).sum() >= min(wanted, int(first.chosen().sum()))


def masks(grid: BlockGrid) -> st.SearchStrategy[Any]:
    shape = tuple(grid.shape)
    return st.integers(0, 99).map(lambda seed: np.random.default_rng(seed).random(shape) < 0.7)


@pytest.mark.parametrize("workers", [0, -1])
def test_a_cost_is_told_for_some_workers(workers: int) -> None:
    with pytest.raises(ParameterError, match="1 or more"):
        Cost((StepCost("smooth", 4, 2, seconds=1.0),)).text(workers=workers)

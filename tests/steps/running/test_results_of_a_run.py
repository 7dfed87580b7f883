"""A run keeps its own results: as inputs of new steps, of failed runs, of what is not kept."""

from __future__ import annotations

import dataclasses
import errno
import gc
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import PipelineError, RunFailed, StoreError
from scutoid.steps.handles._latest import LATEST

RAW = np.random.default_rng(0).integers(0, 200, (64, 64)).astype("uint8")
HOW = {"executor": "serial", "workers": 1}


@sc.blockwise(dtype="int64", version="1", check_halo=False)
def block_number(image, *, block):
    return np.full(image.shape, block.index)


@sc.reduction(merge=max, version="1")
def most(image):
    return int(image.max())


@sc.step(version="1")
def total(images):
    return sum(int(image.max()) for image in images.values())


def two_runs(tmp_path, result):
    """Run one result into two stores in blocks of two shapes."""
    return [sc.run(result, store=tmp_path / str(block), block=block, **HOW) for block in (16, 32)]


def test_a_step_on_a_result_of_a_run_reads_that_run(tmp_path) -> None:
    first, second = two_runs(tmp_path, block_number(sc.open(RAW)))
    assert most(first["block_number"]).get() == 15
    assert most(second["block_number"]).get() == 3
    difference = first["block_number"] - second["block_number"]
    assert int(np.asarray(difference).max()) == 12
    assert int(np.asarray(first["block_number"].astype("float32")).max()) == 15


def test_what_is_run_upon_a_result_of_a_run_reads_that_run(tmp_path) -> None:
    first, _ = two_runs(tmp_path, block_number(sc.open(RAW)))
    third = sc.run(first["block_number"] * 10, store=tmp_path / "third", **HOW)
    assert int(np.asarray(third["multiply"]).max()) == 150
    assert [step.name for step in third.steps] == ["multiply"]


def test_a_changed_file_does_not_change_the_run_before(tmp_path) -> None:
    path = tmp_path / "raw.npy"
    runs = []
    for array in (RAW, RAW * 0 + 1):
        np.save(path, array)
        runs.append(sc.run(sc.open(path) * 2, store=tmp_path / f"s{len(runs)}", **HOW))
    first, second = (run["multiply"].astype("int64") for run in runs)
    assert int(np.asarray(first - second).max()) == int((RAW * 2).astype(int).max()) - 2


def test_members_of_a_run_read_that_run(tmp_path) -> None:
    (tmp_path / "plate").mkdir()
    runs = []
    for start in (0, 50):
        np.save(tmp_path / "plate" / "a.npy", RAW // 4 + start)
        images = sc.open_folder(str(tmp_path / "plate" / "*.npy"))
        runs.append(sc.run(images * 1, store=tmp_path / f"s{start}", **HOW))
    for run, start in zip(runs, (0, 50), strict=True):
        member = run["multiply"]["a.npy"]
        assert np.array_equal(np.asarray(member), RAW // 4 + start)
        assert total(sc.gather(run["multiply"])).get() == int((RAW // 4).max()) + start
        assert np.array_equal(np.asarray(member + 0), RAW // 4 + start)


def test_what_a_failed_run_did_not_finish_is_not_taken_from_another(tmp_path) -> None:
    broken = [True]

    @sc.blockwise(dtype="int64", version="1", retries=0, check_halo=False)
    def fragile(image, *, block):
        if broken and block.index == 2:
            raise ValueError("no")
        return np.full(image.shape, block.index)

    result = fragile(sc.open(RAW))
    first = sc.run(result, store=tmp_path / "1", block=16, on_failure="return", **HOW)
    broken.clear()
    second = sc.run(result, store=tmp_path / "2", block=32, **HOW)
    assert int(np.asarray(second["fragile"]).max()) == 3
    for read in (np.asarray, lambda image: np.asarray(image + 1), lambda image: image.levels):
        with pytest.raises(StoreError, match="not finished"):
            read(first["fragile"])


@pytest.mark.parametrize(
    "use",
    [
        lambda images: total(sc.gather(images)),
        lambda images: images + 1,
        lambda images: images["b.npy"] + 1,
    ],
    ids=["gathered", "mapped", "alone"],
)
def test_a_member_that_a_run_did_not_finish_is_no_input(tmp_path, use) -> None:
    (tmp_path / "plate").mkdir()
    for name in ("a", "b"):
        np.save(tmp_path / "plate" / f"{name}.npy", RAW * 0 + (name == "b"))

    @sc.blockwise(dtype="uint8", version="1", retries=0)
    def fragile(image):
        if image.max():
            raise ValueError("no")
        return image

    images = sc.open_folder(str(tmp_path / "plate" / "*.npy"))
    first = sc.run(fragile(images), store=tmp_path / "1", on_failure="return", **HOW)
    assert int(np.asarray(first["fragile"]["a.npy"] + 1).max()) == 1
    with pytest.raises(StoreError, match="not finished"):
        sc.run(use(first["fragile"]), store=tmp_path / "2", **HOW)
    assert not [step for step in ("total", "add") if (tmp_path / "2" / step).exists()]


def test_a_result_that_is_made_again_is_not_read_by_halves(tmp_path) -> None:
    fails = []

    @sc.blockwise(dtype="uint8", version="1", retries=0)
    def doubled(image, *, block):
        if fails and block.index == 1:
            raise ValueError("no")
        return image * 2

    result = doubled(sc.open(RAW))
    run = sc.run(result, store=tmp_path, block=32, **HOW)
    fails.append(1)
    with pytest.raises(RunFailed):
        sc.run(result, store=tmp_path, block=32, force=["doubled"], **HOW)
    with pytest.raises(StoreError, match="complete when it is read"):
        np.asarray(run["doubled"])
    fails.clear()
    assert np.array_equal(np.asarray(result), RAW * 2)  # computed, for nothing whole is stored


def test_what_is_not_kept_is_computed_of_what_its_run_stored(tmp_path) -> None:
    half = sc.blockwise(dtype="float32", version="1")(lambda image: image / np.float32(2))
    result = half.options(name="half", keep=False)(block_number(sc.open(RAW))) + 0
    first, second = two_runs(tmp_path, result)
    assert float(np.asarray(first["half"]).max()) == 7.5
    assert float(np.asarray(second["half"]).max()) == 1.5


def test_what_is_not_kept_is_cut_as_in_its_run(tmp_path) -> None:
    numbers = block_number.options(keep=False)(sc.open(RAW))
    run = sc.run(numbers + 0, store=tmp_path / "1", block=16, **HOW)
    sc.run(numbers, store=tmp_path / "2", block=32, **HOW)
    assert int(np.asarray(run["block_number"]).max()) == 15
    third = sc.run(run["block_number"] + 0, store=tmp_path / "3", block=64, **HOW)
    assert int(np.asarray(third["add"]).max()) == 15


def test_what_is_not_kept_of_a_member_reads_its_run(tmp_path) -> None:
    (tmp_path / "plate").mkdir()
    runs = []
    for start in (1, 9):
        np.save(tmp_path / "plate" / "a.npy", np.full((8, 8), start))
        tens = sc.open_folder(str(tmp_path / "plate" / "*.npy")) * 10
        half = (tens["a.npy"] / 2).options(name="half", keep=False)
        runs.append(sc.run(half + 0, store=tmp_path / f"s{start}", **HOW))
    assert [float(np.asarray(run["half"]).max()) for run in runs] == [5.0, 45.0]


def test_what_was_not_needed_is_no_result_of_the_run(tmp_path) -> None:
    numbers = block_number(sc.open(RAW))
    highest = most(numbers)
    sc.run(highest, store=tmp_path, **HOW)
    for entry, _ in sc.Store(tmp_path).entries("block_number"):
        entry.clear()
    run = sc.run(highest, store=tmp_path, **HOW)
    with pytest.raises(PipelineError, match="results of its steps"):
        run[numbers]


def test_two_equal_pipelines_are_one_result(tmp_path) -> None:
    first, second = block_number(sc.open(RAW)), block_number(sc.open(RAW))
    run = sc.run(first, second, store=tmp_path, block=16, **HOW)
    for result in (first, second, run[first], run[second], run[second[10:]]):
        assert int(np.asarray(result).max()) == 15


def test_a_step_on_one_member_of_what_is_yet_to_be_made_runs(tmp_path) -> None:
    (tmp_path / "plate").mkdir()
    for number in range(2):
        np.save(tmp_path / "plate" / f"{number}.npy", RAW + number)
    images = sc.open_folder(str(tmp_path / "plate" / "*.npy"))
    member = (images * 1)["1.npy"]
    run = sc.run(member + 1, most(member[:8]), store=tmp_path / "s", **HOW)
    assert np.array_equal(np.asarray(run["add"]), RAW + 2)
    assert run["most"].get() == int((RAW + 1)[:8].max())


def test_a_result_that_was_removed_is_computed_where_it_is_lazy(tmp_path) -> None:
    result = sc.open(RAW) * 1
    run = sc.run(result, store=tmp_path / "s", **HOW)
    for entry, _ in sc.Store(tmp_path / "s").entries():
        entry.clear()
    assert np.array_equal(np.asarray(result), RAW)
    with pytest.raises(StoreError):
        np.asarray(run["multiply"])


def test_what_was_run_is_forgotten_with_its_call(tmp_path) -> None:
    gc.collect()
    before = len(LATEST)
    raw = sc.open(RAW)
    for number in range(3):
        run = sc.run(raw + number, store=tmp_path / "s", **HOW)
        assert len(LATEST) > before
        del run
    gc.collect()
    assert len(LATEST) == before


def test_a_run_inside_a_run_of_the_same_result_is_refused_and_does_not_hang(tmp_path) -> None:
    result = block_number(sc.open(RAW))
    errors = []

    class Again:
        def on_event(self, event) -> None:
            if type(event).__name__ == "BatchDone" and not errors:
                try:
                    sc.run(result, store=tmp_path, block=16, **HOW)
                except PipelineError as error:
                    errors.append(str(error))

    run = sc.run(result, store=tmp_path, block=16, listeners=[Again()], **HOW)
    assert run.ok
    assert "into another store" in errors[0]


def test_a_run_is_ok_only_if_all_is_stored(tmp_path) -> None:
    run = sc.run(block_number(sc.open(RAW)), store=tmp_path, **HOW)
    assert run.ok
    run.steps = tuple(dataclasses.replace(step, is_stored=False) for step in run.steps)
    assert not run.ok


def test_a_record_that_cannot_be_written_leaves_no_half_of_one(tmp_path, monkeypatch):
    def full(path, text, *args, **kwargs):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ".scutoid").touch()
    with pytest.raises(StoreError, match="free some space"):
        sc.run(sc.gaussian(sc.open(np.zeros((8, 8))), sigma=1), store=tmp_path / "store")
    assert not list((tmp_path / "store" / "runs").rglob("*.new*"))

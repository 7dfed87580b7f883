"""Shards that are gone: never read as zeros, found by the plan, and made anew alone."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import scutoid as sc
from scutoid.blocks import Journal
from scutoid.errors import DamagedResult

RAW = np.random.default_rng(0).integers(1, 200, (40, 52)).astype("uint8")


def run_counting(store, ran, **options):
    @sc.blockwise(dtype="uint8", block=16, version="1", check_halo=False)
    def copy(image, *, block):
        ran.append(block.index)
        return image

    result = copy(sc.open(RAW))
    run = sc.run(result, store=store, executor="serial", **options)
    return result, run


def shards(store):
    return sorted(p for p in store.glob("copy/*/image.ome.zarr/0/c/*/*") if p.is_file())


@pytest.mark.parametrize("how", ["shard", "row", "all"])
def test_missing_shards_are_noticed_and_made_anew(tmp_path, how):
    result, _ = run_counting(tmp_path, [])
    (image,) = tmp_path.glob("copy/*/image.ome.zarr")
    gone = {"shard": "0/c/1/2", "row": "0/c/2", "all": "0/c"}[how]
    target = image / gone
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    expected = {"shard": [6], "row": [8, 9, 10, 11], "all": list(range(12))}[how]
    with pytest.raises(DamagedResult, match="read as zeros") as caught:
        np.asarray(sc.Store(tmp_path)["copy"])
    assert f"{len(expected)} missing" in str(caught.value)
    (step,) = sc.plan(result, store=tmp_path).steps
    assert step.reason == f"{len(expected)} of 12 blocks of image.ome.zarr are missing"
    assert step.status == ("run" if how == "all" else "partial")
    ran = []
    again, run = run_counting(tmp_path, ran)
    assert sorted(ran) == expected
    assert run.step("copy").n_cached == 12 - len(expected)
    assert np.array_equal(np.asarray(again), RAW)
    assert run_counting(tmp_path, ran)[1].step("copy").n_cached == 12
    assert sorted(ran) == expected


def test_a_run_that_is_broken_off_finds_its_losses_too(tmp_path):
    ran = []

    @sc.blockwise(dtype="uint8", block=16, version="1", check_halo=False)
    def copy(image, *, block):
        ran.append(block.index)
        if block.index == 7 and len(ran) < 10:
            raise ValueError("not yet")
        return image

    result = copy.options(retries=0)(sc.open(RAW))
    sc.run(result, store=tmp_path, executor="serial", on_failure="return")
    shards(tmp_path)[0].unlink()
    ran.extend([0] * 10)
    n_before = len(ran)
    assert sc.run(result, store=tmp_path, executor="serial").ok
    assert sorted(ran[n_before:]) == [0, 7]
    assert np.array_equal(np.asarray(result), RAW)


def test_blocks_of_nothing_but_zeros_are_not_missed(tmp_path):
    @sc.blockwise(dtype="uint8", block=16)
    def none(image):
        return image * 0

    result = none(sc.open(RAW))
    run = sc.run(result, store=tmp_path, executor="serial")
    assert not list(tmp_path.glob("none/*/image.ome.zarr/0/c/*/*"))
    assert not np.asarray(result).any()
    assert sc.plan(result, store=tmp_path).steps[0].status == "cached"
    assert run.ok


def test_iterated_axes_and_crops_have_their_shards_found(tmp_path):
    stack = np.random.default_rng(1).integers(1, 9, (2, 3, 20, 24)).astype("uint8")

    @sc.blockwise(dtype="uint8", block=8, axes="yx", border="crop", halo=2)
    def middle(image):
        return image

    image = sc.open(stack, axes="tcyx")
    result = middle(image)
    sc.run(result, store=tmp_path, executor="serial")
    assert np.array_equal(np.asarray(result), stack[..., 2:-2, 2:-2])
    assert sc.plan(result, store=tmp_path).steps[0].status == "cached"
    gone = next(p for p in tmp_path.glob("middle/*/image.ome.zarr/0/c/1/2/*/*"))
    gone.unlink()
    (step,) = sc.plan(result, store=tmp_path).steps
    assert step.reason == "1 of 36 blocks of image.ome.zarr are missing"


def test_a_journal_forgets_all_at_once(tmp_path):
    run_counting(tmp_path, [])
    (path,) = tmp_path.glob("copy/*/journal")
    Journal.forget(path, np.array([3, 5]))
    assert np.flatnonzero(Journal.read(path) == 0).tolist() == [3, 5]
    assert [p.name for p in path.parent.glob(".*")] == []


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("how", ["cut off", "longer", "empty"])
def test_a_shard_of_another_size_is_seen_by_the_plan_and_made_anew_alone(tmp_path, how, level):
    @sc.blockwise(dtype="uint8", block=16, version="1", storage=sc.Storage(levels=2))
    def copy(image):
        return image

    result = copy(sc.open(RAW))
    sc.run(result, store=tmp_path, executor="serial")
    (shard,) = tmp_path.glob(f"copy/*/image.ome.zarr/{level}/c/1/2")
    content = shard.read_bytes()
    shard.write_bytes({"cut off": content[:-1], "longer": content + b"\0", "empty": b""}[how])
    (step,) = sc.plan(result, store=tmp_path).steps
    assert (step.status, step.n_done) == ("partial", 11)
    assert step.reason == "1 of 12 blocks of image.ome.zarr are missing"
    assert sc.run(result, store=tmp_path, executor="serial").step("copy").n_cached == 11
    assert shard.read_bytes() == content
    assert sc.plan(result, store=tmp_path).steps[0].status == "cached"
    assert sc.Store(tmp_path).verify().ok


@pytest.mark.parametrize("storage", [sc.Storage(), sc.Storage(compressor="none", levels=2)])
def test_a_shard_of_another_size_of_a_whole_image_is_seen_too(tmp_path, storage):
    @sc.step(out="image", version="1", storage=storage)
    def copy(image):
        return image

    result = copy(sc.open(RAW))
    sc.run(result, store=tmp_path, executor="serial")
    shard = next(path for path in tmp_path.glob("copy/*/image.ome.zarr/0/c/*/*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    (step,) = sc.plan(result, store=tmp_path).steps
    assert step.status == "run"
    sc.run(result, store=tmp_path, executor="serial")
    assert np.array_equal(np.asarray(sc.Store(tmp_path)["copy"]), RAW)
    assert sc.Store(tmp_path).verify().ok


@pytest.mark.parametrize("name", ["99", "01", "\u0663", "-1", "1.bak", "1_0", " 1"])
def test_what_is_not_called_as_a_shard_stands_for_none(tmp_path, name):
    result, _ = run_counting(tmp_path, [])
    (row,) = tmp_path.glob("copy/*/image.ome.zarr/0/c/1")
    shutil.copyfile(row / "0", row / name)
    shutil.copytree(row, row.with_name(name))
    assert sc.plan(result, store=tmp_path).steps[0].status == "cached"
    assert np.array_equal(np.asarray(sc.Store(tmp_path)["copy"]), RAW)
    (row / "1").unlink()
    assert sc.plan(result, store=tmp_path).steps[0].n_done == 11
    sc.Store(tmp_path).verify()
    assert run_counting(tmp_path, [])[1].ok
    assert np.array_equal(np.asarray(sc.Store(tmp_path)["copy"]), RAW)
    assert (row / name).exists()

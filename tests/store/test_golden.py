"""Stores that earlier versions wrote: all of them are read, nothing of them is made again.

`tests/golden/make.py` says by which version, and `tests/golden/pipeline.py` what lies in them.
Results of an earlier rule of keys are taken over where they are accepted.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import PipelineError

GOLDEN = Path(__file__).parents[1] / "golden"
RULES = ("rule_1", "rule_2")
RUNS = ("runs/", ".input-hashes", ".scutoid")


def load(name):
    spec = importlib.util.spec_from_file_location(f"golden_{name}", GOLDEN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pipeline():
    return load("make").load_pipeline()


@pytest.fixture(params=RULES)
def store(request, tmp_path):
    return Path(shutil.copytree(GOLDEN / request.param, tmp_path / "store"))


@pytest.fixture
def first_store(tmp_path):
    """The store of the first rule."""
    return Path(shutil.copytree(GOLDEN / RULES[0], tmp_path / "store"))


@pytest.fixture
def todays_store(tmp_path):
    """The store of the rule of today."""
    return Path(shutil.copytree(GOLDEN / RULES[-1], tmp_path / "store"))


@pytest.fixture
def plate(tmp_path, pipeline):
    pipeline.write_plate(tmp_path / "plate")
    return tmp_path / "plate"


def results_in(store):
    """Content and time of change of each file of a result, by its path in the store."""
    files = {path.relative_to(store).as_posix(): path for path in store.rglob("*")}
    return {
        name: (path.read_bytes(), path.stat().st_mtime_ns)
        for name, path in files.items()
        if path.is_file() and not name.startswith(RUNS) and not name.endswith(".locks")
    }


def run(*targets, store):
    return sc.run(*targets, store=store, executor="serial", workers=1)


@pytest.fixture
def raw(pipeline):
    return pipeline.raw_array()


def test_images_tables_and_values_are_read_by_name(store, raw):
    found = sc.Store(store)
    brightened = raw * 3
    np.testing.assert_array_equal(np.asarray(found["brighten"]), brightened)
    assert (found["brighten"].voxel_size, found["brighten"].unit) == ((2.0, 0.5), "um")
    mask, counts = found["bright"]
    np.testing.assert_array_equal(np.asarray(mask), brightened > 100)
    assert counts.to_pandas()["block"].tolist() == [0, 1, 2, 3, 4, 5]
    assert int(counts.to_pandas()["n"].sum()) == int((brightened > 100).sum())
    np.testing.assert_array_equal(np.asarray(found["flipped"]), raw[::-1])
    np.testing.assert_array_equal(np.asarray(found["turned"]), raw[:, ::-1])
    np.testing.assert_array_equal(np.asarray(found["raised"]), raw // 2 + 4)
    assert found["total"].get() == int(raw.sum())
    np.testing.assert_array_equal(
        found["column_sums"].get(), np.tile(raw.sum(axis=0, dtype="int64"), 26)
    )
    rows = pd.DataFrame({"row": range(24), "sum": raw.sum(axis=1, dtype="int64")})
    pd.testing.assert_frame_equal(found["row_table"].to_pandas(), rows)
    note = found["notes"].path / "deep" / "sum.txt"
    assert note.read_text(encoding="utf-8") == f"{raw.sum()}\n"


def test_parts_and_what_was_made_of_them_are_read(store, raw):
    found = sc.Store(store)
    parts = found["profiles"].read()
    blocks = [(y, x) for y in (0, 12) for x in (0, 16, 32)]
    assert len(parts) == len(blocks)
    for number, (y, x) in enumerate(blocks):
        piece = raw[y : y + 12, x : x + 16]
        np.testing.assert_array_equal(parts[number]["rows"], piece.sum(axis=1))
        assert parts[number]["first"].tolist() == [y, x]
    widest = found["widest"].get()
    sums = [int(raw[y : y + 12, x : x + 16].sum()) for y, x in blocks]
    assert widest["sums"].tolist() == sums
    assert (widest["best"], widest["pair"]) == (int(np.argmax(sums)), (6, None))


def test_an_accepted_result_is_read_for_the_one_that_it_stands_for(store, raw):
    np.testing.assert_array_equal(np.asarray(sc.Store(store)["lifted"]), raw + 7)


def test_members_are_read_by_key(store, plate, pipeline):
    found = sc.Store(store)
    inputs = {key: np.load(plate / key) for key in pipeline.PLATE}
    pipeline.write_plate(plate, is_changed=False)
    accepted = {key: np.load(plate / key) for key in pipeline.PLATE}  # as they were at first
    for by, step, images in (
        (2, "dimmed", accepted),
        (3, "as_npy", inputs),
        (4, "as_zarr", inputs),
    ):
        assert found[step].keys == pipeline.PLATE
        for key, image in images.items():
            np.testing.assert_array_equal(np.asarray(found[step][key]), image // by)
            assert (found[step][key].voxel_size, found[step][key].unit) == ((0.5, 0.5), "um")
    table, value = found["described"]
    assert table.to_pandas().groupby("key").size().to_dict() == {
        "a/1.npy": 8, "a/2.npy": 9, "b/1.npy": 10,
    }  # fmt: skip
    assert value["b/1.npy"].get() == {
        "mean": float((accepted["b/1.npy"] // 2).mean()),
        "shape": (10, 10),
    }
    array, files = found["saved"]
    for key, image in inputs.items():
        np.testing.assert_array_equal(array[key].get(), image.sum(axis=0))
        note = files[key].path / "top.txt"
        assert note.read_text(encoding="utf-8") == f"{image.max()}\n"


def all_targets(pipeline, plate):
    images, members = pipeline.image_targets(), pipeline.folder_targets(plate)
    return [*images.values(), *members.values(), pipeline.first_lift(), pipeline.accepted_lift()]


def test_keys_are_the_same_so_nothing_is_planned_to_run(todays_store, plate, pipeline):
    store = todays_store
    before = results_in(store)
    plan = sc.plan(*all_targets(pipeline, plate), store=store)
    kept = {step.name: step.status for step in plan if step.name != "halved"}
    assert set(kept.values()) == {"cached"}, str(plan)
    assert len(kept) == 17
    assert results_in(store) == before


def test_of_the_first_rule_the_plan_says_that_the_rule_changed(first_store, plate, pipeline):
    plan = sc.plan(*all_targets(pipeline, plate), store=first_store)
    reasons = {step.name: step.reason for step in plan if step.name != "halved"}
    assert len(reasons) == 18
    assert {step.status for step in plan} == {"run"}
    for name, reason in reasons.items():
        assert reason.startswith("the rule of keys changed: 1 -> 2"), (name, reason)
        assert "code" not in reason


def test_results_of_the_first_rule_are_taken_over(first_store, plate, pipeline):
    before = results_in(first_store)
    targets = all_targets(pipeline, plate)
    names = [step.name for step in sc.plan(*targets, store=first_store) if step.name != "halved"]
    done = sc.run(*targets, store=first_store, executor="serial", workers=1, accept=names)
    assert done.ok
    assert all(step.n_cached == step.n_done for step in done.steps if step.name != "halved")
    again = sc.plan(*all_targets(pipeline, plate), store=first_store)
    assert {step.status for step in again if step.name != "halved"} == {"cached"}, str(again)
    after = results_in(first_store)
    lists = {name for name in before if name.endswith("accepted.json")}
    assert {name: after[name] for name in before if name not in lists} == {
        name: content for name, content in before.items() if name not in lists
    }
    np.testing.assert_array_equal(np.asarray(targets[0]), pipeline.raw_array() * 3)


def test_of_the_first_rule_what_is_not_equal_is_refused(first_store, pipeline):
    raw = sc.open(pipeline.raw_array())
    with pytest.raises(PipelineError, match="`amount` 3 -> 4"):
        sc.plan(pipeline.brighten(raw, amount=4), store=first_store, accept=["brighten"])


def test_a_run_of_what_is_there_computes_and_rewrites_nothing(todays_store, plate, pipeline):
    store = todays_store
    before = results_in(store)
    images, members = pipeline.image_targets(), pipeline.folder_targets(plate)
    done = run(*images.values(), *members.values(), pipeline.accepted_lift(), store=store)
    assert done.ok
    assert all(step.n_cached == step.n_done for step in done.steps if step.name != "halved")
    assert results_in(store) == before
    np.testing.assert_array_equal(np.asarray(images["brighten"]), pipeline.raw_array() * 3)
    assert images["total"].get() == int(pipeline.raw_array().sum())


def test_a_half_done_result_is_continued(todays_store, pipeline):
    store = todays_store
    before = results_in(store)
    (step,) = sc.plan(pipeline.partial_target(), store=store)
    assert (step.status, step.n_done, step.n_blocks) == ("partial", 5, 6)
    done = run(pipeline.partial_target(), store=store)
    assert (done.steps[0].n_cached, done.steps[0].n_done) == (5, 6)
    np.testing.assert_array_equal(np.asarray(done["unsteady"]), pipeline.raw_array() + 5)
    after = results_in(store)
    shards = {name for name in before if "/0/c/" in name}
    changed = {name for name in before if after[name] != before[name]}
    assert not changed & shards
    assert all(name.startswith("unsteady/") for name in changed)


def test_every_byte_is_found_to_be_what_was_written(store):
    before = results_in(store)
    found = sc.Store(store).verify()
    assert found.ok, str(found)
    assert found.n_results == 19
    assert results_in(store) == before


def test_runs_of_then_keep_what_they_needed(store):
    garbage = sc.Store(store).gc(keep_runs=6, dry_run=True)
    assert not garbage.removals, str(garbage)
    assert garbage.n_kept == 19

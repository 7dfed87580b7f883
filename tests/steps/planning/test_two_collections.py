"""One step on two collections in one plan: each has its own members and its own results."""

from __future__ import annotations

import numpy as np

import scutoid as sc


@sc.blockwise(dtype="same", version="1")
def copy(image):
    return image + 1


@sc.blockwise(dtype="same", version="1")
def difference(first, second):
    return second - first


def folder(path, start, keys="abc"):
    path.mkdir(exist_ok=True)
    for number, key in enumerate(keys):
        np.save(path / f"{key}.npy", np.full((4, 4), start + number, "int16"))
    return sc.open_folder(str(path / "*.npy"))


def test_other_files_of_the_same_names_are_not_taken_for_the_first(tmp_path):
    first, second = folder(tmp_path / "one", 0), folder(tmp_path / "two", 10)
    result = difference(copy(first), copy(second))
    run = sc.run(result, store=tmp_path / "s", executor="serial")
    assert {int(np.asarray(image).max()) for _, image in run["difference"].items()} == {10}
    assert [step.name for step in run.steps] == ["copy", "copy-2", "difference"]
    assert int(np.asarray(run["copy-2"]["a.npy"]).max()) == 11
    assert sc.plan(result, store=tmp_path / "s").is_done


def test_operations_of_several_steps_and_operators_on_two_folders(tmp_path):
    first, second = folder(tmp_path / "one", 0), folder(tmp_path / "two", 10)
    masks = (first > 1) & (second > 11)
    levels = sc.otsu(first), sc.otsu(second)
    run = sc.run(masks, *levels, store=tmp_path / "s", executor="serial")
    assert run.ok
    assert [bool(np.asarray(mask).all()) for _, mask in masks.items()] == [False, False, True]
    assert levels[1].to_dict() == {key: value + 10 for key, value in levels[0].to_dict().items()}


def test_a_name_tells_them_apart(tmp_path):
    first, second = folder(tmp_path / "one", 0), folder(tmp_path / "two", 10)
    result = difference(copy(first), copy.options(name="other")(second))
    run = sc.run(result, store=tmp_path / "s", executor="serial")
    assert {int(np.asarray(image).max()) for _, image in run["difference"].items()} == {10}
    assert sc.plan(result, store=tmp_path / "s").is_done


def test_some_of_the_members_are_not_taken_for_all(tmp_path):
    all_of_them = folder(tmp_path / "one", 0)
    some = sc.open_folder(str(tmp_path / "one" / "[ab].npy"))
    run = sc.run(copy(some), copy(all_of_them), store=tmp_path / "s", executor="serial")
    assert [step.n_blocks for step in run.steps] == [2, 3]
    assert int(np.asarray(copy(all_of_them)["c.npy"]).max()) == 3


def test_the_same_members_are_computed_once(tmp_path):
    images = folder(tmp_path / "one", 0)
    plan = sc.plan(difference(copy(images), copy(images)), store=tmp_path / "s")
    assert [step.name for step in plan] == ["copy", "difference"]


def test_two_runs_one_after_the_other_keep_both(tmp_path):
    first, second = folder(tmp_path / "one", 0), folder(tmp_path / "two", 10)
    for images, expected in ((first, 1), (second, 11), (first, 1)):
        run = sc.run(copy(images), store=tmp_path / "s", executor="serial")
        assert int(np.asarray(run["copy"]["a.npy"]).max()) == expected
    assert run.steps[0].n_cached == 3


def test_a_whole_step_may_keep_the_dtype_of_its_image(tmp_path):
    step = sc.step(out="image", dtype="same", version="1")(lambda image: image[::-1])
    image = sc.open(np.arange(6, dtype="int16").reshape(2, 3))
    assert step(image).dtype == "int16"
    run = sc.run(step(image), store=tmp_path, executor="serial")
    assert np.array_equal(np.asarray(run["step"]), np.arange(6).reshape(2, 3)[::-1])

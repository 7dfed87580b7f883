"""One step on two collections in one plan: each has its own members and its own results."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError


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


@sc.step(out="table", version="1")
def means(first, second):
    return pd.DataFrame({"first": [first.mean()], "second": [second.mean()]})


def listed(path, start, **columns):
    """Open a folder by a table with columns beside the files."""
    folder(path, start)
    paths = [str(path / f"{key}.npy") for key in "abc"]
    return sc.open_folder(pd.DataFrame({"path": paths, **columns}))


ALIKE = {
    "the same": ({"dose": [1, 2, 3]}, {"dose": [1, 2, 3]}),
    "the same as numbers": ({"dose": [1, 2, 3]}, {"dose": [1.0, 2.0, 3.0]}),
    "the same as text": ({"dose": [1, 2, 3]}, {"dose": ["1", "2", "3"]}),
    "missing in both": ({"dose": [1, None, 3]}, {"dose": [1, None, 3]}),
    "other columns": ({"dose": [1, 2, 3]}, {"cell": ["x", "y", "z"]}),
}
UNLIKE = {
    "another number": ({"dose": [1, 2, 3]}, {"dose": [1, 5, 3]}),
    "missing in one": ({"dose": [1, 2, 3]}, {"dose": [1, None, 3]}),
    "one of several": (
        {"dose": [1, 2, 3], "well": ["A", "B", "C"]},
        {"dose": [1, 2, 3], "well": ["A", "C", "C"]},
    ),
}


@pytest.mark.parametrize("what", ALIKE)
def test_columns_of_two_folders_that_say_the_same_are_joined(what, tmp_path):
    one, other = ALIKE[what]
    result = means(listed(tmp_path / "one", 0, **one), listed(tmp_path / "two", 10, **other))
    sc.run(result, store=tmp_path / "s", executor="serial")
    table = result.to_pandas()
    assert table["second"].tolist() == [10, 11, 12]
    assert set(table) == {"key", "first", "second", *one, *other}
    again = means(listed(tmp_path / "two", 10, **other), listed(tmp_path / "one", 0, **one))
    assert set(again.groups) == {*one, *other}


@pytest.mark.parametrize("join", ["equal", "inner"])
@pytest.mark.parametrize("what", UNLIKE)
def test_columns_of_two_folders_that_say_two_things_of_a_member_are_refused(what, join, tmp_path):
    one, other = UNLIKE[what]
    folders = listed(tmp_path / "one", 0, **one), listed(tmp_path / "two", 10, **other)
    step = means.options(join=join)
    for first, second in (folders, folders[::-1]):
        with pytest.raises(ParameterError, match=r"(?s)one value.*member 'b.*another name"):
            step(first, second)


def test_members_of_one_folder_alone_may_say_what_they_like(tmp_path):
    one = listed(tmp_path / "one", 0, dose=[1, 2, 3])
    folder(tmp_path / "two", 10)
    paths = [str(tmp_path / "two" / f"{key}.npy") for key in "bc"]
    two = sc.open_folder(pd.DataFrame({"path": paths, "dose": [2, 3]}))
    result = means.options(join="inner")(two, one)
    sc.run(result, store=tmp_path / "s", executor="serial")
    assert result.to_pandas()["dose"].tolist() == [2, 3]

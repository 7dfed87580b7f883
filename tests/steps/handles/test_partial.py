"""One rule wherever members are taken: all of them, unless those that failed may be left out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import IncompleteResult, ParameterError

HOW = {"executor": "serial", "workers": 1}
KEYS = ("A1.npy", "A2.npy", "B1.npy", "B10.npy")
BROKEN = ("A2.npy", "B10.npy")
GROUPS = r"(?P<row>[AB])(?P<column>\d+)(?P<rest>x)?"


@sc.step(out="table", retries=0, version="1")
def rows(image):
    return pd.DataFrame({"y": range(len(image)), "sum": image.sum(axis=1)})


@sc.step(retries=0, version="1")
def brightest(image):
    return int(image.max())


@sc.step(retries=0, version="1")
def described(image):
    return {"low": int(image.min()), "high": int(image.max())}


@sc.step(version="1")
def above(value, level):
    return value - level


@sc.blockwise(dtype="same", retries=0, version="1")
def same(image):
    return image


@pytest.fixture
def plate(tmp_path):
    (tmp_path / "plate").mkdir()
    for number, key in enumerate(KEYS):
        write(tmp_path, key, number)
    for key in BROKEN:
        (tmp_path / "plate" / key).write_bytes(b"this is no image")
    return tmp_path / "plate"


def write(folder, key, number):
    np.save(folder / "plate" / key, np.arange(6).reshape(2, 3) + 10 * number)


def opened(plate):
    return sc.open_folder(plate / "*.npy", group=GROUPS)


TAKERS = {
    "table": (rows, lambda result, place, **how: result.to_pandas(**how)["key"].unique()),
    "values": (brightest, lambda result, place, **how: result.to_pandas(**how)["key"]),
    "entries": (described, lambda result, place, **how: result.to_pandas(**how)["key"]),
    "dict": (brightest, lambda result, place, **how: result.to_dict(**how)),
    "csv": (
        rows,
        lambda result, place, **how: pd.read_csv(sc.export(result, f"{place}.csv", **how))[
            "key"
        ].unique(),
    ),
    "parquet": (
        described,
        lambda result, place, **how: pd.read_parquet(sc.export(result, f"{place}.parquet", **how))[
            "key"
        ],
    ),
    "folder of tables": (rows, lambda result, place, **how: exported(result, place, how)),
    "folder of values": (brightest, lambda result, place, **how: exported(result, place, how)),
    "folder of images": (same, lambda result, place, **how: exported(result, place, how)),
}


def exported(result, place, how):
    return [f"{path.stem}.npy" for path in sc.export(result, place, **how).rglob("[!.]*")]


def results(step, plate, origin):
    """Give a result as its run has it, as the session has it, as a store has it, or not run."""
    lazy = step(opened(plate))
    if origin == "not run":
        return lazy
    run = sc.run(lazy, store=plate.parent / "store", on_failure="return", **HOW)
    if origin == "of a run":
        return run[step.spec.label]
    return lazy if origin == "in the session" else sc.Store(run.store)[step.spec.label]


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("origin", ["of a run", "in the session", "in a store", "not run"])
def test_members_that_failed_are_an_error_unless_they_may_be_left_out(
    plate, tmp_path, taker, origin
) -> None:
    step, take = TAKERS[taker]
    result = results(step, plate, origin)
    assert result.keys == KEYS
    if origin != "not run":
        assert result.missing == BROKEN
        with pytest.raises(IncompleteResult, match="2 of 4 were not finished: A2"):
            take(result, tmp_path / "taken")
    else:
        with pytest.raises(OSError, match="can be decoded") as caught:
            take(result, tmp_path / "taken")
        assert "member 'A2.npy'" in " ".join(caught.value.__notes__)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("taken")]
    assert sorted(take(result, tmp_path / "taken", partial="allow")) == ["A1.npy", "B1.npy"]

    for number, key in enumerate(KEYS):
        write(tmp_path, key, number)
    again = results(step, plate, origin)
    assert again.missing == ()
    for how in ({}, {"partial": "error"}, {"partial": "allow"}):
        assert sorted(take(again, tmp_path / "taken", **how)) == sorted(KEYS)


@pytest.mark.parametrize("step", [rows, brightest, described])
@pytest.mark.parametrize("origin", ["of a run", "in the session", "in a store", "not run"])
def test_a_table_lists_what_is_not_in_it(plate, tmp_path, step, origin) -> None:
    table = results(step, plate, origin).to_pandas(partial="allow")
    assert table.attrs == {"missing": list(BROKEN)}
    table.to_parquet(tmp_path / "table.parquet")
    assert pd.read_parquet(tmp_path / "table.parquet").attrs == table.attrs


@pytest.mark.parametrize("origin", ["of a run", "in the session", "in a store", "not run"])
@pytest.mark.parametrize("step", [rows, brightest, described])
@pytest.mark.parametrize("is_broken", [True, False], ids=["incomplete", "complete"])
def test_groups_are_columns_wherever_a_table_comes_from(plate, step, origin, is_broken) -> None:
    if not is_broken:
        for number, key in enumerate(KEYS):
            write(plate.parent, key, number)
    result = results(step, plate, origin)
    table = result.to_pandas(partial="allow")
    assert list(table.columns[:4]) == ["key", "row", "column", "rest"]
    assert table["rest"].isna().all()
    for key, row, column in zip(table["key"], table["row"], table["column"], strict=True):
        assert f"{row}{column}.npy" == key
    assert set(table["key"]) == ({"A1.npy", "B1.npy"} if is_broken else set(KEYS))
    pd.testing.assert_frame_equal(result.groups, opened(plate).groups)


def test_groups_that_change_are_written_again_and_nothing_is_computed(plate, tmp_path) -> None:
    for number, key in enumerate(KEYS):
        write(tmp_path, key, number)
    for number, group in enumerate((None, r"(?P<well>.\d+)", GROUPS, None)):
        images = sc.open_folder(plate / "*.npy", group=group)
        run = sc.run(rows(images), store=tmp_path / "store", **HOW)
        assert run.step("rows").n_cached == (len(KEYS) if number else 0)
        names = [] if images.groups is None else list(images.groups)
        stored = pd.read_parquet(next((tmp_path / "store" / "rows").glob("*/table.parquet")))
        for table in (stored, sc.Store(tmp_path / "store")["rows"].to_pandas()):
            assert list(table.columns) == ["key", *names, "y", "sum"]
        assert sc.plan(rows(images), store=tmp_path / "store").is_done


def test_an_incomplete_collection_has_no_joined_table_in_its_store(plate, tmp_path) -> None:
    run = sc.run(rows(opened(plate)), store=tmp_path / "store", on_failure="return", **HOW)
    folder = next((tmp_path / "store" / "rows").glob("*/recipe.json")).parent
    assert not list(folder.glob("table*"))
    record = json.loads((folder / "members.json").read_bytes())
    assert list(record["members"]) == ["A1.npy", "B1.npy"]
    assert (list(record["missing"]), record["keys"]) == (list(BROKEN), list(KEYS))
    for number, key in enumerate(KEYS):
        write(tmp_path, key, number)
    run = sc.run(rows(opened(plate)), store=tmp_path / "store", **HOW)
    assert run.ok
    assert len(pd.read_parquet(folder / "table.parquet")) == 8
    (plate / "A1.npy").write_bytes(b"no image")
    sc.run(rows(opened(plate)), store=tmp_path / "store", on_failure="return", **HOW)
    assert not list(folder.glob("table*"))


def test_a_collection_of_which_all_members_failed_is_not_an_older_one(plate, tmp_path) -> None:
    for number, key in enumerate(KEYS):
        write(tmp_path, key, number)
    sc.run(described(opened(plate)), store=tmp_path / "store", **HOW)
    for key in KEYS:
        (plate / key).write_bytes(b"no image")

    sc.run(
        brightest.options(name="described")(opened(plate)),
        store=tmp_path / "store",
        on_failure="return",
        **HOW,
    )
    newest = sc.Store(tmp_path / "store")["described"]
    for partial in ("error", "allow"):
        with pytest.raises(IncompleteResult, match="4 of 4 were not finished"):
            newest.to_pandas(partial=partial)


def test_what_was_not_asked_for_is_computed_and_did_not_fail(plate, tmp_path) -> None:
    write(tmp_path, "A2.npy", 1)
    images = sc.open_folder(plate / "A*.npy")
    values = brightest(images)
    levels = sc.per_member(pd.DataFrame({"key": ["A1.npy"], "level": [2]}), "level")
    sc.run(above.options(join="inner")(values, levels), store=tmp_path / "store", **HOW)
    assert values.missing == ()
    assert values.to_dict() == {"A1.npy": 5, "A2.npy": 15}
    assert sc.Store(tmp_path / "store")["brightest"].missing == ("A2.npy",)


def test_another_rule_is_refused(plate, tmp_path) -> None:
    for number, key in enumerate(KEYS):
        write(tmp_path, key, number)
    with pytest.raises(ParameterError, match='partial= is "error" or "allow"'):
        rows(opened(plate)).to_pandas(partial="skip")
    with pytest.raises(ParameterError, match='partial= is "error" or "allow"'):
        sc.export(rows(opened(plate)), tmp_path / "rows", partial=True)

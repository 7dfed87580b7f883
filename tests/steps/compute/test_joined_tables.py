"""Tables of blocks and members are joined without loss: integers, named indexes, names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError, RunFailed
from scutoid.steps.compute import concatenate, join_tables
from scutoid.store.formats._tables import load_csv, save_csv

LARGE = 2**53 + 1


def _rows(image, *, blocks, block=sc.injected):
    return blocks[block.index]


rows = sc.blockwise(out="table")(_rows)


def computed(blocks, tmp_path):
    """Return the table of a run whose blocks return these tables."""
    image = sc.open(np.zeros((len(blocks), 1)))
    table = rows.options(block=1)(image, blocks=blocks)
    sc.run(table, store=tmp_path, executor="serial")
    return table.to_pandas()


# fmt: off
@pytest.mark.parametrize(("first", "second", "expected"), [
    ([LARGE], [None], [LARGE, None]),
    ([None], [LARGE], [None, LARGE]),
    ([LARGE], [np.nan], [LARGE, None]),
    (pd.array([LARGE, None], "Int64"), [7], [LARGE, None, 7]),
    (pd.array([None], "Int64"), [LARGE], [None, LARGE]),
    (np.array([2**64 - 1], "uint64"), [None], [2**64 - 1, None]),
    (np.array([LARGE], "uint64"), [3], [LARGE, 3]),
    (np.array([3], "int8"), [LARGE], [3, LARGE]),
])  # fmt: skip
def test_integers_stay_integers_where_some_are_missing(first, second, expected, tmp_path) -> None:
    blocks = [pd.DataFrame({"id": first}), pd.DataFrame({"id": second})]
    joined = join_tables(blocks)
    save_csv(joined, tmp_path / "t.csv")
    members = concatenate([("a", blocks[0]), ("b", blocks[1])], None)
    for found in (computed(blocks, tmp_path), joined, members, load_csv(tmp_path / "t.csv")):
        assert [None if pd.isna(value) else int(value) for value in found["id"]] == expected


def test_integers_that_floats_do_not_hold_are_refused() -> None:
    tables = [pd.DataFrame({"id": [LARGE]}), pd.DataFrame({"id": [0.5]})]
    with pytest.raises(ParameterError, match="column 'id'"):
        join_tables(tables)
    tables = [pd.DataFrame({"id": np.array([2**63], "uint64")}), pd.DataFrame({"id": [-1]})]
    with pytest.raises(ParameterError, match="column 'id'"):
        join_tables(tables)


@pytest.mark.parametrize("names", [["label"], ["t", "label"]])
def test_named_indexes_become_columns(names, tmp_path) -> None:
    block = pd.DataFrame({"t": [0], "label": [4], "size": [2]}).set_index(names)
    found = computed([block, block], tmp_path)
    assert found[names].to_numpy().tolist() == [[{"t": 0, "label": 4}[n] for n in names]] * 2
    assert list(concatenate([("a", block)], None)) == ["key", *block.reset_index(names)]


def test_an_index_that_is_called_like_a_column_is_refused_in_its_block(tmp_path) -> None:
    block = pd.DataFrame({"label": [4]}, index=pd.Index([1], name="label"))
    with pytest.raises(RunFailed, match="named index"):
        computed([block], tmp_path)


@pytest.mark.parametrize("name", ["key", "well"])
def test_columns_called_like_those_of_the_collection_are_refused(name) -> None:
    groups = pd.DataFrame({"well": ["A1"]}, index=["a"])
    with pytest.raises(ParameterError, match="member 'a'"):
        concatenate([("a", pd.DataFrame({name: [1]}))], groups)


def test_fields_of_a_file_are_numbers_if_they_are_written_as_such(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("key,code,level,real,on,note\n01,007,3,1.5,True,NaN\n2,008,-4,2e3,False,x\n")
    columns = {name: sc.per_member(path, name).to_dict() for name in ("code", "level", "real")}
    assert columns["code"] == {"01": "007", "2": "008"}
    assert columns["level"] == {"01": 3, "2": -4}
    assert columns["real"] == {"01": 1.5, "2": 2000.0}
    assert sc.per_member(path, "on").to_dict() == {"01": True, "2": False}
    assert sc.per_member(path, "note").to_dict() == {"01": "NaN", "2": "x"}


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_member_without_a_value_is_named(missing, tmp_path) -> None:
    table = pd.DataFrame({"key": ["a", "b"], "level": pd.Series([1, missing], dtype=object)})
    with pytest.raises(PipelineError, match="none for b"):
        sc.per_member(table, "level")
    (tmp_path / "t.csv").write_text("key,level\na,1\nb,\n")
    with pytest.raises(PipelineError, match="none for b"):
        sc.per_member(tmp_path / "t.csv", "level")


@sc.step(out="table")
def listed(image, *, name, indexed):
    table = pd.DataFrame({name: [1], "size": [2]})
    return table.set_index(name) if indexed else table


@sc.step
def entry(image, *, name):
    return {name: 1, "size": 2}


@sc.step
def framed(image, *, within):
    table = pd.DataFrame({"size": [2]})
    return {"cells": table} if within else table


def plate(tmp_path):
    for name in ("A1", "A2"):
        np.save(tmp_path / f"{name}.npy", np.zeros((2, 2)))
    return sc.open_folder(tmp_path / "*.npy", group=r"(?P<well>\w+)\.npy")


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("name", ["key", "well"])
def test_a_member_that_returns_a_column_of_the_collection_fails(name, indexed, tmp_path) -> None:
    tables = listed(plate(tmp_path), name=name, indexed=indexed)
    with pytest.raises(RunFailed, match=f"(?s){name}.*'listed', table of member"):
        sc.run(tables, store=tmp_path / "store", executor="serial")
    fine = listed(plate(tmp_path), name="label", indexed=indexed)
    sc.run(fine, store=tmp_path / "store", executor="serial")
    assert list(fine.to_pandas()) == ["key", "well", "label", "size"]


@pytest.mark.parametrize("name", ["key", "well"])
def test_entries_of_dicts_are_not_called_like_columns_of_the_collection(name, tmp_path) -> None:
    values = entry(plate(tmp_path), name=name)
    for _ in range(2):
        with pytest.raises(ParameterError, match=r"value of member 'A1"):
            values.to_pandas()
        assert len(values.to_dict()) == 2
        sc.run(values, store=tmp_path / "store", executor="serial")


@pytest.mark.parametrize("within", [False, True])
def test_tables_of_a_step_that_does_not_declare_them_are_no_cells(within, tmp_path) -> None:
    values = framed(plate(tmp_path), within=within)
    for _ in range(2):
        with pytest.raises(PipelineError, match='out="table"'):
            values.to_pandas()
        assert len(values.to_dict()) == 2
        sc.run(values, store=tmp_path / "store", executor="serial")


def test_columns_called_alike_are_refused() -> None:
    double = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(ParameterError, match="names that are text and differ"):
        join_tables([double, double.astype(float)])


def test_integers_that_complex_numbers_do_not_hold_are_refused() -> None:
    with pytest.raises(ParameterError, match="column 'a'"):
        join_tables([pd.DataFrame({"a": [2**53 + 1]}), pd.DataFrame({"a": [1j]})])


VALUES = pd.DataFrame({"v": [1, 2]})
INDEXES = {
    "text": (["p", "q"], {"index": ["p", "q"]}),
    "fractions": ([0.5, 1.5], {"index": [0.5, 1.5]}),
    "levels": (
        pd.MultiIndex.from_tuples([(1, "a"), (1, "b")]),
        {"level_0": [1, 1], "level_1": ["a", "b"]},
    ),
    "one name": (
        pd.MultiIndex.from_tuples([(1, 2), (1, 3)], names=["t", None]),
        {"t": [1, 1], "level_1": [2, 3]},
    ),
    "steps": (pd.RangeIndex(0, 4, 2), {}),
    "numbers": ([7, 7], {}),
    "called index": (pd.Index([7, 8], name="index"), {"index": [7, 8]}),
}  # fmt: skip


@pytest.mark.parametrize(("index", "expected"), INDEXES.values(), ids=INDEXES)
def test_an_index_that_says_something_becomes_columns(index, expected, tmp_path):
    block = VALUES.set_axis(index)
    found = computed([block, block], tmp_path)
    members = concatenate([("a", block), ("b", block)], None)
    assert list(found) == [*expected, "v"]
    assert list(members) == ["key", *expected, "v"]
    for name, values in expected.items():
        assert found[name].tolist() == members[name].tolist() == values * 2
    save_csv(block, tmp_path / "t.csv")
    assert list(load_csv(tmp_path / "t.csv")) == list(found)


NAMES = {
    "numbers": pd.DataFrame({0: [1], 1: [2]}),
    "pairs": pd.DataFrame({("a", "b"): [1]}),
    "twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "none": pd.DataFrame({None: [1]}),
    "a number for the index": VALUES.set_axis(pd.Index([5, 6], name=0)),
}


@pytest.mark.parametrize("table", NAMES.values(), ids=NAMES)
def test_names_of_columns_are_refused_where_they_are_made_not_where_they_are_stored(
    table, tmp_path
):
    given = sc.step(out="table")(lambda image: table)
    parts = sc.step(out="table")(lambda image: iter([table, table]))
    whole = sc.open(np.zeros((2, 2)))
    for found in (given(whole), parts(whole), given(plate(tmp_path)), rows(whole, blocks=[table])):
        with pytest.raises(ParameterError, match="columns have names that are text"):
            found.to_pandas()


def test_a_group_is_not_called_key(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    with pytest.raises(ParameterError, match="beside 'key'"):
        sc.open_folder(tmp_path / "*.npy", group=r"(?P<key>\w+)\.npy")


def test_tables_have_the_groups_of_all_folders(tmp_path):
    for folder in ("raw", "mask"):
        (tmp_path / folder).mkdir()
        for name in ("A1", "B2"):
            np.save(tmp_path / folder / f"{name}.npy", np.zeros((2, 2)))
    raw = sc.open_folder(tmp_path / "raw" / "*.npy", group=r"(?P<row>\w)(?P<well>\d)")
    mask = sc.open_folder(tmp_path / "mask" / "*.npy", group=r"(?P<row>\w)(?P<column>\d)")

    @sc.step(out="table", version="1")
    def both(one, two):
        return pd.DataFrame({"v": [1]})

    tables = both(raw, mask)
    sc.run(tables, store=tmp_path / "results", executor="serial")
    for found in (tables, sc.Store(tmp_path / "results")["both"]):
        table = found.to_pandas()
        assert list(table) == ["key", "row", "well", "column", "v"]
        assert table["column"].tolist() == ["1", "2"]

"""Tables come back from Parquet as they were, and from CSV as far as CSV can hold them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import pandas as hpd

from scutoid.errors import DamagedResult, ParameterError
from scutoid.store import FORMATS
from scutoid.testing import FormatTests


class TestParquet(FormatTests):
    format = FORMATS["parquet"]

    def values(self):
        times = pd.to_datetime(["2026-01-01 10:00", None]).tz_localize("Europe/Paris")
        index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["well", "site"])
        return [
            pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, math.nan], "d": times}),
            pd.DataFrame({"a": pd.array([], "int16"), "b": pd.array([], "str")}),
            pd.DataFrame({"a": pd.Categorical(["x", "y"])}, index=index),
            pd.DataFrame(),
        ]

    def strangers(self):
        return [1, {"a": [1]}, pd.Series([1]), np.zeros(3)]

    def is_same(self, one, other):
        pd.testing.assert_frame_equal(one, other)
        return True


class TestCsv(FormatTests):
    format = FORMATS["csv"]
    finds_cuts = False

    def values(self):
        return [
            pd.DataFrame({"a": [1, -2], "b": [0.1, 1e300], "c": [True, False], "d": ["x", "yµ"]}),
            pd.DataFrame({"a": [math.nan, -0.0, math.inf], "b": ["", None, "x"]}),
            pd.DataFrame({'a, "b"\n': ["1,2", 'say "no"', "two\r\nlines"], "": [2**63, 1, 0]}),
            pd.DataFrame({"number": ["007", "1e5"], "truth": ["True", "x"], "none": ["NA", "nan"]}),
            pd.DataFrame({"alone": [1.5, math.nan]}),
            pd.DataFrame({"alone": ["True", None]}),
            pd.DataFrame({"a": pd.array([], "str"), "b": pd.array([], "str")}),
            pd.DataFrame(),
        ]

    def strangers(self):
        return [1, {"a": [1]}, pd.Series([1]), np.zeros(3)]

    def is_same(self, one, other):
        pd.testing.assert_frame_equal(one, other, check_column_type=len(one.columns) > 0)
        return True


def frames():
    text = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(
        ["", "1", "-2.5", "True", "nan", "inf", '"', ",", "\r", "\n", "\r\n", "\ufeff", "\0"]
    )
    whole = st.integers(-(2**63), 2**63 - 1)
    kinds = [(whole, "int64"), (st.floats(), "float64"), (st.booleans(), "bool")]
    columns = [
        hpd.column(elements=elements, dtype=dtype, name=name)
        for (elements, dtype), name in zip(kinds, ("n", "x, y", '"'), strict=True)
    ]
    columns += [hpd.column(name=name, elements=text, dtype=object) for name in ("t", "\ufeff")]
    chosen = st.lists(st.sampled_from(columns), min_size=2, max_size=4, unique_by=lambda c: c.name)
    return chosen.flatmap(lambda some: hpd.data_frames(some, index=hpd.range_indexes(min_size=1)))


@settings(max_examples=200, deadline=None)
@given(frames())
def test_tables_come_back_from_csv(tmp_path_factory, table):
    table = table.astype({name: "str" for name in ("t", "\ufeff") if name in table})
    path = tmp_path_factory.getbasetemp() / "table.csv"
    FORMATS["csv"].save(table, path)
    pd.testing.assert_frame_equal(FORMATS["csv"].load(path), table, check_exact=True)


def test_a_csv_reads_well_elsewhere(tmp_path):
    table = pd.DataFrame({"well": ["007", "B1,x"], "n": [1, 2], "size": [0.5, math.nan]})
    FORMATS["csv"].save(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == 'well,n,size\n007,1,0.5\n"B1,x",2,\n'
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table)


def test_what_csv_loses_is_what_it_says(tmp_path):
    path = tmp_path / "t.csv"
    table = pd.DataFrame(
        {
            "narrow": np.array([1, 2], "int16"),
            "some": pd.array([1, None], "Int64"),
            "maybe": [True, None],
            "kind": pd.Categorical(["1", "2"]),
            "day": pd.to_datetime(["2026-01-01", None]),
            "none": [None, None],
            "objects": np.array([1, 2], object),
        },
        index=pd.Index(["a", "b"], name="well"),
    )
    FORMATS["csv"].save(table, path)
    found = FORMATS["csv"].load(path)
    assert list(found.columns) == ["well", *table.columns]
    kinds = {name: found[name].dtype.kind for name in found if name not in ("well", "kind", "day")}
    assert kinds == {"narrow": "i", "some": "i", "maybe": "O", "none": "f", "objects": "i"}
    assert found["kind"].tolist() == ["1", "2"]
    assert found["day"][0] == "2026-01-01 00:00:00"
    assert found["maybe"].tolist()[0] is True
    assert found[["some", "maybe", "day", "none"]].isna().iloc[1].all()
    FORMATS["csv"].save(table.reset_index()[1:], path)
    assert "index" not in FORMATS["csv"].load(path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"a": [1, "x"]}), "column 'a'"),
        (pd.DataFrame({"a": [[1], [2]]}), "column 'a'"),
        (pd.DataFrame({"a": [1j]}), "column 'a'"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "differ"),
        (pd.DataFrame([[1, 2]]), "names that are text"),
        (pd.DataFrame(index=range(3)), "has columns"),
        (pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="a")), "named index"),
        (pd.DataFrame({"a": ["\ud800"]}, dtype=object), "Unicode"),
    ],
)
def test_a_table_that_csv_would_spoil_is_refused(tmp_path, table, message):
    with pytest.raises(ParameterError, match=message):
        FORMATS["csv"].save(table, tmp_path / "t.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["a,b\n1\n", "a,b\n1,2,3\n", 'a\n"x\n', 'a\n"x"y\n', "\n1\n"])
def test_a_csv_that_makes_no_sense_is_damage(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DamagedResult):
        FORMATS["csv"].load(tmp_path / "t.csv")


def test_tables_of_other_packages_are_not_taken_for_those_of_pandas():
    class DataFrame:
        columns = ("a",)

    assert not FORMATS["parquet"].accepts(DataFrame())
    assert not FORMATS["csv"].accepts(DataFrame())


class InPartitions:
    def __init__(self, *tables):
        self.tables = tables

    def table_partitions(self):
        yield from self.tables


def rows(start, stop):
    return pd.DataFrame({"a": np.arange(start, stop), "b": ["x"] * (stop - start)})


@pytest.mark.parametrize("name", ["parquet", "csv"])
def test_a_table_in_partitions_is_one_table(tmp_path, name):
    one = FORMATS[name]
    value = InPartitions(rows(0, 0), rows(0, 3), rows(0, 0), rows(3, 9))
    assert one.accepts(value)
    path = tmp_path / f"table{one.suffix}"
    one.save(value, path)
    pd.testing.assert_frame_equal(one.load(path), rows(0, 9))


def test_each_partition_is_a_row_group_and_none_of_rows_is_a_table_of_columns(tmp_path):
    path, parquet = tmp_path / "table.parquet", FORMATS["parquet"]
    parquet.save(InPartitions(rows(0, 2), rows(2, 3), rows(3, 8)), path)
    metadata = pyarrow.parquet.ParquetFile(path).metadata
    assert [metadata.row_group(n).num_rows for n in range(3)] == [2, 1, 5]
    parquet.save(InPartitions(rows(0, 0), rows(0, 0)), path)
    assert parquet.load(path).columns.tolist() == ["a", "b"]


def test_partitions_of_other_columns_are_refused_and_leave_what_was_there(tmp_path):
    path, parquet = tmp_path / "table.parquet", FORMATS["parquet"]
    parquet.save(rows(0, 4), path)
    for wrong in (rows(0, 1).astype({"a": float}), rows(0, 1)[["a"]]):
        with pytest.raises(ParameterError, match="partitions of a table"):
            parquet.save(InPartitions(rows(0, 2), wrong), path)
    pd.testing.assert_frame_equal(parquet.load(path), rows(0, 4))
    assert list(tmp_path.iterdir()) == [path]


KINDS_WITH_NAN = {
    "numpy": "float64",
    "narrow": "float32",
    "nullable": "Float64",
    "arrow": pd.ArrowDtype(pyarrow.float64()),
    "nested": pd.ArrowDtype(pyarrow.struct([("value", pyarrow.float64())])),
}
FILTERS = {
    "other than": lambda column: column != 4,
    "not equal": lambda column: ~(column == 4),
    "no number": lambda column: column.is_null(nan_is_null=True),
    "equal": lambda column: column == 4,
}


def means(kind):
    numbers = pyarrow.array([4.0, math.nan, 4.0])
    if kind == "nested":
        numbers = pyarrow.StructArray.from_arrays([numbers], ["value"])
    column = pd.Series(pd.arrays.ArrowExtensionArray(numbers))
    if kind in ("numpy", "narrow", "nullable"):
        column = pd.Series([4.0, math.nan, 4.0]).astype(KINDS_WITH_NAN[kind])
    return pd.DataFrame({"label": [1, 2, 3], "mean": column.astype(KINDS_WITH_NAN[kind])})


@pytest.mark.parametrize("is_in_parts", [False, True])
@pytest.mark.parametrize("is_index", [False, True])
@pytest.mark.parametrize("kind", KINDS_WITH_NAN)
def test_readers_that_use_statistics_find_rows_without_a_number(
    tmp_path, kind, is_index, is_in_parts
):
    from pyarrow import dataset

    table = means(kind)
    if is_index and not is_in_parts:
        table = table.set_index("mean")
    path = tmp_path / "t.parquet"
    FORMATS["parquet"].save(InPartitions(table, table) if is_in_parts else table, path)
    column = pyarrow.compute.field(*(["mean", "value"] if kind == "nested" else ["mean"]))
    whole = pyarrow.parquet.read_table(path)
    for name, chosen in FILTERS.items():
        found = dataset.dataset(path).to_table(filter=chosen(column))["label"].to_pylist()
        assert found == whole.filter(chosen(column))["label"].to_pylist(), name
    missing = dataset.dataset(path).to_table(filter=FILTERS["no number"](column))
    assert set(missing["label"].to_pylist()) == {2}


def test_statistics_are_written_where_they_are_exact(tmp_path):
    path = tmp_path / "t.parquet"
    FORMATS["parquet"].save(means("numpy").assign(well="A", arrow=means("arrow")["mean"]), path)
    group = pyarrow.parquet.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    has = {column.path_in_schema: column.is_stats_set for column in columns}
    assert has == {"label": True, "mean": True, "well": True, "arrow": False}


LARGE = 2**53 + 1


@pytest.mark.parametrize("name", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.array([LARGE]), pd.array([None, LARGE], "Int64")),
        (pd.array([LARGE, None], "Int64"), np.array([LARGE])),
    ],
)
def test_partitions_of_integers_and_nullable_ones_are_joined(tmp_path, name, first, second):
    parts = [pd.DataFrame({"id": first}), pd.DataFrame({"id": second})]
    FORMATS[name].save(InPartitions(*parts), tmp_path / "t")
    found = FORMATS[name].load(tmp_path / "t")["id"]
    expected = [None if pd.isna(item) else int(item) for part in parts for item in part["id"]]
    assert [None if pd.isna(item) else int(item) for item in found] == expected


@pytest.mark.parametrize("name", ["parquet", "csv"])
@pytest.mark.parametrize("other", [[0.5], ["a"], [None], np.array([1], "uint8"), [True]])
def test_partitions_of_other_types_are_refused_by_number_and_column(tmp_path, name, other):
    parts = [pd.DataFrame({"id": item}) for item in ([LARGE], [], other)]
    with pytest.raises(ParameterError, match=r"(?s)'id' is .*partition 3"):
        FORMATS[name].save(InPartitions(*parts), tmp_path / "t")

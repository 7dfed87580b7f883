"""Tables for people: tab-separated text and workbooks."""

from __future__ import annotations

import datetime as dt
import time

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.errors import MissingExtra, ParameterError
from scutoid.store import SHEETS

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
COLUMNS = st.one_of(
    *(st.lists(st.none() | kind, min_size=3, max_size=3) for kind in (
        st.integers(-(2**53), 2**53),
        st.floats(-1e307, 1e307),
        st.booleans(),
        TEXT | st.sampled_from(["=1+1", "#N/A", "007", "a\tb", 'say "x"', "two\nlines", ""]),
    ))
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(COLUMNS, min_size=1, max_size=4))
def test_a_workbook_has_the_values_of_the_table(tmp_path_factory, columns) -> None:
    path = tmp_path_factory.mktemp("a") / "a.xlsx"
    table = pd.DataFrame({f"c{n}": pd.Series(each, dtype=object) for n, each in enumerate(columns)})
    SHEETS[".xlsx"](table, path)
    rows = list(openpyxl.load_workbook(path).active.iter_rows(values_only=True))
    assert rows[0] == tuple(table.columns)
    rows += [(None,) * len(columns)] * (4 - len(rows))  # empty ones are not read
    for row, *expected in zip(rows[1:], *columns, strict=True):
        for found, value in zip(row, expected, strict=True):
            is_float = isinstance(value, float)  # they are written with 16 digits
            same = pytest.approx(value, rel=1e-15, abs=0) if is_float else value
            assert found == (None if value in ("", None) else same)
            if isinstance(value, bool):
                assert isinstance(found, bool)


def test_text_is_no_formula(tmp_path) -> None:
    SHEETS[".xlsx"](pd.DataFrame({"=a": ["=1+1", "#REF!"]}), tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert [cell.data_type for (cell,) in sheet.iter_rows()] == ["s", "s", "s"]


def test_dates_come_as_dates(tmp_path) -> None:
    table = pd.DataFrame({"when": pd.to_datetime([None, "2026-01-02 03:04:05"])})
    SHEETS[".xlsx"](table, tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert [row[0] for row in sheet.iter_rows(values_only=True)][1:] == [
        None,
        dt.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - as Excel has it
    ]


@pytest.mark.parametrize(
    "column",
    [
        [2**53 + 1],
        [-(2**60)],
        [np.inf],
        [1.79e308],
        ["a" * 2**15],
        ["a\x00"],
        [[1]],
        pd.to_datetime(["2026-01-01"]).tz_localize("UTC"),
        pd.to_datetime(["1850-01-01"]),
        np.zeros(2**20),
    ],
    ids=str,
)  # fmt: skip
def test_what_excel_does_not_hold_is_refused(tmp_path, column) -> None:
    with pytest.raises(ParameterError, match=r"\.parquet|column"):
        SHEETS[".xlsx"](pd.DataFrame({"size": column}), tmp_path / "a.xlsx")
    assert not list(tmp_path.iterdir())


def test_a_workbook_of_the_same_table_has_the_same_bytes(tmp_path, monkeypatch) -> None:
    table = pd.DataFrame({"a": [1, 2]})
    SHEETS[".xlsx"](table, tmp_path / "a.xlsx")
    now = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(now))
    SHEETS[".xlsx"](table, tmp_path / "b.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_without_openpyxl_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(MissingExtra, match=r"scutoid\[excel\]"):
        SHEETS[".xlsx"](pd.DataFrame({"a": [1]}), tmp_path / "a.xlsx")


def test_tabs_stand_between_fields(tmp_path) -> None:
    table = pd.DataFrame({"a,b": [1, 2], "text": ["x,y", "x\ty"], "id": ["007", None]})
    SHEETS[".tsv"](table, tmp_path / "a.tsv")
    assert (tmp_path / "a.tsv").read_text() == 'a,b\ttext\tid\n1\tx,y\t"007"\n2\t"x\ty"\t\n'
    again = pd.read_csv(tmp_path / "a.tsv", sep="\t")
    assert again["text"].tolist() == ["x,y", "x\ty"]


@pytest.mark.parametrize("ending", [".tsv", ".xlsx"])
def test_results_are_exported(tmp_path, ending) -> None:
    @sc.step(out="table")
    def sizes(image):
        return pd.DataFrame({"axis": ["y", "x"], "size": image.shape})

    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.zeros((3, 4)))
    one = sizes(sc.open(tmp_path / "a.npy"))
    read = {".tsv": lambda path: pd.read_csv(path, sep="\t"), ".xlsx": pd.read_excel}[ending]
    assert read(sc.export(one, tmp_path / f"one{ending}"))["size"].tolist() == [3, 4]
    every = sizes(sc.open_folder(tmp_path / "*.npy"))
    found = read(sc.export(every, tmp_path / f"all{ending}"))
    assert found["key"].tolist() == ["a.npy", "a.npy", "b.npy", "b.npy"]

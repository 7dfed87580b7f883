"""Columns of Python objects come back as they were, or are refused by name."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed
from scutoid.store._parts import bytes_of_table, table_of_bytes
from scutoid.store.formats._tables import load_csv, load_parquet, save_csv, save_parquet

LARGE, LARGEST = 2**53 + 1, 2**64 - 1
NS = pd.Timestamp(1)
"""One nanosecond after the epoch."""

# fmt: off
KEPT = {
    "integers": ([LARGE, 1], "int64"),
    "integers beside None": ([LARGE, None], "Int64"),
    "integers beside NaN": ([LARGE, np.nan], "Int64"),
    "integers beside NA": ([LARGE, pd.NA], "Int64"),
    "integers without a sign": ([LARGEST, None], "UInt64"),
    "integers of numpy": ([np.int64(LARGE), None, np.uint64(LARGEST)], "UInt64"),
    "narrow integers": ([np.int8(-5), None], "Int8"),
    "numbers": ([0.1, None, 5], "float64"),
    "numbers beside NA": ([0.1, pd.NA], "float64"),
    "truth values": ([True, None, np.bool_(False)], "object"),
    "text": (["007", None], "str"),
    "bytes": ([b"a", None], "object"),
    "times": ([NS, None], "datetime64[ns]"),
    "times of numpy": ([np.datetime64(1, "ns"), NS], "datetime64[ns]"),
    "times in a zone": ([NS.tz_localize("UTC"), pd.NaT], "datetime64[ns, UTC]"),
    "times that are far": ([pd.Timestamp("5000-01-01"), None], "datetime64[us]"),
    "durations": ([pd.Timedelta(1), np.nan], "timedelta64[ns]"),
    "dates": ([dt.date(2020, 1, 1), None], "object"),
    "decimals": ([decimal.Decimal("1.50"), None], "object"),
    "lists of integers, one missing": ([[LARGE, None], [1]], "object"),
    "lists of lists": ([[[LARGE], [None]], None], "object"),
    "arrays": ([np.array([LARGE]), np.array([], int)], "object"),
    "dicts of integers, one missing": ([{"a": LARGE}, {"a": None}], "object"),
    "dicts in lists": ([[{"a": LARGE}, {"a": None}]], "object"),
    "nothing": ([None, None], "object"),
}
REFUSED = {
    "integers beside fractions": [LARGE, 0.5],
    "integers with and without a sign": [LARGEST, -1],
    "integers beyond 64 bits": [2**64, None],
    "longer numbers": [np.longdouble(1) / 3, None],
    "times and numbers": [NS, 5],
    "times with and without a zone": [NS, NS.tz_localize("UTC")],
    "times of two zones": [NS.tz_localize("Europe/Berlin"), NS.tz_localize("UTC")],
    "fine times and far ones": [NS, pd.Timestamp("5000-01-01")],
    "dates and times": [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5)],  # noqa: DTZ001
    "dates and numbers": [dt.date(2020, 1, 1), 5],
    "text and bytes": ["a", b"b"],
    "text and numbers": ["7", 7],
    "truth values and numbers": [0.5, True],
    "truth values and integers": [2, True],
    "fine times in lists": [[NS]],
    "long integers in lists": [[LARGEST], [1]],
    "integers beside fractions in lists": [[LARGE], [0.5]],
    "dicts of different keys": [{"a": 1}, {"b": 2}],
    "a dict with a key less": [{"a": 1, "b": None}, {"a": 1}],
    "dicts of different keys in lists": [[{"a": 1}, {"b": 2}]],
    "dicts of different keys in dicts": [{"a": {"b": 1}}, {"a": {}}],
    "sets": [{1}, {2, 3}],
    "sets in lists": [[frozenset({1})]],
}
KEPT_ATTRS = {
    "text": {"unit": "um", "missing": ["a.tif"]},
    "numbers": {"n": 2**70, "x": 0.1, "far": float("inf"), "is_ok": True, "none": None},
    "dicts": {"scale": {"y": [1.5, [2]], "x": {}}},
    "nothing": {},
}
REFUSED_ATTRS = {
    "a key that is no text": {1: "a"},
    "a key that is None": {None: "a"},
    "an inner key that is no text": {"a": {"b": {2: 1}}},
    "a tuple": {"shape": (1, 2)},
    "an inner tuple": {"shapes": [(1, 2)]},
    "a number of numpy": {"level": np.float32(1.5)},
    "a number of numpy that is one of Python's": {"level": np.float64(1.5)},
    "a truth value of numpy": {"is_ok": np.bool_(True)},
    "text of numpy": {"a": np.str_("a")},
    "an array": {"a": np.arange(3)},
    "a set": {"a": {1}},
    "bytes": {"a": b"a"},
    "a table": {"a": pd.DataFrame()},
    "an object": {"a": object()},
    "a time": {"a": NS},
    "not a number": {"a": pd.NA},
}
# fmt: on


def plain(value: Any) -> Any:
    """A value with lists for arrays, None for what is missing and Python's numbers."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if value is None or value is pd.NaT or value is pd.NA or value != value:  # noqa: PLR0124
        return None
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    return value.item() if isinstance(value, np.generic) else value


def column(cells: list[Any]) -> pd.DataFrame:
    values = np.empty(len(cells), object)
    for place, cell in enumerate(cells):
        values[place] = cell
    return pd.DataFrame({"c": pd.Series(values, dtype=object)})


@pytest.mark.parametrize("way", ["packed", "parquet"])
@pytest.mark.parametrize("name", KEPT)
def test_values_are_kept_in_a_type_that_holds_them(name: str, way: str, tmp_path: Path) -> None:
    cells, dtype = KEPT[name]
    table, path = column(cells), tmp_path / "table"
    if way == "packed":
        found = table_of_bytes(bytes_of_table(table))
    else:
        save_parquet(table, path)
        found = load_parquet(path)
    assert found["c"].dtype == dtype
    assert plain(found["c"].tolist()) == plain(cells)


@pytest.mark.parametrize("name", REFUSED)
def test_values_that_no_type_holds_are_refused_by_column(name: str, tmp_path: Path) -> None:
    table = column(REFUSED[name])
    with pytest.raises(ParameterError, match="column 'c'"):
        bytes_of_table(table)
    with pytest.raises(ParameterError, match="column 'c'"):
        save_csv(table, tmp_path / "table.csv")


@pytest.mark.parametrize("way", ["packed", "parquet"])
@pytest.mark.parametrize("name", KEPT_ATTRS)
def test_attributes_of_a_table_come_back(name: str, way: str, tmp_path: Path) -> None:
    table, path = column([1]), tmp_path / "table"
    table.attrs = KEPT_ATTRS[name]
    if way == "packed":
        found = table_of_bytes(bytes_of_table(table))
    else:
        save_parquet(table, path)
        found = load_parquet(path)
    assert repr(found.attrs) == repr(KEPT_ATTRS[name])


@pytest.mark.parametrize("name", REFUSED_ATTRS)
def test_attributes_that_would_be_lost_or_changed_are_refused(name: str, tmp_path: Path) -> None:
    table = column([1])
    table.attrs = {"unit": "um", **REFUSED_ATTRS[name]}
    (odd,) = REFUSED_ATTRS[name]
    with pytest.raises(ParameterError, match=rf"found: {odd!r}: (.|\n)*del table.attrs\[{odd!r}\]"):
        bytes_of_table(table)
    with pytest.raises(ParameterError, match="attrs of a table"):
        save_parquet(table, tmp_path / "table.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("declared", [{"out": "table"}, {}], ids=["a table", "a value"])
def test_a_step_whose_table_has_such_attributes_fails(tmp_path: Path, declared: Any) -> None:
    @sc.step(retries=0, **declared)
    def rows(image: Any) -> pd.DataFrame:
        table = pd.DataFrame({"y": range(len(image))})
        table.attrs["shape"] = image.shape
        return table

    made = rows(sc.open(np.zeros((3, 4))))
    with pytest.raises(RunFailed, match=r"'shape': \(3, 4\)"):
        sc.run(made, store=tmp_path, executor="serial")


ZONES = {
    "times with and without a zone": r"Timestamp, Timestamp in UTC\n",
    "times of two zones": r"Timestamp in Europe/Berlin, Timestamp in UTC\n",
}


@pytest.mark.parametrize("name", ZONES)
def test_times_that_differ_by_their_zone_are_named_with_it(name: str) -> None:
    with pytest.raises(ParameterError, match=ZONES[name]):
        bytes_of_table(column(REFUSED[name]))


@pytest.mark.parametrize(
    "name", [name for name in KEPT if name.split()[0] in ("integers", "narrow", "numbers", "text")]
)
def test_csv_keeps_numbers_and_text(name: str, tmp_path: Path) -> None:
    cells, _ = KEPT[name]
    save_csv(column(cells), tmp_path / "table.csv")
    assert plain(load_csv(tmp_path / "table.csv")["c"].tolist()) == plain(cells)

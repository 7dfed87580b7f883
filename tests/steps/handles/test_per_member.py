"""Parameters for each member, from files as people and programs write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError, SourceError, SourceNotFound

# fmt: off
READ = {
    "a byte order mark": ("\ufeffkey,level\na,3\n", {"a": 3}),
    "lines of Windows": ("key,level\r\na,3\r\n", {"a": 3}),
    "no end of the last line": ("key,level\na,3", {"a": 3}),
    "an empty line": ("key,level\na,3\n\nb,4\n", {"a": 3, "b": 4}),
    "quotes": ('"key","level"\n"a,b","3"\n', {"a,b": 3}),
    "spaces around a number": ("key,level\na, 3\nb,4 \n", {"a": 3, "b": 4}),
    "real numbers": ("key,level\na,1e3\nb,.5\nc,5.\n", {"a": 1e3, "b": 0.5, "c": 5.0}),
    "a large number": (f"key,level\na,{2**70}\n", {"a": 2**70}),
    "infinity": ("key,level\na,inf\nb,-inf\n", {"a": np.inf, "b": -np.inf}),
    "more than there is": ("key,level\na,1e400\n", {"a": "1e400"}),
    "whole and real": ("key,level\na,3\nb,3.5\n", {"a": 3, "b": 3.5}),
    "truth of a spreadsheet": ("key,level\na,TRUE\nb,FALSE\n", {"a": True, "b": False}),
    "truth in lower case": ("key,level\na,true\nb,False\n", {"a": True, "b": False}),
    "codes": ("key,level\na,007\nb,100\n", {"a": "007", "b": "100"}),
    "text among numbers": ("key,level\na,3\nb,NA\n", {"a": "3", "b": "NA"}),
    "truth among numbers": ("key,level\na,3\nb,TRUE\n", {"a": "3", "b": "TRUE"}),
    "a sign": ("key,level\na,+49\n", {"a": "+49"}),
    "a date": ("key,level\na,2026-01-02\n", {"a": "2026-01-02"}),
    "a decimal comma": ('key,level\na,"3,5"\n', {"a": "3,5"}),
    "digits of another script": ("key,level\na,\u0663\n", {"a": "\u0663"}),
    "keys like numbers": ("key,level\n007,3\n1.50,4\n", {"007": 3, "1.50": 4}),
    "other columns": ("name,level,key\nx,3,a\n,4,b\n", {"a": 3, "b": 4}),
    "no rows": ("key,level\n", {}),
}
REFUSED = {
    "semicolons": ("key;level\na;3\n", SourceError, "'key;level'"),
    "tabs": ("key\tlevel\na\t3\n", SourceError, "one column"),
    "a field too many": ("key,level\na,3\nb,3,5\n", SourceError, "3 fields in line 3"),
    "a field too few": ("key,level\na\n", SourceError, "1 fields in line 2"),
    "a quote that does not end": ('key,level\na,"3\n', SourceError, "end of data"),
    "nothing": ("", SourceError, "empty"),
    "another encoding": ("key,level\n\xe4,3\n".encode("latin1"), SourceError, "utf-8"),
    "16 bits": ("key,level\na,3\n".encode("utf-16"), SourceError, "utf-8"),
    "a table of another format": (b"PAR1\x00\xff\xfe", SourceError, "pandas"),
    "no keys": ("name,level\na,3\n", PipelineError, "column 'key'"),
    "keys in upper case": ("Key,level\na,3\n", PipelineError, "column 'key'"),
    "a column without a name": (",level\na,3\n", PipelineError, "column 'key'"),
    "another column": ("key, level\na,3\n", PipelineError, "'key', ' level'"),
    "a column twice": ("key,level,level\na,3,4\n", PipelineError, "different names"),
    "keys twice": ("key,key,level\na,b,4\n", PipelineError, "different names"),
    "a key twice": ("key,level\na,3\na,4\n", PipelineError, "one row for each key"),
    "no value": ("key,level\na,3\nb,\n", PipelineError, "none for b"),
}
# fmt: on


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(("content", "expected"), READ.values(), ids=READ)
def test_fields_are_what_they_are_written_as(tmp_path, content, expected):
    found = sc.per_member(written(tmp_path / "t.csv", content), "level").to_dict()
    assert found == expected
    assert [type(value) for value in found.values()] == [type(v) for v in expected.values()]


@pytest.mark.parametrize(("content", "error", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_of_parameters_is_refused(tmp_path, content, error, said):
    with pytest.raises(error, match=said):
        sc.per_member(written(tmp_path / "t.csv", content), "level")


def test_tabs_separate_the_fields_of_a_tsv(tmp_path):
    path = written(tmp_path / "t.tsv", "key\tlevel\na,b\t3\n")
    assert sc.per_member(path, "level").to_dict() == {"a,b": 3}


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(SourceNotFound, match=r"t\.csv"):
        sc.per_member(tmp_path / "t.csv", "level")


FRAMES = {
    "numbers of rows": (pd.DataFrame({"level": [3]}), "column 'key'"),
    "two levels": (
        pd.DataFrame({"level": [3]}, index=pd.MultiIndex.from_tuples([("a", "b")])),
        "column 'key'",
    ),
    "no key": (pd.DataFrame({"key": [None, "a"], "level": [3, 4]}), "none in 1 of 2"),
    "one key as two": (pd.DataFrame({"key": [7, "7"], "level": [3, 4]}), "one row for each key"),
    "one name twice": (
        pd.DataFrame([["a", 1, 2]], columns=["key", "level", "level"]),
        "different names",
    ),
    "the keys": (pd.DataFrame({"key": ["a"]}), "beside 'key'"),
}


@pytest.mark.parametrize(("table", "said"), FRAMES.values(), ids=FRAMES)
def test_a_table_without_a_key_and_a_value_in_each_row_is_refused(table, said):
    with pytest.raises(PipelineError, match=said):
        sc.per_member(table, "level")


@pytest.mark.parametrize("table", [{"a": 3}, pd.Series({"a": 3}), [("a", 3)], None])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(ParameterError, match="DataFrame"):
        sc.per_member(table, "level")


@pytest.mark.parametrize("value", [3, 2.5, "x", True, [1, 2], {"a": 1}, 2**60 + 1])
def test_values_of_a_table_keep_their_types(value):
    by_column = pd.DataFrame({"key": ["a"], "level": pd.Series([value], dtype=object)})
    for table in (
        by_column,
        by_column.set_index("key"),
        by_column.set_index("key").rename_axis(None),
    ):
        found = sc.per_member(table, "level").to_dict()["a"]
        assert found == value
        assert type(found) is type(value)


def test_a_number_of_more_digits_than_python_takes_is_text(tmp_path) -> None:
    digits = "1" * 5000
    content = f"key,level\na,{digits}\nb,2\n"
    assert sc.per_member(written(tmp_path / "t.csv", content), "level").to_dict()["a"] == digits

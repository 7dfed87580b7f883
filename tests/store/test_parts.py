"""Small arrays and tables as bytes, and back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.errors import DamagedResult, MemoryLimitError, ParameterError
from scutoid.store import arrays_of_bytes, bytes_of_arrays, bytes_of_table, table_of_bytes

DTYPES = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.floating_dtypes()
    | hnp.complex_number_dtypes()
    | hnp.unicode_string_dtypes(max_len=4)
    | hnp.byte_string_dtypes(max_len=4)
    | hnp.datetime64_dtypes()
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


def assert_same(one, other):
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=5), ARRAYS, max_size=4))
def test_arrays_come_back_as_they_were(arrays):
    found = arrays_of_bytes(bytes_of_arrays(arrays))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert_same(found[name], array)
        assert found[name].flags.writeable
        assert found[name].flags.c_contiguous


@pytest.mark.parametrize(
    "array",
    [
        np.arange(100_000, dtype="int32"),
        np.random.default_rng(0).random((300, 40)),
        np.asfortranarray(np.arange(4000).reshape(40, 100)),
        np.arange(4000)[::-3],
        np.zeros(2000, dtype=[("label", "i8"), ("box", "i4", (2, 3)), ("at", [("z", "f4")])]),
        np.zeros(3, dtype=np.dtype([("flag", "u1"), ("size", "f8")], align=True)),
        np.arange(3000).astype("M8[s]"),
        np.arange(3000).astype("U4").reshape(30, 100),
        np.arange(3000).astype(">c16")[::-1],
    ],
    ids=lambda array: str(array.dtype),
)
def test_large_and_odd_arrays_come_back(array):
    packed = bytes_of_arrays({"a": array})
    found = arrays_of_bytes(packed)["a"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_what_compresses_is_compressed():
    assert len(bytes_of_arrays({"a": np.zeros(10**6, "uint16")})) < 1000
    noise = np.random.default_rng(0).bytes(10**5)
    assert len(bytes_of_arrays({"a": np.frombuffer(noise, "uint8")})) < 10**5 + 200


def test_objects_are_refused():
    with pytest.raises(ParameterError, match="named arrays"):
        bytes_of_arrays({"a": np.array([{}, []], dtype=object)})


def test_masked_arrays_are_refused_for_their_mask_would_be_lost():
    with pytest.raises(ParameterError, match="named arrays") as caught:
        bytes_of_arrays({"a": np.ma.MaskedArray([1.0, 2.0], [0, 1])})
    assert "masked float64" in str(caught.value)


def test_bytes_that_are_cut_off_or_foreign_are_damage():
    packed = bytes_of_arrays({"a": np.arange(1000), "b": np.arange(3)})
    for size in (0, 5, 11, 30, 200, len(packed) - 1):
        with pytest.raises(DamagedResult):
            arrays_of_bytes(packed[:size])
    with pytest.raises(DamagedResult):
        arrays_of_bytes(b"x" * 100)


TABLES = {
    "numbers": pd.DataFrame({"a": np.arange(3, dtype="uint8"), "b": np.float32([1, np.nan, 3])}),
    "empty": pd.DataFrame({"a": np.zeros(0, "int64"), "b": pd.Series([], dtype="str")}),
    "text": pd.DataFrame({"a": ["x", None, "µ"]}),
    "index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 3], name="label")),
    "nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int16"), "b": [True, False]}),
    "category": pd.DataFrame({"a": pd.Categorical(["x", "y", "x"], categories=["y", "x"])}),
    "dates": pd.DataFrame({"a": pd.to_datetime(["2026-01-01", None], utc=True)}),
    "no rows or columns": pd.DataFrame(),
    "large": pd.DataFrame({"a": np.arange(10_000), "b": np.arange(10_000) / 7}),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_come_back_with_their_types_and_index(name):
    pd.testing.assert_frame_equal(table_of_bytes(bytes_of_table(TABLES[name])), TABLES[name])


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame({1: [1]}),
        pd.DataFrame({"a": [1, "x", object()]}),
    ],
    ids=["twice", "not text", "mixed"],
)
def test_tables_that_no_format_holds_are_refused(table):
    with pytest.raises(ParameterError):
        bytes_of_table(table)


def test_a_damaged_table_is_noticed():
    packed = bytes_of_table(TABLES["large"])
    for size in (0, 10, len(packed) // 2):
        with pytest.raises(DamagedResult):
            table_of_bytes(packed[:size])


def packed(header, content=b"\0" * 24):
    """Pack what a header says, whatever it is."""
    import json
    import struct

    text = json.dumps(header).encode().replace(b'"deep"', b"[" * 5000 + b"]" * 5000)
    return struct.pack("<8sI", b"scutarr1", len(text)) + text + content


ODD_PARTS = {
    "a shape of text": [["a", "<i8", "3", "raw", 24]],
    "a shape of another number of elements": [["a", "<i8", [4], "raw", 24]],
    "a negative shape": [["a", "<i8", [-3], "raw", 24]],
    "a shape of fractions": [["a", "<i8", [3.5], "raw", 24]],
    "a shape of nothing": [["a", "<i8", [None], "raw", 24]],
    "a type of nothing": [["a", None, [3], "raw", 24]],
    "a type of a number": [["a", 8, [3], "raw", 24]],
    "objects": [["a", "|O", [3], "raw", 24]],
    "an unknown codec": [["a", "<i8", [3], "lz9", 24]],
    "a codec that it is not": [["a", "<i8", [3], "zstd", 24]],
    "a size of text": [["a", "<i8", [3], "raw", "24"]],
    "fewer fields": [["a", "<i8"]],
    "a number": 3,
    "a list of numbers": [3],
    "deep": "deep",
    "a deep shape": [["a", "<i8", "deep", "raw", 24]],
    "a name that is a list": [[["a"], "<i8", [3], "raw", 24]],
}


@pytest.mark.parametrize("name", ODD_PARTS)
def test_parts_of_odd_shapes_are_damage(name) -> None:
    with pytest.raises(DamagedResult):
        arrays_of_bytes(packed(ODD_PARTS[name]))


def test_parts_that_claim_more_than_there_is_are_not_made() -> None:
    with pytest.raises(MemoryLimitError, match="memory"):
        arrays_of_bytes(packed([["a", "<i8", [2**58], "raw", 24]]))


def test_small_values_are_packed_without_what_compresses():
    code = (
        "import sys; import numpy as np\n"
        "from scutoid.store import arrays_of_bytes, bytes_of_arrays\n"
        "assert arrays_of_bytes(bytes_of_arrays({'n': np.arange(5)}))['n'].sum() == 10\n"
        "assert not {'numcodecs', 'imagecodecs'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

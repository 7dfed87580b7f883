"""Formats: values come back as they were, by type or by name, also from other packages."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.errors import DamagedResult, ParameterError
from scutoid.store import FORMATS, EntryStore, Format, Recipe
from scutoid.store.formats import choose_format, installed_formats
from scutoid.testing import FormatTests

NUMBERS = (
    hnp.from_dtype(np.dtype("float32"))
    | hnp.from_dtype(np.dtype("float64"))
    | hnp.from_dtype(np.dtype("uint64"))
    | hnp.from_dtype(np.dtype("bool"))
    | hnp.from_dtype(np.dtype("complex64"))
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text()
) | NUMBERS
KEYS = st.just("__scutoid__") | st.integers() | st.tuples(st.integers(), st.booleans())
VALUES = st.recursive(
    LEAVES | hnp.arrays(hnp.floating_dtypes(sizes=(32, 64)), hnp.array_shapes(max_dims=2)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (complex, np.complexfloating)):
        return same(float(one.real), float(other.real)) and same(float(one.imag), float(other.imag))
    is_nan = isinstance(one, (float, np.floating)) and math.isnan(one)
    return (is_nan and math.isnan(other)) or one == other


class TestJson(FormatTests):
    format = FORMATS["json"]

    def values(self):
        return [
            None, True, 12, -0.0, math.inf, 1j, "", "a\nµ\ud800", [], {}, (1, [2]),
            {"a": {"b": ()}}, {(1, "a"): 2.5}, np.float32(0.1), np.zeros((0, 3), "int16"),
            np.arange(6.0).reshape(2, 3),
        ]  # fmt: skip

    def strangers(self):
        return [b"a", np.zeros(1001), np.longdouble(1), pd.DataFrame(), [object()], 10**5000]

    def is_same(self, one, other):
        return same(one, other)


class TestNpy(FormatTests):
    format = FORMATS["npy"]

    def values(self):
        fields = [(f"a long name of a field, number {n}", ">f8", (2, 2)) for n in range(400)]
        return [
            np.zeros((100, 100)), np.array(3, "float16"), np.zeros((0, 5), "int8"),
            np.array(["a", "bc"]), np.array(b"a"), np.arange(5, dtype=">i4"), np.array([1j], "F"),
            np.array(["2026-01-01", "NaT"], "M8[us]"), np.zeros(3, fields),
            np.asfortranarray(np.arange(12).reshape(3, 4)), np.array([True, False]),
        ]  # fmt: skip

    def strangers(self):
        return [1, [1], pd.DataFrame(), np.array([{}]), np.zeros(2, [("a", object)])]


@settings(max_examples=100)
@given(VALUES)
def test_json_values_come_back_as_they_were(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    assert choose_format(value).name == "json"
    FORMATS["json"].save(value, path)
    assert same(FORMATS["json"].load(path), value)
    json.loads(path.read_text(), parse_constant=pytest.fail)  # NaN is no JSON


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "json"),
        (np.float32(1), "json"),
        (np.arange(10), "json"),
        ({"a": np.arange(10)}, "json"),
        (np.zeros((100, 100)), "npy"),
        (np.array(["a", "b"]), "npy"),
        (np.array("2026-01-01", "datetime64[D]"), "npy"),
        (np.zeros(3, [("a", "i4")]), "npy"),
        (pd.DataFrame({"a": [1]}), "parquet"),
    ],
)
def test_the_type_chooses_the_format_and_the_value_comes_back(tmp_path, value, name):
    chosen = choose_format(value)
    assert chosen.name == name
    path = tmp_path / f"value{chosen.suffix}"
    chosen.save(value, path)
    found = chosen.load(path)
    assert type(found) is type(value)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(found, value)
    elif isinstance(value, dict):
        assert same(found, value)
    else:
        np.testing.assert_array_equal(found, value)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {b"a": 1},
        {1, 2},
        np.array([object()]),
        np.ma.MaskedArray(np.zeros(2000)),
        np.array(["a"], np.dtypes.StringDType()),
        print,
        np.longdouble(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_open_format_holds_is_refused(value):
    with pytest.raises(ParameterError, match="returns tables, arrays"):
        choose_format(value)


def test_what_is_refused_is_named_with_its_place():
    with pytest.raises(ParameterError, match="dict with list with set at 1 at 'a'"):
        choose_format({"a": [1, {2}]})


def test_a_dict_of_text_is_plain_json_and_other_keys_come_back_as_they_were(tmp_path):
    path = tmp_path / "value.json"
    FORMATS["json"].save({"n": 3, "mean": 1.5}, path)
    assert json.loads(path.read_text()) == {"n": 3, "mean": 1.5}
    counts = {np.int64(1): 20, 2: 30, (0, "a"): None, None: 1}
    FORMATS["json"].save(counts, path)
    found = FORMATS["json"].load(path)
    assert found == counts
    assert list(map(type, found)) == list(map(type, counts))


def test_a_format_by_name_takes_only_what_it_holds(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    csv = choose_format(table, "csv")
    csv.save(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,x\n2,y\n"
    pd.testing.assert_frame_equal(csv.load(tmp_path / "t.csv"), table)
    with pytest.raises(ParameterError, match="made for"):
        choose_format(1, "csv")
    with pytest.raises(ParameterError, match=r"ndarray of float64, shape \(2, 3\)"):
        choose_format(np.zeros((2, 3)), "png")
    with pytest.raises(ParameterError, match="parquet, json"):
        choose_format(1, "pickle")


@pytest.mark.parametrize(
    ("name", "value"),
    [("parquet", pd.DataFrame({"a": [1, 2]})), ("json", [1, 2]), ("npy", np.arange(2000))],
)
def test_files_that_are_cut_off_are_damage(tmp_path, name, value):
    path = tmp_path / "value"
    FORMATS[name].save(value, path)
    content = path.read_bytes()
    for size in (0, 1, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:size])
        with pytest.raises(DamagedResult):
            FORMATS[name].load(path)


def test_no_pickle_is_read(tmp_path):
    path = tmp_path / "value.npy"
    with path.open("wb") as file:
        np.save(file, np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedResult):
        FORMATS["npy"].load(path)


def test_nothing_heavy_is_imported_to_look_at_a_value():
    code = """
import sys
import scutoid.store as store
from scutoid.store.formats import choose_format
before = set(sys.modules)
choose_format([1, "a"])
for one in store.FORMATS.values():
    one.accepts(object())
new = {name.partition(".")[0] for name in set(sys.modules) - before}
assert not new & {"matplotlib", "PIL", "tifffile", "pyarrow"}, new
assert "matplotlib" not in sys.modules and "PIL" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_file_system_that_takes_no_more_leaves_what_was_there(tmp_path):
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np, pandas as pd
from PIL import Image
from scutoid.errors import StoreError
from scutoid.store import FORMATS
noise = np.random.default_rng(0).integers(0, 255, (300, 300), "uint8")
table = pd.DataFrame({"a": noise.ravel()})
values = {"parquet": table, "csv": table, "json": list(range(9999)), "npy": noise, "png": noise,
          "tiff": noise, "pil": Image.fromarray(noise)}
for name, value in values.items():  # what is imported at the first use may write caches
    FORMATS[name].save(value, Path(sys.argv[1], name))
    Path(sys.argv[1], name).write_bytes(b"old")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for name, value in values.items():
    try:
        FORMATS[name].save(value, Path(sys.argv[1], name))
    except StoreError as error:
        assert "choose another folder" in str(error), error
    else:
        raise AssertionError(name)
    assert Path(sys.argv[1], name).read_bytes() == b"old", name
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 7


@pytest.mark.parametrize("name", ["png", "tiff", "csv"])
def test_some_formats_are_chosen_by_name_only(name):
    table, image = pd.DataFrame({"a": [1]}), np.zeros((100, 100), "uint8")
    value = table if name == "csv" else image
    assert choose_format(value).name != name
    assert choose_format(value, name).name == name


def test_a_format_has_an_ending_of_its_own():
    suffixes = [one.suffix for one in FORMATS.values()]
    assert len(set(suffixes)) == len(suffixes)
    with pytest.raises(ParameterError, match="a dot and letters"):
        Format("odd", "x/../y", lambda value: True, lambda value, path: None, lambda path: None)


PACKAGE = """
from pathlib import Path
from scutoid.store import Format

BYTES = Format(
    "bytes",
    ".bin",
    lambda value: isinstance(value, bytes),
    lambda value, path: path.write_bytes(value),
    lambda path: path.read_bytes(),
)
CSV = Format("mine", ".csv", BYTES.accepts, BYTES.save, BYTES.load)
NOTHING = None
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package with these entry points, as pip would."""
    place = tmp_path / "site"

    def do(*points):
        info = place / "with_a_format-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: with-a-format\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(["[scutoid.formats]", *points, ""]))
        (place / "with_a_format.py").write_text(PACKAGE)
        monkeypatch.syspath_prepend(place)

    yield do
    sys.modules.pop("with_a_format", None)


def test_other_packages_add_formats(tmp_path, install):
    assert "bytes" not in installed_formats()
    with pytest.raises(ParameterError, match="returns tables"):
        choose_format(b"abc")
    install("bytes = with_a_format:BYTES")
    entry = EntryStore(tmp_path / "store").entry("s", "k" * 64)
    entry.begin(Recipe(step="s", key=entry.key))
    assert entry.save(b"abc", "value").name == "value.bin"
    entry.commit()
    assert entry.load("value") == b"abc"
    assert choose_format(b"", "bytes") is installed_formats()["bytes"]
    assert choose_format(1).name == "json"


def test_a_package_whose_format_cannot_be_imported_does_no_harm(install, caplog):
    install("bytes = with_a_format:BYTES", "gone = with_a_format_gone:X", "none = with_a_format:X")
    with caplog.at_level(logging.WARNING):
        assert list(installed_formats()) == ["bytes"]
    assert "'gone'" in caplog.text
    assert "'none'" in caplog.text


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (["mine = with_a_format:CSV"], "an ending that no other format has"),
        (["json = with_a_format:BYTES"], "a name and"),
        (["a = with_a_format:BYTES", "b = with_a_format:BYTES"], "a name and"),
        (["odd = with_a_format:NOTHING"], "is a scutoid.store.Format"),
    ],
)
def test_a_package_whose_format_gets_in_the_way_is_named(install, points, message):
    install(*points)
    with pytest.raises(ParameterError, match=message) as caught:
        choose_format(b"abc")
    assert "entry point" in str(caught.value)

"""Formats are chosen by type or by name, also from other packages, and values come back."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from scutoid.errors import DamagedResult, ParameterError
from scutoid.store import FORMATS, EntryStore, Format, Recipe
from scutoid.store.formats import choose_format, installed_formats


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
        assert found.keys() == value.keys()
        np.testing.assert_array_equal(found["a"], value["a"])
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


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.array([1, "a"], object), r"ndarray of object, shape \(2,\)"),
        ((np.zeros((40, 50)), 1.0), r"tuple with ndarray of float64, shape \(40, 50\) at 0"),
    ],
    ids=["an array of objects", "a large array in a tuple"],
)
def test_arrays_that_are_refused_are_named_with_their_type_and_shape(value, found):
    with pytest.raises(ParameterError, match=found) as raised:
        choose_format(value)
    assert "up to 1,000 elements" in str(raised.value)


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

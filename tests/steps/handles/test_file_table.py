"""Tables that list files: a row a file, or a row with the files of a member."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, ScutoidWarning, SourceError, SourceNotFound


def voxels(number):
    return np.full((4, 5), number, "uint8")


@pytest.fixture
def folder(tmp_path):
    for number in range(8):
        path = tmp_path / "plate" / f"{number // 4}" / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, voxels(number))
    return tmp_path


ROWS = pd.DataFrame(
    {
        "path": [f"plate/{n // 4}/{n}.npy" for n in range(8)],
        "well": ["B10"] * 4 + ["B9"] * 4,
        "site": [1, 1, 2, 2] * 2,
        "channel": ["GFP", "DAPI"] * 4,
        "dose": [0.5] * 4 + [None] * 4,
        "code": ["007"] * 8,
    }
)


def opened(folder, rows, monkeypatch, how, **options):
    if how == "frame":
        monkeypatch.chdir(folder)
        return sc.open_folder(rows, **options)
    rows.to_csv(folder / "files.csv", index=False)
    return sc.open_folder(folder / "files.csv", **options)


@pytest.mark.parametrize("how", ["frame", "csv"])
def test_the_files_of_a_member_are_in_rows(folder, monkeypatch, how):
    images = opened(folder, ROWS, monkeypatch, how, stack={"c": "channel"})
    assert images.keys == ("B10/1", "B10/2", "B9/1", "B9/2")  # in the order of the table
    image = images["B9/2"]
    assert (image.axes, image.channels) == ("cyx", ("DAPI", "GFP"))
    assert image.read()[:, 0, 0].tolist() == [7, 6]
    assert list(images.groups.columns) == ["well", "site", "dose", "code"]
    row = images.groups.loc["B10/2"]
    assert (row["well"], row["site"], row["dose"], row["code"]) == ("B10", 2, 0.5, "007")
    assert images.groups["dose"].isna().tolist() == [False, False, True, True]


def test_paths_may_be_path_objects(folder):
    rows = ROWS.assign(path=[folder / path for path in ROWS["path"]])
    assert sc.open_folder(rows, stack={"c": "channel"})["B9/2"].read().max() == 7


def test_a_table_with_tabs_is_read(folder):
    ROWS.to_csv(folder / "files.tsv", index=False, sep="\t")
    assert len(sc.open_folder(folder / "files.tsv", stack={"c": "channel"})) == 4


@pytest.mark.parametrize("how", ["frame", "csv"])
def test_without_a_stack_each_row_is_a_member(folder, monkeypatch, how):
    images = opened(folder, ROWS, monkeypatch, how)
    assert images.keys == tuple(f"{n // 4}/{n}.npy" for n in range(8))
    assert images.groups.loc["1/5.npy"].tolist()[:3] == ["B9", 1, "DAPI"]


def test_a_column_of_keys_names_the_members(folder, monkeypatch):
    rows = ROWS.assign(key=[f"{w}-{s}" for w, s in zip(ROWS["well"], ROWS["site"], strict=True)])
    images = opened(folder, rows, monkeypatch, "csv", stack={"c": "channel"})
    assert images.keys == ("B10-1", "B10-2", "B9-1", "B9-2")
    assert "key" not in images.groups
    one = opened(folder, rows[::2], monkeypatch, "csv")
    assert one.keys == images.keys


def test_columns_are_read_as_per_member_reads_them_and_come_back_from_the_store(
    folder, monkeypatch
):
    @sc.step
    def total(image):
        return int(image.sum())

    rows = ROWS.assign(control=[True, True, False, False] * 2, note=["x"] * 4 + [""] * 4)
    images = opened(folder, rows, monkeypatch, "csv", stack={"c": "channel"})
    totals = total(images)
    sc.run(totals, store=folder / "store", executor="serial")
    found = sc.Store(folder / "store")["total"].to_pandas()
    assert found["site"].tolist() == [1, 2, 1, 2]
    assert found["dose"].tolist()[:2] == [0.5, 0.5]
    assert found["dose"].isna().tolist()[2:] == [True, True]
    assert found["code"].tolist() == ["007"] * 4
    assert [bool(v) for v in found["control"]] == [True, False] * 2
    assert sc.plan(totals, store=folder / "store").is_done


def wide(prefix):
    return pd.DataFrame(
        {
            f"{prefix}FileName_OrigDNA": ["0.npy", "2.npy", "4.npy"],
            f"{prefix}PathName_OrigDNA": ["plate/0", "plate/0", "plate/1"],
            f"{prefix}FileName_OrigGFP": ["1.npy", "3.npy", "5.npy"],
            f"{prefix}PathName_OrigGFP": ["plate/0", "plate/0", "plate/1"],
            "Metadata_Well": ["A01", "A01", "A02"],
            "Metadata_Site": [1, 2, 1],
            f"{prefix}Frame_OrigDNA": [0, 0, 0],
        }
    )


@pytest.mark.parametrize("how", ["frame", "csv"])
@pytest.mark.parametrize("prefix", ["", "Image_"])
def test_the_files_of_a_member_are_in_columns(folder, monkeypatch, how, prefix):
    channels = {"OrigGFP": "GFP", "OrigDNA": "DAPI"}
    images = opened(folder, wide(prefix), monkeypatch, how, channels=channels)
    assert images.keys == ("A01/1", "A01/2", "A02/1")
    assert list(images.groups.columns) == ["Well", "Site"]
    assert images["A01/2"].channels == ("GFP", "DAPI")
    assert images["A01/2"].read()[:, 0, 0].tolist() == [3, 2]
    planes = opened(folder, wide(prefix), monkeypatch, how, stack={"z": "Site"}, missing="fill")
    assert (planes["A01"].axes, planes["A01"].shape) == ("czyx", (2, 2, 4, 5))


def test_a_channel_that_a_row_lacks_is_missing(folder, monkeypatch):
    rows = wide("")
    rows.loc[1, "FileName_OrigGFP"] = None
    with pytest.raises(SourceError, match="Well='A01', Site=2: c='OrigGFP'"):
        opened(folder, rows, monkeypatch, "csv")
    assert not opened(folder, rows, monkeypatch, "csv", missing="fill")["A01/2"].read()[1].any()


def drop(column):
    return lambda rows: rows.drop(columns=column)


def put(row, column, value):
    def change(rows):
        rows = rows.astype(object)
        rows.loc[row, column] = value
        return rows

    return change


REFUSED = {
    "no column of paths": (drop("path"), {}, ParameterError, "a column 'path'"),
    "a file that is not there": (
        put(2, "path", "plate/none.npy"),
        {},
        SourceNotFound,
        "row 4 of files.csv",
    ),
    "no file": (put(2, "path", None), {}, SourceNotFound, "row 4 of files.csv"),
    "a URL among paths": (put(2, "path", "https://x.org/a.tif"), {}, ParameterError, "column key"),
    "no value of a stacked column": (
        put(2, "channel", None),
        {"stack": {"c": "channel"}},
        SourceError,
        "0/2.npy",
    ),
    "one place twice": (
        put(2, "channel", "DAPI"),
        {"stack": {"c": "channel"}},
        SourceError,
        "make a column of what differs",
    ),
    "a column that differs within a member": (
        put(2, "dose", 7),
        {"stack": {"c": "channel"}},
        SourceError,
        "drop the column 'dose'",
    ),
    "an unknown column": (lambda r: r, {"stack": {"c": "wave"}}, ParameterError, "well, site"),
    "group=": (lambda r: r, {"group": "(?P<x>.)"}, ParameterError, "not from both"),
    "no rows": (lambda r: r[:0], {}, SourceNotFound, "at least one file"),
    "a key twice": (lambda r: r.assign(key="x"), {}, ParameterError, "'x' twice"),
    "a key that leads out": (
        lambda r: r[:1].assign(key="../x"),
        {},
        ParameterError,
        "relative path",
    ),
    "a frame of a file": (
        lambda _: wide("").assign(Frame_OrigDNA=[0, 1, 2]),
        {},
        ParameterError,
        "Frame_OrigDNA",
    ),
    "two columns of one name": (
        lambda _: wide("").assign(Well=1),
        {},
        ParameterError,
        "without Metadata_",
    ),
}


@pytest.mark.parametrize(("change", "options", "error", "text"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_list_of_files_is_refused(folder, monkeypatch, change, options, error, text):
    with pytest.raises(error, match=re.escape(text)):
        opened(folder, change(ROWS), monkeypatch, "csv", **options)


def test_a_file_that_is_no_table_is_refused_by_name(folder):
    for content in (b"\xff\xfe\x00\x01", b"", b"path,well\n1.npy\n", b"path;well\n1.npy;B3\n"):
        (folder / "files.csv").write_bytes(content)
        with pytest.raises(SourceError, match=r"files\.csv"):
            sc.open_folder(folder / "files.csv")
    (folder / "files.csv").write_text("path,path\n1.npy,2.npy\n")
    with pytest.raises(ParameterError, match="different names"):
        sc.open_folder(folder / "files.csv")


def test_a_table_that_a_step_made_lists_files(folder):
    @sc.step(out="table")
    def listed(image, *, where):
        return ROWS.assign(path=[f"{where}/{path}" for path in ROWS["path"]])

    table = listed(sc.open(voxels(0)), where=str(folder))
    assert len(sc.open_folder(table, stack={"c": "channel"})) == 4


def test_a_list_of_paths_is_as_a_table_of_them(folder, monkeypatch):
    monkeypatch.chdir(folder)
    paths = ["plate/1/5.npy", "plate/0/2.npy"]
    for given in (paths, tuple(map(Path, paths))):
        images = sc.open_folder(given)
        assert images.keys == ("1/5.npy", "0/2.npy")
        assert np.array_equal(images["0/2.npy"].read(), voxels(2))
    with pytest.raises(SourceNotFound, match="at least one"):
        sc.open_folder([])
    for no_paths in ([voxels(1)], voxels(1), 3):
        with pytest.raises(ParameterError, match="a list of paths"):
            sc.open_folder(no_paths)


def test_a_column_without_a_name_is_left_out_with_a_warning(folder):
    ROWS.to_csv(folder / "files.csv")  # with the row numbers of pandas
    with pytest.warns(ScutoidWarning, match="index=False"):
        images = sc.open_folder(folder / "files.csv", stack={"c": "channel"})
    assert images.keys == ("B10/1", "B10/2", "B9/1", "B9/2")
    assert list(images.groups.columns) == ["well", "site", "dose", "code"]
    with pytest.warns(ScutoidWarning, match="index=False"):
        assert len(sc.open_folder(folder / "files.csv")) == 8


@pytest.mark.parametrize("path", [r"C:\data\0.npy", r"plate\0\0.npy"])
def test_paths_of_windows_are_told_as_such(folder, monkeypatch, path):
    for rows in (put(2, "path", path)(ROWS), wide("").assign(PathName_OrigDNA=path)):
        with pytest.raises(SourceNotFound, match=r"as on Windows: .*\.str\.replace"):
            opened(folder, rows, monkeypatch, "csv")


def test_a_path_says_what_it_is_relative_to(folder, monkeypatch):
    rows = put(2, "path", "none.npy")(ROWS)
    for how, text in (("frame", "the current folder"), ("csv", "the folder of the table")):
        with pytest.raises(SourceNotFound, match=f"relative to {text}"):
            opened(folder, rows, monkeypatch, how)


def test_a_link_to_nothing_is_shown_with_what_it_leads_to(folder, monkeypatch):
    (folder / "plate" / "9.npy").symlink_to("/none/there")
    with pytest.raises(SourceNotFound, match=r"9\.npy, a link to /none/there"):
        opened(folder, put(2, "path", "plate/9.npy")(ROWS), monkeypatch, "csv")
    with pytest.raises(SourceNotFound, match=r"(?s)found: /none/there.*9\.npy.*git annex get"):
        sc.open(folder / "plate" / "9.npy")


def test_files_of_other_kinds_are_refused_before_a_run(folder, monkeypatch):
    for name in ("notes.txt", "files.xlsx"):
        (folder / name).write_bytes(b"text")
        with pytest.raises(SourceError, match=f"(?s)are images.*{name}.*read="):
            opened(folder, put(2, "path", name)(ROWS), monkeypatch, "csv")
        with pytest.raises(SourceError, match=f"(?s)a table.*{name}.*read_excel"):
            sc.open_folder(folder / name)
        assert len(opened(folder, put(2, "path", name)(ROWS), monkeypatch, "csv", read=str)) == 8


def test_a_tilde_is_the_home_of_the_user(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    rows = ROWS.assign(path="~/" + ROWS["path"])
    keys = tuple(f"{n // 4}/{n}.npy" for n in range(8))
    assert sc.open_folder("~/plate/**/*.npy").keys == keys
    assert sc.open_folder("~/plate/1").keys == ("4.npy", "5.npy", "6.npy", "7.npy")
    assert opened(folder, rows, monkeypatch, "csv").keys == keys
    assert sc.open_folder("~/files.csv").keys == keys
    assert sc.open_folder(list(rows["path"])).keys == keys
    wide_rows = wide("").assign(PathName_OrigDNA="~/plate/0").drop(2)
    assert opened(folder, wide_rows, monkeypatch, "csv").keys == ("A01/1", "A01/2")

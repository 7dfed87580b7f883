"""Members of a collection are exported under names that people gave them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.cli._main import run_command
from scutoid.errors import ParameterError, ScutoidError, StoreError
from scutoid.steps.handles._member_stems import stem

KEYS = ("B03_s1.npy", "B03_s2.npy", "C04_s1.npy", "C04_s2.npy")


@sc.blockwise(
    version="1",
    axes="yx",
    out_axes="yxc",
    out_sizes={"c": 3},
    dtype="uint8",
    storage=sc.Storage(format="png"),
)
def overlay(image):
    return np.repeat(image[..., None], 3, axis=-1)


@sc.blockwise(version="1", dtype="same")
def plain(image):
    return image


@sc.step(out="table", version="1")
def rows(image):
    return pd.DataFrame({"sum": [int(image.sum())]})


@sc.step(version="1")
def total(image):
    return {"sum": int(image.sum())}


@sc.step(version="1")
def profile(image):
    return np.resize(image, 3000)


@sc.step(version="1")
def drawn(image):
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(1, 1))
    figure.subplots().imshow(image)
    return figure


@sc.step(out="files", version="1")
def one_file(image, *, folder):
    (folder / "plot.svg").write_text(str(int(image.sum())))


@sc.step(out="files", version="1")
def two_files(image, *, folder):
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name)


@pytest.fixture
def plate(tmp_path):
    (tmp_path / "plate").mkdir()
    for n, key in enumerate(KEYS):
        np.save(tmp_path / "plate" / key, np.full((6, 5), n + 1, "uint8"))
    return sc.open_folder(tmp_path / "plate" / "{well}_s{site:d}.npy")


def files_in(folder: Path) -> set[str]:
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return found - {".scutoid-export"}


@pytest.mark.parametrize("is_run", [False, True], ids=["not run", "from the store"])
@pytest.mark.parametrize(
    ("step", "ending"),
    [
        (plain, ".tif"),
        (overlay, ".png"),
        (rows, ".csv"),
        (total, ".json"),
        (profile, ".npy"),
        (drawn, ".png"),
        (one_file, ".svg"),
        (two_files, ""),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_member_ends_as_its_format_does(plate, tmp_path, step, ending, is_run) -> None:
    result = step(plate)
    if is_run:
        sc.run(result, store=tmp_path / "store", executor="serial", check_halo=False)
        result = sc.Store(tmp_path / "store")[result.name]
    elif result.kind == "files":
        with pytest.raises(ScutoidError, match="run"):  # they are written by a run alone
            sc.export(result, tmp_path / "by key")
        return
    folder = sc.export(result, tmp_path / "by key")
    assert {p.name for p in folder.iterdir()} - {".scutoid-export"} == {
        f"{Path(key).stem}{ending}" for key in KEYS
    }
    folder = sc.export(result, tmp_path / "named" / "{site:02d}" / "{well}")
    assert folder == tmp_path / "named"
    assert {p.relative_to(folder).as_posix() for p in folder.glob("*/*")} == {
        f"{site}/{well}{ending}" for site in ("01", "02") for well in ("B03", "C04")
    }
    if ending:
        path = tmp_path / "ending" / f"{{key}}_of_{{well}}{ending}"
        assert files_in(sc.export(result, path)) == {
            f"{Path(key).stem}_of_{key[:3]}{ending}" for key in KEYS
        }


def test_what_is_written_is_that_of_the_member(plate, tmp_path) -> None:
    result = one_file(plate)
    sc.run((result, overlay(plate)), store=tmp_path / "store", executor="serial", check_halo=False)
    sc.export(result, tmp_path / "qc" / "{well}_{site}.svg")
    assert (tmp_path / "qc" / "C04_1.svg").read_text() == str(3 * 30)
    sc.export(result["B03_s2.npy"], tmp_path / "one.svg")
    assert (tmp_path / "one.svg").read_text() == str(2 * 30)
    pictures = sc.Store(tmp_path / "store")["overlay"]
    sc.export(pictures, tmp_path / "qc" / "{well}_{site}.png")
    assert np.asarray(sc.open(tmp_path / "qc" / "C04_2.png")).tolist() == [[[4] * 3] * 5] * 6


@sc.blockwise(version="1", axes="yx", out_axes="yxc", out_sizes={"c": 3}, dtype="uint8")
def colours(image):
    return np.stack([image, 2 * image, 3 * image], axis=-1)


@pytest.mark.parametrize("ending", ["", ".tif", ".png", ".ome.zarr"])
def test_colours_of_members_are_exported_as_colours(plate, tmp_path, ending) -> None:
    result = colours(plate)
    sc.run(result, store=tmp_path / "store", executor="serial", check_halo=False)
    folder = sc.export(result, tmp_path / "qc" / f"{{well}}_{{site}}{ending}")
    path = folder / f"C04_1{ending or '.tif'}"
    image = sc.open(path)
    assert image.axes == "yxc"
    assert image.read().tolist() == [[[3, 6, 9]] * 5] * 6
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            assert [page.photometric.name for page in file.pages] == ["RGB"]


def test_exports_share_a_folder_and_each_removes_its_own_stale_files(plate, tmp_path) -> None:
    folder = tmp_path / "qc"
    (tmp_path / "few").mkdir()
    np.save(tmp_path / "few" / "B03_s1.npy", np.full((6, 5), 9, "uint8"))
    few = sc.open_folder(tmp_path / "few" / "{well}_s{site:d}.npy")
    tables = {f"{key[:3]}/{key[4:6]}.csv" for key in KEYS}
    sc.export(plain(plate), folder / "{well}_{site}.tif")
    sc.export(rows(plate), folder / "{well}" / "s{site}.csv")
    (folder / "mine.txt").write_text("mine")
    sc.export(plain(few), folder / "{well}_{site}.tif")
    assert files_in(folder) == tables | {"B03_1.tif", "mine.txt"}
    assert sc.open(folder / "B03_1.tif").read().max() == 9
    sc.export(plain(few), folder / "{well}_{site:03d}.tif")  # the same, written otherwise
    assert files_in(folder) == tables | {"B03_001.tif", "mine.txt"}
    sc.export(rows(few), folder / "{well}" / "{key}.csv")
    assert files_in(folder) == tables | {"B03/B03_s1.csv", "B03_001.tif", "mine.txt"}
    sc.export(rows(few), folder / "{well}" / "s{site}.csv")
    assert files_in(folder) == {"B03/B03_s1.csv", "B03/s1.csv", "B03_001.tif", "mine.txt"}
    sc.export(rows(few), folder)
    assert "B03_s1.csv" in files_in(folder)
    sc.export(total(few), folder)
    assert files_in(folder) == {
        "B03_s1.json", "B03/B03_s1.csv", "B03/s1.csv", "B03_001.tif", "mine.txt",
    }  # fmt: skip
    (folder / "B03_001.csv").write_text("mine")
    with pytest.raises(StoreError, match=r"'B03_001\.csv' is in the way"):
        sc.export(rows(few), folder / "{well}_{site:03d}.csv")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{well}.csv", r"'B03.csv', for 'B03_s1.npy' and for 'B03_s2.npy'"),
        ("{wel}_{site}.csv", r"write \{well\} or \{site\} or \{key\}"),
        ("{well:d}_{site}.csv", "'B03' of member 'B03_s1.npy'"),
        ("{well:B.*}_{site}.csv", "'C04' of member 'C04_s1.npy'"),
        ("{key}/../../{well}.csv", "leads up"),
        ("{key}.csv.{site", "ends with a brace"),
        ("{key}.xyz", r"\.csv, \.parquet"),
    ],
)
def test_a_name_that_is_none_is_refused_before_anything_is_written(
    plate, tmp_path, template, message
) -> None:
    with pytest.raises(ParameterError, match=message):
        sc.export(rows(plate), tmp_path / "qc" / template)
    assert not (tmp_path / "qc").exists()


@pytest.mark.parametrize(
    ("column", "template", "message"),
    [
        (["1/2", "3"], "{dose}", "within one part"),
        (["", "3"], "{dose}", "within one part"),
        ([1.5, 2.0], "{dose:d}", "whole number"),
        ([None, 2.0], "{dose}", "a value for each member"),
        (["..", "3"], "{dose}/a", "below the folder"),
    ],
)
def test_values_of_groups_that_are_no_names(tmp_path, column, template, message) -> None:
    for n in (1, 2):
        np.save(tmp_path / f"{n}.npy", np.ones((2, 3)))
    paths = [str(tmp_path / f"{n}.npy") for n in (1, 2)]
    files = sc.open_folder(pd.DataFrame({"path": paths, "key": ["k1", "k2"], "dose": column}))
    with pytest.raises(ParameterError, match=message):
        sc.export(total(files), tmp_path / "out" / f"{template}.json")
    assert not (tmp_path / "out").exists()


def test_a_brace_in_the_path_of_one_result(tmp_path) -> None:
    result = total(sc.open(np.ones((2, 3))))
    assert sc.export(result, tmp_path / "a{{1}}[x]" / "b.json") == tmp_path / "a{1}[x]" / "b.json"
    with pytest.raises(ParameterError, match="is one result"):
        sc.export(result, tmp_path / "{well}.json")


@pytest.fixture
def command(plate, tmp_path, monkeypatch) -> Callable[[str, str], int]:
    monkeypatch.chdir(tmp_path)
    sc.run(overlay(plate), store="results", executor="serial", check_halo=False)
    return lambda step, path: run_command(["export", step, path])


def test_the_command_line_takes_templates(command, tmp_path, capsys) -> None:
    assert command("overlay", "qc/{well}_{site}.png") == 0
    assert files_in(tmp_path / "qc") == {"B03_1.png", "B03_2.png", "C04_1.png", "C04_2.png"}
    capsys.readouterr()
    assert command("overlay", "qc/{well}.png") == 2
    assert "'B03_s1.npy' and for 'B03_s2.npy'" in capsys.readouterr().err


@given(
    st.text("ab./", min_size=1),
    st.sampled_from([".tif", ".OME.TIF", ".npy", ".zarr", ".CSV", ".zarr.zip", ".ome.ozx"]),
)
def test_a_key_loses_the_ending_of_a_file_and_nothing_else(text, ending) -> None:
    assert stem(text) == text
    if not text.endswith(("/", ".")):
        assert f"{text}{ending}".startswith(stem(f"{text}{ending}"))
        assert stem(f"{text}{ending}") == text

"""Paths are absolute and normal once, and names that were read stay in their folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import DamagedResult, ParameterError, SourceNotFound, StoreError
from scutoid.paths import absolute, inside, is_inner_name, normal

WRITTEN = [
    "results",
    "./results",
    "a/../results",
    "../results",
    "a/b/../../results",
    "link/../results",
    "a/link/../../results",
    "missing/../results",
    "a//b/./results",
    "..results/..",
    "a/..b",
    "..",
    ".",
]


@pytest.mark.parametrize("is_absolute", [False, True], ids=["relative", "absolute"])
@pytest.mark.parametrize("written", WRITTEN)
def test_a_path_leads_where_the_operating_system_leads(tmp_path, monkeypatch, written, is_absolute):
    here = tmp_path / "here"
    for folder in (here / "a/b", here / "..results", tmp_path / "elsewhere/deep"):
        folder.mkdir(parents=True)
    (here / "link").symlink_to(tmp_path / "elsewhere/deep")
    (here / "a/link").symlink_to("b")
    monkeypatch.chdir(here)
    given = f"{here}/{written}" if is_absolute else written
    found = normal(given)
    assert Path(found).is_absolute()
    assert not {"", ".", ".."} & set(found.split("/")[1:])
    assert os.path.realpath(found) == os.path.realpath(given)
    assert absolute(given) == Path(found)


def test_a_link_without_dots_behind_it_stays_in_the_path(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert normal(tmp_path / "link/results") == f"{tmp_path}/link/results"
    assert normal(f"/{tmp_path}/x") == f"{tmp_path}/x"


def test_the_home_of_a_person_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute("~/../results") == tmp_path.parent / "results"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/a", "a/..", "../a", "a/../../b", "a//b", "a/", "./a", "a\0b", "\ud800"],
)
def test_a_name_that_leaves_its_folder_is_refused(tmp_path, name):
    assert not is_inner_name(name)
    with pytest.raises(DamagedResult, match="in its own folder"):
        inside(tmp_path, name)


@pytest.mark.parametrize("name", ["a", "a/b", "..a", "a..", "a/...", "~", "a\\..\\b", " ", "s3:"])
def test_a_name_that_stays_is_joined(tmp_path, name):
    assert inside(tmp_path, name) == tmp_path / name


def test_a_link_that_leaves_its_folder_is_refused_and_one_that_stays_is_not(tmp_path):
    folder, other = tmp_path / "entry", tmp_path / "entry2"
    (folder / "items").mkdir(parents=True)
    other.mkdir()
    (other / "x").write_text("not ours")
    (folder / "file").symlink_to(other / "x")
    (folder / "sub").symlink_to(other)
    (folder / "loop").symlink_to("loop")
    (folder / "inner").symlink_to("items")
    for name in ("file", "sub/x", "sub/missing", "sub"):
        with pytest.raises(DamagedResult, match="by a link to"):
            inside(folder, name)
    assert inside(folder, "inner/x") == folder / "inner/x"
    (tmp_path / "to-entry").symlink_to("entry")
    assert inside(tmp_path / "to-entry", "items/x") == tmp_path / "to-entry/items/x"


@pytest.mark.parametrize("name", ["~no such user", "~/~no such user", "results/~"])
def test_a_tilde_that_names_nobody_is_part_of_a_name(monkeypatch, tmp_path, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert absolute(name) == tmp_path / name.removeprefix("~/")


NOT_NAMES = {"too long": "a" * 5000, "a NUL": "a\0b", "too long below": "b/" + "a" * 300}


@pytest.mark.parametrize("text", NOT_NAMES.values(), ids=NOT_NAMES)
@pytest.mark.parametrize("ending", ["", ".tif", "/*.tif", ".csv"])
def test_what_no_file_can_be_called_is_not_there(tmp_path, text, ending) -> None:
    written = f"{tmp_path}/{text}{ending}"
    (tmp_path / "table.csv").write_text(f"path\n{written}\n")
    for find in (
        lambda: sc.open(written),
        lambda: sc.open_folder(written),
        lambda: sc.open_folder([written]),
        lambda: sc.open_folder(tmp_path / "table.csv"),
    ):
        with pytest.raises(SourceNotFound):
            find()
    with pytest.raises(StoreError):
        sc.export(sc.open(np.zeros((3, 3))), written.replace("*", "") + ".tif")


@pytest.mark.parametrize(
    "use",
    [
        sc.open,
        lambda place: sc.run(sc.gaussian(sc.open(np.eye(4)), sigma=1), store=place),
        lambda place: sc.export(sc.open(np.eye(4)), place),
        sc.Store,
        sc.open_folder,
    ],
    ids=["open", "run", "export", "Store", "open_folder"],
)
@pytest.mark.parametrize("url", ["s3://bucket/a.ome.zarr", "https://example.org/a.tif"])
def test_a_url_of_which_a_path_was_made_is_refused(tmp_path, monkeypatch, use, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match=re.escape(f'write "{url}"')):
        use(Path(url))
    assert not list(tmp_path.iterdir())

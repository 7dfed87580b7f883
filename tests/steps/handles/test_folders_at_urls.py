"""Plates, series, groups, patterns and tables at URLs: what is there, its keys, its errors."""

from __future__ import annotations

import shutil
import warnings

import fsspec
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

import scutoid as sc
from scutoid.errors import ParameterError, ScutoidWarning, SourceError, SourceNotFound


@pytest.fixture
def memory():
    """An empty folder of fsspec's memory."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def field(place, number):
    image = sc.open(np.full((8, 9), number, "uint16"), voxel_size=0.5, unit="um")
    sc.export(image, f"{place}.ome.zarr", labels={"cells": sc.label(image > 0)})
    shutil.move(f"{place}.ome.zarr", place)


def group(path, **said):
    zarr.open_group(path, mode="a").attrs["ome"] = {"version": "0.5", **said}


def plate(folder):
    """Write a plate of two wells with two fields each."""
    for row in "AB":
        zarr.open_group(folder / row, mode="a")
        for number in range(2):
            field(folder / row / "1" / str(number), number + 1)
        group(folder / row / "1", well={"images": [{"path": "0"}, {"path": "1"}]})
    wells = [{"path": f"{row}/1", "rowIndex": n, "columnIndex": 0} for n, row in enumerate("AB")]
    rows = [{"name": "A"}, {"name": "B"}]
    group(folder, plate={"rows": rows, "columns": [{"name": "1"}], "wells": wells})
    return folder


def series(folder):
    """Write series as bioformats2raw does."""
    for number in range(3):
        field(folder / str(number), number + 1)
    zarr.open_group(folder, mode="a").attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    group(folder / "OME", series=["0", "1", "2"])
    return folder


def elements(folder):
    """Write images and labels as spatialdata does."""
    for name in ("images/raw", "images/smooth", "labels/cells"):
        zarr.open_group((folder / name).parent, mode="a")
        field(folder / name, 1)
    zarr.open_group(folder, mode="a")
    return folder


KINDS = {
    "plate": (plate, ("A/1/0", "A/1/1", "B/1/0", "B/1/1")),
    "series": (series, ("0", "1", "2")),
    "elements": (elements, ("images/raw", "images/smooth", "labels/cells")),
}


def copied(memory, folder, place):
    for path in folder.rglob("*"):
        if path.is_file():
            memory.pipe(f"/{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"memory://{place}"


@pytest.mark.parametrize("way", ["http", "http without listing", "memory", "file"])
@pytest.mark.parametrize("kind", KINDS)
def test_images_of_a_zarr_at_a_url_are_its_members(web, memory, kind, way) -> None:
    write, keys = KINDS[kind]
    folder = write(web.folder / "data.zarr")
    web.lists = way == "http"
    if way == "http without listing":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of lists of exports, which are no part of a zarr
            zarr.consolidate_metadata(folder)
    url = {"memory": lambda: copied(memory, folder, "data.zarr"), "file": folder.as_uri}.get(
        way, lambda: web.url("data.zarr")
    )()
    images, here = sc.open_folder(url), sc.open_folder(folder)
    assert images.name == here.name == "data.zarr"
    assert images.keys == here.keys == keys
    pd.testing.assert_frame_equal(images.groups, here.groups)
    for key in keys:
        np.testing.assert_array_equal(images[key].read(), here[key].read())
        assert images[key].voxel_size == here[key].voxel_size
    if kind == "plate":
        cells = sc.open_folder(url, labels="cells")
        assert cells.keys == keys
        assert cells["B/1/1"].is_labels
        assert sc.open_folder(url, select=lambda place: "/B/" in place).keys == keys[2:]


@sc.step
def brightness(image):
    return {"mean": float(image.mean())}


@pytest.mark.parametrize("way", ["http", "memory"])
def test_members_at_urls_are_known_again_and_one_that_changed_runs_again(
    web, memory, tmp_path, way
) -> None:
    folder = plate(web.folder / "p.zarr")
    url = web.url("p.zarr") if way == "http" else copied(memory, folder, "p.zarr")
    store, how = tmp_path / "results", {"executor": "threads", "workers": 2}  # of one memory
    table = brightness(sc.open_folder(url))
    sc.run(table, store=store, **how)
    assert sc.plan(brightness(sc.open_folder(url)), store=store)["brightness"].status == "cached"
    shutil.rmtree(folder / "A/1/1")
    field(folder / "A/1/1", 7)
    if way == "memory":
        copied(memory, folder / "A/1/1", "p.zarr/A/1/1")
    again = brightness(sc.open_folder(url))
    assert sc.plan(again, store=store)["brightness"].reason == "1 of 4 members changed: A/1/1"
    sc.run(again, store=store, **how)
    assert again.to_pandas()["mean"].tolist() == [1, 7, 1, 2]


def test_a_member_that_is_measured_anew_runs_again(web, tmp_path) -> None:
    """Its voxels are the same, but their size is another."""
    folder = plate(web.folder / "p.zarr")
    url, store = web.url("p.zarr"), tmp_path / "results"
    sc.run(brightness(sc.open_folder(url)), store=store)
    said = zarr.open_group(folder / "B/1/0", mode="a").attrs
    ome = said["ome"]
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] = [3, 3]
    said["ome"] = ome
    plan = sc.plan(brightness(sc.open_folder(url)), store=store)
    assert plan["brightness"].reason == "1 of 4 members changed: B/1/0"


@pytest.mark.parametrize("way", ["http", "memory"])
def test_patterns_at_urls_match_what_the_server_lists(web, memory, tmp_path, way) -> None:
    folder = web.folder / "files"
    folder.mkdir()
    for well in ("A1", "A2"):
        for channel in (1, 2):
            tifffile.imwrite(folder / f"{well}_w{channel}.tif", np.full((6, 7), channel, "u1"))
    field(folder / "other.zarr", 5)
    (folder / "notes.txt").write_text("notes")
    base = web.url("files") if way == "http" else copied(memory, folder, "files")
    assert sc.open_folder(f"{base}/*.tif").keys == tuple(
        sorted(path.name for path in folder.glob("*.tif"))
    )
    named = sc.open_folder(f"{base}/{{well}}_w{{channel:d}}.tif")
    assert named.groups["channel"].tolist() == [1, 2, 1, 2]
    stacked = sc.open_folder(f"{base}/{{well}}_w{{c:d}}.tif", stack={"c": "c"})
    assert stacked.keys == ("A1", "A2")
    assert stacked["A2"].read().max(axis=(1, 2)).tolist() == [1, 2]
    assert sc.open_folder(f"{base}/*.zarr").keys == ("other.zarr",)
    assert sc.open_folder(f"{base}/*.zarr")["other.zarr"].read().max() == 5
    plan = sc.plan(brightness(stacked), store=tmp_path / "results")
    assert plan["brightness"].status == "run"
    with pytest.raises(SourceNotFound, match="lists"):
        sc.open_folder(f"{base}/*.png")


def test_a_table_lists_urls_where_no_server_does(web, tmp_path) -> None:
    web.lists = False
    plate(web.folder / "p.zarr")
    paths = [web.url(f"p.zarr/{row}/1/0") for row in "AB"]
    pd.DataFrame({"path": paths, "dose": [1, 2]}).to_csv(tmp_path / "files.csv", index=False)
    for table in (tmp_path / "files.csv", pd.read_csv(tmp_path / "files.csv")):
        images = sc.open_folder(table)
        assert images.keys == ("A/1/0", "B/1/0")
        assert images.groups["dose"].tolist() == [1, 2]
        np.testing.assert_array_equal(images["B/1/0"].read(), np.full((8, 9), 1))
    np.save(tmp_path / "a.npy", np.zeros((3, 3)))
    mixed = pd.DataFrame({"path": [paths[0], str(tmp_path / "a.npy")]})
    with pytest.raises(ParameterError, match="add a column key"):
        sc.open_folder(mixed)
    assert sc.open_folder(mixed.assign(key=["x", "y"]))["y"].shape == (3, 3)


def test_what_a_server_does_not_list_says_what_to_do(web) -> None:
    web.lists = False
    elements(web.folder / "data.zarr")
    with pytest.raises(SourceNotFound, match="a table with a column path of URLs"):
        sc.open_folder(web.url("data.zarr/images/*"))
    with pytest.raises(SourceError, match="consolidate"):
        sc.open_folder(web.url("data.zarr"))
    with pytest.raises(SourceNotFound, match=r"scutoid\.open"):
        sc.open_folder(web.url("nothing.zarr"))
    with pytest.raises(ParameterError, match="read= gets the path"):
        sc.open_folder(web.url("*.tif"), read=np.load)


@pytest.mark.parametrize("status", [403, 500])
def test_failures_of_a_server_are_errors_that_name_url_and_status(web, tmp_path, status) -> None:
    plate(web.folder / "p.zarr")
    url = web.url("p.zarr")
    images = sc.open_folder(url)
    web.failures["/p.zarr/B/1/zarr.json"] = [status] * 4
    with pytest.raises(SourceError, match=rf"status {status}") as raised:
        sc.open_folder(url)
    assert "p.zarr/B/1/zarr.json" in str(raised.value)
    web.failures["/p.zarr/B/1/1/zarr.json"] = [status] * 4
    with pytest.raises(SourceError, match=rf"status {status}"):
        sc.plan(brightness(images), store=tmp_path / "results")


def test_a_well_that_is_not_there_is_named(web) -> None:
    shutil.rmtree(plate(web.folder / "p.zarr") / "B")
    with pytest.raises(SourceError, match="B/1"):
        sc.open_folder(web.url("p.zarr"))


@pytest.mark.parametrize("refuses", [False, True])
def test_what_is_not_there_of_a_plate_is_left_out_where_that_is_asked_for(web, refuses) -> None:
    folder = plate(web.folder / "p.zarr")
    keys = sc.open_folder(web.url("p.zarr")).keys
    shutil.rmtree(folder / "B")
    gone, *kept = (key for key in keys if not key.startswith("B"))
    shutil.rmtree(folder / gone)
    web.refuses_absent = refuses
    with pytest.warns(ScutoidWarning, match=f"2 are not there, and left out: {gone}, B/1"):
        members = sc.open_folder(web.url("p.zarr"), missing="fill")
    assert members.keys == tuple(kept)


def test_a_plate_is_opened_without_a_listing_by_few_requests(web) -> None:
    plate(web.folder / "p.zarr")
    web.asked.clear()
    sc.open_folder(web.url("p.zarr"))
    asked = [path for _, path in web.asked]
    assert not any(path.endswith("/") for path in asked)
    assert len(asked) <= 4  # of the plate, twice, and of each well

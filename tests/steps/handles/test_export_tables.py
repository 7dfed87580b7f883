"""Tables within a plate: at each image, at each well, and of the whole; as ngio reads them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import IncompleteResult, ParameterError, RunFailed

WELLS = {"B03": ("B", "03"), "C12": ("C", "12")}


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    for number, name in enumerate(("B03_s1", "B03_s2", "C12_s1")):
        image = np.zeros((40, 48), "uint16")
        image[5:9, 5:9] = image[20:30, 20 : 30 + number] = 100 + number
        np.save(folder / f"{name}.npy", image)
    return sc.open_folder(folder / "{well}_s{site:d}.npy", voxel_size=0.5, unit="um")


@sc.step
def brightness(image):
    return {"mean": float(image.mean()), "dark": image.min() == 0}


@sc.step(out="table")
def per_well(cells):
    return cells.groupby("well")["n_voxels"].sum().reset_index()


def table_at(place):
    return pd.read_parquet(place / "table.parquet")


def said_at(place):
    return json.loads((place / "zarr.json").read_text())["attributes"]


def exported(images, path, **more):
    nuclei = sc.label(images > 1)
    cells = sc.measure(nuclei, intensity=images)
    tables = {"nuclei": cells, "counts": sc.count(nuclei), "levels": brightness(images)}
    return sc.export(images, path, labels={"nuclei": nuclei}, tables=tables, **more), cells


def test_each_image_has_its_tables(images, tmp_path) -> None:
    path, cells = exported(images, tmp_path / "out.ome.zarr")
    for key, place in zip(images.keys, ("B/03/1", "B/03/2", "C/12/1"), strict=True):
        folder = path / place / "tables"
        assert said_at(folder) == {"tables": ["nuclei", "counts", "levels"]}
        pd.testing.assert_frame_equal(table_at(folder / "nuclei"), cells[key].to_pandas())
        assert table_at(folder / "levels")["mean"].tolist() == [images[key].read().mean()]
    said = said_at(path / "B/03/1/tables/nuclei")
    assert said["type"] == "feature_table"
    assert said["region"] == {"path": "../labels/nuclei"}
    assert (said["index_key"], said["index_type"]) == ("label", "int")
    assert said["backend"] == "parquet"
    assert said["scutoid"] == {"unit": "um"}
    assert said_at(path / "B/03/1/tables/levels")["type"] == "generic_table"


def test_each_well_has_one_table_whose_rows_say_their_field(images, tmp_path) -> None:
    path, cells = exported(images, tmp_path / "out.ome.zarr")
    every = cells.to_pandas()
    for well, (row, column) in WELLS.items():
        found = table_at(path / row / column / "tables" / "nuclei")
        own = every[every["well"] == well].reset_index(drop=True)
        assert list(found.columns[:6]) == ["key", "row", "column", "well", "field", "site"]
        assert found[["row", "column"]].drop_duplicates().to_numpy().tolist() == [[row, column]]
        assert found["field"].tolist() == own["site"].astype(str).tolist()
        pd.testing.assert_frame_equal(found[own.columns], own, check_like=True)
        assert found.attrs["unit"] == "um"


def test_acquisitions_stand_in_the_tables_of_wells(images, tmp_path) -> None:
    rows = [
        {
            "path": str(tmp_path / "plate" / f"{name}.npy"),
            "well": "A1",
            "field": n,
            "acquisition": n,
        }
        for n, name in enumerate(("B03_s1", "B03_s2"))
    ]
    listed = sc.open_folder(pd.DataFrame(rows))
    path = sc.export(listed, tmp_path / "out.ome.zarr", tables={"levels": brightness(listed)})
    found = table_at(path / "A/1/tables/levels")
    assert found[["field", "acquisition"]].to_numpy().tolist() == [["0", 0], ["1", 1]]


def test_a_table_of_all_is_one_of_the_plate(images, tmp_path) -> None:
    cells = sc.measure(sc.label(images > 1))
    path = sc.export(
        images, tmp_path / "out.ome.zarr", tables={"sums": per_well(cells.to_pandas())}
    )
    assert said_at(path / "tables") == {"tables": ["sums"]}
    assert table_at(path / "tables" / "sums")["well"].tolist() == ["B03", "C12"]
    assert not (path / "B/03/tables").exists()


def test_a_table_of_one_image_lies_in_it(images, tmp_path) -> None:
    image = images[images.keys[0]]
    nuclei = sc.label(image > 1)
    path = sc.export(
        image,
        tmp_path / "one.ome.zarr",
        labels={"nuclei": nuclei},
        tables={"cells": sc.measure(nuclei)},
    )
    assert said_at(path / "tables" / "cells")["region"] == {"path": "../labels/nuclei"}
    assert len(table_at(path / "tables" / "cells")) == 2


def test_other_programs_read_a_plate_with_tables(images, tmp_path) -> None:
    path, cells = exported(images, tmp_path / "out.ome.zarr")
    pytest.importorskip("yaozarrs").validate_zarr_store(str(path))
    assert sc.open_folder(path, labels="nuclei").keys == ("B/03/1", "B/03/2", "C/12/1")
    ngio = pytest.importorskip("ngio", reason="ngio is not installed")
    image = ngio.open_ome_zarr_plate(path).get_image("B", "03", "1")
    assert image.list_tables() == ["nuclei", "counts", "levels"]
    table = image.get_table("nuclei")
    assert table.reference_label == "nuclei"
    assert table.dataframe.index.tolist() == cells[images.keys[0]].to_pandas()["label"].tolist()


def test_images_whose_tables_were_not_finished_obey_partial(images, tmp_path) -> None:
    @sc.step(out="table")
    def fragile(image):
        if image.max() == 101:
            raise ValueError("no")
        return pd.DataFrame({"n": [1]})

    tables = fragile(images)
    store = tmp_path / "results"
    with pytest.raises(RunFailed):
        sc.run(tables, store=store)
    for each in (tables, sc.Store(store)["fragile"]):
        with pytest.raises(IncompleteResult, match="B03_s2"):
            sc.export(images, tmp_path / "out.ome.zarr", tables={"t": each})
        assert not (tmp_path / "out.ome.zarr").exists()
        path = sc.export(images, tmp_path / "some.ome.zarr", tables={"t": each}, partial="allow")
        assert sc.open_folder(path).keys == ("B/03/1", "C/12/1")
        assert not (path / "B/03/2").exists()
        assert table_at(path / "B/03/tables/t")["field"].tolist() == ["1"]


def test_labels_that_were_not_finished_leave_no_image_behind(images, tmp_path) -> None:
    @sc.blockwise(labels=True, dtype="uint32")
    def fragile(image):
        if image.max() == 101:
            raise ValueError("no")
        return (image > 1).astype("uint32")

    path = sc.export(
        images, tmp_path / "some.ome.zarr", labels={"n": fragile(images)}, partial="allow"
    )
    assert sc.open_folder(path, labels="n").keys == ("B/03/1", "C/12/1")
    assert not (path / "B/03/2").exists()


def test_tables_that_do_not_fit_are_refused(images, tmp_path) -> None:
    levels = brightness(images)
    few = brightness(sc.open_folder(tmp_path / "plate" / "{well}_s1.npy"))
    target = tmp_path / "out.ome.zarr"
    with pytest.raises(ParameterError, match="the same keys"):
        sc.export(images, target, tables={"t": few})
    with pytest.raises(ParameterError, match="names of tables"):
        sc.export(images, target, tables={"a/b": levels})
    with pytest.raises(ParameterError, match="tables= has tables"):
        sc.export(images, target, tables={"t": images})
    with pytest.raises(ParameterError, match="its own table"):
        sc.export(images[images.keys[0]], target, tables={"t": levels})
    with pytest.raises(ParameterError, match="as OME-Zarr"):
        sc.export(images, tmp_path / "out", tables={"t": levels})
    assert not target.exists()


def test_a_column_called_as_one_that_says_the_place_is_refused(images, tmp_path) -> None:
    @sc.step
    def placed(image):
        return {"row": 1}

    with pytest.raises(ParameterError, match="row"):
        sc.export(images, tmp_path / "out.ome.zarr", tables={"t": placed(images)})
    assert not (tmp_path / "out.ome.zarr").exists()

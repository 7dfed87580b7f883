"""What is ours at a path, and what is not."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.napari_plugin import get_reader, place_of


def test_stores_runs_results_and_images_are_told_apart(store, result_of):
    (run,) = (path for path in (store / "runs").iterdir() if path.is_dir())
    result = result_of("brighter")
    kinds = {
        store: "store",
        run: "run",
        result: "result",
        result / "image.ome.zarr": "image",
    }
    for path, kind in kinds.items():
        found = place_of(path)
        assert (found.kind, found.store) == (kind, store)


def test_the_result_of_a_stage_lies_one_folder_deeper(tmp_path):
    image = sc.gaussian.options(name="interim/smooth")(sc.open(np.ones((4, 4), "u1")), sigma=1)
    sc.run(image, store=tmp_path / "st", executor="serial")
    (recipe,) = (tmp_path / "st" / "interim").rglob("recipe.json")
    assert place_of(recipe.parent).store == tmp_path / "st"


def test_an_image_that_was_exported_is_ours(tmp_path):
    sc.export(sc.open(np.ones((4, 4), "u1")), tmp_path / "copy.ome.zarr")
    assert place_of(tmp_path / "copy.ome.zarr").store is None


def not_ours(tmp_path, store):
    zarr.create_array(tmp_path / "array.zarr", shape=(4,), dtype="u1")
    zarr.create_group(tmp_path / "group.zarr", attributes={"ome": {"version": "0.5"}})
    zarr.create_group(tmp_path / "old.zarr", zarr_format=2)
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "recipe.json").write_text("{}")
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "torn.zarr").mkdir()
    (tmp_path / "torn.zarr" / "zarr.json").write_text('{"attributes": {"scut')
    (tmp_path / "list.zarr").mkdir()
    (tmp_path / "list.zarr" / "zarr.json").write_text(json.dumps([{"scutoid": 1}]))
    (tmp_path / "cells.tif").write_bytes(b"")
    return [
        *tmp_path.iterdir(),
        tmp_path / "runs" / "one",
        tmp_path / "absent",
        store / "brighter",
        store / "runs",
        "https://example.org/store",
    ]


def test_what_others_made_is_refused_by_its_metadata_alone(tmp_path, store, monkeypatch):
    places = not_ours(tmp_path, store)
    monkeypatch.setattr(os, "scandir", lambda *_: pytest.fail("a folder was listed"))
    for path in places:
        assert get_reader(str(path)) is None, path


def test_several_paths_that_are_to_be_stacked_are_refused(store):
    assert get_reader([str(store)]) is not None
    assert get_reader([str(store), str(store)]) is None

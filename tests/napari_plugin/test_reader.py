"""What stores, runs and results open as."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import IncompleteResult, StoreError
from scutoid.napari_plugin import get_reader


def layers(path):
    return get_reader(str(path))(str(path))


def test_a_store_opens_as_what_can_be_shown_of_its_newest_run(store):
    found = {arguments["name"]: (kind, arguments) for _, arguments, kind in layers(store)}
    kinds = {name: kind for name, (kind, _) in found.items()}
    assert kinds == {"brighter": "image", "objects": "labels", "centres": "points"}
    for _, arguments in found.values():
        axes = arguments["axis_labels"]
        assert axes[-2:] == ("y", "x")
        np.testing.assert_allclose(arguments["scale"], (2, 0.5, 0.5)[-len(axes) :])
        assert set(arguments["units"]) == {"um"}


def test_of_many_layers_the_first_image_and_the_last_labels_are_visible(tmp_path):
    raw = sc.open(np.arange(64, dtype="u2").reshape(8, 8))
    one = sc.gaussian.options(name="one")(raw, sigma=1)
    two = sc.gaussian.options(name="two")(raw, sigma=2)
    masks = [
        sc.threshold.options(name=name)(one, level=n) for n, name in enumerate(("low", "high"))
    ]
    sc.run(one, two, *masks, store=tmp_path / "st", executor="serial")
    seen = {arguments["name"]: arguments["visible"] for _, arguments, _ in layers(tmp_path / "st")}
    images, labels = ("one", "two"), ("low", "high")
    assert [sum(seen[name] for name in names) for names in (images, labels)] == [1, 1]


@pytest.mark.parametrize(
    ("name", "kind"), [("brighter", "image"), ("objects", "labels"), ("centres", "points")]
)
def test_a_result_opens_as_what_it_is(result_of, name, kind):
    ((_, arguments, found),) = layers(result_of(name))
    assert (arguments["name"], found) == (name, kind)


def test_an_image_in_a_result_keeps_what_its_recipe_says(result_of):
    (((data, arguments, kind)),) = layers(result_of("objects") / "image.ome.zarr")
    assert (arguments["name"], kind) == ("objects", "labels")
    assert np.asarray(data[1]).max() == 1


@pytest.mark.parametrize("name", ["counts", "level"])
def test_a_result_without_layers_is_refused(result_of, name):
    with pytest.raises(StoreError, match="images, or tables with positions"):
        layers(result_of(name))


def test_a_result_that_is_not_complete_is_refused(store, result_of, tmp_path):
    shutil.copytree(store, tmp_path / "st")
    partial = tmp_path / "st" / result_of("brighter").relative_to(store)
    (partial / "COMPLETE").unlink()
    with pytest.raises(IncompleteResult, match="is complete"):
        layers(partial)
    names = {arguments["name"] for _, arguments, _ in layers(tmp_path / "st")}
    assert names == {"objects", "centres"}


def test_a_damaged_recipe_is_named(store, result_of, tmp_path):
    shutil.copytree(store, tmp_path / "st")
    damaged = tmp_path / "st" / result_of("brighter").relative_to(store)
    (damaged / "recipe.json").write_text('{"step": 3')
    with pytest.raises(StoreError, match="recipe"):
        layers(damaged)

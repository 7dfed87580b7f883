"""`scutoid view` shows results of a store."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.cli._looking import view as view_command
from scutoid.errors import ParameterError, PipelineError

components = pytest.importorskip("napari.components", reason="napari is not installed")


@pytest.fixture
def store(tmp_path):
    array = np.zeros((6, 20, 30), "u2")
    array[2:4, 5:9, 6:11] = array[1:3, 12:15, 20:25] = 100
    smooth = sc.gaussian.options(view={"colormap": "magma"})(sc.open(array), sigma=1)
    labels = sc.label.options(name="cells")(smooth > 20)
    sc.run(smooth, sc.measure(labels), labels, store=tmp_path, executor="serial")
    return str(tmp_path)


@pytest.fixture
def viewer(monkeypatch):
    """Return the viewer, without a window, that the command opens."""
    viewer = components.ViewerModel()

    def show(*results, block, **options):
        assert block
        return sc.view(*results, viewer=viewer, **options)

    sc.view  # noqa: B018 - loaded before it is replaced
    monkeypatch.setattr("scutoid.views.view", show)
    return viewer


def test_steps_are_shown_with_the_table_on_its_labels(store, viewer):
    assert view_command("gaussian", "measure", "cells", store=store, color_by="n_voxels") == 0
    assert [layer.name for layer in viewer.layers] == ["gaussian", "cells", "measure"]
    image, cells, points = viewer.layers
    assert image.colormap.name == "magma"
    assert cells.features["index"].tolist() == [1, 2]
    assert cells.contour == 1
    rings = {tuple(np.round(np.float64(color), 3)) for color in points.border_color}
    assert rings == {tuple(np.round(np.float64(cells.get_color(n)), 3)) for n in (1, 2)}


def test_what_is_of_napari_is_refused_with_a_page(store):
    with pytest.raises(ParameterError, match="is of napari"):
        view_command("cells", store=store, color_by="n_voxels", web=True)


@pytest.fixture
def plate(tmp_path):
    for key, n in (("A 01", 3), ("B01", 5)):
        (tmp_path / "plate").mkdir(exist_ok=True)
        np.save(tmp_path / "plate" / f"{key}.npy", np.eye(8) * n)
    labels = sc.label(sc.open_folder(tmp_path / "plate/*.npy") > 2, connectivity=2)
    sc.run(labels, sc.measure(labels), store=tmp_path / "results", executor="serial")
    return str(tmp_path / "results")


@pytest.mark.parametrize("steps", [("label",), ("label", "measure")])
def test_of_a_folder_of_images_a_member_is_shown(plate, viewer, steps):
    assert view_command(*steps, store=plate, member="B01.npy") == 0
    assert len(viewer.layers) == len(steps)
    with pytest.raises(ParameterError, match=r"remedy: add --member 'A 01.npy'"):
        view_command(*steps, store=plate)
    with pytest.raises(PipelineError, match=r"for example 'A 01\.npy'"):
        view_command(*steps, store=plate, member="C01.npy")


def test_a_member_is_of_a_folder(store, viewer):
    with pytest.raises(ParameterError, match="remedy: leave it out"):
        view_command("cells", store=store, member="A01.tif")

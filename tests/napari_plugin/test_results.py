"""The list of runs and steps beside the viewer."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import scutoid as sc

pytestmark = [
    pytest.mark.gui,
    # napari and what it draws with warn of each other's changes
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def viewer(display):
    import napari

    viewer = napari.Viewer(show=False)
    yield viewer
    viewer.close()


@pytest.fixture
def widget(viewer):
    from scutoid.napari_plugin import ResultsWidget

    viewer.layers.clear()
    widget = ResultsWidget(viewer)
    yield widget
    widget.close()
    widget.deleteLater()


def rows(widget):
    """Return the rows of the newest run by name."""
    top = widget.tree.topLevelItem(0)
    return {top.child(n).text(0): top.child(n) for n in range(top.childCount())}


def test_steps_are_listed_with_pictures_and_opened(widget, viewer, store, until):
    widget.choose_store(store)
    until(lambda: widget.tree.topLevelItemCount() == 1)
    found = rows(widget)
    assert set(found) == {"brighter", "objects", "centres", "counts", "level"}
    until(lambda: not found["objects"].icon(0).isNull())
    assert not found["brighter"].icon(0).isNull()
    assert found["level"].icon(0).isNull()

    for name in ("brighter", "objects", "centres"):
        found[name].setSelected(True)
    widget.open_chosen()
    assert [layer.name for layer in viewer.layers] == ["brighter", "objects", "centres"]
    assert widget.message.text() == ""


def test_a_folder_within_a_store_leads_to_it(widget, store, result_of, until):
    widget.choose_store(result_of("objects"))
    until(lambda: widget.tree.topLevelItemCount() == 1)


@pytest.mark.parametrize("place", ["absent", "empty", "file"])
def test_what_is_no_store_is_said(widget, tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    widget.choose_store(tmp_path / place)
    said = "no such folder" if place == "absent" else "no store of scutoid"
    assert said in widget.message.text()
    assert widget.tree.topLevelItemCount() == 0


def test_what_cannot_be_shown_is_said(widget, viewer, store, until):
    widget.choose_store(store)
    until(lambda: widget.tree.topLevelItemCount() == 1)
    widget.open_chosen()
    assert "Choose one or several" in widget.message.text()
    rows(widget)["level"].setSelected(True)
    widget.open_chosen()
    assert "tables with positions" in widget.message.text()
    assert not viewer.layers


def test_damage_is_said_in_the_widget(widget, viewer, store, result_of, tmp_path, until):
    shutil.copytree(store, tmp_path / "st")
    copy = tmp_path / "st"
    (copy / result_of("brighter").relative_to(store) / "recipe.json").write_text("{")
    (image,) = (copy / "objects").glob("*/image.ome.zarr")
    shutil.rmtree(image)
    (copy / "runs" / "2026-01-01T00-00-00_abcd").mkdir()
    (copy / "runs" / "2026-01-01T00-00-00_abcd" / "run.json").write_text(json.dumps({"version": 1}))
    widget.choose_store(copy)
    until(lambda: widget.tree.topLevelItemCount() == 2)
    assert "2026-01-01T00-00-00_abcd" in widget.message.text()
    found = rows(widget)
    assert found["brighter"].text(1) == "removed or damaged"
    until(lambda: found["objects"].toolTip(0) != "")
    assert found["objects"].icon(0).isNull()
    found["objects"].setSelected(True)
    widget.open_chosen()
    assert str(image.parent) in widget.message.text()
    assert not viewer.layers


def test_members_of_a_collection_are_listed_and_opened(widget, viewer, tmp_path, until):
    (tmp_path / "plate").mkdir()
    for name in ("A01", "A02"):
        np.save(tmp_path / "plate" / f"{name}.npy", np.full((8, 8), 7, "u1"))
    smooth = sc.gaussian(sc.open_folder(tmp_path / "plate" / "*.npy"), sigma=1)
    sc.run(smooth, store=tmp_path / "st", executor="serial")
    widget.choose_store(tmp_path / "st")
    until(lambda: widget.tree.topLevelItemCount() == 1)
    row = rows(widget)["gaussian"]
    row.setExpanded(True)
    until(lambda: row.childCount() == 2 and not row.child(1).icon(0).isNull())
    assert [row.child(n).text(0) for n in range(2)] == ["A01.npy", "A02.npy"]
    row.child(1).setSelected(True)
    widget.open_chosen()
    assert len(viewer.layers) == 1


def test_a_store_that_is_chosen_meanwhile_is_the_one_that_is_listed(widget, store, tmp_path, until):
    sc.run(sc.gaussian(sc.open(np.ones((4, 4))), sigma=1), store=tmp_path / "st", executor="serial")
    widget.choose_store(store)
    widget.choose_store(tmp_path / "st")
    until(lambda: widget.tree.topLevelItemCount() == 1)
    assert set(rows(widget)) == {"gaussian"}

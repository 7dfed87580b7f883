"""Labels corrected in a window of napari, by strokes of its own tools, and what is saved of it."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.correcting._region import around, place_of
from scutoid.errors import MissingExtra, ParameterError, ScutoidError

VOXEL = (0.5, 0.25)
LABELS = np.zeros((60, 90), np.uint32)
y, x = np.indices(LABELS.shape)
for number, (cy, cx, radius) in enumerate(
    [(15, 15, 8), (15, 40, 8), (45, 20, 9), (45, 37, 9), (15, 70, 8), (45, 70, 3)], 2
):
    LABELS[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = number
LABELS[LABELS == 5] = 4  # two that were taken for one
TABLE = pd.DataFrame(
    {"label": [4, 7], "y_voxel": [45.0, 45.0], "x_voxel": [28.0, 70.0], "reasons": ["a", "b"]}
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Contours are not displayed"),
]


def test_without_napari_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "napari", None)
    with pytest.raises(MissingExtra, match=r'pip install "scutoid\[napari\]"'):
        sc.correct(LABELS, corrections=tmp_path / "a.corrections")


def test_corrections_are_applied_without_qt():
    code = "import sys, scutoid as sc; sc.corrected, sc.suspicious, sc.correct; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"napari", "qtpy", "magicgui", "zarr"}.isdisjoint(done.stdout.split())


def test_what_was_corrected_already_is_refused(tmp_path):
    folder = tmp_path / "a.corrections"
    sc.correcting.Corrections.create(folder, "yx")
    with pytest.raises(ParameterError, match="what the folder has is shown"):
        sc.correct(sc.corrected(sc.open(LABELS), folder), corrections=folder)


@pytest.fixture
def opened(display, tmp_path):
    """Return what opens labels for correction; windows are closed at the end."""
    windows = []

    def open_window(labels=None, **options):
        given = sc.open(LABELS, voxel_size=VOXEL, unit="um") if labels is None else labels
        options.setdefault("corrections", tmp_path / "cells.corrections")
        windows.append(sc.correct(given, show=False, **options))
        return windows[-1]

    yield open_window
    for window in windows:
        window.ask = lambda _: "discard"
        window.viewer.close()


def stroke(window, *points, modifiers=()):
    """Press, drag and release the mouse over voxels of the region, as napari hears of it."""
    from napari.utils._proxies import ReadOnlyWrapper
    from napari.utils.interactions import (
        mouse_move_callbacks,
        mouse_press_callbacks,
        mouse_release_callbacks,
    )

    layer = window.layer
    for kind, point in [
        ("mouse_press", points[0]),
        *(("mouse_move", point) for point in points[1:]),
        ("mouse_release", points[-1]),
    ]:
        event = SimpleNamespace(
            type=kind,
            is_dragging=kind == "mouse_move",
            position=tuple(layer.data_to_world(point)),
            view_direction=None,
            up_direction=None,
            dims_displayed=list(window.viewer.dims.displayed),
            dims_point=list(window.viewer.dims.point),
            modifiers=list(modifiers),
            button=1,
            handled=False,
        )
        callbacks = {
            "mouse_press": mouse_press_callbacks,
            "mouse_move": mouse_move_callbacks,
            "mouse_release": mouse_release_callbacks,
        }[kind]
        callbacks(layer, ReadOnlyWrapper(event) if kind == "mouse_press" else event)


def press(window, key):
    """Press a key over the canvas."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    shift = Qt.KeyboardModifier.ShiftModifier
    *more, letter = key.split("-")
    canvas = window.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, letter, shift if more else Qt.KeyboardModifier.NoModifier)


@pytest.mark.gui
def test_what_is_done_in_the_window_is_what_a_run_gives(opened, tmp_path):
    window = opened(image=sc.open(LABELS * 9.0, voxel_size=VOXEL, unit="um"), who="Ada")
    layer = window.layer
    assert [type(each).__name__ for each in window.viewer.layers][:2] == ["Image", "Labels"]
    np.testing.assert_allclose(layer.scale, VOXEL)
    layer.mode, layer.brush_size = "paint", 3
    layer.selected_label = 2
    stroke(window, (15, 22), (15, 27))
    layer.mode = "erase"
    stroke(window, (8, 40), (8, 44))
    layer.mode = "pan_zoom"
    stroke(window, (15, 70), modifiers=["Shift"])
    stroke(window, (15, 40), modifiers=["Shift"])
    press(window, "j")
    stroke(window, (45, 70), modifiers=["Shift"])
    press(window, "d")
    window.seeds.data = np.array([[45, 18], [45, 39]])
    press(window, "k")
    layer.mode = "paint"
    window.new_object()
    stroke(window, (30, 80))
    window.why = "looked at"
    assert window.work.n_unsaved == 6
    press(window, "w")
    assert window.work.n_unsaved == 0

    made = list(sc.open_corrections(tmp_path / "cells.corrections"))
    assert [c.kind for c in made] == ["paint", "erase", "merge", "delete", "split", "paint"]
    assert {(c.who, c.why) for c in made} == {("Ada", "looked at")}
    labels = sc.open(LABELS)
    result = sc.corrected.options(block=32)(labels, tmp_path / "cells.corrections")
    run = sc.run(result, store=tmp_path / "results")
    found = np.asarray(run["corrected"])
    np.testing.assert_array_equal(found, window.work.shown)
    assert (found[15, 26], found[8, 41], found[15, 40], found[45, 70]) == (2, 0, 6, 0)
    assert found[45, 18] != found[45, 39]
    assert found[30, 80] == 9


@pytest.mark.gui
def test_undo_takes_back_strokes_and_actions_alike(opened):
    window = opened()
    window.layer.mode = "paint"
    window.layer.selected_label = 2
    stroke(window, (30, 5))
    stroke(window, (30, 50), (30, 60))
    window.pick(window.layer.data_to_world((15, 15)))
    window.pick(window.layer.data_to_world((15, 40)))
    window.join()
    assert window.layer.data[15, 40] == 2
    press(window, "u")
    assert (window.layer.data[15, 40], window.layer.data[30, 55]) == (3, 2)
    press(window, "u")
    assert (window.layer.data[30, 55], window.layer.data[30, 5]) == (0, 2)
    press(window, "u")
    np.testing.assert_array_equal(window.layer.data, LABELS)
    assert window.work.n_unsaved == 0


@pytest.mark.gui
def test_the_store_is_not_painted_into(opened, tmp_path):
    labels = sc.label(sc.open(LABELS > 0))
    stored = sc.run(labels, store=tmp_path / "results")["label"]
    before = np.asarray(stored)
    window = opened(stored)
    window.layer.mode = "erase"
    stroke(window, (15, 10), (15, 20))
    window.save()
    np.testing.assert_array_equal(np.asarray(sc.Store(tmp_path / "results")["label"]), before)
    assert sc.plan(labels, store=tmp_path / "results").steps[-1].status == "cached"


@pytest.mark.gui
def test_rows_of_a_table_are_stepped_through_and_nothing_is_lost(opened, monkeypatch):
    monkeypatch.setattr("scutoid.correcting._region.SIDE", 24)
    window = opened(table=TABLE)
    assert window.work.region == sc.Roi((33, 16), (24, 24))
    np.testing.assert_array_equal(window.layer.data, LABELS[33:57, 16:40])
    np.testing.assert_allclose(window.layer.translate, np.multiply((33, 16), VOXEL))
    assert tuple(window.viewer.camera.center)[-2:] == pytest.approx((45 * 0.5, 28 * 0.25))
    window.pick(window.layer.data_to_world((12, 12)))
    window.delete()
    press(window, "n")
    assert window.work.region == sc.Roi((33, 58), (24, 24))
    window.pick(window.layer.data_to_world((12, 12)))
    window.delete()
    assert window.work.n_unsaved == 2
    press(window, "Shift-n")
    assert not np.isin(window.layer.data, 4).any()
    assert window.save() == 2
    expected = np.where(np.isin(LABELS, [4, 7]), 0, LABELS)
    np.testing.assert_array_equal(sc.corrected(LABELS, window.work.folder), expected)


@pytest.mark.gui
@pytest.mark.parametrize(
    ("answer", "closes", "n_saved"), [("save", 1, 1), ("discard", 1, 0), ("cancel", 0, 0)]
)
def test_a_window_with_unsaved_work_asks_before_it_closes(opened, answer, closes, n_saved):
    window = opened()
    window.layer.mode = "erase"
    stroke(window, (15, 15))
    asked = []
    window.ask = lambda text: asked.append(text) or answer
    assert window.viewer.window._qt_window.close() == (answer != "cancel")
    assert len(asked) == 1
    assert "1 corrections are not saved in" in asked[0]
    assert len(window.work.folder) == n_saved
    assert window.work.n_unsaved == (answer == "cancel")


@pytest.mark.gui
def test_the_region_in_view_is_opened_beside_what_is_there(opened):
    volume = np.stack([LABELS] * 60)
    labels = sc.open(volume, voxel_size=(1, *VOXEL), unit="um")
    viewer = sc.view(labels=labels, show=False)
    viewer.dims.set_point(0, 30)
    layer = viewer.layers[0]
    layer.corner_pixels = np.array([[30, 5, 10], [30, 44, 59]])
    window = opened(labels, viewer=viewer)
    assert window.viewer is viewer
    assert window.work.region == sc.Roi((14, 5, 10), (33, 40, 50))
    np.testing.assert_allclose(window.layer.translate, (14, 2.5, 2.5))
    assert not layer.visible


@pytest.mark.gui
def test_saved_corrections_that_do_not_apply_are_said(opened):
    window = opened()
    window.pick(window.layer.data_to_world((15, 15)))
    window.delete()
    window.save()
    again = opened(sc.open(LABELS * (LABELS != 2)))
    assert "1 saved corrections do not apply here" in again.viewer.status


@pytest.mark.gui
def test_what_cannot_be_done_is_said_in_the_window(opened):
    window = opened()
    for key, text in (("j", "objects are picked first"), ("k", "two seeds"), ("n", "table")):
        press(window, key)
        assert text in window.viewer.status
    assert window.work.n_unsaved == 0


@pytest.mark.gui
def test_what_could_not_be_saved_is_said_and_kept(opened, monkeypatch):
    window = opened()
    window.work.editing.delete([4])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(type(window.work.folder), "append", full)
        window.press("save")
        assert "No space left" in window.viewer.status
        window.ask = lambda _: "save"
        assert not window.may_close()
        assert window.work.n_unsaved == 1
    assert window.may_close()
    assert len(window.work.folder) == 1


@pytest.mark.gui
def test_long_texts_leave_the_canvas_its_room(opened):
    from qtpy.QtWidgets import QApplication

    window = opened()
    widget = window._panel.widget.native
    before = widget.minimumSizeHint().width()
    window._after("saved in /" + "a/long/path" * 30)
    QApplication.processEvents()
    assert widget.minimumSizeHint().width() == before


@pytest.mark.parametrize(
    ("labels", "roi"),
    [
        (np.zeros((8, 9)), None),
        (np.zeros((8, 9), int), sc.Roi((20, 20), (4, 4))),
        (np.zeros((8, 9), int), {"y": (0, 4)}),
    ],
)
def test_what_is_refused_leaves_no_folder(tmp_path, labels, roi):
    with pytest.raises(ScutoidError):
        sc.correct(labels, roi=roi, corrections=tmp_path / "cells.corrections", show=False)
    assert not any(tmp_path.iterdir())


def test_a_row_without_a_place_is_looked_for_in_the_middle():
    labels = sc.open(np.zeros((2000, 2000), np.uint16))
    row = {"y_voxel": np.nan, "x_voxel": 700.0}
    assert place_of(labels, row) == [1000, 700]
    assert around(labels, map(round, place_of(labels, row))).shape == (512, 512)

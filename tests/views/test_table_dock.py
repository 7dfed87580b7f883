"""The table of the objects in a window of napari."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("napari", reason="napari is not installed")

import scutoid as sc

BIG = 2**63 + 5
pytestmark = [pytest.mark.gui, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def window(display, image):
    """A window with an image, 30 objects and their table."""
    from qtpy.QtWidgets import QApplication

    random = np.random.default_rng(0)
    labels = image((12, 200, 300), "zyx", "u8", is_labels=True, voxel_size=(2, 1, 1), name="cells")
    labels.array[:] = 0
    raw = image(labels.shape, "zyx", "u2", voxel_size=(2, 1, 1), name="raw")
    raw.array[:] = random.integers(90, 110, raw.shape)
    rows = []
    for number in range(30):
        z, y, x = 1 + number % 8, 20 + 34 * (number // 6), 25 + 48 * (number % 6)
        label = BIG - number
        labels.array[z : z + 3, y - 8 : y + 8, x - 8 : x + 8] = label
        raw.array[z : z + 3, y - 8 : y + 8, x - 8 : x + 8] += 200 + 10 * number
        rows.append((label, 2.0 * (z + 1), y - 0.5, x - 0.5, 768, 300.0 + 10 * number))
    frame = pd.DataFrame(rows, columns=["label", "z", "y", "x", "n_voxels", "mean"])
    frame["label"] = np.array([row[0] for row in rows], "u8")
    frame["kind"] = ["round", "long", "torn"] * 10
    viewer = sc.view(raw, labels, frame)
    viewer.window.resize(1200, 900)
    QApplication.processEvents()
    yield viewer
    viewer.close()


def table_of(viewer):
    return viewer.window.dock_widgets["Objects"]


def drawn(viewer):
    return viewer.screenshot(canvas_only=True, flash=False).astype(int)[..., :3]


def test_a_click_on_a_row_shows_its_object(window, tmp_path):
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    table = table_of(window)
    window.scene.camera.zoom = 12
    index = table.rows.model().index(17, 0)
    assert index.data() == str(BIG - 17)
    table.rows.scrollTo(index)
    place = table.rows.visualRect(index).center()
    QTest.mouseClick(
        table.rows.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place
    )
    assert window.dims.point[0] == 2 * (1 + 17 % 8 + 1)
    assert window.layers["cells"].selected_label == BIG - 17
    window.layers["points"].visible = window.layers["cells"].visible = False
    picture = drawn(window)
    height, width = picture.shape[:2]
    middle = picture[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20]
    assert middle.mean() > 100  # the bright object, not the dark ground
    assert picture[:20, :20].mean() < middle.mean() / 2


def test_a_click_on_an_object_selects_its_row(window):
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    table = table_of(window)
    table.go_to(22)
    table.rows.clearSelection()
    window.layers["points"].visible = False
    native = window.window._qt_viewer.canvas.native
    middle = QPoint(native.width() // 2, native.height() // 2)
    QTest.mouseMove(native, middle)
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    [selected] = table.rows.selectionModel().selectedRows()
    assert selected.data() == str(BIG - 22)


def test_objects_are_sorted_and_coloured_by_columns(window, tmp_path):
    from qtpy.QtCore import Qt

    table = table_of(window)
    model = table.rows.model()
    column = model.columns.index("mean")
    table.rows.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    assert model.index(0, column).data() == "590"
    assert model.index(0, 0).data() == str(BIG - 29)
    window.layers["raw"].visible = False
    before = drawn(window)
    table.color_by("kind")
    after = drawn(window)
    colors = {(230, 159, 0), (86, 180, 233), (0, 158, 115)}
    seen = {tuple(pixel) for pixel in after.reshape(-1, 3)}
    assert sum(any(np.abs(np.subtract(c, s)).max() < 6 for s in seen) for c in colors) == 3
    table.color_by(None)
    assert np.abs(drawn(window) - before).mean() < 1
    window.layers["raw"].visible = True
    table.color_by("mean")
    window.screenshot(str(tmp_path / "window.png"), canvas_only=False, flash=False)


def test_a_long_table_asks_for_the_rows_in_view_only(display):
    from scutoid.views._table_dock import FrameModel

    class Asked(FrameModel):
        n_asked = 0

        def data(self, index, *args):
            self.n_asked += 1
            return super().data(index, *args)

    from qtpy.QtWidgets import QApplication, QTableView

    app = QApplication.instance() or QApplication([])
    model = Asked(pd.DataFrame({"label": np.arange(100_000), "mean": 0.5}))
    view = QTableView()
    view.setModel(model)
    view.resize(300, 400)
    view.show()
    app.processEvents()
    view.scrollTo(model.index(99_000, 0))
    app.processEvents()
    assert 0 < model.n_asked < 5000
    view.close()


def test_a_table_that_goes_leaves_the_dock_empty(window):
    table = table_of(window)
    for name in ("points", "cells"):
        window.layers.remove(name)
    assert table.link is None
    assert table.rows.model().rowCount() == 0


@pytest.mark.parametrize("values", [[3, "a", None], [[1], [2], [3]]])
def test_objects_are_sorted_by_values_of_several_types(display, values):
    from qtpy.QtCore import Qt

    from scutoid.views._table_dock import FrameModel

    model = FrameModel(pd.DataFrame({"kind": values}))
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        model.sort(0, order)
        assert sorted(model.order) == [0, 1, 2]


def test_columns_are_chosen_whatever_they_are_called(window):
    from scutoid.errors import ParameterError

    frame = pd.DataFrame({"y": [3.0, 4.0], "x": 1.0, 0: [1, 2], "": [3, 4], "no column": [5, 6]})
    sc.view(frame, viewer=window)
    table = table_of(window)
    for column in (0, "", "no column"):
        table.color_by(column)
        assert table.link.column == column
    table.color_by(None)
    assert table.link.column is None
    with pytest.raises(ParameterError, match="column of a table"):
        table.color_by("mean")


def test_a_closed_window_is_refused(display):
    from scutoid.errors import ParameterError

    viewer = sc.view(np.zeros((4, 4)), show=False)
    viewer.close()
    with pytest.raises(ParameterError, match="window is closed"):
        sc.view(np.zeros((4, 4)), viewer=viewer)

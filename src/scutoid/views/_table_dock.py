"""A table of the objects in a window of napari: click a row and go there; imports Qt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from scutoid.views._links import ObjectLink, links_of
from scutoid.views._objects import LABEL, TRACK

DOCK = "Objects"
"""Name of the dock."""
_PLAIN = "no column"
_FIRST = (LABEL, TRACK, "t", "time", "key")
"""Columns that stand first."""
_STILL = 3.0
"""Pixels that the mouse may move in a click."""


class FrameModel(QAbstractTableModel):  # type: ignore[misc]
    """A DataFrame as Qt shows it: only rows in view are asked for, so that it may be long."""

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__()
        self.frame = frame
        first = [name for name in _FIRST if name in frame.columns]
        self.columns = [*first, *(name for name in frame.columns if name not in first)]
        self.order = np.arange(len(frame))

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802
        """Return the number of objects."""
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a value as text, ids with all their digits."""
        if role == Qt.ItemDataRole.DisplayRole:
            column = self.frame[self.columns[index.column()]]
            return _text(column.iloc[self.order[index.row()]])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            is_text = self.frame[self.columns[index.column()]].dtype.kind not in "iuf"
            side = Qt.AlignmentFlag.AlignLeft if is_text else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(  # noqa: N802
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the name of a column."""
        is_asked = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        # Qt also asks for columns of the table before
        is_there = 0 <= section < len(self.columns)
        return str(self.columns[section]) if is_asked and is_there else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the objects by a column."""
        if not 0 <= column < len(self.columns):
            return
        values = self.frame[self.columns[column]]
        is_rising = order == Qt.SortOrder.AscendingOrder
        self.layoutAboutToBeChanged.emit()
        keys = values.reset_index(drop=True)
        try:
            rows = keys.sort_values(ascending=is_rising, kind="stable")
        except TypeError:  # values of several types: by their texts
            rows = keys.map(str).sort_values(ascending=is_rising, kind="stable")
        self.order = rows.index.to_numpy()
        self.layoutChanged.emit()

    def place_of(self, row: int) -> int:
        """Return where a row of the table stands."""
        return int(np.flatnonzero(self.order == row)[0])


class ObjectsTable(QWidget):  # type: ignore[misc]
    """The tables of the objects that a window shows.

    Parameters
    ----------
    viewer : napari.Viewer
        The window's.
    """

    went = Signal(int)
    """A row was clicked, and the window shows its object."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.viewer = viewer
        self.links: list[ObjectLink] = []
        self._tables, self._columns, self._count = QComboBox(), QComboBox(), QLabel()
        self.rows = QTableView()
        self.rows.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.rows.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.rows.setSortingEnabled(True)
        self.rows.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.rows.verticalHeader().hide()
        self._color_label = QLabel("colour by")
        above = QHBoxLayout()
        for widget in (self._tables, self._count, self._color_label, self._columns):
            above.addWidget(widget)
        above.insertStretch(2)
        layout = QVBoxLayout()
        layout.addLayout(above)
        layout.addWidget(self.rows)
        self.setLayout(layout)
        self._tables.currentIndexChanged.connect(self._choose)
        self._columns.currentIndexChanged.connect(self._color)
        self.rows.clicked.connect(lambda index: self.go_to(self._row(index)))
        self.rows.activated.connect(lambda index: self.go_to(self._row(index)))
        viewer.mouse_drag_callbacks.append(self._on_click)
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.layers.events.removed.connect(self.refresh)
        self.refresh()

    @property
    def link(self) -> ObjectLink | None:
        """The table that is shown."""
        place = self._tables.currentIndex()
        return self.links[place] if 0 <= place < len(self.links) else None

    def refresh(self, event: object = None) -> None:
        """List the tables that the window has now; the one that came last is shown."""
        del event
        self.links = links_of(self.viewer)
        self._tables.blockSignals(True)
        self._tables.clear()
        self._tables.addItems([link.name for link in self.links])
        self._tables.blockSignals(False)
        self._tables.setVisible(len(self.links) > 1)
        self._choose()
        self._on_step()

    def go_to(self, row: int) -> None:
        """Show the object of a row of the table."""
        if self.link is not None:
            self.link.go_to(row)
            self.went.emit(row)

    def select(self, link: ObjectLink, row: int) -> None:
        """Select a row of a table, and bring it into view."""
        if link is not self.link:
            self._tables.setCurrentIndex(self.links.index(link))
        model = self.rows.model()
        place = model.place_of(row)
        self.rows.selectRow(place)
        self.rows.scrollTo(model.index(place, 0))
        link.select(row)

    def color_by(self, column: str | None) -> None:
        """Colour the objects by a column; None: as they were."""
        names = [None, *self.rows.model().columns]
        if column not in names and self.link is not None:
            self.link.color_by(column)  # says which there are
        self._columns.setCurrentIndex(names.index(column))

    def _row(self, index: QModelIndex) -> int:
        return int(self.rows.model().order[index.row()])

    def _choose(self, _: int = 0) -> None:
        link = self.link
        self.rows.setModel(FrameModel(pd.DataFrame() if link is None else link.table))
        self.rows.resizeColumnsToContents()
        self._count.setText("" if link is None else f"{link.name}: {len(link.table):,} objects")
        self._columns.blockSignals(True)
        self._columns.clear()
        columns = [] if link is None else self.rows.model().columns
        self._columns.addItems([_PLAIN, *map(str, columns)])
        if link is not None and link.column is not None:
            self._columns.setCurrentIndex(1 + columns.index(link.column))
        self._columns.blockSignals(False)

    def _color(self, place: int) -> None:
        if self.link is not None and place >= 0:
            self.link.color_by(None if place == 0 else self.rows.model().columns[place - 1])

    def _on_step(self, event: object = None) -> None:
        del event
        for link in self.links:
            link.show_time()

    def _on_click(self, viewer: Any, event: Any) -> Any:
        """Select the row of the object that is clicked, not dragged."""
        start = np.array(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos) - start).max() > _STILL:
            return
        seen = {"view_direction": event.view_direction, "dims_displayed": event.dims_displayed}
        del viewer
        for link in self.links:
            row = link.row_at(event.position, **seen)
            if row is not None:
                self.select(link, row)
                return


def show_table(viewer: Any) -> ObjectsTable | None:
    """Show the tables of a viewer's objects in a dock; None where it has no window, or none."""
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    there = getattr(window, "dock_widgets", {}).get(DOCK)
    if isinstance(there, ObjectsTable):
        there.refresh()
        return there
    if not links_of(viewer):
        return None
    table = ObjectsTable(viewer)
    window.add_dock_widget(table, name=DOCK, area="bottom")
    return table


def _text(value: Any) -> str:
    """Write a value: numbers of objects with all digits, others with six."""
    if isinstance(value, (bool, np.bool_)) or value is None:
        return "" if value is None else str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.6g}"
    return "" if value is pd.NA else str(value)

"""The dock widget that lists runs and steps of a store with pictures, and opens the chosen ones."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from scutoid.errors import ScutoidError
from scutoid.napari_plugin._background import Background
from scutoid.napari_plugin._layers import results_in, shown
from scutoid.napari_plugin._listing import ListedRun, ListedStep, list_runs
from scutoid.napari_plugin._places import place_of
from scutoid.steps.handles import Collection, Image, Store, thumbnail_of

_SIDE = 56
"""Pixels of a picture along its longer side."""
_WIDTH = 290
"""Pixels of the list, at least: a step's picture, its name and its state."""
_BUDGET = 8 * 2**20
"""Bytes of chunks that are read for a picture."""
_MEMBERS = 200
"""Members of a collection that are listed."""
_CHOICE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True)
class _Choice:
    """What a row stands for."""

    folder: Path
    """Where the result lies."""
    member: str | None = None
    """Key of the member, of a row below a collection."""
    is_collection: bool = False
    """Whether members are listed below it."""


class ResultsWidget(QWidget):
    """Runs and steps of a store; a double click, or "Open", shows what is chosen in napari.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer that gets the layers.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._background = Background(self)
        self.destroyed.connect(self._background.stop)
        self._store: Store | None = None
        self.path = QLineEdit()
        self.path.setPlaceholderText("folder of a store")
        self.path.returnPressed.connect(self._list)
        choose = QPushButton("Choose...")
        choose.clicked.connect(self._choose)
        again = QPushButton("List again")
        again.clicked.connect(self._list)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.tree = self._make_tree()
        self.open_button = QPushButton("Open")
        self.open_button.setToolTip("Show the chosen steps as layers")
        self.open_button.clicked.connect(self.open_chosen)
        row, buttons = QHBoxLayout(), QHBoxLayout()
        row.addWidget(self.path)
        row.addWidget(choose)
        buttons.addWidget(self.open_button)
        buttons.addWidget(again)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self.tree)
        layout.addWidget(self.message)
        layout.addLayout(buttons)
        self._say("Choose the folder that sc.run or scutoid run got as store.")

    def _make_tree(self) -> QTreeWidget:
        tree = QTreeWidget()
        tree.setMinimumWidth(_WIDTH)
        tree.setIndentation(12)
        tree.setHeaderLabels(["run, step", "state"])
        tree.setIconSize(QSize(_SIDE, _SIDE))
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        header = tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        tree.itemExpanded.connect(self._fill)
        tree.itemDoubleClicked.connect(lambda item, _: self._open([item]))
        return tree

    def choose_store(self, folder: str | Path) -> None:
        """List the runs of the store at a folder, or in which the folder lies.

        Parameters
        ----------
        folder : path
            A store, one of its runs or of its results.
        """
        self.path.setText(str(folder))
        self._list()

    def open_chosen(self) -> None:
        """Show what is chosen in the list."""
        self._open(self.tree.selectedItems())

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a store", self.path.text())
        if folder:
            self.choose_store(folder)

    def _say(self, text: object) -> None:
        self.message.setText(str(text))
        self.message.setVisible(bool(str(text)))

    def _list(self) -> None:
        self._background.forget()
        self.tree.clear()
        self._store = None
        text = self.path.text().strip()
        try:
            place = place_of(Path(text).expanduser())
            store = None if place is None else place.store
            if store is None:
                there = Path(text).expanduser().exists()
                self._say(f"{text}: {'no store of scutoid' if there else 'no such folder'}")
                return
            self._store = Store(store)
        except (ScutoidError, OSError) as error:
            self._say(error)
            return
        self._say("Reading the runs ...")
        self._background.each(lambda: _listing(store), self._show_runs)

    def _show_runs(self, found: list[ListedRun] | str) -> None:
        if isinstance(found, str):
            self._say(found)
            return
        problems = [f"{run.folder.name}: {run.problem}" for run in found if run.problem]
        self._say("\n".join(problems) if found else "No run has been made into this store yet.")
        for run in found:
            row = QTreeWidgetItem([run.title, run.state])
            row.setFlags(Qt.ItemFlag.ItemIsEnabled)
            row.setToolTip(0, str(run.folder))
            self.tree.addTopLevelItem(row)
            for step in run.steps:
                row.addChild(_row_of(step))
        if found:
            self.tree.topLevelItem(0).setExpanded(True)

    def _fill(self, row: QTreeWidgetItem) -> None:
        """Get what a row that was opened shows: pictures of steps, members of a collection."""
        choice, store = row.data(0, _CHOICE), self._store
        if store is None:
            return
        if isinstance(choice, _Choice) and choice.is_collection and not row.childCount():
            self._background.each(
                lambda: _members(store, choice), lambda found: self._show_members(row, found)
            )
            return
        rows = [row.child(n) for n in range(row.childCount())]
        for one in rows:
            picked = one.data(0, _CHOICE)
            if isinstance(picked, _Choice) and one.icon(0).isNull():
                self._background.each(
                    lambda picked=picked: _picture(store, picked),  # type: ignore[misc]
                    lambda found, one=one: self._show_picture(one, found),  # type: ignore[misc]
                )

    def _show_members(self, row: QTreeWidgetItem, found: tuple[list[str], str]) -> None:
        keys, note = found
        choice: _Choice = row.data(0, _CHOICE)
        for key in keys:
            below = QTreeWidgetItem([key])
            below.setData(0, _CHOICE, _Choice(choice.folder, key))
            row.addChild(below)
        if note:
            last = QTreeWidgetItem([note])
            last.setFlags(Qt.ItemFlag.ItemIsEnabled)
            row.addChild(last)
        self._fill(row)

    def _show_picture(self, row: QTreeWidgetItem, found: tuple[bytes, str]) -> None:
        png, caption = found
        row.setToolTip(0, caption)
        pixels = QPixmap()
        if png and pixels.loadFromData(png):
            icon = QIcon(pixels)
            icon.addPixmap(pixels, QIcon.Mode.Selected)  # Qt would tint it
            row.setIcon(0, icon)

    def _open(self, rows: list[QTreeWidgetItem]) -> None:
        choices = [row.data(0, _CHOICE) for row in rows]
        wanted = [choice for choice in choices if isinstance(choice, _Choice)]
        if not wanted or self._store is None:
            self._say("Choose one or several steps in the list.")
            return
        from scutoid.views import view

        try:
            found = [one for choice in wanted for one in shown(_results(self._store, choice))]
            if not found:
                self._say("Images, and tables with positions, are shown; choose one of these.")
                return
            view(*found, viewer=self._viewer)
        except (ScutoidError, OSError) as error:
            self._say(error)
        else:
            self._say("")


def _row_of(step: ListedStep) -> QTreeWidgetItem:
    row = QTreeWidgetItem([step.name, step.state])
    if step.kind:
        is_collection = step.kind == "collection"
        row.setData(0, _CHOICE, _Choice(step.folder, is_collection=is_collection))
        if is_collection:
            row.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)
    else:
        row.setText(1, "removed or damaged")
    for inner in step.inner:
        row.addChild(_row_of(inner))
    return row


def _listing(store: Path) -> Iterator[list[ListedRun] | str]:
    try:
        yield list_runs(store)
    except (ScutoidError, OSError) as error:
        yield str(error)


def _results(store: Store, choice: _Choice) -> tuple[Any, ...]:
    results = results_in(store, choice.folder)
    if choice.member is None:
        return results
    return tuple(one[choice.member] if isinstance(one, Collection) else one for one in results)


def _members(store: Store, choice: _Choice) -> Iterator[tuple[list[str], str]]:
    try:
        collection: Any = results_in(store, choice.folder)[0]
        keys = [key for key in collection.keys if key not in collection.missing]
        more = len(keys) - _MEMBERS
        yield keys[:_MEMBERS], f"and {more} more" if more > 0 else ""
    except (ScutoidError, OSError) as error:
        yield [], str(error)


def _picture(store: Store, choice: _Choice) -> Iterator[tuple[bytes, str]]:
    """Make the picture of a result, as PNG, with what it shows or why there is none."""
    try:
        image = next((one for one in _results(store, choice) if isinstance(one, Image)), None)
        if image is None:
            return
        found = thumbnail_of(image.read_ref, _BUDGET)
    except (ScutoidError, OSError) as error:
        yield b"", str(error)
        return
    yield (b"", found) if isinstance(found, str) else (base64.b64decode(found.png), found.caption)

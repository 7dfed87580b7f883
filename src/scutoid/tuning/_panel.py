"""The panel beside the image: controls, what came of them, and a button that saves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from magicgui import widgets
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from scutoid.tuning._controls import Control

_WIDTH = 320


class Panel(QWidget):
    """Controls of parameters.

    Parameters
    ----------
    controls : sequence of Control
        In their order.
    """

    arrived = Signal(object)
    """What the thread has computed, handed to the thread of Qt."""
    saving = Signal(str)
    """A file for the parameters was chosen."""

    def __init__(self, controls: Sequence[Control]) -> None:
        super().__init__()
        self.setMinimumWidth(_WIDTH)
        self._box = widgets.Container(widgets=[one.widget for one in controls], labels=True)
        self._box.margins = (0, 0, 0, 0)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.save_button = QPushButton("Save parameters...")
        self.save_button.clicked.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.addWidget(self._box.native)
        layout.addWidget(self.message)
        layout.addStretch(1)
        layout.addWidget(self.save_button)

    def say(self, text: str, details: str = "") -> None:
        """Say what came of the last wish; `details` are shown when the mouse rests on it."""
        self.message.setText(text)
        self.message.setToolTip(details)

    def _choose(self) -> None:
        kind = "Parameters (*.json)"
        path, _ = QFileDialog.getSaveFileName(self, "File of parameters", "parameters.json", kind)
        if path:
            self.saving.emit(path)


class Timer:
    """Calls something in the thread of Qt: once nothing has come for some time, or again and again.

    Parameters
    ----------
    parent : QObject
        What it belongs to.
    milliseconds : int
        The time.
    call : callable
        What is called.
    repeats : bool
        Whether it is called again and again.
    """

    def __init__(
        self, parent: Any, milliseconds: int, call: Callable[[], None], *, repeats: bool = False
    ) -> None:
        self._timer = QTimer(parent)
        self._timer.setSingleShot(not repeats)
        self._timer.setInterval(milliseconds)
        self._timer.timeout.connect(call)

    def begin(self, *_: object) -> None:
        """Wait for the time from now on."""
        self._timer.start()

    def stop(self) -> None:
        """Call nothing any more."""
        self._timer.stop()

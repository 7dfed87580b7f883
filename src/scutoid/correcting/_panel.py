"""The panel of the window for proof-reading, and what is asked before it closes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Answer = Literal["save", "discard", "cancel"]
KEYS = {
    "j": ("join", "join the picked objects (J)"),
    "d": ("delete", "delete the picked objects (D)"),
    "k": ("split", "split by the seeds (K)"),
    "u": ("undo", "undo (U, Ctrl-Z)"),
    "n": ("next", "next in the table (N)"),
    "Shift-n": ("previous", "previous (Shift-N)"),
    "w": ("save", "save (W)"),
}
"""Of the window: what each does, and what its button says."""


HELP = (
    "Shift and a click pick an object while the brush is off (6). Paint with 2, erase with 1; "
    "M takes a new number. Seeds are points of the layer 'seeds', one in each part."
)


class Panel:
    """The panel beside the canvas: what is picked, buttons, the reason."""

    def __init__(self, press: Callable[[str], None], set_why: Callable[[str], None]) -> None:
        from magicgui.widgets import Container, Label, LineEdit, PushButton

        self._lines = [Label(value="") for _ in range(4)]
        why = LineEdit(value="", label="why")
        why.changed.connect(set_why)
        buttons = [PushButton(text=text) for _, text in KEYS.values()]
        for (name, _), button in zip(KEYS.values(), buttons, strict=True):
            button.changed.connect(lambda _, name=name: press(name))
        help_text = Label(value=HELP)
        shown = Container(widgets=[*self._lines, why, *buttons, help_text], labels=False)
        for text in (*self._lines, help_text):
            _keep_narrow(text.native)
        why.native.setPlaceholderText("why (kept with each correction)")
        self.widget = shown
        """What is docked in a window."""

    def say(self, *lines: str) -> None:
        """Show lines of text."""
        for label, line in zip(self._lines, lines, strict=True):
            label.value = line
            label.visible = bool(line)


def _keep_narrow(label: Any) -> None:
    """Let a text take the width that there is: else a long one covers the canvas."""
    from qtpy.QtWidgets import QSizePolicy

    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)


def ask(viewer: Any, text: str) -> Answer:
    """Ask what becomes of what is not saved."""
    from qtpy.QtWidgets import QMessageBox

    buttons = QMessageBox.StandardButton
    chosen = QMessageBox.question(
        _window_of(viewer),
        "Proof-reading",
        text,
        buttons.Save | buttons.Discard | buttons.Cancel,
        buttons.Save,
    )
    answers: dict[Any, Answer] = {buttons.Save: "save", buttons.Discard: "discard"}
    return answers.get(chosen, "cancel")


def _window_of(viewer: Any) -> Any:
    """Return Qt's window of a viewer, for which napari has no public name."""
    return viewer.window._qt_window  # noqa: SLF001


def guard_of(viewer: Any, may_close: Callable[[], bool]) -> Any:
    """Let a window close only if it may."""
    from qtpy.QtCore import QEvent, QObject

    class Guard(QObject):  # type: ignore[misc]
        def eventFilter(self, _: Any, event: Any) -> bool:  # noqa: N802  # Qt's name
            if event.type() == QEvent.Type.Close and not may_close():
                event.ignore()
                return True
            return False

    window = _window_of(viewer)
    guard = Guard(window)
    window.installEventFilter(guard)
    return guard

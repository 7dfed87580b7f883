"""A viewer that follows a run: each step is shown once it is finished."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from scutoid.errors import ScutoidError
from scutoid.events import Event
from scutoid.views._napari import check_viewer, view

_STEP = "scutoid step"
"""Where a layer keeps the step that a run has made it of, among its metadata."""
_SHOWN = ("image", "table")
_PAUSE = 0.05
_logger = logging.getLogger(__name__)


class Following:
    """A listener that adds what the steps of a run have made to a viewer of napari.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._drawn = 0.0

    def on_event(self, event: Event) -> None:
        """Let the window draw while the run keeps its thread."""
        del event
        if time.monotonic() - self._drawn > _PAUSE:
            self._draw()

    def on_result(self, name: str, result: object, within: tuple[str, ...]) -> None:
        """Show the images and tables of a step that the user wrote."""
        if within:
            return
        results = result if isinstance(result, tuple) else (result,)
        shown = [each for each in results if getattr(each, "kind", None) in _SHOWN]
        if shown:
            _in_thread_of_window(lambda: self._show(name, shown))

    def _show(self, name: str, results: list[object]) -> None:
        """Show results in place of those that an earlier run has made of the step."""
        try:
            before = [each for each in self._viewer.layers if each.metadata.get(_STEP) == name]
            hidden = {each.name for each in before if not each.visible}
            there = set(self._viewer.layers) - set(before)
            for each in before:
                self._viewer.layers.remove(each)
            view(*results, viewer=self._viewer)
            for each in set(self._viewer.layers) - there:
                each.metadata = {**each.metadata, _STEP: name}
                each.visible = each.visible and each.name not in hidden
        except ScutoidError as error:
            _logger.info("step %r is not shown: %s", name, error)
        except Exception:  # the window may be closed, and the run goes on
            _logger.warning("step %r could not be shown", name, exc_info=True)
        self._draw()

    def _draw(self) -> None:
        """Draw the window, where this is its thread and so nobody else does."""
        self._drawn = time.monotonic()
        app = _application()
        if app is not None and _is_its_thread(app):
            app.processEvents()


def follow(viewer: Any) -> Following:
    """Return a listener that shows each step of a run in a viewer once it is finished.

    ``sc.run(cells, store="results", listeners=[sc.views.follow(viewer)])`` adds the images and
    tables of the steps that you wrote, those that are up to date first.  What an earlier run has
    shown of a step is replaced.  The run may go on in any thread; a viewer that is closed, or that
    cannot show a step, does not end it.  Collections are not shown.

    Parameters
    ----------
    viewer : napari.Viewer
        As `view` returns it.

    Raises
    ------
    ParameterError
        If it is no viewer, or its window is closed.
    """
    check_viewer(viewer, "viewer of follow")
    return Following(viewer)


def _application() -> Any:
    """Return the application of Qt, if there is one in this process."""
    try:
        from qtpy.QtCore import QCoreApplication
    except (ImportError, RuntimeError):  # no Qt: a viewer without a window
        return None
    return QCoreApplication.instance()


def _is_its_thread(app: Any) -> bool:
    from qtpy.QtCore import QThread

    return bool(QThread.currentThread() is app.thread() or QThread.currentThread() == app.thread())


def _in_thread_of_window(action: Callable[[], None]) -> None:
    """Do something where windows may be changed: at once there, else as soon as there is time."""
    app = _application()
    if app is None or _is_its_thread(app):
        action()
        return
    from superqt.utils import ensure_main_thread

    ensure_main_thread(action)()

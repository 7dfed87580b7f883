"""`Progress`, a listener that shows how far a run is."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO, Literal, Self

from scutoid.events import (
    BatchDone,
    BlockFailed,
    BlocksOrphaned,
    DamageFound,
    Event,
    Listener,
    RunDone,
    RunStarted,
    StepAwaited,
    TaskDone,
    WorkerLost,
    WorkersAwaited,
)
from scutoid.progress._counts import RunCounts
from scutoid.progress._displays import Display, Lines, NotebookTable, TerminalBars
from scutoid.progress._words import awaited, without_workers

Place = Literal["notebook", "terminal", "lines"]


class Progress:
    """Shows the progress of a run: per step the blocks done, cached and failed, rate and time left.

    A run in a notebook or on a terminal shows it by itself; see `scutoid.run`.  Steps that an
    operation made are one row, and below them stands the time that the whole run takes yet.

    Parameters
    ----------
    stream : file, optional
        Stream to write to; default: standard error.
    live : bool, optional
        Whether to draw bars and not to write lines; default: if the stream is a terminal.
    """

    def __init__(self, stream: IO[str] | None = None, *, live: bool | None = None) -> None:
        stream = sys.stderr if stream is None else stream
        is_live = stream.isatty() if live is None else live
        self._display: Display = TerminalBars(stream) if is_live else Lines(stream)
        self._holds_screen = False
        self._is_drawing = False
        self._is_live = is_live
        self._lines: Display = Lines(stream)
        self._counts = RunCounts()

    @classmethod
    def in_notebook(cls) -> Self:
        """Return one that draws below the cell of a notebook."""
        made = cls(live=False)
        made._display = NotebookTable()
        made._is_live = True
        return made

    def on_event(self, event: Event) -> None:
        """Handle an event of the run; a stream that is closed shows no more, and fails no run."""
        with suppress(OSError, ValueError):
            self._handle(event)

    def _handle(self, event: Event) -> None:
        self._counts.on_event(event)
        if isinstance(event, RunStarted):
            self._begin()
        elif isinstance(event, BatchDone):
            self._update(event.task, event.time, is_end=False)
        elif isinstance(event, TaskDone):
            if self._counts.ends(event):
                self._update(event.task, event.time, is_end=True)
        elif isinstance(event, (BlockFailed, BlocksOrphaned)):
            self._note(event)
        elif isinstance(event, StepAwaited):
            self._display.say(awaited(event))
        elif isinstance(event, DamageFound):
            found = f"{event.place}: {event.what}"
            self._display.say(f"{event.task}: damaged, made again: {found}")
        elif isinstance(event, WorkerLost):
            self._display.say(f"worker {event.worker} lost: {event.reason}")
        elif isinstance(event, WorkersAwaited):
            self._display.say(without_workers(event))
        elif isinstance(event, RunDone):
            self.close()

    def _begin(self) -> None:
        """Begin to draw; where another run draws already, this one writes lines."""
        if self._is_live and not self._holds_screen:
            self._holds_screen = _SCREEN.acquire(blocking=False)
            if not self._holds_screen:
                self._display, self._is_live = self._lines, False
        self._display.begin(self._counts)
        self._is_drawing = True

    def _update(self, task: str, now: float, *, is_end: bool) -> None:
        row = self._counts.row_of(task)
        if row in self._counts.rows or not self._is_live:
            self._display.update(self._counts, row, now, is_end=is_end)

    def _note(self, event: BlockFailed | BlocksOrphaned) -> None:
        self._update(event.task, event.time, is_end=False)
        if isinstance(event, BlockFailed):
            what = f"block {event.index}" if event.index >= 0 else "set-up"
            again = "tried again" if event.will_retry else "failed"
            first = event.error.splitlines()[0] if event.error else "?"
            self._display.say(f"{event.task}: {what} {again}: {first}")

    def close(self) -> None:
        """Stop drawing."""
        if self._is_drawing:
            self._is_drawing = False
            with suppress(OSError, ValueError):
                self._display.close(self._counts)
        if self._holds_screen:
            self._holds_screen = False
            _SCREEN.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


_SCREEN = threading.Lock()
"""Held by the one run of this process that draws."""


def progress_shown(wanted: bool | None, listeners: Sequence[Listener]) -> Progress | None:
    """Return what shows a run besides its listeners.

    Parameters
    ----------
    wanted : bool, optional
        As `progress=` of `scutoid.run`.
    listeners : sequence of Listener
        Where one of them is a `Progress` already, there is no second.
    """
    if wanted is False or any(isinstance(each, Progress) for each in listeners):
        return None
    place = _place()
    if wanted is None and (place == "lines" or _SCREEN.locked()):
        return None
    return Progress.in_notebook() if place == "notebook" else Progress(live=place == "terminal")


def _place() -> Place:
    """Where a run is shown: below the cell of a notebook, on a terminal, or as lines."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is not None:
        return "notebook"
    return "terminal" if sys.stderr is not None and sys.stderr.isatty() else "lines"

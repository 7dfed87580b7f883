"""Who is told how far a run is: the log, and observers with daisy's methods."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Protocol, runtime_checkable

from scutoid import events
from scutoid.errors import ParameterError
from scutoid.integrations.daisy._states import States, TaskState

_logger = logging.getLogger("scutoid.daisy")


@runtime_checkable
class Observer(Protocol):
    """What daisy tells how far a run is."""

    def on_start(self, states: Mapping[str, TaskState]) -> None:
        """Handle the states before the first block."""

    def on_progress(self, states: Mapping[str, TaskState]) -> None:
        """Handle the states after some blocks."""

    def on_finish(self, states: Mapping[str, TaskState]) -> None:
        """Handle the states at the end."""


def listener_of(progress: object, states: States) -> events.Listener | None:
    """Return who is told of the run by the argument `progress`, None if nobody is.

    Raises
    ------
    ParameterError
        If it is nothing that can be told.
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return Log()
    if hasattr(progress, "on_event"):
        return progress
    if isinstance(progress, Observer):
        return Observed(progress, states)
    raise ParameterError(
        "progress is True, False, a listener with on_event, or an observer with on_start, "
        "on_progress and on_finish",
        value=progress,
        place="run_blockwise(progress=)",
    )


class Log:
    """A listener that logs the facts of daisy's progress bar."""

    def on_event(self, event: events.Event) -> None:
        """Log the ends of tasks, and failures."""
        if isinstance(event, events.BlockFailed):
            again = "is tried again" if event.will_retry else "has failed"
            _logger.warning("%s: block %d %s: %s", event.task, event.index, again, event.error)
        elif isinstance(event, events.TaskDone):
            _logger.info("%s: over after %.1f s", event.task, event.seconds)


class Observed:
    """A listener that shows an observer the states of all tasks.

    Parameters
    ----------
    observer : Observer
        Is told.
    states : States
        Hears of each event before this one.
    """

    def __init__(self, observer: Observer, states: States) -> None:
        self._observer = observer
        self._states = states

    def on_event(self, event: events.Event) -> None:
        """Tell the observer, by the method that fits."""
        match event:
            case events.RunStarted():
                self._observer.on_start(self._states.by_task)
            case events.RunDone():
                self._observer.on_finish(self._states.by_task)
            case events.BatchDone() | events.BlockFailed() | events.BlocksOrphaned():
                self._observer.on_progress(self._states.by_task)


class JsonProgressObserver:
    """Writes how far each task is as lines of JSON, for dashboards.

    Each line has the time ``t`` (seconds since the epoch), ``event`` ("start", "progress" or
    "finish"), ``task`` and its counts: ``total``, ``ready``, ``processing``, ``completed``,
    ``skipped``, ``failed``, ``orphaned`` (blocks), ``restarts`` and ``failures`` (workers).

    Parameters
    ----------
    path : path, optional
        A file, which is written anew, and closed at the end of a run.
    stream : file, optional
        An open text file; without path and stream it is the standard output.

    Raises
    ------
    ParameterError
        If both are given.

    Examples
    --------
    >>> import io
    >>> lines = io.StringIO()
    >>> JsonProgressObserver(stream=lines).on_finish({"smooth": TaskState(total_block_count=4)})
    >>> json.loads(lines.getvalue())["total"]
    4
    """

    def __init__(self, path: str | Path | None = None, stream: IO[str] | None = None) -> None:
        if path is not None and stream is not None:
            raise ParameterError(
                "progress is written to a path or a stream: give one of them",
                value=(path, stream),
                place="JsonProgressObserver",
            )
        self._is_own = path is not None
        self._stream = stream or sys.stdout
        if path is not None:
            # A line at a time, so that who follows the file sees whole ones
            self._stream = Path(path).open("w", buffering=1, encoding="utf-8")  # noqa: SIM115

    def on_start(self, states: Mapping[str, TaskState]) -> None:
        """Write a line a task."""
        self._write("start", states)

    def on_progress(self, states: Mapping[str, TaskState]) -> None:
        """Write a line a task."""
        self._write("progress", states)

    def on_finish(self, states: Mapping[str, TaskState]) -> None:
        """Write a line a task, and close the file if it is the observer's own."""
        self._write("finish", states)
        if self._is_own:
            self._stream.close()

    def _write(self, event: str, states: Mapping[str, TaskState]) -> None:
        now = time.time()
        for task, state in states.items():
            line = {
                "t": now,
                "event": event,
                "task": task,
                "total": state.total_block_count,
                "ready": state.ready_count,
                "processing": state.processing_count,
                "completed": state.completed_count,
                "skipped": state.skipped_count,
                "failed": state.failed_count,
                "orphaned": state.orphaned_count,
                "restarts": state.worker_restart_count,
                "failures": state.worker_failure_count,
            }
            self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()

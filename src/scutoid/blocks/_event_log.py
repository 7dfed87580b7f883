"""Write every event of a run as a line of JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scutoid import events
from scutoid.durable import store_error
from scutoid.regular import opened_regular
from scutoid.texts import parse_json


class EventLog:
    """A listener that writes each event to a file, at once, so that the file can be followed.

    Parameters
    ----------
    path : path-like
        The file; what it held is overwritten, and its folder is made.

    Raises
    ------
    StoreError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with EventLog(Path(folder.name) / "events.jsonl") as log:
    ...     log.on_event(events.TaskDone(1000.0, "smooth", 2.5))
    >>> list(EventLog.read(log.path))
    [{'event': 'TaskDone', 'time': 1000.0, 'task': 'smooth', 'seconds': 2.5}]
    >>> folder.cleanup()
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A line at a time, so that who follows the file sees whole events.
            self._file = self.path.open("w", buffering=1, encoding="utf-8")
        except OSError as error:
            raise store_error(error, path, rule="the record of a run can be written") from error

    def on_event(self, event: events.Event) -> None:
        """Write an event."""
        record: dict[str, object] = {"event": type(event).__name__}
        record |= {field.name: getattr(event, field.name) for field in fields(event)}
        try:
            self._file.write(json.dumps(record, default=_plain) + "\n")
        except OSError as error:
            rule = "the record of a run can be written"
            raise store_error(error, self.path, rule=rule) from error

    @staticmethod
    def read(path: str | Path) -> Iterator[dict[str, Any]]:
        """Read the events of a file, oldest first; a line that was cut off is left out."""
        with io.TextIOWrapper(opened_regular(path), encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield parse_json(line)

    def close(self) -> None:
        """Close the file; what did not fit on a full disk is lost."""
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _plain(value: Any) -> dict[str, object]:
    return {field.name: getattr(value, field.name) for field in fields(value)}

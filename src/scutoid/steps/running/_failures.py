"""The tracebacks of a run as text, beside what its workers printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scutoid.blocks import Failure
    from scutoid.steps.running._outcome import RunStep

FAILURES = "failures.log"
_NAMED = 20
"""Blocks that are named with a traceback which they share."""
_MOST = 200
"""Tracebacks of a step."""


def write_failures(steps: Sequence[RunStep], folder: Path) -> None:
    """Write the failures of a run to a file, those that say the same together; none: no file.

    The record of the run has their messages whether or not the file can be written.
    """
    texts = [text for step in steps for text in _of(step)]
    if texts:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            text = "\n".join(texts)
            (folder / FAILURES).write_text(text, encoding="utf-8", errors="backslashreplace")


def _of(step: RunStep) -> Iterator[str]:
    by_trace: dict[str, list[Failure]] = {}
    for failure in step.failures:
        by_trace.setdefault(failure.traceback or failure.error, []).append(failure)
    for trace, failures in list(by_trace.items())[:_MOST]:
        places = [step.place(failure) for failure in failures[:_NAMED]]
        more = f", and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
        yield f"{step.name}, {', '.join(places)}{more}: {failures[0].error}\n{trace}"
    if len(by_trace) > _MOST:
        yield f"{step.name}: {len(by_trace) - _MOST} other tracebacks are in events.jsonl\n"

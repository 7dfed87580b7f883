"""What the events of a run say of its tasks: counts while it goes on, and tracebacks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scutoid.regular import opened_regular
from scutoid.spent import CAUSES, NOTHING, Spent
from scutoid.texts import parse_json

EVENTS = "events.jsonl"
_FINISH = ":finish"
_SLOWEST = 10
_OF_FAILURES = ('{"event": "BlockFailed"', '{"event": "RunStarted"')


@dataclass(slots=True)
class TaskEvents:
    """What the events say of one task."""

    n_blocks: int = 0
    n_cached: int = 0
    n_skipped: int = 0
    n_done: int = 0
    """Those that ran and are done."""
    n_orphaned: int = 0
    is_begun: bool = False
    is_ended: bool = False
    seconds: float = 0.0
    failures: list[dict[str, Any]] = field(default_factory=list)
    slowest: list[tuple[int, float]] = field(default_factory=list)
    spent: Spent = NOTHING
    """What workers spent their time on; how long they waited is known at the end alone."""


@dataclass(slots=True)
class RunEvents:
    """What the events of a run say."""

    tasks: dict[str, TaskEvents] = field(default_factory=dict)
    """By name of the step; what joins the blocks of a step counts as the step."""
    workers: int | None = None
    last: float = 0.0
    """When the last was sent."""
    problems: list[str] = field(default_factory=list)

    def read(self, folder: Path, *, failures_alone: bool = False) -> None:
        """Take in the events of one folder; `failures_alone` passes over all others, quickly."""
        path = folder / EVENTS
        n_damaged = 0
        for line in _lines(path, self.problems):
            if failures_alone and not line.startswith(_OF_FAILURES):
                continue
            try:
                self._take(parse_json(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                n_damaged += 1
        if n_damaged:
            self.problems.append(f"{n_damaged} lines of {path} are no events, and left out")

    def _take(self, event: dict[str, Any]) -> None:
        self.last = max(self.last, float(event["time"]))
        kind = event["event"]
        if kind == "RunStarted":
            self.workers = int(event["workers"])
            for info in event["tasks"]:
                if not info["name"].endswith(_FINISH):
                    task = self.tasks.setdefault(info["name"], TaskEvents())
                    task.n_blocks, task.n_cached = int(info["n_blocks"]), int(info["n_cached"])
                    task.n_skipped = int(info.get("n_skipped", 0))
            return
        name = event.get("task")
        if not isinstance(name, str):
            return
        is_finish = name.endswith(_FINISH)
        task = self.tasks.setdefault(name.removesuffix(_FINISH), TaskEvents())
        if kind in ("BatchStarted", "BatchDone"):
            task.is_begun = True
            said = event.get("spent", {})
            task.spent += Spent(*(float(said.get(cause, 0.0)) for cause in CAUSES))
            if kind == "BatchDone" and not is_finish:
                task.n_done += int(event["n_done"])
                slow = [(int(block), float(took)) for block, took in event.get("slowest", ())]
                slow = sorted([*task.slowest, *slow], key=lambda one: -one[1])
                task.slowest = slow[:_SLOWEST]
        elif kind == "BlockFailed" and not event["will_retry"]:
            task.failures.append(
                {name: event[name] for name in ("index", "attempt", "error", "traceback")}
            )
        elif kind == "BlocksOrphaned":
            task.n_orphaned += int(event["n"])
        elif kind == "TaskDone":
            task.is_ended = True
            task.seconds += float(event["seconds"])


def _lines(path: Path, problems: list[str]) -> Iterator[str]:
    """Yield the whole lines of a file, none if there is no file."""
    try:
        with io.TextIOWrapper(opened_regular(path), encoding="utf-8", errors="replace") as file:
            yield from (line for line in file if line.endswith("\n"))
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror or error}")

"""What the events of a run say of its steps while it goes on: counts, rate, time left, failures.

Nothing here reads a file or a clock: events go in, and times are given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ProgressState = Literal["waiting", "running", "done", "failed", "stopped"]

_FINISH = ":finish"
_MARKS = 60
_MARK_SECONDS = 2.0
_ENOUGH = 8
_FAILURES = 50
_TRACEBACK = 20_000
_NOTES = 50


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt at a block, or a member, that failed for good."""

    index: int
    """Number of the block; -1 where the set-up of the step failed, or what joins its blocks."""
    attempt: int
    """Number of the attempt, counted from 1."""
    error: str
    """Type and message, in a line."""
    traceback: str
    """As text, cut off in the middle if it is long."""


@dataclass(slots=True)
class StepProgress:
    """How far a step is."""

    n_blocks: int = 0
    """Blocks, or members, those that are left out apart."""
    n_cached: int = 0
    """Those that were done before."""
    n_done: int = 0
    """Those that this run has done."""
    n_retried: int = 0
    """Attempts that failed and were made again."""
    n_failed: int = 0
    n_orphaned: int = 0
    """Those that will not run, because what they depend on failed."""
    worker_seconds: float = 0.0
    """Time of workers that the blocks done took, together."""
    first: float | None = None
    """When its first block was handed out."""
    last: float | None = None
    """When it last made progress."""
    n_parts: int = 1
    """Tasks of it that are not over: that of its blocks, and that which joins them, if any."""
    failures: list[Failed] = field(default_factory=list)
    """The first ones."""
    is_set_up: bool = True
    """Whether it can run: its set-up, or what joins its blocks, has not failed for good."""
    _marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_MARKS))

    @property
    def n_open(self) -> int:
        """Blocks that may still run."""
        over = self.n_cached + self.n_done + self.n_failed + self.n_orphaned
        return max(self.n_blocks - over, 0)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will run any more."""
        return self.n_parts <= 0

    @property
    def state(self) -> ProgressState:
        """`waiting`, `running`, `done`, `failed` or `stopped`, as far as events tell."""
        is_ended = self.is_over or (self.first is None and not self.n_open and self.n_parts == 1)
        if self.n_failed or not self.is_set_up:
            return "running" if self.n_open and not self.is_over else "failed"
        if self.n_orphaned and not self.n_open:
            return "stopped"
        if is_ended:
            return "done"
        return "waiting" if self.first is None else "running"

    def rate(self, now: float) -> float:
        """Blocks a second: of the last two minutes where enough came, else since it began."""
        if self.first is None or not self.n_done:
            return 0.0
        begun, before = self.first, 0
        if self._marks and self.n_done - self._marks[0][1] >= _ENOUGH:
            begun, before = self._marks[0]
        return (self.n_done - before) / max(now - begun, 1e-3)

    def left(self, now: float) -> float | None:
        """Return the seconds that its blocks will still take; None if that cannot be told."""
        if not self.n_open:
            return 0.0
        rate = self.rate(now)
        return self.n_open / rate if rate else None

    @property
    def cost(self) -> float | None:
        """Seconds of a worker a block; None before one is done."""
        return self.worker_seconds / self.n_done if self.n_done else None

    def begin(self, now: float) -> None:
        """Note that blocks were handed out."""
        if self.first is None:
            self.first = now
            self._marks.append((now, 0))

    def done(self, n_blocks: int, seconds: float, now: float) -> None:
        """Note blocks that are done."""
        self.begin(now - seconds)
        self.n_done += n_blocks
        self.worker_seconds += seconds
        self.last = now
        if now - self._marks[-1][0] >= _MARK_SECONDS:
            self._marks.append((now, self.n_done))

    def failed(self, failure: Failed, now: float) -> None:
        """Note a block, or the set-up of the step, that failed for good."""
        self.begin(now)
        self.last = now
        if failure.index < 0:
            self.is_set_up = False
        else:
            self.n_failed += 1
        if len(self.failures) < _FAILURES:
            self.failures.append(failure)


@dataclass(frozen=True, slots=True)
class Left:
    """The time that a run will still take."""

    seconds: float
    """Of what can be told, in seconds."""
    n_unknown: int
    """Steps with open blocks of which none is done, so that their time is not known."""


@dataclass(slots=True)
class RunProgress:
    """How far a run is."""

    steps: dict[str, StepProgress] = field(default_factory=dict)
    """By name; what joins the blocks of a step counts as the step."""
    workers: int | None = None
    """Number of workers asked for."""
    alive: set[int] = field(default_factory=set)
    """Workers that have started and are not lost."""
    ok: bool | None = None
    """Whether all was done; None before its end."""
    last: float | None = None
    """When the last event was sent."""
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=_NOTES))
    """Workers that were lost, damage that was found, steps that were waited for: the last ones."""
    n_unreadable: int = 0
    """Lines that are no events."""

    def left(self, now: float) -> Left | None:
        """Return the time that all open blocks will take together; None if nothing is known yet.

        Blocks of steps whose cost is known share the workers; a step is not over before its own
        rate says so, however many workers there are.
        """
        known, alone, n_unknown = 0.0, 0.0, 0
        for step in self.steps.values():
            if not step.n_open or step.is_over:
                continue
            if step.cost is None:
                n_unknown += 1
                continue
            known += step.n_open * step.cost
            alone = max(alone, step.cost)
        if not known:
            return None if n_unknown or not self.steps else Left(0.0, 0)
        workers = max(len(self.alive) or self.workers or 1, 1)
        return Left(max(known / workers, alone), n_unknown)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in an event, as it stands in `events.jsonl`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is none.
        """
        now = float(event["time"])
        match event["event"]:
            case "RunStarted":
                self._run_started(event)
            case "BatchStarted":
                self._step(event)[0].begin(now)
            case "BatchDone":
                self._batch_done(event, now)
            case "BlockFailed":
                self._block_failed(event, now)
            case "BlocksOrphaned":
                step, is_join = self._step(event)
                step.n_orphaned += 0 if is_join else int(event["n"])
            case "TaskDone":
                self._step(event)[0].n_parts -= 1
            case "RunDone":
                self.ok = bool(event["ok"])
                self.alive.clear()
            case _:
                self._note(event)
        self.last = now if self.last is None else max(self.last, now)

    def _step(self, event: Mapping[str, Any]) -> tuple[StepProgress, bool]:
        """Return the step of an event, and whether it is about what joins its blocks."""
        name = str(event["task"])
        step = self.steps.setdefault(name.removesuffix(_FINISH), StepProgress())
        return step, name.endswith(_FINISH)

    def _run_started(self, event: Mapping[str, Any]) -> None:
        tasks = {str(info["name"]): info for info in event["tasks"]}
        for name, info in tasks.items():
            if not name.endswith(_FINISH):
                n_blocks = int(info["n_blocks"]) - int(info.get("n_skipped", 0))
                n_parts = 1 + (name + _FINISH in tasks)
                n_cached = int(info["n_cached"])
                self.steps[name] = StepProgress(n_blocks, n_cached, n_parts=n_parts)
        self.workers, self.ok = int(event["workers"]), None
        self.alive.clear()

    def _batch_done(self, event: Mapping[str, Any], now: float) -> None:
        step, is_join = self._step(event)
        step.done(0 if is_join else int(event["n_done"]), float(event["seconds"]), now)

    def _block_failed(self, event: Mapping[str, Any], now: float) -> None:
        step, is_join = self._step(event)
        if event["will_retry"]:
            step.n_retried += 1
            return
        index = -1 if is_join else int(event["index"])
        error, traceback = str(event["error"]), _cut(str(event["traceback"]))
        failure = Failed(index, int(event["attempt"]), error, traceback)
        step.failed(failure, now)

    def _note(self, event: Mapping[str, Any]) -> None:
        """Keep what is worth a line; kinds of later versions are passed over."""
        match event["event"]:
            case "WorkerStarted":
                self.alive.add(int(event["worker"]))
            case "WorkerLost":
                self.alive.discard(int(event["worker"]))
                self.notes.append(f"worker {int(event['worker'])} lost: {event['reason']}")
            case "StepAwaited":
                self.notes.append(f"{event['task']}: waited for {event['owner']}")
            case "DamageFound":
                what = f"{event['place']}: {event['what']}"
                self.notes.append(f"{event['task']}: damaged, made again: {what}")


def _cut(text: str) -> str:
    """Leave out the middle of a long text."""
    if len(text) <= _TRACEBACK:
        return text
    half = _TRACEBACK // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"

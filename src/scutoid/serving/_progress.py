"""What the events of a run say of its steps while it goes on: counts, rate, time left, failures.

Nothing here reads a file or a clock: events go in, and times are given.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from scutoid import events
from scutoid.progress import FINISH, RunCounts

ProgressState = Literal["waiting", "running", "done", "failed", "stopped"]

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

    def begin(self, now: float) -> None:
        """Note that blocks were handed out."""
        if self.first is None:
            self.first = now
            self._marks.append((now, 0))

    def done(self, n_blocks: int, seconds: float, now: float) -> None:
        """Note blocks that are done."""
        self.begin(now - seconds)
        self.n_done += n_blocks
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
    """In seconds."""
    n_unknown: int
    """Steps with open blocks of which none is done: each is taken to last as the mean of others."""


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
    counts: RunCounts = field(default_factory=RunCounts)
    """What progress on a terminal is made of: both say the same time left."""

    def left(self, now: float) -> Left | None:
        """Return the time that all open blocks will take, as `RunCounts` estimates it.

        None if nothing is known yet.
        """
        seconds = self.counts.left(now)
        open_steps = [step for step in self.steps.values() if step.n_open and not step.is_over]
        if not open_steps and self.steps:
            return Left(0.0, 0)
        n_unknown = sum(not step.n_done for step in open_steps)
        return None if seconds is None else Left(seconds, n_unknown)

    def take(self, event: events.Event) -> None:
        """Take in an event."""
        self.counts.on_event(event)
        match event:
            case events.RunStarted():
                self._run_started(event)
            case events.BatchStarted():
                self._step(event.task).begin(event.time)
            case events.BatchDone():
                n_done = 0 if event.task.endswith(FINISH) else event.n_done
                self._step(event.task).done(n_done, event.seconds, event.time)
            case events.BlockFailed():
                self._block_failed(event)
            case events.BlocksOrphaned():
                n = 0 if event.task.endswith(FINISH) else event.n
                self._step(event.task).n_orphaned += n
            case events.TaskDone():
                self._step(event.task).n_parts -= 1
            case events.RunDone():
                self.ok = event.ok
                self.alive.clear()
            case _:
                self._note(event)
        self.last = event.time if self.last is None else max(self.last, event.time)

    def _step(self, task: str) -> StepProgress:
        return self.steps.setdefault(task.removesuffix(FINISH), StepProgress())

    def _run_started(self, event: events.RunStarted) -> None:
        names = {info.name for info in event.tasks}
        for info in event.tasks:
            if not info.name.endswith(FINISH):
                n_parts = 1 + (info.name + FINISH in names)
                n_blocks = info.n_blocks - info.n_skipped
                self.steps[info.name] = StepProgress(n_blocks, info.n_cached, n_parts=n_parts)
        self.workers, self.ok = event.workers, None
        self.alive.clear()

    def _block_failed(self, event: events.BlockFailed) -> None:
        step = self._step(event.task)
        if event.will_retry:
            step.n_retried += 1
            return
        index = -1 if event.task.endswith(FINISH) else event.index
        failure = Failed(index, event.attempt, event.error, _cut(event.traceback))
        step.failed(failure, event.time)

    def _note(self, event: events.Event) -> None:
        """Keep what is worth a line."""
        match event:
            case events.WorkerStarted():
                self.alive.add(event.worker)
            case events.WorkerLost():
                self.alive.discard(event.worker)
                self.notes.append(f"worker {event.worker} lost: {event.reason}")
            case events.StepAwaited():
                text = f"{event.task}: waited for {event.owner}"
                if text not in self.notes:  # it is told again while there is no sign of it
                    self.notes.append(text)
            case events.WorkersAwaited():
                text = f"waited for workers: {event.why}"
                if text not in self.notes:
                    self.notes.append(text)
            case events.DamageFound():
                text = f"{event.task}: damaged, made again: {event.place}: {event.what}"
                self.notes.append(text)


def _cut(text: str) -> str:
    """Leave out the middle of a long text."""
    if len(text) <= _TRACEBACK:
        return text
    half = _TRACEBACK // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"

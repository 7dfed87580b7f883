"""Events of a run, as frozen values for progress bars, logs and reports.

The engine prints nothing; it sends events to its listeners.  Every event carries its time, in
seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from scutoid.spent import NOTHING, Spent

__all__ = [
    "BatchDone",
    "BatchStarted",
    "BlockFailed",
    "BlocksOrphaned",
    "DamageFound",
    "Event",
    "Listener",
    "ResultListener",
    "RunDone",
    "RunStarted",
    "StepAwaited",
    "TaskDone",
    "TaskInfo",
    "WorkerLost",
    "WorkerStarted",
    "WorkersAwaited",
]


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """The state of a task when a run begins."""

    name: str
    """The task's name."""
    n_blocks: int
    """Blocks in its grid, those that are left out included."""
    n_cached: int
    """Blocks that were done before the run."""
    n_skipped: int = 0
    """Blocks that are left out, because they have nothing to do."""
    within: tuple[str, ...] = ()
    """Names of the tasks under which it is shown, the outermost first."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins."""

    time: float
    """Seconds since the epoch."""
    tasks: tuple[TaskInfo, ...]
    """Every task of the run, upstream first."""
    workers: int
    """Number of workers asked for."""


@dataclass(frozen=True, slots=True)
class StepAwaited:
    """The run waits for another process that computes a result it needs too.

    It is told again every few seconds as long as a process on another machine gives no sign.
    """

    time: float
    """Seconds since the epoch."""
    task: str
    """Name of the step."""
    owner: str
    """The process and machine that compute it."""
    last_seen: float | None = None
    """Seconds since a process on another machine has given a sign; None of one on this machine."""
    limit: float | None = None
    """Seconds without a sign after which its work is taken over."""


@dataclass(frozen=True, slots=True)
class DamageFound:
    """A stored result is damaged: it is removed, and computed again."""

    time: float
    """Seconds since the epoch."""
    task: str
    """Name of the step."""
    place: str
    """The file, or the folder of the result."""
    what: str
    """Description of the damage."""


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """Blocks are handed to a worker, to be run one after the other."""

    time: float
    """Seconds since the epoch."""
    task: str
    """The task's name."""
    worker: int
    """The worker's number."""
    blocks: tuple[tuple[int, int], ...]
    """Numbers of the blocks, as runs: the first number, and how many follow on one another."""


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A worker has reported a batch, and its finished blocks are journalled."""

    time: float
    """Seconds since the epoch."""
    task: str
    """The task's name."""
    n_done: int
    """Blocks that succeeded, those that wrote nothing included."""
    n_empty: int
    """Blocks among them that had nothing to write."""
    seconds: float
    """Time that the worker took for the batch, in seconds."""
    worker: int
    """The worker's number."""
    slowest: tuple[tuple[int, float], ...] = ()
    """Numbers of the blocks that took longest in it, and their seconds, slowest first."""
    blocks: tuple[tuple[int, int], ...] = ()
    """Numbers of the blocks that succeeded, as in `BatchStarted`."""
    n_taken: int = 0
    """Blocks among them that were taken over from an earlier result, for they read the same."""
    spent: Spent = NOTHING
    """What that time was spent on, and that of a set-up before it; nothing of it is waiting."""


@dataclass(frozen=True, slots=True)
class BlockFailed:
    """A block raised, ran out of time or took its worker down."""

    time: float
    """Seconds since the epoch."""
    task: str
    """The task's name."""
    index: int
    """The block; -1 where the task's set-up failed, before any block."""
    attempt: int
    """Number of the attempt, counted from 1."""
    will_retry: bool
    """Whether it will be tried again."""
    error: str
    """Type and message of the error, in one line."""
    traceback: str
    """The traceback as text; may be empty."""


@dataclass(frozen=True, slots=True)
class BlocksOrphaned:
    """Blocks that will not run, because what they depend on has failed."""

    time: float
    """Seconds since the epoch."""
    task: str
    """The task's name."""
    n: int
    """Number of blocks added to the orphans."""


@dataclass(frozen=True, slots=True)
class TaskDone:
    """No block of a task is left to run, whether all succeeded or not."""

    time: float
    """Seconds since the epoch."""
    task: str
    """The task's name."""
    seconds: float
    """From its first batch to its last, in seconds."""


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    """A worker has started."""

    time: float
    """Seconds since the epoch."""
    worker: int
    """The worker's number; a replacement gets a new one."""


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker died or was ended."""

    time: float
    """Seconds since the epoch."""
    worker: int
    """The worker's number."""
    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class WorkersAwaited:
    """The run has no worker, and waits for some: jobs of a batch system that are pending.

    It is told again now and then, for as long as there is none.
    """

    time: float
    """Seconds since the epoch."""
    workers: int
    """Number of workers that are waited for."""
    seconds: float
    """How long there has been none, in seconds."""
    why: str
    """What they wait for, in words."""


@dataclass(frozen=True, slots=True)
class RunDone:
    """The run is over."""

    time: float
    """Seconds since the epoch."""
    ok: bool
    """Whether every block that was to run is done."""
    seconds: float
    """Duration of the run, in seconds."""


Event = (
    RunStarted
    | StepAwaited
    | DamageFound
    | BatchStarted
    | BatchDone
    | BlockFailed
    | BlocksOrphaned
    | TaskDone
    | WorkerStarted
    | WorkerLost
    | WorkersAwaited
    | RunDone
)
"""Any of the events."""


class Listener(Protocol):
    """Receives events; called in the driver, one event after the other."""

    def on_event(self, event: Event) -> None:
        """Handle `event`; should return soon, for the run waits."""


@runtime_checkable
class ResultListener(Listener, Protocol):
    """Receives results too, each once it is complete in the store; called in the driver."""

    def on_result(self, name: str, result: object, within: tuple[str, ...]) -> None:
        """Handle what a step has made; should return soon, for the run waits.

        Parameters
        ----------
        name : str
            Of the step.
        result : Image, Table, Value or tuple of these
            Reads the store of the run.
        within : tuple of str
            Steps under which it is shown, outermost first; empty of a step that the user wrote.
        """

"""The report of a run: blocks done and failed, times, failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scutoid.geometry import Roi
from scutoid.printable import printed
from scutoid.spent import NOTHING, Spent

_SHOWN = 5
_WORTH_TELLING = 0.1


@dataclass(frozen=True, slots=True)
class Failure:
    """A block that failed at its last attempt."""

    task: str
    """The task's name."""
    index: int
    """The block's number; -1 if the task's set-up failed, and so all its blocks."""
    attempt: int
    """Number of attempts."""
    error: str
    """Type and message of the last error."""
    traceback: str
    """Its traceback as text; empty if the worker was lost."""
    write_roi: Roi | None
    """The block's write region; None for a set-up."""


@dataclass(frozen=True, slots=True)
class BlockTime:
    """Time that a block took at its last attempt."""

    index: int
    """The block's number."""
    seconds: float
    """Time in the worker, in seconds."""


@dataclass(frozen=True, slots=True)
class TaskReport:
    """The report of one task."""

    n_blocks: int
    """Blocks in the grid, those that are left out included."""
    n_done: int
    """Blocks that are done, in this run or before."""
    n_cached: int
    """Blocks among them that did not run, because they were done before."""
    n_failed: int
    """Blocks that failed at each attempt."""
    n_orphaned: int
    """Blocks that did not run, because what they depend on failed."""
    n_skipped: int
    """Blocks that were left out by `where`."""
    seconds: float
    """From the first batch to the last, in seconds."""
    failures: tuple[Failure, ...]
    """The first thousand failures, in the order of the blocks' numbers."""
    slowest: tuple[BlockTime, ...] = ()
    """The blocks that took longest, slowest first."""
    n_taken: int = 0
    """Blocks among the done that were taken over from an earlier result in this run."""
    given_up: str = ""
    """Why its blocks were given up, if no worker lived to finish one; else empty."""
    spent: Spent = NOTHING
    """What the time of workers was spent on."""

    @property
    def ok(self) -> bool:
        """Whether every block that was to run is done."""
        return self.n_done + self.n_skipped == self.n_blocks


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a run."""

    ok: bool
    """Whether every block that was to run is done."""
    seconds: float
    """Duration, in seconds."""
    tasks: Mapping[str, TaskReport]
    """By task's name, upstream first."""
    logs: Path | None = None
    """The folder of the workers' output, if one was given."""
    mean_workers: float = 0.0
    """Workers that were there on average while blocks were run."""

    @printed
    def summary(self) -> str:
        """A line a task, then the first failures."""
        lines = []
        for name, task in self.tasks.items():
            counts = [f"{task.n_done} of {task.n_blocks} blocks done"]
            counts += [
                f"{n} {word}"
                for n, word in (
                    (task.n_cached, "cached"),
                    (task.n_taken, "taken over"),
                    (task.n_failed, "failed"),
                    (task.n_orphaned, "orphaned"),
                    (task.n_skipped, "skipped"),
                )
                if n
            ]
            lines.append(f"{name}: {', '.join(counts)}, {task.seconds:.1f} s")
            if task.given_up:
                lines += [f"    given up: {line}" for line in task.given_up.splitlines()[:1]]
            if task.slowest and task.slowest[0].seconds >= _WORTH_TELLING:
                slow = (f"{each.index} ({each.seconds:.1f} s)" for each in task.slowest[:3])
                lines.append(f"    slowest blocks: {', '.join(slow)}")
        failures = [failure for task in self.tasks.values() for failure in task.failures]
        for failure in failures[:_SHOWN]:
            what = f"block {failure.index}" if failure.index >= 0 else "set-up"
            where = f" {failure.write_roi}" if failure.write_roi is not None else ""
            lines.append(
                f"{failure.task}: {what}{where} failed {failure.attempt} times: {failure.error}"
            )
            lines += [f"    {line}" for line in failure.traceback.rstrip().splitlines()]
        if len(failures) > _SHOWN:
            lines.append(f"... and {len(failures) - _SHOWN} more failures")
        if failures and self.logs is not None:
            lines.append(f"what the workers printed: {self.logs}")
        return "\n".join(lines)

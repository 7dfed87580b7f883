"""Show the progress of a run: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from scutoid.events import (
    BatchDone,
    BlockFailed,
    BlocksOrphaned,
    DamageFound,
    Event,
    RunDone,
    RunStarted,
    StepAwaited,
    TaskDone,
    WorkerLost,
)

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_EVERY = 5.0
_FINISH = ":finish"


@dataclass(slots=True)
class _Count:
    """Counts and times of one step."""

    total: int
    cached: int
    done: int
    failed: int = 0
    orphaned: int = 0
    first: float = 0.0
    last_line: float = 0.0

    def rate(self, now: float) -> float:
        """Blocks a second, without cached ones."""
        seconds = now - self.first
        return (self.done - self.cached) / seconds if self.first and seconds > 0 else 0.0

    def left(self, now: float) -> float | None:
        """Estimated seconds for the remaining blocks; None if unknown."""
        rate = self.rate(now)
        return (self.total - self.done - self.failed - self.orphaned) / rate if rate else None


class Progress:
    """Shows the progress of a run: per step the blocks done, cached and failed, rate and time left.

    Pass it to `scutoid.run` as one of `listeners`.

    Parameters
    ----------
    stream : file, optional
        Stream to write to; default: standard error.
    live : bool, optional
        Whether to draw a live table; default: if the stream is a terminal.
    """

    def __init__(self, stream: IO[str] | None = None, *, live: bool | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() if live is None else live
        self._counts: dict[str, _Count] = {}
        self._table: Bars | None = None
        self._rows: dict[str, TaskID] = {}

    def on_event(self, event: Event) -> None:
        """Handle an event of the run."""
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, BatchDone):
            self._batch(event)
        elif isinstance(event, StepAwaited):
            self._line(f"{event.task}: waiting for {event.owner}, which computes it")
        elif isinstance(event, DamageFound):
            self._line(f"{event.task}: damaged, made again: {event.place}: {event.what}")
        elif isinstance(event, BlockFailed):
            if not event.will_retry:
                self._count(event.task).failed += 1
            self._note(event)
        elif isinstance(event, BlocksOrphaned):
            self._count(event.task).orphaned += event.n
        elif isinstance(event, WorkerLost):
            self._line(f"worker {event.worker} lost: {event.reason}")
        elif isinstance(event, TaskDone) and not event.task.endswith(_FINISH):
            self._update(event.task, event.time)
            if not self._live:
                self._line(self._words(event.task, event.time))
        elif isinstance(event, RunDone):
            self.close()

    def _count(self, task: str) -> _Count:
        name = task.removesuffix(_FINISH)
        return self._counts.setdefault(name, _Count(1, 0, 0))

    def _start(self, event: RunStarted) -> None:
        for task in event.tasks:
            if not task.name.endswith(_FINISH):
                total = task.n_blocks - task.n_skipped
                self._counts[task.name] = _Count(total, task.n_cached, task.n_cached)
        if self._live:
            self._draw()

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as Bars

        self._table = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=Console(file=self._stream),
            transient=False,
        )
        for name, count in self._counts.items():
            self._rows[name] = self._table.add_task(
                name, total=count.total, completed=count.done, words="waiting", start=False
            )
        self._table.start()

    def _batch(self, event: BatchDone) -> None:
        if event.task.endswith(_FINISH):
            return
        count = self._count(event.task)
        if not count.first:
            count.first = count.last_line = event.time - event.seconds
            if self._table is not None:
                self._table.start_task(self._rows[event.task])
        count.done += event.n_done
        self._update(event.task, event.time)
        if not self._live and event.time - count.last_line > _EVERY:
            count.last_line = event.time
            self._line(self._words(event.task, event.time))

    def _update(self, task: str, now: float) -> None:
        if self._table is None or task not in self._rows:
            return
        count = self._counts[task]
        self._table.update(
            self._rows[task], completed=count.done, words=", ".join(self._facts(count, now))
        )
        if count.done + count.failed + count.orphaned >= count.total:
            self._table.stop_task(self._rows[task])

    def _facts(self, count: _Count, now: float) -> list[str]:
        facts = []
        for number, word in (
            (count.cached, "cached"),
            (count.failed, "failed"),
            (count.orphaned, "not run"),
        ):
            if number:
                facts.append(f"{number} {word}")
        if count.rate(now):
            facts.append(f"{count.rate(now):.3g} blocks/s")
        left = count.left(now)
        if left is not None and left >= 1:
            facts.append(f"{_duration(left)} left")
        return facts

    def _words(self, task: str, now: float) -> str:
        count = self._counts[task]
        facts = [f"{count.done} of {count.total} blocks done", *self._facts(count, now)]
        return f"{task}: {', '.join(facts)}"

    def _note(self, event: BlockFailed) -> None:
        what = f"block {event.index}" if event.index >= 0 else "set-up"
        again = "tried again" if event.will_retry else "failed"
        self._line(f"{event.task}: {what} {again}: {event.error.splitlines()[0]}")

    def _line(self, text: str) -> None:
        if self._table is not None:
            self._table.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Stop drawing."""
        if self._table is not None:
            self._table.stop()
            self._table = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"

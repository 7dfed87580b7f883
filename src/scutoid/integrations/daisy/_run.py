"""Tasks on the block engine: their workers, and their outcome in daisy's terms."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scutoid import blocks, events
from scutoid.executors import ConnectExecutor, Launch, dumps
from scutoid.integrations.daisy._context import CONTEXT_VARIABLE, Context
from scutoid.integrations.daisy._seams import TaskOfRun, WholeRun
from scutoid.integrations.daisy.logging import get_log_basedir

_logger = logging.getLogger("scutoid.daisy")


@dataclass(frozen=True, slots=True)
class TaskState:
    """The outcome of a task."""

    total_block_count: int
    """Blocks, those that were left out included."""
    completed_count: int
    """Blocks that are done, those done before or left out included."""
    skipped_count: int
    """Those of them that did not run."""
    failed_count: int
    """Blocks that failed at each attempt."""
    orphaned_count: int
    """Blocks that did not run, because what they depend on failed."""

    @property
    def is_done(self) -> bool:
        """Whether every block is done."""
        return self.completed_count == self.total_block_count


def run_tasks(
    whole: WholeRun,
    *,
    multiprocessing: bool = True,
    resources: Mapping[str, int] | None = None,
    progress: object = True,
    block_tracking: bool = True,
    summary: bool = True,
    host: str | None = None,
    listeners: Sequence[events.Listener] = (),
    should_stop: Callable[[], bool] | None = None,
) -> tuple[dict[str, TaskState], bool]:
    """Run a pipeline as `run_blockwise` does; return the states, and whether every block is done.

    Parameters
    ----------
    whole : Pipeline
        The tasks.
    multiprocessing, resources, progress, block_tracking, summary, host
        As of `run_blockwise`.
    listeners : sequence of Listener, optional
        Told of each event, beside `progress`.
    should_stop : callable, optional
        Whether to begin no further block.
    """
    tasks = whole.block_tasks(tracks=block_tracking)
    logs = get_log_basedir()
    shown = [] if progress in (None, False) else [_Log() if progress is True else progress]
    with _executor(whole, multiprocessing=multiprocessing, host=host, logs=logs) as executor:
        report = blocks.run_blocks(
            tasks,
            workers=sum(task.max_workers for task in whole.tasks) if multiprocessing else 1,
            executor=executor,
            on_failure="return",
            resources=resources,
            listeners=[*shown, *listeners],  # type: ignore[list-item]
            logs=logs if multiprocessing else None,
            should_stop=should_stop,
        )
    if summary:
        _logger.log(logging.INFO if report.ok else logging.ERROR, "%s", report.summary())
    return {name: _state(task) for name, task in report.tasks.items()}, report.ok


def _state(task: blocks.TaskReport) -> TaskState:
    return TaskState(
        total_block_count=task.n_blocks,
        completed_count=task.n_done + task.n_skipped,
        skipped_count=task.n_cached + task.n_skipped,
        failed_count=task.n_failed,
        orphaned_count=task.n_orphaned,
    )


@contextmanager
def _executor(
    whole: WholeRun, *, multiprocessing: bool, host: str | None, logs: Path | None
) -> Iterator[object]:
    """Worker processes; if a function takes blocks by itself, processes that join the run."""
    if not multiprocessing:
        yield "serial"
        return
    if not any(task.has_own_loop for task in whole.tasks):
        yield "processes"
        return
    with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
        launches = [
            _launch(task, Path(folder) / f"{number}.pickle", logs)
            for number, task in enumerate(whole.tasks)
        ]
        yield ConnectExecutor(launch=launches, host=host or "127.0.0.1")


def _launch(task: TaskOfRun, payload: Path, logs: Path | None) -> Launch:
    function = task.process_function if task.has_own_loop else _take_all
    descriptor = os.open(payload, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pickle.dumps((sys.path, dumps(function))))
    context = Context(task_id=task.task_id, logdir="" if logs is None else str(logs.absolute()))
    return Launch(
        # By its file: the path of a script may name a scutoid that a fresh Python does not find.
        [sys.executable, "-P", str(Path(__file__).with_name("_worker.py")), str(payload)],
        workers=task.max_workers,
        task=task.task_id,
        variables={CONTEXT_VARIABLE: context.to_env()},
    )


def _take_all() -> None:
    """Work on tasks with a function of a block, which the engine's client calls by itself."""
    with blocks.connect() as run:
        for _ in run:
            pass


class _Log:
    """A listener that logs the facts of daisy's progress bar."""

    def on_event(self, event: events.Event) -> None:
        """Log the ends of tasks, and failures."""
        if isinstance(event, events.BlockFailed):
            again = "is tried again" if event.will_retry else "has failed"
            _logger.warning("%s: block %d %s: %s", event.task, event.index, again, event.error)
        elif isinstance(event, events.TaskDone):
            _logger.info("%s: over after %.1f s", event.task, event.seconds)

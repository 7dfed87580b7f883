"""Run tasks, with daisy's names for the results."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload
from urllib.parse import quote

from scutoid import blocks, events
from scutoid.errors import PipelineError
from scutoid.executors import ConnectExecutor, Launch, dumps
from scutoid.integrations.daisy._client import CONTEXT_VARIABLE, Context
from scutoid.integrations.daisy._task import Pipeline, Task

_logger = logging.getLogger("scutoid.daisy")

_folders: dict[str, Path | None] = {"logs": Path("daisy_logs"), "tracking": None}


def set_log_basedir(path: str | Path | None) -> None:
    """Set the folder for workers' output; None: to the terminal."""
    _folders["logs"] = None if path is None else Path(path)


def set_tracking_basedir(path: str | Path | None) -> None:
    """Set the folder of journals, one folder a task; None: only tasks with their own keep one."""
    _folders["tracking"] = None if path is None else Path(path)


def get_tracking_basedir() -> Path | None:
    """The folder of journals."""
    return _folders["tracking"]


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


@overload
def run_blockwise(
    pipeline: Task | Pipeline | Iterable[Task],
    multiprocessing: bool = True,
    resources: Mapping[str, int] | None = None,
    progress: object = True,
    *,
    return_states: Literal[False] = False,
    block_tracking: bool = True,
    summary: bool = True,
    host: str | None = None,
) -> bool: ...
@overload
def run_blockwise(
    pipeline: Task | Pipeline | Iterable[Task],
    multiprocessing: bool = True,
    resources: Mapping[str, int] | None = None,
    progress: object = True,
    *,
    return_states: Literal[True],
    block_tracking: bool = True,
    summary: bool = True,
    host: str | None = None,
) -> dict[str, TaskState]: ...
def run_blockwise(
    pipeline: Task | Pipeline | Iterable[Task],
    multiprocessing: bool = True,
    resources: Mapping[str, int] | None = None,
    progress: object = True,
    *,
    return_states: bool = False,
    block_tracking: bool = True,
    summary: bool = True,
    host: str | None = None,
) -> bool | dict[str, TaskState]:
    """Run tasks, and the tasks that they wait for.

    Parameters
    ----------
    pipeline : Task, Pipeline or iterable of Task
        The tasks to run.
    multiprocessing : bool, optional
        In worker processes; else in this process, one block at a time.
    resources : mapping of str to int, optional
        Amounts of what the tasks require.
    progress : bool or Listener, optional
        Whether to log progress; or a listener of `scutoid.events`.
    return_states : bool, optional
        Return the outcome of each task instead of whether all succeeded.
    block_tracking : bool, optional
        Whether to use and keep journals, for tasks with a `tracking_path`.
    summary : bool, optional
        Whether to log the outcome of each task at the end.
    host : str, optional
        Name of this machine for workers on others.

    Returns
    -------
    bool or dict
        True only if every block of every task is done; or by task_id its `TaskState`.

    Raises
    ------
    PipelineError, GeometryError, ParameterError
        If the tasks cannot be run as they are.
    WorkerError
        If workers keep dying, or cannot be started.
    """
    whole = pipeline if isinstance(pipeline, Pipeline) else _pipeline(pipeline)
    tasks = [_block_task(whole, task, tracks=block_tracking) for task in whole.tasks]
    logs = _folders["logs"]
    listeners = [] if progress in (None, False) else [_Log() if progress is True else progress]
    with _executor(whole, multiprocessing=multiprocessing, host=host, logs=logs) as executor:
        report = blocks.run_blocks(
            tasks,
            workers=sum(task.max_workers for task in whole.tasks) if multiprocessing else 1,
            executor=executor,
            on_failure="return",
            resources=resources,
            listeners=listeners,  # type: ignore[arg-type]
            logs=logs if multiprocessing else None,
        )
    if summary:
        _logger.log(logging.INFO if report.ok else logging.ERROR, "%s", report.summary())
    states = {name: _state(task) for name, task in report.tasks.items()}
    return states if return_states else report.ok


class Server:
    """Runs tasks and returns their states, as daisy's server."""

    def run_blockwise(
        self,
        pipeline: Task | Pipeline | Iterable[Task],
        resources: Mapping[str, int] | None = None,
        progress: object = True,
        **options: Any,
    ) -> dict[str, TaskState]:
        """Run tasks in worker processes; see `run_blockwise`."""
        return run_blockwise(
            pipeline, resources=resources, progress=progress, return_states=True, **options
        )


def _pipeline(tasks: Task | Iterable[Task]) -> Pipeline:
    items: list[object] = [tasks] if isinstance(tasks, Task) else list(tasks)
    invalid = [item for item in items if not isinstance(item, Task)]
    if invalid:
        raise PipelineError("run_blockwise runs tasks", value=invalid[0])
    return Pipeline(item for item in items if isinstance(item, Task))


def _block_task(whole: Pipeline, task: Task, *, tracks: bool) -> blocks.BlockTask:
    folder = task.tracking_path
    base = _folders["tracking"]
    if folder is None and base is not None:
        folder = base / quote(task.task_id, safe=" ")
    kept = Path(folder) / "journal" if tracks and isinstance(folder, (str, Path)) else None
    return task.block_task(kept, after=whole.upstream(task))


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
    whole: Pipeline, *, multiprocessing: bool, host: str | None, logs: Path | None
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


def _launch(task: Task, payload: Path, logs: Path | None) -> Launch:
    function = task.process_function if task.has_own_loop else _take_all
    descriptor = os.open(payload, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pickle.dumps((sys.path, dumps(function))))
    context = Context(task_id=task.task_id, logdir=str(logs))
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

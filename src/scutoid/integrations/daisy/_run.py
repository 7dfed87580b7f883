"""Tasks on the block engine: their workers, and their outcome in daisy's terms."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from scutoid import blocks, events
from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import ConnectExecutor, Launch, SerialExecutor, dumps, find_executor
from scutoid.integrations.daisy._block import MarkedAsFailed
from scutoid.integrations.daisy._context import CONTEXT_VARIABLE, Context
from scutoid.integrations.daisy._observers import listener_of
from scutoid.integrations.daisy._seams import TaskOfRun, WholeRun
from scutoid.integrations.daisy._states import States, TaskState
from scutoid.integrations.daisy.logging import get_log_basedir

_logger = logging.getLogger("scutoid.daisy")


def run_tasks(
    whole: WholeRun,
    *,
    multiprocessing: bool = True,
    resources: Mapping[str, int] | None = None,
    progress: object = True,
    block_tracking: bool = True,
    summary: bool = True,
    host: str | None = None,
    executor: object = None,
    listeners: Sequence[events.Listener] = (),
    should_stop: Callable[[], bool] | None = None,
    returns_given_up: bool = False,
) -> tuple[dict[str, TaskState], bool]:
    """Run a pipeline as `run_blockwise` does; return the states, and whether every block is done.

    Parameters
    ----------
    whole : Pipeline
        The tasks.
    multiprocessing, resources, progress, block_tracking, summary, host, executor
        As of `run_blockwise`.
    listeners : sequence of Listener, optional
        Told of each event, beside `progress`.
    should_stop : callable, optional
        Whether to begin no further block.
    returns_given_up : bool, optional
        Whether to return the states too where tasks were given up, rather than raise.

    Raises
    ------
    WorkerError
        If a task was given up, because its workers keep dying; those that need not wait for it are
        finished before.
    """
    logs = get_log_basedir()
    with _executor(whole, executor, multiprocessing, host=host, logs=logs) as (chosen, context):
        tasks = whole.block_tasks(context, tracks=block_tracking)
        if not multiprocessing:
            tasks = [_untimed(task) for task in tasks]
        n_workers = max(1, sum(task.max_workers for task in whole.tasks))
        states = States(tasks)
        shown = listener_of(progress, states)
        trouble = None
        try:
            report = blocks.run_blocks(
                tasks,
                workers=n_workers if multiprocessing else 1,
                executor=chosen,
                on_failure="return",
                resources=resources,
                listeners=[states, *([] if shown is None else [shown]), *listeners],
                logs=logs if multiprocessing else None,
                should_stop=should_stop,
            )
        except WorkerError as error:
            if not isinstance(error.report, blocks.Report):
                raise
            trouble, report = error, error.report
    if summary:
        _logger.log(logging.INFO if report.ok else logging.ERROR, "%s", report.summary())
    if trouble is not None and not returns_given_up:
        raise trouble
    return states.settle(report.tasks), report.ok


def _untimed(task: blocks.BlockTask) -> blocks.BlockTask:
    """Take the time limit from a task that runs in this process, where nobody could end a block."""
    if task.timeout is not None:
        warnings.warn(
            f"task {task.name!r}: timeout={task.timeout:g} has no meaning with "
            "multiprocessing=False, where blocks run in this process",
            UserWarning,
            stacklevel=4,
        )
    return replace(task, timeout=None)


@contextmanager
def _executor(
    whole: WholeRun, executor: object, multiprocessing: bool, *, host: str | None, logs: Path | None
) -> Iterator[tuple[object, Context]]:
    """Choose the workers; return them, and what each of them is told.

    Worker processes; if a function takes blocks by itself, processes that join the run.
    """
    loops = [task for task in whole.tasks if task.has_own_loop]
    is_given = executor is not None
    if is_given:
        executor = find_executor(executor)
    can_loop = getattr(executor, "handles_own_loop", multiprocessing and not is_given)
    if loops and not can_loop:
        raise ParameterError(
            "a process_function without arguments takes blocks from a Client, in worker "
            "processes that are started for it",
            value=type(executor).__name__ if is_given else "multiprocessing=False",
            place=f"task {loops[0].task_id!r}",
            remedy="give it a block as its argument, or leave the other way to run it out",
        )
    told = "" if logs is None else logs.absolute()
    context = Context(hostname=socket.gethostname(), port=0, logdir=told)
    if not multiprocessing:
        if is_given:
            raise ParameterError(
                "with multiprocessing=False blocks run in this process, and no executor is given",
                value=executor,
                place="run_blockwise(executor=)",
            )
        yield SerialExecutor(raises=lambda error: not isinstance(error, MarkedAsFailed)), context
    elif is_given:
        if isinstance(executor, ConnectExecutor) and executor.file is not None:
            context["connection"] = str(executor.file)
        yield executor, context
    elif not loops:
        yield "processes", context
    else:
        with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
            file = Path(folder) / "connection.json"
            context["connection"] = str(file)
            launches = [
                _launch(task, Path(folder) / f"{number}.pickle", context)
                for number, task in enumerate(whole.tasks)
            ]
            yield ConnectExecutor(file, launch=launches, host=host or "127.0.0.1"), context


def _launch(task: TaskOfRun, payload: Path, context: Context) -> Launch:
    function = task.process_function if task.has_own_loop else _take_all
    descriptor = os.open(payload, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pickle.dumps((sys.path, dumps(function))))
    return Launch(
        # By its file: the path of a script may name a scutoid that a fresh Python does not find.
        [sys.executable, "-P", str(Path(__file__).with_name("_worker.py")), str(payload)],
        workers=task.max_workers,
        task=task.task_id,
        variables={CONTEXT_VARIABLE: Context(context, task_id=task.task_id).to_env()},
    )


def _take_all() -> None:
    """Work on tasks with a function of a block, which the engine's client calls by itself."""
    with blocks.connect() as run:
        for _ in run:
            pass

"""Runs of tasks by one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, overload

from scutoid.errors import PipelineError
from scutoid.integrations.daisy._run import run_tasks
from scutoid.integrations.daisy._states import TaskState
from scutoid.integrations.daisy._task import Pipeline, Task, check_task


@overload
def run_blockwise(
    pipeline: Task | Pipeline | Iterable[Task] | None = None,
    multiprocessing: bool = True,
    resources: Mapping[str, int] | None = None,
    progress: object = True,
    *,
    return_states: Literal[False] = False,
    block_tracking: bool = True,
    summary: bool = True,
    host: str | None = None,
    tasks: Iterable[Task] | None = None,
    executor: object = None,
) -> bool: ...
@overload
def run_blockwise(
    pipeline: Task | Pipeline | Iterable[Task] | None = None,
    multiprocessing: bool = True,
    resources: Mapping[str, int] | None = None,
    progress: object = True,
    *,
    return_states: Literal[True],
    block_tracking: bool = True,
    summary: bool = True,
    host: str | None = None,
    tasks: Iterable[Task] | None = None,
    executor: object = None,
) -> dict[str, TaskState]: ...
def run_blockwise(
    pipeline: Task | Pipeline | Iterable[Task] | None = None,
    multiprocessing: bool = True,
    resources: Mapping[str, int] | None = None,
    progress: object = True,
    *,
    return_states: bool = False,
    block_tracking: bool = True,
    summary: bool = True,
    host: str | None = None,
    tasks: Iterable[Task] | None = None,
    executor: object = None,
) -> bool | dict[str, TaskState]:
    """Run tasks, and the tasks that they wait for.

    Parameters
    ----------
    pipeline : Task, Pipeline or iterable of Task
        The tasks to run.
    multiprocessing : bool, optional
        In worker processes; else in this process, one block at a time, for a debugger: what a
        function raises ends the run, and is raised as it is.  Blocks have no time limit then.
    resources : mapping of str to int, optional
        Amounts of what the tasks require.
    progress : bool, Listener or observer, optional
        Whether to log progress; or a listener of `scutoid.events`; or an observer such as
        `JsonProgressObserver`, with ``on_start``, ``on_progress`` and ``on_finish``, which get the
        `TaskState` of each task by its name.
    return_states : bool, optional
        Return the outcome of each task instead of whether all succeeded.
    block_tracking : bool, optional
        Whether to use and keep journals, for tasks with a `tracking_path`.
    summary : bool, optional
        Whether to log the outcome of each task at the end.
    host : str, optional
        Name of this machine for workers on others.
    tasks : iterable of Task, optional
        The tasks, by the name that daisy 1 has for them.
    executor : str, Executor, distributed.Client or cluster, optional
        Other workers than processes of this machine, such as those of a Dask cluster, as
        `scutoid.blocks.run_blocks` takes them; for tasks whose functions take a block.

    Returns
    -------
    bool or dict
        True only if every block of every task is done; or by task_id its `TaskState`.

    Raises
    ------
    PipelineError, GeometryError, ParameterError
        If the tasks cannot be run as they are.
    WorkerError
        If workers keep dying, or cannot be started.  A task whose workers keep dying is given up,
        and those that need not wait for it are finished before.
    """
    states, is_ok = run_tasks(
        whole_of(pipeline, tasks),
        multiprocessing=multiprocessing,
        resources=resources,
        progress=progress,
        block_tracking=block_tracking,
        summary=summary,
        host=host,
        executor=executor,
    )
    return states if return_states else is_ok


def whole_of(
    pipeline: Task | Pipeline | Iterable[Task] | None, tasks: Iterable[Task] | None = None
) -> Pipeline:
    """Return the pipeline of what a run was given, by the name that daisy 2 has for it or daisy 1.

    Raises
    ------
    PipelineError
        If it was given by both names or none, or is no task.
    """
    if (pipeline is None) == (tasks is None):
        raise PipelineError(
            "a run is given its tasks once, as pipeline= or as tasks=",
            value="neither" if pipeline is None else "both",
            place="run_blockwise",
        )
    given = tasks if pipeline is None else pipeline
    if isinstance(given, Pipeline):
        return given
    items = given if isinstance(given, Iterable) else [given]
    return Pipeline(check_task(item, "run_blockwise") for item in items)

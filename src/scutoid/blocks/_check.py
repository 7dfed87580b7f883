"""Checks of a run's tasks and executor before any work begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scutoid.blocks._budget import Budget
from scutoid.blocks._links import Link
from scutoid.blocks._task import BlockTask
from scutoid.errors import ParameterError, PipelineError
from scutoid.executors import Executor


def check_tasks(tasks: Iterable[BlockTask]) -> list[BlockTask]:
    """Sort tasks so that each comes after all that it waits for.

    Raises
    ------
    PipelineError
        If two tasks have one name, a name is unknown, or the edges go in a circle.
    GeometryError
        If an edge, `where` or `done` does not fit the grid.
    """
    by_name: dict[str, BlockTask] = {}
    for task in tasks:
        if task.name in by_name and by_name[task.name] is not task:
            raise PipelineError("each task of a run has its own name", value=task.name)
        by_name[task.name] = task
    for task in by_name.values():
        for edge in task.edges():
            if edge.task not in by_name:
                raise PipelineError(
                    "a task waits only for tasks of the same run",
                    value=edge.task,
                    place=f"after of task {task.name!r}",
                    remedy=f"the tasks given are {', '.join(map(repr, by_name))}",
                )
            Link.between(by_name[edge.task].grid, task.grid, edge)
        task.chosen()
        task.known_done()
    return _sorted(by_name)


def check_abilities(
    tasks: Sequence[BlockTask], executor: Executor, workers: object, budget: Budget
) -> None:
    """Check that the executor can do what the tasks ask for.

    Raises
    ------
    ParameterError
        If it cannot, or `workers` is not a number of workers.
    """
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise ParameterError("a run has 1 worker or more", value=workers, place="workers")
    for task in tasks:
        if task.function is None and not getattr(executor, "handles_own_loop", False):
            raise ParameterError(
                "a task without a function is for workers with a loop of their own",
                value=type(executor).__name__,
                place=f"task {task.name!r}",
                remedy="use executor=ConnectExecutor(...) or a Dask cluster that has been started, "
                "or give the task a function",
            )
        check_ability(task.name, executor, timeout=task.timeout, setup=task.setup)
    budget.check(tasks)


def check_ability(task: str, executor: Executor, *, timeout: object, setup: object) -> None:
    """Check that the executor can do what one task asks for.

    Raises
    ------
    ParameterError
        If it cannot.
    """
    for wanted, value, can, able in (
        ("timeout", timeout, executor.handles_timeout, "'processes'"),
        ("setup", setup, executor.handles_setup, "'processes', 'threads' or 'serial'"),
    ):
        if value and not can:
            raise ParameterError(
                f"{wanted} is given only where the executor can see to it",
                value=value,
                place=f"task {task!r}, {type(executor).__name__}",
                remedy=f"use executor={able}, or leave out {wanted}=",
            )


def _sorted(by_name: dict[str, BlockTask]) -> list[BlockTask]:
    ordered: dict[str, BlockTask] = {}
    left = dict(by_name)
    while left:
        free = [
            name
            for name, task in left.items()
            if all(edge.task in ordered for edge in task.edges())
        ]
        if not free:
            raise PipelineError(
                "tasks do not wait for each other in a circle",
                value=" and ".join(sorted(left)),
                remedy="take out one of the edges",
            )
        for name in free:
            ordered[name] = left.pop(name)
    return list(ordered.values())

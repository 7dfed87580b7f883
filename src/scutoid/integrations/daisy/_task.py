"""Tasks and pipelines with daisy's arguments, converted to tasks of the block engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scutoid import blocks
from scutoid.errors import ParameterError, PipelineError
from scutoid.geometry import BlockGrid, RoiLike
from scutoid.integrations.daisy._arguments import (
    check_check_function,
    check_others,
    check_process_function,
)
from scutoid.integrations.daisy._block import Block
from scutoid.integrations.daisy._context import Context
from scutoid.integrations.daisy._functions import Check, Process, takes_a_block
from scutoid.integrations.daisy._geometry import ours
from scutoid.integrations.daisy._grid import block_grid
from scutoid.integrations.daisy._run import run_tasks
from scutoid.integrations.daisy._states import TaskState
from scutoid.integrations.daisy._tracking import forget, journal_of


class Task:
    """A function to call for each block of a total region.

    Parameters
    ----------
    task_id : str
        Its name.
    total_roi : Roi
        The total region that is read; the written one is smaller by the context on each side.
    read_roi, write_roi : Roi
        Of one block; only their shapes and their relative position count.
    process_function : callable, optional
        With a block as its (last) argument; or without arguments: then it is called once in each
        worker, and takes blocks from a `Client`.
    check_function : callable, optional
        Whether a block need not run; asked in the workers.
    read_write_conflict : bool, optional
        Whether blocks read what others of the task write.
    num_workers, max_workers : int, optional
        Number of workers at this task at once.
    max_retries : int, optional
        Number of retries of a block that failed.
    fit : {"valid", "overhang", "shrink"}, optional
        Treatment of the remainder; "valid" leaves it unwritten, with a warning.
    timeout : float or timedelta, optional
        Seconds that a block may take.
    upstream_tasks : sequence of Task, optional
        Tasks whose blocks are waited for.
    requires : mapping of str to int, optional
        Resources that a block holds.
    skip_mask : ndarray, optional
        Shape of the grid of blocks; those that are not zero are left out.
    tracking_path, done_marker_path : path, optional
        A folder for the journal; False: none, even with a base directory.
    **others
        Arguments of daisy without a meaning here; each raises a warning.

    Raises
    ------
    ParameterError
        If an argument is not one of daisy's, is none of its kind, or two mean the same.
    GeometryError
        If a write region does not lie in its read region, or the total holds no block.
    """

    def __init__(
        self,
        task_id: str,
        total_roi: RoiLike,
        read_roi: RoiLike,
        write_roi: RoiLike,
        process_function: Callable[..., object] | None = None,
        check_function: Callable[[Block], bool] | None = None,
        read_write_conflict: bool = True,
        num_workers: int | None = None,
        max_retries: int = 2,
        fit: str = "valid",
        timeout: float | dt.timedelta | None = None,
        upstream_tasks: Sequence[Task] | None = None,
        *,
        max_workers: int | None = None,
        requires: Mapping[str, int] | None = None,
        skip_mask: ArrayLike | None = None,
        tracking_path: str | Path | bool | None = None,
        done_marker_path: str | Path | bool | None = None,
        **others: object,
    ) -> None:
        check_others(others, task_id)
        if num_workers is not None and max_workers is not None:
            raise ParameterError(
                "num_workers and max_workers are the same: give one of them",
                value=(num_workers, max_workers),
                place=f"task {task_id!r}",
            )
        self.task_id = task_id
        self.total_roi, self.read_roi, self.write_roi = total_roi, read_roi, write_roi
        self.process_function = process_function
        self.check_function = check_function
        self.read_write_conflict = read_write_conflict
        given = num_workers if max_workers is None else max_workers
        self.max_workers = 1 if given is None else given
        self.max_retries = max_retries
        self.fit = fit
        self.timeout = timeout
        self.upstream_tasks = [
            check_task(each, f"upstream_tasks of task {task_id!r}") for each in upstream_tasks or ()
        ]
        self.requires = requires
        self.tracking_path = done_marker_path if tracking_path is None else tracking_path
        self.skip_mask = None if skip_mask is None else np.asarray(skip_mask) != 0
        self._cut: tuple[object, BlockGrid] | None = None
        journal = journal_of(task_id, self.tracking_path)
        self.grid  # noqa: B018 - what cannot be cut is refused here
        if process_function is not None:
            self.block_task(journal, (), Context()).chosen()

    @property
    def grid(self) -> BlockGrid:
        """The blocks, as the regions and `fit` say."""
        regions = ours(self.total_roi), ours(self.read_roi), ours(self.write_roi)
        if self._cut is None or self._cut[0] != (regions, self.fit):
            grid = block_grid(self.task_id, *regions, self.fit)
            self._cut = (regions, self.fit), grid
        return self._cut[1]

    @property
    def num_workers(self) -> int:
        """Number of workers at this task at once."""
        return self.max_workers

    @num_workers.setter
    def num_workers(self, number: int) -> None:
        self.max_workers = number

    @property
    def timeout(self) -> float | None:
        """Seconds that a block may take; also set by a `timedelta`."""
        return self._timeout

    @timeout.setter
    def timeout(self, limit: float | dt.timedelta | None) -> None:
        self._timeout = limit.total_seconds() if isinstance(limit, dt.timedelta) else limit

    @property
    def block_grid_shape(self) -> tuple[int, ...]:
        """Number of blocks on each axis: the shape of a `skip_mask`."""
        return tuple(self.grid.shape)

    @property
    def has_own_loop(self) -> bool:
        """Whether the function takes no block, but asks a client for them."""
        function = self.process_function
        return function is not None and not takes_a_block(function)

    def block_task(
        self, journal: Path | None, after: Sequence[Task], context: Context
    ) -> blocks.BlockTask:
        """Convert it to a task of the engine, to run after other tasks.

        Parameters
        ----------
        journal : Path or None
            The journal file.
        after : sequence of Task
            The tasks that it waits for.
        context : Context
            What all workers of the run are told.

        Raises
        ------
        ParameterError
            If there is no function, or a value is out of its range.
        """
        if self.process_function is None:
            raise ParameterError(
                "a task that is run has a process_function",
                value=None,
                place=f"task {self.task_id!r}",
            )
        told = Context(context, task_id=self.task_id).to_env()
        function, check = self.process_function, self.check_function
        check_process_function(function, self.task_id)
        if check is not None:
            check_check_function(check, self.task_id)
        return blocks.BlockTask(
            self.task_id,
            None if self.has_own_loop else Process(function, self.grid, told),
            self.grid,
            after=tuple(task.task_id for task in after),
            conflict=self.read_write_conflict,
            retries=self.max_retries,
            timeout=self.timeout,
            is_done=None if check is None else Check(check, self.grid, told),
            where=None if self.skip_mask is None else ~self.skip_mask,
            workers=self.max_workers,
            requires=self.requires,
            journal=journal,
        )

    def reset(self) -> str | None:
        """Forget which blocks are done, so that the next run does all of them.

        Returns
        -------
        str or None
            The folder whose journal was removed; None if there was none.
        """
        return forget(journal_of(self.task_id, self.tracking_path))

    def __add__(self, other: Task | Pipeline) -> Pipeline:
        return Pipeline([self]).__add__(other)

    def __or__(self, other: Task | Pipeline) -> Pipeline:
        return Pipeline([self]).__or__(other)

    def __repr__(self) -> str:
        return f"Task({self.task_id!r}, {self.grid.n_blocks} blocks)"


class Pipeline:
    """Tasks and their order: ``a + b`` runs b after a, ``a | b`` runs both independently.

    Parameters
    ----------
    tasks : iterable of Task, optional
        Tasks; the ones that they wait for are included.
    edges : iterable of (Task, Task), optional
        Pairs (earlier, later) of a task and one that waits for it.
    """

    def __init__(
        self, tasks: Iterable[Task] | None = None, edges: Iterable[tuple[Task, Task]] | None = None
    ) -> None:
        self.tasks: list[Task] = []
        for task in tasks or ():
            self._take(task)
        self.edges = [(up, task) for task in self.tasks for up in task.upstream_tasks]
        self.edges += [edge for edge in edges or () if edge not in self.edges]

    @classmethod
    def from_task(cls, task: Task) -> Pipeline:
        """Make the pipeline of a task and those that it waits for."""
        return cls([task])

    def reset(self) -> None:
        """Forget which blocks of its tasks are done; see `Task.reset`."""
        for task in self.tasks:
            task.reset()

    def run_blockwise(
        self, *, return_states: bool = False, **options: Any
    ) -> bool | dict[str, TaskState]:
        """Run the tasks; see `run_blockwise` for the options and what is returned."""
        states, is_ok = run_tasks(self, **options)
        return states if return_states else is_ok

    def block_tasks(self, context: Context, *, tracks: bool) -> list[blocks.BlockTask]:
        """Convert the tasks to those of the engine.

        Parameters
        ----------
        context : Context
            What all workers of the run are told.
        tracks : bool
            Whether to use and keep journals.
        """
        return [
            task.block_task(
                journal_of(task.task_id, task.tracking_path) if tracks else None,
                after=self.upstream(task),
                context=context,
            )
            for task in self.tasks
        ]

    def _take(self, task: Task) -> None:
        path = [check_task(task, "Pipeline")]  # not by recursion: a chain of tasks may be long
        while path:
            waits = (up for up in path[-1].upstream_tasks if up not in self.tasks)
            earlier = next(waits, None)
            if earlier is None:
                last = path.pop()
                self.tasks += [] if last in self.tasks else [last]
            elif earlier in path:
                raise PipelineError(
                    "tasks do not wait for each other in a circle",
                    value=" and ".join(sorted(each.task_id for each in path)),
                    remedy="take one out of upstream_tasks",
                )
            else:
                path.append(check_task(earlier, f"upstream_tasks of {path[-1]!r}"))

    @property
    def sources(self) -> list[Task]:
        """Tasks that wait for no other."""
        later = [down for _, down in self.edges]
        return [task for task in self.tasks if task not in later]

    @property
    def outputs(self) -> list[Task]:
        """Tasks that no other waits for."""
        earlier = [up for up, _ in self.edges]
        return [task for task in self.tasks if task not in earlier]

    def upstream(self, task: Task) -> list[Task]:
        """The tasks that one waits for."""
        return [up for up, down in self.edges if down is task]

    def __add__(self, other: Task | Pipeline) -> Pipeline:
        if not isinstance(other, (Task, Pipeline)):
            return NotImplemented
        after = _as_pipeline(other)
        between = [(up, down) for up in self.outputs for down in after.sources]
        return Pipeline([*self.tasks, *after.tasks], [*self.edges, *after.edges, *between])

    def __or__(self, other: Task | Pipeline) -> Pipeline:
        if not isinstance(other, (Task, Pipeline)):
            return NotImplemented
        parallel = _as_pipeline(other)
        return Pipeline([*self.tasks, *parallel.tasks], [*self.edges, *parallel.edges])


def check_task(item: object, place: str) -> Task:
    """Return a task.

    Raises
    ------
    PipelineError
        If it is none.
    """
    if not isinstance(item, Task):
        raise PipelineError(
            "what is run, and what it waits for, is a Task", value=item, place=place
        )
    return item


def _as_pipeline(item: Task | Pipeline) -> Pipeline:
    return item if isinstance(item, Pipeline) else Pipeline([item])

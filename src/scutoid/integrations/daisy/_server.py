"""Servers, with daisy's names: runs whose states, times and end are in the hands of a script."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from scutoid.integrations.daisy._blockwise import whole_of
from scutoid.integrations.daisy._run import run_tasks
from scutoid.integrations.daisy._states import TaskState
from scutoid.integrations.daisy._stats import RunStats
from scutoid.integrations.daisy._task import Pipeline, Task


class StopEvent(Protocol):
    """What tells a server to stop: an Event of threading or multiprocessing."""

    def is_set(self) -> bool:
        """Whether to stop."""


class Server:
    """Runs tasks in worker processes and returns their states.

    Parameters
    ----------
    stop_event : Event, optional
        Of threading or multiprocessing. Once it is set no block is begun; those in flight end,
        and the states of what was done are returned.
    host : str, optional
        Name of this machine for workers on others.
    """

    def __init__(self, stop_event: StopEvent | None = None, host: str | None = None) -> None:
        self.stop_event: StopEvent = threading.Event() if stop_event is None else stop_event
        self.host = host
        self.last_task_order: list[str] | None = None
        self.last_run_stats: dict[str, Any] | None = None

    @property
    def last_tracking_summary(self) -> dict[str, Any] | None:
        """The figures of the newest run, as `last_run_stats`."""
        return self.last_run_stats

    def run_blockwise(
        self,
        pipeline: Task | Pipeline | Iterable[Task] | None = None,
        resources: Mapping[str, int] | None = None,
        progress: object = True,
        *,
        block_tracking: bool = True,
        host: str | None = None,
        summary: bool = True,
        tasks: Iterable[Task] | None = None,
    ) -> dict[str, TaskState]:
        """Run tasks in worker processes; see `run_blockwise`.

        Returns
        -------
        dict
            By task_id its `TaskState`; also where a task was given up (`abandoned`), because its
            workers kept dying.
        """
        return self._run(
            whole_of(pipeline, tasks),
            resources=resources,
            progress=progress,
            block_tracking=block_tracking,
            host=host or self.host,
            summary=summary,
        )

    def _run(self, whole: Pipeline, **options: Any) -> dict[str, TaskState]:
        stats = RunStats()
        states, _ = run_tasks(
            whole,
            listeners=[stats],
            should_stop=self.stop_event.is_set,
            returns_given_up=True,
            **options,
        )
        self.last_task_order = list(states)
        self.last_run_stats = stats.summary()
        return states


class SerialServer(Server):
    """Runs tasks in this process, one block after the other, and returns their states."""

    def __init__(self) -> None:
        super().__init__()

    def _run(self, whole: Pipeline, **options: Any) -> dict[str, TaskState]:
        return super()._run(whole, multiprocessing=False, **options)

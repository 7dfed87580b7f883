"""Times of tasks and workers, gathered from the events of a run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scutoid import events

_Blocks = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Task:
    blocks: int = 0
    failures: int = 0
    seconds: float = 0.0
    wall: float = 0.0
    most_workers: int = 0
    means: list[tuple[float, float, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Worker:
    blocks: int = 0
    seconds: float = 0.0


class RunStats:
    """A listener that adds up the times of a run, for `Server.last_run_stats`."""

    def __init__(self) -> None:
        self._tasks: dict[str, _Task] = {}
        self._workers: dict[tuple[str, int], _Worker] = defaultdict(_Worker)
        self._out: list[tuple[str, int, _Blocks]] = []
        self._seconds = 0.0

    def on_event(self, event: events.Event) -> None:
        """Add an event."""
        match event:
            case events.RunStarted():
                self._tasks = {info.name: _Task() for info in event.tasks}
            case events.BatchStarted():
                self._out.append((event.task, event.worker, event.blocks))
                at_it = {worker for task, worker, _ in self._out if task == event.task}
                task = self._tasks[event.task]
                task.most_workers = max(task.most_workers, len(at_it))
            case events.BatchDone():
                self._come_back(event.task, event.blocks)
                self._add(event)
            case events.BlockFailed():
                self._tasks[event.task].failures += 1
                self._come_back(event.task, ((event.index, 1),))
            case events.WorkerLost():
                self._out = [batch for batch in self._out if batch[1] != event.worker]
            case events.TaskDone():
                self._tasks[event.task].wall = event.seconds
            case events.RunDone():
                self._seconds = event.seconds

    def _add(self, event: events.BatchDone) -> None:
        task, worker = self._tasks[event.task], self._workers[event.task, event.worker]
        if worker.blocks:  # its first batch took the time in which it got ready too
            middle, mean = task.blocks + event.n_done / 2, 1000 * event.seconds / event.n_done
            task.means.append((middle, mean, event.n_done))
        for each in (task, worker):
            each.blocks += event.n_done
            each.seconds += event.seconds

    def _come_back(self, task: str, blocks: _Blocks) -> None:
        first = blocks[0][0]
        for place, (name, _, numbers) in enumerate(self._out):
            if name == task and any(start <= first < start + n for start, n in numbers):
                del self._out[place]
                return

    def summary(self) -> dict[str, Any]:
        """Return the figures, by task and by worker, in seconds and milliseconds."""
        return {
            "process": {"wall_time_secs": self._seconds},
            "per_task": {name: _figures(task) for name, task in self._tasks.items()},
            "per_worker": [
                {
                    "task_id": task,
                    "worker_id": number,
                    "blocks_processed": worker.blocks,
                    "wall_time_secs": worker.seconds,
                }
                for (task, number), worker in sorted(self._workers.items())
            ],
        }


def _figures(task: _Task) -> dict[str, Any]:
    return {
        "blocks": task.blocks,
        "blocks_processed": task.blocks,
        "failures": task.failures,
        "max_concurrent_workers": task.most_workers,
        "total_block_secs": task.seconds,
        "total_block_time_secs": task.seconds,
        "total_wall_time_secs": task.wall,
        "mean_block_ms": 1000 * task.seconds / task.blocks if task.blocks else 0.0,
        "block_ms_slope": _slope(task.means),
        "has_stats": False,  # of CPU, memory and input: these are not measured
    }


def _slope(points: list[tuple[float, float, int]]) -> float:
    """Milliseconds by which a block takes longer than the one before it, by least squares.

    It is 0 where there are too few batches to tell.  Points are a number of blocks, the mean time
    around it, and how many blocks that is of.
    """
    if len(points) < 2:
        return 0.0
    order, times, weights = np.array(points).T
    order = order - np.average(order, weights=weights)
    return float((weights * order * times).sum() / (weights * order * order).sum())

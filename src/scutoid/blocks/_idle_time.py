"""The time in which workers of a run have nothing to do, and for whose sake."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol


class Workers(Protocol):
    """Who counts the workers of a run."""

    @property
    def n_workers(self) -> int:
        """Workers that are there."""
        ...

    @property
    def n_idle(self) -> int:
        """Those of them that have no block."""
        ...


class IdleTime:
    """Shares out the time of workers without a block among the tasks that are at it.

    The driver notes it before that changes::

        hand out | wait for messages | keep what came back | hand out
                 ^ note              ^ note                ^ note

    Parameters
    ----------
    n_tasks : int
        Number of tasks.
    """

    def __init__(self, n_tasks: int) -> None:
        self.waiting = [0.0] * n_tasks
        """By task, seconds of workers that waited while it was open."""
        self.keeping = [0.0] * n_tasks
        """By task, seconds of workers that waited while the driver kept what it had made."""
        self.workers: Workers | None = None
        """Counts them, once there are some."""
        self._open: set[int] = set()
        self._since = time.perf_counter()
        self._seconds = self._of_workers = 0.0

    @property
    def mean_workers(self) -> float:
        """Workers that were there on average while a task was open."""
        return self._of_workers / self._seconds if self._seconds else 0.0

    def begin(self, task: int) -> None:
        """Note that a task is open: its first block is handed out."""
        self._open.add(task)

    def end(self, task: int) -> None:
        """Note that no block of a task is left to run."""
        self._open.discard(task)

    def note(self, kept: Sequence[int] = ()) -> None:
        """Count the time since the last note, in which the workers were those of now.

        Parameters
        ----------
        kept : sequence of int
            Tasks of which the driver kept meanwhile what had come back; default: it did not.
        """
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        if self.workers is None:
            return
        n_idle = self.workers.n_idle
        if self._open:
            self._seconds += seconds
            self._of_workers += seconds * self.workers.n_workers
        who = kept or self._open
        if n_idle and who:
            part = n_idle * seconds / len(who)
            sums = self.keeping if kept else self.waiting
            for task in who:
                sums[task] += part

"""The caller as the only worker: no concurrency, the easiest to debug."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from scutoid.executors._work import MOST_ITEMS, Job, Joined, Message, NoHeartbeat, Work, WorkerPool
from scutoid.executors._workbench import Workbench
from scutoid.stopping import OutOfTime, interruptible

_logger = logging.getLogger(__name__)


class SerialExecutor:
    """Carries out every job in the calling thread, whatever the number of workers asked for.

    Parameters
    ----------
    raises : callable, optional
        Whether an exception of an item ends the run, and is raised as it is, for a debugger;
        called with it.  What was done before counts.
    is_quiet : bool
        Whether errors of numbers are none, whatever this process has set.
    """

    handles_timeout = False
    handles_setup = True

    def __init__(
        self, raises: Callable[[BaseException], bool] | None = None, *, is_quiet: bool = False
    ) -> None:
        self._raises = raises
        self._is_quiet = is_quiet

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Begin with one worker, the caller."""
        return _SerialWorkerPool(works, self._raises, is_quiet=self._is_quiet)


class _SerialWorkerPool:
    depth = 1
    is_one_memory = True
    takes_chains = True

    def __init__(
        self,
        works: Sequence[Work],
        raises: Callable[[BaseException], bool] | None,
        *,
        is_quiet: bool,
    ) -> None:
        self._works = works
        self.most_items = MOST_ITEMS
        # Ctrl-C arrives in the working thread, and must not count as a block's failure.
        self._bench = Workbench(
            0,
            passes=lambda error: isinstance(error, KeyboardInterrupt),
            breaks=raises or (lambda error: False),
            is_quiet=is_quiet,
        )
        self._jobs: deque[Job] = deque()
        self._joined = False

    def submit(self, worker: int, job: Job) -> None:
        self._jobs.append(job)

    def wait(self, timeout: float | None) -> list[Message]:
        if not self._joined:
            self._joined = True
            return [Joined(0)]
        if self._bench.broken is not None:  # what was done before it has been taken in
            raise self._bench.broken
        if not self._jobs:
            return []
        job = self._jobs.popleft()
        try:
            with interruptible():
                then = [self._works[each.work] for each in job.then]
                return [self._bench.carry_out(job, self._works[job.work], NoHeartbeat(), then)]
        except OutOfTime:  # between two items, where none counts as interrupted
            return [self._bench.untouched(job)]

    def halt(self) -> None:
        self._bench.cancelled = True

    def stop(self, *, grace: float) -> None:
        try:
            self._bench.close()
        except Exception:
            _logger.exception("leaving a set-up failed")

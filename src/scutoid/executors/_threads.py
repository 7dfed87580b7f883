"""Threads of the calling process: for functions that release Python's lock; data is shared."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from scutoid.executors._limits import limit_libraries
from scutoid.executors._work import MOST_ITEMS, Job, Joined, Message, NoHeartbeat, Work, WorkerPool
from scutoid.executors._workbench import Workbench
from scutoid.heap import share_one_heap

_logger = logging.getLogger(__name__)


class ThreadsExecutor:
    """Carries out jobs in threads; cannot end a block that hangs.

    Parameters
    ----------
    is_quiet : bool
        Whether errors of numbers are none, whatever this process has set.
    """

    handles_timeout = False
    handles_setup = True

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Start the threads."""
        share_one_heap()
        return _ThreadsWorkerPool(works, workers, is_quiet=self._is_quiet)


class _ThreadsWorkerPool:
    depth = 2
    most_items = MOST_ITEMS
    is_one_memory = True
    takes_chains = True

    def __init__(self, works: Sequence[Work], workers: int, *, is_quiet: bool) -> None:
        self._works = works
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._inboxes: list[queue.SimpleQueue[Job | None]] = []
        self._benches = [Workbench(number, is_quiet=is_quiet) for number in range(workers)]
        self._threads: list[threading.Thread] = []
        # While several workers call them
        self._limits = limit_libraries() if workers > 1 else None
        for bench in self._benches:
            inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
            # A daemon, for Ctrl-C must not wait at the interpreter's end for a block of an hour.
            thread = threading.Thread(
                target=self._work,
                args=(bench, inbox),
                name=f"scutoid-worker-{bench.worker}",
                daemon=True,
            )
            self._inboxes.append(inbox)
            self._threads.append(thread)
            thread.start()

    def submit(self, worker: int, job: Job) -> None:
        self._inboxes[worker].put(job)

    def wait(self, timeout: float | None) -> list[Message]:
        try:
            messages = [self._messages.get(timeout=timeout)]
        except queue.Empty:
            return []
        while not self._messages.empty():
            messages.append(self._messages.get())
        return messages

    def halt(self) -> None:
        for bench in self._benches:
            bench.cancelled = True

    def stop(self, *, grace: float) -> None:
        for bench, inbox in zip(self._benches, self._inboxes, strict=True):
            bench.cancelled = True
            inbox.put(None)
        end = time.monotonic() + grace
        try:
            for thread in self._threads:
                thread.join(max(end - time.monotonic(), 0))
        finally:  # Ctrl-C may end the wait
            if self._limits is not None:
                self._limits.restore_original_limits()

    def _work(self, bench: Workbench, inbox: queue.SimpleQueue[Job | None]) -> None:
        self._messages.put(Joined(bench.worker))
        while (job := inbox.get()) is not None:
            then = [self._works[each.work] for each in job.then]
            self._messages.put(bench.carry_out(job, self._works[job.work], NoHeartbeat(), then))
        try:
            bench.close()
        except Exception:
            _logger.exception("leaving a set-up failed")

"""The state of each task of a run, with daisy's names: counts of blocks and workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from scutoid import blocks, events


@dataclass(slots=True)
class TaskState:
    """Counts of the blocks of a task, and of its workers."""

    total_block_count: int = 0
    """Blocks, those that were left out included."""
    completed_count: int = 0
    """Blocks that are done, those done before or left out included."""
    skipped_count: int = 0
    """Those of them that did not run."""
    failed_count: int = 0
    """Blocks that failed at each attempt."""
    orphaned_count: int = 0
    """Blocks that did not run, because what they depend on failed, or the task was given up."""
    ready_count: int = 0
    """Blocks that could begin, of a task that waits for no other and whose blocks do not conflict;
    of other tasks, those that have to run again."""
    processing_count: int = 0
    """Blocks that are with workers."""
    started: bool = False
    """Whether a block has begun."""
    worker_failure_count: int = 0
    """Workers that were lost while they held blocks of the task."""
    worker_restart_count: int = 0
    """Workers that took their places."""
    timeout_reclaim_count: int = 0
    """Attempts that took longer than `timeout_secs`."""
    timeout_secs: float | None = None
    """Seconds that a block may take; None: any."""
    abandoned: bool = False
    """Whether the task was given up, because its workers kept dying, or it waits for such a one."""
    abandon_reason: str | None = None
    """Why, in words."""
    first_worker_error: str | None = None
    """The first failure of a block or worker, with its traceback if there is one."""
    last_worker_error: str | None = None
    """The last one."""
    n_workers_started: int = 0
    """Workers that have held blocks of the task."""

    @property
    def pending_count(self) -> int:
        """Blocks that are neither done, given up, with workers nor ready."""
        return (
            self.total_block_count
            - self.completed_count
            - self.failed_count
            - self.orphaned_count
            - self.processing_count
            - self.ready_count
        )

    def worker_start_count(self) -> int:
        """Workers that have held blocks of the task."""
        return self.n_workers_started

    def is_done(self) -> bool:
        """Whether every block is accounted for: done, failed or orphaned."""
        accounted = self.completed_count + self.failed_count + self.orphaned_count
        return accounted == self.total_block_count

    def note_error(self, text: str) -> None:
        """Keep what a failure said."""
        self.last_worker_error = text
        if self.first_worker_error is None:
            self.first_worker_error = text


class States:
    """A listener that keeps the state of each task as the run goes on.

    Parameters
    ----------
    tasks : sequence of BlockTask
        The tasks of the run.
    """

    def __init__(self, tasks: Collection[blocks.BlockTask]) -> None:
        self.by_task = {task.name: TaskState(timeout_secs=task.timeout) for task in tasks}
        self._after = {task.name: {edge.task for edge in task.edges()} for task in tasks}
        self._waits = {task.name for task in tasks if task.edges() or task.conflict}
        self._out: dict[str, dict[int, int]] = {task.name: {} for task in tasks}
        self._workers: dict[str, set[int]] = defaultdict(set)

    def on_event(self, event: events.Event) -> None:
        """Count what has happened."""
        match event:
            case events.RunStarted():
                for info in event.tasks:
                    state = self.by_task[info.name]
                    state.total_block_count = info.n_blocks
                    state.skipped_count = state.completed_count = info.n_cached + info.n_skipped
                    if info.name not in self._waits:
                        state.ready_count = info.n_blocks - state.completed_count
            case events.BatchStarted():
                self._hand_out(event)
            case events.BatchDone():
                state, out = self.by_task[event.task], self._out[event.task]
                was_out = len(out)
                for start, n in event.blocks:
                    for index in range(start, start + n):
                        out.pop(index, None)
                state.completed_count += event.n_done
                state.processing_count = len(out)
                # What a worker did before it was lost may be told afterwards.
                state.ready_count -= event.n_done - (was_out - len(out))
            case events.BlockFailed():
                self._fail(event)
            case events.BlocksOrphaned():
                state = self.by_task[event.task]
                state.orphaned_count += event.n
                state.ready_count = min(state.ready_count, state.ready_count + state.pending_count)
            case events.WorkerLost():
                self._lose(event)

    def _hand_out(self, event: events.BatchStarted) -> None:
        state, out = self.by_task[event.task], self._out[event.task]
        state.started = True
        for start, n in event.blocks:
            out.update(dict.fromkeys(range(start, start + n), event.worker))
        state.ready_count = max(state.ready_count - (len(out) - state.processing_count), 0)
        state.processing_count = len(out)
        if event.worker not in self._workers[event.task]:
            self._workers[event.task].add(event.worker)
            state.n_workers_started += 1
            if state.worker_restart_count < state.worker_failure_count:
                state.worker_restart_count += 1

    def _fail(self, event: events.BlockFailed) -> None:
        state, out = self.by_task[event.task], self._out[event.task]
        state.note_error(event.traceback or event.error)
        state.timeout_reclaim_count += event.error.startswith("TimeoutError: the block took")
        if event.index < 0:  # the task as a whole
            return
        was_out = out.pop(event.index, None) is not None
        state.processing_count = len(out)
        # That of a lost worker has been counted as ready before.
        state.ready_count += event.will_retry - (not was_out)
        state.failed_count += not event.will_retry

    def _lose(self, event: events.WorkerLost) -> None:
        for task, out in self._out.items():
            held = [index for index, worker in out.items() if worker == event.worker]
            if not held:
                continue
            state = self.by_task[task]
            state.worker_failure_count += 1
            state.note_error(event.reason)
            # They come back; one of them may be charged with a failure, which is told next.
            state.ready_count += len(held)
            for index in held:
                del out[index]
            state.processing_count = len(out)

    def settle(self, reports: Mapping[str, blocks.TaskReport]) -> dict[str, TaskState]:
        """Take the final counts from the reports of a run, and return the states by task."""
        abandoned: set[str] = set()
        for name, report in reports.items():  # those that are waited for come first
            state = self.by_task[name]
            upstream = sorted(self._after[name] & abandoned)
            if report.given_up or upstream:
                abandoned.add(name)
                state.abandoned = True
                state.abandon_reason = report.given_up or f"waits for {upstream[0]!r}, given up"
            state.total_block_count = report.n_blocks
            state.completed_count = report.n_done + report.n_skipped
            state.skipped_count = report.n_cached + report.n_skipped
            state.failed_count, state.orphaned_count = report.n_failed, report.n_orphaned
            state.ready_count = state.processing_count = 0
        return self.by_task

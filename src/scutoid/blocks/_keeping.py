"""Keep what blocks return, and record that they are done; keep back what there is no room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._batch import Batch
from scutoid.blocks._block import BlockStatus, Done
from scutoid.blocks._journal import Journal
from scutoid.blocks._task import BlockTask
from scutoid.errors import UnwritableStore
from scutoid.executors import Outcome

Success = tuple[NDArray[np.int64], NDArray[np.uint8], int]
"""Numbers of blocks that are done, the status of each, and which attempt it was."""
_Collected = list[tuple[int, object]]
# A look at an enumeration takes longer than all else of a value that is kept
_WRITTEN = int(BlockStatus.WRITTEN)


class Keeping:
    """Keeps what comes back of the blocks of all tasks.

    Parameters
    ----------
    tasks : sequence of BlockTask
        Their `collect` keeps values.
    journals : sequence of Journal or None
        By task, where the blocks are recorded.
    """

    def __init__(self, tasks: Sequence[BlockTask], journals: Sequence[Journal | None]) -> None:
        self._tasks = tasks
        self._journals = journals
        self._kept_back: list[tuple[int, _Collected, Success]] = []
        self._begun: dict[int, NDArray[np.bool_]] = {}
        self.obstacle: UnwritableStore | None = None
        """What kept a value or a record from being written."""

    def begin(self, batch: Batch) -> None:
        """Have taken away what earlier tries at blocks have left, before they are handed out."""
        task = self._tasks[batch.task]
        if task.again is not None:
            begun = self._begun.setdefault(batch.task, np.zeros(task.grid.n_blocks, np.bool_))
            again = batch.indices[begun[batch.indices]]
            if len(again):
                task.again(again.tolist())
            begun[batch.indices] = True

    def collect(self, batch: Batch, outcome: Outcome) -> tuple[Success, int]:
        """Return the blocks of an outcome that succeeded, and how many of them were taken over.

        Their values are durable then; those for which there is no room are kept back.
        """
        is_done = outcome.statuses != BlockStatus.WAITING
        indices, statuses = batch.indices[is_done], outcome.statuses[is_done]
        collected: _Collected = []
        n_taken = 0
        if self._tasks[batch.task].collect is not None and outcome.values is not None:
            numbers, found = batch.indices.tolist(), outcome.statuses.tolist()
            for at in np.flatnonzero(is_done).tolist():
                value, index = outcome.values[at], numbers[at]
                if type(value) is Done:
                    n_taken += value.is_taken
                    collected.append((index, value.value))
                elif found[at] == _WRITTEN:
                    collected.append((index, value))
        return self._keep(batch.task, collected, (indices, statuses, batch.attempt)), n_taken

    def _keep(self, task: int, collected: _Collected, success: Success) -> Success:
        """Give what blocks returned to whoever keeps it; return the blocks of which it is kept."""
        collect = self._tasks[task].collect
        if collect is None or not collected:
            return success
        try:
            collect(collected)
        except UnwritableStore as error:
            self.obstacle = error
            rest = collected[_collect_singly(collect, collected) :]
            is_kept = ~np.isin(success[0], [index for index, _ in rest])
            self._kept_back.append((task, rest, _part(success, ~is_kept)))
            return _part(success, is_kept)
        return success

    def journal(self, task: int, successes: Sequence[Success]) -> None:
        """Record blocks whose values are durable."""
        journal = self._journals[task]
        recorded = [success for success in successes if len(success[0])]
        if journal is None or not recorded:
            return
        record = self._tasks[task].record
        try:
            if record is not None:
                record(recorded)
            journal.append(recorded)
        except UnwritableStore as error:
            self.obstacle = error
            self._kept_back += [(task, [], success) for success in recorded]

    def try_again(self) -> None:
        """Keep what there was no room for, if what failed meanwhile has made some."""
        kept_back, self._kept_back = self._kept_back, []
        for task, collected, success in kept_back:
            self.journal(task, [self._keep(task, collected, success)])


def _part(success: Success, chosen: NDArray[np.bool_]) -> Success:
    indices, statuses, attempt = success
    return indices[chosen], statuses[chosen], attempt


def _collect_singly(
    collect: Callable[[Sequence[tuple[int, object]]], None], collected: _Collected
) -> int:
    """Collect values one by one; return how many there was room for."""
    n_kept = 0
    with suppress(UnwritableStore):
        for each in collected:
            collect([each])
            n_kept += 1
    return n_kept

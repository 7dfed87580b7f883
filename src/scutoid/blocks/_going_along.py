"""What came back of a batch and of the blocks that went along with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._batch import Batch
from scutoid.blocks._block import BlockStatus
from scutoid.errors import UnwritableStore
from scutoid.executors import ItemFailure, Outcome


class CameBack(NamedTuple):
    """Blocks of one task, and what came of them."""

    batch: Batch
    """The blocks."""
    outcome: Outcome
    """What came of each."""

    @property
    def is_begun(self) -> NDArray[np.bool_]:
        """Which of them were tried."""
        found: NDArray[np.bool_] = self.outcome.statuses != BlockStatus.WAITING
        found[[failure.position for failure in self.outcome.failures]] = True
        return found

    def without(self, is_lost: NDArray[np.bool_]) -> CameBack:
        """Return the same as if some had not been begun."""
        kept = tuple(each for each in self.outcome.failures if not is_lost[each.position])
        statuses = np.where(is_lost, np.uint8(BlockStatus.WAITING), self.outcome.statuses)
        return self._replace(outcome=replace(self.outcome, statuses=statuses, failures=kept))

    @property
    def done(self) -> list[int]:
        """Numbers of those that are done."""
        numbers: list[int] = self.batch.indices[self._places_of_done].tolist()
        return numbers

    @property
    def _places_of_done(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.outcome.statuses != BlockStatus.WAITING)

    def checked(
        self, check: Callable[[Sequence[int]], Mapping[int, Exception]]
    ) -> tuple[CameBack, Sequence[ItemFailure]]:
        """Return the same without blocks that do not count after all, and their failures.

        Parameters
        ----------
        check : callable
            Given the numbers of those that are done, returns the errors of some.
        """
        return self.refused(check(self.done) if len(self._places_of_done) else {})

    def refused(self, errors: Mapping[int, Exception]) -> tuple[CameBack, Sequence[ItemFailure]]:
        """Return the same without blocks of these numbers, and their failures."""
        if not errors:
            return self, ()
        places = dict(zip(self.done, self._places_of_done.tolist(), strict=True))
        failures = [ItemFailure.of(places[index], errors[index], skip=0) for index in errors]
        statuses = self.outcome.statuses.copy()
        statuses[[failure.position for failure in failures]] = BlockStatus.WAITING
        return self._replace(outcome=replace(self.outcome, statuses=statuses)), failures

    def without_unwritable(self) -> CameBack:
        """Return the same as if blocks that a store refused had not been begun."""
        kept = tuple(each for each in self.outcome.failures if each.unwritable is None)
        return self._replace(outcome=replace(self.outcome, failures=kept, setup_failure=None))


def came_back(batch: Batch, outcome: Outcome) -> list[CameBack]:
    """Return each part of a batch with its outcome; where none is told, nothing was begun."""
    then = outcome.then or tuple(_untouched(each, outcome) for each in batch.then)
    pairs = zip((batch, *batch.then), (outcome, *then), strict=True)
    return [CameBack(*pair) for pair in pairs]


def at(batch: Batch, position: int) -> tuple[Batch, int]:
    """Return which part of a batch a worker was at, and its place in that, by a heartbeat's."""
    level, place = divmod(position, len(batch.indices))
    part = (batch, *batch.then)[level]
    return part, int(np.flatnonzero(part.indices == batch.indices[place])[0])


def _untouched(batch: Batch, outcome: Outcome) -> Outcome:
    n = len(batch.indices)
    return Outcome(outcome.worker, outcome.job, np.zeros(n, np.uint8), (), [None] * n)


def obstacle_of(parts: Sequence[CameBack]) -> UnwritableStore | None:
    """Return the error of a store that cannot be written, if blocks met one."""
    for _, outcome in parts:
        for failure in (*outcome.failures, outcome.setup_failure):
            if failure is not None and failure.unwritable is not None:
                return failure.unwritable
    return None

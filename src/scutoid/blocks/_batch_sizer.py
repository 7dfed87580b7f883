"""The size of batches: many cheap blocks, few costly ones, fewer near the end."""

from __future__ import annotations

from collections.abc import Sequence

from scutoid.executors import MOST_ITEMS

# A batch of a task costs a millisecond or two on the way; a longer one makes the end uneven.
_BATCH_SECONDS = 0.1
# Below this, the way to the worker and back costs more than an uneven end.
_LEAST_SECONDS = 0.005
_GROWTH = 8
# Costlier blocks do not queue behind another batch.
_CHEAP_SECONDS = 0.5


class BatchSizer:
    """The size of a task's batches, from the time that its blocks took in the workers."""

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._largest = 1

    @property
    def is_known(self) -> bool:
        """Whether blocks have told what they cost."""
        return self._seconds is not None

    def note(self, n_blocks: int, seconds: float) -> None:
        """Note that a batch of `n_blocks` took `seconds`; recent batches count more."""
        if n_blocks == 0:
            return
        cost = max(seconds / n_blocks, 1e-7)
        # The first block brings imports and cold caches with it, and is soon outvoted.
        self._seconds = cost if self._seconds is None else 0.5 * (self._seconds + cost)
        self._largest = max(self._largest, n_blocks)

    def size(self, n_ready: int, workers: int, *, behind: Sequence[BatchSizer] = ()) -> int:
        """The number of the `n_ready` blocks to hand to one of `workers` workers.

        `behind` are the sizes of tasks whose blocks go along.
        """
        seconds = self._cost(behind)
        if seconds is None:
            return 1
        long = _BATCH_SECONDS * (1 + len(behind))  # each of its tasks is a batch of its own
        wanted = min(long / seconds, self._largest * _GROWTH, MOST_ITEMS)
        share = max(n_ready / (2 * workers), _LEAST_SECONDS / seconds)
        return max(int(min(wanted, share)), 1)

    def may_queue(self, n_ready: int, workers: int, *, behind: Sequence[BatchSizer] = ()) -> bool:
        """Whether a worker may get a batch before it has finished the last one."""
        seconds = self._cost(behind)
        if seconds is None:
            return False
        n_blocks = self.size(n_ready, workers, behind=behind)
        return seconds * n_blocks < _CHEAP_SECONDS and n_ready > 2 * workers * n_blocks

    def may_take_along(self, behind: Sequence[BatchSizer]) -> bool:
        """Whether blocks of other tasks may be done with those of this one, before all come back.

        They are if it is known that they are cheap.
        """
        is_known = all(each.is_known for each in (self, *behind))
        return is_known and (self._cost(behind) or 0.0) < _CHEAP_SECONDS

    def _cost(self, behind: Sequence[BatchSizer]) -> float | None:
        """Seconds of a block and what goes along with it; None: not known yet."""
        if self._seconds is None or not behind:
            return self._seconds
        return self._seconds + sum(each._seconds or 0.0 for each in behind)  # noqa: SLF001

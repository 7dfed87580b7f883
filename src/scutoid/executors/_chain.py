"""One of several jobs that are carried out together, number by number, and what came of it so far.

::

    job           0    1    2
                  │    │    │
    then[0]       0    1    2      what 0 has made is still in memory here
                  │    │    │
    then[1]       0    ·    2      1 was done before, or waits for something else
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from scutoid.executors._work import ItemFailure, Job, Work
from scutoid.spent import Clock


class Link:
    """A job of a chain.

    Parameters
    ----------
    job : Job
        Its items.
    work : Work
        What is done with them; it has no set-up.
    """

    def __init__(self, job: Job, work: Work) -> None:
        self._work = work
        self.places = {index: place for place, index in enumerate(job.indices.tolist())}
        """The place of each item, by its number."""
        self._items = list(work.items(job.indices))
        n = len(self._items)
        self.statuses = bytearray(n)
        self.values: list[object] | None = [None] * n if work.returns else None
        self.failures: list[ItemFailure] = []
        self.seconds = np.zeros(n)
        """Time that each item took."""
        self.clock = Clock()

    @contextmanager
    def taking(self, index: int) -> Iterator[int]:
        """Take the time of an item; gives its place."""
        at, start = self.places[index], time.perf_counter()
        with self.clock:
            yield at
        self.seconds[at] = time.perf_counter() - start

    def carry_out(
        self, at: int, encode: Callable[[object], object] | None, *, is_first: bool
    ) -> bool:
        """Carry out the item of a place; return whether it is done: behind others it may not be."""
        work, item = self._work, self._items[at]
        if not is_first and (work.is_here is None or not work.is_here(item)):
            return False
        status, value = work.call(item, {})
        if self.values is not None:
            self.values[at] = value if encode is None else encode(value)
        self.statuses[at] = status
        return True

"""Blocks that lie together, in a part for each worker."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Shares:
    """Blocks for workers that read on their own, each of which has a part of them.

    Parameters
    ----------
    indices : ndarray of int64, shape (n,)
        Numbers of blocks, near ones together; one or more.
    n : int
        Number of workers.
    """

    def __init__(self, indices: Ints, n: int) -> None:
        self._parts = list(np.array_split(indices, n))
        # Parts only shrink: of one that was taken from, the heap may say an earlier, larger size.
        self._sizes = [(-len(part), number) for number, part in enumerate(self._parts)]
        self.n_left = len(indices)

    def take(self, share: int, wanted: int) -> Ints:
        """Take blocks of a worker's part, or of the far end of the largest.

        The far end is what its owner would come to last, so that both go on among neighbours.

        Parameters
        ----------
        share : int
            Number of the part, of any worker.
        wanted : int
            The most blocks.

        Returns
        -------
        ndarray of int64, shape (m,)
            Their numbers; at least one as long as any is left.

        Examples
        --------
        >>> shares = Shares(np.arange(6), 2)
        >>> [shares.take(0, 2).tolist() for _ in range(4)]
        [[0, 1], [2], [4, 5], [3]]
        """
        number = share % len(self._parts)
        own = self._parts[number]
        if len(own):
            self._parts[number], indices = own[wanted:], own[:wanted]
        else:
            largest = self._largest()
            rest = self._parts[largest]
            cut = max(len(rest) - wanted, 0)
            self._parts[largest], indices = rest[:cut], rest[cut:]
        self.n_left -= len(indices)
        return indices

    @property
    def parts(self) -> list[Ints]:
        """What is left, by worker."""
        return list(self._parts)

    def _largest(self) -> int:
        """Return the number of the largest part, the first of those that are as large."""
        while True:
            said, number = self._sizes[0]
            size = len(self._parts[number])
            if -said == size:
                return number
            heapq.heapreplace(self._sizes, (-size, number))

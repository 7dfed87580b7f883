"""The count of lost workers in a row, which tells bad luck from a function that ends its worker."""

from __future__ import annotations

from collections import Counter


class Deaths:
    """Counts lost workers, by the work that they were at, since it last came to something.

    A crash costs some 0.3 s: items that crash at each attempt must fail one by one, and a function
    that crashes every worker must not go on for a million items.

    Parameters
    ----------
    workers : int
        Number of workers.
    """

    def __init__(self, workers: int) -> None:
        self._most = 8 + 4 * workers
        self._in_a_row: Counter[int | None] = Counter()

    def note_success(self, work: int) -> None:
        """Note that an item of a work is done."""
        self._in_a_row.pop(work, None)
        self._in_a_row.pop(None, None)

    def note(self, work: int | None) -> int:
        """Note a loss, at a work or at none; return how many in a row if they are too many."""
        self._in_a_row[work] += 1
        n = self._in_a_row[work]
        return n if n > self._most else 0

"""How long a report may take that a run writes by itself."""

from __future__ import annotations

import math
import time


class Allowance:
    """Counts down the seconds that pictures and charts may take.

    Parameters
    ----------
    seconds : float
        How many; infinite for who asked for a report.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.is_limited = seconds < math.inf
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left; 0 or less if none are."""
        return self._end - time.monotonic()

    def part(self, share: float) -> Allowance:
        """Return what is left for a part of the work."""
        return Allowance(self.left * share) if self.is_limited else self

    @property
    def is_left(self) -> bool:
        """Whether there is time for one thing more."""
        return self.left > 0

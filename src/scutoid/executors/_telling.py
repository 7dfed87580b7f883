"""When a wait is told of: soon, and then less and less often."""

from __future__ import annotations

_FIRST_SECONDS = 2.0
_MOST_SECONDS = 60.0


class Telling:
    """Told after 2 s, then at twice the time, or after a minute more."""

    def __init__(self) -> None:
        self._next = _FIRST_SECONDS

    def is_due(self, seconds: float) -> bool:
        """Whether to tell now of a wait that has lasted some seconds; then not again for a while.

        Examples
        --------
        >>> telling = Telling()
        >>> [seconds for seconds in range(300) if telling.is_due(seconds)]
        [2, 4, 8, 16, 32, 64, 124, 184, 244]
        """
        if seconds < self._next:
            return False
        self._next = seconds + min(seconds, _MOST_SECONDS)
        return True

    def begin_again(self) -> None:
        """Note that the wait is over; there may be another one."""
        self._next = _FIRST_SECONDS

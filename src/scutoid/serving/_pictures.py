"""Pictures of results, drawn one at a time; the last ones are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict

from scutoid.errors import ScutoidError
from scutoid.reports import RunFacts, picture

_KEPT_BYTES = 32 << 20


class Pictures:
    """Draws results of runs, and keeps up to 32 MiB of what it drew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: OrderedDict[object, bytes] = OrderedDict()

    def of(self, facts: RunFacts, step: str, output: int = 0) -> bytes | None:
        """Return a picture of a result as PNG; None where there is nothing to see.

        Raises
        ------
        KeyError
            If the run has no such step.
        """
        known = facts.step(step)
        key = known.key, known.entry, known.n_done, known.stored, output
        with self._lock:  # one at a time: each reads some megabytes
            if key not in self._drawn:
                try:
                    self._drawn[key] = picture(facts, step, output=output)
                except (ScutoidError, OSError):
                    return None  # it may be there the next time
                while sum(map(len, self._drawn.values())) > _KEPT_BYTES:
                    self._drawn.popitem(last=False)
            self._drawn.move_to_end(key, last=True)
            return self._drawn[key]

"""What was made for previews, under keys: for some previews, or lastingly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")

_LASTING = 256
"""Values of whole images that are remembered, such as thresholds."""


class Memory:
    """Remembers calls, tables and values.

    Parameters
    ----------
    rounds : int
        After how many previews that did not use it something is forgotten.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._round = 0
        self._made: dict[Hashable, tuple[int, object]] = {}
        self._lasting: OrderedDict[Hashable, object] = OrderedDict()

    def __len__(self) -> int:
        return len(self._made) + len(self._lasting)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under a key in one of the last previews, or make it."""
        made = self._made[key][1] if key in self._made else make()
        self._made[key] = (self._round, made)
        return made  # type: ignore[return-value]

    def lasting(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under a key, or make it; that used longest ago is forgotten."""
        made = self._lasting.pop(key) if key in self._lasting else make()
        self._lasting[key] = made
        while len(self._lasting) > _LASTING:
            self._lasting.popitem(last=False)
        return made  # type: ignore[return-value]

    def next_round(self) -> None:
        """Begin another preview, and forget what the last ones did not use."""
        self._round += 1
        oldest = self._round - self._rounds
        for key in [key for key, (used, _) in self._made.items() if used < oldest]:
            del self._made[key]

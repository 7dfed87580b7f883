"""Count the time that functions of steps take, where somebody asks for it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Seconds = dict[str, float]
_METER: ContextVar[Seconds | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Iterator[Seconds]:
    """Count, in the body, the seconds that functions take in this thread, by their steps' labels.

    Examples
    --------
    >>> with metered() as seconds:
    ...     counted("smooth", lambda: 3)
    3
    >>> list(seconds)
    ['smooth']
    """
    seconds: Seconds = defaultdict(float)
    token = _METER.set(seconds)
    try:
        yield seconds
    finally:
        _METER.reset(token)


def counted(label: str, function: Callable[[], T]) -> T:
    """Call a function, and count its time for a step if somebody asks for it."""
    seconds = _METER.get()
    if seconds is None:
        return function()
    start = time.perf_counter()
    try:
        return function()
    finally:
        seconds[label] += time.perf_counter() - start

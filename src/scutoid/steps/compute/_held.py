"""What was read for the digest of a block, until the function of the block gets it.

Each thread works at one block at a time, and forgets at its end what nobody has asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scutoid.same import Same

_HELD = threading.local()


def _held() -> dict[object, Any]:
    if not hasattr(_HELD, "items"):
        _HELD.items = {}
    held: dict[object, Any] = _HELD.items
    return held


@contextmanager
def holding() -> Iterator[None]:
    """Hold what is read within, for this thread; it is forgotten at the end."""
    _held().clear()
    try:
        yield
    finally:
        _held().clear()


def hold(source: object, place: object, item: Any) -> None:
    """Keep what was read of a source at a place, for the next who takes it."""
    _held()[Same(source), place] = item


def taken(source: object, place: object, read: Callable[[], Any]) -> Any:
    """Return what is held of a source at a place, which then is the caller's; else read it."""
    held = _held()
    memo = (Same(source), place)
    return held.pop(memo) if memo in held else read()

"""Which operation a call is made by: steps that a user did not write are shown under one that is.

::

    cells = sc.label(mask)          label_pieces -> label_merge -> label     all made by one `label`
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Making:
    """One call of an operation that is made of steps."""

    operation: str
    """Name of the operation."""


_NOW: ContextVar[tuple[Making, ...]] = ContextVar("makings", default=())


def makings() -> tuple[Making, ...]:
    """Return the operations that are being called, the outermost first."""
    return _NOW.get()


@contextmanager
def making(operation: str) -> Iterator[None]:
    """Note of all calls that are made meanwhile that an operation makes them."""
    before = _NOW.set((*_NOW.get(), Making(operation)))
    try:
        yield
    finally:
        _NOW.reset(before)

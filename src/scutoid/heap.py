"""The heap of the C library, which threads of a process share or have each a part of."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

__all__ = ["give_back_memory", "share_one_heap"]

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""


def share_one_heap() -> None:
    """Have threads that start from here on allocate in one part of the heap, with glibc.

    It gives threads parts of their own, up to eight a core, and none gets what blocks of another
    have freed: memory grew all through a run, to twice what was in use.  Blocks are allocated in
    so few calls that threads never wait for each other.  Left alone where the environment says how
    many there are (``MALLOC_ARENA_MAX``, ``GLIBC_TUNABLES``).

    Examples
    --------
    >>> share_one_heap()
    """
    is_said = "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.getenv("GLIBC_TUNABLES", "")
    if sys.platform.startswith("linux") and not is_said:
        with suppress(AttributeError):  # musl has but one
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Return freed pages to the system, where the C library keeps them.

    Examples
    --------
    >>> give_back_memory()
    """
    if sys.platform.startswith("linux"):
        with suppress(AttributeError):  # glibc has it, musl keeps nothing
            ctypes.CDLL(None).malloc_trim(0)

"""The heap of the C library, which threads of a process share or have each a part of."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from functools import cache

__all__ = ["give_back_memory", "keep_freed_memory", "share_one_heap"]

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of the same."""
_LARGEST = 32 * 2**20
"""Bytes of what is kept: the most up to which glibc goes by itself."""


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


@cache
def keep_freed_memory() -> None:
    """Have what is freed serve what is allocated next, with glibc, until it is given back.

    It returns the memory of an array of a megabyte to the system when that is freed, and has it
    cleared page by page for the next one: of a member of a folder, for each array that its steps
    make.  It does no longer after an array of 32 MiB was freed; from here on it is as if one had
    been.  Left alone where the environment says so (``MALLOC_TRIM_THRESHOLD_``,
    ``MALLOC_MMAP_THRESHOLD_``, ``GLIBC_TUNABLES``).

    Examples
    --------
    >>> keep_freed_memory()
    """
    names = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
    is_said = any(name in os.environ for name in names)
    is_said = is_said or "_threshold" in os.getenv("GLIBC_TUNABLES", "")
    if sys.platform.startswith("linux") and not is_said:
        with suppress(AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(_MMAP_THRESHOLD, _LARGEST)
            library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)


def give_back_memory() -> None:
    """Return freed pages to the system, where the C library keeps them.

    Examples
    --------
    >>> give_back_memory()
    """
    if sys.platform.startswith("linux"):
        with suppress(AttributeError):  # glibc has it, musl keeps nothing
            ctypes.CDLL(None).malloc_trim(0)

"""The heap of the C library, which threads of a process share or have each a part of."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

__all__ = ["give_back_memory", "keep_freed_memory", "share_one_heap"]

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD = -8, -3, -1, -2
"""Settings in glibc's malloc.h."""
_ONE_HEAP = {_ARENA_MAX: 1}
_BLOCKS_IN_IT = {_MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 64 * 2**20, _TOP_PAD: 4 * 2**20}
"""Bytes: what is mapped by itself; what stays where it is free at the heap's end; a growth."""
_SAID_BY = {
    _ARENA_MAX: ("MALLOC_ARENA_MAX", "arena_max"),
    _MMAP_THRESHOLD: ("MALLOC_MMAP_THRESHOLD_", "mmap_threshold"),
    _TRIM_THRESHOLD: ("MALLOC_TRIM_THRESHOLD_", "trim_threshold"),
    _TOP_PAD: ("MALLOC_TOP_PAD_", "top_pad"),
}
"""What says them in the environment: a variable, or a part of ``GLIBC_TUNABLES``."""


def share_one_heap() -> None:
    """Have threads that start from here on allocate in one part of the heap, with glibc.

    It gives threads parts of their own, up to eight a core, and none gets what blocks of another
    have freed: memory grew all through a run, to twice what was in use.  Blocks are allocated in
    so few calls that threads never wait for each other.  What is freed is kept, as by
    `keep_freed_memory`.  It is left alone where the environment says it (``MALLOC_ARENA_MAX``,
    ``GLIBC_TUNABLES``).

    Examples
    --------
    >>> share_one_heap()
    """
    _set_unless_said(_ONE_HEAP)
    keep_freed_memory()


@cache
def keep_freed_memory() -> None:
    """Have what is freed serve what is allocated next, with glibc, until it is given back.

    What is large it maps by itself, and returns to the system when it is freed, which clears each
    page for the next block or member of a folder: up to a third of the processor time.  From here
    on such arrays lie in the heap, up to the sizes to which glibc comes by itself after it has
    freed some of 32 MiB.  Left alone where the environment says one of these sizes
    (``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_TOP_PAD_``,
    ``GLIBC_TUNABLES``).

    Examples
    --------
    >>> keep_freed_memory()
    """
    _set_unless_said(_BLOCKS_IN_IT)


def _set_unless_said(together: Mapping[int, int]) -> None:
    """Set sizes, if the environment says none of them."""
    if not sys.platform.startswith("linux") or any(map(_is_said, together)):
        return
    with suppress(AttributeError):  # musl has but one heap, and no settings
        for setting, value in together.items():
            ctypes.CDLL(None).mallopt(setting, value)


def _is_said(setting: int) -> bool:
    variable, name = _SAID_BY[setting]
    return variable in os.environ or name in os.getenv("GLIBC_TUNABLES", "")


def give_back_memory() -> None:
    """Return freed pages to the system, where the C library keeps them.

    Examples
    --------
    >>> give_back_memory()
    """
    if sys.platform.startswith("linux"):
        with suppress(AttributeError):  # glibc has it, musl keeps nothing
            ctypes.CDLL(None).malloc_trim(0)

"""How much memory this process can still have: of the machine, its group and its own limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["free_memory"]

_GROUPS = "/sys/fs/cgroup"
_KIB = 1024
_CACHED = ("inactive_file", "active_file")
"""What a group has of the pages of files, all of which can be dropped."""
_OF_LIMITS = {"RLIMIT_AS": "VmSize", "RLIMIT_DATA": "VmData"}
"""What of a process each of its limits counts."""


def free_memory() -> int:
    """Return the bytes that this process can still allocate, swap included.

    The least of what is free on the machine, in the control group (as a container or a batch job
    has one), and below the limits of the process (``ulimit -v``).

    Examples
    --------
    >>> 0 < free_memory() < 2**60
    True
    """
    return max(min(_of_machine(), *_of_groups(), *_of_process(), 2**60), 0)


def _of_machine() -> int:
    with suppress(OSError, KeyError):
        known = _fields("/proc/meminfo")
        return known["MemAvailable"] + known.get("SwapFree", 0)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _fields(path: str) -> dict[str, int]:
    """Return the amounts in a file of /proc, in bytes."""
    found = {}
    for line in Path(path).read_text().splitlines():
        name, _, rest = line.partition(":")
        amount = rest.split()
        if len(amount) == 2 and amount[1] == "kB" and amount[0].isdecimal():
            found[name] = int(amount[0]) * _KIB
    return found


def _of_groups() -> Iterator[int]:
    """Yield what is free in the control group and those above it.

    Pages of files can be dropped, those too that were read twice.
    """
    for folder, most, used in _groups():
        with suppress(OSError, ValueError):
            limit = int((folder / most).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            # The first version counts under these names without the groups below.
            names = [each if f"total_{each}" not in stat else f"total_{each}" for each in _CACHED]
            cached = sum(int(stat.get(name, 0)) for name in names)
            yield limit - int((folder / used).read_text()) + cached + _swap_of(folder)


def _swap_of(folder: Path) -> int:
    """Return what a group of the second version may still swap out."""
    with suppress(OSError, ValueError, KeyError):
        free = _fields("/proc/meminfo")["SwapFree"]
        limit = (folder / "memory.swap.max").read_text().strip()
        if limit == "max":
            return free
        left = int(limit) - int((folder / "memory.swap.current").read_text())
        return max(min(free, left), 0)
    return 0


def _groups() -> Iterator[tuple[Path, str, str]]:
    """Yield the folder of each group of this process, and its files of limit and use."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, name = line.split(":", 2)
            if kinds == "":
                root, files = Path(_GROUPS), ("memory.max", "memory.current")
            elif "memory" in kinds.split(","):
                root = Path(_GROUPS, "memory")
                files = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            else:
                continue
            inner = Path(name.lstrip("/"))
            for folder in (inner, *inner.parents):
                yield root / folder, *files


def _of_process() -> Iterator[int]:
    """Yield what the limits of this process leave."""
    import resource

    limits = {
        of: resource.getrlimit(getattr(resource, name))[0]
        for name, of in _OF_LIMITS.items()
        if hasattr(resource, name)
    }
    if all(limit == resource.RLIM_INFINITY for limit in limits.values()):
        return
    with suppress(OSError):
        used = _fields("/proc/self/status")
        for of, limit in limits.items():
            if limit != resource.RLIM_INFINITY:
                yield limit - used.get(of, 0)

"""Keep the numeric libraries of a process to one thread each."""

from __future__ import annotations

from typing import Protocol


class Limits(Protocol):
    """Limits that hold until they are undone."""

    def restore_original_limits(self) -> None:
        """Undo them."""
        ...


def limit_libraries() -> Limits:
    """Keep the numeric libraries that this process has loaded to one thread each."""
    from threadpoolctl import threadpool_limits

    limits: Limits = threadpool_limits(limits=1)
    return limits

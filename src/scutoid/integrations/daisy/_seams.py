"""What a run asks of tasks and pipelines, which can run themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from scutoid import blocks
from scutoid.integrations.daisy._context import Context


class TaskOfRun(Protocol):
    """A task, as its workers are started for it."""

    task_id: str
    """Its name."""
    max_workers: int
    """Number of workers at it at once."""
    process_function: Callable[..., object] | None
    """What is called in them."""

    @property
    def has_own_loop(self) -> bool:
        """Whether the function takes no block, but asks a client for them."""


class WholeRun(Protocol):
    """Tasks that run together."""

    @property
    def tasks(self) -> Sequence[TaskOfRun]:
        """All of them, each after those that it waits for."""

    def block_tasks(self, context: Context, *, tracks: bool) -> list[blocks.BlockTask]:
        """The same as tasks of the engine, in this order."""

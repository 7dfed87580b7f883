"""Functions of a script: how they are called, and whether they can be."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from scutoid import blocks
from scutoid.executors import current_worker
from scutoid.geometry import BlockGrid
from scutoid.integrations.daisy._block import Block, BlockStatus, MarkedAsFailed
from scutoid.integrations.daisy._context import acting, context_of


@dataclass(frozen=True, slots=True)
class Process:
    """Calls a user's function with a block in daisy's terms."""

    function: Callable[..., object]
    """The function."""
    grid: BlockGrid
    """The task's grid."""
    context: str
    """What its workers are told."""

    def __call__(self, block: blocks.Block) -> None:
        """Run in a worker."""
        converted = Block.of(block, self.grid)
        with acting(*context_of(self.context, current_worker())):
            self.function(converted)
        raise_if_failed(converted)


@dataclass(frozen=True, slots=True)
class Check:
    """Asks a user's function whether a block is done."""

    function: Callable[[Block], bool]
    """The function."""
    grid: BlockGrid
    """The task's grid."""
    context: str
    """What its workers are told."""

    def __call__(self, block: blocks.Block) -> bool:
        """Run in a worker."""
        with acting(*context_of(self.context, current_worker())):
            return bool(self.function(Block.of(block, self.grid)))


def raise_if_failed(block: Block) -> None:
    """Raise if a block's function has marked it as failed.

    Raises
    ------
    MarkedAsFailed
        If it has.
    """
    if block.status is BlockStatus.FAILED:
        raise MarkedAsFailed("a block's function did not mark it as failed", value=block.block_id)


def takes_a_block(function: Callable[..., object]) -> bool:
    """Whether a function has a positional argument left for a block."""
    signature = signature_of(function)
    return signature is None or any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)
        for p in signature.parameters.values()
    )


def asks_for_context(function: Callable[..., object]) -> bool:
    """Whether a worker function takes its context as a keyword."""
    signature = signature_of(function)
    asked = None if signature is None else signature.parameters.get("context")
    return asked is not None and asked.kind is inspect.Parameter.KEYWORD_ONLY


def signature_of(function: Callable[..., object]) -> inspect.Signature | None:
    """The arguments of a function, None if they are not known."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None

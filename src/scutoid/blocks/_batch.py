"""Blocks that are handed out together, and what comes of one that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Blocks of one task to be run together, each on its own, in this order."""

    task: int
    """Number of the task."""
    indices: Ints
    """Numbers of the blocks, shape (n,), int64."""
    attempt: int
    """Number of the attempt, the same for all of them, counted from 1."""
    then: tuple[Batch, ...] = ()
    """Blocks of other tasks that go along with them."""


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """The consequences of a failed attempt at a block."""

    will_retry: bool
    """Whether the block will be handed out again."""
    orphans: Mapping[int, int] = field(default_factory=dict)
    """By task, how many blocks will not run because of it."""

"""Limits of memory and named resources for all blocks that run at the same time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scutoid.blocks._task import BlockTask
from scutoid.errors import ParameterError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_bytes(size: int | str, place: str = "memory") -> int:
    """Read an amount of memory: a number of bytes, or a text with a unit.

    Raises
    ------
    ParameterError
        If it is not an amount above 0, or a text without a unit.

    Examples
    --------
    >>> parse_bytes("4GB"), parse_bytes("1.5 GiB"), parse_bytes(1000)
    (4000000000, 1610612736, 1000)
    """
    amount: float = 0
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)([bB]?)\s*", size)
        if match and (match[2] or (match[4] and not match[3])):
            units = _BINARY_UNITS if match[3] else _UNITS
            amount = float(match[1]) * units[match[2].upper()]
    elif not isinstance(size, bool):
        amount = size
    if not 1 <= amount < math.inf:  # NaN neither
        number = size.strip() if isinstance(size, str) and size.strip().isdigit() else "4"
        raise ParameterError(
            "an amount of memory is a number of bytes above 0, or a text with a unit",
            value=size,
            place=place,
            remedy=f"write for example {number}GB, {number}MiB or {number}B",
        )
    return int(amount)


def _is_amount(number: object) -> bool:
    """Whether it is a number from 0 on; NaN is not."""
    return isinstance(number, int | float) and not isinstance(number, bool) and number >= 0


@dataclass(frozen=True, slots=True)
class Budget:
    """The available memory and resources, and whether one more block fits."""

    memory: int | None = None
    """Bytes for all running blocks together; None: no limit."""
    resources: Mapping[str, int] = field(default_factory=dict)
    """Amount of each named resource; the amount of any other is 1."""
    is_by_worker: bool = False
    """Whether workers say what they have: then nothing but `resources` limits all together."""

    def __post_init__(self) -> None:
        resources: object = self.resources  # whatever the types promise
        amounts = resources.values() if isinstance(resources, Mapping) else [None]
        if not all(_is_amount(amount) for amount in amounts):
            raise ParameterError(
                "resources are amounts by name, of 0 or more",
                value=resources,
                place="resources=",
                remedy='give for example resources={"gpu": 4}',
            )

    def check(self, tasks: Iterable[BlockTask]) -> None:
        """Check that a single block of each task fits the resources.

        Raises
        ------
        ParameterError
            If one requires more than the run has.
        """
        for task in tasks:
            for name, amount in (task.requires or {}).items():
                available = self._available(name)
                if not _is_amount(amount):
                    raise ParameterError(
                        f"a block requires 0 or more of {name!r}",
                        value=amount,
                        place=f"task {task.name!r}",
                    )
                if amount > available:
                    raise ParameterError(
                        f"a block requires no more of {name!r} than the run has",
                        value=f"{amount} of {available}",
                        place=f"task {task.name!r}",
                        remedy=f"give run_blocks(resources={{{name!r}: {amount}}})",
                    )

    def limits(self, tasks: Sequence[BlockTask]) -> bool:
        """Whether the budget can ever hold back one of the tasks."""
        return any(
            task.requires or (self.memory is not None and task.bytes_per_block) for task in tasks
        )

    def admits(
        self, task: BlockTask, own: Sequence[BlockTask], others: Sequence[Sequence[BlockTask]]
    ) -> bool:
        """Whether a worker may take a block of `task`.

        Parameters
        ----------
        task : BlockTask
            The task of the block.
        own : sequence of BlockTask
            Tasks of the batches that this worker holds; it runs one block at a time.
        others : sequence of sequence of BlockTask
            The same of each other worker that is busy.
        """
        if not others:
            return True
        held = [[*own, task], *others]
        if self.memory is not None:
            used = sum(max(each.bytes_per_block for each in worker) for worker in held)
            if used > self.memory and task.bytes_per_block:
                return False
        return all(
            sum(max((each.requires or {}).get(name, 0) for each in worker) for worker in held)
            <= self._available(name)
            for name in task.requires or {}
        )

    def _available(self, name: str) -> float:
        return self.resources.get(name, math.inf if self.is_by_worker else 1)

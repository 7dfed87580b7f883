"""The inputs and parameters of a block-wise step, as they are sent to a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scutoid.steps._compute import BlockStep, Readable, StepBlock
from scutoid.steps._parts import BlockParts


@dataclass(frozen=True, slots=True)
class Held:
    """A value that a worker loads when it first needs it."""

    load: Callable[[], Any]
    """Returns the value."""


class Resolved:
    """Loads held values once in a process; a copy that was sent loads them anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[int, Any] = {}

    def of(self, item: object) -> Any:
        """Return an item, loaded if it is held."""
        if not isinstance(item, Held):
            return item
        with self._lock:
            if id(item) not in self._values:
                self._values[id(item)] = item.load()
            return self._values[id(item)]

    def __reduce__(self) -> tuple[type[Resolved], tuple[()]]:
        return Resolved, ()


@dataclass(frozen=True, slots=True, eq=False)
class BlockInputs:
    """The inputs and parameters of a block-wise step, as a worker gets them."""

    step: BlockStep
    """The step."""
    inputs: tuple[object, ...]
    """Readable images, `Held` values, or values."""
    params: Mapping[str, object]
    """Values, held or not."""
    resolved: Resolved = field(default_factory=Resolved)
    """Those that were loaded."""

    def compute(
        self, block: StepBlock, ready: Mapping[str, object], written: Readable | None = None
    ) -> tuple[object, ...]:
        """Compute one block; `written` is the step's own image, if it sees its neighbours."""
        inputs = []
        for item in self.inputs:
            value = self.resolved.of(item)
            inputs.append(value[block.index] if isinstance(value, BlockParts) else value)
        params = {name: self.resolved.of(value) for name, value in self.params.items()}
        return self.step.compute_block(block, inputs, {**params, **ready}, written=written)

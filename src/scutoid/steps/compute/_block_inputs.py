"""The inputs and parameters of a block-wise step, as they are sent to a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from scutoid.arrays import Readable
from scutoid.spent import spending
from scutoid.steps.compute._block_step import BlockStep
from scutoid.steps.compute._held import taken
from scutoid.steps.compute._parts import BlockParts, Part
from scutoid.steps.declaration import StepBlock, own


@dataclass(frozen=True, slots=True, eq=False)
class Deferred:
    """A value that a worker loads when it first needs it."""

    load: Callable[[], object]
    """Returns the value."""


class Loaded:
    """The deferred values that a process has loaded; a copy that was sent loads them again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Deferred, object] = {}
        self._digests: dict[Deferred, str | None] = {}

    def of(self, item: object) -> object:
        """Return an item, loaded if it is deferred."""
        if not isinstance(item, Deferred):
            return item
        with self._lock:
            if item not in self._values:
                with spending("reading"):
                    self._values[item] = item.load()
            return self._values[item]

    def digest(self, item: Deferred, make: Callable[[object], str | None]) -> str | None:
        """Return the digest of a deferred value, made once."""
        value = self.of(item)
        with self._lock:
            if item not in self._digests:
                self._digests[item] = make(value)
            return self._digests[item]

    def __reduce__(self) -> tuple[type[Loaded], tuple[()]]:
        return Loaded, ()


@dataclass(frozen=True, slots=True, eq=False)
class BlockInputs:
    """The inputs and parameters of a block-wise step, as a worker gets them."""

    step: BlockStep
    """The step."""
    inputs: tuple[object, ...]
    """Readable images, `Deferred` values, or values."""
    params: Mapping[str, object]
    """Values, deferred or not."""
    loaded: Loaded = field(default_factory=Loaded)
    """Those that were loaded."""

    def compute(
        self, block: StepBlock, ready: Mapping[str, object], written: Readable | None = None
    ) -> tuple[object, ...]:
        """Compute one block; `written` is the step's own image, if it sees its neighbours."""
        inputs = []
        for item in self.inputs:
            value = self.loaded.of(item)
            inputs.append(_part(value, block) if isinstance(value, BlockParts) else value)
        params = {name: own(self.loaded.of(value)) for name, value in self.params.items()}
        return self.step.compute_block(block, inputs, {**params, **ready}, written=written)

    def part(self, block: StepBlock) -> Part:
        """Return what a block gets of the parts among the inputs."""
        values = map(self.loaded.of, self.inputs)
        return next(_part(value, block) for value in values if isinstance(value, BlockParts))


def _part(parts: BlockParts, block: StepBlock) -> Part:
    """Return the part of a block, which then is the caller's."""
    part: Part = taken(parts, block.index, partial(parts.__getitem__, block.index))
    return part

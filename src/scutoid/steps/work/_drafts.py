"""Drafts of blocks: what a reader makes of a block before its objects are numbered.

They wait in memory, in the process of the driver.  Whoever does not find one, for the block was
found by another process, in an earlier run, or when there was no room, computes its block from the
image; the result is the same to the last bit.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from numpy.typing import NDArray

from scutoid.geometry import Roi
from scutoid.steps.compute import BlockInputs, ComputedImage, Sums, sum_reads
from scutoid.steps.declaration import LooksUp, Renumbers, StepBlock

_LOG = logging.getLogger(__name__)
LIMIT = 32 * 2**20
"""Bytes of drafts that wait in a process."""

Part = Mapping[str, NDArray[Any]]


class Draft(NamedTuple):
    """A part that a reader made under the numbers of the block alone."""

    part: Part
    """Its arrays."""
    sums: Sums
    """Of what was read of images to make it."""


class _Waiting:
    """The drafts of this process."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._drafts: dict[tuple[str, int], tuple[Draft, int]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def has_room(self) -> bool:
        """Whether one more may wait: the first ones are read first, and stay."""
        return self._bytes < self.limit

    def put(self, name: str, index: int, draft: Draft) -> None:
        """Keep the draft of a block."""
        size = sum(array.nbytes for array in draft.part.values())
        size += sum(len(sums) for _, sums in draft.sums.values())
        with self._lock:
            self._remove((name, index))
            self._drafts[name, index] = draft, size
            self._bytes += size

    def take(self, name: str, index: int) -> Draft | None:
        """Return the draft of a block, once."""
        with self._lock:
            return self._remove((name, index))

    def forget(self, name: str) -> None:
        """Drop all drafts of one step of a run."""
        with self._lock:
            for key in [key for key in self._drafts if key[0] == name]:
                self._remove(key)

    def _remove(self, key: tuple[str, int]) -> Draft | None:
        draft, size = self._drafts.pop(key, (None, 0))
        self._bytes -= size
        return draft


WAITING = _Waiting(LIMIT)
"""Drafts that wait in this process."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The image of a block under the numbers of the block alone, all of which is read at once."""

    array: NDArray[Any]

    def read(self, roi: Roi) -> NDArray[Any]:
        del roi
        return self.array


@dataclass(frozen=True, slots=True, eq=False)
class DraftReader:
    """A step of whose blocks drafts are made."""

    name: str
    """Of the step and the run, unlike all others."""
    given: BlockInputs
    """What its blocks read."""
    position: int
    """Which of that is the image whose numbers are looked up."""
    is_digested: bool
    """Whether what its blocks read is digested."""

    def leave(self, index: int, found: NDArray[Any], sums: Sums) -> None:
        """Make the draft of a block, and let it wait.

        What goes wrong is not for the step that finds the pieces to tell: without a draft the block
        is computed in its turn, and says so itself.
        """
        try:
            block = self.given.step.block(index)
            if self.is_digested:
                sum_reads(self.given, block, sums, but=self.position)
            inputs = list(self.given.inputs)
            inputs[self.position] = _Found(found)
            (part,) = replace(self.given, inputs=tuple(inputs)).compute(block, {})
        except Exception:  # noqa: BLE001 - of the reader's, whose turn comes
            _LOG.debug("no draft of block %s of %s", index, self.name, exc_info=True)
            return
        WAITING.put(self.name, index, Draft(cast("Part", part), sums))

    def take(self, index: int) -> Draft | None:
        """Return the draft of a block, if it waits here."""
        return WAITING.take(self.name, index)

    def finished(self, draft: Draft, block: StepBlock) -> tuple[Part] | None:
        """Look up the numbers in a draft; None where the block is to be computed."""
        image = cast("ComputedImage", self.given.inputs[self.position])
        said, looks_up = self.given.step.spec.draft, image.given.step.spec.draft
        assert isinstance(said, Renumbers)  # noqa: S101 - else it were no reader
        assert isinstance(looks_up, LooksUp)  # noqa: S101 - else there were no draft
        part = said.function(draft.part, image.given.part(block)[looks_up.table])
        return None if part is None else (part,)

    def close(self) -> None:
        """Forget what nobody has taken in this process."""
        WAITING.forget(self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Drafting:
    """How a step that finds pieces leaves drafts of its blocks for the readers of their image."""

    finder: BlockInputs
    """The step, which returns the image besides its parts."""
    readers: Sequence[DraftReader]
    """Who reads it, block by block."""
    process: int = field(default_factory=os.getpid)
    """The process of the driver: another one need not be the one that works at the same block of
    the readers."""

    @property
    def is_here(self) -> bool:
        """Whether drafts are made in this process, by now."""
        return self.process == os.getpid() and WAITING.has_room

    def compute(self, block: StepBlock, sums: Sums) -> tuple[object, ...]:
        """Compute a block of the step, and leave drafts."""
        *results, found = self.finder.compute(block, {})
        for reader in self.readers:
            reader.leave(block.index, cast("NDArray[Any]", found), dict(sums))
        return tuple(results)

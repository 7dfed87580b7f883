"""What was computed without a run, remembered as far as memory goes."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from scutoid.errors import MemoryLimitError
from scutoid.geometry import Roi
from scutoid.steps.declaration import kept
from scutoid.steps.graph import BlockCall, Call, WholeCall, physical_memory
from scutoid.steps.layout import Window

_SHARE_OF_MEMORY = 0.5


class Remembered:
    """Results of calls, and the bytes that their arrays take.

    Parameters
    ----------
    limit : int, optional
        Bytes that all arrays together may take; default: half of the machine's memory.
    recall : int, optional
        Bytes of images beyond which those that were used longest ago are forgotten; default: all
        are remembered.
    """

    def __init__(self, limit: int | None = None, recall: int | None = None) -> None:
        self.limit = int(physical_memory() * _SHARE_OF_MEMORY) if limit is None else limit
        self.used = 0
        self.images: dict[tuple[Call, int, Roi], Window] = {}
        """Regions of an output of a call; whoever enters one has reserved its bytes."""
        self.values: dict[Call, tuple[Any, ...]] = {}
        """Tables, values and parts, for all outputs of a call."""
        self.whole: dict[WholeCall, tuple[Any, ...]] = {}
        """What whole steps have returned."""
        self._recall = recall
        self._blocks: dict[tuple[BlockCall, int], tuple[object, ...]] = {}

    def forget(self, kept: Container[Call]) -> None:
        """Forget values, tables and blocks of all calls but these; images are forgotten by size."""
        self.values = {call: value for call, value in self.values.items() if call in kept}
        self.whole = {call: value for call, value in self.whole.items() if call in kept}
        for at in [at for at in self._blocks if at[0] not in kept]:
            images = (item for item in self._blocks.pop(at) if isinstance(item, np.ndarray))
            self.used -= sum(image.nbytes for image in images)

    def image(self, call: Call, output: int, region: Roi) -> Window | None:
        """Return a region of an image that was computed; None: it was not, or is forgotten."""
        window = self.images.get((call, output, region))
        if window is not None and self._recall is not None:
            del self.images[call, output, region]
            self.images[call, output, region] = window  # the last one used
        return window

    def block(
        self, call: BlockCall, index: int, outputs: Sequence[int]
    ) -> tuple[object, ...] | None:
        """Return a block of which all of these outputs are remembered."""
        results = self._blocks.get((call, index))
        if results is None or any(results[output] is None for output in outputs):
            return None
        return results

    def keep_block(
        self, call: BlockCall, index: int, results: tuple[object, ...], *, is_streamed: bool
    ) -> None:
        """Remember a block of a step with several outputs."""
        if len(results) == 1:
            return
        kinds = call.spec.outputs
        images = sum(item.nbytes for item in results if isinstance(item, np.ndarray))
        if is_streamed or self.used + images > self.limit:
            results = tuple(
                None if kind == "image" else item for kind, item in zip(kinds, results, strict=True)
            )
        else:
            self.used += images
        self._blocks[call, index] = kept(results)

    def reserve(self, nbytes: int, name: str) -> None:
        """Make room for arrays of the step of a name.

        Raises
        ------
        MemoryLimitError
            If there is none.
        """
        self.used += nbytes
        while self._recall is not None and self.used > self._recall and self.images:
            oldest = next(iter(self.images))
            self.used -= oldest[2].size * self.images.pop(oldest).array.itemsize
        if self.used > self.limit:
            raise MemoryLimitError(
                "a result that is read without a run fits in memory",
                value=f"{self.used / 2**20:.0f} MiB needed, {self.limit / 2**20:.0f} MiB allowed",
                place=f"step {name!r}",
                remedy="run it into a store with sc.run, or read a smaller region",
            )

    def release(self, nbytes: int) -> None:
        """Count arrays no longer, where images are forgotten by what there is."""
        if self._recall is not None:
            self.used -= nbytes

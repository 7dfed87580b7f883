"""Inputs of which a function takes what lies around its block, as runs of equal labels.

::

    +-----+-----------+-----+
    |  b  |  b  b  b  |  b  |     what other blocks have written where a block reads: of each of
    +-----+-----------+-----+     them the runs that lie there.  They may be in memory since the
    |  b  |    own    |  b  |     block was written (`HandedImage`); else the whole is read.
    +-----+-----------+-----+

A step says so of itself (`StepSpec.sparse`), where what it reads of its own block says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import Readable
from scutoid.geometry import Roi
from scutoid.kernels import Runs, global_first
from scutoid.spent import spending
from scutoid.steps.declaration import StepBlock
from scutoid.steps.layout import Layout

if TYPE_CHECKING:
    from scutoid.kernels import SparseArray


@dataclass(frozen=True, slots=True)
class RimInput:
    """An input of a block that is taken so."""

    position: int
    """Which one."""

    def read(
        self,
        layout: Layout,
        source: Readable,
        block: StepBlock,
        others: dict[int, SparseArray | Runs],
        seen: Callable[[NDArray[Any]], None] | None = None,
    ) -> Runs:
        """Read what lies around a block; `seen` gets an array of all that is taken.

        It is the same whether it was in memory or not.
        """
        region = layout.source(self.position, block.write_roi)
        shift = region.offset - block.read_roi.offset
        numbers = [n for n in layout.grid.blocks_in(block.read_roi) if n != block.index]
        blocks = [layout.grid.write_roi(n).shift(shift) for n in numbers]
        parts = [each.intersect(region) for each in blocks]
        with spending("reading"):
            found = _runs(source, region, blocks, parts)
        rim = Runs.joined(
            [_placed(runs, part, region) for runs, part in zip(found, parts, strict=True)]
        )
        if seen is not None:
            seen(np.stack([rim.label, rim.start.view(np.uint64), rim.length.view(np.uint64)]))
        return rim


def _runs(source: Readable, region: Roi, blocks: list[Roi], parts: list[Roi]) -> list[Runs]:
    """Return the runs of each part of a block."""
    runs_of_blocks = getattr(source, "runs_of_blocks", None)
    whole = None if runs_of_blocks is None else runs_of_blocks(blocks)
    if whole is None:
        array = source.read(region)
        return [
            Runs.of(np.ascontiguousarray(array[part.to_slices(region.offset)])) for part in parts
        ]
    return [
        runs.within(tuple(each.shape), part.to_slices(each.offset))
        for runs, each, part in zip(whole, blocks, parts, strict=True)
    ]


def _placed(runs: Runs, part: Roi, region: Roi) -> Runs:
    """Count the places of a part's runs in the region."""
    offset = part.offset - region.offset
    return Runs(runs.label, global_first(runs.start, offset, part.shape, region.shape), runs.length)


def is_rim(layout: Layout, position: int, block: StepBlock) -> bool:
    """Whether the places of an input are those of what the function gets, and of its blocks."""
    placed = layout.inputs[position]
    region = layout.source(position, block.write_roi)
    if placed is None or block.index < 0 or placed.axes != layout.axes:
        return False
    seen = [axis for axis in layout.axes if axis in layout.function_axes]
    return region.shape == block.read_roi.shape and seen == [
        axis for axis in layout.function_axes if axis in layout.axes
    ]

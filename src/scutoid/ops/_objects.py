"""Whole objects, put together from the pieces that each block has of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels import merge_blocks
from scutoid.ops._label import images_of
from scutoid.ops._types import Array
from scutoid.steps import BlockParts


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The pieces of objects in one image: which object each belongs to."""

    blocks: list[int]
    """Numbers of the image's blocks."""
    objects: list[NDArray[np.intp]]
    """For each block the object, counted from 0, of each of its pieces."""
    n_objects: int
    """Number of objects in the image."""

    def any(self, parts: BlockParts, name: str) -> NDArray[np.bool_]:
        """Say of each object whether `name` holds for a piece of it."""
        holds = np.zeros(self.n_objects, bool)
        for index, objects in zip(self.blocks, self.objects, strict=True):
            holds[objects[parts[index][name]]] = True
        return holds

    def total(self, parts: BlockParts, name: str) -> NDArray[np.int64]:
        """Add up what `name` counts over the pieces of each object."""
        totals = np.zeros(self.n_objects, np.int64)
        for index, objects in zip(self.blocks, self.objects, strict=True):
            np.add.at(totals, objects, parts[index][name])
        return totals

    def per_block(self, values: Array) -> Iterator[tuple[int, Array]]:
        """Yield each block, and of `values`, one an object, those of its pieces."""
        for index, objects in zip(self.blocks, self.objects, strict=True):
            yield index, values[objects]


def merged_pieces(parts: BlockParts, connectivity: int | None) -> Iterator[Pieces]:
    """Unite pieces that touch across blocks, for each image of a grid in turn.

    Parameters
    ----------
    parts : BlockParts
        For each block what `scutoid.ops._label.components` returns of it.
    connectivity : int, optional
        As for `label`.
    """
    for blocks, shape in images_of(parts):
        first = [parts.arrays(index)["first"] for index in blocks]
        merged = merge_blocks(
            shape,
            [len(places) for places in first],
            first,
            lambda number, blocks=blocks: parts.arrays(blocks[number]),  # type: ignore[misc]
            connectivity,
        )
        objects = [merged.lut(number)[1:].astype(np.intp) - 1 for number in range(len(blocks))]
        yield Pieces(blocks, objects, merged.n_objects)

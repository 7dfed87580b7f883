"""Inputs that a function takes as their voxels that are not 0, read some planes at a time.

A step says so of itself (`StepSpec.sparse`), for blocks with wide halos: what they read as whole
arrays is most of what a worker holds.  Small blocks, and images that are computed inside the block,
come as arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import Readable
from scutoid.geometry import Roi
from scutoid.kernels import Runs, SparseArray
from scutoid.spent import spending
from scutoid.steps.compute._rim_inputs import RimInput, is_rim
from scutoid.steps.declaration import StepBlock, StepSpec
from scutoid.steps.layout import Layout

RIM = "rim"
"""How a step asks for what lies around its block."""
LARGE = 2**23
"""Voxels that a block reads from which on it matters how they are held."""
_PLANES = 64
"""What is read at a time: as much as a chunk of a stored image has along an axis."""


@dataclass(frozen=True, slots=True)
class SparseInput:
    """An input of a block that is held so."""

    position: int
    """Which one."""
    where: int | None = None
    """The input at whose places its values are kept; None: where it is not 0."""
    keeps_values: bool = True
    """Whether more than the places is kept."""

    def read(
        self,
        layout: Layout,
        source: Readable,
        block: StepBlock,
        others: dict[int, SparseArray | Runs],
        seen: Callable[[NDArray[Any]], None] | None = None,
    ) -> SparseArray:
        """Read what a block needs; `seen` gets each array that is read, in C order of all."""
        where: Any = None if self.where is None else others[self.where]
        parts = self._parts(layout, source, block, seen)
        return SparseArray.of(parts, where, keeps_values=self.keeps_values)

    def _parts(
        self,
        layout: Layout,
        source: Readable,
        block: StepBlock,
        seen: Callable[[NDArray[Any]], None] | None,
    ) -> Iterator[NDArray[Any]]:
        placed = layout.inputs[self.position]
        assert placed is not None  # noqa: S101 - it is an image
        axis = placed.axes.index(layout.function_axes[0])
        for part in _planes(layout.source(self.position, block.write_roi), axis):
            with spending("reading"):
                array = source.read(part)
            if seen is not None:
                seen(array)
            yield layout.to_function(self.position, array)


def _planes(region: Roi, axis: int) -> Iterator[Roi]:
    """Cut a region along an axis, as chunks are cut."""
    first, end = region.offset[axis], region.end[axis]
    while first < end:
        stop = min((first // _PLANES + 1) * _PLANES, end)
        offset, shape = list(region.offset), list(region.shape)
        offset[axis], shape[axis] = first, stop - first
        yield Roi(offset, shape)
        first = stop


def sparse_inputs(
    spec: StepSpec, layout: Layout, inputs: Sequence[object], block: StepBlock
) -> tuple[SparseInput | RimInput, ...]:
    """Return which inputs of a block are held so, in the order in which they are read."""
    if not spec.sparse or layout.target is not None:
        return ()
    names = spec.parameters.inputs
    positions = {name: names.index(name) for name in spec.sparse}
    if not all(_is_readable(layout, inputs, position, block) for position in positions.values()):
        return ()
    if RIM in spec.sparse.values():
        found = tuple(RimInput(positions[name]) for name in spec.sparse)
        return found if all(is_rim(layout, each.position, block) for each in found) else ()
    if block.read_roi.size < LARGE:
        return ()
    return tuple(
        SparseInput(positions[name], positions.get(how), keeps_values=how != "places")
        for name, how in spec.sparse.items()
    )


def _is_readable(layout: Layout, inputs: Sequence[object], position: int, block: StepBlock) -> bool:
    """Whether planes of an input can be read by themselves, one after the other in C order."""
    placed = layout.inputs[position] if position < min(len(inputs), len(layout.inputs)) else None
    if placed is None or getattr(inputs[position], "reads_at_once", False):
        return False
    if layout.local(position, block.read_roi) != layout.source(position, block.write_roi):
        return False  # it is padded
    first = placed.axes.find(layout.function_axes[0])
    before = layout.source(position, block.write_roi).shape[: max(first, 0)]
    return set(layout.function_axes) <= set(placed.axes) and all(size == 1 for size in before)

"""Estimate the bytes of a step's results, and the memory of a worker."""

from __future__ import annotations

import os
from functools import cache

from scutoid.geometry import Roi
from scutoid.steps.graph._call import BlockCall, Call, MappedCall
from scutoid.steps.graph._layouts import Layouts
from scutoid.steps.graph._refs import ImageRef

_WORKING_COPIES = 3


@cache
def physical_memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def bytes_of(call: Call) -> int:
    """Return the bytes of all images of a step, uncompressed; 0 for collections."""
    if isinstance(call, MappedCall):
        return 0
    return sum(framed.spec.nbytes for framed in call.frames if framed is not None)


def memory_of(call: Call, layouts: Layouts) -> int:
    """Estimate the bytes that a worker needs for one block: inputs, outputs and working copies."""
    if not isinstance(call, BlockCall):
        return sum(image.nbytes for image in call.images)
    grid = layouts.of(call).grid
    if not grid.n_blocks:
        return 0
    # One that has others on both sides, where there is such, for it has all of its halo
    middle = grid.index((n - 1) // 2 for n in grid.shape)
    return _memory_of_block(call, layouts, grid.write_roi(middle), {})


def _memory_of_block(
    call: BlockCall, layouts: Layouts, write: Roi, known: dict[tuple[BlockCall, Roi], int]
) -> int:
    """Estimate the bytes that one block needs, with the steps that are computed inside it."""
    if (call, write) in known:
        return known[call, write]
    layout = layouts.of(call)
    read = layout.read_roi(write)
    sizes = []
    inside = 0
    for position, image in enumerate(call.inputs):
        if not isinstance(image, ImageRef) or layout.inputs[position] is None:
            continue
        region = layout.source(position, write)
        sizes.append(region.size * image.dtype.itemsize)
        node = image.node
        if isinstance(node, BlockCall) and node in call.fused_inputs:
            below = region if image.view is None else image.view.below(region)
            start = node.framed(image.output).offset
            under = layouts.of(node).grid_region(below.shift(start))
            inside = max(inside, _memory_of_block(node, layouts, under, known))
    frames = [framed for framed in call.frames if framed is not None]
    widths = [image.dtype.itemsize for image in call.images]
    widths += [framed.spec.dtype.itemsize for framed in frames]
    needed = sum(sizes) + _WORKING_COPIES * read.size * max(widths) + inside
    known[call, write] = needed
    return needed

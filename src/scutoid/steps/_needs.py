"""What a step takes: bytes of its results, and memory of a worker."""

from __future__ import annotations

from scutoid.geometry import Roi
from scutoid.steps._lazy import Image
from scutoid.steps._producers import Call

_WORKING_COPIES = 3


def bytes_of(call: Call) -> int:
    """Return the bytes of all images of a step, uncompressed; 0 for collections."""
    if call.keys is not None:
        return 0
    kinds = enumerate(call.spec.outputs)
    return sum(call.framed(number).spec.nbytes for number, kind in kinds if kind == "image")


def memory_of(call: Call) -> int:
    """Estimate the bytes that a worker needs for one block: inputs, outputs and working copies."""
    images = [item for item in call.inputs if isinstance(item, Image)]
    if call.spec.kind == "step":
        return sum(image.nbytes for image in images)
    grid = call.layout().grid
    if not grid.n_blocks:
        return 0
    # One that has others on both sides, where there is such, for it has all of its halo
    middle = grid.index((n - 1) // 2 for n in grid.shape)
    return _memory_of_block(call, grid.write_roi(middle))


def _memory_of_block(call: Call, write: Roi) -> int:
    """Estimate the bytes that one block needs, with the steps that are computed inside it."""
    layout = call.layout()
    read = layout.read_roi(write)
    sizes = []
    inside = 0
    for position, image in enumerate(call.inputs):
        if not isinstance(image, Image) or layout.inputs[position] is None:
            continue
        region = layout.source(position, write)
        sizes.append(region.size * image.dtype.itemsize)
        producer = image.producer
        if isinstance(producer, Call) and producer in call.fused_inputs:
            below = region if image.view is None else image.view.below(region)
            start = producer.framed(image.output).offset
            under = producer.layout().grid_region(below.shift(start))
            inside = max(inside, _memory_of_block(producer, under))
    outputs = [Image(call, n) for n, kind in enumerate(call.spec.outputs) if kind == "image"]
    widths = [i.dtype.itemsize for i in (*call.inputs, *outputs) if isinstance(i, Image)]
    return sum(sizes) + _WORKING_COPIES * read.size * max(widths) + inside

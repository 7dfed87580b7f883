"""Images that are not stored: computed inside the blocks that read them.

::

    keep=True      raw --> [smooth] --> stored --> [mask] --> stored --> [label]
    keep=False     raw --> [smooth   ---------->    mask   ---------->    label]

What is read is computed as one block of its own, halos added up, so that no neighbour is computed
for its rim, and each chunk of the input is decoded once.  Steps that cannot be cut again (they get
parts, or leave blocks out) are computed in the blocks of their own grid.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ImageSpec
from scutoid.geometry import Coordinate, Roi
from scutoid.spent import spending
from scutoid.steps.compute._block_inputs import BlockInputs
from scutoid.steps.declaration import StepBlock

_REMEMBERED = 4
_REMEMBERED_BLOCKS = 8


class ComputedImage:
    """An image whose voxels are computed when they are read.

    The last few regions are remembered where several read it, for a step that does so by two ways,
    and the last few blocks of the step's grid, for neighbours that read the same ones.

    Parameters
    ----------
    given : BlockInputs
        The step.
    output : int
        Which of its outputs.
    spec : ImageSpec
        Description of the image.
    offset : Coordinate
        Of its first voxel in the frame.
    is_cut_again : bool
        Whether a region that is read is one block; else the blocks of the step's grid are.
    is_shared : bool
        Whether several read it.
    is_read_once : bool
        Whether each block of the step's grid is read once, and as it is; then none is remembered.
    """

    reads_at_once = True
    """Parts of a region would be computed with halos of their own."""

    def __init__(
        self,
        given: BlockInputs,
        output: int,
        spec: ImageSpec,
        offset: Coordinate,
        *,
        is_cut_again: bool,
        is_shared: bool,
        is_read_once: bool = False,
    ) -> None:
        self.given = given
        self.output = output
        self.spec = spec
        self.offset = offset
        self.is_cut_again = is_cut_again
        self.is_shared = is_shared
        self.is_read_once = is_read_once
        self.chunks = tuple(given.step.layout.grid.block_shape)
        self._computed: OrderedDict[Roi, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._ready: dict[str, object] | None = None

    def read(self, roi: Roi) -> NDArray[Any]:
        """Compute a region, in the image's own voxels."""
        with spending("computing"):  # whoever reads it takes it for a stored one
            return self._read(roi)

    def _read(self, roi: Roi) -> NDArray[Any]:
        layout = self.given.step.layout
        target = roi.shift(self.offset)
        array = np.zeros(tuple(roi.shape), self.spec.dtype)
        for block in self.blocks(roi):
            written = layout.output_roi(block.write_roi, self.spec.shape)
            common = written.intersect(target)
            piece = self._block(block)[common.to_slices(written.offset)]
            array[common.to_slices(target.offset)] = piece
        return array

    def blocks(self, roi: Roi) -> Iterator[StepBlock]:
        """Yield the blocks that a region, in the image's own voxels, is computed as."""
        step = self.given.step
        region = step.layout.grid_region(roi.shift(self.offset))
        if self.is_cut_again:
            if not region.is_empty:
                yield from map(step.block_of, step.layout.whole_blocks(region))
            return
        chosen = step.chosen()
        for index in step.layout.grid.blocks_in(region):
            if chosen is None or chosen[index]:
                yield step.block(index)

    def _block(self, block: StepBlock) -> NDArray[Any]:
        with self._lock:
            if block.write_roi in self._computed:
                self._computed.move_to_end(block.write_roi)
                return self._computed[block.write_roi]
            if self._ready is None:
                self._ready = {n: load() for n, load in self.given.step.spec.setup.items()}
        array = np.asarray(self.given.compute(block, self._ready)[self.output])
        if not self._remembered:
            return array
        array = np.array(array)  # what comes of the step's own array is its own affair
        with self._lock:
            self._computed[block.write_roi] = array
            while len(self._computed) > self._remembered:
                self._computed.popitem(last=False)
        return array

    @property
    def _remembered(self) -> int:
        if not self.is_cut_again:
            return 0 if self.is_read_once else _REMEMBERED_BLOCKS
        return _REMEMBERED if self.is_shared else 0

    def __reduce__(self) -> tuple[object, ...]:
        given = (self.given, self.output, self.spec, self.offset)
        return (
            partial(
                ComputedImage,
                is_cut_again=self.is_cut_again,
                is_shared=self.is_shared,
                is_read_once=self.is_read_once,
            ),
            given,
        )

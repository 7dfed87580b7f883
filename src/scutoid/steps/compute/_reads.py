"""What a block reads, digested: two blocks of one function with equal digests are equal.

All that the function of a block is given enters its digest: the voxels of its images, halo
included, the parts of its block, and values that other steps have made.  What holds for every
block (code, parameters, grid, voxel size) does not: it is compared once for all of them.

Of an image that is computed inside the block, that is what it is computed from::

    raw --> [smooth  ---->  mask] --> stored      digest: the voxels of raw, halos added up

What was read for the digest is kept until the function gets it, so nothing is read twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import Readable
from scutoid.errors import ParameterError
from scutoid.geometry import Roi
from scutoid.kernels import Runs, SparseArray, VoxelSums, voxel_sums
from scutoid.same import Same
from scutoid.spent import spending
from scutoid.steps.compute._block_inputs import BlockInputs, Deferred
from scutoid.steps.compute._computed import ComputedImage
from scutoid.steps.compute._held import hold, taken
from scutoid.steps.compute._parts import BlockParts
from scutoid.steps.compute._sparse_inputs import sparse_inputs
from scutoid.steps.declaration import ReadWhenAsked, StepBlock
from scutoid.steps.layout import ViewSource

DIGEST_BYTES = 32
"""Bytes of a digest."""

Sums = dict[tuple[Same, Roi], tuple[str, bytes]]
"""Of regions of images that were read: dtype and shape, and sums of the voxels."""


class _Unseen(Exception):
    """Something that a block gets has no digest."""


@dataclass(frozen=True, slots=True, eq=False)
class RecalledImage:
    """An image of which a block's regions may have been read already, for their digest."""

    source: Readable
    """The image."""

    @property
    def reads_at_once(self) -> bool:
        """Whether it is dear to read a region part by part."""
        return getattr(self.source, "reads_at_once", False)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region, in the image's own voxels; the array is the caller's own."""
        array: NDArray[Any] = taken(self, roi, lambda: self.source.read(roi))
        return array

    def runs_of_blocks(self, blocks: Sequence[Roi]) -> Sequence[Runs] | None:
        """Return the runs of equal labels of whole blocks, if they can be had without voxels."""
        of_blocks = getattr(self.source, "runs_of_blocks", None)
        found: Sequence[Runs] | None = None if of_blocks is None else of_blocks(blocks)
        return found

    def hold(self, roi: Roi) -> NDArray[Any]:
        """Read a region, and keep it for whoever reads it next in this thread."""
        with spending("reading"):
            array = self.source.read(roi)
        hold(self, roi, array)
        return array


def digest_of_reads(given: BlockInputs, block: StepBlock, sums: Sums | None = None) -> bytes:
    """Digest all that a block reads.

    Parameters
    ----------
    given : BlockInputs
        The step, as a worker gets it.
    block : StepBlock
        The block.
    sums : Sums, optional
        Of regions that were read before; those that are read now are added.

    Returns
    -------
    bytes
        A sha256, of sums in place of voxels (`voxel_sums`); empty where something that the
        function gets has no stable form.
    """
    reads = _Reads(sums)
    try:
        reads.block(given, block)
    except _Unseen:
        return b""
    return reads.digest.digest()


def sum_reads(given: BlockInputs, block: StepBlock, sums: Sums, *, but: int) -> None:
    """Read the images of a block for its digest, all but one input, and add their sums."""
    reads, layout = _Reads(sums), given.step.layout
    with suppress(_Unseen):
        for position, item in enumerate(given.inputs):
            if position != but and position < len(layout.inputs) and layout.inputs[position]:
                reads.image(item, layout.source(position, block.write_roi))  # type: ignore[arg-type]


class _Reads:
    """Walks what one block reads, and digests it; equal regions are read once."""

    def __init__(self, sums: Sums | None) -> None:
        self.digest = hashlib.sha256()
        self._sums = {} if sums is None else sums
        self._seen: dict[tuple[Same, Roi], int] = {}

    def block(self, given: BlockInputs, block: StepBlock) -> None:
        """Add what a block of a step gets."""
        layout = given.step.layout
        self._sparse(given, block)
        for position, item in enumerate(given.inputs):
            if position < len(layout.inputs) and layout.inputs[position]:
                self.image(item, layout.source(position, block.write_roi))  # type: ignore[arg-type]
            elif isinstance(item, Deferred):
                self._value(given, item, block)
        for name, value in sorted(given.params.items()):
            if isinstance(value, Deferred):
                self._note(name)
                self._value(given, value, block, takes_block=False)

    def _sparse(self, given: BlockInputs, block: StepBlock) -> None:
        """Read what the function takes sparsely, and hold it so; what is digested is all of it."""
        found: dict[int, SparseArray | Runs] = {}
        spec, layout = given.step.spec, given.step.layout
        for each in sparse_inputs(spec, layout, given.inputs, block):
            source = given.inputs[each.position]
            if not isinstance(source, RecalledImage):
                raise _Unseen
            roi = layout.source(each.position, block.write_roi)
            sums = VoxelSums()
            kinds: set[str] = set()

            def seen(array: NDArray[Any], sums: VoxelSums = sums, kinds: set[str] = kinds) -> None:
                sums.add(array)
                kinds.add(array.dtype.str)

            held = each.read(layout, source, block, found, seen)
            found[each.position] = held
            hold(source, (each, roi), held)
            described = f"{kinds.pop()} {tuple(roi.shape)}"
            self._sums[Same(source), roi] = described, sums.end()

    def image(self, source: Readable, roi: Roi) -> None:
        """Add what is read of an image."""
        if isinstance(source, ViewSource):
            self.image(source.source, source.view.below(roi))
        elif isinstance(source, ComputedImage):
            for block in source.blocks(roi):
                self._note(f"inside {block.write_roi}")
                if not self._is_seen(source, block.write_roi):
                    self.block(source.given, block)
        elif isinstance(source, RecalledImage):
            self._region(source, roi)
        else:
            raise _Unseen

    def _region(self, source: RecalledImage, roi: Roi) -> None:
        self._note(f"region {roi}")
        if self._is_seen(source, roi):
            return
        place = (Same(source), roi)
        if place not in self._sums:
            array = source.hold(roi)
            self._sums[place] = f"{array.dtype.str} {array.shape}", voxel_sums(array).tobytes()
        described, sums = self._sums[place]
        self._note(described)
        self.digest.update(sums)

    def _is_seen(self, source: object, roi: Roi) -> bool:
        """Whether a region has been walked before; then that counts, and which one it was."""
        place = (Same(source), roi)
        if place in self._seen:
            self._note(f"as region {self._seen[place]}")
            return True
        self._seen[place] = len(self._seen)
        return False

    def _value(
        self, given: BlockInputs, item: Deferred, block: StepBlock, *, takes_block: bool = True
    ) -> None:
        value = given.loaded.of(item)
        if takes_block and isinstance(value, BlockParts):
            part = value[block.index]
            hold(value, block.index, part)
            digest = _digest_of(part)
        else:
            digest = given.loaded.digest(item, _digest_of)
        if digest is None:
            raise _Unseen
        self._note(digest)

    def _note(self, text: str) -> None:
        self.digest.update(f"{len(text)} {text}".encode())


def _digest_of(value: object) -> str | None:
    """Digest a value that a step has made; None where not all of it has a stable form."""
    from scutoid.store import canonical_digest  # few workers get values, and keys are slow to load

    unseen: set[str] = set()
    try:
        digest = (
            None if isinstance(value, ReadWhenAsked) else canonical_digest(value, unseen=unseen)
        )
    except ParameterError:
        return None
    return None if unseen else digest

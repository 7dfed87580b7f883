"""What workers do: a block of a step, the end of a reduction, a whole step, a collection's member.

Everything here is sent to a worker once, holds descriptions and paths, and reads and writes storage
itself; only small results (parts, values and tables of a block) go back to the driver.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ImageSpec, ImageWriter, open_source
from scutoid.blocks import Block, BlockStatus
from scutoid.geometry import Coordinate, Roi
from scutoid.pipeline._compute import BlockStep, Readable, merge_in_order
from scutoid.pipeline._evaluate import (
    call_step,
    finish,
    join_tables,
)
from scutoid.pipeline._losses import shard_record
from scutoid.pipeline._parts import BlockParts, PartsGrid, decode, encode, read_payload
from scutoid.pipeline._spec import StepSpec
from scutoid.pipeline._stored import (
    FILES_FOLDER,
    output_names,
    packed_slot,
)
from scutoid.store import Entry, Pack

_IN_MEMORY = 2**29
_COMPUTED_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class Held:
    """A value that a worker loads when it first needs it."""

    load: Callable[[], Any]
    """Returns the value."""


class Resolved:
    """Loads held values once in a process; a copy that was sent loads them anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[int, Any] = {}

    def of(self, item: object) -> Any:
        """Return an item, loaded if it is held."""
        if not isinstance(item, Held):
            return item
        with self._lock:
            if id(item) not in self._values:
                self._values[id(item)] = item.load()
            return self._values[id(item)]

    def __reduce__(self) -> tuple[type[Resolved], tuple[()]]:
        return Resolved, ()


@dataclass(frozen=True, slots=True, eq=False)
class BlockInputs:
    """The inputs and parameters of a block-wise step, as a worker gets them."""

    step: BlockStep
    """The step."""
    inputs: tuple[object, ...]
    """Readable images, `Held` values, or values."""
    params: Mapping[str, object]
    """Values, held or not."""
    resolved: Resolved = field(default_factory=Resolved)
    """Those that were loaded."""

    def compute(
        self, index: int, ready: Mapping[str, object], written: Readable | None = None
    ) -> tuple[object, ...]:
        """Compute one block; `written` is the step's own image, if it sees its neighbours."""
        inputs = []
        for item in self.inputs:
            value = self.resolved.of(item)
            inputs.append(value[index] if isinstance(value, BlockParts) else value)
        params = {name: self.resolved.of(value) for name, value in self.params.items()}
        return self.step.compute(index, inputs, {**params, **ready}, written=written)


@dataclass(frozen=True, slots=True, eq=False)
class BlockWork:
    """Computes a block, writes its images, and returns the rest packed."""

    given: BlockInputs
    """What to compute."""
    writers: tuple[ImageWriter | None, ...]
    """Where each output goes, if it is an image."""
    shapes: tuple[tuple[int, ...] | None, ...]
    """Shape of each image output."""
    offsets: tuple[Coordinate | None, ...]
    """Frame offset of each image output."""
    own: str | None = None
    """Where its own image lies, for a step that sees its neighbours."""

    def __call__(self, block: Block, **ready: object) -> object:
        """Run in a worker."""
        # Blocks before this one are done for good, so what is read is not yet to change.
        written = None if self.own is None else open_source(self.own)
        results = self.given.compute(block.index, ready, written)
        layout = self.given.step.layout
        wrote = False
        packed: list[object] = []
        for result, writer, shape, offset in zip(
            results, self.writers, self.shapes, self.offsets, strict=True
        ):
            if writer is None or shape is None or offset is None:
                packed.append(result)
                continue
            roi = layout.output_roi(block.write_roi, shape).shift(-offset)
            wrote |= writer.write(roi, np.asarray(result))
        if packed:
            return encode(packed)
        return None if wrote else BlockStatus.EMPTY


class ComputedImage:
    """An image that is not kept: its blocks are computed when they are read.

    The last few blocks are remembered, for neighbours that read the same ones.
    """

    def __init__(
        self, given: BlockInputs, output: int, spec: ImageSpec, offset: Coordinate
    ) -> None:
        self.given = given
        self.output = output
        self.spec = spec
        self.offset = offset
        self.chunks = tuple(given.step.layout.grid.block_shape)
        self._blocks: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._ready: dict[str, object] | None = None

    def read(self, roi: Roi) -> NDArray[Any]:
        """Compute a region, in the image's own voxels."""
        layout = self.given.step.layout
        target = roi.shift(self.offset)
        array = np.zeros(tuple(roi.shape), self.spec.dtype)
        for index in layout.grid.blocks_in(layout.grid_region(target)):
            written = layout.output_roi(layout.grid.write_roi(index), self.spec.shape)
            common = written.intersect(target)
            piece = self._block(index)[common.to_slices(written.offset)]
            array[common.to_slices(target.offset)] = piece
        return array

    def _block(self, index: int) -> NDArray[Any]:
        with self._lock:
            if index in self._blocks:
                self._blocks.move_to_end(index)
                return self._blocks[index]
            if self._ready is None:
                self._ready = {n: load() for n, load in self.given.step.spec.setup.items()}
        array = np.asarray(self.given.compute(index, self._ready)[self.output])
        with self._lock:
            self._blocks[index] = array
            while len(self._blocks) > _COMPUTED_BLOCKS:
                self._blocks.popitem(last=False)
        return array

    def __reduce__(self) -> tuple[type[ComputedImage], tuple[Any, ...]]:
        return ComputedImage, (self.given, self.output, self.spec, self.offset)


@dataclass(frozen=True, slots=True, eq=False)
class FinishWork:
    """Joins what the blocks of a step returned, saves it and commits the entry."""

    step: BlockStep
    """The step."""
    params: Mapping[str, object]
    """Values, held or not."""
    entry: Entry
    """Where the result goes."""
    pack: Pack
    """What the blocks returned."""
    resolved: Resolved = field(default_factory=Resolved)

    def __call__(self, block: Block) -> None:
        """Run in a worker."""
        spec = self.step.spec
        indices = self.step.indices()
        names = output_names(spec.outputs)
        if spec.kind == "reduction":
            values = (decode(read_payload(self.pack, index))[0] for index in indices)
            merged = merge_in_order(values, spec.merge)  # type: ignore[arg-type]
            params = {name: self.resolved.of(value) for name, value in self.params.items()}
            result = finish(spec, merged, params, self.step)
            self.entry.save(result, names[0], format=spec.value_format)
        else:
            for output, kind in enumerate(spec.outputs):
                if kind == "table":
                    slot = packed_slot(spec.outputs, output)
                    tables = (decode(read_payload(self.pack, n))[slot] for n in indices)
                    self.entry.save(join_tables(tables), names[output], format=spec.value_format)
        self.pack.close()
        self.entry.commit()


@dataclass(frozen=True, slots=True, eq=False)
class StepWork:
    """Calls a whole step, saves what it returns and commits the entry."""

    spec: StepSpec
    """The step."""
    inputs: tuple[object, ...]
    """Readable images with their shapes, `Held` values, or values."""
    params: Mapping[str, object]
    """Values, held or not."""
    entry: Entry
    """Where the result goes."""
    frames: tuple[Any, ...]
    """Description of each image output."""
    writers: tuple[ImageWriter | None, ...]
    """Where each image output goes."""
    voxel_size: tuple[float, ...] | None
    origin: tuple[float, ...] | None
    where: PartsGrid | None
    """Blocks of a parts output."""
    pack: Path
    """Where parts go."""
    resolved: Resolved = field(default_factory=Resolved)

    def __call__(self, block: Block, **ready: object) -> None:
        """Run in a worker."""
        spec = self.spec
        folder = None
        if "files" in spec.outputs:
            folder = self.entry.path / FILES_FOLDER
            folder.mkdir(exist_ok=True)
        params = {name: self.resolved.of(value) for name, value in self.params.items()}
        results = call_step(
            spec,
            [self.resolved.of(item) for item in self.inputs],
            {**params, **ready},
            frames=self.frames,
            key=None,
            voxel_size=self.voxel_size,
            origin=self.origin,
            where=self.where,
            folder=folder,
        )
        names = output_names(spec.outputs)
        for kind, name, result, writer in zip(
            spec.outputs, names, results, self.writers, strict=True
        ):
            if writer is not None:
                writer.write(Roi((0,) * result.ndim, result.shape), result)
            elif kind == "parts":
                with Pack(self.pack, "a") as pack:
                    pack.append_many((n, {}, encode([part])) for n, part in result.items())
            elif kind != "files":
                self.entry.save(result, name, format=spec.value_format)
        self.entry.commit(shard_record(self.entry))


@dataclass(frozen=True, slots=True)
class WholeImage:
    """Reads all of an image, for a whole step."""

    source: Readable
    shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return the array."""
        return self.source.read(Roi((0,) * len(self.shape), self.shape))

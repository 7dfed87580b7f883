"""What workers do: a block of a step, the end of a reduction, a whole step, a collection's member.

Everything here is sent to a worker once, holds descriptions and paths, and reads and writes storage
itself; only small results (parts, values and tables of a block) go back to the driver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ImageWriter, Readable, drop_chunks, write_kept
from scutoid.blocks import Block, Done
from scutoid.errors import StoreError
from scutoid.geometry import Coordinate, Roi
from scutoid.heap import give_back_memory
from scutoid.spent import spending
from scutoid.steps.compute import (
    BlockInputs,
    BlockStep,
    Deferred,
    Loaded,
    Sums,
    call_step,
    digest_of_reads,
    encode,
    finish,
    holding,
    join_tables,
    merge_in_order,
    read_value,
)
from scutoid.steps.declaration import StepBlock, StepSpec, own
from scutoid.steps.layout import PartsGrid
from scutoid.steps.results import BLOCKS, FILES_FOLDER, output_names, packed_slot
from scutoid.steps.work._drafts import Draft, Drafting, DraftReader
from scutoid.steps.work._handover import Handover
from scutoid.steps.work._taking import BlockResult, EarlierBlocks
from scutoid.store import Entry, Pack, empty_folder

_LARGE = 2**23
"""Voxels that a block reads from which on it matters what memory is kept for others."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockWork:
    """Computes a block, writes its images, returns the rest packed, and notes of the shards."""

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
    handover: Handover | None = None
    """How its image goes to a step that reads the same blocks."""
    is_digested: bool = False
    """Whether what it reads is digested, so that a later result can take it over."""
    earlier: EarlierBlocks | None = None
    """What it may be taken over from."""
    drafting: Drafting | None = None
    """How drafts are left for who reads what it finds, if any are."""
    drafts: DraftReader | None = None
    """How its own drafts are found, if any are made."""

    def __call__(self, block: Block, **ready: object) -> object:
        """Run in a worker."""
        described = self.given.step.block(block.index)
        draft = None if self.drafts is None else self.drafts.take(block.index)
        sums: Sums = {} if draft is None else draft.sums
        is_large = described.read_roi.size >= _LARGE
        if is_large:
            _make_room()
        with holding():
            digest = digest_of_reads(self.given, described, sums) if self.is_digested else b""
            if is_large:  # all is read that it reads
                _make_room()
            if self.earlier is not None:
                regions = tuple(self._regions(block))
                with spending("writing"):
                    taken = self.earlier.take(block.index, digest, self.writers, regions)
                if taken is not None:
                    return Done(taken, is_empty=taken.is_empty, is_taken=True)
            # Blocks before this one are done for good, so what is read is not yet to change.
            with spending("reading"):
                written = self._own_image()
            results = self._finished(draft, described)
            if results is None and self.drafting is not None and self.drafting.is_here:
                results = self.drafting.compute(described, sums)
            elif results is None:
                results = self.given.compute(described, ready, written)
        with spending("writing"):
            result = self._write(block, results, digest)
        return Done(result, is_empty=result.is_empty)

    def _finished(self, draft: Draft | None, block: StepBlock) -> Sequence[object] | None:
        """Return what comes of the draft of a block; None where it is to be computed."""
        if draft is None or self.drafts is None:
            return None
        return self.drafts.finished(draft, block)

    def _regions(self, block: Block) -> Iterator[Roi | None]:
        """Yield the region of each output that the block writes, in the image's own voxels."""
        layout = self.given.step.layout
        for shape, offset in zip(self.shapes, self.offsets, strict=True):
            if shape is None or offset is None:
                yield None
            else:
                yield layout.output_roi(block.write_roi, shape).shift(-offset)

    def _own_image(self) -> Readable | None:
        """Return what of its own image has been written, for a step that sees its neighbours."""
        if self.own is None:
            return None
        from scutoid.arrays import open_source  # readers of all formats, which few workers need

        return open_source(self.own)

    def _write(self, block: Block, results: Sequence[object], digest: bytes) -> BlockResult:
        images = [
            np.asarray(result)
            for result, writer in zip(results, self.writers, strict=True)
            if writer is not None
        ]
        # A block is journalled as empty only if all of it is: else a missing shard is a lost one.
        is_one = len(self.writers) == 1
        stores_zeros = not is_one and (len(images) < len(results) or any(map(_is_stored, images)))
        packed: list[object] = []
        notes: list[bytes] = []
        wrote = False
        for result, writer, roi in zip(results, self.writers, self._regions(block), strict=True):
            if writer is None or roi is None:
                packed.append(result)
                notes.append(b"")
                continue
            image = np.asarray(result)
            noted, kept = write_kept(writer, roi, image, stores_zeros=stores_zeros)
            if kept is not image and not is_one:
                raise StoreError(
                    "all that is kept of a block comes from one call of its function",
                    value="another process has written one of its images meanwhile, otherwise",
                    place=f"block {block.index} of {block.task}",
                    remedy="run again, if it is not tried again by itself",
                )
            notes.append(b"" if noted is None else noted.tobytes())
            wrote |= noted is not None
            if self.handover is not None:
                self.handover.put(roi, kept)
        payload = encode(packed) if packed else None
        return BlockResult(payload, notes, digest, is_empty=payload is None and not wrote)


def _make_room() -> None:
    """Free what is kept for smaller blocks, and what they have left is too scattered for others."""
    drop_chunks()
    give_back_memory()


def _is_stored(image: NDArray[Any]) -> bool:
    """Whether an image has anything but zeros; -0.0 is none."""
    return bool(image.any() or (image.dtype.kind == "f" and np.signbit(image).any()))


class WholeResult(NamedTuple):
    """What comes of what is saved at once, for the driver to keep."""

    notes: Sequence[bytes]
    """Of each output, notes of the shards that were written; empty: no output is an image."""
    sent: Mapping[str, str]
    """Files that a worker elsewhere has sent, by name; see `Entry.sending`."""


@dataclass(frozen=True, slots=True, eq=False)
class FinishWork:
    """Joins what the blocks of a step returned, and saves it."""

    step: BlockStep
    """The step."""
    params: Mapping[str, object]
    """Values, deferred or not."""
    entry: Entry
    """Where the result goes, and what the blocks returned is."""
    loaded: Loaded = field(default_factory=Loaded)

    def __call__(self, block: Block) -> WholeResult:
        """Run in a worker."""
        self.entry.follow()
        with (
            Pack(self.entry.path / BLOCKS, key=self.entry.key) as pack,
            self.entry.sending() as sent,
        ):
            self._finish(pack)
        return WholeResult((), sent)

    def _finish(self, pack: Pack) -> None:
        spec = self.step.spec
        indices = self.step.indices()
        names = output_names(spec.outputs)
        if spec.kind == "reduction":
            values = (read_value(pack, index)[0] for index in indices)
            merged = merge_in_order(values, spec.merge)  # type: ignore[arg-type]
            params = {name: self.loaded.of(value) for name, value in self.params.items()}
            result = finish(spec, merged, {**params, **self.step.injected()})
            with spending("writing"):
                self.entry.save(result, names[0], format=spec.value_format)
        else:
            for output, kind in enumerate(spec.outputs):
                if kind == "table":
                    slot = packed_slot(spec.outputs, output)
                    tables = (read_value(pack, n)[slot] for n in indices)
                    table = join_tables(tables)
                    with spending("writing"):
                        self.entry.save(table, names[output], format=spec.value_format)


@dataclass(frozen=True, slots=True, eq=False)
class StepWork:
    """Calls a whole step, and saves what it returns."""

    spec: StepSpec
    """The step."""
    inputs: tuple[object, ...]
    """Readable images with their shapes, `Deferred` values, or values."""
    params: Mapping[str, object]
    """Values, deferred or not."""
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
    loaded: Loaded = field(default_factory=Loaded)

    def __call__(self, block: Block, **ready: object) -> WholeResult:
        """Run in a worker."""
        with self.entry.sending() as sent:
            notes = self._save(ready)
        return WholeResult(notes, sent)

    def _save(self, ready: Mapping[str, object]) -> list[bytes]:
        """Call the step and save what it returns; returns notes of the shards of each output."""
        spec = self.spec
        folder = None
        if "files" in spec.outputs:
            folder = self.entry.path / FILES_FOLDER
            empty_folder(folder)
        params = {name: self.loaded.of(value) for name, value in self.params.items()}
        results = call_step(
            spec,
            [self._own(item) for item in self.inputs],
            {**params, **ready},
            frames=self.frames,
            key=None,
            voxel_size=self.voxel_size,
            origin=self.origin,
            where=self.where,
            folder=folder,
            in_partitions=True,
        )
        names = output_names(spec.outputs)
        with spending("writing"):
            return self._written(names, results)

    def _written(self, names: Sequence[str], results: Sequence[Any]) -> list[bytes]:
        """Save results; returns notes of the shards of each."""
        spec = self.spec
        notes = [b""] * len(names)
        for number, (kind, name, result, writer) in enumerate(
            zip(spec.outputs, names, results, self.writers, strict=True)
        ):
            if writer is not None:
                noted = writer.write_noted(Roi((0,) * result.ndim, result.shape), result)
                notes[number] = b"" if noted is None else noted.tobytes()
            elif kind == "parts":
                with Pack(self.entry.path / BLOCKS, "a", key=self.entry.key) as pack:
                    pack.append_many((n, {}, encode([part])) for n, part in result.items())
            elif kind != "files":
                self.entry.save(result, name, format=spec.value_format)
        return notes

    def _own(self, item: object) -> object:
        """Return an input that a call may change in place: an image is read for each try."""
        if isinstance(item, Deferred) and isinstance(item.load, WholeImage):
            with spending("reading"):
                return item.load()
        return own(self.loaded.of(item))


@dataclass(frozen=True, slots=True)
class WholeImage:
    """Reads all of an image, for a whole step."""

    source: Readable
    shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return the array."""
        return self.source.read(Roi((0,) * len(self.shape), self.shape))

"""Results without a run: computed in this process, block by block, and kept nowhere.

The blocks are those that a run would make, so the voxels are the same.  What a step needs of the
steps before it is worked out from the region that is asked for; global values (reductions, whole
steps) are computed from the whole image.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scutoid.arrays import ArraySource
from scutoid.blocks import conflict_order
from scutoid.errors import MemoryLimitError, PipelineError
from scutoid.geometry import Coordinate, Roi
from scutoid.steps._block_inputs import BlockInputs
from scutoid.steps._call_step import call_step, finish, prepared
from scutoid.steps._collections import Collection, Gathered
from scutoid.steps._compute import (
    BlockStep,
    Readable,
    merge_in_order,
)
from scutoid.steps._computed import ComputedImage
from scutoid.steps._lazy import Image, Lazy, Parts
from scutoid.steps._parts import MemoryParts, PartsGrid
from scutoid.steps._producers import Call, Constant, Member, Opened, Producer
from scutoid.steps._spec import StepSpec
from scutoid.steps._tables import join_tables
from scutoid.steps._view import ViewSource, Window

_SHARE_OF_MEMORY = 0.5


def physical_memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Evaluation:
    """Computes results in this process; remembers what it computed while it lives.

    Parameters
    ----------
    limit : int, optional
        Bytes that the arrays of all results together may take; default: half of the machine's
        memory.
    ready : mapping, optional
        Values of a set-up that was made already.
    """

    def __init__(
        self, limit: int | None = None, *, ready: Mapping[str, object] | None = None
    ) -> None:
        self._ready = ready
        self.limit = int(physical_memory() * _SHARE_OF_MEMORY) if limit is None else limit
        self._used = 0
        self._memo: dict[tuple[int, int, Roi | None], Any] = {}
        self._shared: dict[tuple[int, int], tuple[object, ...]] = {}
        self._alive: list[Producer] = []

    def image(self, image: Image, region: Roi) -> ArraySource:
        """Return something that reads a region (in the frame) of an image, in its own voxels."""
        base = self._base(image.producer)
        view = image.view
        source: Any
        if isinstance(base, Opened):
            source = base.source
        elif (stored := getattr(base, "stored", None)) is not None:
            source = stored.image(image.output)
        elif isinstance(base, Call):
            local = region.shift(-image.framed.offset)
            below = local if view is None else view.below(local)
            source = self._compute_image(base, image.output, below)
        else:
            raise PipelineError("this is not an image", value=base.name)
        return source if view is None else ViewSource(source, view)  # type: ignore[return-value]

    def value(self, lazy: Lazy) -> Any:
        """Return a result as the user gets it: array, DataFrame, value, parts by block, folder."""
        if isinstance(lazy, Image):
            return self.image(lazy, lazy.roi).read(Roi(lazy.roi.offset * 0, lazy.shape))
        base = self._base(lazy.producer)
        if isinstance(base, Constant):
            return base.value
        if (stored := getattr(base, "stored", None)) is not None:
            return stored.value(lazy.output)
        if not isinstance(base, Call):
            raise PipelineError("this result cannot be read", value=base.name)
        memo = (id(base), lazy.output, None)
        if memo not in self._memo:
            for number, value in enumerate(self._compute_values(base)):
                self._remember(base, number, None, value)
        return self._memo[memo]

    def _base(self, producer: Producer) -> Producer:
        return producer.single if isinstance(producer, Member) else producer

    def _remember(self, producer: Producer, output: int, roi: Roi | None, value: object) -> None:
        self._alive.append(producer)  # its id() must stay its own
        self._memo[(id(producer), output, roi)] = value

    def argument(self, item: object) -> Any:
        """Return an input or parameter of a whole step as its function gets it."""
        if isinstance(item, Lazy):
            return self.value(item)
        if isinstance(item, Gathered):
            return GatheredValues(item.collection, self)
        return item

    def _params(self, params: Mapping[str, object]) -> dict[str, Any]:
        return {name: self.argument(value) for name, value in params.items()}

    def _inputs(self, step: BlockStep, inputs: Sequence[object], write: Roi) -> list[object]:
        """Return readable images for what a write region needs, and the other inputs whole."""
        found: list[object] = []
        for position, item in enumerate(inputs):
            if isinstance(item, Image) and step.layout.inputs[position]:
                found.append(self._readable(item, step.layout.source(position, write)))
            else:
                found.append(self.argument(item))
        return found

    def _readable(self, image: Image, region: Roi) -> Readable:
        """Return what a block-wise step reads a region from, in the image's own voxels."""
        call, view = image.producer, image.view
        if (
            not isinstance(call, Call)
            or not call.is_fused
            or (call.stored is not None and call.is_block_invariant)
        ):
            return self.image(image, region.shift(image.framed.offset))
        step, framed = call.block_step(), call.framed(0)
        below = region if view is None else view.below(region)
        write = step.layout.grid_region(below.shift(framed.offset))
        inputs = self._inputs(step, call.inputs, write)
        given = BlockInputs(step, tuple(inputs), self._params(call.params))
        source = ComputedImage(
            given, 0, framed.spec, framed.offset, is_cut_anew=True, is_shared=False
        )
        return source if view is None else ViewSource(source, view)

    def _compute_image(self, producer: Call, output: int, region: Roi) -> Readable:
        memo = (id(producer), output, region)
        if memo in self._memo:
            return self._memo[memo]  # type: ignore[no-any-return]
        framed = producer.framed(output)
        self._reserve(region.size * framed.spec.dtype.itemsize, producer.name)
        if producer.spec.kind == "step":
            array = self._run_step(producer)[output]
            window = Window(array, Roi(region.offset * 0, framed.spec.shape))
        else:
            window = self._compute_blocks(
                producer, output, region, framed.offset, framed.spec.dtype
            )
        self._remember(producer, output, region, window)
        return window

    def _compute_blocks(
        self, producer: Call, output: int, region: Roi, offset: Coordinate, dtype: np.dtype[Any]
    ) -> Window:
        step = producer.block_step()
        layout = step.layout
        if producer.spec.sees_neighbours:
            blocks = self._all_blocks(producer, step, (output,))
        else:
            wanted = layout.grid_region(region.shift(offset))
            wanted_blocks = layout.grid.blocks_in(wanted)
            chosen = step.chosen()
            if chosen is not None:
                wanted_blocks = (index for index in wanted_blocks if chosen[index])
            blocks = self._blocks(producer, step, list(wanted_blocks), outputs=(output,))
        target = region.shift(offset)
        array = np.zeros(tuple(region.shape), dtype)
        for index, results in blocks:
            written = layout.output_roi(
                layout.grid.write_roi(index), producer.framed(output).spec.shape
            )
            common = written.intersect(target)
            piece = results[output][common.to_slices(written.offset)]
            array[common.to_slices(target.offset)] = piece
        return Window(array, region)

    def _all_blocks(
        self,
        producer: Call,
        step: BlockStep,
        outputs: Sequence[int],
        *,
        is_streamed: bool = False,
    ) -> Iterator[tuple[int, Any]]:
        """Compute all blocks; those that see their neighbours after these."""
        if not producer.spec.sees_neighbours:
            yield from self._blocks(
                producer, step, step.indices(), outputs=outputs, is_streamed=is_streamed
            )
            return
        layout, output = step.layout, producer.spec.outputs.index("image")
        framed = producer.framed(output)
        self._reserve(framed.spec.nbytes, producer.name)
        array = np.zeros(framed.spec.shape, framed.spec.dtype)
        order = conflict_order(layout.grid, step.indices())
        written = Window(array, framed.spec.roi)
        for index, results in self._blocks(producer, step, order, written, outputs=(output,)):
            roi = layout.output_roi(layout.grid.write_roi(index), framed.spec.shape)
            array[roi.to_slices(framed.offset)] = results[output]
            yield index, results

    def _blocks(
        self,
        producer: Call,
        step: BlockStep,
        indices: Sequence[int],
        written: Readable | None = None,
        *,
        outputs: Sequence[int],
        is_streamed: bool = False,
    ) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Compute blocks, of a step with several outputs each once for all of them.

        What is streamed is remembered without its images, as is what does not fit in memory.
        """
        shared = {
            index: found
            for index in indices
            if (found := self._shared.get((id(producer), index))) is not None
            and all(found[output] is not None for output in outputs)
        }
        missing = [index for index in indices if index not in shared]
        computed = self._compute(producer, step, missing, written)
        for index in indices:
            if index in shared:
                yield index, shared[index]
                continue
            _, results = next(computed)
            self._share(producer, index, results, is_streamed=is_streamed)
            yield index, results
        next(computed, None)  # it leaves the set-up

    def _share(
        self, producer: Call, index: int, results: tuple[object, ...], *, is_streamed: bool
    ) -> None:
        """Remember a block of a step with several outputs."""
        if len(results) == 1:
            return
        kinds = producer.spec.outputs
        images = sum(item.nbytes for item in results if isinstance(item, np.ndarray))
        if is_streamed or self._used + images > self.limit:
            results = tuple(
                None if kind == "image" else item for kind, item in zip(kinds, results, strict=True)
            )
        else:
            self._used += images
        self._alive.append(producer)
        self._shared[id(producer), index] = results

    def _compute(
        self,
        producer: Call,
        step: BlockStep,
        indices: Sequence[int],
        written: Readable | None,
    ) -> Iterator[tuple[int, tuple[object, ...]]]:
        if not indices:
            return
        layout = step.layout
        write = layout.grid.write_roi(indices[0])
        for index in indices[1:]:
            write = write.union(layout.grid.write_roi(index))
        inputs = self._inputs(step, producer.inputs, write)
        params = self._params(producer.params)
        with prepared(producer.spec, self._ready) as ready:
            for index in indices:
                here = [
                    own_part(item, index, given)
                    for item, given in zip(inputs, producer.inputs, strict=True)
                ]
                yield (
                    index,
                    step.compute(
                        index, here, {**params, **ready}, key=producer.key, written=written
                    ),
                )

    def blocks(
        self, producer: Call, outputs: Sequence[int]
    ) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Compute the blocks of images one by one."""
        yield from self._all_blocks(producer, producer.block_step(), outputs, is_streamed=True)

    def _compute_values(self, producer: Call) -> tuple[Any, ...]:
        spec = producer.spec
        if spec.kind == "step":
            return self._run_step(producer)
        step = producer.block_step()
        values = [number for number, kind in enumerate(spec.outputs) if kind != "image"]
        blocks = self._all_blocks(producer, step, values)
        if spec.kind == "reduction":
            parts = (results[0] for _, results in blocks)
            merged = merge_in_order(parts, spec.merge)  # type: ignore[arg-type]
            available = {**self._params(producer.params), **step.injected()}
            return (finish(spec, merged, available),)
        return join_blocks(spec, blocks, step.layout.parts_grid)

    def _run_step(self, producer: Call) -> tuple[Any, ...]:
        """Call a whole step, once for all its outputs."""
        memo = (id(producer), -1, None)
        if memo not in self._memo:
            self._remember(producer, -1, None, run_step(producer, self))
        found: tuple[Any, ...] = self._memo[memo]
        return found

    def _reserve(self, nbytes: int, name: str) -> None:
        self._used += nbytes
        if self._used > self.limit:
            raise MemoryLimitError(
                "a result that is read without a run fits in memory",
                value=f"{self._used / 2**20:.0f} MiB needed, {self.limit / 2**20:.0f} MiB allowed",
                place=f"step {name!r}",
                remedy="run it into a store with sc.run, or read a smaller region",
            )


class GatheredValues(Mapping[str, Any]):
    """Members of a collection by key, each read when it is asked for."""

    def __init__(self, collection: Collection, evaluation: Evaluation) -> None:
        self._collection = collection
        self._evaluation = evaluation

    def __getitem__(self, key: str) -> Any:
        if key not in self._collection.producer.places:
            raise KeyError(key)
        return self._evaluation.value(self._collection.member(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._collection.keys)

    def __len__(self) -> int:
        return len(self._collection)


def own_part(value: object, index: int, given: object) -> object:
    """Return a block's own entry, where an input holds parts."""
    return value[index] if isinstance(given, Parts) else value  # type: ignore[index]


def run_step(producer: Call, evaluation: Evaluation) -> tuple[Any, ...]:
    """Call a whole step on whole values."""
    spec = producer.spec
    inputs = [evaluation.argument(item) for item in producer.inputs]
    params = {name: evaluation.argument(value) for name, value in producer.params.items()}
    return call_step(
        spec,
        inputs,
        params,
        frames=[
            producer.framed(n) if kind == "image" else None for n, kind in enumerate(spec.outputs)
        ],
        key=producer.key,
        voxel_size=producer.voxel_size,
        origin=producer.origin,
        where=producer.parts_grid,
        folder=producer.folder,
    )


def join_blocks(
    spec: StepSpec, blocks: Iterable[tuple[int, tuple[object, ...]]], where: PartsGrid
) -> tuple[Any, ...]:
    """Join the tables and parts of all blocks, in order of block number."""
    columns: list[dict[int, Any]] = [{} for _ in spec.outputs]
    for index, results in blocks:
        for number, kind in enumerate(spec.outputs):
            columns[number][index] = None if kind == "image" else results[number]
    joined: list[Any] = []
    for kind, values in zip(spec.outputs, columns, strict=True):
        if kind == "table":
            joined.append(join_tables(values[index] for index in sorted(values)))
        else:
            joined.append(MemoryParts(where, values) if kind == "parts" else None)
    return tuple(joined)

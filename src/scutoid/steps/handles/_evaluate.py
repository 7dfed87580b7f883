"""Compute results without a run: in this process, block by block, and kept nowhere.

The blocks are those that a run would make, so the voxels are the same.  What a step needs of the
steps before it is worked out from the region that is asked for; global values (reductions, whole
steps) are computed from the whole image.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ArraySource, Readable
from scutoid.blocks import conflict_order
from scutoid.errors import PipelineError
from scutoid.geometry import Coordinate, Roi
from scutoid.spent import spending
from scutoid.steps.compute import (
    BlockInputs,
    BlockStep,
    ComputedImage,
    GatheredMembers,
    MemoryParts,
    call_step,
    finish,
    join_tables,
    merge_in_order,
    prepared,
)
from scutoid.steps.declaration import StepSpec, kept, own, own_all
from scutoid.steps.graph import (
    BlockCall,
    Call,
    CollectionRef,
    Constant,
    DeferredConstant,
    FromStore,
    Gathered,
    ImageRef,
    Member,
    Node,
    Opened,
    Ref,
    WholeCall,
)
from scutoid.steps.handles._cut import grid_of_given, step_of
from scutoid.steps.handles._latest import LATEST
from scutoid.steps.handles._partial import MembersTaken
from scutoid.steps.handles._remembered import Remembered
from scutoid.steps.layout import PartsGrid, ViewSource, Window


class Evaluation:
    """Computes results in this process; remembers what it computed while it lives.

    Parameters
    ----------
    limit : int, optional
        Bytes that the arrays of all results together may take; default: half of the machine's
        memory.
    ready : mapping, optional
        Values of a set-up that was made already.
    folder : Path, optional
        Where a step with ``out="files"`` writes.
    cut_anew : function of a BlockCall, optional
        Whether a region of its images is computed as one block, with a halo of its own, and not in
        the blocks of its grid; default: none is.
    recall : int, optional
        Bytes of images beyond which those that were used longest ago are forgotten; default: all
        are remembered.
    """

    def __init__(
        self,
        limit: int | None = None,
        *,
        ready: Mapping[str, object] | None = None,
        folder: Path | None = None,
        cut_anew: Callable[[BlockCall], bool] | None = None,
        recall: int | None = None,
    ) -> None:
        self._ready = ready
        self._folder = folder
        self._cut_anew = cut_anew
        self._remembered = Remembered(limit, recall)

    def forget(self, kept: Container[Call]) -> None:
        """Forget values, tables and blocks of all calls but these; images are forgotten by size."""
        self._remembered.forget(kept)

    def image(self, ref: ImageRef, region: Roi) -> ArraySource:
        """Return something that reads a region (in the frame) of an image, in its own voxels."""
        view = ref.view
        stored = LATEST.of(ref.node)
        source: Any
        if stored is not None:
            source = stored.image(ref.output)
        else:
            node = _single(ref.node)
            if isinstance(node, Opened):
                source = node.source
            elif isinstance(node, FromStore):
                source = node.stored.image(ref.output)
            elif isinstance(node, (BlockCall, WholeCall)):
                local = region.shift(-ref.framed.offset)
                below = local if view is None else view.below(local)
                source = self._compute_image(node, ref.output, below)
            else:
                raise PipelineError("this is not an image", value=node.name)
        return source if view is None else ViewSource(source, view)  # type: ignore[return-value]

    def value(self, ref: Ref) -> Any:
        """Return a result as the user gets it: array, DataFrame, value, parts by block, folder."""
        if isinstance(ref, ImageRef):
            region = ref.roi
            source = self.image(ref, region)
            with spending("reading"):
                return source.read(region.shift(-region.offset))
        stored = LATEST.of(ref.node)
        node = ref.node if stored is not None else _single(ref.node)
        with spending("reading"):
            if stored is not None:
                return stored.value(ref.output)
            if isinstance(node, (Constant, DeferredConstant)):
                return node.value
            if isinstance(node, FromStore):
                return node.stored.value(ref.output)
        if not isinstance(node, (BlockCall, WholeCall)):
            raise PipelineError("this result cannot be read", value=node.name)
        values = self._remembered.values
        if node not in values:
            values[node] = self._compute_values(node)
        return values[node][ref.output]

    def argument(self, item: object) -> Any:
        """Return an input or parameter of a whole step as its function gets it."""
        if isinstance(item, Ref):
            return self.value(item)
        if isinstance(item, Gathered):
            collection = item.collection
            if not item.may_lack:
                return GatheredMembers(collection.keys, partial(self._member, collection))
            taken = MembersTaken(collection, "allow")
            found = dict(taken.each(partial(self._member, collection)))
            return GatheredMembers(tuple(found), lambda key: kept(found[key]), taken.missing)
        return item

    def _own(self, item: object) -> Any:
        """Return an input of a whole step that its function may change in place."""
        found = self.argument(item)
        return found if isinstance(item, ImageRef) else own(found)

    def _member(self, collection: CollectionRef, key: str) -> Any:
        return self._own(collection.member(key))

    def _params(self, params: Mapping[str, object]) -> dict[str, Any]:
        return {name: self.argument(value) for name, value in params.items()}

    def _inputs(self, step: BlockStep, inputs: Sequence[object], write: Roi) -> list[object]:
        """Return readable images for what a write region needs, and the other inputs whole."""
        needed: list[object] = []
        for position, item in enumerate(inputs):
            if isinstance(item, ImageRef) and step.layout.inputs[position]:
                needed.append(self._readable(item, step.layout.source(position, write)))
            else:
                needed.append(self.argument(item))
        return needed

    def _readable(self, image: ImageRef, region: Roi) -> Readable:
        """Return what a block-wise step reads a region from, in the image's own voxels."""
        call, view = image.node, image.view
        if (
            not isinstance(call, BlockCall)
            or not call.is_fused
            or (self._cut_anew is not None and self._cut_anew(call))
            or (call.is_block_invariant and LATEST.of(call) is not None)
        ):
            return self.image(image, region.shift(image.framed.offset))
        step, framed = step_of(call), call.framed(0)
        below = region if view is None else view.below(region)
        write = step.layout.grid_region(below.shift(framed.offset))
        inputs = self._inputs(step, call.inputs, write)
        block_inputs = BlockInputs(step, tuple(inputs), self._params(call.params))
        source = ComputedImage(
            block_inputs, 0, framed.spec, framed.offset, is_cut_again=True, is_shared=False
        )
        return source if view is None else ViewSource(source, view)

    def _compute_image(self, call: BlockCall | WholeCall, output: int, region: Roi) -> Readable:
        known = self._remembered.image(call, output, region)
        if known is not None:
            return known
        framed = call.framed(output)
        self._remembered.reserve(region.size * framed.spec.dtype.itemsize, call.name)
        if isinstance(call, WholeCall):
            array = self._run_step(call)[output]
            window = Window(array, Roi(region.offset * 0, framed.spec.shape))
        elif self._cut_anew is not None and self._cut_anew(call):
            return self._cut_images(call, output, region)
        else:
            window = self._compute_blocks(call, output, region, framed.offset, framed.spec.dtype)
        self._remembered.images[call, output, region] = window
        return window

    def _cut_images(self, call: BlockCall, output: int, region: Roi) -> Window:
        """Compute a region as blocks of its own; all images of the call at once."""
        step, kinds = step_of(call), call.spec.outputs
        layout, framed = step.layout, call.framed(output)
        target = region.shift(framed.offset)
        images = [number for number, kind in enumerate(kinds) if kind == "image"]
        arrays = {n: np.zeros(tuple(region.shape), call.framed(n).spec.dtype) for n in images}
        others = sum(array.nbytes for n, array in arrays.items() if n != output)
        self._remembered.reserve(others, call.name)
        for block, results in self.cut(call, layout.grid_region(target)):
            written = layout.output_roi(block, framed.spec.shape)
            common = written.intersect(target)
            for number, array in arrays.items():
                piece = results[number][common.to_slices(written.offset)]  # type: ignore[index]
                array[common.to_slices(target.offset)] = piece
        for number, array in arrays.items():
            self._remembered.images[call, number, region] = Window(array, region)
        return self._remembered.images[call, output, region]

    def cut(self, call: BlockCall, write: Roi) -> Iterator[tuple[Roi, tuple[object, ...]]]:
        """Compute a region of the grid of a call in as few blocks as the function takes.

        Parameters
        ----------
        call : BlockCall
            The call; it gets no parts, which belong to the blocks of its grid.
        write : Roi
            The region.

        Yields
        ------
        block : Roi
            What was written.
        results : tuple
            What the function made.
        """
        step = step_of(call)
        if write.is_empty:
            return
        whole = list(step.layout.whole_blocks(write))
        union = whole[0]
        for block in whole[1:]:
            union = union.union(block)
        inputs = self._inputs(step, call.inputs, union)
        params = self._params(call.params)
        with prepared(call.spec, self._ready) as ready:
            for block in whole:
                everything = {**own_all(params), **ready}
                here = step.block_of(block)
                yield block, step.compute_block(here, inputs, everything, key=call.key)

    def _compute_blocks(
        self, call: BlockCall, output: int, region: Roi, offset: Coordinate, dtype: np.dtype[Any]
    ) -> Window:
        step = step_of(call)
        layout = step.layout
        if call.spec.sees_neighbours:
            blocks = self._all_blocks(call, step, (output,))
        else:
            wanted = layout.grid_region(region.shift(offset))
            wanted_blocks = layout.grid.blocks_in(wanted)
            chosen = step.chosen()
            if chosen is not None:
                wanted_blocks = (index for index in wanted_blocks if chosen[index])
            blocks = self._blocks(call, step, list(wanted_blocks), outputs=(output,))
        target = region.shift(offset)
        array = np.zeros(tuple(region.shape), dtype)
        for index, results in blocks:
            written = layout.output_roi(
                layout.grid.write_roi(index), call.framed(output).spec.shape
            )
            common = written.intersect(target)
            piece = results[output][common.to_slices(written.offset)]
            array[common.to_slices(target.offset)] = piece
        return Window(array, region)

    def _all_blocks(
        self,
        call: BlockCall,
        step: BlockStep,
        outputs: Sequence[int],
        *,
        is_streamed: bool = False,
    ) -> Iterator[tuple[int, Any]]:
        """Compute all blocks; those that see their neighbours after these."""
        if not call.spec.sees_neighbours:
            yield from self._blocks(
                call, step, step.indices(), outputs=outputs, is_streamed=is_streamed
            )
            return
        layout, output = step.layout, call.spec.outputs.index("image")
        framed = call.framed(output)
        self._remembered.reserve(framed.spec.nbytes, call.name)
        array = np.zeros(framed.spec.shape, framed.spec.dtype)
        order = conflict_order(layout.grid, step.indices())
        written = Window(array, framed.spec.roi)
        for index, results in self._blocks(call, step, order, written, outputs=(output,)):
            roi = layout.output_roi(layout.grid.write_roi(index), framed.spec.shape)
            array[roi.to_slices(framed.offset)] = results[output]
            yield index, results
        self._remembered.release(framed.spec.nbytes)

    def _blocks(
        self,
        call: BlockCall,
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
        remembered = self._remembered
        shared = {
            index: results
            for index in indices
            if (results := remembered.block(call, index, outputs)) is not None
        }
        missing = [index for index in indices if index not in shared]
        computed = self._compute(call, step, missing, written)
        for index in indices:
            if index in shared:
                yield index, shared[index]
                continue
            _, results = next(computed)
            remembered.keep_block(call, index, results, is_streamed=is_streamed)
            yield index, results
        next(computed, None)  # it leaves the set-up

    def _compute(
        self,
        call: BlockCall,
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
        inputs = self._inputs(step, call.inputs, write)
        params = self._params(call.params)
        with prepared(call.spec, self._ready) as ready:
            for index in indices:
                here = [
                    own_part(item, index, argument)
                    for item, argument in zip(inputs, call.inputs, strict=True)
                ]
                everything = {**own_all(params), **ready}
                yield (
                    index,
                    step.compute(index, here, everything, key=call.key, written=written),
                )

    def region(
        self,
        call: BlockCall,
        step: BlockStep,
        write: Roi,
        index: int,
        seen: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    ) -> tuple[object, ...]:
        """Compute a block that writes a region of its own.

        Parameters
        ----------
        call : BlockCall
            The call; it gets no parts, which belong to the blocks of its grid.
        step : BlockStep
            The step on its layout.
        write : Roi
            The region.
        index : int
            Number of the block, as the function is told it.
        seen : callable, optional
            Given each array that is read of an image; returns what the function gets instead.
        """
        inputs = self._inputs(step, call.inputs, write)
        if seen is not None:
            inputs = [
                _Altered(item, seen) if placed else item  # type: ignore[arg-type]
                for item, placed in itertools.zip_longest(inputs, step.layout.inputs)
            ]
        params = own_all(self._params(call.params))
        return step.compute_block(step.block_of(write, index), inputs, params, key=call.key)

    def some_blocks(
        self, call: BlockCall, indices: Sequence[int]
    ) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Compute some blocks of a call, one by one, that do not see their neighbours."""
        return self._compute(call, step_of(call), indices, None)

    def blocks(
        self, call: BlockCall, outputs: Sequence[int]
    ) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Compute the blocks of images one by one."""
        yield from self._all_blocks(call, step_of(call), outputs, is_streamed=True)

    def _compute_values(self, call: BlockCall | WholeCall) -> tuple[Any, ...]:
        if isinstance(call, WholeCall):
            return self._run_step(call)
        spec = call.spec
        step = step_of(call)
        values = [number for number, kind in enumerate(spec.outputs) if kind != "image"]
        blocks = self._all_blocks(call, step, values)
        if spec.kind == "reduction":
            parts = (kept(results[0]) for _, results in blocks)
            merged = merge_in_order(parts, spec.merge)  # type: ignore[arg-type]
            available = {**self._params(call.params), **step.injected()}
            return (finish(spec, merged, available),)
        return join_blocks(spec, blocks, step.layout.parts_grid)

    def _run_step(self, call: WholeCall) -> tuple[Any, ...]:
        """Call a whole step, once for all its outputs."""
        if self._folder is None and "files" in call.spec.outputs:
            raise PipelineError(
                "a step that writes files is run into a store, which has a folder for them",
                value="it was not run",
                place=f"step {call.name!r}",
                remedy="run it first: sc.run(result, store=...)",
            )
        whole = self._remembered.whole
        if call not in whole:
            whole[call] = call_step(
                call.spec,
                [self._own(item) for item in call.inputs],
                self._params(call.params),
                frames=call.frames,
                key=call.key,
                voxel_size=call.voxel_size,
                origin=call.origin,
                where=grid_of_given(call),
                folder=self._folder,
            )
        return whole[call]


@dataclass(frozen=True, slots=True)
class _Altered:
    """An image whose voxels are changed as they are read."""

    reads_at_once: ClassVar[bool] = True
    image: Readable
    change: Callable[[NDArray[Any]], NDArray[Any]]

    def read(self, roi: Roi) -> NDArray[Any]:
        return self.change(self.image.read(roi))


def stored_levels(ref: ImageRef) -> int:
    """Return the number of pyramid levels of an image: those stored, or that will be."""
    stored = LATEST.of(ref.node)
    return ref.node.levels(ref.output) if stored is None else int(stored.image(ref.output).levels)


def _single(node: Node) -> Node:
    """Return what makes a member alone; any other node as it is."""
    return node.single if isinstance(node, Member) else node


def own_part(value: object, index: int, argument: object) -> object:
    """Return a block's own entry, where an input holds parts."""
    is_parts = isinstance(argument, Ref) and argument.kind == "parts"
    return value[index] if is_parts else value  # type: ignore[index]


def join_blocks(
    spec: StepSpec, blocks: Iterable[tuple[int, tuple[object, ...]]], where: PartsGrid
) -> tuple[Any, ...]:
    """Join the tables and parts of all blocks, in order of block number."""
    columns: list[dict[int, Any]] = [{} for _ in spec.outputs]
    for index, results in blocks:
        for number, kind in enumerate(spec.outputs):
            columns[number][index] = None if kind == "image" else kept(results[number])
    joined: list[Any] = []
    for kind, values in zip(spec.outputs, columns, strict=True):
        if kind == "table":
            joined.append(join_tables(values[index] for index in sorted(values)))
        else:
            joined.append(MemoryParts(where, values) if kind == "parts" else None)
    return tuple(joined)

"""Whether the blocks of a step change its result: one of them is computed with a wider halo.

::

    stored        . h h [ # # # # ] h h .        what the block wrote
    wider     . h h h h [ # # # # ] h h h h .    the same voxels, of more around them

Where the two differ, the halo is too short, or the function looks at its block as a whole, as a
labelling does.  Then the block is computed again as it was: a function that differs from itself is
not deterministic, which is another fault.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.geometry import BlockGrid, Roi
from scutoid.steps.compute import BlockStep
from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph import BlockCall, MappedCall
from scutoid.steps.handles import Evaluation
from scutoid.steps.layout import Layout
from scutoid.steps.planning import PlannedCall, PlannedRun
from scutoid.steps.results import COMPARED, StoredResult

_LOG = logging.getLogger(__name__)
_CENTRAL = 8
"""Blocks in the middle of the image that are looked at for one with something in it."""
_MEMBERS = 3
"""Members of a collection that are looked at for one that is cut."""
_WIDER = 2
"""How many times the voxels of a block the wider one has at most."""
_FEW = 4096
"""Voxels that take no time: so many the wider block may always have."""
_NOISE = 1e-6
_ROUNDINGS = 64


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two results for the same voxels differ."""

    greatest: float | None
    """The greatest difference of two numbers; None where the image is of bool."""
    share: float
    """Share of the voxels that differ."""

    def __str__(self) -> str:
        share = f"in {self.share:.2g} of its voxels"
        return share if self.greatest is None else f"by up to {self.greatest:.3g}, {share}"


def difference(one: NDArray[Any], other: NDArray[Any], *inputs: np.dtype[Any]) -> Difference | None:
    """Return how far two images differ; None: not at all, or by rounding.

    Integers and bool are compared exactly.  Floating-point numbers differ by more than rounding
    where the difference exceeds a millionth of the greatest value, or 64 roundings of the coarsest
    type among `one` and `inputs`: sums over windows, FFTs and integral images lose some digits by
    the size of the array that they are given.

    Parameters
    ----------
    one, other : ndarray
        Images of one shape and dtype.
    *inputs : dtype
        Of the images that they were made of.
    """
    differs = one != other
    if one.dtype.kind in "fc":
        differs &= ~(np.isnan(one) & np.isnan(other))
    if not differs.any():
        return None
    if one.dtype.kind == "b":
        return Difference(None, float(differs.mean()))
    with np.errstate(all="ignore"):
        if one.dtype.kind in "fc":
            wide = np.result_type(one.dtype, np.float64)
            a, b = one.astype(wide), other.astype(wide)
            size = np.abs(a - b)
            sizes = np.abs(np.concatenate([a.ravel(), b.ravel()]))
            floats = (dtype for dtype in (one.dtype, *inputs) if dtype.kind in "fc")
            relative = max(_NOISE, *(_ROUNDINGS * float(np.finfo(d).eps) for d in floats))
            allowed = relative * float(sizes[np.isfinite(sizes)].max(initial=0))
            differs &= ~(size <= allowed)  # a NaN beside a number is more than any
        else:
            size = np.maximum(one, other) - np.minimum(one, other)
    if not differs.any():
        return None
    return Difference(float(size[differs].max()), float(differs.mean()))


class Comparison:
    """Compares a block of each step that is new to the store, after a run.

    Parameters
    ----------
    planned : PlannedRun
        What was run.
    """

    def __init__(self, planned: PlannedRun) -> None:
        self._planned = planned
        self._path = planned.store.path / COMPARED
        self._known: set[str] | None = None
        self._blamed: set[object] = set()

    def warnings(self) -> tuple[str, ...]:
        """Return what was found; a comparison that fails has found nothing."""
        found = []
        for each in self._planned:
            if not _is_compared(each):
                continue
            try:
                text = self._of(each)
            except Exception:  # noqa: BLE001 - the run itself has nothing to do with it
                _LOG.debug("step %r: its blocks were not compared", each.task, exc_info=True)
                continue
            if text is not None:
                self._blamed.add(each.call)
                found.append(text)
        return tuple(found)

    def _of(self, each: PlannedCall) -> str | None:
        digest = self._digest(each)
        if self._known is None:
            self._known = set(self._path.read_text().split() if self._path.exists() else ())
        if digest in self._known or not self._blamed.isdisjoint(each.call.fused_inputs):
            return None
        case = next(_cases(each), None)
        if case is None:
            return None
        self._known.add(digest)
        with self._path.open("a") as file:
            file.write(f"{digest}\n")
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return case.warning()

    def _digest(self, each: PlannedCall) -> str:
        """Digest what a step is, whatever it is called with."""
        spec = each.call.spec
        declared = self._planned.keys.declaration(spec)
        return hashlib.sha256(
            repr((spec.label, each.key.code.digest, declared)).encode()
        ).hexdigest()


def _is_compared(each: PlannedCall) -> bool:
    """Whether a step was made in this run of blocks that another halo may change."""
    call, spec = each.call, each.call.spec
    return (
        not each.is_cached
        and spec.kind == "blockwise"
        and "image" in spec.outputs
        and spec.check_halo
        and not call.is_block_invariant
        and not (spec.setup or spec.options.requires or spec.sees_neighbours)
        and spec.grid is None
        and spec.scale == 1
        and (isinstance(call, MappedCall) or not each.is_kept or each.entry.status == "complete")
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """One block of one image, and how it is computed with more around it."""

    task: str
    call: BlockCall
    step: BlockStep
    index: int
    wider: Layout
    stored: Mapping[int, NDArray[Any]] | None
    """What the block wrote of each image; None where the step is not kept."""

    def warning(self) -> str | None:
        """Compute the block, and say what is wrong with it."""
        narrow = self.stored or self._computed(self.step)
        found = self._difference(narrow, self._computed(replace(self.step, layout=self.wider)))
        if found is None:
            return None
        where = f"block {self.index}" + (f" of {self.call.key!r}" if self.call.key else "")
        again = self._difference(narrow, self._computed(self.step))
        if again is not None:
            return (
                f"step {self.task!r} is not deterministic: {where} computed again from the same "
                f"voxels differs {again}; pass what it depends on as a parameter, such as the "
                "seed of its random numbers"
            )
        low, high = (
            tuple(new - old for new, old in zip(wide, own, strict=True))
            for wide, own in zip(self.wider.grid.halo, self.step.layout.grid.halo, strict=True)
        )
        return (
            f"step {self.task!r}: its result depends on how the image is cut; {where}, computed "
            f"with {low} more voxels of halo below and {high} above, differs {found}; give it a "
            "larger halo=, or, if it looks at its array as a whole, use @scutoid.step or an "
            "operation of scutoid such as label; check_halo=False where it is meant"
        )

    def _computed(self, step: BlockStep) -> Mapping[int, NDArray[Any]]:
        results = Evaluation().block(self.call, step, self.index)
        return {n: np.asarray(results[n]) for n in _images(self.call.spec)}

    def _difference(
        self, ones: Mapping[int, NDArray[Any]], others: Mapping[int, NDArray[Any]]
    ) -> Difference | None:
        inputs = [image.dtype for image in self.call.images]
        each = (difference(ones[n], others[n], *inputs) for n in ones)
        return next(filter(None, each), None)


def _images(spec: StepSpec) -> list[int]:
    return [number for number, kind in enumerate(spec.outputs) if kind == "image"]


def _cases(each: PlannedCall) -> Iterator[_Case]:
    """Yield blocks to compare: of a collection, those of its first members that are cut."""
    call = each.call
    if isinstance(call, MappedCall):
        items = each.items
        for key in itertools.islice((key for key in call.keys if items.has(key)), _MEMBERS):
            member = call.member(key)
            if isinstance(member, BlockCall):
                step = member.step_on(member.layout)
                yield from _case(each.task, member, step, items.existing(key).image)
    elif isinstance(call, BlockCall) and each.step is not None:
        image = StoredResult(each.entry).image if each.is_kept else None
        yield from _case(each.task, call, each.step, image)


def _case(
    task: str, call: BlockCall, step: BlockStep, image: Callable[[int], Any] | None
) -> Iterator[_Case]:
    """Yield the block in the middle of an image, of some there the first that is not uniform."""
    central = [
        (index, wider)
        for index in _central(step)
        if (wider := _wider(step.layout, step.layout.grid.write_roi(index))) is not None
    ]
    if not central:
        return
    if image is None:
        yield _Case(task, call, step, *central[0], None)
        return
    arrays = {output: image(output) for output in _images(call.spec)}
    first = None
    for index, wider in central:
        write = step.layout.grid.write_roi(index)
        stored = {}
        for output, array in arrays.items():
            framed = call.framed(output)
            roi = step.layout.output_roi(write, framed.spec.shape).shift(-framed.offset)
            stored[output] = np.asarray(array.read(roi))
        case = _Case(task, call, step, index, wider, stored)
        first = first or case
        if any((values != values.flat[0]).any() for values in stored.values()):
            yield case
            return
    if first is not None:
        yield first


def _central(step: BlockStep) -> list[int]:
    """Return some of the blocks that run, those nearest to the middle of the image first."""
    shape = tuple(step.layout.grid.shape)
    chosen = step.chosen()
    indices = np.arange(step.layout.grid.n_blocks) if chosen is None else np.flatnonzero(chosen)
    distance = np.zeros(len(indices))
    for place, size in zip(np.unravel_index(indices, shape), shape, strict=True):
        distance = np.maximum(distance, np.abs(place - (size - 1) / 2) / size)
    return [int(n) for n in indices[np.argsort(distance, kind="stable")[:_CENTRAL]]]


def _wider(layout: Layout, write: Roi) -> Layout | None:
    """Return a layout that reads more for one region; None where the image has no more around it.

    What is read grows by the same number of voxels on all sides that are cut, up to the edge.
    """
    read, image = layout.read_roi(write), layout.image
    is_cut = [axis in layout.function_axes and layout.is_cut(axis) for axis in layout.axes]
    room = [
        (max(start - first, 0), max(last - end, 0)) if cut else (0, 0)
        for cut, start, end, first, last in zip(
            is_cut, read.offset, read.end, image.offset, image.end, strict=True
        )
    ]
    most = max(_WIDER * read.size, _FEW)
    grown: list[tuple[int, int]] = []
    for margin in range(1, max(map(max, room), default=0) + 1):
        more = [(min(low, margin), min(high, margin)) for low, high in room]
        size = 1
        for length, (low, high) in zip(read.shape, more, strict=True):
            size *= length + low + high
        if grown and size > most:
            break
        grown = more
    if not grown:
        return None
    halo = [(a + x, b + y) for a, b, (x, y) in zip(*layout.grid.halo, grown, strict=True)]
    return replace(layout, grid=BlockGrid(layout.grid.total, layout.grid.block_shape, halo=halo))

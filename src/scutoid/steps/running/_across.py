"""Voxels beside the faces of blocks, computed anew in a block that lies across these faces.

::

    stored    . . h h [ # # # # | # # # # ] h h . .      two blocks, each with its halo
    anew      . . . . . h h [ # # # # ] h h . . . .      one block across their faces
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.geometry import Roi
from scutoid.steps.compute import BlockStep
from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph import BlockCall, MappedCall
from scutoid.steps.handles import Evaluation
from scutoid.steps.planning import PlannedCall
from scutoid.steps.results import StoredResult
from scutoid.steps.running._difference import Difference, difference, rescaled

_CENTRAL = 8
"""Places in the middle of the image that are looked at for one with something in it."""
_SPREAD = 8
"""Places elsewhere."""
_MEMBERS = 3
"""Members of a collection that are looked at for one that is cut."""

_Images = Mapping[int, NDArray[Any]]
"""Arrays by number of the output."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a comparison has shown."""

    text: str
    """What is wrong; empty: nothing."""
    differs: bool
    """Whether anything differs, be it by rounding."""
    has_content: bool
    """Whether there was more than one value to compare."""


@dataclass(frozen=True, slots=True)
class Case:
    """A region that lies across the faces of blocks, and what these wrote of it."""

    task: str
    call: BlockCall
    step: BlockStep
    region: Roi
    parts: Mapping[int, Roi]
    """The part of the region that each block wrote, by its number."""
    arrays: Mapping[int, Any] | None
    """What is stored, by output; None where the step is not kept."""

    def compare(self) -> Result:
        """Compute the region anew, and say what is wrong with it."""
        parts = self.parts
        if self.arrays is None:  # one block suffices: the region has faces on the other side
            parts = dict([next(iter(parts.items()))])
        wrote = {index: self._written(index, part) for index, part in parts.items()}
        anew = self._computed(self.region)
        new = {index: self._cut(anew, self.region, part) for index, part in parts.items()}
        has_content = _has_content(new)
        worst = self._worst(wrote, new)
        if worst is None:
            return Result("", differs=False, has_content=has_content)
        index, found = worst
        again = {index: self._of_block(index, parts[index])}
        other = self._worst({index: wrote[index]}, again)
        if other is not None:
            text = self._not_deterministic(index, other[1])
            return Result(text, differs=True, has_content=True)
        is_rounding = self._is_rounding(index, found, new)
        text = "" if is_rounding else self._depends(index, found)
        return Result(text, differs=True, has_content=True)

    @property
    def has_content(self) -> bool:
        """Whether what is stored there has more than one value."""
        wrote = {index: self._written(index, part) for index, part in self.parts.items()}
        return _has_content(wrote)

    def _is_rounding(self, index: int, found: Difference, new: Mapping[int, _Images]) -> bool:
        """Whether a change of the inputs' last digits makes as much of a difference."""
        part = self.parts[index]

        def noise(*, whole: bool, factor: bool = True) -> tuple[bool, Difference | None]:
            is_changed = False

            def change(image: NDArray[Any]) -> NDArray[Any]:
                nonlocal is_changed
                other = rescaled(image, whole=whole, factor=factor)
                is_changed |= other is not image
                return other

            changed = self._cut(self._computed(self.region, seen=change), self.region, part)
            worst = self._worst({index: changed}, {index: new[index]})
            return is_changed, None if worst is None else worst[1]

        is_changed, by_rounding = noise(whole=False)
        are_floats = all(image.dtype.kind in "fc" for image in new[index].values())
        if not is_changed and are_floats and noise(whole=True, factor=False)[1] is None:
            _, by_rounding = noise(whole=True)
        return found.is_like(by_rounding)

    def _not_deterministic(self, index: int, found: Difference) -> str:
        return (
            f"step {self.task!r} is not deterministic: {self._where(index)} computed again from "
            f"the same voxels differs {found}; pass what it depends on as a parameter, such as the "
            "seed of its random numbers"
        )

    def _depends(self, index: int, found: Difference) -> str:
        return (
            f"step {self.task!r}: its result depends on how the image is cut; "
            f"{self._where(index)}, computed again in a block that begins at "
            f"{tuple(self.region.offset)}, across its face, differs {found}; give it a larger "
            "halo=, or, if it looks at its array as a whole, use @scutoid.step or an operation of "
            "scutoid such as label; round where a comparison or a cast of floats decides; "
            "check_halo=False where it is meant"
        )

    def _where(self, index: int) -> str:
        return f"block {index}" + (f" of {self.call.key!r}" if self.call.key else "")

    def _written(self, index: int, part: Roi) -> _Images:
        """Return what a block wrote, or would write, of its part of the region."""
        if self.arrays is None:
            return self._of_block(index, part)
        return {
            n: np.asarray(array.read(self._output(n, part).shift(-self.call.framed(n).offset)))
            for n, array in self.arrays.items()
        }

    def _of_block(self, index: int, part: Roi) -> _Images:
        write = self.step.layout.grid.write_roi(index)
        return self._cut(self._computed(write, index), write, part)

    def _computed(
        self,
        write: Roi,
        index: int | None = None,
        seen: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    ) -> _Images:
        """Compute a region as block `index`; None: the last one that wrote a part of it."""
        number = max(self.parts) if index is None else index
        results = Evaluation().region(self.call, self.step, write, number, seen)
        return {n: np.asarray(results[n]) for n in _images(self.call.spec)}

    def _cut(self, images: _Images, write: Roi, part: Roi) -> _Images:
        """Take a part of images that cover a region."""
        return {
            n: image[self._output(n, part).to_slices(self._output(n, write).offset)]
            for n, image in images.items()
        }

    def _output(self, output: int, region: Roi) -> Roi:
        """Return a region of the grid in the frame of an output."""
        return self.step.layout.output_roi(region, self.call.framed(output).spec.shape)

    def _worst(
        self, ones: Mapping[int, _Images], others: Mapping[int, _Images]
    ) -> tuple[int, Difference] | None:
        """Return the block that differs in the largest share of its part, of the first output."""
        inputs = [image.dtype for image in self.call.images]
        found = []
        for index, images in ones.items():
            each = (difference(images[n], others[index][n], *inputs) for n in images)
            first = next(filter(None, each), None)
            if first is not None:
                found.append((index, first))
        return max(found, key=lambda pair: pair[1].share, default=None)


def _has_content(blocks: Mapping[int, _Images]) -> bool:
    """Whether an image has more than one value in some blocks."""
    every = list(blocks.values())
    return any((each[n] != image.flat[0]).any() for n, image in every[0].items() for each in every)


def _images(spec: StepSpec) -> list[int]:
    return [number for number, kind in enumerate(spec.outputs) if kind == "image"]


def case_with_content(each: PlannedCall) -> Case | None:
    """Return a place to compare, of those looked at the first that is not uniform."""
    first = None
    for case in _cases(each):
        if case.arrays is None or case.has_content:
            return case
        first = first or case
    return first


def _cases(each: PlannedCall) -> Iterator[Case]:
    """Yield places to compare: of a collection, those of its first members that are cut."""
    call = each.call
    if isinstance(call, MappedCall):
        items = each.items
        for key in itertools.islice((key for key in call.keys if items.has(key)), _MEMBERS):
            member = call.member(key)
            if isinstance(member, BlockCall):
                image = items.existing(key).image
                arrays = {output: image(output) for output in _images(member.spec)}
                yield from _places(each.task, member, member.step_on(member.layout), arrays)
    elif isinstance(call, BlockCall) and each.step is not None:
        stored = StoredResult(each.entry).image if each.is_kept else None
        kept = None if stored is None else {n: stored(n) for n in _images(call.spec)}
        yield from _places(each.task, call, each.step, kept)


def _places(
    task: str, call: BlockCall, step: BlockStep, arrays: Mapping[int, Any] | None
) -> Iterator[Case]:
    """Yield regions across the faces of blocks that ran, those in the middle first."""
    grid, chosen, is_cut = step.layout.grid, step.chosen(), _is_cut(step)
    for corner in _corners(grid.shape, is_cut):
        region = _across(step, corner, is_cut)
        parts = {
            index: grid.write_roi(index).intersect(region)
            for index in grid.blocks_in(region)
            if chosen is None or chosen[index]
        }
        if parts:
            yield Case(task, call, step, region, parts, arrays)


def _is_cut(step: BlockStep) -> list[bool]:
    """Say along which axes blocks have neighbours that the function may have to see."""
    layout = step.layout
    return [
        axis in layout.function_axes and n > 1
        for axis, n in zip(layout.axes, layout.grid.shape, strict=True)
    ]


def _corners(shape: Sequence[int], is_cut: Sequence[bool]) -> Iterator[tuple[int, ...]]:
    """Yield blocks at whose upper faces there are others: the middle ones, and some elsewhere."""
    if not any(is_cut):
        return
    counts = [n - 1 if cut else n for n, cut in zip(shape, is_cut, strict=True)]
    places = np.indices(counts, np.int32).reshape(len(counts), -1)
    middle = [(n - 1) / 2 for n in counts]
    distance = np.zeros(places.shape[1], np.float32)
    for along, centre, n in zip(places, middle, counts, strict=True):
        distance = np.maximum(distance, np.abs(along - np.float32(centre)) / n)
    order = np.argsort(distance, kind="stable")
    rest = order[_CENTRAL:]
    spread = rest[np.linspace(0, len(rest) - 1, min(_SPREAD, len(rest))).astype(int)]
    for place in (*order[:_CENTRAL], *spread):
        yield tuple(places[:, place].tolist())


def _across(step: BlockStep, corner: Sequence[int], is_cut: Sequence[bool]) -> Roi:
    """Return a region of a block's shape around the corner between blocks.

    It has a voxel or more on each side of each face.
    """
    grid = step.layout.grid
    offset, shape = [], []
    for at, start, length, cut in zip(
        corner, grid.total.offset, grid.block_shape, is_cut, strict=True
    ):
        face = start + (at + 1) * length
        low = (length + 1) // 2 if cut else length
        high = max(length // 2, 1) if cut else 0
        offset.append(face - low)
        shape.append(low + high)
    return Roi(offset, shape).intersect(grid.total)

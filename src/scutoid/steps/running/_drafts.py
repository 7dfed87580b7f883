"""Which steps of a plan leave drafts of blocks, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from scutoid.steps.compute import BlockInputs
from scutoid.steps.declaration import Finds, LooksUp, Renumbers
from scutoid.steps.graph import BlockCall, CollectionRef, Gathered, ImageRef, Ref, memory_of
from scutoid.steps.planning import PlannedCall, PlannedRun
from scutoid.steps.running._edges import Edges
from scutoid.steps.running._inputs import WorkerInputs
from scutoid.steps.work import Drafting, DraftReader


@dataclass(frozen=True, slots=True)
class _Pair:
    """Who makes drafts, and who reads them."""

    finder: PlannedCall
    reader: PlannedCall
    position: int
    """Which input of the reader is the image that the finder finds."""


class Drafts:
    """The drafts of a plan: of readers of numbered images that are not kept."""

    def __init__(self, planned: PlannedRun, inputs: WorkerInputs, edges: Edges) -> None:
        self._planned = planned
        self._inputs = inputs
        self._edges = edges
        self._pairs = [pair for each in planned if (pair := self._pair(each)) is not None]
        self._readers: dict[PlannedCall, DraftReader] = {}

    def read_by(self, each: PlannedCall) -> DraftReader | None:
        """Return how a step finds drafts of its blocks; None if there are none."""
        pairs = (pair for pair in self._pairs if pair.reader is each)
        return next((self._reader(pair) for pair in pairs), None)

    def made_by(self, each: PlannedCall, given: BlockInputs) -> Drafting | None:
        """Return how a step leaves drafts for the readers of its image; None if it leaves none."""
        said, readers = each.call.spec.draft, self._readers_of(each)
        if not readers or not isinstance(said, Finds):
            return None
        spec = replace(
            given.step.spec, function=said.function, outputs=("parts", "image"), packed=True
        )
        step = replace(given.step, spec=spec, dtypes=(None, np.dtype(np.uint32)))
        return Drafting(replace(given, step=step), [self._reader(pair) for pair in readers])

    def memory(self, each: PlannedCall) -> int:
        """Estimate the bytes that a block of a step needs for drafts, besides its own."""
        calls = (pair.reader.call for pair in self._readers_of(each))
        return max((memory_of(call, self._planned.layouts) for call in calls), default=0)

    def close(self) -> None:
        """Forget what nobody has taken."""
        for reader in self._readers.values():
            reader.close()

    def _readers_of(self, each: PlannedCall) -> list[_Pair]:
        return [pair for pair in self._pairs if pair.finder is each]

    def _reader(self, pair: _Pair) -> DraftReader:
        each, call = pair.reader, pair.reader.call
        if each not in self._readers:
            assert isinstance(call, BlockCall)  # noqa: S101 - else it were in no pair
            name = self._inputs.way_to(each)
            given = self._inputs.of_blocks(call)
            self._readers[each] = DraftReader(name, given, pair.position, bool(each.family))
        return self._readers[each]

    def _pair(self, reader: PlannedCall) -> _Pair | None:
        """Return who finds what a step reads, if it can have drafts."""
        call = reader.call
        if reader.is_cached or not isinstance(call, BlockCall) or not _can_have_drafts(call):
            return None
        numbered = list(_numbered(call))
        if len(numbered) != 1:
            return None
        position, image = numbered[0]
        above = self._planned.of(image)
        if above is None or above.is_kept or above.is_cached:
            return None
        others = (*call.inputs[:position], *call.inputs[position + 1 :], *call.params.values())
        if any(self._waits_for(call, item) for item in others):
            return None
        finder = self._finder(image.node)  # type: ignore[arg-type]
        is_same = finder is not None and self._inputs.reads_its_blocks(call, image.node)
        return _Pair(finder, reader, position) if finder is not None and is_same else None

    def _waits_for(self, call: BlockCall, item: object) -> bool:
        """Whether what a step gets may not be there when objects are found."""
        if isinstance(item, (Ref, CollectionRef)):
            return self._edges.is_waited_for(call, item)
        return isinstance(item, Gathered)

    def _finder(self, image: BlockCall) -> PlannedCall | None:
        """Return the step that finds the objects of an image, if it does so in this run."""
        merged, said = image.given_parts, image.spec.draft
        found = getattr(merged, "given_parts", None)
        finder = self._planned.by_node.get(found) if found is not None else None
        if finder is None or finder.is_cached or not isinstance(found, BlockCall):
            return None
        own, other = self._planned.layouts.of(found), self._planned.layouts.of(image)
        is_same = (
            isinstance(said, LooksUp)
            and isinstance(found.spec.draft, Finds)
            and found.spec.name == said.step
            and found.inputs == image.inputs[:1]
            and found.params == image.params
            and (own.axes, own.function_axes) == (other.axes, other.function_axes)
            and own.grid == other.grid
        )
        return finder if is_same and _is_plain(found) else None


def _numbered(call: BlockCall) -> Iterator[tuple[int, ImageRef]]:
    """Yield the images that a call reads whose numbers are looked up, and which inputs they are."""
    for position, item in enumerate(call.inputs):
        if not isinstance(item, ImageRef) or not isinstance(item.node, BlockCall):
            continue
        if isinstance(item.node.spec.draft, LooksUp) and item.view is None:
            yield position, item


def _can_have_drafts(call: BlockCall) -> bool:
    said = call.spec.draft
    if not isinstance(said, Renumbers) or call.spec.outputs != ("parts",) or not _is_plain(call):
        return False
    return said.fits(call.params)


def _is_plain(call: BlockCall) -> bool:
    """Whether blocks may be computed with those of another: they have no limit of their own."""
    options = call.spec.options
    return not (call.spec.setup or options.timeout or options.requires or options.where)

"""Which region of each result a region of the targets needs, from the targets upwards.

::

    target            R
    label             R and a margin, for its objects go on beyond R
    gaussian          that and a halo
    raw               the same
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from scutoid.arrays import SPATIAL
from scutoid.exploring._graph import Graph, Unit
from scutoid.exploring._spans import Spans, grown, hull, roi_of, spans_of
from scutoid.geometry import Roi
from scutoid.steps.graph import BlockCall, Call, ImageRef, Ref
from scutoid.steps.layout import Layout

Widths = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """The region on which a unit of steps is computed that join objects across blocks."""

    region: Spans
    """Where what it makes is right, but for objects that go on beyond."""
    read: Spans
    """What it is computed of, with halos."""
    edges: Spans
    """The image; where the region ends here, nothing goes on."""


@dataclass(slots=True)
class _Need:
    plain: Spans | None = None
    """What is needed as it is."""
    margined: Spans | None = None
    """What is needed with its margin, which it has already."""

    def add(self, spans: Spans, *, has_margin: bool) -> None:
        if has_margin:
            self.margined = hull(self.margined, spans)
        else:
            self.plain = hull(self.plain, spans)

    @property
    def items(self) -> list[tuple[Spans, bool]]:
        found = [(self.plain, False), (self.margined, True)]
        return [(spans, has_margin) for spans, has_margin in found if spans is not None]


@dataclass(slots=True)
class Needs:
    """Works out what is needed of each call.

    Parameters
    ----------
    graph : Graph
        The calls.
    full : mapping of Call to Call
        Each as it is on the whole image.
    is_leaf : function of a Call
        Whether it is read, and not computed.
    margin : function of an ImageRef
        Returns the margin by spatial axis, in voxels.
    is_cut_anew : function of a BlockCall
        Whether a region of it is one block.
    """

    graph: Graph
    full: Mapping[Call, Call]
    is_leaf: Callable[[Call], bool]
    margin: Callable[[BlockCall], Widths]
    is_cut_anew: Callable[[BlockCall], bool]
    areas: dict[Unit, Area] = field(default_factory=dict)
    _needs: dict[Call, _Need] = field(default_factory=dict)

    def of(self, call: Call) -> Spans:
        """Return all that is needed of a call that is not joined."""
        found: Spans | None = None
        for spans, _ in self._needs[call].items:
            found = hull(found, spans)
        return found or {}

    def add(self, ref: Ref, spans: Spans, *, has_margin: bool) -> None:
        """Ask for a region of a result, given in its own frame."""
        call = self.graph.call_of(ref)
        if call is None:
            return
        if isinstance(ref, ImageRef):
            on_full = ImageRef(self.full[call], output=ref.output, view=ref.view)
            spans = _below(on_full, spans)
        self._needs.setdefault(call, _Need()).add(spans, has_margin=has_margin)

    def settle(self) -> None:
        """Go from the targets upwards."""
        for unit in reversed(self.graph.units):
            wanted = [c for c in unit.calls if c in self._needs and not self.is_leaf(c)]
            if not wanted or unit.role == "global":
                continue
            if unit.role == "joined":
                self._join(unit, wanted)
                continue
            for spans, has_margin in self._needs[wanted[0]].items:
                if unit.role == "tables":
                    self._ask(unit.calls[0], spans, has_margin=has_margin)
                else:
                    self._ask_below(unit.calls[0], spans, has_margin=has_margin)

    def _ask(self, call: Call, spans: Spans, *, has_margin: bool) -> None:
        """Ask for the same region of all that a call gets but images."""
        for item in (*call.inputs, *call.params.values()):
            is_image = isinstance(item, ImageRef)
            if isinstance(item, Ref) and not is_image and not self.graph.needs_all(item, call):
                self.add(item, spans, has_margin=has_margin)

    def _ask_below(self, call: Call, spans: Spans, *, has_margin: bool) -> None:
        """Ask for what a function of a block gets, its halo too."""
        full = self.full[call]
        assert isinstance(full, BlockCall)  # noqa: S101 - units that are local are
        layout = full.layout
        write = _written(layout, spans, is_cut_anew=self.is_cut_anew(full) or _is_table(full))
        keeps = layout.target is None and not any(any(side) for side in layout.grid.halo)
        regions: list[Spans] = []
        for position, item in enumerate(full.inputs):
            if isinstance(item, ImageRef) and layout.inputs[position] and not write.is_empty:
                region = layout.source(position, write).shift(item.framed.offset)
                given = call.inputs[position]
                assert isinstance(given, Ref)  # noqa: S101 - as the other is
                regions.append(spans_of(item.axes, region))
                self.add(given, regions[-1], has_margin=has_margin and keeps)
        if layout.target is None:
            self._ask(call, spans_of(layout.axes, write), has_margin=has_margin)
        elif regions:  # the frame of what tables were made of is that of the input
            self._ask(call, regions[0], has_margin=has_margin)

    def _join(self, unit: Unit, wanted: Iterable[Call]) -> None:
        fulls = [self.full[call] for call in unit.calls]
        blocks = [full for full in fulls if isinstance(full, BlockCall)]
        whole: dict[str, tuple[int, int]] = {}
        halo: dict[str, tuple[int, int]] = {}
        for block in blocks:
            layout = block.layout
            whole.update(spans_of(layout.axes, layout.image))
            sides = zip(layout.axes, *layout.grid.halo, strict=True)
            for axis, low, high in sides:
                below, above = halo.get(axis, (0, 0))
                halo[axis] = (max(below, int(low)), max(above, int(high)))
        region: Spans | None = None
        for call in wanted:
            for spans, has_margin in self._needs[call].items:
                wider = not has_margin and unit.needs_margin and bool(blocks)
                margin = self.margin(blocks[0]) if wider else {}
                region = hull(region, grown(spans, margin, whole))
        if not blocks:  # a step of whole images, of the region alone
            images = [item for c in unit.calls for item in self.full[c].inputs]
            first = next(item for item in images if isinstance(item, ImageRef))
            whole = spans_of(first.axes, first.roi)
        found = self._cut(blocks, {axis: (region or {}).get(axis, whole[axis]) for axis in whole})
        read = self._aligned(blocks, grown(found, halo, whole))
        self.areas[unit] = Area(found, read, whole)
        for call in unit.calls:
            for item in (*call.inputs, *call.params.values()):
                made_by = self.graph.call_of(item) if isinstance(item, Ref) else None
                if made_by is not None and made_by not in unit.calls:
                    assert isinstance(item, Ref)  # noqa: S101 - as it is made by a call
                    self.add(item, read, has_margin=not any(map(any, halo.values())))

    def _cut(self, blocks: list[BlockCall], region: Spans) -> Spans:
        """Return the region along the axes that can be cut, whole along the others."""
        found = dict(region)
        for call in blocks:
            layout = call.layout
            full = spans_of(layout.axes, layout.image)
            for axis in layout.axes:
                if axis not in layout.iterated and axis not in SPATIAL:
                    found[axis] = full[axis]
        return self._aligned(blocks, found)

    def _aligned(self, blocks: list[BlockCall], region: Spans) -> Spans:
        """Return whole blocks of a run, where results depend on them."""
        found = dict(region)
        for call in blocks:
            if not call.spec.block_invariant:
                write = roi_of(call.layout.axes, found, call.layout.image)
                found.update(spans_of(call.layout.axes, _in_blocks(call.layout, write)))
        return found


def _written(layout: Layout, spans: Spans, *, is_cut_anew: bool) -> Roi:
    """Return the region of the grid that is computed for a region of the output."""
    whole = layout.grid.total
    region = roi_of(layout.axes, spans, whole)
    if region.is_empty:
        return region
    if not is_cut_anew:
        return _in_blocks(layout, region)
    blocks = list(layout.whole_blocks(region))
    union = blocks[0]
    for block in blocks[1:]:
        union = union.union(block)
    return union


def _in_blocks(layout: Layout, region: Roi) -> Roi:
    union = Roi(region.offset, region.shape * 0)
    for index in layout.grid.blocks_in(region):
        union = union.union(layout.grid.write_roi(index))
    return union


def _below(ref: ImageRef, spans: Spans) -> Spans:
    """Return the region beneath a view, in the frame of what makes the image."""
    if ref.view is None:
        return spans
    region = roi_of(ref.axes, spans, ref.roi).shift(-ref.framed.offset)
    base = ref.node.framed(ref.output)
    return spans_of(base.spec.axes, ref.view.below(region).shift(base.offset))


def _is_table(call: BlockCall) -> bool:
    return "image" not in call.spec.outputs

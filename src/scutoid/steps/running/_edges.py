"""What a task waits for: the steps that it needs, block by block where the grids allow it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scutoid.blocks import After
from scutoid.geometry import BlockGrid, Coordinate
from scutoid.steps.graph import BlockCall, Call, CollectionRef, Gathered, ImageRef, MappedCall, Ref
from scutoid.steps.planning import PlannedRun, is_computed


class Edges:
    """Finds the edges of calls in a plan."""

    def __init__(self, planned: PlannedRun) -> None:
        self._planned = planned
        self._layouts = planned.layouts
        self._reaches: dict[BlockCall, tuple[Coordinate, Coordinate]] = {}

    def of(self, call: Call) -> tuple[After, ...]:
        """Return what a call waits for."""
        edges: dict[str, After] = {}
        for item in (*call.inputs, *call.params.values()):
            is_whole = isinstance(item, Gathered)
            ref = item.collection if isinstance(item, Gathered) else item
            if isinstance(ref, (Ref, CollectionRef)):
                for edge in self._edge(call, ref, is_whole=is_whole):
                    known = edges.setdefault(edge.task, edge)
                    if known != edge:
                        edges[edge.task] = _wider(known, edge)
        return tuple(edges.values())

    def is_waited_for(self, call: Call, ref: Ref | CollectionRef) -> bool:
        """Whether a call waits for what makes one of its inputs; what is fused has inputs too."""
        return bool(self._edge(call, ref, is_whole=False))

    def _edge(self, call: Call, ref: Ref | CollectionRef, *, is_whole: bool) -> list[After]:
        above = self._planned.of(ref)
        if above is None:
            return []
        upstream = above.call
        if (
            isinstance(call, BlockCall)
            and isinstance(upstream, BlockCall)
            and isinstance(ref, ImageRef)
            and upstream in call.fused_inputs
            and is_computed(above)
        ):
            return self._through(call, upstream, ref, self.of(upstream))
        if not above.is_kept:
            return [_whole(edge) for edge in self.of(upstream)]
        if above.is_cached:
            return []
        if isinstance(upstream, MappedCall):
            aligned = not is_whole and call.keys == upstream.keys and isinstance(ref, CollectionRef)
            return [After(above.task) if aligned else After.all(above.task, 1)]
        joined = above.has_finish and ref.kind not in {"image", "parts"}
        if not isinstance(upstream, BlockCall) or joined:
            return [After.all(above.finish_task, 1)]
        return [self._between_blocks(call, upstream, ref, above.task)]

    def _between_blocks(
        self, call: Call, upstream: BlockCall, ref: Ref | CollectionRef, task: str
    ) -> After:
        """Return what the blocks of a call wait for of the blocks of another."""
        whole = After.all(task, len(self._layouts.of(upstream).axes))
        if not isinstance(call, BlockCall):
            return whole
        layout = self._layouts.of(call)
        is_mirrored = call.spec.sees_neighbours and layout.border == "reflect"
        if (layout.target is not None and layout.target.scale is None) or is_mirrored:
            return whole
        axes = self._axes_map(call, upstream, ref)
        return After(task, axes, self._scale(call, axes))

    def _through(
        self, call: BlockCall, fused: BlockCall, ref: ImageRef, edges: Iterable[After]
    ) -> list[After]:
        """Return what a step that is computed in the blocks of a call lets it wait for."""
        if not self._is_on_grid_of_inputs(call, fused) or call.spec.sees_neighbours:
            return [_whole(edge) for edge in edges]
        own = self._layouts.of(fused)
        axes = [
            place if axis in own.iterated or own.is_cut(axis) else None
            for axis, place in zip(own.axes, self._axes_map(call, fused, ref), strict=True)
        ]
        return [
            replace(edge, axes=tuple(None if n is None else axes[n] for n in edge.axes or ()))
            for edge in edges
        ]

    def grid(self, call: BlockCall) -> BlockGrid:
        """Return the grid of a call as its edges need it: with all that a block reads as halo.

        That is what is read for the steps that are computed in it, and for a border that mirrors.
        """
        grid = self._layouts.of(call).grid
        if call.spec.sees_neighbours:  # its halo says which blocks are in conflict as well
            return grid
        return BlockGrid(grid.total, grid.block_shape, halo=self._reach(call), fit=grid.fit)

    def _reach(self, call: BlockCall) -> tuple[Coordinate, Coordinate]:
        """Tell how far a block sees, below and above, through the steps computed inside it."""
        if call not in self._reaches:
            self._reaches[call] = self._worked_out_reach(call)
        return self._reaches[call]

    def _worked_out_reach(self, call: BlockCall) -> tuple[Coordinate, Coordinate]:
        layout = self._layouts.of(call)
        low, high = map(list, layout.grid.halo)
        if layout.border == "reflect":
            low = high = [max(pair) for pair in zip(low, high, strict=True)]
        added = [[0] * layout.grid.ndim, [0] * layout.grid.ndim]
        for image in call.images:
            fused = image.node
            if not isinstance(fused, BlockCall) or fused not in call.fused_inputs:
                continue
            if self._is_on_grid_of_inputs(call, fused):
                places = self._axes_map(call, fused, image)
                for side, reach in zip(added, self._reach(fused), strict=True):
                    for place, voxels in zip(places, reach, strict=True):
                        if place is not None:
                            side[place] = max(side[place], voxels)
        sides = (
            [a + b for a, b in zip(own, more, strict=True)]
            for own, more in zip((low, high), added, strict=True)
        )
        first, last = (Coordinate(*side) for side in sides)
        return first, last

    def _is_on_grid_of_inputs(self, *calls: BlockCall) -> bool:
        return all(self._layouts.of(call).target is None for call in calls)

    def _scale(self, call: BlockCall, axes: tuple[int | None, ...]) -> float | tuple[float, ...]:
        """Tell how many voxels of the upstream grid a voxel of this grid is, on each axis of it."""
        layout = self._layouts.of(call)
        if layout.target is None or layout.target.scale is None:
            return 1.0
        seen = [axis for axis in layout.function_axes if axis in layout.axes]
        scale = dict(zip(seen, layout.target.scale, strict=True))
        return tuple(1.0 if n is None else scale.get(layout.axes[n], 1.0) for n in axes)

    def _axes_map(
        self, call: BlockCall, upstream: BlockCall, ref: Ref | CollectionRef
    ) -> tuple[int | None, ...]:
        """Tell for each axis of the upstream grid which axis of this grid it is, in one frame."""
        layout, above = self._layouts.of(call), self._layouts.of(upstream)
        found: list[int | None] = []
        for axis in above.axes:
            place = layout.axes.find(axis)
            same_frame = place >= 0
            if same_frame and isinstance(ref, ImageRef) and layout.target is not None:
                # the output has a frame of its own, which begins where the input does
                start = ref.framed.offset[ref.axes.index(axis)] if axis in ref.axes else None
                same_frame = start == above.grid.total.offset[above.axes.index(axis)]
                same_frame = same_frame and start == layout.grid.total.offset[place]
            elif same_frame and isinstance(ref, ImageRef):
                same_frame = axis in ref.axes and (
                    ref.framed.offset[ref.axes.index(axis)] == layout.image.offset[place]
                )
            found.append(place if same_frame else None)
        return tuple(found)


def _wider(a: After, b: After) -> After:
    """Return an edge that waits for what both wait for."""
    if a.axes is None or b.axes is None:
        return a if b.axes is None else b
    same = a.scale == b.scale
    axes = tuple(x if x == y and same else None for x, y in zip(a.axes, b.axes, strict=True))
    return After(a.task, axes, a.scale if same else 1.0)


def _whole(edge: After) -> After:
    """Return an edge that waits for the whole of the same task."""
    return edge if edge.axes is None else After(edge.task, (None,) * len(edge.axes))

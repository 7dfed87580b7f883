"""What a task waits for: the steps that it needs, block by block where the grids allow it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from scutoid.blocks import After
from scutoid.geometry import BlockGrid, Coordinate
from scutoid.steps._collections import Collection, Gathered
from scutoid.steps._lazy import Image, Lazy
from scutoid.steps._planner import Planner, is_computed
from scutoid.steps._producers import Call


class Edges:
    """Finds the edges of calls in a plan."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner

    def of(self, call: Call) -> tuple[After, ...]:
        """Return what a call waits for."""
        edges: dict[str, After] = {}
        for item in (*call.inputs, *call.params.values()):
            lazy = item.collection if isinstance(item, Gathered) else item
            if isinstance(lazy, Lazy):
                for edge in self._edge(call, lazy, is_whole=isinstance(item, Gathered)):
                    known = edges.setdefault(edge.task, edge)
                    if known != edge:
                        edges[edge.task] = _wider(known, edge)
        return tuple(edges.values())

    def _edge(self, call: Call, lazy: Lazy, *, is_whole: bool) -> list[After]:
        work = self.planner.work(lazy)
        if work is None:
            return []
        upstream = work.call
        is_inside = upstream in call.fused_inputs and is_computed(work)
        if is_inside or not work.is_kept:
            return self._through(call, upstream, lazy, self.of(upstream), is_inside=is_inside)
        if work.status == "cached":
            return []
        if upstream.keys is not None:
            aligned = not is_whole and call.keys == upstream.keys and isinstance(lazy, Collection)
            return [After(work.task) if aligned else After.all(work.task, 1)]
        if upstream.spec.kind == "step" or (
            work.has_finish and lazy.kind not in {"image", "parts"}
        ):
            return [After.all(work.finish_task, 1)]
        grid_axes = upstream.layout().axes
        if call.keys is not None or call.spec.kind == "step":
            return [After.all(work.task, len(grid_axes))]
        target = call.layout().target
        is_mirrored = call.spec.sees_neighbours and call.layout().border == "reflect"
        if (target is not None and target.scale is None) or is_mirrored:
            return [After.all(work.task, len(grid_axes))]
        axes = self._axes_map(call, upstream, lazy)
        return [After(work.task, axes, self._scale(call, axes))]

    def _through(
        self, call: Call, fused: Call, lazy: Lazy, edges: Iterable[After], *, is_inside: bool
    ) -> list[After]:
        """Return what a step that is computed in the blocks of a call lets it wait for."""
        is_cut_alike = _is_on_grid_of_inputs(call, fused) and not call.spec.sees_neighbours
        if not is_inside or not is_cut_alike:
            return [_whole(edge) for edge in edges]
        own = fused.layout()
        axes = [
            place if axis in own.iterated or own.is_cut(axis) else None
            for axis, place in zip(own.axes, self._axes_map(call, fused, lazy), strict=True)
        ]
        return [
            replace(edge, axes=tuple(None if n is None else axes[n] for n in edge.axes or ()))
            for edge in edges
        ]

    def grid(self, call: Call) -> BlockGrid:
        """Return the grid of a call as its edges need it: with all that a block reads as halo.

        That is what is read for the steps that are computed in it, and for a border that mirrors.
        """
        grid = call.layout().grid
        if call.spec.sees_neighbours:  # its halo says which blocks are in conflict as well
            return grid
        return BlockGrid(grid.total, grid.block_shape, halo=self._reach(call), fit=grid.fit)

    def _reach(self, call: Call) -> tuple[Coordinate, Coordinate]:
        layout = call.layout()
        low, high = map(list, layout.grid.halo)
        if layout.border == "reflect":
            low = high = [max(pair) for pair in zip(low, high, strict=True)]
        added = [[0] * layout.grid.ndim, [0] * layout.grid.ndim]
        for item in call.inputs:
            if not isinstance(item, Image) or item.producer not in call.fused_inputs:
                continue
            fused: Any = item.producer
            if _is_on_grid_of_inputs(call, fused):
                places = self._axes_map(call, fused, item)
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

    def _scale(self, call: Call, axes: tuple[int | None, ...]) -> float | tuple[float, ...]:
        """Tell how many voxels of the upstream grid a voxel of this grid is, on each axis of it."""
        layout = call.layout()
        if layout.target is None or layout.target.scale is None:
            return 1.0
        seen = [axis for axis in layout.function_axes if axis in layout.axes]
        scale = dict(zip(seen, layout.target.scale, strict=True))
        return tuple(1.0 if n is None else scale.get(layout.axes[n], 1.0) for n in axes)

    def _axes_map(self, call: Call, upstream: Call, lazy: Lazy) -> tuple[int | None, ...]:
        """Tell for each axis of the upstream grid which axis of this grid it is, in one frame."""
        layout, above = call.layout(), upstream.layout()
        found: list[int | None] = []
        for axis in above.axes:
            place = layout.axes.find(axis)
            same_frame = place >= 0
            if same_frame and isinstance(lazy, Image) and layout.target is not None:
                # the output has a frame of its own, which begins where the input does
                start = lazy.framed.offset[lazy.axes.index(axis)] if axis in lazy.axes else None
                same_frame = start == above.grid.total.offset[above.axes.index(axis)]
                same_frame = same_frame and start == layout.grid.total.offset[place]
            elif same_frame and isinstance(lazy, Image):
                same_frame = axis in lazy.axes and (
                    lazy.framed.offset[lazy.axes.index(axis)] == layout.image.offset[place]
                )
            found.append(place if same_frame else None)
        return tuple(found)


def _is_on_grid_of_inputs(*calls: Call) -> bool:
    return all(call.layout().target is None for call in calls)


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

"""What a task waits for: the steps that it needs, block by block where the grids allow it."""

from __future__ import annotations

from scutoid.blocks import After
from scutoid.pipeline._collections import Collection, Gathered
from scutoid.pipeline._lazy import Image, Lazy
from scutoid.pipeline._planner import Planner, is_computed
from scutoid.pipeline._producers import Call


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
            return [_whole(edge) for edge in self.of(upstream)]
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
        if target is not None and target.scale is None:
            return [After.all(work.task, len(grid_axes))]
        axes = self._axes_map(call, upstream, lazy)
        return [After(work.task, axes, self._scale(call, axes))]

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

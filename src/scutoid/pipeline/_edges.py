"""What a task waits for: the steps that it needs, block by block where the grids allow it."""

from __future__ import annotations

from scutoid.blocks import After
from scutoid.pipeline._collections import Collection, Gathered
from scutoid.pipeline._lazy import Image, Lazy
from scutoid.pipeline._planner import Planner
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
        if work is None or work.status == "cached":
            return []
        upstream = work.call
        if not work.is_kept:
            return [_whole(edge) for edge in self.of(upstream)]
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
        return [After(work.task, self._axes_map(call, upstream, lazy))]

    def _axes_map(self, call: Call, upstream: Call, lazy: Lazy) -> tuple[int | None, ...]:
        """Tell for each axis of the upstream grid which axis of this grid it is, in one frame."""
        layout, above = call.layout(), upstream.layout()
        found: list[int | None] = []
        for axis in above.axes:
            place = layout.axes.find(axis)
            same_frame = place >= 0
            if same_frame and isinstance(lazy, Image):
                same_frame = axis in lazy.axes and (
                    lazy.framed.offset[lazy.axes.index(axis)] == layout.image.offset[place]
                )
            found.append(place if same_frame else None)
        return tuple(found)


def _wider(a: After, b: After) -> After:
    """Return an edge that waits for what both wait for."""
    if a.axes is None or b.axes is None:
        return a if b.axes is None else b
    axes = tuple(x if x == y else None for x, y in zip(a.axes, b.axes, strict=True))
    return After(a.task, axes)


def _whole(edge: After) -> After:
    """Return an edge that waits for the whole of the same task."""
    return edge if edge.axes is None else After(edge.task, (None,) * len(edge.axes))

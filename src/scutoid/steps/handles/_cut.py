"""How calls are cut that are read: as a run has cut the parts that they get, where there was one.

A call without parts is cut as it would be by default.  One with parts goes by their blocks, for its
block of some number gets the part of that number; a run with ``block=`` has other blocks than the
call knows of.
"""

from __future__ import annotations

from scutoid.steps.compute import BlockStep
from scutoid.steps.graph import BlockCall, Member, Node, WholeCall
from scutoid.steps.handles._latest import LATEST
from scutoid.steps.layout import PartsGrid


def step_of(call: BlockCall) -> BlockStep:
    """Return what computes the blocks of a call, on the grid of the parts that are read for it."""
    grid = grid_of_given(call)
    layout = call.layout
    if grid is not None and layout.parts_grid != grid:
        layout = call.cut(None, grid)
    return call.step_on(layout)


def grid_of_given(call: BlockCall | WholeCall) -> PartsGrid | None:
    """Return the blocks of the parts that a call gets; None where it gets none."""
    return None if call.given_parts is None else _grid_of_parts(call.given_parts)


def _grid_of_parts(node: Node) -> PartsGrid | None:
    """Return the blocks of the parts that a node makes: those of its newest run, if it was run."""
    stored = LATEST.of(node)
    single = node.single if isinstance(node, Member) else node
    if not isinstance(single, (BlockCall, WholeCall)):
        return single.parts_grid
    if stored is not None and "parts" in single.spec.outputs:
        grid: PartsGrid = stored.value(single.spec.outputs.index("parts")).where
        return grid
    return single.parts_grid if single.given_parts is None else grid_of_given(single)

"""The layouts of the calls of a graph, for one choice of block shapes.

The calls know how they are cut where nobody says otherwise.  A plan has a choice of its own, and so
its own `Layouts`; the calls are left as they are.
"""

from __future__ import annotations

from scutoid.steps.compute import BlockStep
from scutoid.steps.graph._call import BlockCall, WholeCall
from scutoid.steps.graph._refs import Node
from scutoid.steps.layout import Layout, PartsGrid


class Layouts:
    """The layout of each call, worked out once.

    Parameters
    ----------
    block : int, sequence or mapping, optional
        A block shape for all steps that ask for none; default: each as it is chosen for it.
    """

    def __init__(self, block: object = None) -> None:
        self._block = block
        self._reused: dict[BlockCall, object] = {}
        self._layouts: dict[BlockCall, Layout] = {}
        self._steps: dict[BlockCall, BlockStep] = {}

    def reuse(self, call: BlockCall, block: object) -> None:
        """Cut a call as an earlier run did; before anything that depends on it is asked for."""
        self._reused[call] = block
        self._layouts.pop(call, None)
        self._steps.pop(call, None)

    def of(self, call: BlockCall) -> Layout:
        """Return how a call is cut."""
        if self._block is None and not self._reused:
            return call.layout
        if call not in self._layouts:
            parts = None if call.given_parts is None else self.parts_grid(call.given_parts)
            self._layouts[call] = call.cut(self._reused.get(call, self._block), parts)
        return self._layouts[call]

    def step(self, call: BlockCall) -> BlockStep:
        """Return what the workers need to compute one block of a call."""
        if call not in self._steps:
            self._steps[call] = call.step_on(self.of(call))
        return self._steps[call]

    def parts_grid(self, node: Node) -> PartsGrid | None:
        """Return the blocks that the parts of a node belong to."""
        if isinstance(node, BlockCall):
            return self.of(node).parts_grid
        if isinstance(node, WholeCall):
            return None if node.given_parts is None else self.parts_grid(node.given_parts)
        return node.parts_grid

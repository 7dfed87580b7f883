"""Parts of blocks for workers, beside a model that looks at each part each time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scutoid.blocks import BlockGrid, BlockTask, Scheduler, run_blocks
from scutoid.blocks._shares import Shares
from scutoid.geometry import Roi
from scutoid.testing import SimulatedExecutor


class Model:
    def __init__(self, indices, n):
        self.parts = [part.tolist() for part in np.array_split(indices, n)]

    def take(self, share, wanted):
        own = self.parts[share % len(self.parts)]
        if own:
            taken, own[:] = own[:wanted], own[wanted:]
            return taken
        largest = max(self.parts, key=len)
        cut = max(len(largest) - wanted, 0)
        taken, largest[:] = largest[cut:], largest[:cut]
        return taken


@given(st.integers(1, 60), st.integers(1, 12), st.data())
def test_parts_are_taken_from_their_begin_and_the_largest_from_its_end(n, workers, data):
    shares, model = Shares(np.arange(n), workers), Model(np.arange(n), workers)
    while shares.n_left:
        share, wanted = data.draw(st.integers(0, 20)), data.draw(st.integers(1, 9))
        taken = shares.take(share, wanted).tolist()
        assert taken
        assert taken == model.take(share, wanted)
    assert not any(model.parts)


def test_what_is_asked_for_a_block_does_not_grow_with_the_workers(monkeypatch):
    asked = []
    take = Scheduler.next
    monkeypatch.setattr(
        Scheduler, "next", lambda *args, **own: asked.append(1) or take(*args, **own)
    )
    grid = BlockGrid(Roi((0,), (2000,)), 1)
    for workers in (4, 200):
        asked.clear()
        executor = SimulatedExecutor(seed=3)  # blocks of a second: one in a batch, none behind it
        run_blocks(BlockTask("t", lambda block: None, grid), executor=executor, workers=workers)
        n_rounds = len({event.time for event in executor.trace if event.what == "done"})
        assert len(asked) < 2 * 2000 + 3 * n_rounds + workers

"""Detect what is missing of the values that blocks returned; no value is read.

The recipe of a complete result notes how large its journal and its packs are.  Where it does not,
or they are of another size, the index of the pack says which values there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import BlockStatus, Journal
from scutoid.steps.results._names import BLOCKS
from scutoid.steps.results._record import ResultRecord
from scutoid.store import JOURNAL, RECIPE, SIZES, Entry, Pack

Ints = NDArray[np.int64]


def lost_values(entry: Entry) -> dict[str, Ints]:
    """Numbers of the blocks of a complete result whose values are missing, by file.

    Those that a journal does not name, which is missing or cut off, count as missing too.

    Raises
    ------
    StoreError
        If the journal or the index is damaged.
    """
    recipe = entry.recipe
    changed = entry.resized()
    if recipe is None or (SIZES in recipe.extra and not changed):
        return {}
    record = ResultRecord.of(recipe, place=entry.path / RECIPE)
    if record is None or entry.status != "complete":
        return {}
    statuses = Journal.read(entry.journal)
    lost: dict[str, Ints] = {}
    if JOURNAL in changed:
        lost[JOURNAL] = np.flatnonzero(statuses == BlockStatus.WAITING)
    wanted: Ints = np.flatnonzero(statuses == BlockStatus.WRITTEN)
    for output in record.outputs:
        if output.parts is not None and not len(statuses):  # of a step without blocks
            wanted = np.arange(output.parts.grid.grid.n_blocks)
    if any(output.kind in ("parts", "table", "value") for output in record.outputs):
        with Pack(entry.path / BLOCKS) as pack:
            missing = [n for n in wanted.tolist() if n not in pack]
        if missing:
            lost[BLOCKS] = np.array(missing, np.int64)
    return lost

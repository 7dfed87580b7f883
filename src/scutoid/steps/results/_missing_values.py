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
    """Numbers of the blocks of a result whose values are missing, by file.

    Of a complete one those that a journal does not name, which is missing or cut off, count too; of
    one that is being made, those that it names.

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
    if record is None:
        return {}
    is_complete = entry.status == "complete"
    statuses = Journal.read(entry.journal, key=entry.key)
    lost: dict[str, Ints] = {}
    if is_complete and JOURNAL in changed:
        lost[JOURNAL] = np.flatnonzero(statuses == BlockStatus.WAITING)
    wanted: Ints = np.flatnonzero(statuses == BlockStatus.WRITTEN)
    for output in record.outputs:
        is_without_blocks = is_complete and not len(statuses)
        if output.parts is not None and is_without_blocks:
            wanted = np.arange(output.parts.grid.grid.n_blocks)
    if any(output.kind in ("parts", "table", "value") for output in record.outputs):
        with Pack(entry.path / BLOCKS, key=entry.key) as pack:
            missing = [n for n in wanted.tolist() if n not in pack]
        if missing:
            lost[BLOCKS] = np.array(missing, np.int64)
    return lost

"""The steps of `corrected`: each block is given only what concerns it.

::

    labels ─► ids of each block ─┬─► boxes in each block ─► their voxels ─┐
    corrections ─────────────────┴────────────────────────────────────────┴─► changes of each block
    labels ─► corrected, by the changes of the block

What objects corrections are about, and what numbers new ones get, is decided once, on the voxels in
the boxes alone.  The changes of a block are the voxels in it that are painted and the numbers in it
that are others now, so one more correction leaves those of all other blocks as they were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import Correction, Ids, as_ids
from scutoid.correcting._folder import Corrections, open_corrections
from scutoid.correcting._resolve import (
    FreshIds,
    NoFreeNumber,
    Resolution,
    edits_within,
    replaced,
)
from scutoid.errors import PipelineError
from scutoid.geometry import BlockGrid, Roi
from scutoid.steps import BlockParts, StepBlock, blockwise, injected, step

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = dict[str, Array]
PLACE = "corrected"


@blockwise(out="parts", block_invariant=True, version="1")
def correction_ids(labels: Array) -> Arrays:
    """Return the numbers in one block: no correction changes them, so they are found once."""
    return {"ids": np.unique(as_ids(labels, PLACE))}


@step(out="parts", version="1")
def correction_boxes(ids: BlockParts, corrections: Path) -> dict[int, Arrays]:
    """Say for each block which boxes of corrections it must read, from its first voxel."""
    held = _boxes_by_block(ids.grid, open_corrections(corrections).boxes())
    by_block: dict[int, Arrays] = {}
    for index in ids:
        first = ids.grid.write_roi(index).offset
        local = [shared.shift(-first) for _, shared in held.get(index, ())]
        by_block[index] = {
            "start": np.array([tuple(box.offset) for box in local], np.int64),
            "stop": np.array([tuple(box.end) for box in local], np.int64),
        }
    return by_block


@blockwise(out="parts", block_invariant=True, version="1")
def correction_voxels(labels: Array, boxes: Arrays, *, block: StepBlock = injected) -> Arrays:
    """Return the labels in the boxes of one block, one after the other."""
    whole = _as_in_grid(labels, block)
    found = [
        whole[tuple(map(slice, start, stop))].ravel()
        for start, stop in zip(boxes["start"], boxes["stop"], strict=True)
    ]
    return {"voxels": np.concatenate([np.zeros(0, labels.dtype), *found]).astype(np.uint64)}


@step(out=("parts", "table"), version="1")
def correction_changes(
    ids: BlockParts, voxels: BlockParts, corrections: Path, *, overlap: float, dtype: str
) -> tuple[dict[int, Arrays], pd.DataFrame]:
    """Say for each block which voxels and numbers of it change, and what does not apply."""
    folder = open_corrections(corrections)
    made = list(folder)
    read = _Boxes(voxels, [each.box for each in made]).read
    seen = [ids[index]["ids"] for index in ids]
    done = resolved(folder, made, read, seen, overlap, dtype)
    by_block: dict[int, Arrays] = {}
    for index in ids:
        region = ids.grid.write_roi(index)
        at, painted = edits_within(done.edits, region)
        old, new = done.renaming.of(done.place_of(region), ids[index]["ids"])
        by_block[index] = {"at": at, "painted": painted, "old": old, "new": new}
    return by_block, table_of(done, folder, made)


@blockwise(dtype="same", labels=True, block_invariant=True, version="1")
def correction_apply(labels: Array, changes: Arrays) -> Array:
    """Give the voxels of one block the numbers that corrections say."""
    kind = labels.dtype.type
    changed = cast(
        "Array", replaced(labels, changes["old"].astype(kind), changes["new"].astype(kind))
    )
    changed.reshape(-1)[changes["at"]] = changes["painted"].astype(kind)
    return changed


correction_apply = correction_apply.options(name="corrected")


class _Boxes:
    """The labels in the boxes of corrections, put together of what blocks have read."""

    def __init__(self, voxels: BlockParts, boxes: Sequence[Roi]) -> None:
        self._grid = voxels.grid
        self._boxes = _boxes_by_block(self._grid, boxes)
        self._of_block: Callable[[int], Ids] = lru_cache(64)(lambda n: voxels[n]["voxels"])

    def read(self, number: int, box: Roi) -> Ids | None:
        """Return the labels in the box of a correction; None where it leaves them."""
        if not self._grid.total.contains(box):
            return None
        labels = np.zeros(tuple(box.shape), np.uint64)
        for index in self._grid.blocks_in(box):
            start = 0
            for other, shared in self._boxes[index]:
                if other == number:
                    found = self._of_block(index)[start : start + shared.size]
                    labels[shared.to_slices(box.offset)] = found.reshape(tuple(shared.shape))
                    break
                start += shared.size
        return labels


def _boxes_by_block(grid: BlockGrid, boxes: Iterable[Roi]) -> Mapping[int, list[tuple[int, Roi]]]:
    """Return for each block the boxes that lie in part in it: their numbers, and that part."""
    held: dict[int, list[tuple[int, Roi]]] = defaultdict(list)
    for number, box in enumerate(boxes):
        for index in grid.blocks_in(box.intersect(grid.total)):
            held[index].append((number, box.intersect(grid.write_roi(index))))
    return held


def _as_in_grid(array: Array, block: StepBlock) -> Array:
    """Return the array of a block with all axes of its grid."""
    return array.reshape(tuple(block.write_roi.shape))


def resolved(
    folder: Corrections,
    made: Sequence[Correction],
    read: Callable[[int, Roi], Ids | None],
    seen: Sequence[Ids],
    overlap: float,
    dtype: str,
) -> Resolution:
    """Take all corrections of a folder in order."""
    greatest = max((int(ids[-1]) for ids in seen if len(ids)), default=0)
    largest = int(np.iinfo(dtype).max)
    fresh = FreshIds(greatest, largest, lambda: np.unique(np.concatenate(seen)))
    done = Resolution(
        read, fresh, axes=folder.axes, object_axes=folder.object_axes, overlap=overlap
    )
    try:
        return done.apply(made)
    except NoFreeNumber:
        raise PipelineError(
            "each object of a correction gets a number that no other object has",
            value=f"dtype {dtype} numbers at most {largest} objects, and all are taken",
            place=str(folder.path),
            remedy='give the labels a wider type: sc.label(mask, dtype="uint64")',
        ) from None


def table_of(done: Resolution, folder: Corrections, made: Sequence[Correction]) -> pd.DataFrame:
    import pandas as pd

    numbers = folder.numbers
    rows = [(numbers[m.number], m.reason, made[m.number]) for m in done.unapplied]
    columns: dict[str, Any] = {
        "number": np.array([number for number, _, _ in rows], np.int64),
        "kind": [c.kind for _, _, c in rows],
        "reason": [reason for _, reason, _ in rows],
        **{name: [getattr(c, name) for _, _, c in rows] for name in ("who", "when", "why")},
    }
    for n, axis in enumerate(folder.axes):
        middle = [c.offset[n] + (c.before.shape[n] - 1) / 2 for _, _, c in rows]
        columns[axis] = np.array(middle, np.float64)
    return pd.DataFrame(columns)

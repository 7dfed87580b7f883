"""The step that applies corrections: any number of blocks, each given only what concerns it.

::

    labels ─► ids of each block ─┬─► boxes in each block ─► their voxels ─┐
    corrections ─────────────────┴────────────────────────────────────────┴─► changes of each block
    labels ─► corrected, by the changes of the block

What objects corrections are about, and what numbers new ones get, is decided once, on the voxels in
the boxes alone.  The changes of a block are the voxels in it that are painted and the numbers in it
that are others now, so one more correction leaves those of all other blocks as they were.
"""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Unpack, cast, overload

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import Ids, as_ids
from scutoid.correcting._folder import Corrections, open_corrections
from scutoid.correcting._resolve import (
    FreshIds,
    NoFreeNumber,
    Resolution,
    edits_within,
    replaced,
)
from scutoid.errors import ParameterError, PipelineError, ScutoidWarning
from scutoid.geometry import BlockGrid, Roi
from scutoid.steps import (
    BlockParts,
    CallOptions,
    Image,
    StepBlock,
    Table,
    blockwise,
    injected,
    making,
    step,
    with_options,
)

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = dict[str, Array]
Given: TypeAlias = "str | os.PathLike[str] | Corrections"

OVERLAP = 0.5
_PLACE = "corrected"


class _Corrected(Protocol):
    """The type of `corrected`: an image of an image, an array of an array."""

    __name__: str

    @overload
    def __call__(self, labels: Image, corrections: Given, *, overlap: float = ...) -> Image: ...
    @overload
    def __call__(self, labels: Array, corrections: Given, *, overlap: float = ...) -> Array: ...

    def options(self, **options: Unpack[CallOptions]) -> _Corrected:
        """Return the same operation with options for this call; see `scutoid.blockwise`."""
        ...


def _with_options(function: Callable[..., Any]) -> _Corrected:
    def options(**options: Unpack[CallOptions]) -> Callable[..., Any]:
        @wraps(function)
        def run(labels: Any, *args: Any, **kwargs: Any) -> Any:
            return with_options(lambda: function(labels, *args, **kwargs), [labels], options)

        return run

    function.__dict__["options"] = options
    return cast("_Corrected", function)


@_with_options
def corrected(
    labels: Image | Array, corrections: Given, *, overlap: float = OVERLAP
) -> Image | Array:
    """Apply corrections to labels, in the order in which they were made.

    **Exact**: equals the same on the whole array, for every block shape, executor and number of
    workers.  Each correction finds its objects by overlap with the voxels that it has stored, so it
    holds also where the labels were made anew and have other numbers; `unapplied` lists those whose
    objects are gone.

    Parameters
    ----------
    labels : Image or ndarray of integer
        Labels with the axes that the corrections were made on; numbers are 0 or more.
    corrections : path or Corrections
        The folder; see `open_corrections`.  It is an input like a file: the plan says when it has
        changed.
    overlap : float
        More than 0, up to 1: what an object of the labels and the object of a correction have in
        common, as part of what either has, within the box of the correction.

    Returns
    -------
    Image or ndarray
        Of the dtype of `labels`.  Painted voxels are as painted, within the box.  Mergers and
        deletions hold for whole objects.  A split part that was not of the object when it was split
        goes to the nearest part.  New objects are numbered above the greatest number of `labels`,
        in order; where its dtype has no more, by those that are free.

    Raises
    ------
    ParameterError
        If the labels are no integers, negative, of other axes, or a collection.
    SourceNotFound, SourceError
        If there is no such folder, or a correction is damaged.
    PipelineError
        If the dtype has no number for one more object.

    Warns
    -----
    ScutoidWarning
        On arrays, if a correction does not apply.  Of images `unapplied` tells.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import scutoid as sc
    >>> from scutoid.correcting import Correction, Corrections
    >>> folder = Corrections.create(Path(tempfile.mkdtemp()) / "cells.corrections", "yx")
    >>> before = np.array([[4, 4, 0, 7]], np.uint64)
    >>> after = np.array([[4, 4, 0, 4]], np.uint64)
    >>> _ = folder.append(Correction("merge", "yx", (0, 0), before, after, why="one cell"))
    >>> sc.corrected(np.array([[1, 1, 0, 2]]), folder)
    array([[1, 1, 0, 1]])
    """
    folder = _opened(labels, corrections, overlap)
    if isinstance(labels, np.ndarray):
        return _of_array(labels, folder, overlap)
    with making("corrected"):
        changes, _ = _changes(labels, folder, overlap)
        result: Image = _along(correction_apply, folder)(labels, changes)
    return result


def unapplied(
    labels: Image | Array, corrections: Given, *, overlap: float = OVERLAP
) -> Table | pd.DataFrame:
    """List the corrections that do not apply to labels, with the reasons.

    Parameters
    ----------
    labels, corrections, overlap
        As in `corrected`, which makes this table on the way.

    Returns
    -------
    Table or DataFrame
        A row a correction: ``number`` (of its file), ``kind``, ``reason``, ``who``, ``when``,
        ``why``, and a column an axis: the middle of its box, in voxels of the uncropped labels.

    Raises
    ------
    ParameterError, SourceNotFound, SourceError, PipelineError
        As in `corrected`.
    """
    folder = _opened(labels, corrections, overlap)
    if isinstance(labels, np.ndarray):
        return _table(_resolve_array(labels, folder, overlap), folder)
    with making("unapplied"):
        return _changes(labels, folder, overlap)[1]


def _opened(labels: object, corrections: Given, overlap: object) -> Corrections:
    """Open the folder; refuse what can be told to be wrong before anything runs."""
    if not isinstance(labels, (Image, np.ndarray)):
        raise ParameterError(
            "corrections are of one image of labels",
            value=type(labels).__name__,
            place=_PLACE,
            remedy='give one member and its own corrections: corrected(labels["A01.tif"], ...)',
        )
    if not isinstance(overlap, (int, float)) or not 0 < overlap <= 1:
        raise ParameterError(
            "overlap is a part, above 0 and up to 1", value=overlap, place=f"overlap= of {_PLACE}"
        )
    as_ids(np.zeros(0, labels.dtype), _PLACE)
    folder = corrections if isinstance(corrections, Corrections) else open_corrections(corrections)
    if isinstance(labels, Image):
        folder.check_axes(labels.axes)
    elif labels.ndim != len(folder.axes):
        folder.check_axes("tczyx"[-labels.ndim :] if labels.ndim else "")
    return folder


def _changes(labels: Image, folder: Corrections, overlap: float) -> tuple[Any, Table]:
    """Return what changes in each block, and the table of what does not apply."""
    ids = _along(correction_ids, folder)(labels)
    boxes = correction_boxes(ids, folder.path)
    voxels = _along(correction_voxels, folder)(labels, boxes)
    changes, table = correction_changes(
        ids, voxels, folder.path, overlap=float(overlap), dtype=labels.dtype.name
    )
    return changes, table


def _along(function: Any, folder: Corrections) -> Any:
    """Let a step cut its blocks so that numbers of one block are those of one image."""
    spatial = [axis for axis in folder.axes if axis in "zyx"]
    if set(spatial) <= set(folder.object_axes):
        return function
    return function.along(folder.object_axes)


@blockwise(out="parts", block_invariant=True, version="1")
def correction_ids(labels: Array) -> Arrays:
    """Return the numbers in one block: no correction changes them, so they are found once."""
    return {"ids": np.unique(as_ids(labels, _PLACE))}


@step(out="parts", version="1")
def correction_boxes(ids: BlockParts, corrections: Path) -> dict[int, Arrays]:
    """Say for each block which boxes of corrections it must read, from its first voxel."""
    held = _boxes_by_block(ids.grid, [c.box for c in open_corrections(corrections)])
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
    done = _resolved(
        folder,
        _Boxes(voxels, [c.box for c in folder]).read,
        [ids[index]["ids"] for index in ids],
        overlap,
        dtype,
    )
    by_block: dict[int, Arrays] = {}
    for index in ids:
        region = ids.grid.write_roi(index)
        at, painted = edits_within(done.edits, region)
        old, new = done.renaming.of(done.place_of(region), ids[index]["ids"])
        by_block[index] = {"at": at, "painted": painted, "old": old, "new": new}
    return by_block, _table(done, folder)


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


def _resolved(
    folder: Corrections,
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
        return done.apply(folder)
    except NoFreeNumber:
        raise PipelineError(
            "each object of a correction gets a number that no other object has",
            value=f"dtype {dtype} numbers at most {largest} objects, and all are taken",
            place=str(folder.path),
            remedy='give the labels a wider type: sc.label(mask, dtype="uint64")',
        ) from None


def _resolve_array(labels: Array, folder: Corrections, overlap: float) -> Resolution:
    """Take corrections on an array, which begins at the first voxel of the frame."""
    ids = as_ids(labels, _PLACE)
    total = Roi((0,) * ids.ndim, ids.shape)

    def read(_: int, box: Roi) -> Ids | None:
        return ids[box.to_slices()] if total.contains(box) else None

    return _resolved(folder, read, [np.unique(ids)], overlap, labels.dtype.name)


def _of_array(labels: Array, folder: Corrections, overlap: float) -> Array:
    """Apply corrections to an array; warn of those that do not apply."""
    done = _resolve_array(labels, folder, overlap)
    if done.unapplied:
        first = done.unapplied[0]
        warnings.warn(
            f"{len(done.unapplied)} of {len(folder)} corrections of {folder.path} do not apply: "
            f"correction {folder.numbers[first.number]}: {first.reason}; "
            "scutoid.unapplied(labels, corrections) lists them",
            ScutoidWarning,
            stacklevel=3,
        )
    ids = as_ids(labels, _PLACE)
    across = [n for n, axis in enumerate(folder.axes) if axis not in folder.object_axes]
    for where in np.ndindex(*(ids.shape[n] for n in across)):
        index: list[Any] = [slice(None)] * ids.ndim
        for axis, at in zip(across, where, strict=True):
            index[axis] = slice(at, at + 1)
        part = ids[tuple(index)]
        part[...] = replaced(part, *done.renaming.of(where, np.unique(part)))
    at, painted = edits_within(done.edits, Roi((0,) * ids.ndim, ids.shape))
    ids.reshape(-1)[at] = painted
    return ids.astype(labels.dtype)


def _table(done: Resolution, folder: Corrections) -> pd.DataFrame:
    import pandas as pd

    numbers = folder.numbers
    rows = []
    for missing in done.unapplied:
        number = numbers[missing.number]
        rows.append((number, missing.reason, folder.read(number)))
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

"""Apply corrections to labels: an array, or an image of any number of blocks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Unpack, cast, overload

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import Correction, Ids, as_ids
from scutoid.correcting._folder import Corrections, open_corrections
from scutoid.correcting._resolve import Resolution, edits_within, replaced
from scutoid.correcting._steps import (
    PLACE,
    correction_apply,
    correction_boxes,
    correction_changes,
    correction_ids,
    correction_voxels,
    resolved,
    table_of,
)
from scutoid.errors import ParameterError, ScutoidWarning
from scutoid.geometry import Roi
from scutoid.steps import (
    CallOptions,
    Image,
    Table,
    making,
    with_options,
)

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = dict[str, Array]
Given: TypeAlias = "str | os.PathLike[str] | Corrections"

OVERLAP = 0.5


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


@overload
def unapplied(labels: Image, corrections: Given, *, overlap: float = ...) -> Table: ...
@overload
def unapplied(labels: Array, corrections: Given, *, overlap: float = ...) -> pd.DataFrame: ...
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
        return _table_of_array(labels, folder, overlap)
    with making("unapplied"):
        return _changes(labels, folder, overlap)[1]


def _opened(labels: object, corrections: Given, overlap: object) -> Corrections:
    """Open the folder; refuse what can be told to be wrong before anything runs."""
    if not isinstance(labels, (Image, np.ndarray)):
        raise ParameterError(
            "corrections are of one image of labels",
            value=type(labels).__name__,
            place=PLACE,
            remedy='give one member and its own corrections: corrected(labels["A01.tif"], ...)',
        )
    if not isinstance(overlap, (int, float)) or not 0 < overlap <= 1:
        raise ParameterError(
            "overlap is a part, above 0 and up to 1", value=overlap, place=f"overlap= of {PLACE}"
        )
    as_ids(np.zeros(0, labels.dtype), PLACE)
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


def _table_of_array(labels: Array, folder: Corrections, overlap: float) -> pd.DataFrame:
    made = list(folder)
    return table_of(_resolve_array(labels, folder, made, overlap), folder, made)


def _resolve_array(
    labels: Array, folder: Corrections, made: Sequence[Correction], overlap: float
) -> Resolution:
    """Take corrections on an array, which begins at the first voxel of the frame."""
    ids = as_ids(labels, PLACE)
    total = Roi((0,) * ids.ndim, ids.shape)

    def read(_: int, box: Roi) -> Ids | None:
        return ids[box.to_slices()] if total.contains(box) else None

    return resolved(folder, made, read, [np.unique(ids)], overlap, labels.dtype.name)


def _of_array(labels: Array, folder: Corrections, overlap: float) -> Array:
    """Apply corrections to an array; warn of those that do not apply."""
    done = _resolve_array(labels, folder, list(folder), overlap)
    if done.unapplied:
        first = done.unapplied[0]
        warnings.warn(
            f"{len(done.unapplied)} of {len(folder)} corrections of {folder.path} do not apply: "
            f"correction {folder.numbers[first.number]}: {first.reason}; "
            "scutoid.unapplied(labels, corrections) lists them",
            ScutoidWarning,
            stacklevel=3,
        )
    ids = as_ids(labels, PLACE)
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

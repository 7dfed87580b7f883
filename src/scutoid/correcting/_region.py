"""The region that is corrected: where it lies, and its labels with the corrections so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._corrected import OVERLAP
from scutoid.correcting._correction import Correction, Ids, as_ids
from scutoid.correcting._difference import Frame
from scutoid.correcting._resolve import FreshIds, Resolution, Unapplied, edits_within, replaced
from scutoid.errors import GeometryError
from scutoid.geometry import Roi
from scutoid.steps import Image

if TYPE_CHECKING:
    import pandas as pd

SIDE = 512
"""Voxels along y and x of a region that nobody has chosen."""
DEPTH = 64
"""Its planes."""


def labels_now(
    labels: Image,
    region: Roi,
    corrections: Sequence[Correction],
    object_axes: str,
    known: dict[Roi, Ids] | None = None,
) -> tuple[NDArray[Any], list[Unapplied]]:
    """Return the labels of a region with corrections applied, and those that do not apply.

    New objects have a number that nothing has in the region and in the boxes of the corrections.
    What lies outside of the labels, as those of a crop may, is left out.

    Parameters
    ----------
    labels, region, corrections, object_axes
        As in `Proofreading`.
    known : dict, optional
        Labels by box that were read before; those that are read now are added.
    """
    place = "labels that are corrected"
    read = {} if known is None else known
    near = [each for each in corrections if labels.roi.contains(each.box)]
    for box in {each.box for each in near} - read.keys():
        read[box] = as_ids(labels.read(box), place)
    shown = as_ids(labels.read(region), place)
    seen = [shown, *(read[each.box] for each in near)]
    fresh = FreshIds(
        max(int(ids.max(initial=0)) for ids in seen),
        int(np.iinfo(labels.dtype).max),
        lambda: np.unique(np.concatenate([ids.ravel() for ids in seen])),
    )
    done = Resolution(
        lambda _, box: read[box],
        fresh,
        axes=labels.axes,
        object_axes=object_axes,
        overlap=OVERLAP,
    ).apply(near)
    frame = Frame(labels.axes, object_axes, tuple(region.offset))
    for part in frame.places(shown.shape):
        image: Ids = shown[part]
        where = Roi.from_slices(part).shift(region.offset)
        image[...] = replaced(image, *done.renaming.of(done.place_of(where), np.unique(image)))
    at, painted = edits_within(done.edits, region)
    shown.reshape(-1)[at] = painted
    return shown.astype(labels.dtype), done.unapplied


def chosen_region(labels: Image, roi: object, row: Mapping[str, Any] | None) -> Roi:
    """Return the region that is asked for: `roi`, around an object, or the middle of the labels.

    Raises
    ------
    GeometryError
        If it has no voxel in the labels.
    """
    if roi is not None:
        region = Roi.of(roi).intersect(labels.roi)  # type: ignore[arg-type]
        if region.is_empty:
            raise GeometryError(
                "the region that is corrected lies in the labels",
                value=f"{roi}; the labels are {labels.roi}",
                place="roi= of correct",
                remedy="give a region in voxels of the uncropped labels",
            )
        return region
    return around(labels, map(round, place_of(labels, row or {})))


def place_of(labels: Image, row: Mapping[str, Any]) -> list[float]:
    """Return where an object of a table lies, in voxels; the middle where it has none."""
    place = []
    for axis, first, size in zip(labels.axes, labels.roi.offset, labels.shape, strict=True):
        name = f"{axis}_voxel" if axis in "zyx" else axis
        at = float(row[name]) if name in row else math.nan
        place.append(at if math.isfinite(at) else float(first + size // 2))
    return place


def around(labels: Image, middle: Iterable[int]) -> Roi:
    """Return a region of the usual size around a voxel, one place along axes that are not spatial.

    At the edge of the labels it is moved inwards.
    """
    sizes = {"z": DEPTH, "y": SIDE, "x": SIDE}
    offset, shape = [], []
    for axis, at, first, length in zip(
        labels.axes, middle, labels.roi.offset, labels.shape, strict=True
    ):
        size = min(sizes.get(axis, 1), length)
        offset.append(min(max(at - size // 2, first), first + length - size))
        shape.append(size)
    return Roi(offset, shape)


def rows_of(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return the rows of a table that is stepped through."""
    if table is None:
        return []
    return [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]

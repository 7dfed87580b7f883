"""Open labels for proof-reading: the folder, the region, the window."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._correction import as_ids
from scutoid.correcting._folder import Corrections
from scutoid.correcting._proofreading import Proofreading
from scutoid.correcting._region import chosen_region, rows_of
from scutoid.correcting._window import Proofreader
from scutoid.errors import ParameterError
from scutoid.geometry import Roi, RoiLike
from scutoid.steps import Image, Table
from scutoid.steps import open as open_image
from scutoid.views import view

if TYPE_CHECKING:
    import pandas as pd

_PLANES = 16
"""Around the plane in view that a region goes on."""


def correct(
    labels: Image | NDArray[Any],
    image: Image | NDArray[Any] | None = None,
    roi: RoiLike | None = None,
    *,
    corrections: str | os.PathLike[str] | Corrections,
    table: Table | pd.DataFrame | None = None,
    viewer: Any = None,
    who: str | None = None,
    object_axes: str | None = None,
    show: bool = True,
    block: bool = False,
) -> Proofreader:
    """Open a region of labels in napari, to paint, erase, merge, split and delete objects.

    What is shown is a copy.  Saving keeps the difference as corrections, in a folder that
    `corrected` takes; `labels` stay as they are.  Corrections that the folder has are applied
    to what is shown.  Needs the extra ``napari``.

    Parameters
    ----------
    labels : Image or ndarray of integer
        Labels before corrections.
    image : Image or ndarray, optional
        Shown below them.
    roi : Roi, optional
        Region, in voxels of the uncropped labels.  Default: what is in view in `viewer`, with 16
        planes on both sides; else around the first row of `table`; else the middle; of at most
        64 x 512 x 512 voxels then.
    corrections : path or Corrections
        The folder; it is made if there is none.
    table : Table or DataFrame, optional
        Objects to step through, such as `suspicious` gives: ``y_voxel`` and ``x_voxel`` (and
        ``z_voxel``, ``t``) say where, ``reasons`` why.
    viewer : napari.Viewer, optional
        Window to use; default: a new one.
    who : str, optional
        Kept with each correction; default: the name of the user.
    object_axes : str, optional
        Axes along which an object goes on, such as "tyx" where numbers are those of tracks;
        default: the spatial axes.
    show, block : bool
        As in `scutoid.view`.

    Returns
    -------
    Proofreader
        Its methods are what keys and buttons do; `viewer` is the window.

    Raises
    ------
    MissingExtra
        If napari, or a Qt to draw with, is not installed.
    ParameterError
        If the labels are no integers, have corrections applied already, or have other axes than
        those that the folder is of.
    GeometryError
        If the region has no voxel in the labels.

    Notes
    -----
    Mergers and deletions hold for the whole object, also outside of the region; what is painted
    and split holds inside it.  Numbers of new objects are those of this window: `corrected`
    numbers them above all others.
    """
    opened = labels if isinstance(labels, Image) else open_image(labels)
    if opened.name == "corrected":
        raise ParameterError(
            "corrections are made on the labels that they are applied to",
            value="a result of `corrected`",
            place="correct",
            remedy="give the labels that `corrected` was called on: what the folder has is shown",
        )
    as_ids(np.zeros(0, opened.dtype), "labels that are corrected")
    frame = table.to_pandas() if isinstance(table, Table) else table
    rows = rows_of(frame)
    region = _in_view(opened, viewer) if roi is None and viewer is not None else None
    at_first = region is None and roi is None and bool(rows)
    if region is None:
        region = chosen_region(opened, roi, rows[0] if rows else None)
    folder = (
        corrections
        if isinstance(corrections, Corrections)
        else Corrections.create(corrections, opened.axes, object_axes)
    )
    folder.check_axes(opened.axes)
    work = Proofreading(opened, folder, region, who=who)
    shown = view(*([] if image is None else [image]), viewer=viewer, show=show)
    found = Proofreader(work, shown, rows, at_first=at_first)
    if block:
        import napari

        napari.run()
    return found


def _in_view(labels: Image, viewer: Any) -> Roi | None:
    """Return the part of labels that a window shows, by its layer of that name; None: it has none.

    Along axes that are not displayed it goes on some planes around the one in view.
    """
    layers = [each for each in viewer.layers if each.name == labels.name]
    if not layers or set(layers[0].axis_labels) < set(labels.axes):
        return None
    layer = layers[0]
    corners = np.asarray(layer.corner_pixels)
    at = layer.world_to_data(viewer.dims.point)
    low, high = [], []
    first = labels.roi.offset
    for n, axis in enumerate(labels.axes):
        place = layer.axis_labels.index(axis)
        if place in viewer.dims.displayed[-2:]:
            start, stop = int(corners[0][place]), int(corners[1][place]) + 1
        else:
            planes = _PLANES if axis in "zyx" else 0
            start, stop = round(at[place]) - planes, round(at[place]) + planes + 1
        low.append(first[n] + start)
        high.append(first[n] + max(stop, start + 1))
    region = Roi(low, [h - o for o, h in zip(low, high, strict=True)]).intersect(labels.roi)
    return None if region.is_empty else region

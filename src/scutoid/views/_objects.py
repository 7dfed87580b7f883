"""Objects of a table as layers: rings, tracks, and columns of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL
from scutoid.errors import ParameterError
from scutoid.steps import UNIT
from scutoid.views._spec import LayerSpec
from scutoid.views._world import World

if TYPE_CHECKING:
    import pandas as pd

LABEL, TRACK = "label", "track"
"""Columns with the number of an object, and of the track that it belongs to."""
ID = "id"
"""Column with the number of a region, in a table of regions."""
INDEX = "index"
"""What napari calls the column of a layer of labels that has their numbers."""
_VOXEL = "voxel"
"""Unit of tables of images of unknown voxel size, which lie in the space of the others."""
_PART = 0.6
"""Diameter of a ring, of that of the object."""
_UNKNOWN = 5.0
"""Diameter in voxels where nobody knows how large the objects are."""


def object_layers(
    name: str, frame: pd.DataFrame, world: World, labels: LayerSpec | None
) -> list[LayerSpec]:
    """Return the layers that show the rows of a table at their places.

    Parameters
    ----------
    name : str
        Of the table.
    frame : DataFrame
        The table, with columns ``y`` and ``x``, or without where it belongs to labels.
    world : World
        Space of the viewer.
    labels : LayerSpec, optional
        The labels that it was measured from.

    Raises
    ------
    ParameterError
        If it has neither positions nor labels.
    """
    missing = [axis for axis in "yx" if axis not in frame.columns]
    if missing and labels is not None:
        if labels.table is not frame:
            raise ParameterError(
                "labels have one table, and a second one is shown by its columns y and x",
                value=f"columns {', '.join(map(str, frame.columns))}; {labels.name!r} has a table",
                place=repr(name),
                remedy='join them: table.merge(other, on="label"), or leave one out',
            )
        return []
    if missing:
        raise ParameterError(
            "a table is shown as points at its columns y and x, and z if it has one",
            value=f"columns {', '.join(map(str, frame.columns))}",
            place=repr(name),
            remedy=f"add {' and '.join(missing)}, show the labels that it was measured from with "
            "it, or leave the table out",
        )
    points = _points(name, frame, world, labels)
    tracks = _tracks(points)
    return [points] if tracks is None else [tracks, points]


def has_labels(frame: pd.DataFrame) -> bool:
    """Whether a table has a column with the numbers of objects."""
    return LABEL in frame.columns and frame[LABEL].dtype.kind in "iu"


def is_of_regions(frame: pd.DataFrame) -> bool:
    """Whether a table is one of regions, as `count_by_region` takes and returns them."""
    columns = set(frame.columns)
    is_numbered = ID in columns and frame[ID].dtype.kind in "iu"
    return is_numbered and LABEL not in columns and not {"y", "x"} <= columns


def features_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table as napari finds them by the numbers of labels, which stay exact.

    Of a number that several rows have, as at several times, the first counts.
    """
    first = frame.drop_duplicates(LABEL).reset_index(drop=True)
    others = first.drop(columns=[LABEL, INDEX], errors="ignore")
    others.insert(0, INDEX, first[LABEL])
    return others


def _points(name: str, frame: pd.DataFrame, world: World, labels: LayerSpec | None) -> LayerSpec:
    # A table of volumes may be shown without their images
    axes = world.axes if "z" in world.axes or "z" not in frame.columns else "zyx"
    present = [axis for axis in axes if axis in frame.columns]
    axes = axes[axes.index(present[0]) :]
    scale, translate = world.scale(axes), world.translate(axes)
    is_placed = frame.attrs.get(UNIT) != _VOXEL  # else in voxels of an image of unknown size
    factor = world.factor(frame.attrs.get(UNIT), name) if is_placed else 1.0
    # In voxels, so that a viewer's slices of one voxel hold the points inside them
    data = np.zeros((len(frame), len(axes)))
    for column, axis in enumerate(axes):
        if axis not in present:
            continue
        position = _positions(frame, axis, name)
        if axis in SPATIAL and is_placed:
            position = (position * factor - translate[column]) / scale[column]
        data[:, column] = position
    sizes = dict(zip(axes, scale, strict=True))
    voxel = sizes if labels is None else dict(zip(labels.axes, labels.scale, strict=True))
    voxel = {axis: voxel.get(axis, sizes[axis]) for axis in axes if axis in SPATIAL}
    diameter = _diameters(frame, voxel)
    return LayerSpec(
        "points",
        name,
        data,
        axes,
        scale,
        translate,
        world.units(axes),
        {
            "size": _UNKNOWN
            if diameter is None
            else np.maximum(_PART * diameter / sizes["x"], _UNKNOWN),
            "features": frame,
            "face_color": "transparent",
            "border_color": "yellow",
            "border_width": 0.15,
        },
        frame,
        None if labels is None else labels.name,
        None
        if "z" not in axes
        else _there(_planes(frame, data, axes, diameter, sizes, voxel), world),
    )


def _positions(frame: pd.DataFrame, axis: str, name: str) -> NDArray[np.float64]:
    """Return the column of an axis as numbers; NaN where a row has no place."""
    try:
        return frame[axis].to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            "positions of a table that is shown are numbers",
            value=f"column {axis}: {error}",
            place=repr(name),
            remedy=f'convert them first: table["{axis}"].astype(float)',
        ) from error


def _diameters(frame: pd.DataFrame, voxel: dict[str, float]) -> NDArray[np.float64] | None:
    """Return the diameters of balls or discs of the objects' sizes, in the world's unit."""
    if "n_voxels" not in frame.columns:
        return None
    size = frame["n_voxels"].to_numpy(np.float64) * float(np.prod(list(voxel.values())))
    found: NDArray[np.float64] = (
        np.cbrt(6 * size / np.pi) if "z" in voxel else 2 * np.sqrt(size / np.pi)
    )
    return found


def _planes(
    frame: pd.DataFrame,
    data: NDArray[np.float64],
    axes: str,
    diameter: NDArray[np.float64] | None,
    sizes: dict[str, float],
    voxel: dict[str, float],
) -> NDArray[np.int64] | None:
    """Return the planes that each object covers: by its bounding box, else by its size."""
    centre = data[:, axes.index("z")]
    if {"bbox_z0", "bbox_z1", "z_voxel"} <= set(frame.columns):
        step = voxel["z"] / sizes["z"]
        middle = frame["z_voxel"].to_numpy(np.float64)
        below = (middle - frame["bbox_z0"].to_numpy(np.float64)) * step
        above = (frame["bbox_z1"].to_numpy(np.float64) - 1 - middle) * step
    elif diameter is not None:
        below = above = diameter / 2 / sizes["z"]
    else:
        return None
    ends = np.stack([np.rint(centre - below), np.rint(centre + above) + 1], axis=1)
    own = np.rint(centre)[:, None] + [0, 1]
    ends = np.stack([np.minimum(ends[:, 0], own[:, 0]), np.maximum(ends[:, 1], own[:, 1])], axis=1)
    return np.where(np.isfinite(ends), ends, 0).astype(np.int64)


def _there(planes: NDArray[np.int64] | None, world: World) -> NDArray[np.int64] | None:
    """Leave out planes that no image has: a viewer would show empty ones for them."""
    if planes is None or world.ends is None:
        return planes
    (start,), (step,) = world.translate("z"), world.scale("z")
    first, last = (round((end - start) / step) for end in world.ends)
    is_within = (planes[:, 0] <= last) & (planes[:, 1] > first)
    return np.where(is_within[:, None], planes.clip(first, last + 1), planes)


def _tracks(points: LayerSpec) -> LayerSpec | None:
    """Return the tracks of points that say which they belong to; None if they do not.

    They are numbered densely, for viewers take memory for the largest number.  Rows without a
    place belong to none.

    Raises
    ------
    ParameterError
        If a time lies before 0, which viewers refuse.
    """
    frame = points.table
    if frame is None or TRACK not in frame.columns or "t" not in points.axes:
        return None
    import pandas as pd

    numbers, _ = pd.factorize(frame[TRACK])
    data = np.asarray(points.data)
    time = data[:, points.axes.index("t")]
    if np.any(time < 0):
        raise ParameterError(
            "tracks have times from 0 on",
            value=f"t = {time[time < 0][0]:g}",
            place=repr(points.name),
            remedy="subtract the first time, or leave out the column track",
        )
    order = np.lexsort((time, numbers))
    order = order[(numbers[order] >= 0) & np.isfinite(data[order]).all(axis=1)]
    if not len(order):
        return None
    rows = frame.iloc[order].reset_index(drop=True)
    return LayerSpec(
        "tracks",
        f"{points.name} tracks",
        np.column_stack([numbers[order], data[order]]),
        points.axes,
        points.scale,
        points.translate,
        points.units,
        {"features": rows},
        rows,
        points.labels,
    )

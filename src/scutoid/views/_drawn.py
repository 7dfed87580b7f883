"""A layer as napari takes it: data, arguments and kind; imports no napari."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.views._spec import LayerSpec

ROW = "row"
"""Column of the features of points with the row of the table, where these are drawn repeatedly."""
_LATER = ("contour", "opacity", "color_by")
"""Options that are set on layers: `contour` is no argument of labels, and their opacity goes with
it; `color_by` is ours."""
_SMALLEST = 0.35
"""Least section of a ring, of its diameter."""
_MOST = 300_000
"""Points that are drawn, if that is one an object: more make each step through planes slow."""


def layer_data(layer: LayerSpec) -> tuple[Any, dict[str, Any], str]:
    """Return data, arguments and kind of a layer of napari, as readers of npe2 give them.

    Points are drawn in each plane that their object covers, as large as the section of a ball;
    those without a place are not.
    What napari takes only of a layer that is there is left out; see `set_later`.
    """
    arguments: dict[str, Any] = {
        "name": layer.name,
        "scale": layer.scale,
        "translate": layer.translate,
        "units": layer.units,
        "axis_labels": tuple(layer.axes),
        **{name: value for name, value in layer.options.items() if name not in _LATER},
    }
    if layer.kind != "points" or len(layer.data) == 0:
        return layer.data, arguments, layer.kind
    data, rows = _points(layer)
    arguments["features"] = arguments["features"].iloc[rows]
    if not np.ndim(arguments["size"]):
        return data, arguments, layer.kind
    arguments["size"] = np.asarray(arguments["size"])[rows]
    if layer.planes is not None:
        planes = layer.planes[rows]
        half = np.maximum(planes[:, 1] - planes[:, 0], 1) / 2
        away = (np.rint(data[:, layer.axes.index("z")]) + 0.5 - planes.mean(axis=1)) / half
        section = np.sqrt(np.maximum(1 - away**2, _SMALLEST**2))
        arguments["size"] = arguments["size"] * section
    return data, arguments, layer.kind


def set_later(layer: LayerSpec) -> dict[str, object]:
    """Return the attributes that a layer of napari gets once it is there."""
    return {name: value for name, value in layer.options.items() if name in _LATER}


def rows_of(layer: LayerSpec) -> NDArray[np.int64]:
    """Return the row of the table of each point that is drawn."""
    return _points(layer)[1]


def _points(layer: LayerSpec) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the points that are drawn, and the row of each: those that have a place."""
    centres = np.asarray(layer.data, np.float64)
    if layer.planes is None or len(centres) == 0:
        data, rows = centres, np.arange(len(centres), dtype=np.int64)
    else:
        data, rows = _in_planes(layer, layer.planes)
    is_there = np.isfinite(centres[rows]).all(axis=1)
    return data[is_there], rows[is_there]


def _in_planes(
    layer: LayerSpec, planes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Repeat points in the planes of their objects; return them, and the row of each."""
    centres, z = np.asarray(layer.data, np.float64), layer.axes.index("z")
    first, last = planes[:, 0], planes[:, 1]
    if int((last - first).sum()) > _MOST:  # then in fewer, around the centre
        middle = np.rint(np.nan_to_num(centres[:, z])).astype(np.int64)
        reach = max(_MOST // len(centres) - 1, 0) // 2
        first, last = np.maximum(first, middle - reach), np.minimum(last, middle + reach + 1)
    n_planes = np.maximum(last - first, 1)
    rows = np.repeat(np.arange(len(centres)), n_planes)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(n_planes) - n_planes, n_planes)
    data = centres[rows]
    plane = first[rows] + number
    data[:, z] = np.where(plane == np.rint(data[:, z]), data[:, z], plane)
    return data, rows

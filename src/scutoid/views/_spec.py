"""A layer of a viewer as data: what it shows, where it lies, and which objects belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.views._layer_array import LayerArray

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["image", "labels", "tracks", "points"]

ORDER: tuple[Kind, ...] = ("image", "labels", "tracks", "points")
"""Kinds from the bottom up: what is small lies above what would cover it."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerSpec:
    """One layer of a viewer."""

    kind: Kind
    """Kind of the layer."""
    name: str
    """Name in the list of layers."""
    data: LayerArray | NDArray[np.float64]
    """`LayerArray`; of points an array of float64, shape (n, ndim), in voxels, a row for each row
    of `table`; of tracks shape (n, 1 + ndim), a number of the track before it."""
    axes: str
    """One letter for each axis of the data."""
    scale: tuple[float, ...]
    """Size of a voxel on each axis, in `units`."""
    translate: tuple[float, ...]
    """Position of the centre of the first voxel, in `units`."""
    units: tuple[str, ...]
    """Unit of each axis: "um", "s", or "pixel" where the size is unknown."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Further arguments of napari's layer."""
    table: pd.DataFrame | None = None
    """The objects of labels, points and tracks, in rows; None: of labels no table was shown."""
    labels: str | None = None
    """Of points and tracks the name of the layer of the labels that they belong to, if it is
    known."""
    planes: NDArray[np.int64] | None = None
    """Of points the half-open range of planes along z that each object covers, shape (n, 2); None:
    unknown."""

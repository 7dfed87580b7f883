"""Measures of labelled objects, each object once however many blocks it crosses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels import RegionStats, measure_block, merge_regions, region_columns
from scutoid.ops._composed import composed
from scutoid.pipeline import StepBlock, reduction

if TYPE_CHECKING:
    import pandas as pd


@composed
def measure(labels: Any, *, intensity: Any = None) -> Any:
    """Measure labelled objects: one row an object.

    **Exact** on integers: equals `skimage.measure.regionprops_table` on the whole array.  Sums of
    floating-point numbers are the same for every executor and number of workers at one block shape.

    Parameters
    ----------
    labels : Image, Images or ndarray of integer
        0 is background.
    intensity : Image, Images or ndarray, optional
        Image to measure inside the objects; the axes of `labels`, and an axis "c" of channels.

    Returns
    -------
    Table or DataFrame
        ``label``; ``n_voxels``; ``size`` (length, area or volume in the unit, voxels where the
        voxel size is unknown); the centroid in the unit (``z y x``) and in voxels of the uncropped
        image (``z_voxel y_voxel x_voxel``); the half-open bounding box in voxels (``bbox_z0`` to
        ``bbox_x1``); ``mean min max sum std`` of the intensity (``mean_<channel>`` and so on with
        channels); ``touches_edge``.  Rows are ordered by label; with iterated axes, by their place
        first, which has a column each.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> table = sc.measure(np.array([[1, 1, 0], [0, 0, 2]]))
    >>> table[["label", "n_voxels", "y_voxel", "x_voxel"]]
       label  n_voxels  y_voxel  x_voxel
    0      1         2      0.0      0.5
    1      2         1      1.0      2.0
    """
    if intensity is None:
        return measure_step(labels)
    channels = getattr(intensity, "channels", ()) or None
    if "c" in getattr(intensity, "axes", "") and "c" not in getattr(labels, "axes", "c"):
        axes = "c" + "".join(axis for axis in labels.axes if axis in "zyx")
        return measure_channels.along(axes)(labels, intensity, channels=channels)
    return measure_step(labels, intensity)


def _map(
    labels: NDArray[Any], intensity: NDArray[Any] | None, block: StepBlock, has_channels: bool
) -> dict[str, Any]:
    axes = [axis for axis in block.function_axes if axis != "c" or not has_channels]
    places = [block.axes.index(axis) for axis in axes]
    image = Coordinates(block, places)
    iterated = [axis for axis in block.axes if axis not in block.function_axes]
    at = tuple(block.write_roi.offset[block.axes.index(axis)] for axis in iterated)
    stats = measure_block(labels, image.start, image.shape, intensity)
    return {
        "axes": "".join(axes),
        "iterated": "".join(iterated),
        "offset": image.offset,
        "stats": {at: stats.to_arrays()},
    }


class Coordinates:
    """Where a block lies in its image, along some of its axes."""

    def __init__(self, block: StepBlock, places: Sequence[int]) -> None:
        self.offset = [block.image_roi.offset[p] for p in places]
        self.shape = [block.image_roi.shape[p] for p in places]
        self.start = [
            block.write_roi.offset[p] - o for p, o in zip(places, self.offset, strict=True)
        ]


def _merge(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    stats = dict(a["stats"])
    for at, arrays in b["stats"].items():
        if at in stats:
            both = RegionStats.from_arrays(stats[at]), RegionStats.from_arrays(arrays)
            stats[at] = merge_regions(*both).to_arrays()
        else:
            stats[at] = arrays
    return {**a, "stats": stats}


def _finish(
    merged: dict[str, Any],
    *,
    voxel_size: Sequence[float] | None,
    origin: Sequence[float] | None,
    channels: Sequence[str] | None = None,
) -> pd.DataFrame:
    import pandas as pd

    axes, offset = merged["axes"], merged["offset"]
    sizes = list(voxel_size) if voxel_size is not None else None
    start = None
    if sizes is not None:
        base = origin or (0.0,) * len(sizes)
        start = [b + o * s for b, o, s in zip(base, offset, sizes, strict=True)]
    tables = []
    for at, arrays in sorted(merged["stats"].items()):
        columns = region_columns(
            RegionStats.from_arrays(arrays),
            axes,
            voxel_size=sizes,
            origin=start,
            channels=channels,
        )
        for axis, first in zip(axes, offset, strict=True):
            columns[f"{axis}_voxel"] = columns[f"{axis}_voxel"] + first
            if sizes is None:
                columns[axis] = columns[f"{axis}_voxel"]
            for side in "01":
                columns[f"bbox_{axis}{side}"] = columns[f"bbox_{axis}{side}"] + first
        places = {
            axis: np.full(len(columns["label"]), p)
            for axis, p in zip(merged["iterated"], at, strict=True)
        }
        tables.append(pd.DataFrame({**places, **columns}))
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True)


@reduction(merge=_merge, finish=_finish, out="table", block_invariant=True, version="1")
def measure_step(
    labels: NDArray[Any], intensity: NDArray[Any] | None = None, *, block: StepBlock
) -> dict[str, Any]:
    """Measure what one block sees of its objects."""
    return _map(labels, intensity, block, has_channels=False)


@reduction(merge=_merge, finish=_finish, out="table", block_invariant=True, version="1")
def measure_channels(
    labels: NDArray[Any],
    intensity: NDArray[Any],
    *,
    block: StepBlock,
    channels: tuple[str, ...] | None,  # noqa: ARG001 - names the columns at the end
) -> dict[str, Any]:
    """Measure the same in an image with channels, which name the columns."""
    return _map(labels[0], intensity, block, has_channels=True)


measure_step = measure_step.options(name="measure")
measure_channels = measure_channels.options(name="measure")

"""Describing the images that a block-wise call makes: shape, axes, and their place in the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scutoid.arrays import ImageSpec
from scutoid.geometry import Coordinate
from scutoid.steps._layout import Framed, Layout


def frame_output(layout: Layout, known: Framed, dtype: np.dtype[Any], sample: Any) -> Framed:
    """Describe the image that a block-wise call makes."""
    axes = layout.output_axes
    new = {} if sample is None else dict(zip(layout.returned_axes, sample.shape, strict=True))
    new.update(layout.new_sizes)
    total = layout.grid.total
    place = {axis: -1 if axis in layout.new_sizes else layout.axes.find(axis) for axis in axes}
    shape = tuple(total.shape[place[a]] if place[a] >= 0 else int(new[a]) for a in axes)
    offset = Coordinate(*(total.offset[place[a]] if place[a] >= 0 else 0 for a in axes))
    source = known.spec
    spatial = [a for a in axes if a in source.spatial_axes]
    voxel_size = origin = None
    if layout.target is not None:
        voxel_size, origin = _place_output(layout, spatial)
    elif source.voxel_size is not None and spatial:
        sizes = dict(zip(source.spatial_axes, source.voxel_size, strict=True))
        starts = dict(zip(source.spatial_axes, source.origin or (0.0,) * 3, strict=False))
        shift = {a: total.offset[place[a]] - layout.image.offset[place[a]] for a in spatial}
        if all(a in sizes for a in axes if a in "zyx"):
            voxel_size = tuple(sizes[a] for a in spatial)
            origin = tuple(starts[a] + shift[a] * sizes[a] for a in spatial)
    spec = ImageSpec(
        shape,
        dtype,
        axes,
        voxel_size=voxel_size,
        unit=source.unit if spatial else None,
        origin=origin,
        channels=source.channels if "c" in axes and _is_named(source, shape, axes) else (),
    )
    blocks = layout.grid.block_shape
    chunks = tuple(
        min(blocks[place[a]], 64) if place[a] >= 0 else n for a, n in zip(axes, shape, strict=True)
    )
    return Framed(spec, offset, chunks)


def _is_named(source: ImageSpec, shape: Sequence[int], axes: str) -> bool:
    """Whether the names of an image's channels are those of an image made of it."""
    return "c" in source.axes and shape[axes.index("c")] == len(source.channels)


def _place_output(
    layout: Layout, spatial: Sequence[str]
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return voxel size and origin of an image on a grid of its own, along its spatial axes."""
    target = layout.target
    if target is None or target.voxel_size is None or not spatial:
        return None, None
    seen = [axis for axis in layout.function_axes if axis in layout.axes and axis in "zyx"]
    sizes = dict(zip(seen, target.voxel_size, strict=True))
    starts = dict(zip(seen, target.origin or (0.0,) * len(seen), strict=True))
    return tuple(sizes[a] for a in spatial), tuple(starts[a] for a in spatial)

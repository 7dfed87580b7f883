"""Describe the images that a block-wise call makes: shape, axes, and their place in the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL, ChannelDisplay, ImageSpec, TimeScale, without_windows
from scutoid.geometry import Coordinate
from scutoid.steps.layout._layout import Layout
from scutoid.steps.layout._placement import Framed

_Place: TypeAlias = tuple[tuple[float | None, ...] | None, tuple[float, ...] | None]
"""Voxel size, None where it is unknown, and origin along the spatial axes."""
_CHUNK = 64
"""Voxels along an axis of a chunk, at most."""


def frame_output(
    layout: Layout, known: Framed, dtype: np.dtype[Any], sample: NDArray[Any] | None
) -> Framed:
    """Describe the image that a block-wise call makes.

    Parameters
    ----------
    layout : Layout
        How the call is cut.
    known : Framed
        The image among its inputs that tells voxel size, unit, origin and channels.
    dtype : dtype
        Of the image.
    sample : array or None
        An image that the function returned, over the axes that it returns; None where all sizes
        are known without it.
    """
    axes, total = layout.output_axes, layout.grid.total
    sizes = {} if sample is None else dict(zip(layout.returned_axes, sample.shape, strict=True))
    sizes.update(layout.new_sizes)
    places = _grid_places(layout)
    shape = tuple(total.shape[places[a]] if a in places else int(sizes[a]) for a in axes)
    source = known.spec
    spatial = [axis for axis in axes if axis in source.spatial_axes]
    place = _place_like(source, layout, spatial)
    if layout.target is not None:
        place = _place_on_target(layout, spatial)
    known_sizes, origin = place
    spec = ImageSpec(
        shape,
        dtype,
        axes,
        known_sizes=known_sizes,
        unit=source.unit if spatial else None,
        origin=origin,
        channels=source.channels if "c" in axes and _is_named(source, shape, axes) else (),
        time=_times(source, layout),
        display=_display(source, dtype, axes),
        notes=tuple(note for note in source.notes if note.subject == "axes"),
    )
    offset = Coordinate(*(total.offset[places[axis]] if axis in places else 0 for axis in axes))
    return Framed(spec, offset, _chunks(layout, shape))


def _times(source: ImageSpec, layout: Layout) -> TimeScale | None:
    """Return the times of an output: of its grid where that is along t too, else of the input."""
    if "t" not in layout.output_axes or "t" in layout.new_sizes:
        return None
    if layout.target is not None and "t" in layout.function_axes:
        return layout.target.time
    if source.time is None or "t" not in layout.axes:
        return None
    at = layout.axes.index("t")
    return source.time.moved(layout.grid.total.offset[at] - layout.image.offset[at])


def _grid_places(layout: Layout) -> dict[str, int]:
    """Return by axis of the output its number in the grid, for those whose size the grid tells."""
    return {
        axis: layout.axes.index(axis)
        for axis in layout.output_axes
        if axis in layout.axes and axis not in layout.new_sizes
    }


def _chunks(layout: Layout, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the chunks of an output image: parts of a block, whole on axes that have no blocks."""
    places, blocks = _grid_places(layout), layout.grid.block_shape
    return tuple(
        min(blocks[places[axis]], _CHUNK) if axis in places else size
        for axis, size in zip(layout.output_axes, shape, strict=True)
    )


def _display(source: ImageSpec, dtype: np.dtype[Any], axes: str) -> tuple[ChannelDisplay, ...]:
    """Return how channels are shown; values of another type have other windows."""
    if "c" not in axes or "c" not in source.axes:
        return ()
    return source.display if dtype == source.dtype else without_windows(source.display)


def _is_named(source: ImageSpec, shape: Sequence[int], axes: str) -> bool:
    """Whether the names of an image's channels are those of an image made of it."""
    return "c" in source.axes and shape[axes.index("c")] == len(source.channels)


def _place_like(source: ImageSpec, layout: Layout, spatial: Sequence[str]) -> _Place:
    """Return voxel size and origin of an image on the grid of its input, along its spatial axes."""
    sizes = source.sizes
    if not sizes or not spatial:
        return None, None
    if not all(axis in source.axes for axis in layout.output_axes if axis in SPATIAL):
        return None, None
    starts = dict(zip(source.spatial_axes, source.origin or (0.0,) * 3, strict=False))
    places, total, image = _grid_places(layout), layout.grid.total, layout.image
    shifts = {a: total.offset[places[a]] - image.offset[places[a]] for a in spatial}
    return (
        tuple(sizes.get(axis) for axis in spatial),
        tuple(starts[axis] + shifts[axis] * sizes.get(axis, 0.0) for axis in spatial),
    )


def _place_on_target(layout: Layout, spatial: Sequence[str]) -> _Place:
    """Return voxel size and origin of an image on a grid of its own, along its spatial axes."""
    target = layout.target
    if target is None or target.voxel_size is None or not spatial:
        return None, None
    seen = [axis for axis in layout.function_axes if axis in layout.axes and axis in SPATIAL]
    sizes = dict(zip(seen, target.voxel_size, strict=True))
    starts = dict(zip(seen, target.origin or (0.0,) * len(seen), strict=True))
    return tuple(sizes[a] for a in spatial), tuple(starts[a] for a in spatial)

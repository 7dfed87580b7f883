"""Fit a step to its images: their common extent, the grid of blocks, the grid of the output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scutoid.arrays import METRES, SPATIAL, ImageSpec, TimeScale, pyramid_multiple
from scutoid.errors import MetadataError, PipelineError
from scutoid.geometry import BlockGrid, Coordinate, Roi, halo_pair
from scutoid.steps.declaration import StepSpec
from scutoid.steps.layout._axes import Axes, find_axes
from scutoid.steps.layout._block_shape import block_shape
from scutoid.steps.layout._halo import first_sized, halo_text, resolve_halo
from scutoid.steps.layout._layout import Layout
from scutoid.steps.layout._output_grid import OutputGrid, parse_scale, scaled_grid
from scutoid.steps.layout._placement import Framed, Placed

_VOXEL_TOLERANCE = 1e-3
_TIME_TOLERANCE = 0.05


def make_layout(
    spec: StepSpec,
    params: Mapping[str, object],
    images: Sequence[Framed | None],
    *,
    block: object = None,
    is_suggested: bool = False,
    target: OutputGrid | None = None,
) -> Layout:
    """Fit a step to its images.

    Parameters
    ----------
    spec : StepSpec
        The step.
    params : mapping
        Its parameters, for a halo that depends on them.
    images : sequence
        An entry an input; None for inputs that are not images.
    block : int, sequence or mapping, optional
        Block shape over the function's spatial axes; default: chosen from halo and chunks.
    is_suggested : bool
        Whether a block shape is rounded up to what the storage needs, rather than refused.
    target : OutputGrid, optional
        The grid of the output, where the step has found one with ``grid=``.

    Raises
    ------
    PipelineError, MetadataError
        If images of different shape or voxel size meet, an axis is missing, or the halo is too
        large.
    """
    place = f"step {spec.label!r}"
    known = [image for image in images if image is not None]
    if not known:
        raise PipelineError(
            "a block-wise step has at least one image among its inputs", place=place
        )
    _check_voxel_sizes(known, place)
    _check_times(known, place)
    axes = find_axes(spec, known, place)
    same_size = axes.grid if target is None else axes.iterated
    extent = _common_extent(known, axes.grid, same_size, place)
    halo = resolve_halo(spec, params, axes, known, place)
    is_checked = target is None and not spec.block_invariant
    total = _total(extent, halo, axes.grid, spec.border, known, place, is_checked=is_checked)
    _check_where(spec, target, place)
    if spec.scale != 1:
        target = _scaled(spec, extent, halo, axes, known, place)
    shaping_halo, shaping_images = halo, known
    if target is not None:  # blocks are then chosen by the output's grid alone
        extent = total = _on_target(target, extent, axes, place)
        halo = _target_halo(target, axes)
        shaping_halo, shaping_images = halo_pair(0, len(axes.grid)), []
    shape = block_shape(
        axes.grid,
        total,
        shaping_halo,
        _cut_axes(spec, axes),
        axes.iterated,
        shaping_images,
        block,
        place,
        _pyramid_multiples(spec, axes.grid, total, known, target),
        is_suggested=is_suggested,
    )
    return Layout(
        iterated=axes.iterated,
        function_axes=axes.function,
        returned_axes=axes.returned,
        inputs=tuple(map(_placed, images)),
        image=extent,
        grid=BlockGrid(total, shape, halo=halo),
        border=spec.border if spec.pads else "clip",
        target=target,
        new_sizes=_new_sizes(spec, axes, place),
    )


def _placed(image: Framed | None) -> Placed | None:
    """Return where an input lies, if it is an image."""
    if image is None:
        return None
    return Placed(image.spec.axes, image.offset, tuple(image.spec.shape))


def _check_where(spec: StepSpec, target: OutputGrid | None, place: str) -> None:
    """Refuse to leave out blocks of a step that writes on a grid of its own."""
    if spec.options.where is not None and (spec.scale != 1 or target is not None):
        raise PipelineError(
            "blocks are left out of steps that write on the grid of their inputs", place=place
        )


def _cut_axes(spec: StepSpec, axes: Axes) -> list[bool]:
    """Return for each axis of the grid whether blocks may cut it.

    An image can be joined from blocks along the axes that the function returns; anything else
    along all spatial axes.
    """
    is_image_alone = spec.out_axes is not None or set(spec.outputs).isdisjoint(
        ("table", "parts", "value")
    )
    joined = axes.returned if is_image_alone else axes.spatial
    return [axis in axes.spatial and axis in joined for axis in axes.grid]


def _target_halo(target: OutputGrid, axes: Axes) -> tuple[Coordinate, Coordinate]:
    """Return what the source of an output grid reaches beyond a block, in voxels of the output."""
    scales = dict(zip(axes.seen, target.scale or (1.0,) * len(axes.seen), strict=False))
    reach = [
        math.ceil(target.margin / scales[axis]) if axis in axes.spatial else 0 for axis in axes.grid
    ]
    return halo_pair(reach, len(axes.grid))


def _new_sizes(spec: StepSpec, axes: Axes, place: str) -> dict[str, int]:
    """Return the sizes of axes that a step declares, which are among those that it returns."""
    sizes = dict(spec.out_sizes or {})
    for axis, size in sizes.items():
        is_new = axis in axes.returned and axis not in axes.iterated and axis not in SPATIAL
        if not is_new or size < 1:
            raise PipelineError(
                "out_sizes= gives the size, 1 or more, of axes that the step returns and that are "
                "neither spatial nor iterated",
                value=f"{axis!r}: {size}; returned {axes.returned!r}, iterated {axes.iterated!r}",
                place=place,
                remedy="name the axis in out_axes=, and in axes= if the image has it",
            )
    return sizes


def _pyramid_multiples(
    spec: StepSpec,
    axes: str,
    total: Roi,
    images: Sequence[Framed],
    target: OutputGrid | None,
) -> dict[str, int]:
    """Return what blocks are multiples of, by axis, where images are stored as pyramids."""
    storage = spec.options.storage
    if storage.levels == 1 or "image" not in spec.outputs:
        return {}
    sized = first_sized(images)
    spatial = [axis for axis in axes if axis in SPATIAL]
    voxel_size = None
    if target is not None:
        voxel_size = target.voxel_size
    elif sized is not None:
        sizes = dict(zip(sized.spatial_axes, sized.voxel_size or (), strict=True))
        voxel_size = tuple(sizes[a] for a in spatial) if set(spatial) <= set(sizes) else None
    written = ImageSpec(tuple(total.shape), np.dtype(np.uint8), axes, voxel_size=voxel_size)
    return dict(zip(axes, pyramid_multiple(storage, written), strict=True))


def _total(
    image: Roi,
    halo: tuple[Coordinate, Coordinate],
    axes: str,
    border: object,
    images: Sequence[Framed],
    place: str,
    *,
    is_checked: bool,
) -> Roi:
    """Return what all blocks write together, and see that the halo fits the image.

    A step that is the same for every block shape may reach further: it gets the whole image.
    """
    if border == "crop":
        low, high = halo
        if any(s <= a + b for s, a, b in zip(image.shape, low, high, strict=True) if a + b):
            raise PipelineError(
                "with border='crop' an image is larger than the halo on both sides",
                value=f"shape {tuple(image.shape)}, halo {halo_text(halo)}",
                place=place,
                remedy="use border='clip', or a smaller halo",
            )
        return image.grow(-low, -high)
    if border == "clip" and is_checked:
        too_large = [
            axis
            for axis, size, a, b in zip(axes, image.shape, *halo, strict=True)
            if axis in SPATIAL and max(a, b) > size > 0
        ]
        if too_large:
            raise PipelineError(
                "a halo is not larger than the image",
                value=f"halo {halo_text(halo)} on axes {axes!r}, shape {tuple(image.shape)}",
                place=f"{place}, axis {too_large[0]!r}",
                remedy="check voxels against units, use a smaller halo, or border='reflect'"
                + _question(images, too_large[0]),
            )
    return image


def _question(images: Sequence[Framed], axis: str) -> str:
    """Ask whether an axis is one of space at all, where that was assumed."""
    assumed = (
        image.spec.axes
        for image in images
        if any(note.subject == "axes" for note in image.spec.notes)
    )
    axes = next(assumed, "")
    if axis != "z" or "t" in axes or axis not in axes:
        return ""
    return f"; the axes of the image are assumed: is it axes={axes.replace('z', 't')!r}?"


def _scaled(
    spec: StepSpec,
    image: Roi,
    halo: tuple[Coordinate, Coordinate],
    axes: Axes,
    images: Sequence[Framed],
    place: str,
) -> OutputGrid:
    """Return the grid that ``scale=`` asks for."""
    if spec.border != "clip":
        raise PipelineError(
            "a step with scale= gets the region clipped to the image",
            value=f"border={spec.border!r}",
            place=place,
            remedy="leave border= out, and pad in the function",
        )
    scale = parse_scale(spec.scale, axes.seen, axes.spatial, place)
    at = [axes.grid.index(axis) for axis in axes.seen]
    low, high = ([side[n] for n in at] for side in halo)
    voxel_size, origin = _scale_of(images, axes.seen)
    return scaled_grid(scale, [image.shape[n] for n in at], (low, high), voxel_size, origin)


def _scale_of(images: Sequence[Framed], seen: str) -> tuple[dict[int, float], dict[int, float]]:
    """Return voxel size and origin by the number of the axis; empty where they are unknown."""
    sized = first_sized(images)
    if sized is None:
        return {}, {}
    sizes = dict(zip(sized.spatial_axes, sized.voxel_size or (), strict=True))
    origin = sized.origin or (0.0,) * len(sizes)
    starts = dict(zip(sized.spatial_axes, origin, strict=True))
    return (
        {n: sizes[a] for n, a in enumerate(seen) if a in sizes},
        {n: starts[a] for n, a in enumerate(seen) if a in starts},
    )


def _on_target(target: OutputGrid, image: Roi, axes: Axes, place: str) -> Roi:
    """Return the extent of the output: a frame of its own on the function's axes."""
    if len(target.shape) != len(axes.seen) or any(size < 0 for size in target.shape):
        raise PipelineError(
            f"an output grid has a size for each of the axes {axes.seen!r}",
            value=target.shape,
            place=place,
        )
    sizes = dict(zip(axes.seen, target.shape, strict=True))
    return Roi(
        [0 if axis in sizes else image.offset[n] for n, axis in enumerate(axes.grid)],
        [sizes.get(axis, image.shape[n]) for n, axis in enumerate(axes.grid)],
    )


def _check_voxel_sizes(images: Sequence[Framed], place: str) -> None:
    known: dict[str, tuple[float, str | None]] = {}
    for image in images:
        for axis, size in image.spec.sizes.items():
            other, unit = known.setdefault(axis, (size, image.spec.unit))
            ratio = METRES[image.spec.unit] / METRES[unit] if image.spec.unit and unit else 1.0
            if abs(size * ratio - other) > _VOXEL_TOLERANCE * other:
                raise MetadataError(
                    "images in one step have the same voxel size, within one in a thousand",
                    value=f"{other} {unit or ''} and {size} {image.spec.unit or ''}".strip(),
                    place=f"{place}, axis {axis!r}",
                    remedy="correct voxel_size= where the image is opened, or resample one of them",
                )


def _check_times(images: Sequence[Framed], place: str) -> None:
    known: dict[bool, TimeScale] = {}
    for image in images:
        time = image.spec.time
        if time is None:
            continue
        other = known.setdefault(time.unit is None, time)
        apart = abs(time.in_unit(other.unit).interval - other.interval)
        if apart > _TIME_TOLERANCE * other.interval:
            raise MetadataError(
                "images in one step have the same interval of times, within one in twenty",
                value=f"{other} and {time}",
                place=f"{place}, axis 't'",
                remedy="correct time= where the image is opened, or take the times that they share",
            )


def _common_extent(images: Sequence[Framed], axes: str, same: str, place: str) -> Roi:
    """Return the extent of the images, which have one size on the axes `same`."""
    offset: dict[str, int] = {}
    shape: dict[str, int] = {}
    for image in images:
        for axis, start, size in zip(image.spec.axes, image.offset, image.spec.shape, strict=True):
            if shape.setdefault(axis, size) != size and axis in same:
                raise PipelineError(
                    "images in one block-wise step have the same shape",
                    value=f"{shape[axis]} and {size} voxels",
                    place=f"{place}, axis {axis!r}",
                    remedy="crop one of them, or give each its own step",
                )
            offset.setdefault(axis, start)
    return Roi([offset[axis] for axis in axes], [shape[axis] for axis in axes])

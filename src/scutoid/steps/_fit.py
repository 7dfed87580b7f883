"""Fitting a step to its images: what they have in common, the halo, the grid of blocks."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scutoid.arrays import SPATIAL, ImageSpec, pyramid_multiple
from scutoid.errors import MetadataError, ParameterError, PipelineError
from scutoid.geometry import BlockGrid, Coordinate, Roi, halo_pair
from scutoid.steps._block_shape import block_shape
from scutoid.steps._grids import OutputGrid, parse_scale, scaled_grid
from scutoid.steps._layout import Framed, Layout, Placed
from scutoid.steps._length import Length
from scutoid.steps._spec import StepSpec

_VOXEL_TOLERANCE = 1e-3


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
    function_axes = spec.axes or _spatial_axes(known)
    if not function_axes:
        raise PipelineError(
            "a block-wise step works on spatial axes unless it names others",
            value=f"image axes {known[0].spec.axes!r}",
            place=place,
            remedy="give axes= to the decorator, or axes= to sc.open",
        )
    iterated = "".join(
        dict.fromkeys(a for image in known for a in image.spec.axes if a not in function_axes)
    )
    present = {a for image in known for a in image.spec.axes}
    if not present & set(function_axes):
        raise PipelineError(
            f"the images have none of the axes {function_axes!r} that the step works on",
            value=f"axes {known[0].spec.axes!r}",
            place=place,
        )
    axes = iterated + "".join(a for a in function_axes if a in present)
    seen = [axis for axis in function_axes if axis in present]
    spatial = [axis for axis in seen if axis in SPATIAL]
    image = _common_extent(known, axes, iterated if target is not None else axes, place)
    returned = spec.out_axes if spec.out_axes is not None else function_axes
    halo = _halo(spec, params, axes, function_axes, known, place)
    is_checked = target is None and not spec.block_invariant
    total = _total(image, halo, axes, spec.border, place, is_checked=is_checked)
    if (spec.scale != 1 or target is not None) and spec.options.where is not None:
        raise PipelineError(
            "blocks are left out of steps that write on the grid of their inputs", place=place
        )
    if spec.scale != 1:
        target = _scaled(spec, image, halo, axes, seen, spatial, known, place)
    if target is not None:
        image = total = _on_target(target, image, axes, seen, place)
        low = [math.ceil(target.margin / s) for s in target.scale or (1.0,) * len(seen)]
        halo = halo_pair([low[seen.index(a)] if a in spatial else 0 for a in axes], len(axes))
    cut = [a in spatial and a in returned for a in axes]
    if any(kind in ("table", "parts", "value") for kind in spec.outputs) and spec.out_axes is None:
        cut = [a in spatial for a in axes]
    near = halo if target is None else halo_pair(0, len(axes))
    chunks = known if target is None else ()
    multiples = _pyramid_multiples(spec, axes, total, known, target)
    shape = block_shape(
        axes, total, near, cut, iterated, chunks, block, place, multiples, is_suggested=is_suggested
    )
    return Layout(
        iterated=iterated,
        function_axes=function_axes,
        returned_axes=returned,
        inputs=tuple(
            None if item is None else Placed(item.spec.axes, item.offset, tuple(item.spec.shape))
            for item in images
        ),
        image=image,
        grid=BlockGrid(total, shape, halo=halo),
        border=spec.border,
        target=target,
        new_sizes=_new_sizes(spec, iterated, returned, place),
    )


def _new_sizes(spec: StepSpec, iterated: str, returned: str, place: str) -> dict[str, int]:
    """Return the sizes of axes that a step declares, which are among those that it returns."""
    sizes = dict(spec.out_sizes or {})
    for axis, size in sizes.items():
        if axis in iterated or axis not in returned or axis in SPATIAL or size < 1:
            raise PipelineError(
                "out_sizes= gives the size, 1 or more, of axes that the step returns and that are "
                "neither spatial nor iterated",
                value=f"{axis!r}: {size}; returned {returned!r}, iterated {iterated!r}",
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
    sized = next((item.spec for item in images if item.spec.voxel_size is not None), None)
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
                value=f"shape {tuple(image.shape)}, halo {_halo_text(halo)}",
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
                value=f"halo {_halo_text(halo)} on axes {axes!r}, shape {tuple(image.shape)}",
                place=f"{place}, axis {too_large[0]!r}",
                remedy="check voxels against units, use a smaller halo, or border='reflect'",
            )
    return image


def _scaled(
    spec: StepSpec,
    image: Roi,
    halo: tuple[Coordinate, Coordinate],
    axes: str,
    seen: Sequence[str],
    spatial: Sequence[str],
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
    scale = parse_scale(spec.scale, "".join(seen), spatial, place)
    at = [axes.index(axis) for axis in seen]
    sized = next((item.spec for item in images if item.spec.voxel_size is not None), None)
    voxel_size: dict[int, float] = {}
    origin: dict[int, float] = {}
    if sized is not None:
        sizes = dict(zip(sized.spatial_axes, sized.voxel_size or (), strict=True))
        first = sized.origin or (0.0,) * len(sizes)
        starts = dict(zip(sized.spatial_axes, first, strict=True))
        voxel_size = {n: sizes[a] for n, a in enumerate(seen) if a in sizes}
        origin = {n: starts[a] for n, a in enumerate(seen) if a in starts}
    sides = [[side[n] for n in at] for side in halo]
    return scaled_grid(
        scale, [image.shape[n] for n in at], (sides[0], sides[1]), voxel_size, origin
    )


def _on_target(target: OutputGrid, image: Roi, axes: str, seen: Sequence[str], place: str) -> Roi:
    """Return the extent of the output: a frame of its own on the function's axes."""
    if len(target.shape) != len(seen) or any(size < 0 for size in target.shape):
        raise PipelineError(
            f"an output grid has a size for each of the axes {''.join(seen)!r}",
            value=target.shape,
            place=place,
        )
    offset = [0 if a in seen else image.offset[n] for n, a in enumerate(axes)]
    shape = [
        target.shape[seen.index(a)] if a in seen else image.shape[n] for n, a in enumerate(axes)
    ]
    return Roi(offset, shape)


def _spatial_axes(images: Sequence[Framed]) -> str:
    present = {axis for image in images for axis in image.spec.axes}
    first = [axis for axis in images[0].spec.axes if axis in SPATIAL]
    return "".join(dict.fromkeys([*first, *(a for a in SPATIAL if a in present)]))


def _check_voxel_sizes(images: Sequence[Framed], place: str) -> None:
    known: dict[str, tuple[float, str | None]] = {}
    for image in images:
        if image.spec.voxel_size is None:
            continue
        pairs = zip(image.spec.spatial_axes, image.spec.voxel_size, strict=True)
        for axis, size in pairs:
            other, unit = known.setdefault(axis, (size, image.spec.unit))
            same_unit = None in (unit, image.spec.unit) or unit == image.spec.unit
            if abs(size - other) > _VOXEL_TOLERANCE * other or not same_unit:
                raise MetadataError(
                    "images in one step have the same voxel size, within one in a thousand",
                    value=f"{other} {unit or ''} and {size} {image.spec.unit or ''}".strip(),
                    place=f"{place}, axis {axis!r}",
                    remedy="correct voxel_size= where the image is opened, or resample one of them",
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


def _halo(
    spec: StepSpec,
    params: Mapping[str, object],
    axes: str,
    function_axes: str,
    images: Sequence[Framed],
    place: str,
) -> tuple[Coordinate, Coordinate]:
    """Resolve a declared halo to voxels low and high over the grid's axes."""
    sized = next((image.spec for image in images if image.spec.voxel_size is not None), None)
    halo = spec.halo
    if callable(halo):
        halo = _call_halo(halo, params, sized, place)
    spatial = [axis for axis in function_axes if axis in SPATIAL]
    if isinstance(halo, Length):
        sizes = dict(zip(sized.spatial_axes, sized.voxel_size or (), strict=True)) if sized else {}
        voxel_size = [sizes[a] for a in spatial if a in sizes] if sizes else None
        halo = halo.voxels(voxel_size, sized.unit if sized else None, place=place)
    if isinstance(halo, Mapping):
        entries = {axis: halo.get(axis, 0) for axis in function_axes}
    elif isinstance(halo, (list, tuple)):
        names = spatial if len(halo) == len(spatial) else list(function_axes)
        if len(halo) != len(names):
            raise PipelineError(
                f"a halo has one entry for each of the axes {''.join(spatial)!r}",
                value=halo,
                place=place,
                remedy="give one int, or one int or (low, high) an axis",
            )
        entries = dict(zip(names, halo, strict=True))
    else:
        entries = dict.fromkeys(spatial, halo)
    rounded = [_round_up(entries.get(axis, 0), place) for axis in axes]
    return halo_pair(rounded, len(axes))


def _call_halo(
    halo: Callable[..., object], params: Mapping[str, object], sized: ImageSpec | None, place: str
) -> object:
    available = {**params, "voxel_size": sized.voxel_size if sized else None}
    names = inspect.signature(halo).parameters
    unknown = [name for name in names if name not in available]
    if unknown:
        raise ParameterError(
            f"a halo is a function of the step's parameters ({', '.join(params) or 'none'})",
            value=unknown[0],
            place=place,
        )
    return halo(**{name: available[name] for name in names})


def _round_up(entry: object, place: str) -> Any:
    if isinstance(entry, (list, tuple)):
        return tuple(_round_up(side, place) for side in entry)
    try:
        return math.ceil(entry)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError) as error:
        raise PipelineError(
            "a halo is a number of voxels known before the run",
            value=entry,
            place=place,
            remedy="compute it from parameters that are plain numbers",
        ) from error


def _halo_text(halo: tuple[Coordinate, Coordinate]) -> str:
    low, high = halo
    return str(tuple(low)) if low == high else f"{tuple(low)} low and {tuple(high)} high"

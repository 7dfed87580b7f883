"""How a step's function meets its images: which axes it gets, which are iterated, how they are cut.

::

    input "tczyx", function axes "zyx"            the grid runs over all five axes:
       t, c   iterated: blocks of one             t c | z y x
       z y x  the function's, cut into blocks     1 1 | 128 128 128

All regions are in the frame of the uncropped image, over the grid's axes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scutoid.arrays import ImageSpec
from scutoid.errors import MetadataError, ParameterError, PipelineError
from scutoid.geometry import BlockGrid, Coordinate, Roi, halo_pair
from scutoid.pipeline._length import Length
from scutoid.pipeline._parts import PartsGrid
from scutoid.pipeline._spec import StepSpec

SPATIAL = "zyx"
_VOXEL_TOLERANCE = 1e-3
_EDGE = {1: 2**20, 2: 1024, 3: 128}
_CHUNK_LIMIT = 2


@dataclass(frozen=True, slots=True)
class Framed:
    """An image's description and where it lies in the frame of the uncropped image."""

    spec: ImageSpec
    """Shape, axes, dtype, voxel size."""
    offset: Coordinate
    """Voxel of the uncropped image that is the first one here."""
    chunks: tuple[int, ...]
    """What one decode brings, in voxels."""

    @property
    def roi(self) -> Roi:
        """The region in the frame."""
        return Roi(self.offset, self.spec.shape)


@dataclass(frozen=True, slots=True)
class Layout:
    """The grid of one call, and the way between its blocks and the arrays of the function."""

    iterated: str
    """Axes that the function does not see: blocks of one."""
    function_axes: str
    """Axes of every array that the function gets, in order."""
    returned_axes: str
    """Axes of every image that the function returns, in order."""
    inputs: tuple[tuple[str, Coordinate] | None, ...]
    """Axes and frame offset of each input that is an image."""
    image: Roi
    """The true extent of the images, over the grid's axes."""
    grid: BlockGrid
    """Blocks over `iterated` and those `function_axes` that an input has."""
    border: object
    """What lies beyond the edge."""

    @property
    def axes(self) -> str:
        """Axes of the grid."""
        present = "".join(axes for axes, _ in filter(None, self.inputs))
        return self.iterated + "".join(axis for axis in self.function_axes if axis in present)

    @property
    def output_axes(self) -> str:
        """Axes of an image output."""
        missing = set(self.function_axes) - set(self.axes)
        return self.iterated + "".join(a for a in self.returned_axes if a not in missing)

    @property
    def parts_grid(self) -> PartsGrid:
        """The blocks as parts know them."""
        return PartsGrid(self.grid, self.axes, self.iterated)

    def read_roi(self, index: int) -> Roi:
        """What block `index` gets: with its halo, clipped to the image unless the border pads."""
        region = self.grid.read_roi(index)
        return region.intersect(self.image) if self.border in ("clip", "crop") else region

    def needed(self, region: Roi) -> Roi:
        """The part of the image that must be read for a region that may stick out of it.

        A border that mirrors shows as many voxels inside of the edge as the region sticks out.
        """
        inside = region.intersect(self.image)
        if inside == region or self.border not in ("reflect", "nearest"):
            return inside
        start, stop = [], []
        for low, high, a, b in zip(
            region.offset, region.end, self.image.offset, self.image.end, strict=True
        ):
            first, last = max(low, a), min(high, b)
            start.append(max(min(first, b - max(high - b, 0), b - 1), a))
            stop.append(min(max(last, a + max(a - low, 0), a + 1), b))
        return Roi(start, [max(d - c, 0) for c, d in zip(start, stop, strict=True)])

    def local(self, position: int, region: Roi) -> Roi:
        """The part of input `position` that lies under `region`, in that input's own voxels."""
        entry = self.inputs[position]
        if entry is None:
            raise TypeError(position)
        axes, _ = entry
        places = [self.axes.index(axis) for axis in axes]
        return Roi(
            [region.offset[p] - self.image.offset[p] for p in places],
            [region.shape[p] for p in places],
        )

    def to_function(self, position: int, array: Any) -> Any:
        """Arrange what was read of an input as the function wants it."""
        entry = self.inputs[position]
        if entry is None:
            raise TypeError(position)
        axes = entry[0]
        kept = "".join(axis for axis in axes if axis in self.function_axes)
        array = array.reshape(
            [n for n, axis in zip(array.shape, axes, strict=True) if axis in self.function_axes]
        )
        array = array.transpose([kept.index(a) for a in self.function_axes if a in kept])
        index = tuple(slice(None) if a in kept else None for a in self.function_axes)
        return array[index]

    def from_function(self, array: Any, read: Roi, write: Roi) -> Any:
        """Crop what the function returned to the write region, in the output's axes."""
        index: list[object] = []
        for axis in self.returned_axes:
            if axis in self.axes and axis in self.function_axes:
                place = self.axes.index(axis)
                start = write.offset[place] - read.offset[place]
                index.append(slice(start, start + write.shape[place]))
            elif axis in self.function_axes:
                index.append(0)
            else:
                index.append(slice(None))
        array = array[tuple(index)]
        return array.reshape((1,) * len(self.iterated) + array.shape)

    def grid_region(self, region: Roi) -> Roi:
        """The grid's region beneath a region of the output: the reverse of `output_roi`."""
        total = self.grid.total
        places = [self.output_axes.find(axis) for axis in self.axes]
        return Roi(
            [region.offset[p] if p >= 0 else o for p, o in zip(places, total.offset, strict=True)],
            [region.shape[p] if p >= 0 else s for p, s in zip(places, total.shape, strict=True)],
        )

    def output_roi(self, region: Roi, shape: Sequence[int]) -> Roi:
        """The region of an output image, in its frame, that corresponds to a grid region."""
        offset, size = [], []
        for axis, extent in zip(self.output_axes, shape, strict=True):
            place = self.axes.find(axis)
            offset.append(region.offset[place] if place >= 0 else 0)
            size.append(region.shape[place] if place >= 0 else extent)
        return Roi(offset, size)


def make_layout(
    spec: StepSpec,
    params: Mapping[str, object],
    images: Sequence[Framed | None],
    *,
    block: object = None,
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
    image = _common_extent(known, axes, place)
    returned = spec.out_axes if spec.out_axes is not None else function_axes
    halo = _halo(spec, params, axes, function_axes, known, place)
    border = spec.border
    total = image
    if border == "crop":
        low, high = halo
        if any(s <= a + b for s, a, b in zip(image.shape, low, high, strict=True) if a + b):
            raise PipelineError(
                "with border='crop' an image is larger than the halo on both sides",
                value=f"shape {tuple(image.shape)}, halo {_halo_text(halo)}",
                place=place,
                remedy="use border='clip', or a smaller halo",
            )
        total = image.grow(-low, -high)
    elif border == "clip":
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
    cut = [a in function_axes and a in SPATIAL and a in returned for a in axes]
    if any(kind in ("table", "parts", "value") for kind in spec.outputs) and spec.out_axes is None:
        cut = [a in function_axes and a in SPATIAL for a in axes]
    shape = _block_shape(axes, total, halo, cut, iterated, known, block, place)
    return Layout(
        iterated=iterated,
        function_axes=function_axes,
        returned_axes=returned,
        inputs=tuple(None if item is None else (item.spec.axes, item.offset) for item in images),
        image=image,
        grid=BlockGrid(total, shape, halo=halo),
        border=border,
    )


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


def _common_extent(images: Sequence[Framed], axes: str, place: str) -> Roi:
    offset: dict[str, int] = {}
    shape: dict[str, int] = {}
    for image in images:
        for axis, start, size in zip(image.spec.axes, image.offset, image.spec.shape, strict=True):
            if shape.setdefault(axis, size) != size:
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


def _block_shape(
    axes: str,
    total: Roi,
    halo: tuple[Coordinate, Coordinate],
    cut: Sequence[bool],
    iterated: str,
    images: Sequence[Framed],
    block: object,
    place: str,
) -> Coordinate:
    """Choose what one block writes: from inputs, halo and chunks, never from workers or memory."""
    given = _given_block(block, [a for a, c in zip(axes, cut, strict=True) if c], place)
    edge = _EDGE.get(sum(cut), 64)
    chunks: dict[str, int] = {}
    for image in images:
        for axis, chunk in zip(image.spec.axes, image.chunks, strict=True):
            chunks.setdefault(axis, chunk)
    shape = []
    for axis, size, low, high, is_cut in zip(axes, total.shape, *halo, cut, strict=True):
        if axis in iterated:
            shape.append(1)
        elif not is_cut:
            shape.append(max(size, 1))
        elif given:
            shape.append(max(min(given[axis], size), 1))
        else:
            shape.append(_edge(size, edge, low + high, chunks.get(axis, 1)))
    return Coordinate(*shape)


def _edge(size: int, edge: int, halo: int, chunk: int) -> int:
    """Length of a block on one axis.

    At least twice the halo on both sides, so that no more than half of what is read is thrown away;
    a multiple of the chunk where chunks are of that order; the whole axis where it is not much
    longer.
    """
    while edge < 2 * halo:
        edge *= 2
    if 1 < chunk <= _CHUNK_LIMIT * edge:
        edge = max(round(edge / chunk), 1) * chunk
    return max(size, 1) if size <= 1.5 * edge else edge


def _given_block(block: object, cut: Sequence[str], place: str) -> dict[str, int]:
    if block is None:
        return {}
    if isinstance(block, Mapping):
        entries = {axis: block.get(axis) for axis in cut}
    elif isinstance(block, (list, tuple)):
        entries = dict(zip(cut, block, strict=False)) if len(block) == len(cut) else {}
    else:
        entries = dict.fromkeys(cut, block)
    sizes = [value for value in entries.values() if isinstance(value, int) and value > 0]
    if len(sizes) != len(cut) or not entries:
        raise PipelineError(
            f"a block shape is one int, or one for each of the axes {''.join(cut)!r}, 1 or more",
            value=block,
            place=place,
        )
    return dict(zip(entries, sizes, strict=True))

"""Projections along an axis, slab by slab, so that no block holds the whole axis.

::

    image        |  64  |  64  |  64  | 20 |    voxels along the axis
    slabs        |   1  |   1  |   1  |  1 |    projected again while there are more than 64
    projection   |             .           |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from scutoid.arrays import SPATIAL
from scutoid.errors import ParameterError
from scutoid.geometry import Roi
from scutoid.kernels import LARGEST_IN_FLOAT64, check_in_float64
from scutoid.ops._composed import as_one, of_images
from scutoid.ops._grids import are_labels, check_images, letters_of, of_same_axes, seen_to
from scutoid.ops._inputs import first_of
from scutoid.ops._types import Array, DType, ImageLike
from scutoid.steps import CallOptions, Image, Images, OutputGrid, StepBlock, blockwise, injected

_SLAB = 64
_REDUCE = "make a value of all voxels by a step of your own, see scutoid.reduction"
_VOXELS = 2**22
"""Voxels that a block reads, about."""


def _sum_dtype(dtype: DType) -> DType:
    """Return what sums are held in: integers exactly."""
    if dtype.kind == "c":
        return np.dtype(np.complex128)
    if dtype.kind == "f":
        return np.dtype(np.float64)
    return np.dtype(np.uint64 if dtype.kind == "u" else np.int64)


def _added(image: Array, axis: int, dtype: DType) -> Array:
    """Add up planes in order: numpy's own order of sums depends on the shape of a block."""
    planes = np.moveaxis(image, axis, 0)
    _check_sum(planes)
    total = np.zeros(planes.shape[1:], dtype)
    for plane in planes:
        total += plane
    return np.expand_dims(total, axis)


def _check_sum(planes: Array) -> None:
    """Refuse integers of 64 bits whose sum does not fit: it would wrap."""
    if planes.dtype.kind not in "iu" or planes.dtype.itemsize < 8 or not planes.size:
        return
    held, low, high = np.iinfo(planes.dtype), int(planes.min()), int(planes.max())
    if low * len(planes) >= held.min and high * len(planes) <= held.max:
        return
    lower = (planes & planes.dtype.type(2**32 - 1)).astype(np.int64).sum(0)
    upper = (planes >> planes.dtype.type(32)).astype(np.int64).sum(0) + (lower >> 32)
    if upper.min() < held.min >> 32 or upper.max() > held.max >> 32:
        raise ParameterError(
            f"sums along an axis fit into {held.dtype}",
            value=f"one of {len(planes)} voxels between {low} and {high}",
            place="project",
            remedy="convert the image to float64, which rounds, or project shorter pieces",
        )


def _largest(image: Array, axis: int, dtype: DType) -> Array:
    return np.asarray(image.max(axis, keepdims=True), dtype)


def _smallest(image: Array, axis: int, dtype: DType) -> Array:
    return np.asarray(image.min(axis, keepdims=True), dtype)


_METHODS: Mapping[str, Callable[[Array, int, DType], Array]] = MappingProxyType(
    {"max": _largest, "min": _smallest, "sum": _added, "mean": _added}
)


def _are_labels(image: Image | Images, method: str) -> bool:
    """Whether a projection holds object numbers: sums of them are none."""
    return method in ("max", "min") and are_labels(image)


def _held_dtype(dtype: DType, method: str) -> DType:
    is_sum = method in ("sum", "mean")
    return _sum_dtype(dtype) if is_sum else dtype


@dataclass(frozen=True, slots=True)
class _Slabs:
    """Reads the slabs of planes to write."""

    axis: int

    def __call__(self, number: int, region: Roi) -> Roi:
        del number
        start, shape = list(region.offset), list(region.shape)
        start[self.axis] *= _SLAB
        shape[self.axis] *= _SLAB
        return Roi(start, shape)


def _slab_grid(images: list[Image], axis: str, axes: str) -> OutputGrid:
    image = images[0]
    sizes = dict(zip(image.axes, image.shape, strict=True))
    widths = [_SLAB if letter == axis else 1 for letter in axes]
    shape = [-(-sizes[a] // width) for a, width in zip(axes, widths, strict=True)]
    return OutputGrid(
        tuple(shape),
        _Slabs(axes.index(axis)),
        _of_axes(image, image.voxel_size, axes),
        _of_axes(image, image.origin, axes),
        scale=tuple(map(float, widths)),
        time=None if axis == "t" else image.time,
    )


def _of_axes(image: Image, values: Sequence[float] | None, axes: str) -> tuple[float, ...] | None:
    if values is None or image.voxel_size is None:
        return None
    known = dict(zip((a for a in image.axes if a in SPATIAL), values, strict=True))
    return tuple(known[a] for a in axes if a in known)


def _slabs(image: Array, *, axis: str, axes: str, method: str) -> Array:
    number = axes.index(axis)
    parts = [
        _METHODS[method](part, number, _held_dtype(image.dtype, method))
        for part in np.split(image, range(_SLAB, image.shape[number], _SLAB), number)
    ]
    return np.concatenate(parts, number)


def _projected(
    image: Array,
    *,
    axis: str,
    axes: str,
    method: str,
    count: int | None,
    dtype: str | None,
    block: StepBlock = injected,
) -> Array:
    number = axes.index(axis)
    if axis not in block.axes or not image.shape[number]:  # a member that differs from the first
        raise ParameterError(
            f"members that are projected along {axis!r} have voxels there",
            value=f"axes {block.axes!r}, shape {image.shape}",
            place="project",
        )
    held = _METHODS[method](image, number, _held_dtype(image.dtype, method)).squeeze(number)
    if method == "mean" or count is not None:
        count = image.shape[number] if count is None else count
        _check_mean(held, count)
        held = held / count
    wanted = _result_dtype(image.dtype, method) if dtype is None else np.dtype(dtype)
    return np.asarray(held, wanted)


def _check_mean(total: Array, count: int) -> None:
    """Refuse sums of integers whose mean float64 does not tell from others."""
    check_in_float64(
        total,
        "project, mean",
        largest=count * LARGEST_IN_FLOAT64,
        name=f"2**53, the sum of {count} up to as many times that",
    )


def _result_dtype(dtype: DType, method: str) -> DType:
    """Return the type that numpy's method of the same name returns."""
    if method == "mean":
        return dtype if dtype.kind in "fc" else np.dtype(np.float64)
    return dtype if method != "sum" or dtype.kind in "fc" else _sum_dtype(dtype)


@of_images
def project(image: ImageLike, *, axis: str | int, method: str = "max") -> ImageLike:
    """Project an image along an axis.

    **Exact** for every block shape: "max", "min", "sum" and "mean" of integers equal numpy's on the
    whole array; sums that do not fit 64 bits, and means beyond 2**53, are refused.  Sums and means
    of floating-point numbers are summed in double precision, in an order that does not depend on
    blocks, and equal numpy's within rounding.

    Parameters
    ----------
    image : Image, Images or ndarray
        Of any kind.
    axis : str or int
        Letter of the axis that goes, such as ``"z"``, or its number.
    method : {"max", "mean", "min", "sum"}
        What is made of the voxels along it.

    Returns
    -------
    Image, Images or ndarray
        Without the axis; of the type that numpy's method of the same name returns.  Of a folder,
        spatial axes are in the order of the first member; where `axis` is a number, all members
        have its axes.

    Raises
    ------
    ParameterError
        If the image has no such axis or no other, no voxel along it, or the method is unknown;
        in the block that meets it, if a sum does not fit.
        What is made of all voxels is a value, not an image: see `scutoid.reduction`, and
        `scutoid.percentile`, of which 0 and 100 are the smallest and the largest.

    Notes
    -----
    An axis of more than 64 voxels is projected in slabs of 64, whose projections are kept as steps
    of their own; members of a collection, which fit in memory, are projected at once.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.project(np.array([[1, 5], [4, 2]]), axis="y")
    array([4, 5])
    """
    if method not in _METHODS:
        raise ParameterError(
            f"a projection is one of {', '.join(_METHODS)}", value=method, place="project"
        )
    check_images(image, "project")
    own = first_of(image).axes
    axis, asked = letters_of(axis, own), axis
    if axis not in own or len(axis) != 1 or len(own) == 1:
        raise ParameterError(
            f"an image is projected along one of its axes, here {own!r}, and keeps one",
            value=asked,
            place="project",
            remedy=_REDUCE if len(own) == 1 else None,
        )
    if not isinstance(image, Image):
        return _finish(as_one(image), axis, method, None, None, asked=asked)
    count = image.shape[image.axes.index(axis)]
    if not count:
        raise ParameterError(
            "an axis that is projected has voxels", value=image.shape, place=f"project, {axis!r}"
        )
    dtype, total = _result_dtype(image.dtype, method), count if method == "mean" else None
    while axis in SPATIAL and image.shape[image.axes.index(axis)] > _SLAB:
        image = _slab_step(image, axis, method)
        method = "sum" if method == "mean" else method  # what is held are sums, to be divided once
    return _finish(image, axis, method, total, dtype)


def _slab_step(image: Image, axis: str, method: str) -> Image:
    axes = "".join(a for a in image.axes if a in SPATIAL)
    step = blockwise(
        grid=_slab_grid,
        axes=axes,
        dtype=_held_dtype(image.dtype, method),
        labels=_are_labels(image, method),
        block_invariant=True,
        version="2",
        threadsafe=True,
    )(_slabs)
    block = {a: 1 if a == axis else _edge(_SLAB, len(axes) - 1) for a in axes}
    slabs: Image = step.options(name="project_slabs", block=block)(
        image, axis=axis, axes=axes, method=method
    )
    return slabs


def _edge(depth: int, n_others: int) -> int:
    """Return how long blocks are on the other axes, that one of this depth is not too large."""
    if not n_others:
        return 1
    return int(2 ** max(int(np.log2(max(_VOXELS / depth, 1)) / n_others), 3))


def _finish(
    image: Image | Images,
    axis: str,
    method: str,
    count: int | None,
    dtype: DType | None,
    *,
    asked: object = "",
) -> ImageLike:
    """Project what is left of the axis at once; `asked`: how the user gave it."""
    axes = "".join(a for a in first_of(image).axes if a in SPATIAL or a == axis)
    options: CallOptions = {"name": "project"}
    if isinstance(image, Image):
        others = [a for a in axes if a in SPATIAL and a != axis]
        depth = image.shape[image.axes.index(axis)]
        options["block"] = dict.fromkeys(others, _edge(depth, len(others))) or None
    step = blockwise(
        axes=axes,
        out_axes=axes.replace(axis, ""),
        dtype=dtype,
        labels=_are_labels(image, method),
        block_invariant=True,
        version="2",
        threadsafe=True,
    )(_projected)
    dtype_name = None if dtype is None else dtype.name
    projected = of_same_axes(step.options(**options), asked, [image])(
        image, axis=axis, axes=axes, method=method, count=count, dtype=dtype_name
    )
    return seen_to(projected)

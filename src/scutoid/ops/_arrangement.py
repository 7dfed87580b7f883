"""Images whose voxels lie elsewhere: padded, flipped, transposed, joined; no value is computed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import pad_to
from scutoid.errors import ParameterError, PipelineError
from scutoid.geometry import Coordinate, Roi
from scutoid.kernels import Affine
from scutoid.ops._composed import composed
from scutoid.ops._grids import (
    SPATIAL,
    Extent,
    are_labels,
    kept_labels,
    local_read,
    local_write,
)
from scutoid.ops._inputs import check_voxels
from scutoid.pipeline import Image, Images, OutputGrid, StepBlock, blockwise

Widths = int | Sequence[int | Sequence[int]]

# Padding


def _pairs(width: object, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many voxels come low and high, an entry an axis."""
    entries = list(width) if isinstance(width, (list, tuple)) else [width] * ndim
    try:
        pairs = [
            tuple(map(operator.index, entry))
            if isinstance(entry, (list, tuple))
            else (operator.index(entry),) * 2  # type: ignore[arg-type]
            for entry in entries
        ]
    except TypeError:
        pairs = []
    if len(pairs) != ndim or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ParameterError(
            "a width is voxels of 0 or more: one number, or for each of the "
            f"{ndim} spatial axes a number or (low, high)",
            value=width,
            place="pad",
            remedy="use image.crop to take voxels away",
        )
    return tuple(low for low, _ in pairs), tuple(high for _, high in pairs)


@dataclass(frozen=True, slots=True)
class _Inside:
    """Reads what padding shows of the image."""

    low: tuple[int, ...]
    image: tuple[int, ...]
    fill: object

    def __call__(self, number: int, region: Roi) -> Roi:
        del number
        start, stop = [], []
        for first, last, low, size in zip(
            region.offset, region.end, self.low, self.image, strict=True
        ):
            a, b = first - low, last - low
            below, above = max(-a, 0), max(b - size, 0)
            inner = (min(max(a, 0), size), min(max(b, 0), size))
            if isinstance(self.fill, str) and below:  # mirrored at the true edge, which is read too
                reach = below if self.fill == "reflect" else 1
                inner = (0, max(inner[1], min(reach, size)))
            if isinstance(self.fill, str) and above:
                reach = above if self.fill == "reflect" else 1
                inner = (min(inner[0], max(size - reach, 0)), size)
            start.append(inner[0])
            stop.append(max(inner))
        return Roi(start, [b - a for a, b in zip(start, stop, strict=True)])


def _padded_grid(images: list[Image], width: Widths, fill: float | str) -> OutputGrid:
    extent = Extent.of(images[0])
    low, high = _pairs(width, extent.ndim)
    shape = [sum(sizes) for sizes in zip(low, extent.shape, high, strict=True)]
    if isinstance(fill, str) and fill not in ("nearest", "reflect"):
        raise ParameterError("a fill is a number, 'nearest' or 'reflect'", value=fill, place="pad")
    if isinstance(fill, str):
        check_voxels(images[0], "pad")
    affine = Affine.of(
        np.column_stack([np.eye(extent.ndim), [-float(n) for n in low]]), extent.ndim
    )
    return extent.grid(affine, shape, _Inside(low, extent.shape, fill))


@blockwise(grid=_padded_grid, dtype="same", block_invariant=True, version="1")
def pad_step(
    image: NDArray[Any], *, width: Widths, fill: float | str, block: StepBlock
) -> NDArray[Any]:
    """Pad one block."""
    low, _ = _pairs(width, image.ndim)
    return pad_to(image, local_read(block), local_write(block).shift(-Coordinate(*low)), fill)


pad_step = pad_step.options(name="pad")


@composed
def pad(image: Image | Images | NDArray[Any], *, width: Widths, fill: float | str = 0) -> Any:
    """Add voxels around an image.

    **Exact**: equals `numpy.pad` on the whole array for every block shape.

    Parameters
    ----------
    image : Image, Images or ndarray
        Spatial axes are padded, others are iterated.
    width : int or sequence
        Voxels to add: one number, or for each spatial axis a number or ``(low, high)``.
    fill : number, "nearest" or "reflect"
        A constant; the nearest voxel; or the mirror image with the edge voxel repeated, as
        `scipy.ndimage` has it (``d c b a | a b c d``), which numpy calls "symmetric".

    Returns
    -------
    Image or ndarray
        Same dtype; voxels of the image keep their place in the world.

    Raises
    ------
    ParameterError
        If the width does not fit the spatial axes, or the fill is unknown.
    GeometryError
        If the image's type does not hold the fill.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.pad(np.array([[1, 2]]), width=((0, 1), 2), fill="reflect")
    array([[2, 1, 1, 2, 2, 1],
           [2, 1, 1, 2, 2, 1]])
    """
    return kept_labels(pad_step, image)(image, width=width, fill=fill)  # type: ignore[arg-type]


# Flipping


@dataclass(frozen=True, slots=True)
class _Mirrored:
    """Reads along flipped axes from the other end."""

    image: tuple[int, ...]
    flipped: tuple[bool, ...]

    def __call__(self, number: int, region: Roi) -> Roi:
        del number
        start = [
            size - last if is_flipped else first
            for first, last, size, is_flipped in zip(
                region.offset, region.end, self.image, self.flipped, strict=True
            )
        ]
        return Roi(start, region.shape)


def _flipped_grid(images: list[Image], axis: str) -> OutputGrid:
    image, extent = images[0], Extent.of(images[0])
    letters = [letter for letter in image.axes if letter in SPATIAL]
    if not axis or not set(axis) <= set(letters):
        raise ParameterError(
            f"an image is flipped along spatial axes, here {''.join(letters)!r}",
            value=axis,
            place="flip",
        )
    source = _Mirrored(extent.shape, tuple(letter in axis for letter in letters))
    return OutputGrid(extent.shape, source, extent.voxel_size, extent.origin)


@blockwise(grid=_flipped_grid, dtype="same", block_invariant=True, version="1")
def flip_step(image: NDArray[Any], *, axis: str, block: StepBlock) -> NDArray[Any]:
    """Flip one block."""
    axes = tuple(block.function_axes.index(letter) for letter in axis)
    return np.asarray(np.flip(image, axes))


flip_step = flip_step.options(name="flip")


@composed
def flip(image: Image | Images | NDArray[Any], *, axis: str) -> Any:
    """Mirror an image within the space that it takes.

    **Exact**: equals `numpy.flip` on the whole array for every block shape.

    Parameters
    ----------
    image : Image, Images or ndarray
        Of any kind.
    axis : str
        Letters of the spatial axes to flip, such as ``"z"`` or ``"yx"``.

    Returns
    -------
    Image or ndarray
        Same shape, dtype, voxel size and origin.

    Raises
    ------
    ParameterError
        If it has no such spatial axis.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.flip(np.array([[1, 2, 3]]), axis="x")
    array([[3, 2, 1]])
    """
    return kept_labels(flip_step, image)(image, axis=axis)  # type: ignore[arg-type]


# Transposing


def _transposed(image: NDArray[Any], *, order: Sequence[int]) -> NDArray[Any]:
    return image.transpose(list(order))


@composed
def transpose(image: Image | NDArray[Any], *, axes: str | None = None) -> Any:
    """Change the order of an image's axes.

    **Exact**: equals `numpy.transpose` on the whole array for every block shape.  Axes that are not
    spatial are read whole by each block, unless they stay in front.

    Parameters
    ----------
    image : Image or ndarray
        Of any kind.
    axes : str, optional
        Its letters in the order wanted, such as ``"xyz"``; default: reversed.

    Returns
    -------
    Image or ndarray
        Same dtype; voxel size and origin go with their axes.

    Raises
    ------
    ParameterError
        If the letters are not those of the image.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.transpose(sc.open(np.zeros((2, 3, 4))), axes="yxz").shape
    (3, 4, 2)
    """
    if not isinstance(image, Image):
        raise PipelineError("one image at a time is transposed", value=type(image).__name__)
    wanted = image.axes[::-1] if axes is None else axes
    if sorted(wanted) != sorted(image.axes):
        raise ParameterError(
            "a transposed image has the same axes in another order",
            value=wanted,
            place=f"transpose of {image.axes!r}",
        )
    n_front = 0
    while n_front < len(wanted) and wanted[n_front] not in SPATIAL:
        n_front += 1
    while wanted[:n_front] != "".join(a for a in image.axes if a in wanted[:n_front]):
        n_front -= 1
    seen = "".join(letter for letter in image.axes if letter not in wanted[:n_front])
    step = blockwise(
        axes=seen,
        out_axes=wanted[n_front:],
        dtype="same",
        labels=are_labels(image),
        block_invariant=True,
        version="1",
    )(_transposed)
    order = [seen.index(letter) for letter in wanted[n_front:]]
    return step.options(name="transpose")(image, order=order)


# Joining


@dataclass(frozen=True, slots=True)
class _Part:
    """Reads of each image what lies in a region of all of them, one after the other."""

    axis: int
    starts: tuple[int, ...]
    stops: tuple[int, ...]

    def __call__(self, number: int, region: Roi) -> Roi:
        start, shape = list(region.offset), list(region.shape)
        first = max(region.offset[self.axis], self.starts[number])
        last = min(region.end[self.axis], self.stops[number])
        start[self.axis] = first - self.starts[number]
        shape[self.axis] = max(last - first, 0)
        if not shape[self.axis]:
            return Roi([0] * len(start), [0] * len(start))
        return Roi(start, shape)


def _joined_grid(images: list[Image], axis: str, axes: str) -> OutputGrid:
    first = images[0]
    shapes = [dict(zip(image.axes, image.shape, strict=True)) for image in images]
    for image, sizes in zip(images, shapes, strict=True):
        others = {a: n for a, n in sizes.items() if a != axis}
        if others != {a: n for a, n in shapes[0].items() if a != axis} or axis not in sizes:
            raise ParameterError(
                f"images that are joined along {axis!r} have this axis, and the same others",
                value=f"{image.axes!r} {image.shape} and {first.axes!r} {first.shape}",
                place="concatenate",
                remedy="crop or pad them first",
            )
        if image.dtype != first.dtype:
            raise ParameterError(
                "images that are joined have one type",
                value=f"{image.dtype} and {first.dtype}",
                place="concatenate",
                remedy="convert them first",
            )
    stops = np.cumsum([sizes[axis] for sizes in shapes]).tolist()
    shape = [stops[-1] if a == axis else shapes[0][a] for a in axes]
    source = _Part(axes.index(axis), (0, *stops[:-1]), tuple(stops))
    return OutputGrid(tuple(shape), source, first.voxel_size, first.origin)


def _joined(*images: NDArray[Any], axis: str, axes: str) -> NDArray[Any]:
    parts = [image for image in images if image.shape[axes.index(axis)]]
    return np.concatenate(parts, axes.index(axis)) if parts else images[0]


def concatenate(images: Sequence[Any], *, axis: str) -> Any:
    """Join images along an axis.

    **Exact**: equals `numpy.concatenate` on the whole arrays for every block shape.  Along an axis
    that is not spatial each block reads all of it.

    Parameters
    ----------
    images : sequence of Image or ndarray
        With the same axes, dtype and voxel size, and the same sizes on all axes but one.
    axis : str
        Letter of that axis, such as ``"z"``.

    Returns
    -------
    Image or ndarray
        Where the first image lies.

    Raises
    ------
    ParameterError
        If there is no image, or they do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.concatenate([np.array([[1, 2]]), np.array([[3]])], axis="x")
    array([[1, 2, 3]])
    """
    if not images:
        raise ParameterError("one image or more are joined", value=images, place="concatenate")
    return _concatenate(*images, axis=axis)


@composed
def _concatenate(*images: Any, axis: str) -> Any:
    first = images[0]
    if not all(isinstance(image, Image) for image in images):
        raise PipelineError(
            "single images are joined, not collections",
            value=[type(image).__name__ for image in images],
            place="concatenate",
        )
    letters = "".join(letter for letter in first.axes if letter in SPATIAL or letter == axis)
    step = blockwise(
        grid=_joined_grid,
        axes=letters,
        dtype="same",
        labels=all(map(are_labels, images)),
        block_invariant=True,
        version="1",
    )(_joined)
    return step.options(name="concatenate")(*images, axis=axis, axes=letters)

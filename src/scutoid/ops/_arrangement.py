"""Images whose voxels lie elsewhere: flipped, transposed, joined; no value is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Unpack, overload

import numpy as np

from scutoid.arrays import SPATIAL, TimeScale
from scutoid.errors import ParameterError
from scutoid.geometry import Roi
from scutoid.ops._composed import TypedAs, as_one, of_images, with_call_options
from scutoid.ops._grids import (
    Extent,
    are_labels,
    check_images,
    kept_labels,
    letters_of,
    limited_depth,
    of_same_axes,
    seen_to,
)
from scutoid.ops._inputs import first_of
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import CallOptions, Image, Images, OutputGrid, StepBlock, blockwise, injected

_APART = 0.5
"""Share of the interval by which the times of images that follow one another may differ."""

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


@blockwise(grid=_flipped_grid, dtype="same", block_invariant=True, version="1", threadsafe=True)
def flip_step(image: Array, *, axis: str, block: StepBlock = injected) -> Array:
    """Flip one block."""
    axes = tuple(block.function_axes.index(letter) for letter in axis)
    return np.asarray(np.flip(image, axes))


flip_step = flip_step.options(name="flip")


@of_images
def flip(image: ImageLike, *, axis: str | int | Sequence[int]) -> ImageLike:
    """Mirror an image within the space that it takes.

    **Exact**: equals `numpy.flip` on the whole array for every block shape.

    Parameters
    ----------
    image : Image, Images or ndarray
        Of any kind.
    axis : str, int or sequence of int
        Letters of the spatial axes to flip, such as ``"z"`` or ``"yx"``; or their numbers, of a
        folder whose members have the same axes.

    Returns
    -------
    Image, Images or ndarray
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
    step = of_same_axes(kept_labels(flip_step, image), axis, [as_one(image)])
    return seen_to(step(image, axis=letters_of(axis, first_of(image).axes)))


# Transposing


def _transposed(
    image: Array, *, order: Sequence[int], axes: str, block: StepBlock = injected
) -> Array:
    if sorted(block.axes) != sorted(axes):
        raise _other_axes(axes, block.axes)
    return image.transpose(list(order))


def _other_axes(wanted: object, axes: str) -> ParameterError:
    return ParameterError(
        "a transposed image has the same axes in another order",
        value=wanted,
        place=f"transpose of {axes!r}",
    )


@of_images
def transpose(image: ImageLike, *, axes: str | Sequence[int] | None = None) -> ImageLike:
    """Change the order of an image's axes.

    **Exact**: equals `numpy.transpose` on the whole array for every block shape.  Axes that are not
    spatial are read whole by each block, unless they stay in front.

    Parameters
    ----------
    image : Image, Images or ndarray
        Of any kind; members of a collection have the same axes.
    axes : str or sequence of int, optional
        Its letters in the order wanted, such as ``"xyz"``; or their numbers, or by default
        reversed, of a folder whose members have them in the same order.

    Returns
    -------
    Image, Images or ndarray
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
    check_images(image, "transpose")
    image = as_one(image)
    own = first_of(image).axes
    wanted = own[::-1] if axes is None else letters_of(axes, own)
    if sorted(wanted) != sorted(own):
        raise _other_axes(axes, own)
    n_front = 0
    while n_front < len(wanted) and wanted[n_front] not in SPATIAL:
        n_front += 1
    while wanted[:n_front] != "".join(a for a in own if a in wanted[:n_front]):
        n_front -= 1
    seen = "".join(letter for letter in own if letter not in wanted[:n_front])
    step = blockwise(
        axes=seen,
        out_axes=wanted[n_front:],
        dtype="same",
        labels=are_labels(image),
        block_invariant=True,
        version="1",
        threadsafe=True,
    )(_transposed)
    order = [seen.index(letter) for letter in wanted[n_front:]]
    step = limited_depth(step.options(name="transpose"), [image], seen)
    step = of_same_axes(step, axes, [image])
    return step(image, order=order, axes=own)


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
    if {*axes} & {*SPATIAL} != {*first.axes} & {*SPATIAL} or not {*axes} <= {*first.axes}:
        raise ParameterError(
            "images of a folder that are joined have the axes of its first member",
            value=f"{first.axes!r}, where {axes!r} are joined",
            place="concatenate",
            remedy="join them in folders of their own: open_folder(..., select=...)",
        )
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
    time = _joined_times(images, stops) if axis == "t" else first.time
    return OutputGrid(tuple(shape), source, first.voxel_size, first.origin, time=time)


def _joined_times(images: Sequence[Image], stops: Sequence[int]) -> TimeScale | None:
    """Return the times of images that follow one another; None: they do not, or some are unknown.

    An image whose first place has the time 0 is taken to say nothing of it.
    """
    first = images[0].time
    for image, start in zip(images[1:], stops[:-1], strict=True):
        time = image.time
        if first is None or time is None or (time.unit is None) != (first.unit is None):
            return None
        gap = abs(time.in_unit(first.unit).origin - first.at(start))
        if time.origin and gap > _APART * first.interval:
            return None
    return first


def _joined(*images: Array, axis: str, axes: str) -> Array:
    parts = [image for image in images if image.shape[axes.index(axis)]]
    return np.concatenate(parts, axes.index(axis)) if parts else images[0]


class _Concatenate(Protocol):
    """The type of `concatenate`: what the images are decides."""

    __name__: str

    @overload
    def __call__(  # type: ignore[overload-overlap]  # of nothing: refused
        self, images: Iterable[Array], *, axis: str | int
    ) -> Array: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, images: Iterable[Image | Array], *, axis: str | int
    ) -> Image: ...
    @overload
    def __call__(self, images: Iterable[Images | Array], *, axis: str | int) -> Images: ...
    @overload
    def __call__(self, images: Iterable[ImageLike], *, axis: str | int) -> ImageLike: ...

    def options(self, **options: Unpack[CallOptions]) -> _Concatenate:
        """Return the same operation with options for this call; see `scutoid.blockwise`."""
        ...


@TypedAs[_Concatenate]()
@with_call_options
def concatenate(images: Iterable[ImageLike], *, axis: str | int) -> ImageLike:
    """Join images along an axis.

    **Exact**: equals `numpy.concatenate` on the whole arrays for every block shape.  Along an axis
    that is not spatial each block reads all of it, and of what follows it in the image's axes.

    Parameters
    ----------
    images : iterable of Image, Images or ndarray
        With the same axes, dtype and voxel size, and the same sizes on all axes but one.  Members
        of collections are joined by key; a single image is joined to each.
    axis : str or int
        Letter of that axis, such as ``"z"``; or its number, of images with the same axes in the
        same order.

    Returns
    -------
    Image, Images or ndarray
        Where the first image lies.  Along t the times go on, where each image begins when the one
        before ends, or its first place has the time 0; else they are unknown.

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
    is_one = isinstance(images, (Image, Images, np.ndarray))
    parts = [] if is_one or not hasattr(images, "__iter__") else list(images)
    if not parts:
        raise ParameterError(
            "one image or more are joined",
            value=type(images).__name__,
            place="concatenate",
            remedy="give a list of images",
        )
    return _concatenate(*parts, axis=axis)


@of_images
def _concatenate(*given: ImageLike, axis: str | int) -> ImageLike:
    images = [as_one(image) for image in given]
    for image in images:
        check_images(image, "concatenate")
    own = first_of(images[0]).axes
    letter = letters_of(axis, own)
    if len(letter) != 1 or letter not in own:
        raise ParameterError(
            f"images are joined along one of their axes, here {own!r}",
            value=axis,
            place="concatenate",
        )
    # Iterated axes come first in a result, so those behind this one are not iterated.
    seen = "".join(a for n, a in enumerate(own) if a in SPATIAL or n >= own.index(letter))
    step = blockwise(
        grid=_joined_grid,
        axes=seen,
        dtype="same",
        labels=all(map(are_labels, images)),
        block_invariant=True,
        version="1",
        threadsafe=True,
    )(_joined)
    if set(seen) - set(SPATIAL):
        step = limited_depth(step, images, seen)
    step = of_same_axes(step.options(name="concatenate"), axis, images)
    return seen_to(step(*images, axis=letter, axes=seen))

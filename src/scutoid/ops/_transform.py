"""Transform and resample images: interpolate at places that an affine transformation gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np

from scutoid.errors import MetadataError, ParameterError
from scutoid.kernels import Affine
from scutoid.ops._affine_blocks import Beneath, Edge, check_order, interpolate
from scutoid.ops._composed import as_one, of_images
from scutoid.ops._grids import (
    REACH,
    Extent,
    Placed,
    check_shape,
    corner_affine,
    kept_labels,
    limited,
    plain,
    seen_to,
)
from scutoid.ops._inputs import check_voxels
from scutoid.ops._match_grid import match_grid
from scutoid.ops._renamed import renamed
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import Image, OutputGrid, StepBlock, blockwise, injected


def _read_fill(fill: object) -> tuple[Edge, float]:
    """Return how the kernel takes what lies outside: its mode, and a number."""
    if isinstance(fill, str) and fill == "nearest":
        return "nearest", 0.0
    if not isinstance(fill, (int, float, np.number, np.bool_)):
        raise ParameterError("fill= is a number or 'nearest'", value=fill, place="affine_transform")
    return "constant", cast("float", plain(fill))


def _check_cval(image: Image, cval: float) -> None:
    if image.dtype.kind in "biu":
        is_bool = image.dtype.kind == "b"
        low, high = (0, 1) if is_bool else (np.iinfo(image.dtype).min, np.iinfo(image.dtype).max)
        if not (low <= cval <= high and int(cval) == cval):
            raise ParameterError(
                f"what lies outside is a value that {image.dtype} holds", value=cval, place="fill"
            )


def _affine_grid(
    images: list[Image],
    matrix: object,
    shape: int | Sequence[int] | None,
    order: int,
    mode: Edge,
    cval: float,
    placed: tuple[object, object],
) -> OutputGrid:
    image, extent = images[0], Extent.of(images[0])
    check_order(image, order)
    _check_cval(image, cval)
    check_voxels(image, "affine_transform")
    affine = Affine.of(matrix, extent.ndim)
    sizes = check_shape(extent.shape if shape is None else shape, extent.ndim)
    more = Placed()
    if placed[0] is not None:
        more["voxel_size"] = _voxel_sizes(placed[0], extent.ndim, "affine_transform")
    elif extent.voxel_size is not None and not np.any(affine.matrix, axis=0).all():
        raise ParameterError(
            "a step along each axis of the result is one in the image, or has a length of its own",
            value=matrix,
            place="affine_transform, matrix",
            remedy="give voxel_size= of the result",
        )
    if placed[1] is not None:
        more["origin"] = _numbers(placed[1], extent.ndim, "affine_transform, origin")
    return extent.grid(affine, sizes, Beneath(affine, extent.shape, mode), **more)


def _numbers(value: object, ndim: int, place: str) -> tuple[float, ...]:
    """Read finite numbers, one for all axes or one for each."""
    try:
        numbers = np.broadcast_to(np.asarray(value, np.float64), (ndim,))
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if not np.isfinite(numbers).all():
        raise ParameterError(
            f"a place or size is finite numbers, one for all or for each of the {ndim} spatial "
            "axes",
            value=value,
            place=place,
        )
    return tuple(numbers.tolist())


def _voxel_sizes(value: object, ndim: int, place: str) -> tuple[float, ...]:
    sizes = _numbers(value, ndim, f"{place}, voxel_size")
    if min(sizes, default=1.0) <= 0:
        raise ParameterError("voxel sizes are positive numbers", value=value, place=place)
    return sizes


@blockwise(grid=_affine_grid, dtype="same", block_invariant=True, version="1", threadsafe=True)
def affine_step(
    image: Array,
    *,
    matrix: object,
    shape: int | Sequence[int] | None,
    order: int,
    mode: Edge,
    cval: float,
    placed: tuple[object, object],
    block: StepBlock = injected,
) -> Array:
    """Compute one block of a transformed image."""
    del shape, placed  # they make the grid
    affine = Affine.of(matrix, image.ndim)
    return interpolate(image, affine, block, order=order, mode=mode, cval=cval)


affine_step = affine_step.options(name="affine_transform")


@of_images
@renamed(cval="fill", mode='fill="nearest", or fill= a number')
def affine_transform(
    image: ImageLike,
    *,
    matrix: object,
    shape: int | Sequence[int] | None = None,
    order: int = 1,
    fill: float | Literal["nearest"] = 0.0,
    voxel_size: float | Sequence[float] | None = None,
    origin: float | Sequence[float] | None = None,
) -> ImageLike:
    """Apply an affine transformation.

    **Exact**: equals `scipy.ndimage.affine_transform` on the whole array bit for bit, for every
    block shape; with order 0 integers of 64 bits keep all their bits, which scipy does not.

    Parameters
    ----------
    image : Image, Images or ndarray
        Spatial axes are transformed, others are iterated.
    matrix : array_like
        From a voxel's index in the result to its place in the image, both in voxels: numbers along
        the axes (n,), a matrix (n, n), or with the shift as last column (n, n + 1) and as scipy's
        homogeneous (n + 1, n + 1).
    shape : int or sequence of int, optional
        Of the result, for all spatial axes or one for each; default: as the image.
    order : {0, 1}
        Nearest voxel, or linear between voxels; labels and masks take 0.
    fill : number or "nearest"
        What lies beyond the centres of the outermost voxels: a number, or the outermost voxel.
    voxel_size, origin : float or sequence of float, optional
        Of the result, for all spatial axes or one for each.  Default: what a step of the result
        measures in the image, and where its first voxel lies; a rotated result has axes of its own.

    Returns
    -------
    Image or ndarray
        Same dtype; interpolated integers are rounded as scipy does.

    Raises
    ------
    ParameterError
        If a parameter does not fit the spatial axes or the image's type, the matrix has a column
        of zeros and no `voxel_size` is given, or labels are to be interpolated.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.affine_transform(np.array([[10, 20, 30]]), matrix=[[1, 0, 0], [0, 1, 0.5]])
    array([[15, 25,  0]])
    """
    mode, cval = _read_fill(fill)
    step = kept_labels(affine_step, image)
    if isinstance(image, Image):
        step = limited(step, image, Affine.of(matrix, Extent.of(image).ndim))
    transformed = step(
        as_one(image),
        matrix=np.asarray(matrix, np.float64).tolist(),
        shape=plain(shape),
        order=order,
        mode=mode,
        cval=cval,
        placed=(plain(voxel_size), plain(origin)),
    )
    return seen_to(transformed)


def _resampling(extent: Extent, to: object) -> tuple[Affine, tuple[float, ...]]:
    """Return where voxels of another size lie, from the same corner; and their sizes."""
    if extent.voxel_size is None:
        raise MetadataError(
            "an image is resampled to a voxel size if its own is known",
            place="resample",
            remedy="give voxel_size= to sc.open, or use scutoid.scale_nearest",
        )
    sizes = _voxel_sizes(to, extent.ndim, "resample")
    return corner_affine(np.array(sizes) / np.array(extent.voxel_size)), sizes


def _resampled_grid(images: list[Image], to: object, order: int) -> OutputGrid:
    check_order(images[0], order)
    extent = Extent.of(images[0])
    affine, sizes = _resampling(extent, to)
    scale = tuple(row[n] for n, row in enumerate(affine.matrix))
    shape = [max(round(n / s), min(n, 1)) for n, s in zip(extent.shape, scale, strict=True)]
    source = Beneath(affine, extent.shape, "nearest")
    return extent.grid(affine, shape, source, voxel_size=sizes, scale=scale, margin=REACH)


@blockwise(grid=_resampled_grid, dtype="same", block_invariant=True, version="1", threadsafe=True)
def resample_step(
    image: Array,
    *,
    to: object,
    order: int,
    voxel_size: tuple[float, ...] | None = injected,
    block: StepBlock = injected,
) -> Array:
    """Compute one block of an image with another voxel size."""
    affine, _ = _resampling(Extent(image.shape, voxel_size, ()), to)
    return interpolate(image, affine, block, order=order, mode="nearest")


resample_step = resample_step.options(name="resample")


@of_images
def resample(
    image: ImageLike,
    *,
    voxel_size: float | Sequence[float] | None = None,
    like: Image | None = None,
    order: int | None = None,
) -> ImageLike:
    """Give an image another voxel size, or the grid of another image.

    **Exact** for every block shape, bit for bit.  With `voxel_size` it equals
    `scipy.ndimage.affine_transform` on the whole array (mode "nearest", a matrix with scales `s` on
    its diagonal and offset ``(s - 1) / 2``, so that both images begin at the same corner).  With
    `like`, the same at the places where the other image's voxels lie in the world, and 0 outside of
    this image, whose outermost voxels reach half a voxel beyond their centres.

    Parameters
    ----------
    image : Image or Images
        With a known voxel size; spatial axes are resampled, others are iterated.  One image with
        `like`.
    voxel_size : float or sequence of float, optional
        Of the result, in the image's unit, for all spatial axes or one for each.
    like : Image, optional
        Gives shape, voxel size and origin of the spatial axes; both have the same of these.  Give
        this or `voxel_size`.
    order : {0, 1}, optional
        Nearest voxel, or linear between voxels; labels and masks take 0.  Default: 1; with `like`
        0 for labels and masks.  Neither averages: make an image coarser by `downsample`, or smooth
        it first.

    Returns
    -------
    Image
        Same dtype.  With `voxel_size` it covers the same space to within half a voxel; with `like`
        that of the other image, in the unit of this one.

    Raises
    ------
    MetadataError
        If a voxel size is unknown, or the spatial axes of both images differ.
    ParameterError
        If labels are to be interpolated, or not one of `voxel_size` and `like` is given.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> image = sc.open(np.array([[0.0, 8.0]]), voxel_size=(1, 2))
    >>> sc.resample(image, voxel_size=1).read().tolist()
    [[0.0, 2.0, 6.0, 8.0]]
    >>> fine = sc.open(np.zeros((1, 3)), voxel_size=1)
    >>> sc.resample(image, like=fine).read().tolist()
    [[0.0, 4.0, 8.0]]
    """
    if (voxel_size is None) == (like is None):
        raise ParameterError(
            "an image is resampled to a voxel size, or to the grid of another image",
            value="neither" if like is None else "both",
            place="resample",
            remedy="give voxel_size= or like=",
        )
    if like is not None:
        return match_grid(image, like, order)
    order = 1 if order is None else order
    step = kept_labels(resample_step, image)
    if isinstance(image, Image):
        step = limited(step, image, _resampling(Extent.of(image), voxel_size)[0])
    return seen_to(step(as_one(image), to=plain(voxel_size), order=order))

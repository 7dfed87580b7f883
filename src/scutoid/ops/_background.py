"""Backgrounds that change slowly: estimated on a coarse level, subtracted at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import (
    check_in_float64,
    filter_mirrored,
    footprint_array,
    footprint_shape,
    grey_opening,
    interpolate_coarse,
)
from scutoid.ops._coarse import (
    Coarse,
    block_extent,
    coarse_factors,
    coarse_images,
    coarse_means,
    coarse_slices,
    extent_of,
    per_axis,
    spatial_shape,
)
from scutoid.ops._composed import as_one, composed
from scutoid.ops._renamed import renamed
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import BlockParts, Images, Length, StepBlock, blockwise, injected, step

Method = Literal["opening", "gaussian", "median"]

_METHODS = ("opening", "gaussian", "median")
_COARSE_A_RADIUS = 4


@composed
@renamed(factor="factors")
def subtract_background(
    image: ImageLike,
    *,
    radius: float | Sequence[float] | Length,
    method: Method = "opening",
    factors: int | Sequence[int] | None = None,
) -> ImageLike:
    """Subtract what is wider than a radius.

    **Approximate**: the background is estimated on a coarse image, whose voxels are means of
    ``factors`` voxels of the image, and interpolated linearly.  Where it curves by at most ``c``
    (its second derivative, per voxel squared) along each axis, both together are off by at most
    ``c * factors ** 2 / 6`` an axis, and at the image's edge by half a coarse voxel's change.  For
    "median", an object counts with the whole of each coarse voxel that it touches.  The result is
    the same for every block shape.

    Parameters
    ----------
    image : Image, Images or ndarray of real numbers
        Intensities, finite; spatial axes are taken together, others iterated.
    radius : float, sequence of float or Length
        In voxels, one for all spatial axes or one for each, or ``scutoid.um(20)``, rounded up to
        voxels (an image, not a collection); wider than the objects.
    method : {"opening", "gaussian", "median"}, optional
        Grey opening by a ball of this radius (bright objects that it covers vanish, as in a
        rolling ball; of noise it takes the lower side); a Gaussian of this sigma; or the median of
        such a ball.
    factors : int or sequence of int, optional
        Voxels of the image along the edges of a coarse voxel; default: a quarter of the radius, no
        more than the image.

    Returns
    -------
    Image or ndarray
        float32; same shape.  Negative where the image is below the background.

    Raises
    ------
    ParameterError
        If a radius or a factor is out of range, the method is none of these, or a value is NaN.
    MetadataError
        If the radius is physical, and the voxel size or its unit is not known.

    Notes
    -----
    The coarse image is held as a whole in the driver: 8 bytes a voxel of it, and what the method
    needs.

    References
    ----------
    S. R. Sternberg, "Biomedical image processing", IEEE Computer 16 (1983), for the opening.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> image = np.full((1, 12), 10, "uint8")
    >>> image[0, 5] = 50
    >>> sc.subtract_background(image, radius=(0, 4)).round()
    array([[ 0.,  0.,  0.,  0.,  0., 40.,  0.,  0.,  0.,  0.,  0.,  0.]],
          dtype=float32)
    """
    if method not in _METHODS:
        raise ParameterError(
            f"method is one of {', '.join(_METHODS)}", value=method, place="subtract_background"
        )
    shape = spatial_shape(image)
    radii = _radii(image, radius, len(shape))
    if factors is None:
        factors = [
            min(max(int(r / _COARSE_A_RADIUS), 1), max(n, 1))
            for r, n in zip(radii, shape, strict=True)
        ]
    edges = coarse_factors(factors, len(shape))
    image = as_one(image)
    means = coarse_means(image, factors=edges)
    field = background_field(means, factors=edges, radii=radii, method=method)
    return subtract_field(image, field, factors=edges)


@step(out="parts", sees_all=True, version="2", threadsafe=True)
def background_field(
    means: BlockParts, *, factors: Sequence[int], radii: Sequence[float], method: str
) -> dict[int, dict[str, Coarse]]:
    """Estimate the background on the coarse image; give each block what it interpolates."""
    ratio = [radius / factor for radius, factor in zip(radii, factors, strict=True)]
    fields: dict[int, dict[str, Coarse]] = {}
    for blocks, field in coarse_images(means, factors):
        background = _background(field, ratio, method)
        for index in blocks:
            start, stop, shape = block_extent(means, index)
            fields[index] = {"field": background[coarse_slices(start, stop, factors, shape)]}
    return fields


@blockwise(dtype=np.float32, block_invariant=True, version="1", threadsafe=True)
def subtract_field(
    image: Array,
    field: dict[str, Coarse],
    *,
    factors: Sequence[int],
    block: StepBlock = injected,
) -> NDArray[np.float32]:
    """Interpolate the background over one block, and subtract it."""
    start, stop, shape = extent_of(block)
    background = interpolate_coarse(field["field"], start, stop, factors, shape)
    check_in_float64(image, "subtract_background")
    return (image - background).astype(np.float32)


subtract_field = subtract_field.options(name="subtract_background")


def _radii(image: ImageLike, radius: float | Sequence[float] | Length, ndim: int) -> list[float]:
    """Return a radius in voxels for each spatial axis."""
    if isinstance(radius, Length):
        if isinstance(image, Images):
            raise ParameterError(
                "the radius of a collection is in voxels: its members differ in voxel size",
                value=radius,
                place="subtract_background",
            )
        first = as_one(image)
        voxels = radius.voxels(first.voxel_size, first.unit, place="subtract_background")
        return [float(n) for n in voxels]
    footprint_shape(radius)  # refuses what is no radius
    return per_axis(radius, ndim, "radius")


def _background(field: Coarse, ratio: Sequence[float], method: str) -> Coarse:
    if method == "opening":
        return grey_opening(field, footprint_array(ratio, field.ndim))
    from scipy import ndimage

    if method == "gaussian":
        return np.asarray(ndimage.gaussian_filter(field, ratio))
    footprint = footprint_array(ratio, field.ndim)
    return filter_mirrored(
        field, footprint.shape, lambda values: ndimage.median_filter(values, footprint=footprint)
    )

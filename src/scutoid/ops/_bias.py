"""Illumination that changes slowly: estimated on a coarse level, divided by at full resolution."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import MissingExtra, ParameterError, StepError
from scutoid.kernels import check_in_float64, coarse_shape, interpolate_coarse
from scutoid.ops._coarse import (
    Coarse,
    coarse_factors,
    coarse_images,
    coarse_means,
    coarse_slices,
    extent_of,
    spatial_shape,
)
from scutoid.ops._composed import as_one, composed_value, operation
from scutoid.ops._inputs import check_real, check_voxels
from scutoid.ops._renamed import renamed
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import BlockParts, StepBlock, Value, blockwise, injected, is_lazy, step
from scutoid.steps import open as open_image

Estimator = Callable[[Coarse], Array]

_SMOOTHING = 4.0
_DIMMEST = 0.01


@composed_value
@renamed(factor="factors")
def estimate_bias(
    image: ImageLike, *, factors: int | Sequence[int], estimator: Estimator | None = None
) -> Value | Array:
    """Estimate an illumination (bias) field that multiplies an image.

    **Approximate**, as the estimator is; the same for every block shape.

    Parameters
    ----------
    image : Image, Images or ndarray of real numbers
        Intensities, finite.  Each place along axes other than the spatial ones has its own field.
    factors : int or sequence of int
        Voxels of the image along the edges of a coarse voxel, one for all spatial axes or one for
        each.  The field is held by each worker as a whole: choose them so that some megabytes are
        left.
    estimator : function, optional
        Gets the coarse image as a float64 array, and returns the field, an array of the same
        shape, above zero.  Default: the coarse image smoothed by a Gaussian of 4 of its voxels,
        divided by its mean, and 0.01 where it is darker than that; ``scutoid.n4`` for N4.

    Returns
    -------
    Value or ndarray
        float64, shape (n_places, coarse voxels...), with a place for each image along the other
        axes; for `correct_bias`.

    Raises
    ------
    ParameterError
        If a factor is out of range, the image has no voxel, or a value is NaN.
    StepError
        If the estimator returns another shape, or values that are not above zero.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> image = np.outer(np.ones(8), np.linspace(1, 3, 8))
    >>> bias = sc.estimate_bias(image, factors=2, estimator=lambda coarse: coarse / coarse.mean())
    >>> bias[0, 0].round(2)
    array([0.57, 0.86, 1.14, 1.43])
    """
    shape = spatial_shape(image)
    check_voxels(image, "estimate_bias")
    edges = coarse_factors(factors, len(shape))
    means = coarse_means(as_one(image), factors=edges)
    return bias_field(means, factors=edges, estimator=estimator or smooth_bias)


@operation
@renamed(factor="factors")
def correct_bias(
    image: ImageLike, bias: Value | Array, *, factors: int | Sequence[int]
) -> ImageLike:
    """Divide an image by a bias field.

    **Approximate**: the field is interpolated linearly between the voxels of a coarse image; the
    same for every block shape.

    Parameters
    ----------
    image : Image, Images or ndarray of real numbers
        Of the shape of the image that the field was estimated on.
    bias : Value or ndarray
        From `estimate_bias`.
    factors : int or sequence of int
        As there.

    Returns
    -------
    Image or ndarray
        float32; same shape.

    Raises
    ------
    ParameterError
        If the field is of an image of another shape, or of other factors.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> image = np.outer(np.ones(8), np.linspace(1, 3, 8))
    >>> bias = sc.estimate_bias(image, factors=1, estimator=lambda coarse: coarse / 2)
    >>> sc.correct_bias(image, bias, factors=1)[0, :3]
    array([2., 2., 2.], dtype=float32)
    """
    check_real(image, "correct_bias")
    edges = [factors] if isinstance(factors, (int, np.integer)) else list(factors)
    # As an image, for a parameter that is one arrives whole; as an input it would be cut in blocks
    field = open_image(bias) if isinstance(bias, np.ndarray) and is_lazy(image) else bias
    return divide_field(
        as_one(image), fields=cast("Coarse", field), factors=coarse_factors(edges, len(edges))
    )


def smooth_bias(coarse: Coarse) -> Coarse:
    """Smooth a coarse image by a Gaussian of 4 of its voxels, and divide it by its mean.

    Where nothing is seen, as beside a specimen, the field stays at 0.01.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(coarse, _SMOOTHING)
    mean = float(smooth.mean())
    if not mean > 0:
        raise ParameterError(
            "a field of illumination is estimated on an image that is not dark",
            value=f"mean {mean}",
            place="estimate_bias",
        )
    return np.asarray(np.maximum(smooth / mean, _DIMMEST))


def n4(coarse: Coarse) -> Coarse:
    """Estimate a bias field by N4, inside of Otsu's foreground; for `estimate_bias`.

    Parameters
    ----------
    coarse : ndarray of float64, 2 or 3 axes
        Coarse image.

    Returns
    -------
    ndarray of float64
        The field, same shape.

    Raises
    ------
    MissingExtra
        If SimpleITK is not installed.

    References
    ----------
    N. J. Tustison et al., "N4ITK: improved N3 bias correction", IEEE TMI 29 (2010); by SimpleITK.
    """
    try:
        sitk: Any = importlib.import_module("SimpleITK")
    except ImportError as error:
        raise MissingExtra.of("SimpleITK", extra="n4") from error
    image = sitk.GetImageFromArray(coarse.astype(np.float32))
    foreground = sitk.OtsuThreshold(image, 0, 1)
    correct = sitk.N4BiasFieldCorrectionImageFilter()
    correct.SetNumberOfThreads(1)  # the same sums on every machine
    correct.Execute(image, foreground)
    logarithm = sitk.GetArrayFromImage(correct.GetLogBiasFieldAsImage(image))
    return np.asarray(np.exp(logarithm.astype(np.float64)))


@step(version="3", threadsafe=True)
def bias_field(means: BlockParts, *, factors: Sequence[int], estimator: Estimator) -> Coarse:
    """Estimate the bias on the coarse image, for each place along the iterated axes."""
    fields = []
    for _, coarse in coarse_images(means, factors):
        field = np.asarray(estimator(coarse), np.float64)
        if field.shape != coarse.shape or not np.all((field > 0) & np.isfinite(field)):
            raise StepError(
                "an estimator returns a field above zero, of the shape that it was given",
                value=f"shape {field.shape}, least value {field.min(initial=np.inf)}",
                place=f"estimator of estimate_bias, given shape {coarse.shape}",
            )
        fields.append(field)
    return np.stack(fields)


@blockwise(dtype=np.float32, block_invariant=True, version="1", threadsafe=True)
def divide_field(
    image: Array, *, fields: Coarse, factors: Sequence[int], block: StepBlock = injected
) -> NDArray[np.float32]:
    """Interpolate the bias over one block, and divide by it."""
    start, stop, shape = extent_of(block)
    edges = list(factors) * (len(shape) if len(factors) == 1 else 1)
    iterated = [n for n, axis in enumerate(block.axes) if axis not in block.function_axes]
    sizes = [block.image_roi.shape[n] for n in iterated]
    if len(edges) != len(shape) or fields.shape != (math.prod(sizes), *coarse_shape(shape, edges)):
        raise ParameterError(
            "a bias field is that of an image of the same shape, with the same factors",
            value=f"image {(*sizes, *shape)}, field {fields.shape}, factors {tuple(factors)}",
            place="correct_bias",
            remedy="estimate it on this image, and give the same factors= to both",
        )
    place = [block.write_roi.offset[n] - block.image_roi.offset[n] for n in iterated]
    check_in_float64(image, "correct_bias")
    field = fields[int(np.ravel_multi_index(place, sizes)) if sizes else 0]
    under = field[coarse_slices(start, stop, edges, shape)]
    return (image / interpolate_coarse(under, start, stop, edges, shape)).astype(np.float32)


bias_field = bias_field.options(name="estimate_bias")
divide_field = divide_field.options(name="correct_bias")

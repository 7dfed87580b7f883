"""Images stored with coarser levels, for viewers and for work on a coarse scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scutoid.arrays import Storage, pyramid_levels, pyramid_method
from scutoid.errors import PipelineError
from scutoid.ops._composed import opened, operation
from scutoid.ops._grids import are_labels, kept_labels, plain
from scutoid.ops._renamed import renamed
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import Image, Images, blockwise, remedy_for_image


@blockwise(dtype="same", block_invariant=True, version="1", threadsafe=True)
def pyramid_step(image: Array, *, levels: int, factors: object, method: str | None) -> Array:
    """Hand on one block; its levels are made as it is written."""
    del levels, factors, method  # of the storage; as parameters they tell one result from another
    return image


pyramid_step = pyramid_step.options(name="pyramid")


@operation
@renamed(method="downsampling")
def pyramid(
    image: ImageLike,
    *,
    levels: int,
    factors: int | Sequence[int] | None = None,
    downsampling: str | None = None,
) -> ImageLike:
    """Store an image with coarser levels, as OME-Zarr; they are made while a block is in memory.

    **Exact**: each level equals `scutoid.downsample` of the one above it, for every block shape.
    Any step writes such levels with ``storage=sc.Storage(levels=...)``, without a copy.

    Parameters
    ----------
    image : Image or Images
        Intensities, a mask or labels.
    levels : int
        Number of levels, the image itself included; there are fewer if nothing is left to shrink.
    factors : int or sequence of int, optional
        Voxels of a level in one of the next, for all spatial axes or one for each.  Default: 2, but
        an axis whose voxels are twice as long as those of others waits until these have caught up.
    downsampling : {"mean", "mode", "nearest", "max"}, optional
        The method of `downsample`; default: the mean, of labels and masks the mode.

    Returns
    -------
    Image or Images
        The same voxels.  Once it has been run, ``sc.open(path, level=1)`` opens a level.

    Raises
    ------
    ParameterError
        If the factors do not fit the spatial axes, or the method is unknown.
    MetadataError
        If there is not one level or more, or object numbers are to be averaged.
    PipelineError
        If it is an array.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.pyramid(sc.open(np.zeros((64, 64), "uint8")), levels=3)
    Image('pyramid', yx, (64, 64), uint8)
    """
    image = opened(image)
    if not isinstance(image, (Image, Images)):
        raise PipelineError(
            "images are stored with levels",
            value=type(image).__name__,
            place="pyramid",
            remedy=remedy_for_image(image, "open an array by sc.open"),
        )
    widths = tuple(plain(factors)) if isinstance(factors, Iterable) else factors
    storage = Storage(format="zarr", levels=levels, factors=widths, downsampling=downsampling)
    if isinstance(image, Image):  # raises now what would fail later
        spec = image.framed.spec
        pyramid_levels(spec, storage)
        pyramid_method(spec, storage, label=image.is_labels)
    method = downsampling
    if method is None and are_labels(image):
        method = "mode"  # in the key: what a file says of its voxels is not
    step = kept_labels(pyramid_step, image).options(storage=storage)
    return step(image, levels=levels, factors=widths, method=method)

"""Objects that touch, parted at their waists or at the dark between them.

::

    mask --> label --> components --+--> local maxima --> label --> seeds --+
      |                             |         ^                             v
      +--> distances, or an image --|---------+---------------------> watershed --> label by value
                                    +----------------------------------------^
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.kernels import SparseArray
from scutoid.ops._composed import TypedAs, as_one, opened, with_call_options
from scutoid.ops._extent import image_part, sparse, unpadded
from scutoid.ops._inputs import check_real
from scutoid.ops._label import label, label_apply, label_merge, label_pieces
from scutoid.ops._maxima import local_maxima
from scutoid.ops._types import Array, ImageLike, Number
from scutoid.ops._watershed import (
    MAX_EXTENT,
    Reach,
    check_extent,
    labels_cut,
    report_table,
    watershed_report,
    watershed_step,
)
from scutoid.steps import (
    CallOptions,
    Cropped,
    Image,
    Images,
    StepBlock,
    Table,
    Tables,
    blockwise,
    injected,
    is_lazy,
)

if TYPE_CHECKING:
    import pandas as pd

_UNREACHED = int(np.iinfo(np.uint32).max)


class _Options(TypedDict, total=False):
    """What `split_touching` takes besides images and report=."""

    min_distance: int
    h: Number | None
    connectivity: int | None
    max_extent: int
    exact: bool


class _Split(Protocol):
    """The type of `split_touching`: with report=True it returns a table as well."""

    __name__: str

    @overload
    def __call__(
        self,
        mask: Images,
        image: ImageLike | None = ...,
        *,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Images: ...
    @overload
    def __call__(
        self,
        mask: Images,
        image: ImageLike | None = ...,
        *,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Images, Tables]: ...
    @overload
    def __call__(
        self,
        mask: Image,
        image: Image | Array | None = ...,
        *,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Image: ...
    @overload
    def __call__(
        self,
        mask: Image,
        image: Image | Array | None = ...,
        *,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Image, Table]: ...
    @overload
    def __call__(
        self,
        mask: Array,
        image: Array | None = ...,
        *,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Array: ...
    @overload
    def __call__(
        self,
        mask: Array,
        image: Array | None = ...,
        *,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Array, pd.DataFrame]: ...

    def options(self, **options: Unpack[CallOptions]) -> _Split:
        """Return the same operation with options for this call; see `scutoid.blockwise`."""
        ...


@TypedAs[_Split]()
@with_call_options
def split_touching(
    mask: ImageLike,
    image: ImageLike | None = None,
    *,
    min_distance: int = 5,
    h: Number | None = None,
    connectivity: int | None = None,
    max_extent: int = MAX_EXTENT,
    exact: bool = False,
    report: bool = False,
) -> object:
    """Number the objects of a mask, and part those that touch.

    Each component of the mask is flooded from the maxima of the distance to the background, or of
    the intensities of `image`: it becomes as many objects as it has maxima, and at least one.

    **Exact within halo**: where components of the mask extend over up to `max_extent` voxels on
    each axis, the result equals that of the whole array, numbers included, for every block shape,
    executor and number of workers (with voxel sizes that are no integers, within the rounding of
    distances); an array is split whole, at any size.  In a larger component each block floods what
    lies within `max_extent` voxels of it, and distances may end at what `max_extent` voxels are;
    `report` says which objects that concerns, `exact` forbids it.

    Parameters
    ----------
    mask : Image, Images or ndarray of bool or integer
        Nonzero is foreground.  Spatial axes are taken together, other axes are iterated.
    image : Image, Images or ndarray of integer or float, optional
        Intensities, bright inside of objects; smooth them first.  Default: the distance to the
        background, in the unit of the voxel size, voxels where it is unknown; the image's edge is
        no background.  An array's voxels are of size 1.
    min_distance : int
        Objects' centres up to so many voxels apart on every axis are one: see `local_maxima`.
    h : float or Value, optional
        How far a centre must rise above the way to a higher one, in the unit of the distance or in
        intensities: see `local_maxima`.  Distances have shallow maxima at waists as well, which
        half a voxel's size removes.
    connectivity : int, optional
        Of the mask and of the flood, as in `label`.
    max_extent : int
        Halo in voxels; give the length of the longest clump that has to be exact.
    exact : bool
        Raise if a component is larger than that.
    report : bool
        Return a table of the objects that are not exact as well.

    Returns
    -------
    labels : Image or ndarray of uint32
        Numbered from 1 by first voxel in C order.
    table : Table or DataFrame, with `report`
        ``label`` and ``n_voxels`` of objects in components that some block has not seen whole, as
        from `watershed`.  Without rows, all is exact.

    Raises
    ------
    ParameterError
        If the mask holds floating-point numbers, or a number is out of its range.
    StepError
        With `exact`, if a component is larger than `max_extent`.

    Notes
    -----
    Voxels of a component that no flood reaches, in a component larger than `max_extent`, become an
    object of their own for each connected part, so that nothing of the mask is lost.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> y, x = np.ogrid[:9, :17]
    >>> mask = ((y - 4) ** 2 + (x - 4) ** 2 < 17) | ((y - 4) ** 2 + (x - 12) ** 2 < 17)
    >>> sc.label(mask).max(), sc.split_touching(mask).max()
    (np.uint32(1), np.uint32(2))
    """
    check_extent(max_extent, "split_touching")
    check_extent(min_distance, "split_touching", name="min_distance")
    check_real(image, "split_touching")
    mask = as_one(opened(mask))
    image = None if image is None else as_one(opened(image))
    components = label(mask, connectivity=connectivity)
    if not is_lazy(components):
        max_extent = max(*components.shape, 1)
    heights = distance_within(mask, max_extent=max_extent) if image is None else image
    # Neighbours by corners, whatever those of the mask: a ridge that runs aslant is one maximum
    seeds = label(
        local_maxima(heights, components, min_distance=min_distance, h=h, max_extent=max_extent)
    )
    if not is_lazy(seeds):
        parts = np.asarray(components)
        found = kernels.watershed(
            np.asarray(heights), np.asarray(seeds), parts, connectivity, descending=True
        )
        found[(parts != 0) & (found == 0)] = _UNREACHED
        numbered = label(found, connectivity=connectivity, by_value=True)
        return (numbered, report_table([])) if report else numbered
    reach: Reach = {"connectivity": connectivity, "max_extent": max_extent}
    flooded = watershed_step(
        seeds, heights, components, **reach, exact=exact, descending=True, unreached=_UNREACHED
    )
    pieces = label_pieces(flooded, connectivity=connectivity, by_value=True)
    merged = label_merge(pieces, connectivity=connectivity)
    number = label_apply.options(name="split_touching")
    objects = number(flooded, merged, connectivity=connectivity, by_value=True)
    if not report:
        return objects
    return objects, watershed_report(labels_cut(objects, components, **reach))


@blockwise(
    halo=lambda max_extent: max_extent,
    border=0,
    dtype=np.float32,
    block_invariant=True,
    version="2",
    threadsafe=True,
)
def distance_within(
    mask: Array | SparseArray,
    *,
    max_extent: int,
    voxel_size: Sequence[float] | None = injected,
    block: StepBlock = injected,
) -> NDArray[np.float32] | Cropped:
    """Measure how far voxels lie from the background, as far as every block sees it.

    No voxel of a component that `max_extent` holds lies further away: along an axis on which the
    image is longer, the component ends within `max_extent` voxels.
    """
    lengths = [block.image_roi.shape[block.axes.index(axis)] for axis in block.function_axes]
    sizes = tuple(voxel_size or (1.0,) * len(lengths))
    longer = [size for size, length in zip(sizes, lengths, strict=True) if length > max_extent]
    everything = sum(size * length for size, length in zip(sizes, lengths, strict=True))
    limit = max_extent * min(longer) if longer else max(everything, *sizes)  # of no voxels too
    if isinstance(mask, SparseArray):
        kernels.check_mask_type(mask.dtype, "split_touching")
        _, inner, _ = image_part(block)
        return Cropped(kernels.sparse_distance(mask, inner, limit, voxel_size, np.float32))
    inside = kernels.as_foreground(mask, "split_touching")
    return kernels.bounded_distance(inside, limit, voxel_size, np.float32)


distance_within = sparse(unpadded(distance_within), mask="places")

"""Models over images of any size: tiles with a halo, in batches, loaded once a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import DTypeLike

from scutoid.arrays import SPATIAL
from scutoid.errors import ParameterError
from scutoid.kernels import Model, Tiling, check_tiling, predict_tiles
from scutoid.ops._composed import as_one, opened, operation
from scutoid.ops._inputs import first_of
from scutoid.ops._networks import check_loader
from scutoid.ops._types import Array, ImageLike
from scutoid.steps import Image, Images, StepBlock, blockwise, injected, remedy_for_image
from scutoid.steps import open as open_image

_PLACE = "predict"

PerAxis = int | Sequence[int]
"""One number for all spatial axes, or one an axis."""
Halo = int | Sequence[int | tuple[int, int]]
"""The same, where an axis may have a pair: before and behind."""


@operation
def predict(
    image: ImageLike,
    *,
    model: Callable[[], Model],
    halo: Halo,
    tile: PerAxis | None = None,
    batch: int = 1,
    stride: PerAxis = 1,
    channels: int | None = None,
    axes: str | None = None,
    dtype: DTypeLike = "float32",
    border: Literal["clip", "reflect", "nearest"] | float = "clip",
    block: int | Sequence[int] | Mapping[str, int] | None = None,
    requires: Mapping[str, int] | None = None,
    version: str | None = None,
    environment: Sequence[str] = (),
) -> ImageLike:
    """Run a model over an image of any size.

    **Exact within halo**: where `halo` covers the model's field of view, which
    `scutoid.ops.field_of_view` measures, every voxel is what the model says of the whole image, up
    to the rounding of its arithmetic, whose order libraries choose by the shape of what they get
    (about 1e-6 of the largest term in float32).  With a smaller halo it is approximate near the
    faces of tiles, and nothing can tell.  For a model that looks at all that it gets, as instance
    normalisation does, no halo is large enough.

    Parameters
    ----------
    image : Image, Images or ndarray
        Intensities.
    model : function without arguments
        Loads the model: called once a worker, its code and what `functools.partial` binds to it
        enter the key, a `pathlib.Path` by the file's content; the weights of a network made outside
        of it do not.  It returns the model, a function of a batch: an array of the image's dtype,
        shape (tiles, channels, *spatial), with one channel where `axes` has none.  The model
        returns an array or a tensor, (tiles, *spatial) or (tiles, channels, *spatial), with the
        spatial shape that it got, or one smaller by the same number on both sides of an axis.
        `scutoid.ops.torch_model` makes such a loader of a PyTorch module.
    halo : int, or sequence of int or (int, int)
        Voxels that the model gets around each tile, an entry a spatial axis, or (before, behind).
    tile : int or sequence of int, optional
        Voxels that one tile writes on each spatial axis; default: the whole block.
    batch : int
        How many tiles of one shape the model gets in one call, at most.
    stride : int or sequence of int
        What the model's pooling divides the axes by, such as 16 for four levels of a U-net: tiles
        are read from a multiple of it to a multiple, counted from the image's first voxel; where
        the image ends before, its last voxels are repeated.
    channels : int, optional
        How many channels the model returns, on the axis after the first, such as the probabilities
        of classes; they become the axis "c" of the result, before the spatial axes.
    axes : str, optional
        Axes of what the model gets, spatial ones after "c" if it wants the channels of the image,
        such as "cyx".  Default: the spatial axes; others are iterated.
    dtype : dtype
        Of the result; the model's numbers are cast as by `numpy.ndarray.astype`.
    border : {"clip", "reflect", "nearest"} or number
        What the model gets beyond the image's edge: nothing ("clip": its own padding acts there, as
        on the whole image), or the image mirrored, continued or padded by a number.
    block : int, sequence or mapping, optional
        Block shape over the spatial axes, as in `blockwise`; one block runs in one worker.
    requires : mapping of str to int, optional
        Resources that a block holds, such as ``{"gpu": 1}``: as many blocks run at a time as there
        are.  They are counted, not looked for: the loader chooses the device.
    version : str, optional
        Replaces the loader's code in the key.
    environment : sequence of str
        Packages whose versions enter the key, such as ``["torch"]``.

    Returns
    -------
    Image, Images or ndarray
        What the model says of each voxel; the image's spatial shape, with `channels` after an axis
        "c" of that many.

    Raises
    ------
    ParameterError
        If a parameter is out of range, or `model` is a model itself.
    StepError
        If the model returns another shape than it should, or no numbers.

    Notes
    -----
    Worker processes start with one thread for numeric libraries, PyTorch among them; with
    ``executor="threads"`` a library's own threads add to those of the run.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> def load():
    ...     weight = 2.0  # slow in earnest: reads a file of weights
    ...     return lambda batch: weight * batch
    >>> sc.predict(np.ones((2, 3)), model=load, halo=0, tile=2, batch=4)
    array([[2., 2., 2.],
           [2., 2., 2.]], dtype=float32)
    """
    source = as_one(_opened(image, axes))
    seen = _axes_of(source, axes)
    spatial = [axis for axis in seen if axis in SPATIAL]
    tiling = _tiling(halo, tile, batch, stride, len(spatial))
    check_loader(model, _PLACE, "model is a function without arguments that loads a model")
    if channels is not None and not (_is_whole(channels) and channels > 0):
        raise ParameterError("channels is 1 or more", value=channels, place=_PLACE)
    if cast("object", border) == "crop":
        raise ParameterError(
            "border is 'clip', 'reflect', 'nearest' or a number",
            value=border,
            place=_PLACE,
            remedy="crop what is returned",
        )
    if channels is not None and "c" not in seen and "c" in _source_axes(source):
        raise ParameterError(
            "an image has one axis of channels: those of the model take the place of the image's",
            value=f"channels={channels} for axes {_source_axes(source)!r}",
            place=_PLACE,
            remedy="give axes with c, such as 'cyx', or take one channel: image.channel(0)",
        )
    returned = "".join(spatial) if channels is None else "c" + "".join(spatial)
    step = blockwise(
        halo=_reach,
        axes=axes,
        out_axes=returned,
        out_sizes=None if channels is None else {"c": channels},
        border=border,
        dtype=np.dtype(dtype),
        setup={"model": model},
        block=block,
        requires=requires,
        version=version,
        environment=environment,
    )(_predict_block)
    result = step.options(name=_PLACE)(
        source,
        margin=tiling.margin,
        tile=tiling.tile,
        batch=tiling.batch,
        stride=cast("tuple[int, ...]", tiling.stride),
        n_outputs=channels,
        dtype=str(np.dtype(dtype)),
        limit=_limit(source, spatial, border),
    )
    return np.asarray(result) if isinstance(image, np.ndarray) else result


def _opened(image: ImageLike, axes: str | None) -> ImageLike:
    """Open arrays; one with as many axes as the model gets has these."""
    if not isinstance(image, np.ndarray):
        return opened(image)
    return open_image(image, axes=axes if axes is not None and len(axes) == image.ndim else None)


def _source_axes(image: Image | Images) -> str:
    """Return the axes of an image, or of the first member of a collection."""
    first = first_of(image)
    return str(first.axes)


def _axes_of(image: object, axes: str | None) -> str:
    """Return the axes that the model gets."""
    if not isinstance(image, (Image, Images)):
        raise ParameterError(
            "a model runs over an image, a collection of images or an array",
            value=type(image).__name__,
            place=_PLACE,
            remedy=remedy_for_image(image, "open it by scutoid.open"),
        )
    present = _source_axes(image)
    letters = "".join(axis for axis in present if axis in SPATIAL) if axes is None else axes
    spatial = letters.removeprefix("c")
    if not spatial or any(axis not in SPATIAL or axis not in present for axis in spatial):
        raise ParameterError(
            "a model gets spatial axes, and the channels before them",
            value=f"axes {letters!r} of an image with axes {present!r}",
            place=_PLACE,
            remedy="give axes such as 'zyx' or 'cyx', or axes= to sc.open",
        )
    return letters


def _tiling(halo: Halo, tile: PerAxis | None, batch: int, stride: PerAxis, ndim: int) -> Tiling:
    sides = list(halo) if isinstance(halo, Iterable) else [halo] * ndim
    margin = tuple((low, high) for low, high in (_whole(side, 2, "halo") for side in sides))
    tiling = Tiling(
        margin,
        None if tile is None else _whole(tile, ndim, "tile"),
        _whole(batch, 1, "batch")[0],
        _whole(stride, ndim, "stride"),
    )
    check_tiling(tiling, ndim, _PLACE)
    return tiling


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _whole(value: object, n_entries: int, name: str) -> tuple[int, ...]:
    """Read one whole number for all entries, or one for each."""
    entries = list(value) if isinstance(value, Iterable) else [value] * n_entries
    if len(entries) != n_entries or not all(map(_is_whole, entries)):
        raise ParameterError(
            f"{name} is a whole number" + (f", or {n_entries} of them" if n_entries > 1 else ""),
            value=value,
            place=_PLACE,
        )
    return tuple(map(int, cast("list[int]", entries)))


def _limit(image: object, spatial: Sequence[str], border: object) -> tuple[int, ...] | None:
    """Sizes of the spatial axes, above which a clipped halo need not go."""
    if not isinstance(image, Image) or border != "clip":
        return None
    return tuple(image.shape[image.axes.index(axis)] for axis in spatial)


def _reach(
    margin: tuple[tuple[int, int], ...],
    stride: tuple[int, ...],
    limit: tuple[int, ...] | None,
) -> list[tuple[int, int]]:
    """Return the halo of a block: the margin, and what lies between it and a multiple."""
    reach = [(low + s - 1, high + s - 1) for (low, high), s in zip(margin, stride, strict=True)]
    if limit is None:
        return reach
    return [
        (min(low, size), min(high, size)) for (low, high), size in zip(reach, limit, strict=True)
    ]


def _predict_block(
    image: Array,
    *,
    model: Model = injected,
    margin: tuple[tuple[int, int], ...],
    tile: tuple[int, ...] | None,
    batch: int,
    stride: tuple[int, ...],
    n_outputs: int | None,
    dtype: str,
    limit: tuple[int, ...] | None,  # noqa: ARG001 - of the halo
    block: StepBlock = injected,
) -> Array:
    """Run the model over the tiles of one block."""
    spatial = [n for n, axis in enumerate(block.function_axes) if axis in SPATIAL]
    places = [block.axes.index(block.function_axes[n]) for n in spatial]
    outputs = predict_tiles(
        model,
        image if len(spatial) < image.ndim else image[None],
        Tiling(margin, tile, batch, stride),
        inner=[block.inner[n] for n in spatial],
        start=[block.read_roi.offset[p] - block.image_roi.offset[p] for p in places],
        n_outputs=n_outputs,
        dtype=np.dtype(dtype),
    )
    return outputs[0] if n_outputs is None else np.stack(outputs)

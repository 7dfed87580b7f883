"""Run a model over an array tile by tile: each tile is read with a margin and cropped again.

::

    read      |-- margin --|----- tile -----|-- margin --|      given to the model
    written                |----- tile -----|                   kept of what it returns
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError, StepError

_FURTHEST = {1: 1024, 2: 128, 3: 40}
"""How far to look for the edge of a field of view, by number of axes: what is done in a second."""


class Model(Protocol):
    """A function of a batch of tiles."""

    def __call__(self, batch: NDArray[Any], /) -> object:
        """Take (tiles, channels, *spatial), return (tiles, *spatial) or (tiles, outputs, *spatial).

        What is returned is anything that numpy takes, or a tensor of PyTorch.
        """


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an array is cut into tiles for a model."""

    margin: tuple[tuple[int, int], ...]
    """Voxels read before and behind each tile, an entry a spatial axis."""
    tile: tuple[int, ...] | None = None
    """Voxels written by each tile, an entry a spatial axis; None: all in one."""
    batch: int = 1
    """Tiles of one shape given to the model in one call, at most."""
    stride: tuple[int, ...] | None = None
    """What the model's sampling divides the axes by: tiles are read from a multiple to a multiple
    of it, as the whole array would be; where it ends before, its last voxels are repeated."""


def predict_tiles(
    model: Model,
    image: NDArray[Any],
    tiling: Tiling,
    *,
    inner: Sequence[slice],
    start: Sequence[int],
    n_outputs: int | None,
    dtype: np.dtype[Any],
) -> list[NDArray[Any]]:
    """Run a model over a part of an array.

    Parameters
    ----------
    model : callable
        Gets an array of the image's dtype, shape (tiles, channels, *spatial); returns something
        that numpy takes, or a tensor of PyTorch, of shape (tiles, *spatial) or (tiles, outputs,
        *spatial).  Its spatial shape is that of what it got, or smaller by the same number on both
        sides of an axis.
    image : ndarray
        Shape (channels, *spatial).
    tiling : Tiling
        Tiles, margins and batches.
    inner : sequence of slice
        The part to predict, on the spatial axes.
    start : sequence of int
        Place of the array's first voxel in the whole image, for the stride.
    n_outputs : int, optional
        Images that the model returns on its second axis; None: one, with or without that axis.
    dtype : dtype
        Of the result.

    Returns
    -------
    list of ndarray
        Each of the spatial shape of `image`, zero outside of `inner`.

    Raises
    ------
    StepError
        If the model returns anything else.

    Examples
    --------
    >>> image = np.arange(6).reshape(1, 6)
    >>> tiling = Tiling(margin=((0, 0),), tile=(2,))
    >>> predict_tiles(
    ...     lambda x: x * 2,
    ...     image,
    ...     tiling,
    ...     inner=[slice(1, 6)],
    ...     start=[0],
    ...     n_outputs=None,
    ...     dtype=np.dtype("int64"),
    ... )
    [array([ 0,  2,  4,  6,  8, 10])]
    """
    shape = image.shape[1:]
    outputs = [np.zeros(shape, dtype) for _ in range(n_outputs or 1)]
    stride = tiling.stride or (1,) * len(shape)
    waiting: dict[tuple[int, ...], list[_Tile]] = {}
    for write in _tiles_of(inner, tiling.tile):
        tile = _tile(write, tiling.margin, stride, start, shape)
        group = waiting.setdefault(tile.shape, [])
        group.append(tile)
        if len(group) == tiling.batch:
            _run(model, image, waiting.pop(tile.shape), outputs, n_outputs)
    for group in waiting.values():
        _run(model, image, group, outputs, n_outputs)
    return outputs


def field_of_view(
    model: Model, *, ndim: int, channels: int = 1, stride: int = 1, limit: int | None = None
) -> tuple[tuple[int, int], ...]:
    """Measure how far around a voxel a model looks.

    One voxel of the input is NaN, which no sum, product or maximum swallows, as comparisons do
    (leave argmax and thresholds out); where the output is NaN, it depends on that voxel.  A fast
    convolution that works on tiles of its own (Winograd, FFT) spreads NaN further than it looks,
    never less.  What a model does with means or sorting of the whole input shows as an endless
    field.

    Parameters
    ----------
    model : callable
        As in `predict_tiles`; gets float32.
    ndim : int
        Number of spatial axes.
    channels : int
        Channels of its input.
    stride : int
        What the model's sampling divides the axes by.
    limit : int, optional
        How far to look, in voxels; default: 128 in 2-D, 40 in 3-D.  The model gets twice that.

    Returns
    -------
    tuple of (int, int)
        Voxels before and behind, an entry a spatial axis: the halo that makes tiles exact.

    Raises
    ------
    StepError
        If the model looks further than the limit, or returns no numbers, or no NaN.

    References
    ----------
    A. Araujo et al., "Computing receptive fields of convolutional neural networks", Distill (2019).

    Examples
    --------
    >>> def smoothed(batch):
    ...     return batch[..., :-2] + batch[..., 1:-1] + batch[..., 2:]
    >>> field_of_view(smoothed, ndim=1)
    ((1, 1),)
    """
    reach = (_FURTHEST.get(ndim, 16) if limit is None else limit) + stride
    sizes = (-(-(2 * reach + stride) // stride) * stride,) * ndim
    low, high = np.zeros(ndim, int), np.zeros(ndim, int)
    is_seen = False
    for middle in range(reach, reach + stride):
        batch = np.zeros((1, channels, *sizes), np.float32)
        batch[(0, 0, *(middle,) * ndim)] = np.nan
        answer = _as_array(model(batch), ndim)
        answer = answer.reshape(-1, *answer.shape[answer.ndim - ndim :])
        lost = (np.array(sizes) - answer.shape[1:]) // 2
        seen = np.argwhere(np.isnan(answer))[:, 1:] + lost
        if len(seen):
            is_seen = True
            low = np.maximum(low, seen.max(axis=0) - middle)
            high = np.maximum(high, middle - seen.min(axis=0))
    if not is_seen:
        raise StepError(
            "a model whose field of view is measured returns NaN where it looks at NaN",
            value=f"none, in an answer of {answer.dtype}",
            place="field_of_view",
            remedy="measure it without what compares or replaces, such as argmax or a threshold",
        )
    if max(*low, *high) > reach - stride:
        raise StepError(
            f"a model looks no further than {reach - stride} voxels, unless limit= says more",
            value=f"at least {low.tolist()} before and {high.tolist()} behind a voxel",
            place="field_of_view",
            remedy="give a larger limit=; what looks at the whole image, such as normalisation, "
            "does not belong into the model",
        )
    return tuple(zip(low.tolist(), high.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Tile:
    """One tile, in voxels of the array."""

    write: tuple[slice, ...]
    """What it writes."""
    read: tuple[slice, ...]
    """What is read, inside the array."""
    missing: tuple[int, ...]
    """Voxels by which the array ends before the last multiple of the stride."""

    @property
    def shape(self) -> tuple[int, ...]:
        """What the model gets."""
        pairs = zip(self.read, self.missing, strict=True)
        return tuple(part.stop - part.start + more for part, more in pairs)


def _tiles_of(inner: Sequence[slice], tile: Sequence[int] | None) -> Iterator[tuple[slice, ...]]:
    sizes = tile or [max(part.stop - part.start, 1) for part in inner]
    axes = [
        [slice(a, min(a + size, part.stop)) for a in range(part.start, part.stop, size)]
        for part, size in zip(inner, sizes, strict=True)
    ]
    return itertools.product(*axes)


def _tile(
    write: tuple[slice, ...],
    margin: Sequence[tuple[int, int]],
    stride: Sequence[int],
    start: Sequence[int],
    shape: Sequence[int],
) -> _Tile:
    """Find what a tile reads: with its margin, to multiples of the stride in the whole image."""
    read, missing = [], []
    for part, (low, high), step, first, size in zip(
        write, margin, stride, start, shape, strict=True
    ):
        begin = max(part.start - low, 0)
        begin = max(begin - (first + begin) % step, 0)
        end = min(part.stop + high, size)
        end += -(end - begin) % step
        read.append(slice(begin, min(end, size)))
        missing.append(max(end - size, 0))
    return _Tile(write, tuple(read), tuple(missing))


def _run(
    model: Model,
    image: NDArray[Any],
    tiles: Sequence[_Tile],
    outputs: Sequence[NDArray[Any]],
    n_outputs: int | None,
) -> None:
    """Give some tiles of one shape to the model, and keep what it says of them."""
    batch = np.stack([_padded(image[(slice(None), *tile.read)], tile.missing) for tile in tiles])
    spatial = batch.shape[2:]
    answer = _as_array(model(batch), len(spatial))
    channels = answer.shape[1 : answer.ndim - len(spatial)]
    expected = {None: [(), (1,)], 1: [(), (1,)]}.get(n_outputs, [(n_outputs,)])
    lost = [a - b for a, b in zip(spatial, answer.shape[answer.ndim - len(spatial) :], strict=True)]
    if answer.shape[0] != len(tiles) or channels not in expected or not _is_fit(lost, tiles):
        outputs_text = "" if n_outputs is None else f"{n_outputs}, "
        remedy = (
            f"return ({len(tiles)}, {outputs_text}{str(spatial)[1:]}; with a margin left out, here "
            f"{max(-(-n // 2) for n in lost)} voxels, give a halo of at least that and "
            "border='reflect'"
        )
        if channels and channels not in expected:
            remedy = f"give channels={channels[0]}, or return fewer or more"
        raise StepError(
            "a model returns an answer for each voxel that it gets, or for all but a margin",
            value=f"shape {answer.shape} for a batch of shape {batch.shape}",
            place="predict",
            remedy=remedy,
        )
    answer = answer.reshape(len(tiles), len(outputs), *answer.shape[answer.ndim - len(spatial) :])
    for number, tile in enumerate(tiles):
        kept = tuple(
            slice(write.start - read.start - less // 2, write.stop - read.start - less // 2)
            for write, read, less in zip(tile.write, tile.read, lost, strict=True)
        )
        for channel, output in enumerate(outputs):
            output[tile.write] = answer[number, channel][kept]


def _as_array(answer: object, ndim: int) -> NDArray[Any]:
    """Return what a model returned, if it is numbers on as many axes as a batch, or one less."""
    found = answer
    if hasattr(found, "detach"):  # a tensor of PyTorch, perhaps with gradients, on any device
        found = found.detach().cpu()
        if str(found.dtype) == "torch.bfloat16":  # numpy has none
            found = found.float()
    try:
        array = np.asarray(found)
    except (TypeError, ValueError):  # parts of several shapes
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" or array.ndim not in (ndim + 1, ndim + 2):
        is_array = hasattr(answer, "shape")
        raise StepError(
            "a model returns numbers, (tiles, *spatial) or (tiles, channels, *spatial)",
            value=f"{array.dtype} of shape {array.shape}" if is_array else type(answer).__name__,
            place="predict",
            remedy="of several results return the one that is wanted",
        )
    return array


def _padded(part: NDArray[Any], missing: Sequence[int]) -> NDArray[Any]:
    if not any(missing):
        return part
    return np.pad(part, [(0, 0), *((0, more) for more in missing)], mode="edge")


def _is_fit(lost: Sequence[int], tiles: Sequence[_Tile]) -> bool:
    """Whether the same is lost on both sides, and no more than lies around each tile."""
    if any(less < 0 or less % 2 for less in lost):
        return False
    return all(
        less // 2 <= min(write.start - read.start, read.stop + more - write.stop)
        for tile in tiles
        for less, write, read, more in zip(lost, tile.write, tile.read, tile.missing, strict=True)
    )


def check_tiling(tiling: Tiling, ndim: int, place: str) -> None:
    """Refuse margins, tiles, batches and strides that cannot be.

    Raises
    ------
    ParameterError
        Naming the one that is wrong.
    """
    sizes = {"tile": tiling.tile, "stride": tiling.stride, "batch": (tiling.batch,)}
    for name, entries in sizes.items():
        n_entries = 1 if name == "batch" else ndim
        if entries is not None and (len(entries) != n_entries or min(entries) < 1):
            raise ParameterError(
                f"{name} is 1 or more" + ("" if name == "batch" else f" on {ndim} spatial axes"),
                value=entries,
                place=place,
            )
    if len(tiling.margin) != ndim or min(side for pair in tiling.margin for side in pair) < 0:
        raise ParameterError(
            f"halo is 0 or more voxels, one number or one for each of {ndim} spatial axes",
            value=tiling.margin,
            place=place,
        )

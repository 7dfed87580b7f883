"""An image as a Zarr hierarchy that exists in addresses only: each chunk is read when asked for.

::

    0/zarr.json          the levels, their voxel sizes and places
    0/1/zarr.json        one of them
    0/1/c/2/0/0          a chunk of it
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.steps import Image, level_sources
from scutoid.views._layer_array import LayerArray, Readable
from scutoid.views._neuroglancer_space import Space
from scutoid.views._pyramid import levels_of
from scutoid.views._spec import LayerSpec

_VOXELS = 2**18
"""Voxels of a chunk, at most."""
_THIN = 8
"""Voxels of a chunk along an axis on which the image itself is stored plane by plane."""


@dataclass(frozen=True, slots=True)
class ShownLevel:
    """One level of an image."""

    data: LayerArray
    scale: tuple[float, ...]
    """Size of a voxel on each axis."""
    translate: tuple[float, ...]
    """Position of the centre of the first voxel."""
    chunks: tuple[int, ...]
    """Shape of a chunk, in voxels."""


@dataclass(eq=False)
class ZarrImage:
    """The image of a layer, with its coarser levels."""

    layer: LayerSpec
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while a result that is not stored is computed: functions of users may bear no
    threads."""

    def __call__(self, path: tuple[str, ...]) -> bytes | None:
        """Return what lies at a path; None: nothing, or a chunk of zeros."""
        if path == ("zarr.json",):
            return _as_json(self._group())
        if len(path) < 2 or not path[0].isdecimal() or int(path[0]) >= len(self.levels):
            return None
        level = self.levels[int(path[0])]
        if path[1:] == ("zarr.json",):
            return _as_json(self._array(level))
        places = path[2:]
        if path[1] != "c" or len(places) != len(self.axes) or not all(map(str.isdecimal, places)):
            return None
        return self._chunk(level, [int(place) for place in places])

    @cached_property
    def levels(self) -> tuple[ShownLevel, ...]:
        """All levels, the finest first; the axis of colours has the size 1 in each."""
        found = []
        axes, image = self.axes, self.data.image
        scale, place = (
            dict(zip(self.layer.axes, each, strict=True))
            for each in (self.layer.scale, self.layer.translate)
        )
        stored = dict(zip(image.axes, _chunks_of(image), strict=True))
        for level in levels_of(self.data):
            sizes = [scale.get(a, 1.0) * level.factors.get(a, 1.0) for a in axes]
            places = [
                place.get(a, 0.0) + level.shifts.get(a, 0.0) * scale.get(a, 1.0) for a in axes
            ]
            n = len(self.layer.axes)  # colours stay together
            chunks = chunk_shape(level.data.shape[:n], [stored.get(a) for a in axes[:n]])
            chunks += level.data.shape[n:]
            found.append(ShownLevel(level.data, tuple(sizes), tuple(places), chunks))
        return tuple(found)

    @cached_property
    def _is_computed(self) -> bool:
        image = self.data.image
        return isinstance(image, Image) and not level_sources(image)

    @property
    def data(self) -> LayerArray:
        """The voxels of the finest level."""
        if not isinstance(self.layer.data, LayerArray):
            raise TypeError(f"a layer of {self.layer.kind} has no voxels")
        return self.layer.data

    @property
    def axes(self) -> str:
        """One letter for each axis of the data; c is the axis of colours."""
        return self.layer.axes + "c" * (self.data.ndim - len(self.layer.axes))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel as the viewer gets it."""
        return shown_dtype(self.data.dtype, is_labels=self.layer.kind == "labels")

    def _group(self) -> dict[str, object]:
        space = Space.of(self.axes, self.layer.scale, self.layer.units)
        datasets = []
        for number, level in enumerate(self.levels):
            transforms = [
                {"type": "scale", "scale": space.lengths(level.scale)},
                {"type": "translation", "translation": space.lengths(level.translate)},
            ]
            datasets.append({"path": str(number), "coordinateTransformations": transforms})
        multiscales = [{"axes": space.ome_axes, "datasets": datasets, "name": "image"}]
        ome = {"version": "0.5", "multiscales": multiscales}
        return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}

    def _array(self, level: ShownLevel) -> dict[str, object]:
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": level.data.shape,
            "data_type": self.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": level.chunks}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": {},
        }

    def _chunk(self, level: ShownLevel, place: Sequence[int]) -> bytes | None:
        starts = [n * size for n, size in zip(place, level.chunks, strict=True)]
        if any(start >= size for start, size in zip(starts, level.data.shape, strict=True)):
            return None
        cut = tuple(
            slice(start, min(start + size, end))
            for start, size, end in zip(starts, level.chunks, level.data.shape, strict=True)
        )
        with self.turn if self._is_computed else nullcontext():
            read = np.asarray(level.data[cut])
        voxels = shown_voxels(read, self.dtype)
        if not voxels.any():
            return None
        if voxels.shape != level.chunks:
            whole = np.zeros(level.chunks, self.dtype)
            whole[tuple(slice(0, size) for size in voxels.shape)] = voxels
            voxels = whole
        return voxels.astype(self.dtype.newbyteorder("<"), copy=False).tobytes()


def chunk_shape(shape: Sequence[int], stored: Sequence[int | None]) -> tuple[int, ...]:
    """Choose the shape of chunks, in voxels, so that few stored ones are read for each.

    Parameters
    ----------
    shape : sequence of int
        Of the image.
    stored : sequence of int or None
        The shape of its own chunks; None where it is unknown.

    Examples
    --------
    >>> chunk_shape((300, 2000, 2000), (128, 128, 128))
    (64, 64, 64)
    >>> chunk_shape((300, 2000, 2000), (1, 2000, 2000))
    (8, 128, 256)
    >>> chunk_shape((1, 40, 3000), (None, None, None))
    (1, 64, 4096)
    """
    inner = range(max(len(shape) - 3, 0), len(shape))
    ends = {n: shape[n] for n in inner}
    for n in list(inner)[:-2]:  # no more than a few planes where each is stored alone
        kept = stored[n]
        ends[n] = min(shape[n], _THIN) if kept is not None and kept < _THIN else shape[n]
    chunks = [1] * len(shape)
    while math.prod(chunks) * 2 <= _VOXELS:
        growing = [n for n in inner if chunks[n] < ends[n]]
        if not growing:
            break
        chunks[min(growing, key=lambda n: (chunks[n], -n))] *= 2
    return tuple(chunks)


def _chunks_of(image: Readable) -> Sequence[int | None]:
    framed = getattr(image, "framed", None)
    return (None,) * len(image.axes) if framed is None else tuple(framed.chunks)


def shown_dtype(dtype: np.dtype[Any], *, is_labels: bool) -> np.dtype[Any]:
    """Return the type that the viewer gets for one of ours; it draws no others.

    Object numbers stay exact.  Of images, integers of 64 bits with a sign, and complex numbers,
    of which the magnitude is shown, become float32, as do all floating-point numbers.

    Examples
    --------
    >>> shown_dtype(np.dtype("int64"), is_labels=True), shown_dtype(np.dtype(bool), is_labels=True)
    (dtype('uint64'), dtype('uint8'))
    >>> shown_dtype(np.dtype("int64"), is_labels=False)
    dtype('float32')
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if is_labels:
        return np.dtype(np.uint64) if dtype.kind == "i" else dtype.newbyteorder("=")
    fits = dtype.kind == "u" or (dtype.kind == "i" and dtype.itemsize < 8)
    return dtype.newbyteorder("=") if fits else np.dtype(np.float32)


def shown_voxels(voxels: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert voxels; object numbers below 0 are shown as those that are 2**64 higher."""
    if voxels.dtype.kind == "c":
        voxels = np.abs(voxels)
    with np.errstate(over="ignore"):
        return voxels.astype(dtype, copy=False)


def _as_json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False).encode()

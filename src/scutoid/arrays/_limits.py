"""Windows of channels that have none, from their voxels, once an image is written.

What is written through this process is looked at as it passes (`Limits.add`).  Of an image whose
blocks were written by others a sample is read: chunks all over it, and those that took most bytes,
for these hold what is bright::

    shards      1 kB   90 kB   1 kB   0.9 kB        the second is read, whatever its place
    chunks               ##
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._ome import MARK
from scutoid.arrays._open import open_source
from scutoid.arrays._shard_notes import ShardLevel, shard_levels
from scutoid.arrays._shards import objects_of, places_of
from scutoid.arrays._source import ArraySource
from scutoid.arrays._spec import ImageSpec
from scutoid.durable import replacing
from scutoid.errors import ScutoidError
from scutoid.geometry import Roi
from scutoid.texts import json_text

_SHARE = 64
"""Of this many voxels of an image, one is read."""
_LEAST, _MOST = 2**20, 2**25
"""Bytes that are read of any image, if it has them, and at most."""
_LOOKED_AT = 256
"""Shards of which the sizes of the chunks are looked at."""
Place = tuple[int, ...]
"""Of a shard, a number an axis as stored."""


@dataclass(slots=True)
class Limits:
    """The least and the largest number of each channel of an image."""

    axes: str
    """Axes of the image."""
    low: NDArray[np.float64]
    """Of each channel, of one if there is no axis of channels; NaN: no number was met."""
    high: NDArray[np.float64]
    """The same."""

    @classmethod
    def of(cls, spec: ImageSpec) -> Self:
        """Begin with no voxel of an image; of a mask 0 and 1, whatever it holds."""
        n_channels = spec.shape[spec.axes.index("c")] if "c" in spec.axes else 1
        low, high = (0.0, 1.0) if spec.dtype.kind == "b" else (np.nan, np.nan)
        return cls(spec.axes, np.full(n_channels, low), np.full(n_channels, high))

    def add(self, voxels: NDArray[Any], start: Sequence[int]) -> None:
        """Take in a region of the image that begins at `start`."""
        if "c" not in self.axes:
            self._add(0, voxels)
            return
        axis = self.axes.index("c")
        for number in range(voxels.shape[axis]):
            self._add(start[axis] + number, voxels.take(number, axis=axis))

    def _add(self, channel: int, voxels: NDArray[Any]) -> None:
        if not voxels.size:
            return
        numbers = np.abs(voxels) if voxels.dtype.kind == "c" else voxels
        low, high = float(numbers.min()), float(numbers.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            known = numbers[np.isfinite(numbers)]
            if not known.size:
                return
            low, high = float(known.min()), float(known.max())
        self.low[channel] = np.fmin(self.low[channel], low)
        self.high[channel] = np.fmax(self.high[channel], high)

    def add_zero(self, channels: NDArray[np.bool_]) -> None:
        """Take in a zero of each of some channels."""
        self.low[channels] = np.fmin(self.low[channels], 0)
        self.high[channels] = np.fmax(self.high[channels], 0)

    def window(self, channel: int) -> tuple[float, float]:
        """Return the limits of a channel, low < high; 0 to 1 where it has no number."""
        low, high = float(self.low[channel]), float(self.high[channel])
        if np.isnan(low):
            return 0.0, 1.0
        return (low, high) if low < high else (low, low + 1)


def add_limits(
    path: str | os.PathLike[str], limits: Limits | None = None, *, url: str | None = None
) -> bool:
    """Write down how the channels of a zarr of scutoid's are shown, where it does not say it yet.

    Viewers need a colour and a window of each channel.  Those that are unknown get a colour of
    their own, and the least and the largest voxel; readers of scutoid do not take these for windows
    that were set.

    Parameters
    ----------
    path : path
        Of the image's folder.
    limits : Limits, optional
        Of all of its voxels; default: of a sample, see above.
    url : str, optional
        Where its shards lie, if only its metadata are in the folder.

    Returns
    -------
    bool
        Whether there was something to write: it is an image, of no object numbers, without windows.
    """
    place = Path(path) / "zarr.json"
    with suppress(ScutoidError, OSError, ValueError):  # for viewers only: nothing is lost
        group = json.loads(place.read_text())
        attributes = group.get("attributes", {})
        own, ome = attributes.get(MARK, {}), attributes.get("ome", {})
        if {"image-label", "omero"} & ome.keys() or "multiscales" not in ome:
            return False
        with _sample_at(path, url) as (place_of_voxels, sizes):
            source = open_source(place_of_voxels)
            found = _sampled(source, place_of_voxels, sizes) if limits is None else limits
        ome["omero"] = {"channels": _channels(source, own, found)}
        own["has_limits_of_data"] = True
        with replacing(place) as new:
            new.write_text(json_text(group))
        return True
    return False


@contextmanager
def _sample_at(
    path: str | os.PathLike[str], url: str | None
) -> Iterator[tuple[str | os.PathLike[str], Mapping[Place, int] | None]]:
    """Yield where the voxels of a sample are read, and the bytes of all shards if they are known.

    Of an image at a URL whose shards are small they are copied: a request each, where each chunk
    would be one, and each index.
    """
    levels = () if url is None else shard_levels(path)
    if url is None or not levels:
        yield path if url is None else url, None
        return
    sizes = objects_of(f"{url}/0", levels[0].grid)
    shards = _looked_at(sorted(sizes), sizes)
    if sum(sizes[place] for place in shards) > _MOST:
        yield url, sizes
        return
    with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
        shutil.copytree(path, folder, dirs_exist_ok=True)
        names = ["/".join(("0", "c", *map(str, place))) for place in shards]
        found = remote.at_once([f"{url}/{name}" for name in names], remote.get)
        for name, content in zip(names, found, strict=True):
            shard = Path(folder, name)
            shard.parent.mkdir(parents=True, exist_ok=True)
            shard.write_bytes(content or b"")
        yield folder, sizes


def _looked_at(shards: list[Place], sizes: Mapping[Place, int]) -> list[Place]:
    """Return the shards of which the sizes of the chunks are looked at."""
    if len(shards) <= _LOOKED_AT:
        return shards
    return [shards[n] for n in _chosen([sizes[place] for place in shards], _LOOKED_AT)]


def _channels(
    source: ArraySource, own: Mapping[str, Any], limits: Limits
) -> list[dict[str, object]]:
    n_channels, names = len(limits.low), own.get("channels", ())
    shown = source.spec.display or (ChannelDisplay(),) * n_channels
    labels = [{"label": name} for name in names] or [{}] * n_channels
    return [
        {**label, **each.completed(n, n_channels, limits.window(n)).to_dict()}
        for n, (label, each) in enumerate(zip(labels, shown, strict=True))
    ]


def _sampled(
    source: ArraySource, path: str | os.PathLike[str], sizes: Mapping[Place, int] | None
) -> Limits:
    """Return the limits of a sample of the voxels."""
    spec = source.spec
    limits = Limits.of(spec)
    if spec.dtype.kind == "b":
        return limits
    budget = min(max(spec.size * spec.dtype.itemsize // _SHARE, _LEAST), _MOST)
    levels = shard_levels(path)
    chunks = _chunks_in(levels[0], spec, tuple(source.chunks), sizes) if levels else None
    regions = [_middle(spec, budget)] if chunks is None else chunks.some(budget, spec)
    for region in regions:
        limits.add(source.read(region), region.offset)
    if chunks is not None:
        limits.add_zero(chunks.lacking)
    return limits


@dataclass(frozen=True, slots=True)
class _Chunks:
    """Chunks of an image that are stored."""

    starts: NDArray[np.int64]
    """First voxel of each, shape (n, ndim)."""
    sizes: NDArray[np.int64]
    """Bytes that each takes."""
    shape: tuple[int, ...]
    """Shape of a chunk, in voxels."""
    lacking: NDArray[np.bool_]
    """Of each channel whether others are not stored, and so are zero."""

    def some(self, budget: int, spec: ImageSpec) -> list[Roi]:
        """Return the regions of chunks all over the image, and of those that take most bytes."""
        most = max(budget // (math.prod(self.shape) * spec.dtype.itemsize), 2)
        chosen = _chosen(self.sizes, most)
        return [Roi(self.starts[n].tolist(), self.shape).intersect(spec.roi) for n in chosen]


def _chosen(sizes: Sequence[int] | NDArray[np.int64], most: int) -> list[int]:
    """Return numbers of at most so many: half of them the largest, half spread evenly."""
    if len(sizes) <= most:
        return list(range(len(sizes)))
    largest = np.argsort(sizes, kind="stable")[::-1][: most // 2].tolist()
    spread = np.linspace(0, len(sizes) - 1, most - most // 2).astype(int).tolist()
    return sorted({*largest, *spread})


def _middle(spec: ImageSpec, budget: int) -> Roi:
    """Return the middle of an image, of about as many bytes."""
    shape = list(spec.shape)
    while math.prod(shape) * spec.dtype.itemsize > budget and max(shape) > 1:
        longest = shape.index(max(shape))
        shape[longest] = -(-shape[longest] // 2)
    start = [(size - part) // 2 for size, part in zip(spec.shape, shape, strict=True)]
    return Roi(start, shape)


def _chunks_in(
    level: ShardLevel,
    spec: ImageSpec,
    chunk: tuple[int, ...],
    sizes: Mapping[Place, int] | None,
) -> _Chunks | None:
    """Return the chunks in some of the shards, or all; None where they cannot be told."""
    inside = [edge // size for edge, size in zip(level.edge, chunk, strict=True)]
    if level.order or math.prod(inside) != level.n_chunks:  # its axes are stored in another order
        return None
    shards = sorted(places_of(level.folder, level.grid) if sizes is None else sizes)
    every = np.stack(np.unravel_index(np.arange(math.prod(level.grid)), level.grid), axis=1)
    there = np.array(shards, np.int64).reshape(-1, spec.ndim)
    counts = [_by_channel(places * level.edge, level.edge, spec) for places in (there, every)]
    lacking = counts[0] < counts[1]
    if sizes is not None:
        shards = _looked_at(shards, sizes)
    elif len(shards) > _LOOKED_AT:
        here = {place: Path(level.path(place)).stat().st_size for place in shards}
        shards = _looked_at(shards, here)
    within = np.stack(np.unravel_index(np.arange(level.n_chunks), inside), axis=1) * chunk
    starts, stored = [np.zeros((0, spec.ndim), np.int64)], [np.zeros(0, np.int64)]
    for shard in shards:
        found = level.sizes(shard)
        corners = np.multiply(shard, level.edge) + within
        in_image = (corners < spec.shape).all(axis=1)
        if found is not None:
            lacking |= _by_channel(corners[in_image & (found == 0)], chunk, spec) > 0
            starts.append(corners[in_image & (found > 0)])
            stored.append(found[in_image & (found > 0)])
    return _Chunks(np.concatenate(starts), np.concatenate(stored), chunk, lacking)


def _by_channel(starts: NDArray[np.int64], shape: Sequence[int], spec: ImageSpec) -> NDArray[Any]:
    """Return how many regions of a shape, by their first voxels, hold each channel."""
    if "c" not in spec.axes:
        return np.array([len(starts)])
    axis = spec.axes.index("c")
    held = starts[:, axis, None] + np.arange(shape[axis])
    n_channels = spec.shape[axis]
    return np.bincount(held[held < n_channels], minlength=n_channels)

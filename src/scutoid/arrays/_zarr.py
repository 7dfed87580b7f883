"""Zarr as images: OME-Zarr 0.4 and 0.5, plain arrays of versions 2 and 3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._files import folders_in, is_url, read_bytes
from scutoid.arrays._ome import Multiscale, read_multiscale
from scutoid.arrays._source import SourceIdentity, SourceKind, SourceMode, check_inside
from scutoid.arrays._spec import SPATIAL, ImageSpec, default_axes
from scutoid.arrays._zarr_array import ZarrArray
from scutoid.errors import MetadataError, SourceError
from scutoid.geometry import Roi


@dataclass(frozen=True, slots=True, eq=False)
class ZarrSource:
    """A zarr array as an image."""

    spec: ImageSpec
    """What it is."""
    array: ZarrArray
    """Where it lies."""
    chunks: tuple[int, ...]
    """What one decoding brings: the inner chunks of shards."""
    levels: int = 1
    """Number of pyramid levels beside it."""
    mode: SourceMode = "listing"
    """How a change is noticed."""

    @property
    def identity(self) -> SourceIdentity:
        """The array's folder."""
        kind: SourceKind = "url" if is_url(self.array.location) else "zarr"
        return SourceIdentity(kind, (self.array.location,), mode=self.mode)

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        check_inside(roi, self.spec)
        return self.array.read(roi, self.spec.dtype)


@dataclass(frozen=True, slots=True)
class _Node:
    """A zarr group or array, by its metadata files."""

    location: str
    version: Literal[2, 3]
    is_array: bool
    metadata: Mapping[str, Any]
    attributes: Mapping[str, Any]

    @property
    def stamp(self) -> str:
        return hashlib.sha256(json.dumps(self.metadata).encode()).hexdigest()


def read_node(location: str) -> _Node | None:
    """Return the group or array at a place; None if there is none.

    Raises
    ------
    SourceError
        If its metadata is no JSON.
    """
    found = _load(location, "zarr.json")
    if found:
        is_array = found.get("node_type") == "array"
        return _Node(location, 3, is_array, found, _mapping(found.get("attributes")))
    attributes = _load(location, ".zattrs")
    found = _load(location, ".zarray")
    if found:
        return _Node(location, 2, True, found, attributes)
    found = _load(location, ".zgroup")
    return _Node(location, 2, False, found, attributes) if found or attributes else None


def _load(location: str, name: str) -> Mapping[str, Any]:
    text = read_bytes(f"{location}/{name}")
    if text is None:
        return {}
    try:
        return _mapping(json.loads(text))
    except ValueError as error:
        raise SourceError(
            "zarr metadata is JSON",
            value=str(error),
            place=f"{location}/{name}",
            remedy="the file is damaged: restore it",
        ) from error


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def open_zarr(
    location: str, *, level: int, mode: SourceMode, axes: str | None = None
) -> ZarrSource:
    """Open an OME-Zarr image, a plain array, or a group with one array.

    Raises
    ------
    SourceError, MetadataError
        If there is no zarr, or it is not clear which array is meant.
    """
    node = read_node(location)
    if node is None:
        raise SourceError(
            "a zarr has metadata",
            value="neither zarr.json nor .zarray or .zgroup",
            place=location,
            remedy="check the path: it names the folder that holds zarr.json or .zarray",
        )
    if node.is_array:
        return _plain(node, mode, axes)
    multiscale = read_multiscale(node.attributes, location)
    if multiscale is None:
        return _plain(_only_array(node), mode, axes)
    n_levels = len(multiscale.paths)
    if level >= n_levels:
        raise MetadataError(
            f"the pyramid has levels 0 to {n_levels - 1}", value=level, place=location
        )
    inner = read_node(f"{location}/{multiscale.paths[level]}")
    if inner is None or not inner.is_array:
        raise SourceError(
            "the arrays that OME-NGFF metadata names exist",
            value=multiscale.paths[level],
            place=location,
            remedy="the copy is not complete: restore it",
        )
    return _described(inner, multiscale, level, mode)


def _only_array(node: _Node) -> _Node:
    names = folders_in(node.location)
    inner = {name: found for name in names if (found := read_node(f"{node.location}/{name}"))}
    arrays = [found for found in inner.values() if found.is_array]
    if len(arrays) == 1:
        return arrays[0]
    listed = [f"{name} ({'array' if found.is_array else 'group'})" for name, found in inner.items()]
    raise MetadataError(
        "a zarr group that is opened is an OME-Zarr image, or holds one array",
        value=f"it holds {', '.join(listed) or 'nothing'}",
        place=node.location,
        remedy=f"name one of them, e.g. {node.location}/{next(iter(inner), '0')}",
    )


def _plain(node: _Node, mode: SourceMode, axes: str | None) -> ZarrSource:
    shape, dtype, chunks = _layout(node)
    if axes is None:
        axes = _dimension_names(node) or default_axes(shape, dtype, place=node.location)
    array = ZarrArray(node.location, node.version, node.stamp)
    return ZarrSource(ImageSpec(shape, dtype, axes), array, chunks, 1, mode)


def _dimension_names(node: _Node) -> str | None:
    """Return the axes that an array names itself, if each is one letter."""
    names = node.metadata.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS") or ()
    letters = [name.lower() for name in names if isinstance(name, str) and len(name) == 1]
    is_named = len(letters) == len(names) == len(set(letters))
    return "".join(letters) if is_named and letters else None


def _described(node: _Node, multiscale: Multiscale, level: int, mode: SourceMode) -> ZarrSource:
    shape, dtype, chunks = _layout(node)
    axes = multiscale.axes
    spatial = [n for n, letter in enumerate(axes) if letter in SPATIAL]
    scale, shift = multiscale.scales[level], multiscale.translations[level]
    n_channels = shape[axes.index("c")] if "c" in axes and len(axes) == len(shape) else 0
    spec = ImageSpec(
        shape,
        dtype,
        axes,
        voxel_size=tuple(scale[n] for n in spatial) if multiscale.has_scale else None,
        unit=multiscale.unit,
        origin=tuple(shift[n] for n in spatial),
        channels=multiscale.channels if n_channels == len(multiscale.channels) else (),
    )
    array = ZarrArray(node.location, node.version, node.stamp)
    return ZarrSource(spec, array, chunks, len(multiscale.paths), mode)


def _layout(node: _Node) -> tuple[tuple[int, ...], np.dtype[Any], tuple[int, ...]]:
    """Return shape, type and (inner) chunks of an array."""
    said = node.metadata
    try:
        shape = tuple(int(n) for n in said["shape"])
        dtype = np.dtype(said["dtype" if node.version == 2 else "data_type"])
        chunks = tuple(max(int(c), 1) for c in _chunks(node))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            "the zarr of an image says its shape, its chunks and a type that numpy knows",
            value=f"{type(error).__name__}: {error}",
            place=node.location,
            remedy="convert it to an array of numbers with a regular grid of chunks",
        ) from error
    return shape, dtype, chunks


def _chunks(node: _Node) -> Sequence[int]:
    if node.version == 2:
        return node.metadata["chunks"]  # type: ignore[no-any-return]
    for codec in node.metadata["codecs"]:
        if codec.get("name") == "sharding_indexed":
            return codec["configuration"]["chunk_shape"]  # type: ignore[no-any-return]
    return node.metadata["chunk_grid"]["configuration"]["chunk_shape"]  # type: ignore[no-any-return]

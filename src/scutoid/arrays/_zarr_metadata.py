"""What the metadata of a zarr array say of its shape, chunks and type, in all forms that they take.

Zarr 3 has short forms that not each library reads: a codec or an encoding of chunk keys by its name
alone, a type as an object with a name.  They are written out here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from scutoid.arrays._zarr_nodes import Node
from scutoid.errors import SourceError

_INSIDE = ("codecs", "index_codecs")
_COMPRESSORS = ("zstd", "gzip", "blosc")
_SHARDING = "sharding_indexed"
_ANY = ("zarr_format", "node_type", "attributes", "dimension_names", "storage_transformers")
_VOXELS = ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs")
_FIELDS = frozenset((*_ANY, *_VOXELS))
"""What the metadata of an array of zarr 3 may hold that a reader has to understand."""
_ENCODINGS = ("default", "v2")
"""How the keys of chunks are written."""
_PAST_ALL = 2**62 - 1
"""Voxels along an axis that no reader counts to."""
_SHOWN = 100
_MOST_SHARDS = 2**27
"""As many files no disk is made for; lists of them take a gigabyte."""


class ArrayMetadata(NamedTuple):
    """Shape, chunks and type of an array."""

    shape: tuple[int, ...]
    """In voxels."""
    chunks: tuple[int, ...]
    """Shape of the voxels that are decoded together: the inner chunks of shards."""
    dtype: np.dtype[Any]
    """In native byte order."""
    assumed: str
    """The metadata written out, as JSON; empty: they are so as they stand."""


class _Unknown(Exception):
    """A part of the format that is not read here."""


def array_metadata(node: Node) -> ArrayMetadata:
    """Read the metadata of an array.

    Raises
    ------
    SourceError
        If something is missing, or is of a kind that is not read.
    """
    try:
        whole = node.metadata
        if node.version == 3:
            whole = written_out(whole)
            _check_understood(whole)
        shape = _sizes(whole["shape"], "shape")
        chunks = _sizes(_chunks(whole, node.version), "chunk shape", len(shape))
        return ArrayMetadata(
            shape,
            tuple(max(n, 1) for n in chunks),
            _dtype(whole["dtype" if node.version == 2 else "data_type"]),
            "" if whole == node.metadata else _as_json(whole),
        )
    except _Unknown as unknown:
        readers = " and ".join(map(_with_version, ("tensorstore", "zarr")))
        raise SourceError(
            "an array of a zarr is of kinds that are read: regular chunks, numbers of known types, "
            "no extensions",
            value=f"{unknown}, in zarr format {_format_of(node)}; read by {readers}",
            place=node.location,
            remedy="copy it to regular chunks and such a type, by the program that wrote it",
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            "the metadata of a zarr array give its shape, chunks and type, a type of numbers",
            value=f"{type(error).__name__}: {error}",
            place=node.location,
            remedy="restore the metadata file",
        ) from error


def _with_version(package: str) -> str:
    """Name a package, and its version where it was installed with its metadata."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def shard_grid(node: Node) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the shape of an array, that of a shard, and the number of shards along each axis.

    Raises
    ------
    SourceError
        If the metadata do not say it, or there would be more shards than anything is made of.
    """
    try:
        shape = _sizes(node.metadata["shape"], "shape")
        said = node.metadata["chunk_grid"]["configuration"]["chunk_shape"]
        edge = _sizes(said, "chunk shape", len(shape))
        grid = tuple(-(-size // each) for size, each in zip(shape, edge, strict=True))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise _no_shards(node, f"{type(error).__name__}: {error}") from error
    if math.prod(grid) > _MOST_SHARDS:
        raise _no_shards(node, f"{math.prod(grid)} shards")
    return shape, edge, grid


def _no_shards(node: Node, value: str) -> SourceError:
    return SourceError(
        f"the metadata of a zarr array cut it into shards, at most {_MOST_SHARDS}",
        value=value,
        place=node.location,
        remedy="restore the metadata file",
    )


def _sizes(said: Any, name: str, ndim: int | None = None) -> tuple[int, ...]:
    """Return numbers of voxels along the axes, as many as are asked for."""
    if not isinstance(said, list) or len(said) != (len(said) if ndim is None else ndim):
        raise ValueError(f"a {name} {str(said)[:_SHOWN]} of {ndim or 'some'} axes")
    if not all(type(n) is int and 0 <= n < _PAST_ALL for n in said):
        raise ValueError(f"a {name} {str(said)[:_SHOWN]}")
    return tuple(said)


def _format_of(node: Node) -> object:
    return node.metadata.get("zarr_format", node.version)


def written_out(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return metadata of zarr 3 with all short forms written out.

    Examples
    --------
    >>> written_out({"codecs": ["bytes"], "data_type": {"name": "uint8"}})
    {'codecs': [{'name': 'bytes'}], 'data_type': 'uint8'}
    """
    changed: dict[str, Any] = {}
    if "codecs" in metadata:
        changed["codecs"] = [_codec(codec) for codec in metadata["codecs"]]
    for name in ("chunk_key_encoding", "chunk_grid"):
        if isinstance(metadata.get(name), str):
            changed[name] = {"name": metadata[name]}
    dtype = metadata.get("data_type")
    if isinstance(dtype, Mapping) and not dtype.get("configuration"):
        changed["data_type"] = dtype["name"]
    names = metadata.get("dimension_names")
    if isinstance(names, list) and len(set(names) - {None}) < len(names) - names.count(None):
        changed["dimension_names"] = [None] * len(
            names
        )  # tensorstore reads no array two of whose axes are alike
    return {**metadata, **changed}


def _check_understood(metadata: Mapping[str, Any]) -> None:
    """Refuse what has to be understood of metadata of zarr 3, and is not.

    Raises
    ------
    _Unknown
        If there is something.
    """
    if metadata.get("zarr_format") != 3:
        raise _Unknown("metadata of another version")
    for name, value in metadata.items():
        may_be_left = isinstance(value, Mapping) and value.get("must_understand") is False
        if name not in _FIELDS and not may_be_left:
            raise _Unknown(f"a field {name!r}")
    transformers = metadata.get("storage_transformers")
    if transformers:
        raise _Unknown(f"storage transformers {_name_of(transformers[0])!r}")
    encoding = _name_of(metadata.get("chunk_key_encoding", "default"))
    if encoding not in _ENCODINGS:
        raise _Unknown(f"an encoding of chunk keys {encoding!r}")


def _name_of(said: Any) -> Any:
    return said.get("name") if isinstance(said, Mapping) else said


def _codec(codec: Any) -> Any:
    if isinstance(codec, str):
        codec = {"name": codec}
    if codec.get("name") in _COMPRESSORS and "configuration" not in codec:
        return {**codec, "configuration": {}}  # it says how to compress, and reading needs none
    inside = codec.get("configuration")
    if codec.get("name") != _SHARDING or not isinstance(inside, Mapping):
        return codec
    own = {name: [_codec(each) for each in inside[name]] for name in _INSIDE if name in inside}
    return {**codec, "configuration": {**inside, **own}}


def _chunks(metadata: Mapping[str, Any], zarr_format: int) -> Any:
    if zarr_format == 2:
        return metadata["chunks"]
    grid = metadata["chunk_grid"]
    if grid["name"] != "regular":
        raise _Unknown(f"a chunk grid {grid['name']!r}")
    for codec in metadata.get("codecs", ()):
        if codec.get("name") == _SHARDING:
            return codec["configuration"]["chunk_shape"]
    return grid["configuration"]["chunk_shape"]


def _dtype(said: Any) -> np.dtype[Any]:
    name = said.get("name") if isinstance(said, Mapping) else said
    if name is None:
        raise TypeError(f"a type without a name: {said!r}")
    try:
        native: np.dtype[Any] = np.dtype(None if isinstance(said, Mapping) else said)
    except TypeError as error:
        raise _Unknown(f"a type {name!r}") from error
    if native.kind not in "biufc" or isinstance(said, Mapping):
        raise _Unknown(f"a type {name!r}")
    return native.newbyteorder("=")


def _as_json(metadata: Mapping[str, Any]) -> str:
    told = {name: value for name, value in metadata.items() if name != "attributes"}
    return json.dumps(told, sort_keys=True)

"""The metadata of zarr groups and arrays, versions 2 and 3: read, and told apart."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid import remote
from scutoid.arrays._zarr_zip import folders_in_zip, read_in, split_zip, stamp_in
from scutoid.errors import SourceError
from scutoid.texts import parse_json

_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Node:
    """A zarr group or array, by its metadata files."""

    location: str
    version: int
    is_array: bool
    metadata: Mapping[str, Any]
    attributes: Mapping[str, Any]
    stamp: tuple[int, ...] = ()


def read_node(location: str, *, fills: bool = False) -> Node | None:
    """Return the group or array at a location; None if there is none.

    `fills` says that what a server refuses is absent.
    """
    metadata = _load(file_in(location, "zarr.json", fills=fills), f"{location}/zarr.json")
    if metadata:
        is_array = metadata.get("node_type") == "array"
        attributes = metadata.get("attributes") or {}
        if not isinstance(attributes, dict):
            raise _not_an_object(attributes, f"{location}/zarr.json", "attributes are")
        return Node(
            location, 3, is_array, metadata, attributes, _stamp(location, "zarr.json", metadata)
        )
    attributes = _load(file_in(location, ".zattrs", fills=fills), f"{location}/.zattrs")
    metadata = _load(file_in(location, ".zarray", fills=fills), f"{location}/.zarray")
    if metadata:
        return Node(location, 2, True, metadata, attributes, _stamp(location, ".zarray", metadata))
    metadata = _load(file_in(location, ".zgroup", fills=fills), f"{location}/.zgroup")
    return Node(location, 2, False, metadata, attributes) if metadata or attributes else None


def read_nodes(locations: Sequence[str], *, fills: bool = False) -> list[Node | None]:
    """Return the group or array at each location, None where there is none."""
    read = functools.partial(read_node, fills=fills)
    if any("://" in location for location in locations):
        return remote.at_once(locations, read)
    return [read(location) for location in locations]


def description_at(location: str, version: int) -> str | None:
    """Return the digest of what the metadata of a local array say of its chunks; None: it is gone.

    One stat, unless they have changed since they were read.
    """
    name = "zarr.json" if version == 3 else ".zarray"
    try:
        status = os.stat(f"{location}/{name}")  # noqa: PTH116  # for each region that is read
    except OSError:
        return None
    stamp = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
    return _description_of(location, name, stamp)


@functools.lru_cache(maxsize=512)
def _description_of(location: str, name: str, _stamp: tuple[int, ...]) -> str:
    return description(_load(file_in(location, name), f"{location}/{name}"))


def description(metadata: Mapping[str, Any]) -> str:
    """Digest metadata without attributes, which do not tell how chunks are written."""
    told = {name: value for name, value in metadata.items() if name != "attributes"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def folders_in(location: str) -> list[str]:
    """Return the names of the folders right below a location, sorted."""
    zipped = split_zip(location)
    if zipped is not None:
        return folders_in_zip(*zipped)
    if "://" in location:
        return remote.folders_in(location)
    return sorted(path.name for path in Path(location).iterdir() if path.is_dir())


def names_below(node: Node, inside: str = "", *, fills: bool = False) -> list[str]:
    """Return the names of what lies right below a group, or below a group within it, sorted.

    At a URL by the consolidated metadata of the group, where it has such, else by a listing.
    """
    place = f"{node.location}/{inside}".rstrip("/")
    if "://" not in place:
        return folders_in(place)
    known = node.metadata.get("consolidated_metadata")
    if node.version == 2:
        known = _load(file_in(node.location, ".zmetadata", fills=fills), f"{place}/.zmetadata")
    listed = known.get("metadata") if isinstance(known, Mapping) else None
    if not isinstance(listed, Mapping):
        return folders_in(place)
    begin = f"{inside}/" if inside else ""
    below = [path.removeprefix(begin) for path in listed if path.startswith(begin)]
    names = {path.partition("/")[0] for path in below}
    return sorted(name for name in names if name and not name.startswith("."))


def _load(text: bytes | None, place: str) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        metadata = parse_json(text)
    except ValueError as error:
        raise SourceError(
            "zarr metadata is JSON", value=str(error), place=place, remedy="restore the file"
        ) from error
    if not isinstance(metadata, dict):
        raise _not_an_object(metadata, place, "metadata are")
    return metadata


def _not_an_object(found: object, place: str, which: str) -> SourceError:
    return SourceError(
        f"zarr {which} a JSON object",
        value=repr(found)[:_LONGEST],
        place=place,
        remedy="restore the file",
    )


def file_in(location: str, name: str, *, fills: bool = False) -> bytes | None:
    """Return the content of a file at a location; None: there is none."""
    if "://" in location:
        return remote.read(f"{location.rstrip('/')}/{name}", refused_is_absent=fills)
    zipped = split_zip(location)
    if zipped is not None:
        archive, inside = zipped
        return read_in(archive, f"{inside}/{name}" if inside else name)
    path = f"{location}/{name}"
    if not os.path.isfile(path):  # noqa: PTH113  # for each image that is opened
        return None
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _stamp(location: str, name: str, metadata: Mapping[str, Any]) -> tuple[int, ...]:
    if "://" in location:
        text = json.dumps(metadata, sort_keys=True).encode()
        return (int.from_bytes(hashlib.sha256(text).digest()[:8], "little"),)
    zipped = split_zip(location)
    if zipped is not None:
        return stamp_in(zipped[0])
    stat = os.stat(f"{location}/{name}")  # noqa: PTH116
    return stat.st_mtime_ns, stat.st_size, stat.st_ino

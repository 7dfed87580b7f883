"""The file that has the notes of the shards of an image: `image.shards` beside `image.ome.zarr`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import NOTE
from scutoid.errors import DamagedResult, StoreError
from scutoid.paths import inside
from scutoid.records import RecordLog
from scutoid.segments import parts_of
from scutoid.store import Entry

_HEADER = {"scutoid": "shards", "version": 1}
_ZARR, _SHARDS = ".ome.zarr", ".shards"
Notes = NDArray[np.void]
NO_NOTES: Notes = np.zeros(0, NOTE)


def notes_file(file: str) -> str:
    """Return the file that has the notes of an image.

    Examples
    --------
    >>> notes_file("image-2.ome.zarr")
    'image-2.shards'
    """
    return f"{file.removesuffix(_ZARR)}{_SHARDS}"


def is_notes_file(file: str) -> bool:
    """Whether a file of a result has the notes of an image."""
    return file.endswith(_SHARDS) and "/" not in file


def read_notes(path: Path, key: str) -> Notes:
    """Read the notes in the folder of the result of a key; of two of one shard the later holds.

    Those of other writers of the result count too.

    Raises
    ------
    DamagedResult
        If the file is none of notes, or has those of another result.
    """
    parts = [_read_part(part, size, key) for part, size in parts_of(path)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _read_part(path: Path, size: int, key: str) -> Notes:
    header, payloads = RecordLog.read(path, size=size)
    content = b"".join(payloads)
    if header not in (b"", *_headers(key)) or len(content) % NOTE.itemsize:
        raise DamagedResult(
            "the notes of the shards of an image are its own",
            value=header[:200].decode(errors="replace"),
            place=str(path),
            remedy="run again to compute it",
        )
    return np.frombuffer(content, NOTE)


def _headers(key: str) -> tuple[bytes, bytes]:
    """Return what a file of notes begins with, and what it did in earlier versions."""
    every = ({**_HEADER, "key": key}, _HEADER)
    new, old = (json.dumps(fields, separators=(",", ":")).encode() for fields in every)
    return new, old


def open_notes(path: Path, key: str) -> RecordLog:
    """Open a file of notes for appending; one that is not this result's is begun anew."""
    try:
        header, _ = RecordLog.read(path)
    except DamagedResult:
        header = b"damaged"
    if header not in (b"", *_headers(key)):
        path.unlink()
        header = b""
    return RecordLog.open(path, header or _headers(key)[0])


def has_notes(entry: Entry, file: str) -> bool:
    """Whether all shards of an image of a result were noted when it was completed."""
    recipe = entry.recipe
    return recipe is not None and notes_file(file) in recipe.files


def notes_of(entry: Entry, file: str) -> Notes | None:
    """Return the notes of an image of a result; None where there are none that can be read."""
    try:
        return read_notes(inside(entry.path, notes_file(file)), entry.key)
    except StoreError:
        return None

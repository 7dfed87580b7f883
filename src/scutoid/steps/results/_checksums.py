"""Checksums of what the result of a member lies in: a file, the shards of a zarr, a folder."""

from __future__ import annotations

import zlib
from pathlib import Path

from scutoid.arrays import missing_notes
from scutoid.steps.results._member_record import Checksum, FileRecord
from scutoid.steps.results._missing_shards import shard_count
from scutoid.steps.results._notes_file import NO_NOTES
from scutoid.store import checksum_file


def checksum_of(path: Path) -> Checksum:
    """Return the checksum of a member's file, of the shards of a zarr, or of a folder's files."""
    if path.is_file():
        return checksum_file(path)
    if path.suffix == ".zarr":
        notes = missing_notes(path, NO_NOTES)
        return (*shard_count(path), zlib.crc32(notes.tobytes()))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return tuple([(file.relative_to(path).as_posix(), checksum_file(file)) for file in files])


def contents_of(folder: Path) -> tuple[tuple[str, int], ...]:
    """Return the files below a folder, such as the shards of a zarr: their paths and bytes."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return tuple([(file.relative_to(folder).as_posix(), file.stat().st_size) for file in files])


def is_intact(path: Path, file: FileRecord) -> bool:
    """Whether a member's file has the checksum that was noted, if one was."""
    return file.checksum is None or file.fits(checksum_of(path))

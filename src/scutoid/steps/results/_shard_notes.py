"""Notes of the shards of a result's images are made, and compared with the shards.

The worker that has written a block makes them, the driver appends them before the block is
journalled.  What has none when the result is completed is noted as it is found.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from scutoid.arrays import ShardLevel, misplaced_shards, missing_notes, shard_levels
from scutoid.blocks import Journal
from scutoid.errors import DamagedResult
from scutoid.geometry import Roi
from scutoid.paths import inside
from scutoid.steps.results._missing_shards import zarr_images
from scutoid.steps.results._notes_file import (
    has_notes,
    notes_file,
    open_notes,
    read_notes,
)
from scutoid.store import Entry


class NoteWriter:
    """Appends the notes of blocks to the files of a result.

    Parameters
    ----------
    entry : Entry
        The result.
    files : sequence of str or None
        Of each output, its zarr if it has one.
    folder : Path, optional
        Where they are recorded, if not in the folder of the result.
    """

    def __init__(
        self, entry: Entry, files: Sequence[str | None], folder: Path | None = None
    ) -> None:
        place = folder or entry.path
        self._logs = [
            None if file is None else open_notes(place / notes_file(file), entry.key)
            for file in files
        ]

    def append(self, blocks: Sequence[Sequence[bytes]]) -> None:
        """Append what blocks have noted of each output.

        They need not be on the disk before the journal is: a note that is lost is made again when
        the result is completed.
        """
        for log, *notes in zip(self._logs, *blocks, strict=True):
            if log is not None and any(notes):
                log.append_many((b"".join(notes),), is_synced=False)

    def close(self) -> None:
        """Close the files."""
        for log in self._logs:
            if log is not None:
                log.close()


def settle_notes(entry: Entry) -> None:
    """Note shards that have no note yet, and see that all notes are on the disk.

    Of a result at a URL none is without: notes are recorded with the blocks.
    """
    if entry.remote is not None:
        return
    for image in zarr_images(entry):
        path, place = entry.path / image.file, entry.path / notes_file(image.file)
        if path.is_symlink() or not shard_levels(path):
            continue
        with open_notes(place, entry.key) as log:
            missing = missing_notes(path, read_notes(place, entry.key))
            log.append_many((missing.tobytes(),) if len(missing) else ())


def misplaced_in(entry: Entry, file: str) -> list[Path]:
    """Return shards of a result's image that are not what was noted, where they were noted.

    Raises
    ------
    StoreError
        If the file of the notes is none.
    """
    place = inside(entry.path, notes_file(file))
    if not place.exists():
        return []
    is_whole = has_notes(entry, file)
    return misplaced_shards(entry.path / file, read_notes(place, entry.key), is_whole=is_whole)


def lost_notes(entry: Entry) -> str | None:
    """Name notes of a result that is being made which are gone, or are those of another result.

    Without them nothing tells which of its shards are its own.  Results that were begun by earlier
    versions need have none.
    """
    is_begun = bool(Journal.key_of(entry.journal))
    for image in zarr_images(entry):
        file = notes_file(image.file)
        try:
            read_notes(entry.at(file), entry.key)
        except DamagedResult:
            return file
        if is_begun and not entry.at(file).exists():
            return file
    return None


class NotedShards:
    """Compares the shards that are read with their notes, each once for each version of it.

    Parameters
    ----------
    path : Path
        The image.
    entry : Entry
        The result that it belongs to.
    is_whole : bool
        Whether all shards have a note, as in a complete result.
    """

    def __init__(self, path: Path, entry: Entry, *, is_whole: bool) -> None:
        self.path = path
        self.entry = entry
        self.is_whole = is_whole
        status = (path / "zarr.json").stat()
        self.stamp = (status.st_mtime_ns, status.st_ino)

    def misplaced(self, roi: Roi) -> str | None:
        """Return the file of a shard that a region meets and that is not what was noted."""
        compared = _compared(self.path, self.entry, self.stamp, self.is_whole)
        return None if compared is None else compared.misplaced(roi)


@functools.lru_cache(maxsize=64)
def _compared(
    path: Path, entry: Entry, _stamp: tuple[int, ...], is_whole: bool
) -> _Compared | None:
    levels = shard_levels(path)
    if not levels:
        return None
    notes = entry.at(notes_file(path.name))
    return _Compared(levels[0], notes, entry.key, is_whole)


class _Compared:
    """What this process has compared of the finest level of an image."""

    def __init__(self, level: ShardLevel, notes: Path, key: str, is_whole: bool) -> None:
        self._level = level
        self._notes = notes
        self._key = key
        self._is_whole = is_whole
        self._known = self._read()
        self._seen: dict[int, tuple[int, ...]] = {}

    def _read(self) -> dict[int, tuple[int, ...]]:
        found = read_notes(self._notes, self._key)
        return {note[1]: note for note in found[found["level"] == 0].tolist()}

    def misplaced(self, roi: Roi) -> str | None:
        for place in self._level.places(roi):
            number = self._level.number_of(place)
            stamp = self._level.stamp(place)
            if stamp is None or self._seen.get(number) == stamp:
                continue
            if not (self._is_noted(place, number) or self._is_noted_now(place, number)):
                return self._level.path(place)
            self._seen[number] = stamp
        return None

    def _is_noted(self, place: tuple[int, ...], number: int) -> bool:
        noted = self._known.get(number)
        if noted is None:
            return not self._is_whole
        found = self._level.note(place)
        return found is None or found == noted

    def _is_noted_now(self, place: tuple[int, ...], number: int) -> bool:
        """See whether it was made again since the notes were read."""
        self._known = self._read()
        return self._is_noted(place, number)

"""Take shards of one stored image over into another that is stored alike; none is compressed anew.

A shard is read and checked first: that it is the one that was written there, by its note, and that
its chunks are what was written, by their checksums.  Then the new image gets it as a clone of the
file, as a second name of it, or as a copy, whichever the disk allows first.  No file of an image is
ever written to again, so that a second name is as good as a copy.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from scutoid.arrays._shard_notes import Notes, ShardLevel, as_notes, shard_levels
from scutoid.arrays._zarr_array import ZarrArray, open_tensorstore
from scutoid.arrays._zarr_write import ZarrWriter
from scutoid.durable import beside, sync_file, sync_folder
from scutoid.errors import DamagedResult
from scutoid.geometry import Roi
from scutoid.regular import opened_regular

_CLONE = 0x40049409
"""FICLONE of Linux: the new file shares the blocks of the old one until either is changed."""


class TakenShards:
    """Gives the shards of a stored image to images that are stored alike.

    Parameters
    ----------
    path : Path
        The image.
    notes : ndarray of `NOTE`
        Of its shards; one without a note is not given.
    """

    def __init__(self, path: Path, notes: Notes) -> None:
        self._levels = shard_levels(path)
        self._notes = {(note[0], note[1]): note for note in notes.tolist()}
        self._alike: dict[str, bool] = {}

    def give(self, writer: object, roi: Roi) -> Notes | None:
        """Put the shards of a region into another image, which is on the disk when this returns.

        Parameters
        ----------
        writer : ImageWriter
            Of the other image.
        roi : Roi
            A region made of whole shards.

        Returns
        -------
        ndarray of `NOTE` or None
            Notes of the shards, of all levels; None where one is not there, or the other image is
            stored otherwise.

        Raises
        ------
        DamagedResult
            If a shard is not what was written there.
        """
        if not isinstance(writer, ZarrWriter) or not self._is_alike(writer):
            return None
        regions = [(writer.array, roi)]
        regions += [(level.array, level.region(roi)) for level in writer.coarse]
        found: list[tuple[str, str]] = []
        notes = []
        levels = zip(self._levels, writer.levels, regions, strict=True)
        for own, other, (array, region) in levels:
            for place in own.places(region):
                note = self._notes.get((own.number, own.number_of(place)))
                if note is None or own.stamp(place) is None:
                    return None
                if own.note(place) != note:
                    raise _damaged(own.path(place), "it is not the shard that was written there")
                found.append((own.path(place), other.path(place)))
                notes.append(note)
            _check_chunks(own, array, region)
        for old, new in reversed(found):  # the finest last: if it exists, all of them do
            place_file(Path(old), Path(new))
        return as_notes(notes)

    def _is_alike(self, writer: ZarrWriter) -> bool:
        """Whether the arrays of another image have the metadata of this one's."""
        known = self._alike.get(writer.array.location)
        if known is None:
            own, other = (
                [_metadata(one) for one in all_] for all_ in (self._levels, writer.levels)
            )
            known = bool(own) and None not in own and own == other
            self._alike[writer.array.location] = known
        return known


def _metadata(level: ShardLevel) -> bytes | None:
    try:
        return Path(level.folder, "zarr.json").read_bytes()
    except OSError:
        return None


def _check_chunks(level: ShardLevel, like: ZarrArray, region: Roi) -> None:
    """Read a region from the disk itself, which fails where a chunk is not what was written."""
    array = ZarrArray(level.folder, like.version, order=like.order)
    try:
        open_tensorstore(array, 0)[region.to_slices()].read().result()
    except ValueError as error:  # what tensorstore raises for any failure to read
        raise _damaged(level.folder, str(error)[:300]) from error


def _damaged(place: str, value: str) -> DamagedResult:
    return DamagedResult(
        "a block that is taken over is what was written",
        value=value,
        place=place,
        remedy="it is computed anew",
    )


def place_file(old: Path, new: Path) -> None:
    """Give a file a second place: a clone of it, a second name, or a copy.

    Raises
    ------
    OSError
        If it is not there, or the new one cannot be written.
    """
    new.parent.mkdir(parents=True, exist_ok=True)
    made = beside(new)
    try:
        for way in (_clone, os.link, _copy):
            if _succeeds(way, old, made):
                break
        made.replace(new)
    finally:
        made.unlink(missing_ok=True)  # two names of one file: nothing was renamed
    sync_folder(new.parent)


def _succeeds(way: Callable[[Path, Path], Any], old: Path, new: Path) -> bool:
    if way is _copy:
        way(old, new)
        return True
    with suppress(OSError, ImportError):
        way(old, new)
        return True
    new.unlink(missing_ok=True)
    return False


def _clone(old: Path, new: Path) -> None:
    import fcntl

    with opened_regular(old) as source, new.open("xb") as target:
        fcntl.ioctl(target.fileno(), _CLONE, source.fileno())
        os.fsync(target.fileno())


def _copy(old: Path, new: Path) -> None:
    shutil.copyfile(old, new)
    sync_file(new)

"""Detect shards of a stored image that are gone from its URL, which would be read as zeros."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays import shard_levels
from scutoid.geometry import Roi
from scutoid.steps.results._notes_file import notes_file, read_notes
from scutoid.store import Entry


class ShardsAtUrl:
    """Asks for noted shards where nothing but zeros was read; each once.

    Parameters
    ----------
    path : Path
        Metadata of the image, in the working folder.
    url : str
        The image.
    entry : Entry
        The result that it belongs to, which is complete.
    """

    def __init__(self, path: Path, url: str, entry: Entry) -> None:
        self._url = url
        self._level = next(iter(shard_levels(path)), None)
        found = read_notes(entry.at(notes_file(path.name)), entry.key)
        self._noted = frozenset(found["shard"][found["level"] == 0].tolist())
        self._seen: set[int] = set()

    def lost(self, roi: Roi, voxels: NDArray[Any]) -> str | None:
        """Return the URL of a shard that was noted, and is gone; None: none of this region is."""
        if self._level is None or voxels.all():
            return None
        for place in self._level.places(roi):
            number = self._level.number_of(place)
            if number in self._seen or number not in self._noted:
                continue
            part = self._level.region(place).intersect(roi)
            if not voxels[part.to_slices(roi.offset)].any():
                shard = f"{self._url}/0/c/{'/'.join(map(str, place))}"
                if remote.ask([shard]) == [None]:
                    return shard
            self._seen.add(number)
        return None

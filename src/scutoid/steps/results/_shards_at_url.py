"""Detect shards of a stored image that are gone from its URL, which would be read as zeros."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays import ShardLevel, shard_levels
from scutoid.blocks import BlockStatus, Journal
from scutoid.errors import StoreError
from scutoid.geometry import Roi
from scutoid.steps.results._missing_shards import SHARDS, zarr_images
from scutoid.steps.results._notes_file import Notes, has_notes, notes_file, notes_of, read_notes
from scutoid.store import Entry


class ShardsAtUrl:
    """Asks for noted shards where nothing but zeros was read.

    Each time: a run elsewhere may have made the result anew since.

    Parameters
    ----------
    path : Path
        Metadata of the image, in the working folder.
    url : str
        The image.
    """

    def __init__(self, path: Path, url: str) -> None:
        self._url = url
        self._level = next(iter(shard_levels(path)), None)
        self._noted: frozenset[int] = frozenset()

    @classmethod
    def of(cls, path: Path, url: str, entry: Entry) -> ShardsAtUrl:
        """Ask for those that a complete result has noted."""
        made, found = cls(path, url), read_notes(entry.at(notes_file(path.name)), entry.key)
        made._noted = frozenset(found["shard"][found["level"] == 0].tolist())
        return made

    @classmethod
    def of_member(cls, path: Path, url: str, names: Iterable[str]) -> ShardsAtUrl:
        """Ask for those among the files that a member of a collection has noted."""
        made = cls(path, url)
        if made._level is not None:
            begin = f"{Path(made._level.folder).name}/c/"
            shards = (name.removeprefix(begin) for name in names if name.startswith(begin))
            places = (tuple(map(int, shard.split("/"))) for shard in shards)
            made._noted = frozenset(map(made._level.number_of, places))
        return made

    @classmethod
    def by_journal(cls, path: Path, url: str, entry: Entry) -> ShardsAtUrl | None:
        """Know the shards by the blocks that were written; None: they do not tell of each other.

        So it is with results of earlier versions, which noted no shards.
        """
        level = next(iter(shard_levels(path)), None)
        image = next(each for each in zarr_images(entry) if each.file == path.name)
        statuses = Journal.read(entry.journal, key=entry.key)
        grid = None if image.grid is None else image.grid.grid
        if level is None or grid is None or grid.n_blocks != len(statuses):
            return None
        if tuple(level.grid) != tuple(grid.shape) or list(level.order) != sorted(level.order):
            return None
        written = np.flatnonzero(statuses == BlockStatus.WRITTEN).tolist()
        made = cls(path, url)
        made._noted = frozenset(written)
        return made

    def lost(self, roi: Roi, voxels: NDArray[Any]) -> str | None:
        """Return the URL of a shard that was noted, and is gone; None: none of this region is."""
        if self._level is None or voxels.all():
            return None
        for place in self._level.places(roi):
            number = self._level.number_of(place)
            if number not in self._noted:
                continue
            part = self._level.region(place).intersect(roi)
            if not voxels[part.to_slices(roi.offset)].any():
                shard = f"{self._url}/0/c/{'/'.join(map(str, place))}"
                if remote.ask([shard]) == [None]:
                    return shard
        return None


def lacks_shards(entry: Entry, file: str, *, is_told: bool) -> bool:
    """Whether fewer shards of an image lie at a URL than the recipe counts.

    Earlier versions counted those of images that were written whole, and noted none.

    Parameters
    ----------
    entry : Entry
        The result.
    file : str
        Its image.
    is_told : bool
        Whether each shard is asked for where zeros are read.

    Raises
    ------
    StoreError
        If it is not, and the server lists no folders: what is missing would be read as zeros.
    """
    recipe = entry.recipe
    counts = {} if recipe is None else recipe.extra.get(SHARDS, {})
    if file not in counts or has_notes(entry, file):
        return False
    level = f"{entry.image(file)}/0"
    if remote.names(level):  # its metadata, if nothing else
        return bool(len(remote.objects(f"{level}/c")) < counts[file][0])
    if is_told:
        return False
    raise StoreError(
        "a stored image is known to have all its shards, for what is missing reads as zeros",
        value="its server lists no folders, and neither notes nor a journal name its shards",
        place=level,
        remedy="let the server list folders, or copy the store",
    )


def keep_noted_shards(entry: Entry) -> bool:
    """Remove shards that no segment notes, before an attempt at a URL is gone on with.

    They are of blocks that are made again, and would stay in the place of what these make now:
    their writer was killed, or its input was not the one that was planned with.

    Returns
    -------
    bool
        Whether those that are noted are there, of the size that was noted.

    Raises
    ------
    StoreError
        If the store does not answer, or another has taken over the lock of the result.
    """
    is_whole = True
    for image in zarr_images(entry):
        notes = notes_of(entry, image.file)
        for level in shard_levels(entry.path / image.file):
            begin = f"{entry.image(image.file)}/{Path(level.folder).name}/c/"
            there = {each.url: each.size for each in remote.objects(begin)}
            noted = {} if notes is None else _sizes(begin, level, notes)
            left = [url for url in there if url not in noted]
            if left and entry.remote is not None:
                entry.remote.refuse_if_taken_over()  # another may have noted them since
            remote.remove(left)
            is_whole &= all(there.get(url) == size for url, size in noted.items())
    return is_whole


def _sizes(begin: str, level: ShardLevel, notes: Notes) -> dict[str, int]:
    own = notes[notes["level"] == level.number].tolist()
    places = (("/".join(map(str, level.place_of(note[1]))), note[2]) for note in own)
    return {f"{begin}{place}": size for place, size in places}
